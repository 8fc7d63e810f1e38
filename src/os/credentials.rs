//! Threads named across PID namespaces: the kernel translates the number in a
//! message's credentials into the receiver's namespace.

use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    os::{fd::AsRawFd, unix::net::UnixStream},
};

use nix::{
    cmsg_space,
    sys::socket::{
        ControlMessage, ControlMessageOwned, MsgFlags, UnixCredentials, getsockopt, recvmsg,
        sendmsg, setsockopt,
        sockopt::{PassCred, PeerCredentials},
    },
};

/// The user at the other end; of a listener, the one who made it listen.
pub fn peer_uid(stream: &UnixStream) -> io::Result<u32> {
    Ok(getsockopt(stream, PeerCredentials)?.uid())
}

/// The process at the other end, in the caller's PID namespace; of a listener, the
/// one that made it listen.
pub fn peer_pid(stream: &UnixStream) -> io::Result<i32> {
    Ok(getsockopt(stream, PeerCredentials)?.pid())
}

/// Makes `stream` deliver the sender's idea of a thread.
pub fn expect_threads(stream: &UnixStream) -> io::Result<()> {
    Ok(setsockopt(stream, PassCred, &true)?)
}

/// Sends a thread of the caller's PID namespace and a number. Naming a thread
/// other than the process's first needs CAP_SYS_ADMIN in that namespace.
pub fn send_thread(stream: &UnixStream, tid: i32, number: i32) -> io::Result<()> {
    let credentials = UnixCredentials::from(libc::ucred {
        pid: tid,
        uid: nix::unistd::geteuid().as_raw(),
        gid: nix::unistd::getegid().as_raw(),
    });
    let bytes = number.to_ne_bytes();
    sendmsg::<()>(
        stream.as_raw_fd(),
        &[IoSlice::new(&bytes)],
        &[ControlMessage::ScmCredentials(&credentials)],
        MsgFlags::MSG_NOSIGNAL,
        None,
    )?;
    Ok(())
}

/// Receives a thread, as the caller's PID namespace numbers it, and a number.
pub fn receive_thread(stream: &UnixStream) -> io::Result<(i32, i32)> {
    let mut bytes = [0; 4];
    let mut space = cmsg_space!(UnixCredentials);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let message = recvmsg::<()>(
        stream.as_raw_fd(),
        &mut parts,
        Some(&mut space),
        MsgFlags::empty(),
    )?;
    let thread = message.cmsgs()?.find_map(|control| {
        if let ControlMessageOwned::ScmCredentials(credentials) = control {
            Some(credentials.pid())
        } else {
            None
        }
    });
    let got = message.bytes;
    match thread {
        Some(tid) if got == bytes.len() && tid > 0 => Ok((tid, i32::from_ne_bytes(bytes))),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Sends a number.
pub fn send_number(mut stream: &UnixStream, number: i32) -> io::Result<()> {
    stream.write_all(&number.to_ne_bytes())
}

/// Receives a number.
pub fn receive_number(mut stream: &UnixStream) -> io::Result<i32> {
    let mut bytes = [0; 4];
    stream.read_exact(&mut bytes)?;
    Ok(i32::from_ne_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_and_a_number_cross_and_a_closed_end_is_an_error() {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        expect_threads(&theirs).expect("SO_PASSCRED");
        // The process's first thread: naming it needs no privilege.
        let first = nix::unistd::getpid().as_raw();
        send_thread(&ours, first, 42).expect("sent");
        assert_eq!(receive_thread(&theirs).ok(), Some((first, 42)));
        drop(ours);
        assert!(receive_thread(&theirs).is_err());
    }
}
