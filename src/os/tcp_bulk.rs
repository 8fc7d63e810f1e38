//! Bulk TCP: sockets between two chosen addresses, and what the kernel tells of them (TCP_INFO).
#![expect(unsafe_code, reason = "TCP_INFO and MSG_TRUNC have no safe wrapper")]

use std::{
    io::{self, Write as _},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    os::fd::{AsFd, AsRawFd},
    time::Duration,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// Listens on `local` in the calling thread's namespace.
///
/// # Errors
/// The address is not there, or the port is taken.
pub fn listen(local: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(local)?;
    socket.set_reuse_address(true)?;
    socket.bind(&local.into())?;
    socket.listen(64)?;
    Ok(socket.into())
}

/// Connects from `source` in the calling thread's namespace, with this congestion control if one
/// is named; waits at most `patience`. The stream does not block from then on.
///
/// # Errors
/// The kernel has no such congestion control (ENOENT), or nobody answers in time.
pub fn connect(
    source: IpAddr,
    to: SocketAddr,
    congestion_control: Option<&str>,
    patience: Duration,
) -> io::Result<TcpStream> {
    let socket = socket(to)?;
    if let Some(name) = congestion_control {
        socket.set_tcp_congestion(name.as_bytes())?;
    }
    socket.bind(&SocketAddr::new(source, 0).into())?;
    socket.connect_timeout(&to.into(), patience)?;
    socket.set_nonblocking(true)?;
    // What is still to be sent when it is closed would be load on whatever comes next.
    socket.set_linger(Some(Duration::ZERO))?;
    Ok(socket.into())
}

fn socket(of: SocketAddr) -> io::Result<Socket> {
    // socket2 sets close-on-exec.
    let socket = Socket::new(Domain::for_address(of), Type::STREAM, Some(Protocol::TCP))?;
    if of.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

/// The stream's congestion control.
///
/// # Errors
/// Not a TCP socket.
pub fn congestion_control(stream: &TcpStream) -> io::Result<String> {
    let name = SockRef::from(stream).tcp_congestion()?;
    let name: Vec<u8> = name.into_iter().take_while(|byte| *byte != 0).collect();
    Ok(String::from_utf8_lossy(&name).into_owned())
}

/// Writes as much of `bytes` as there is room for; 0 when there is none.
///
/// # Errors
/// The connection is gone.
pub fn send(mut stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match stream.write(bytes) {
        Err(error) if is_transient(&error) => Ok(0),
        done => done,
    }
}

/// Takes up to `most` bytes out of the stream and forgets them, without copying any; `None` when
/// none has arrived.
///
/// # Errors
/// The connection is gone, or its other end has closed it.
pub fn discard(stream: &TcpStream, most: usize) -> io::Result<Option<usize>> {
    // SAFETY: with MSG_TRUNC a TCP socket drops the bytes and never looks at the buffer (tcp(7)).
    let taken = unsafe {
        libc::recv(
            stream.as_raw_fd(),
            std::ptr::null_mut(),
            most,
            libc::MSG_TRUNC | libc::MSG_DONTWAIT,
        )
    };
    match usize::try_from(taken) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(taken) => Ok(Some(taken)),
        Err(_) => {
            let error = io::Error::last_os_error();
            match is_transient(&error) {
                true => Ok(None),
                false => Err(error),
            }
        }
    }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// Waits until one of `senders` has room or one of `receivers` something to read, at most
/// `milliseconds`.
///
/// # Errors
/// The kernel is out of memory.
pub fn wait(senders: &[&TcpStream], receivers: &[&TcpStream], milliseconds: u16) -> io::Result<()> {
    let out = senders
        .iter()
        .map(|stream| PollFd::new(stream.as_fd(), PollFlags::POLLOUT));
    let into = receivers
        .iter()
        .map(|stream| PollFd::new(stream.as_fd(), PollFlags::POLLIN));
    let mut polled: Vec<PollFd<'_>> = out.chain(into).collect();
    match poll(&mut polled, PollTimeout::from(milliseconds)) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// What the kernel tells of a connection, as far as a load asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TcpInfo {
    /// Smoothed round-trip time, microseconds.
    pub rtt_us: u32,
    /// Congestion window, segments.
    pub cwnd: u32,
    /// Payload bytes of a full segment (RFC 6349's MSS, options excluded).
    pub mss: u32,
    /// Path MTU, bytes.
    pub path_mtu: u32,
    /// Payload bytes the receiver has acknowledged.
    pub acked: u64,
    /// Payload bytes sent, retransmissions included.
    pub sent: u64,
    /// Of them retransmitted.
    pub retransmitted: u64,
    /// Payload bytes that wait to be sent for the first time.
    pub unsent: u32,
    /// The receiver's window, bytes.
    pub receive_window: u32,
    /// Segments carry RFC 7323's timestamps.
    pub timestamps: bool,
}

/// `struct tcp_info` of linux/tcp.h up to `tcpi_snd_wnd` (Linux 5.4).
const INFO_LEN: usize = 232;
/// TCPI_OPT_TIMESTAMPS.
const TIMESTAMPS: u8 = 1;

/// Asks the kernel.
///
/// # Errors
/// Not a TCP socket, or a kernel older than Linux 5.4.
pub fn info(stream: &TcpStream) -> io::Result<TcpInfo> {
    let mut info = [0u8; INFO_LEN];
    let mut length = INFO_LEN as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, the size of `info`.
    let done = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    if (length as usize) < INFO_LEN {
        return Err(io::ErrorKind::Unsupported.into());
    }
    let short = |at: usize| {
        let bytes = info.get(at..).and_then(<[u8]>::first_chunk::<4>);
        bytes.map_or(0, |bytes| u32::from_ne_bytes(*bytes))
    };
    let long = |at: usize| {
        let bytes = info.get(at..).and_then(<[u8]>::first_chunk::<8>);
        bytes.map_or(0, |bytes| u64::from_ne_bytes(*bytes))
    };
    Ok(TcpInfo {
        rtt_us: short(68),
        cwnd: short(80),
        mss: short(16),
        path_mtu: short(60),
        acked: long(120),
        sent: long(200),
        retransmitted: long(208),
        unsent: short(144),
        receive_window: short(228),
        timestamps: info[5] & TIMESTAMPS != 0,
    })
}
