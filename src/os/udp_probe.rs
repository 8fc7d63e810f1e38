//! Sockets of the probe instrument: paced UDP out, kernel-stamped UDP in.
#![expect(
    unsafe_code,
    reason = "recvmmsg with control messages, without an allocation per packet"
)]

use std::{
    io, mem,
    net::{IpAddr, SocketAddr},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    ptr,
};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::socket_buffer;

/// Bytes asked for each socket's buffers, taken only as packets wait; the kernel grants what its
/// limits allow. A packet takes about a kilobyte: this is a second of 50,000.
const BUFFER_BYTES: usize = 64 << 20;

/// IP and UDP header bytes of a packet of this family.
pub fn header_bytes(address: IpAddr) -> usize {
    if address.is_ipv4() { 20 + 8 } else { 40 + 8 }
}

/// An unconnected UDP socket that sends one flow.
#[derive(Debug)]
pub struct SendSocket {
    socket: Socket,
    to: SockAddr,
    source: SocketAddr,
}

impl SendSocket {
    /// Binds `source` with a fresh ephemeral port in the calling thread's
    /// namespace. TTL 64; never blocks. With `dont_fragment` DF is set, and what routers say
    /// of the path's MTU changes nothing.
    pub fn open(source: IpAddr, destination: SocketAddr, dont_fragment: bool) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::for_address(destination),
            Type::DGRAM.cloexec().nonblocking(),
            Some(Protocol::UDP),
        )?;
        if destination.is_ipv4() {
            socket.set_ttl_v4(64)?;
            set_option(
                &socket,
                libc::IPPROTO_IP,
                libc::IP_MTU_DISCOVER,
                if dont_fragment {
                    libc::IP_PMTUDISC_PROBE
                } else {
                    libc::IP_PMTUDISC_DONT
                },
            )?;
        } else {
            socket.set_unicast_hops_v6(64)?;
            set_option(
                &socket,
                libc::IPPROTO_IPV6,
                libc::IPV6_MTU_DISCOVER,
                if dont_fragment {
                    libc::IPV6_PMTUDISC_PROBE
                } else {
                    libc::IPV6_PMTUDISC_DONT
                },
            )?;
        }
        // A smaller buffer than asked for only means an earlier EAGAIN, which is counted.
        let _ = socket.set_send_buffer_size(BUFFER_BYTES);
        socket.bind(&SocketAddr::new(source, 0).into())?;
        let source = socket
            .local_addr()?
            .as_socket()
            .ok_or_else(|| io::Error::other("a UDP socket without an IP address"))?;
        Ok(Self {
            socket,
            to: destination.into(),
            source,
        })
    }

    /// The address and port packets leave from.
    pub fn source(&self) -> SocketAddr {
        self.source
    }

    /// Sends one packet. Errors are the kernel's refusal to send: no route,
    /// an interface that is down, a full buffer.
    pub fn send(&self, payload: &[u8]) -> io::Result<()> {
        self.socket.send_to(payload, &self.to).map(drop)
    }
}

/// What the kernel says about one datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Its first bytes, as many as [`RecvBatch`] keeps.
    pub payload: &'a [u8],
    /// Kernel receive time, CLOCK_REALTIME nanoseconds; `None`: not stamped.
    pub real_ns: Option<u64>,
    /// TTL or hop limit on arrival.
    pub ttl: u8,
}

/// A UDP socket that receives one flow, stamped by the kernel.
#[derive(Debug)]
pub struct RecvSocket {
    socket: Socket,
}

impl AsFd for RecvSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl RecvSocket {
    /// Binds `local` in the calling thread's namespace.
    pub fn open(local: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::for_address(local),
            Type::DGRAM.cloexec().nonblocking(),
            Some(Protocol::UDP),
        )?;
        socket_buffer::enlarge_receive(socket.as_fd(), BUFFER_BYTES)?;
        set_option(&socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
        if local.is_ipv4() {
            set_option(&socket, libc::IPPROTO_IP, libc::IP_RECVTTL, 1)?;
        } else {
            socket.set_only_v6(true)?;
            set_option(&socket, libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, 1)?;
        }
        socket.bind(&local.into())?;
        Ok(Self { socket })
    }

    /// Datagrams the socket has dropped since it was opened, for want of
    /// buffer or for a bad checksum.
    pub fn dropped(&self) -> io::Result<u32> {
        socket_buffer::dropped(self.socket.as_fd())
    }
}

/// Bytes of each datagram that are kept: the probe header and some room.
const KEEP: usize = 64;
/// Datagrams taken at once.
const BATCH: usize = 64;
/// Room for a timespec and a TTL with their headers.
const CONTROL: usize = 128;

#[repr(C, align(16))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL]);

