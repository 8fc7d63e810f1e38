//! Single requests, built by hand: what is asked for here, nobody else asks for.

use std::io;

use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;

/// NLM_F_REQUEST | NLM_F_ACK.
const ASK: u16 = 0x5;
/// NLM_F_CREATE | NLM_F_EXCL.
pub(super) const CREATE: u16 = 0x600;
const ERROR: u16 = 2;

/// One message with its header; `flags` beside NLM_F_REQUEST | NLM_F_ACK.
pub(super) fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let flags = ASK | flags;
    let length = 16 + body.len();
    let mut message = Vec::with_capacity(length.next_multiple_of(4));
    message.extend_from_slice(&u32::try_from(length).unwrap_or(0).to_ne_bytes());
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(&flags.to_ne_bytes());
    message.extend_from_slice(&[0; 8]);
    message.extend_from_slice(body);
    message.resize(message.len().next_multiple_of(4), 0);
    message
}

/// Sends `bytes` and waits for the first answer: an acknowledgement or a refusal.
pub(super) fn exchange(protocol: isize, bytes: &[u8]) -> Result<(), Errno> {
    let io = |error: io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO));
    let socket = Socket::new(protocol).map_err(io)?;
    socket
        .send_to(bytes, &SocketAddr::new(0, 0), 0)
        .map_err(io)?;
    let (reply, _) = socket.recv_from_full().map_err(io)?;
    let number = |range: std::ops::Range<usize>| reply.get(range);
    let kind = number(4..6)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u16::from_ne_bytes);
    let code = number(16..20)
        .and_then(|b| b.try_into().ok())
        .map_or(0, i32::from_ne_bytes);
    if kind != ERROR || code == 0 {
        Ok(())
    } else {
        Err(Errno::from_raw(-code))
    }
}
