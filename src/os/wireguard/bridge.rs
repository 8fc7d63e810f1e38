//! Carries packets between boringtun and the hidden end of a veth pair.
#![expect(unsafe_code, reason = "AF_PACKET sockets have no safe wrapper")]

use std::{
    io::{self, Read},
    os::fd::{AsRawFd, OwnedFd},
    thread,
};

use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};

use crate::os::netns::NetnsFd;

/// Bytes asked for the buffers on the way: a burst of TCP must fit.
const BUFFER_BYTES: usize = 4 << 20;
/// Larger than any packet of an MTU that boringtun accepts.
const PACKET_LEN: usize = 2048;
/// From linux/if_packet.h: do not show this socket what it sent itself.
const PACKET_IGNORE_OUTGOING: libc::c_int = 23;

/// A packet that means nothing: IPv6, no next header (59), to the discard
/// prefix of RFC 6666. Sent into a tunnel it makes WireGuard shake hands;
/// coming out of one it goes no further.
pub(super) const KNOCK: [u8; 40] = {
    let mut packet = [0; 40];
    packet[0] = 0x60;
    packet[6] = 59;
    // 100::1
    packet[24] = 0x01;
    packet[39] = 1;
    packet
};

/// The pair's end in the hidden namespace.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inner {
    pub(super) index: u32,
    /// Address of the node's end: what arrives there must be addressed to it.
    pub(super) visible_mac: [u8; 6],
}

/// Two threads that live as long as boringtun keeps its end open.
pub(super) struct Bridge {
    to_tunnel: Socket,
    // The hidden namespace and with it the pair lives as long as this value.
    _hidden: NetnsFd,
}

impl Bridge {
    /// Starts the threads; returns the end to give to boringtun.
    pub(super) fn start(hidden: NetnsFd, inner: Inner) -> io::Result<(Self, OwnedFd)> {
        let wire = hidden.run(|| packet_socket(inner.index))?;
        let (ours, theirs) = Socket::pair(Domain::UNIX, Type::SEQPACKET.cloexec(), None)?;
        for socket in [&ours, &theirs] {
            // What the system's limit cuts off is room for bursts.
            let _ = socket.set_send_buffer_size(BUFFER_BYTES);
        }
        let (from_wire, to_tunnel) = (wire.try_clone()?, ours.try_clone()?);
        thread::Builder::new()
            .name("tunnel-out".to_owned())
            .spawn(move || node_to_tunnel(from_wire, &to_tunnel))?;
        let from_tunnel = ours.try_clone()?;
        thread::Builder::new()
            .name("tunnel-in".to_owned())
            .spawn(move || tunnel_to_node(from_tunnel, &wire, inner))?;
        let bridge = Self {
            to_tunnel: ours,
            _hidden: hidden,
        };
        Ok((bridge, theirs.into()))
    }

    /// Sends a packet into the tunnel as if the node had.
    pub(super) fn inject(&self, packet: &[u8]) -> io::Result<()> {
        self.to_tunnel.send(packet).map(drop)
    }
}

fn node_to_tunnel(mut wire: Socket, tunnel: &Socket) {
    let mut buffer = [0; PACKET_LEN];
    loop {
        let len = match wire.read(&mut buffer) {
            Ok(len) => len,
            // Said once when the interface goes down; packets come again when it is up.
            Err(error) if error.raw_os_error() == Some(libc::ENETDOWN) => continue,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let Some(packet) = buffer.get(..len).filter(|p| ethertype(p).is_some()) else {
            continue;
        };
        if tunnel.send(packet).is_err() {
            return;
        }
    }
}

fn tunnel_to_node(mut tunnel: Socket, wire: &Socket, inner: Inner) {
    let [v4, v6] = [libc::ETH_P_IP, libc::ETH_P_IPV6]
        .map(|ethertype| link_address(inner.index, ethertype, Some(inner.visible_mac)));
    let mut buffer = [0; PACKET_LEN];
    loop {
        let len = match tunnel.read(&mut buffer) {
            Ok(0) => return,
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let packet = buffer.get(..len).unwrap_or_default();
        let to = match ethertype(packet) {
            Some(libc::ETH_P_IP) => &v4,
            Some(_) if packet != KNOCK => &v6,
            Some(_) | None => continue,
        };
        // Refused while the node's end is down, as a TUN would.
        let _ = wire.send_to(packet, to);
    }
}

fn ethertype(packet: &[u8]) -> Option<libc::c_int> {
    match packet.first()? >> 4 {
        4 => Some(libc::ETH_P_IP),
        6 => Some(libc::ETH_P_IPV6),
        _ => None,
    }
}

/// A socket for whole IP packets of any version on one interface.
fn packet_socket(index: u32) -> io::Result<Socket> {
    // Protocol 0 until bound, or packets of other interfaces would be waiting.
    let socket = Socket::new(
        Domain::PACKET,
        Type::DGRAM.cloexec(),
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
    let _ = socket.set_recv_buffer_size(BUFFER_BYTES);
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