/// Reusable room for [`RecvBatch::receive`].
pub struct RecvBatch {
    payload: Box<[[u8; KEEP]; BATCH]>,
    control: Box<[Control; BATCH]>,
}

impl Default for RecvBatch {
    fn default() -> Self {
        Self {
            payload: Box::new([[0; KEEP]; BATCH]),
            control: Box::new([Control([0; CONTROL]); BATCH]),
        }
    }
}

impl std::fmt::Debug for RecvBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecvBatch").finish_non_exhaustive()
    }
}

/// What one call of [`RecvBatch::receive`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Datagrams handed over.
    pub count: usize,
    /// Whether more may be waiting.
    pub more: bool,
}

impl RecvBatch {
    /// Takes what waits in `socket`, at most one batch, and hands each datagram to `each`.
    pub fn receive(
        &mut self,
        socket: &RecvSocket,
        mut each: impl FnMut(Datagram<'_>),
    ) -> io::Result<Received> {
        let mut vectors: [libc::iovec; BATCH] = std::array::from_fn(|i| libc::iovec {
            iov_base: self.payload[i].as_mut_ptr().cast(),
            iov_len: KEEP,
        });
        let mut headers: [libc::mmsghdr; BATCH] = std::array::from_fn(|i| {
            // SAFETY: mmsghdr is plain data for which all zeros is a valid value.
            let mut header: libc::mmsghdr = unsafe { mem::zeroed() };
            header.msg_hdr.msg_iov = &raw mut vectors[i];
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = self.control[i].0.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = CONTROL as _;
            header
        });
        // SAFETY: every header points at an iovec and a control buffer that
        // outlive the call, with their true lengths; the timeout may be null.
        let taken = unsafe {
            libc::recvmmsg(
                socket.socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        let Ok(count) = usize::try_from(taken) else {
            let error = io::Error::last_os_error();
            return if matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
            ) {
                Ok(Received {
                    count: 0,
                    more: false,
                })
            } else {
                Err(error)
            };
        };
        for (header, payload) in headers.iter().zip(self.payload.iter()).take(count) {
            let control = ControlFacts::read(&header.msg_hdr);
            let kept = (header.msg_len as usize).min(KEEP);
            each(Datagram {
                payload: payload.get(..kept).unwrap_or_default(),
                real_ns: control.real_ns,
                ttl: control.ttl,
            });
        }
        Ok(Received {
            count,
            more: count == BATCH,
        })
    }
}

#[derive(Default)]
struct ControlFacts {
    real_ns: Option<u64>,
    ttl: u8,
}

impl ControlFacts {
    fn read(header: &libc::msghdr) -> Self {
        let mut facts = Self::default();
        // SAFETY: the kernel filled the header's control buffer, which is aligned
        // for cmsghdr and still alive; CMSG_FIRSTHDR checks its length.
        let mut cursor = unsafe { libc::CMSG_FIRSTHDR(header) };
        while !cursor.is_null() {
            // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR return null or a whole header within the buffer.
            let message = unsafe { &*cursor };
            // SAFETY: the data of a control message follows its header within the buffer.
            let data = unsafe { libc::CMSG_DATA(cursor) };
            match (message.cmsg_level, message.cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                    // SAFETY: this message's data is a timespec.
                    let stamp = unsafe { data.cast::<libc::timespec>().read_unaligned() };
                    let seconds = u64::try_from(stamp.tv_sec).unwrap_or(0);
                    let nanos = u64::try_from(stamp.tv_nsec).unwrap_or(0);
                    facts.real_ns = Some(seconds.saturating_mul(1_000_000_000) + nanos);
                }
                (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                    // SAFETY: this message's data is an int.
                    let ttl = unsafe { data.cast::<libc::c_int>().read_unaligned() };
                    facts.ttl = u8::try_from(ttl).unwrap_or(0);
                }
                _ => {}
            }
            // SAFETY: `cursor` is a header within the buffer that `header` describes.
            cursor = unsafe { libc::CMSG_NXTHDR(header, cursor) };
        }
        facts
    }
}

fn set_option(
    socket: &Socket,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the value is an int that outlives the call, and its length is given.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Waits until one of `sockets` has something to read, at most `milliseconds`;
/// returns their positions.
pub fn wait_readable(sockets: &[RecvSocket], milliseconds: u16) -> io::Result<Vec<usize>> {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    let mut fds: Vec<PollFd<'_>> = sockets
        .iter()
        .map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN))
        .collect();
    match poll(&mut fds, PollTimeout::from(milliseconds)) {
        Ok(_) => {}
        Err(nix::errno::Errno::EINTR) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    }
    Ok(fds
        .iter()
        .enumerate()
        .filter(|(_, fd)| fd.any().unwrap_or(true))
        .map(|(position, _)| position)
        .collect())
}
