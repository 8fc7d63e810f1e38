//! The sending side. No PACKET_QDISC_BYPASS: a veth has no queue to bypass,
//! and bypassing would hide the frames from a capture on the wire.
#![expect(unsafe_code, reason = "sendmsg with two pieces in one frame")]

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
    sync::Arc,
};

use super::frame::VnetHeader;

/// What became of a frame.
#[derive(Debug)]
pub enum Sent {
    /// The kernel has it.
    Yes,
    /// No buffer at the moment; offer it again soon.
    Later,
    /// The interface is down or gone.
    Down,
    /// The kernel will never take it.
    Refused(io::Error),
}

/// Sends frames out of the interface a ring is bound to; never blocks.
#[derive(Debug, Clone)]
pub struct Transmitter {
    fd: Arc<OwnedFd>,
}

impl Transmitter {
    pub(super) fn new(fd: Arc<OwnedFd>) -> Self {
        Self { fd }
    }

    /// Sends one frame, Ethernet header first.
    pub fn send(&self, vnet: &VnetHeader, bytes: &[u8]) -> Sent {
        let mut pieces = [
            libc::iovec {
                iov_base: vnet.0.as_ptr().cast_mut().cast(),
                iov_len: VnetHeader::LEN,
            },
            libc::iovec {
                iov_base: bytes.as_ptr().cast_mut().cast(),
                iov_len: bytes.len(),
            },
        ];
        // SAFETY: all-zero bytes are a valid msghdr.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = pieces.as_mut_ptr();
        message.msg_iovlen = pieces.len();
        // SAFETY: the message points at two live buffers that the kernel only reads.
        let sent =
            unsafe { libc::sendmsg(self.fd.as_raw_fd(), &raw const message, libc::MSG_DONTWAIT) };
        if sent >= 0 {
            return Sent::Yes;
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EAGAIN | libc::ENOBUFS | libc::EINTR | libc::ENOMEM) => Sent::Later,
            Some(libc::ENETDOWN | libc::ENXIO | libc::ENODEV) => Sent::Down,
            _ => Sent::Refused(error),
        }
    }
}
