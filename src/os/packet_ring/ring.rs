//! The receiving side.
#![expect(
    unsafe_code,
    reason = "socket options libc has no safe form of, and a ring shared with the kernel"
)]

use std::{
    io,
    mem::{offset_of, size_of},
    os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
    ptr::NonNull,
    sync::{Arc, atomic::AtomicU32, atomic::Ordering},
};

use crate::os::kernel::WIRE_GSO_MAX;

use super::{
    frame::{Frame, VlanTag, VnetHeader},
    transmit::Transmitter,
};

/// How large a ring is and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Bytes of one slot, a multiple of 16; a longer frame is truncated.
    pub slot: usize,
    /// Bytes of the whole ring; rounded up to whole blocks.
    pub total: usize,
    /// Without link-layer headers: an interface may not have any. Else Ethernet frames.
    pub cooked: bool,
    /// With what the interface's own namespace sends, too, and without offload
    /// headers: for observing. Else foreign frames only, fit to be sent on.
    pub outgoing: bool,
}

impl Geometry {
    /// Holds the longest frame that segmentation offload makes on a wire
    /// (`os::kernel::WIRE_GSO_MAX`).
    pub const fn relay(total: usize) -> Self {
        Self {
            slot: WIRE_GSO_MAX as usize + 512,
            total,
            cooked: false,
            outgoing: false,
        }
    }

    /// Observes; a segmented TCP frame beyond 16 kB is seen in part.
    pub const fn tap(total: usize) -> Self {
        Self {
            slot: 16_384 + 256,
            total,
            cooked: true,
            outgoing: true,
        }
    }

    /// Observes whole Ethernet frames; as with [`tap`](Self::tap), of a longer
    /// frame the beginning.
    pub const fn watch(total: usize) -> Self {
        Self {
            slot: 16_384 + 256,
            total,
            cooked: false,
            outgoing: true,
        }
    }
}

/// Bytes the kernel allocates in one piece.
const BLOCK: usize = 1 << 20;

/// A receive ring on one interface.
#[derive(Debug)]
pub struct Ring {
    fd: Arc<OwnedFd>,
    memory: NonNull<u8>,
    length: usize,
    slot: usize,
    per_block: usize,
    slots: usize,
    head: usize,
    with_offloads: bool,
    drops: u64,
    index: i32,
}

// SAFETY: `memory` is a shared mapping that belongs to this value alone on our
// side; nothing about it is tied to the thread that made it.
unsafe impl Send for Ring {}

impl Ring {
    /// Opens a ring on `interface` of the calling thread's namespace.
    pub fn open(interface: &str, geometry: Geometry) -> io::Result<Self> {
        let index = nix::net::if_::if_nametoindex(interface)?.cast_signed();
        let kind = if geometry.cooked {
            libc::SOCK_DGRAM
        } else {
            libc::SOCK_RAW
        };
        // SAFETY: plain call; the result is checked. Protocol 0 receives
        // nothing until bind says otherwise, so no frame of another interface slips in.
        let fd = check(unsafe {
            libc::socket(
                libc::AF_PACKET,
                kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
                0,
            )
        })?;
        // SAFETY: the descriptor was just made and nobody else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        let version = libc::tpacket_versions::TPACKET_V2 as libc::c_int;
        set(&fd, libc::PACKET_VERSION, &version)?;
        if !geometry.outgoing {
            set(&fd, libc::PACKET_VNET_HDR, &1)?;
            set(&fd, libc::PACKET_IGNORE_OUTGOING, &1)?;
        }
        let per_block = BLOCK / geometry.slot;
        let blocks = geometry.total.div_ceil(BLOCK).max(1);
        let request = libc::tpacket_req {
            tp_block_size: BLOCK as u32,
            tp_block_nr: blocks as u32,
            tp_frame_size: geometry.slot as u32,
            tp_frame_nr: (blocks * per_block) as u32,
        };
        set(&fd, libc::PACKET_RX_RING, &request)?;
        let length = blocks * BLOCK;
        let memory = map(&fd, length)?;
        let ring = Self {
            fd: Arc::new(fd),
            memory,
            length,
            slot: geometry.slot,
            per_block,
            slots: blocks * per_block,
            head: 0,
            with_offloads: !geometry.outgoing,
            drops: 0,
            index,
        };
        ring.bind()?;
        Ok(ring)
    }

    fn bind(&self) -> io::Result<()> {
        // SAFETY: all-zero bytes are a valid sockaddr_ll.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
        address.sll_ifindex = self.index;
        // SAFETY: the pointer and length describe `address`.
        check(unsafe {
            libc::bind(
                self.fd.as_raw_fd(),
                (&raw const address).cast(),
                size_of::<libc::sockaddr_ll>() as u32,
            )
        })?;
        Ok(())
    }

    /// The sending side of the same socket. Only for rings made to relay.
    pub fn transmitter(&self) -> Transmitter {
        Transmitter::new(Arc::clone(&self.fd))
    }

    fn head(&self) -> (NonNull<u8>, &AtomicU32) {
        let (block, within) = (self.head / self.per_block, self.head % self.per_block);
        // SAFETY: head < slots, so the slot lies within the mapping.
        let base = unsafe { self.memory.add(block * BLOCK + within * self.slot) };
        // SAFETY: a slot begins with its status word, 16-byte aligned, which
        // both sides access atomically; the mapping lives as long as the ring.
        (base, unsafe { AtomicU32::from_ptr(base.as_ptr().cast()) })
    }

