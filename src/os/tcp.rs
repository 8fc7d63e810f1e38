//! What BGP needs of TCP: chosen addresses, TTL, and MD5 signatures (RFC 2385).
#![expect(unsafe_code, reason = "TCP_MD5SIG has no safe wrapper")]

use std::{
    io,
    net::{IpAddr, SocketAddr, SocketAddrV6, TcpListener, TcpStream},
    os::fd::{AsFd, AsRawFd},
};

use nix::{net::if_::if_nametoindex, sys::socket::SockaddrStorage};
use socket2::{Domain, Protocol, Socket, Type};

/// The port BGP speakers listen on.
pub const BGP_PORT: u16 = 179;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 64;
/// TCP_MD5SIG_MAXKEYLEN.
const MD5_KEY_MAX: usize = 80;

/// An address with what a link-local one needs besides: its interface. Other
/// addresses ignore it.
///
/// # Errors
/// When a link-local address has no interface or the interface does not exist.
pub fn socket_addr(address: IpAddr, port: u16, interface: Option<&str>) -> io::Result<SocketAddr> {
    match address {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => {
            let interface = interface.ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("link-local {v6} needs an interface"),
                )
            })?;
            let scope = if_nametoindex(interface)?;
            Ok(SocketAddrV6::new(v6, port, 0, scope).into())
        }
        IpAddr::V4(_) | IpAddr::V6(_) => Ok(SocketAddr::new(address, port)),
    }
}

/// Listens on one local address, in the VRF of this device if one is given;
/// non-blocking. Its SYN-ACKs carry `ttl`. From the
/// first SYN on, the peers in `keys` have to sign.
///
/// # Errors
/// EADDRNOTAVAIL while the address is not (yet) there; see also [`set_md5`].
pub fn listen(
    local: SocketAddr,
    ttl: u8,
    keys: &[(IpAddr, String)],
    vrf: Option<&str>,
) -> io::Result<TcpListener> {
    let socket = socket(local, ttl, vrf)?;
    socket.set_reuse_address(true)?;
    socket.bind(&local.into())?;
    for (peer, key) in keys {
        set_md5(&socket, *peer, Some(key))?;
    }
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A socket bound to a local address, in the VRF of this device if one is given,
/// ready to be connected; non-blocking.
///
/// # Errors
/// EADDRNOTAVAIL while the address is not (yet) there; a key TCP-MD5 cannot use.
pub fn outgoing(
    local: SocketAddr,
    remote: SocketAddr,
    ttl: u8,
    md5: Option<&str>,
    vrf: Option<&str>,
) -> io::Result<TcpStream> {
    let mut local = local;
    local.set_port(0);
    let socket = socket(local, ttl, vrf)?;
    socket.bind(&local.into())?;
    socket.set_tcp_nodelay(true)?;
    if let Some(key) = md5 {
        set_md5(&socket, remote.ip(), Some(key))?;
    }
    Ok(socket.into())
}

/// What an accepted connection needs once its peer is known.
///
/// # Errors
/// When the socket refuses an option.
pub fn prepare_accepted(stream: &TcpStream, ttl: u8) -> io::Result<()> {
    stream.set_nodelay(true)?;
    set_ttl(
        socket2::SockRef::from(stream),
        stream.local_addr()?.is_ipv4(),
        ttl,
    )
}

/// Demands (or, with no key, stops demanding) signed segments from `peer`, on a
/// listener or before connecting.
///
/// # Errors
/// A key of more than 80 bytes or none; a kernel without TCP-MD5 (ENOPROTOOPT).
pub fn set_md5(socket: &impl AsFd, peer: IpAddr, key: Option<&str>) -> io::Result<()> {
    let key = key.map_or(&[][..], str::as_bytes);
    // SAFETY: tcp_md5sig is plain data for which all zeroes is a valid value.
    let mut signature: TcpMd5Sig = unsafe { std::mem::zeroed() };
    let Some(slot) = signature.key.get_mut(..key.len()) else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("a TCP-MD5 key has at most {MD5_KEY_MAX} bytes"),
        ));
    };
    slot.copy_from_slice(key);
    signature.key_len = key.len() as u16;
    let storage = SockaddrStorage::from(SocketAddr::new(peer, 0));
    // SAFETY: SockaddrStorage is a union with libc::sockaddr_storage's layout, all
    // of which it has initialised.
    signature.address = unsafe { *(&raw const storage).cast::<libc::sockaddr_storage>() };
    // SAFETY: `signature` has the layout of struct tcp_md5sig and outlives the call,
    // which reads exactly its length.
    let set = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_MD5SIG,
            (&raw const signature).cast(),
            size_of::<TcpMd5Sig>() as libc::socklen_t,
        )
    };
    if set == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    // Deleting a key that is not there.
    if key.is_empty() && error.raw_os_error() == Some(libc::ENOENT) {
        return Ok(());
    }
    Err(error)
}

/// `struct tcp_md5sig` of linux/tcp.h.
#[repr(C)]
struct TcpMd5Sig {
    address: libc::sockaddr_storage,
    flags: u8,
    prefix_len: u8,
    key_len: u16,
    ifindex: libc::c_int,
    key: [u8; MD5_KEY_MAX],
}

/// In the main table, or bound to a VRF's device.
fn socket(local: SocketAddr, ttl: u8, vrf: Option<&str>) -> io::Result<Socket> {
    // socket2 sets close-on-exec.
    let socket = Socket::new(
        Domain::for_address(local),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    if let Some(vrf) = vrf {
        socket.bind_device(Some(vrf.as_bytes()))?;
    }
    if local.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    set_ttl(socket2::SockRef::from(&socket), local.is_ipv4(), ttl)?;
    Ok(socket)
}

fn set_ttl(socket: socket2::SockRef<'_>, v4: bool, ttl: u8) -> io::Result<()> {
    if v4 {
        socket.set_ttl_v4(ttl.into())
    } else {
        socket.set_unicast_hops_v6(ttl.into())
    }
}
