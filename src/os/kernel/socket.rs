//! A route netlink socket that sends many requests in one system call and waits
//! for one acknowledgement.

use std::io;

use rtnetlink::{
    packet_core::{NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NetlinkMessage},
    packet_route::RouteNetlinkMessage,
    sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE},
};

/// Most bytes of requests in one `sendmsg`.
const BATCH: usize = 32 * 1024;
const HEADER: usize = 16;
const NLMSG_ERROR: u16 = 2;
const NLMSGERR_ATTR_MSG: u16 = 1;

/// A socket bound to the namespace it was opened in.
pub(super) struct RouteSocket {
    socket: Socket,
    seq: u32,
    out: Vec<u8>,
    input: Vec<u8>,
}

/// The request at this position was refused.
pub(super) struct Refused {
    pub(super) index: usize,
    pub(super) source: io::Error,
}

impl RouteSocket {
    /// Opens a socket in the calling thread's network namespace.
    pub(super) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.set_ext_ack(true)?;
        socket.set_cap_ack(true)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self {
            socket,
            seq: 0,
            out: Vec::with_capacity(4096),
            input: vec![0; BATCH],
        })
    }

    /// Sends all requests, in order, and waits until the kernel has done the last.
    pub(super) fn request(
        &mut self,
        messages: Vec<NetlinkMessage<RouteNetlinkMessage>>,
    ) -> Result<(), Refused> {
        let mut begin = 0;
        let mut sizes = Vec::with_capacity(messages.len());
        let mut messages: Vec<_> = messages;
        for message in &mut messages {
            message.finalize();
            sizes.push(message.buffer_len().next_multiple_of(4));
        }
        while begin < messages.len() {
            let mut end = begin;
            let mut bytes = 0;
            while end < messages.len() && (end == begin || bytes + sizes[end] <= BATCH) {
                bytes += sizes[end];
                end += 1;
            }
            self.batch(begin, &mut messages[begin..end], bytes)?;
            begin = end;
        }
        Ok(())
    }

    fn batch(
        &mut self,
        first: usize,
        messages: &mut [NetlinkMessage<RouteNetlinkMessage>],
        bytes: usize,
    ) -> Result<(), Refused> {
        let fail = |source| Refused {
            index: first,
            source,
        };
        let base = self.seq.wrapping_add(1);
        let last = messages.len().saturating_sub(1);
        self.out.clear();
        self.out.resize(bytes, 0);
        let mut at = 0;
        for (index, message) in messages.iter_mut().enumerate() {
            message.header.sequence_number = base.wrapping_add(index as u32);
            // A refusal is always answered; success only where asked, so one
            // acknowledgement ends the batch and the receive buffer stays small.
            if index == last {
                message.header.flags |= NLM_F_ACK;
            }
            let len = message.buffer_len();
            message.serialize(&mut self.out[at..at + len]);
            at += len.next_multiple_of(4);
        }
        self.seq = base.wrapping_add(last as u32);
        self.socket.send(&self.out, 0).map_err(fail)?;
        self.answers(base, last).map_err(|(index, source)| Refused {
            index: first + index,
            source,
        })
    }

    fn answers(&mut self, base: u32, last: usize) -> Result<(), (usize, io::Error)> {
        let mut refused: Option<(usize, io::Error)> = None;
        loop {
            let mut buffer = self.input.as_mut_slice();
            let got = self
                .socket
                .recv(&mut buffer, 0)
                .map_err(|source| (0, source))?;
            let mut rest = self.input.get(..got).unwrap_or_default();
            while let Some((answer, after)) = Answer::take(rest) {
                rest = after;
                let index = answer.seq.wrapping_sub(base) as usize;
                if answer.kind != NLMSG_ERROR || index > last {
                    continue;
                }
                if let Some(source) = answer.error()
                    && refused.is_none()
                {
                    refused = Some((index, source));
                }
                if index == last {
                    return refused.map_or(Ok(()), Err);
                }
            }
        }
    }
}

/// One message from the kernel.
struct Answer<'a> {
    kind: u16,
    flags: u16,
    seq: u32,
    body: &'a [u8],
}

impl<'a> Answer<'a> {
    fn take(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let len = u32_at(bytes, 0)? as usize;
        let body = bytes.get(HEADER..len)?;
        let after = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        let answer = Self {
            kind: u16_at(bytes, 4)?,
            flags: u16_at(bytes, 6)?,
            seq: u32_at(bytes, 8)?,
            body,
        };
        Some((answer, after))
    }

    /// The refusal in the kernel's words, or `None` for an acknowledgement.
    fn error(&self) -> Option<io::Error> {
        let code = u32_at(self.body, 0)?.cast_signed();
        if code == 0 {
            return None;
        }
        let plain = io::Error::from_raw_os_error(code.saturating_neg());
        Some(match self.text() {
            Some(text) => io::Error::new(plain.kind(), format!("{text} ({plain})")),
            None => plain,
        })
    }

    fn text(&self) -> Option<String> {
        if self.flags & NLM_F_ACK_TLVS == 0 {
            return None;
        }
        let quoted = if self.flags & NLM_F_CAPPED != 0 {
            HEADER
        } else {
            u32_at(self.body, 4)? as usize
        };
        let mut rest = self.body.get((4 + quoted).next_multiple_of(4)..)?;
        while let (Some(len), Some(kind)) = (u16_at(rest, 0), u16_at(rest, 2)) {
            let value = rest.get(4..usize::from(len))?;
            if kind == NLMSGERR_ATTR_MSG {
                let text = String::from_utf8_lossy(value);
                return Some(text.trim_end_matches('\0').to_owned());
            }
            rest = rest.get(usize::from(len).next_multiple_of(4)..)?;
        }
        None
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