    /// Whether [`next_frame`](Self::next_frame) has a frame.
    pub fn is_ready(&self) -> bool {
        self.head().1.load(Ordering::Acquire) & libc::TP_STATUS_USER != 0
    }

    /// The next received frame, if there is one.
    pub fn next_frame(&mut self) -> Option<Frame<'_>> {
        let next = (self.head + 1) % self.slots;
        let (base, _) = self.head();
        // SAFETY: as in `head`, once more because the head moves meanwhile.
        let status: &AtomicU32 = unsafe { AtomicU32::from_ptr(base.as_ptr().cast()) };
        let bits = status.load(Ordering::Acquire);
        if bits & libc::TP_STATUS_USER == 0 {
            return None;
        }
        self.head = next;
        // SAFETY: the user bit is set, so until the status is stored again the
        // slot is ours and initialised by the kernel.
        let header = unsafe { base.cast::<libc::tpacket2_hdr>().as_ptr().read() };
        // SAFETY: as above; the kernel puts the address behind the aligned header.
        let address = unsafe {
            base.add(ADDRESS_OFFSET)
                .cast::<libc::sockaddr_ll>()
                .as_ptr()
                .read_unaligned()
        };
        let start = usize::from(header.tp_mac);
        let captured = header.tp_snaplen as usize;
        let fits = start >= ADDRESS_OFFSET && start + captured <= self.slot;
        let (start, captured) = if fits {
            (start, captured)
        } else {
            (ADDRESS_OFFSET, 0)
        };
        // SAFETY: start + captured lies within the slot, which is ours until
        // the frame is dropped; the frame borrows the ring.
        let bytes = unsafe { std::slice::from_raw_parts(base.add(start).as_ptr(), captured) };
        let mut vnet = VnetHeader::default();
        if self.with_offloads && fits && start >= ADDRESS_OFFSET + VnetHeader::LEN {
            // SAFETY: the offload header lies right before the frame, within the slot.
            vnet.0 = unsafe {
                base.add(start - VnetHeader::LEN)
                    .cast::<[u8; VnetHeader::LEN]>()
                    .as_ptr()
                    .read()
            };
        }
        let tagged = bits & libc::TP_STATUS_VLAN_VALID != 0;
        let tpid = if bits & libc::TP_STATUS_VLAN_TPID_VALID != 0 {
            header.tp_vlan_tpid
        } else {
            libc::ETH_P_8021Q as u16
        };
        Some(Frame {
            slot: status,
            vnet,
            bytes,
            vlan: tagged.then_some(VlanTag {
                tpid,
                tci: header.tp_vlan_tci,
            }),
            stamp_real_ns: u64::from(header.tp_sec) * 1_000_000_000 + u64::from(header.tp_nsec),
            truncated: header.tp_len != header.tp_snaplen || !fits,
            outgoing: address.sll_pkttype == libc::PACKET_OUTGOING,
            protocol: u16::from_be(address.sll_protocol),
            is_finished: bits & libc::TP_STATUS_CSUMNOTREADY == 0,
        })
    }

    /// Frames the kernel had no slot for since the ring was opened.
    pub fn drops(&mut self) -> u64 {
        // SAFETY: all-zero bytes are a valid tpacket_stats.
        let mut stats: libc::tpacket_stats = unsafe { std::mem::zeroed() };
        let mut length = size_of::<libc::tpacket_stats>() as u32;
        // SAFETY: pointer and length describe `stats`.
        let result = unsafe {
            libc::getsockopt(
                self.fd.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                (&raw mut stats).cast(),
                &raw mut length,
            )
        };
        if result == 0 {
            // Reading resets the kernel's count.
            self.drops += u64::from(stats.tp_drops);
        }
        self.drops
    }

    /// Takes the error the socket holds, `ENETDOWN` after the interface went
    /// down; until it is taken, polls report it again and again. The socket
    /// works again once the interface is up.
    pub fn take_error(&self) -> Option<io::Error> {
        let mut code: libc::c_int = 0;
        let mut length = size_of::<libc::c_int>() as u32;
        // SAFETY: pointer and length describe `code`.
        let result = unsafe {
            libc::getsockopt(
                self.fd.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_ERROR,
                (&raw mut code).cast(),
                &raw mut length,
            )
        };
        (result == 0 && code != 0).then(|| io::Error::from_raw_os_error(code))
    }
}

/// Where the kernel puts the `sockaddr_ll` of a slot: behind the header, aligned to 16.
const ADDRESS_OFFSET: usize = size_of::<libc::tpacket2_hdr>().next_multiple_of(16);

const _: () = assert!(
    offset_of!(libc::tpacket2_hdr, tp_status) == 0 && size_of::<libc::tpacket2_hdr>() == 32,
    "the status word leads, and the kernel's TPACKET2_HDRLEN counts 32 bytes"
);

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map` with this length, and no frame
        // can borrow the ring any more.
        unsafe {
            libc::munmap(self.memory.as_ptr().cast(), self.length);
        }
    }
}

fn map(fd: &OwnedFd, length: usize) -> io::Result<NonNull<u8>> {
    // SAFETY: a fresh shared mapping of the socket's ring; nothing is overwritten.
    let memory = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            length,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            fd.as_raw_fd(),
            0,
        )
    };
    if memory == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(memory.cast()).ok_or_else(|| io::Error::other("the ring was mapped at null"))
}

fn set<T>(fd: &OwnedFd, option: libc::c_int, value: &T) -> io::Result<()> {
    // SAFETY: pointer and length describe `value`, a plain C integer or struct.
    check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_PACKET,
            option,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as u32,
        )
    })?;
    Ok(())
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
