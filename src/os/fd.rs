//! Descriptors handed down by a parent process.
#![expect(unsafe_code, reason = "a descriptor's number is turned into its owner")]

use std::{
    io,
    os::{
        fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd},
        unix::net::UnixStream,
    },
};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

/// Takes over an inherited stream socket: close-on-exec from now on, non-blocking.
/// To be called once for a number, before anything else opens descriptors.
///
/// # Errors
/// EBADF when nothing is open under the number; standard streams are refused.
pub fn inherited_stream(fd: RawFd) -> io::Result<UnixStream> {
    if fd <= libc::STDERR_FILENO {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: the borrow ends with the call below, which reports a closed number as EBADF.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    fcntl(borrowed, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    // SAFETY: the number is open, was handed to this process by its parent for
    // this purpose, and the caller promises that nobody else here owns it.
    let owned = unsafe { OwnedFd::from_raw_fd(fd) };
    let stream = UnixStream::from(owned);
    stream.set_nonblocking(true)?;
    Ok(stream)
}
