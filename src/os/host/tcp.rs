//! What TCP can sign.
#![expect(unsafe_code, reason = "these socket options have no safe wrapper")]

use std::os::fd::AsRawFd;

use socket2::{Domain, Socket, Type};

fn socket() -> Option<Socket> {
    Socket::new(Domain::IPV4, Type::STREAM, None).ok()
}

/// Whether a TCP socket takes an MD5 key (RFC 2385).
pub(super) fn md5() -> bool {
    let Some(socket) = socket() else {
        return false;
    };
    // struct tcp_md5sig for 127.0.0.1 with a key of one byte.
    let mut signature = [0_u8; 216];
    signature[..2].copy_from_slice(&2_u16.to_ne_bytes());
    signature[4..8].copy_from_slice(&[127, 0, 0, 1]);
    signature[130..132].copy_from_slice(&1_u16.to_ne_bytes());
    signature[136] = b'k';
    // SAFETY: the pointer and length describe `signature`, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_MD5SIG,
            signature.as_ptr().cast(),
            216,
        )
    };
    result == 0
}

/// Whether TCP knows the Authentication Option (RFC 5925, Linux 6.7): a socket without
/// a key says ENOENT, a kernel without the option that it has no such option.
pub(super) fn authentication_option() -> bool {
    /// linux/tcp.h.
    const TCP_AO_INFO: libc::c_int = 40;
    let Some(socket) = socket() else {
        return false;
    };
    // struct tcp_ao_info_opt.
    let mut info = [0_u8; 48];
    let mut length: libc::socklen_t = 48;
    // SAFETY: pointer and length describe `info`, which outlives the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            TCP_AO_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    result == 0 || std::io::Error::last_os_error().raw_os_error() == Some(libc::ENOENT)
}
