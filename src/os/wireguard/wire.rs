//! The hidden end of a tunnel's veth pair, where the node's packets come out.
#![expect(unsafe_code, reason = "AF_PACKET sockets have no safe wrapper")]

use std::{
    io::{self, Read as _},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};

use crate::os::{netns::NetnsFd, socket_buffer};

/// From linux/if_packet.h: do not show this socket what it sent itself.
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;

/// The pair's end in the hidden namespace.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inner {
    pub(super) index: u32,
    /// Address of the node's end: what arrives there must be addressed to it.
    pub(super) visible_mac: [u8; 6],
}

/// Whole IP packets from and to the node's interface.
#[derive(Debug)]
pub(super) struct Wire {
    socket: Socket,
    v4: SockAddr,
    v6: SockAddr,
    // The hidden namespace and with it the pair lives as long as this value.
    _hidden: NetnsFd,
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Wire {
    /// A receive buffer of `buffer` bytes, as far as the system allows.
    pub(super) fn open(hidden: NetnsFd, inner: Inner, buffer: usize) -> io::Result<Self> {
        let socket = hidden.run(|| packet_socket(inner.index, buffer))?;
        let [v4, v6] = [libc::ETH_P_IP, libc::ETH_P_IPV6]
            .map(|ethertype| link_address(inner.index, ethertype, Some(inner.visible_mac)));
        Ok(Self {
            socket,
            v4,
            v6,
            _hidden: hidden,
        })
    }

    /// The next packet the node sent into the tunnel, if there is one; anything but IP is left
    /// out. `WouldBlock` when none waits.
    pub(super) fn receive<'b>(&self, buffer: &'b mut [u8]) -> io::Result<Option<&'b [u8]>> {
        match (&self.socket).read(buffer) {
            Ok(len) => Ok(buffer.get(..len).filter(|packet| is_ip(packet))),
            // Said once when the interface goes down; packets come again when it is up.
            Err(error) if error.raw_os_error() == Some(libc::ENETDOWN) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Hands the node a packet of IPv4 or IPv6. Refused while its interface is down, as a TUN
    /// would.
    pub(super) fn send(&self, packet: &[u8]) -> io::Result<()> {
        let to = match packet.first().map(|first| first >> 4) {
            Some(4) => &self.v4,
            _ => &self.v6,
        };
        self.socket.send_to(packet, to).map(drop)
    }
}

fn is_ip(packet: &[u8]) -> bool {
    matches!(packet.first().map(|first| first >> 4), Some(4 | 6))
}

/// A socket for whole packets of any protocol on one interface.
fn packet_socket(index: u32, buffer: usize) -> io::Result<Socket> {
    // Protocol 0 until bound, or packets of other interfaces would be waiting.
    let socket = Socket::new(
        Domain::PACKET,
        Type::DGRAM.cloexec().nonblocking(),
        Some(Protocol::from(0)),
    )?;
    let yes: libc::c_int = 1;
    // SAFETY: the value is an int that outlives the call, and its length is given.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            PACKET_IGNORE_OUTGOING,
            (&raw const yes).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    socket_buffer::enlarge_receive(socket.as_fd(), buffer)?;
    // What the system's limit cuts off is room for bursts.
    let _ = socket.set_send_buffer_size(buffer);
    socket.bind(&link_address(index, libc::ETH_P_ALL, None))?;
    Ok(socket)
}

fn link_address(index: u32, ethertype: libc::c_int, mac: Option<[u8; 6]>) -> SockAddr {
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: the storage is larger and more aligned than a sockaddr_ll, all zeros is one.
    let address: &mut libc::sockaddr_ll = unsafe { storage.view_as() };
    address.sll_family = libc::AF_PACKET as _;
    address.sll_protocol = (ethertype as u16).to_be();
    address.sll_ifindex = index.cast_signed();
    if let Some(mac) = mac {
        address.sll_halen = 6;
        address.sll_addr[..6].copy_from_slice(&mac);
    }
    // SAFETY: the storage holds a sockaddr_ll of this length.
    unsafe { SockAddr::new(storage, size_of::<libc::sockaddr_ll>() as _) }
}
