//! UDP as single-hop BFD wants it (RFC 5881 §4, §5): a source port of its own
//! from 49152 up, and a TTL of 255 both ways, so that no packet from beyond the
//! link is ever believed.

use std::{
    io::{self, IoSliceMut},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6, UdpSocket},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt,
    sockopt::{Ipv4PacketInfo, Ipv4RecvTtl, Ipv6RecvHopLimit, Ipv6RecvPacketInfo},
};
use socket2::{Domain, Protocol, Socket, Type};

/// Where single-hop Control packets go.
pub const CONTROL_PORT: u16 = 3784;
/// The TTL of every packet, and the only one accepted (RFC 5082).
const TTL: u32 = 255;
/// RFC 5881 §4: the range of source ports.
const SOURCE_PORTS: std::ops::RangeInclusive<u16> = 49152..=65535;

/// A received datagram, known to come from a neighbour on the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The sender.
    pub from: IpAddr,
    /// The address it was sent to.
    pub to: Option<IpAddr>,
    /// The interface (by index) it came in on.
    pub ifindex: u32,
    /// Bytes of payload in the caller's buffer.
    pub len: usize,
}

/// Receives the Control packets of one address family.
#[derive(Debug)]
pub struct Receiver(UdpSocket);

impl Receiver {
    /// Binds port 3784 of all addresses of the family, in the VRF of this device if
    /// one is given; non-blocking.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn open(v6: bool, vrf: Option<&str>) -> io::Result<Self> {
        let (domain, any): (_, IpAddr) = if v6 {
            (Domain::IPV6, Ipv6Addr::UNSPECIFIED.into())
        } else {
            (Domain::IPV4, Ipv4Addr::UNSPECIFIED.into())
        };
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        if v6 {
            socket.set_only_v6(true)?;
            setsockopt(&socket, Ipv6RecvHopLimit, &true)?;
            setsockopt(&socket, Ipv6RecvPacketInfo, &true)?;
        } else {
            setsockopt(&socket, Ipv4RecvTtl, &true)?;
            setsockopt(&socket, Ipv4PacketInfo, &true)?;
        }
        if let Some(vrf) = vrf {
            socket.bind_device(Some(vrf.as_bytes()))?;
        }
        socket.bind(&SocketAddr::new(any, CONTROL_PORT).into())?;
        Ok(Self(socket.into()))
    }

    /// The next packet with a TTL of 255; others are dropped here. `None` when
    /// nothing is waiting.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<Arrival>> {
        loop {
            match self.receive_any(buffer) {
                Ok((arrival, ttl)) => {
                    if ttl == Some(TTL.cast_signed())
                        && let Some(arrival) = arrival
                    {
                        return Ok(Some(arrival));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn receive_any(&self, buffer: &mut [u8]) -> io::Result<(Option<Arrival>, Option<i32>)> {
        let mut control = nix::cmsg_space!(i32, libc::in6_pktinfo, libc::in_pktinfo);
        let mut slices = [IoSliceMut::new(buffer)];
        let message = recvmsg::<SockaddrStorage>(
            self.0.as_raw_fd(),
            &mut slices,
            Some(&mut control),
            MsgFlags::empty(),
        )?;
        let mut ttl = None;
        let mut to = None;
        let mut ifindex = 0;
        for control in message.cmsgs()? {
            if let ControlMessageOwned::Ipv4Ttl(value) | ControlMessageOwned::Ipv6HopLimit(value) =
                control
            {
                ttl = Some(value);
            } else if let ControlMessageOwned::Ipv4PacketInfo(info) = control {
                to = Some(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr)).into());
                ifindex = info.ipi_ifindex.cast_unsigned();
            } else if let ControlMessageOwned::Ipv6PacketInfo(info) = control {
                to = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
                ifindex = info.ipi6_ifindex;
            }
        }
        let from = message.address.as_ref().and_then(ip_of);
        let arrival = from.map(|from| Arrival {
            from,
            to,
            ifindex,
            len: message.bytes,
        });
        Ok((arrival, ttl))
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Sends the Control packets of one session.
#[derive(Debug)]
pub struct Sender {
    socket: UdpSocket,
    remote: SocketAddr,
}

impl Sender {
    /// Binds `local` and a source port no other session of this host has, trying
    /// ports from `first` on (any number; it is brought into range). Packets leave
    /// by `interface`, whatever the routes say, when it is given.
    ///
    /// # Errors
    /// EADDRNOTAVAIL while the address is not (yet) there, or no port is free.
    pub fn open(
        local: IpAddr,
        remote: IpAddr,
        interface: Option<&str>,
        first: u16,
    ) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::for_address(SocketAddr::new(local, 0)),
            Type::DGRAM,
            Some(Protocol::UDP),
        )?;
        socket.set_nonblocking(true)?;
        if local.is_ipv4() {
            socket.set_ttl_v4(TTL)?;
        } else {
            socket.set_only_v6(true)?;
            socket.set_unicast_hops_v6(TTL)?;
        }
        if let Some(interface) = interface {
            socket.bind_device(Some(interface.as_bytes()))?;
        }
        let range = SOURCE_PORTS.end() - SOURCE_PORTS.start() + 1;
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for step in 0..range {
            let port = SOURCE_PORTS.start() + first.wrapping_add(step) % range;
            let address = super::tcp::socket_addr(local, port, interface)?;
            match socket.bind(&address.into()) {
                Ok(()) => {
                    return Ok(Self {
                        socket: socket.into(),
                        remote: super::tcp::socket_addr(remote, CONTROL_PORT, interface)?,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// Sends now or not at all.
    ///
    /// # Errors
    /// When the packet did not leave: no route, no carrier, a full queue. The
    /// next one may.
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        self.socket.send_to(packet, self.remote).map(drop)
    }
}

fn ip_of(address: &SockaddrStorage) -> Option<IpAddr> {
    if let Some(v4) = address.as_sockaddr_in() {
        return Some(v4.ip().into());
    }
    address
        .as_sockaddr_in6()
        .map(|v6| SocketAddrV6::from(*v6).ip().to_owned().into())
}
