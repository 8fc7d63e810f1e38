//! The message header (RFC 4271 §4.1) and cutting a byte stream into messages.

use super::Notification;

/// Marker, length and type.
pub const HEADER_BYTES: usize = 19;
/// The longest message (RFC 4271 §4.1) for a peer that has not offered to take longer ones.
pub const MESSAGE_BYTES_MAX: usize = 4096;
/// The longest message for one that has (RFC 8654 §4).
pub const EXTENDED_BYTES_MAX: usize = 65_535;

const MARKER: [u8; 16] = [0xFF; 16];

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum MessageType {
    /// OPEN.
    Open = 1,
    /// UPDATE.
    Update = 2,
    /// NOTIFICATION.
    Notification = 3,
    /// KEEPALIVE.
    Keepalive = 4,
    /// ROUTE-REFRESH (RFC 2918).
    RouteRefresh = 5,
}

impl MessageType {
    const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::Open,
            2 => Self::Update,
            3 => Self::Notification,
            4 => Self::Keepalive,
            5 => Self::RouteRefresh,
            _ => return None,
        })
    }

    /// Whether a message of this type may have this length (RFC 4271 §6.1, RFC 8654 §4). Every
    /// OPEN of ours offers to take extended messages.
    const fn admits(self, length: usize) -> bool {
        match self {
            Self::Open => length >= 29 && length <= MESSAGE_BYTES_MAX,
            Self::Update => length >= 23,
            Self::Notification => length >= 21,
            Self::Keepalive => length == HEADER_BYTES,
            Self::RouteRefresh => length >= 23,
        }
    }
}

/// One message: its type and what follows the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its type.
    pub kind: MessageType,
    /// Everything after the header.
    pub body: &'a [u8],
}

/// Cuts a byte stream into messages.
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    /// How much of the buffer is already handed out.
    consumed: usize,
}

impl Framer {
    /// Takes more of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.consumed);
        self.consumed = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// How many bytes have come that are in no message handed out so far.
    pub const fn held(&self) -> usize {
        self.buffer.len() - self.consumed
    }

    /// The next whole message, if it has arrived.
    ///
    /// # Errors
    /// The Message Header Error to send; the stream is of no use after it.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, Notification> {
        let rest = self.buffer.get(self.consumed..).unwrap_or_default();
        let Some((header, _)) = rest.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let [marker @ .., high, low, code] = header;
        if marker != &MARKER {
            return Err(Notification::NOT_SYNCHRONIZED);
        }
        let declared = u16::from_be_bytes([*high, *low]);
        let length = usize::from(declared);
        if length < HEADER_BYTES {
            return Err(Notification::bad_length(declared));
        }
        let Some(kind) = MessageType::from_code(*code) else {
            return Err(Notification::with(1, 3, [*code]));
        };
        if !kind.admits(length) {
            return Err(Notification::bad_length(declared));
        }
        let Some(body) = rest.get(HEADER_BYTES..length) else {
            return Ok(None);
        };
        self.consumed += length;
        Ok(Some(Frame { kind, body }))
    }
}

/// A KEEPALIVE.
pub fn encode_keepalive() -> Vec<u8> {
    header(MessageType::Keepalive)
}

/// A header whose length is right as long as nothing follows.
pub(super) fn header(kind: MessageType) -> Vec<u8> {
    let mut message = Vec::with_capacity(64);
    begin(&mut message, kind);
    message
}

/// Appends a header to `out`; `finish` sets its length.
pub(super) fn begin(out: &mut Vec<u8>, kind: MessageType) {
    out.extend_from_slice(&MARKER);
    out.extend_from_slice(&[0, HEADER_BYTES as u8, kind as u8]);
}

/// Writes the length of the message that begins at `start` and ends here.
pub(super) fn finish(out: &mut [u8], start: usize) {
    let length = (out.len() - start).min(EXTENDED_BYTES_MAX) as u16;
    if let Some(field) = out.get_mut(start + 16..start + 18) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}
