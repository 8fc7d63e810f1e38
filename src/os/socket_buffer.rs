//! Receive buffers of sockets: how large they are, and what did not fit.
#![expect(unsafe_code, reason = "neither option has a safe wrapper")]

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

use socket2::SockRef;

/// Asks for a receive buffer of `bytes`. Without privilege in the first user namespace the
/// system's limit (net.core.rmem_max) holds.
///
/// # Errors
/// Not a socket.
pub(super) fn enlarge_receive(socket: BorrowedFd<'_>, bytes: usize) -> io::Result<()> {
    let value = bytes as libc::c_int;
    // SAFETY: the value is an int that outlives the call, and its length is given.
    let forced = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUFFORCE,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if forced == 0 {
        return Ok(());
    }
    SockRef::from(&socket).set_recv_buffer_size(bytes)
}

/// Packets the socket has dropped since it was opened, for want of buffer or for a bad checksum.
///
/// # Errors
/// Not a socket.
pub(super) fn dropped(socket: BorrowedFd<'_>) -> io::Result<u32> {
    // SK_MEMINFO_DROPS of linux/sock_diag.h, the last of the SK_MEMINFO_VARS.
    const DROPS: usize = 8;
    let mut info = [0u32; DROPS + 1];
    let mut bytes = size_of_val(&info) as libc::socklen_t;
    // SAFETY: the kernel writes at most `bytes` bytes, the size of `info`.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            info.as_mut_ptr().cast(),
            &raw mut bytes,
        )
    };
    if done == 0 {
        Ok(info[DROPS])
    } else {
        Err(io::Error::last_os_error())
    }
}
