//! Sockets that send requests and wait for their answers.

use std::{
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

use netlink_sys::{
    Socket, SocketAddr,
    protocols::{NETLINK_NETFILTER, NETLINK_ROUTE},
};

use super::message::{Messages, attributes, messages, u32_at};

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_ACK_TLVS: u16 = 0x200;
const NLM_F_DUMP_INTR: u16 = 0x10;
/// NLMSGERR_ATTR_MSG: the kernel's own words.
const ERROR_TEXT: u16 = 1;
/// The kernel never answers with a larger datagram (NLMSG_GOODSIZE is 8 kB, dumps 32 kB).
const RECEIVE_LEN: usize = 64 * 1024;

/// The kernel said no to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// A positive errno.
    pub(crate) errno: i32,
    /// The kernel's explanation; may be empty.
    pub(crate) text: String,
}

/// A socket of the namespace it was opened in.
pub(crate) struct RouteSocket {
    socket: Socket,
    buffer: Vec<u8>,
}

impl RouteSocket {
    /// Opens in the calling thread's network namespace. `groups` is a mask of RTMGRP_*.
    pub(crate) fn open(groups: u32) -> io::Result<Self> {
        Self::speaking(NETLINK_ROUTE, groups)
    }

    /// Has room for so many bytes that wait to be read: at most `rmem_max`, at least about two
    /// kilobytes.
    pub(crate) fn set_receive_buffer(&mut self, bytes: u32) -> io::Result<()> {
        self.socket.set_rx_buf_sz(bytes)
    }

    fn speaking(protocol: isize, groups: u32) -> io::Result<Self> {
        let mut socket = Socket::new(protocol)?;
        socket.bind(&SocketAddr::new(0, groups))?;
        if groups == 0 {
            socket.connect(&SocketAddr::new(0, 0))?;
        } else {
            socket.set_non_blocking(true)?;
        }
        // The kernel's words make a better error; an old kernel without them still answers.
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_cap_ack(true);
        Ok(Self {
            socket,
            buffer: Vec::with_capacity(RECEIVE_LEN),
        })
    }

    /// Sends requests that all carry NLM_F_ACK, in one datagram, and returns the
    /// answer to each. The kernel works them off in order before `send` returns.
    pub(crate) fn acknowledged(
        &mut self,
        requests: &Messages,
    ) -> io::Result<Vec<Result<(), Refusal>>> {
        let mut answers = vec![None; requests.count()];
        let mut missing = answers.len();
        if missing > 0 {
            self.send(requests)?;
        }
        while missing > 0 {
            self.receive()?;
            for message in messages(&self.buffer).filter(|m| m.kind == NLMSG_ERROR) {
                if let Some(slot) = answers.get_mut(message.sequence as usize) {
                    missing -= usize::from(slot.is_none());
                    *slot = Some(outcome(message.body, message.flags));
                }
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }

    /// Sends one dump request and hands every message of the answer to `each`.
    /// Returns whether the dump is consistent (NLM_F_DUMP_INTR was not set).
    pub(crate) fn dump(
        &mut self,
        request: &Messages,
        mut each: impl FnMut(u16, &[u8]),
    ) -> io::Result<bool> {
        self.send(request)?;
        let mut consistent = true;
        loop {
            self.receive()?;
            for message in messages(&self.buffer) {
                consistent &= message.flags & NLM_F_DUMP_INTR == 0;
                match message.kind {
                    NLMSG_DONE => return Ok(consistent),
                    NLMSG_ERROR => {
                        return match outcome(message.body, message.flags) {
                            Ok(()) => Ok(consistent),
                            Err(refusal) => Err(io::Error::from_raw_os_error(refusal.errno)),
                        };
                    }
                    kind => each(kind, message.body),
                }
            }
        }
    }

    /// Hands the messages of one notification datagram to `each`; `false` when
    /// none is waiting. An overflow is [`nix::errno::Errno::ENOBUFS`].
    pub(crate) fn notification(&mut self, mut each: impl FnMut(u16, &[u8])) -> io::Result<bool> {
        match self.receive() {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
        for message in messages(&self.buffer) {
            each(message.kind, message.body);
        }
        Ok(true)
    }

    fn send(&self, requests: &Messages) -> io::Result<()> {
        let sent = self.socket.send(requests.as_bytes(), 0)?;
        if sent != requests.as_bytes().len() {
            return Err(io::Error::from(io::ErrorKind::WriteZero));
        }
        Ok(())
    }

    fn receive(&mut self) -> io::Result<()> {
        loop {
            self.buffer.clear();
            match self.socket.recv(&mut self.buffer, 0) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// A socket of nf_tables, which takes changes in batches: all of one are done, or none.
#[derive(Debug)]
pub(crate) struct NetfilterSocket(RouteSocket);

impl NetfilterSocket {
    /// Opens in the calling thread's network namespace.
    pub(crate) fn open() -> io::Result<Self> {
        RouteSocket::speaking(NETLINK_NETFILTER, 0).map(Self)
    }

    /// Sends one dump request and hands every message of the answer to `each`.
    pub(crate) fn dump(
        mut self,
        request: &Messages,
        each: impl FnMut(u16, &[u8]),
    ) -> io::Result<()> {
        self.0.dump(request, each).map(drop)
    }

    /// Sends one batch, of which all messages but the first and the last carry
    /// NLM_F_ACK, and waits until it is done or the first refusal is there.
    pub(crate) fn batch(mut self, requests: &Messages) -> io::Result<Result<(), Refusal>> {
        let mut missing = requests.count().saturating_sub(2);
        self.0.send(requests)?;
        while missing > 0 {
            self.0.receive()?;
            for message in messages(&self.0.buffer).filter(|m| m.kind == NLMSG_ERROR) {
                if let Err(refusal) = outcome(message.body, message.flags) {
                    return Ok(Err(refusal));
                }
                missing = missing.saturating_sub(1);
            }
        }
        Ok(Ok(()))
    }
}

impl AsFd for RouteSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl std::fmt::Debug for RouteSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RouteSocket({})", self.socket.as_raw_fd())
    }
}

/// Reads the body of NLMSG_ERROR: a negative errno, the request's header (all of
/// the request when it failed and NETLINK_CAP_ACK is not set), then attributes.
fn outcome(body: &[u8], flags: u16) -> Result<(), Refusal> {
    let errno = u32_at(body, 0).map_or(-libc::EBADMSG, u32::cast_signed);
    if errno == 0 {
        return Ok(());
    }
    let text = if flags & NLM_F_ACK_TLVS == 0 {
        String::new()
    } else {
        attributes(body, 4 + super::message::HEADER_LEN)
            .get(&ERROR_TEXT)
            .map(|text| {
                String::from_utf8_lossy(text)
                    .trim_end_matches('\0')
                    .to_owned()
            })
            .unwrap_or_default()
    };
    Err(Refusal {
        errno: -errno,
        text,
    })
}
