//! NOTIFICATION (RFC 4271 §4.5) and its codes.

use std::fmt;

use super::cursor::Cursor;
use super::frame::{MessageType, finish, header};

/// Why a session ends, as told to the peer or by it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Notification {
    /// Error code.
    pub code: u8,
    /// Error subcode.
    pub subcode: u8,
    /// Whatever helps to diagnose it.
    pub data: Vec<u8>,
}

/// Subcodes of Cease (RFC 4486, RFC 8203, RFC 9384).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Cease {
    /// More prefixes than allowed.
    MaxPrefixes = 1,
    /// Somebody shut the session down; may carry a message (RFC 9003).
    AdministrativeShutdown = 2,
    /// The peer is no longer configured.
    PeerDeconfigured = 3,
    /// Somebody reset the session; may carry a message (RFC 9003).
    AdministrativeReset = 4,
    /// A connection is not wanted.
    ConnectionRejected = 5,
    /// The configuration changed.
    OtherConfigurationChange = 6,
    /// Another connection with the same peer won (RFC 4271 §6.8).
    CollisionResolution = 7,
    /// Nothing left to run on.
    OutOfResources = 8,
    /// BFD declared the path dead (RFC 9384).
    BfdDown = 10,
}

/// The longest shutdown message in bytes (RFC 9003 §2).
const SHUTDOWN_BYTES_MAX: usize = 255;

impl Notification {
    /// Without data.
    pub const fn new(code: u8, subcode: u8) -> Self {
        Self {
            code,
            subcode,
            data: Vec::new(),
        }
    }

    /// With data.
    pub fn with(code: u8, subcode: u8, data: impl Into<Vec<u8>>) -> Self {
        Self {
            code,
            subcode,
            data: data.into(),
        }
    }

    /// Message Header Error: Connection Not Synchronized.
    pub const NOT_SYNCHRONIZED: Self = Self::new(1, 1);
    /// UPDATE Message Error: Malformed Attribute List.
    pub const MALFORMED_ATTRIBUTE_LIST: Self = Self::new(3, 1);
    /// UPDATE Message Error: Invalid Network Field.
    pub const INVALID_NETWORK_FIELD: Self = Self::new(3, 10);
    /// Hold Timer Expired.
    pub const HOLD_TIMER_EXPIRED: Self = Self::new(4, 0);

    /// Message Header Error: Bad Message Length, naming the length.
    pub fn bad_length(length: u16) -> Self {
        Self::with(1, 2, length.to_be_bytes())
    }

    /// A Cease without a message.
    pub const fn cease(subcode: Cease) -> Self {
        Self::new(6, subcode as u8)
    }

    /// Cease, Administrative Shutdown, with a message cut at a character to
    /// 255 bytes of UTF-8 (RFC 9003 §2).
    pub fn shutdown(message: Option<&str>) -> Self {
        let Some(message) = message.filter(|text| !text.is_empty()) else {
            return Self::cease(Cease::AdministrativeShutdown);
        };
        let mut end = message.len().min(SHUTDOWN_BYTES_MAX);
        while !message.is_char_boundary(end) {
            end -= 1;
        }
        let text = message.as_bytes().get(..end).unwrap_or_default();
        let mut data = vec![text.len() as u8];
        data.extend_from_slice(text);
        Self::with(6, Cease::AdministrativeShutdown as u8, data)
    }

    /// The RFC 9003 message of an Administrative Shutdown or Reset, if it has
    /// one that is well formed.
    pub fn shutdown_message(&self) -> Option<&str> {
        if self.code != 6 || !matches!(self.subcode, 2 | 4) {
            return None;
        }
        let (&length, text) = self.data.split_first()?;
        let text = text.get(..usize::from(length))?;
        std::str::from_utf8(text)
            .ok()
            .filter(|text| !text.is_empty())
    }

    /// Reads the body after the header.
    pub fn decode(body: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(body);
        Some(Self {
            code: cursor.u8()?,
            subcode: cursor.u8()?,
            data: cursor.rest().to_vec(),
        })
    }

    /// The whole message; data that would not fit is cut.
    pub fn encode(&self) -> Vec<u8> {
        let mut message = header(MessageType::Notification);
        message.extend_from_slice(&[self.code, self.subcode]);
        let room = super::MESSAGE_BYTES_MAX - message.len();
        message.extend_from_slice(self.data.get(..room).unwrap_or(&self.data));
        finish(&mut message, 0);
        message
    }

    const fn name(&self) -> &'static str {
        match (self.code, self.subcode) {
            (1, 1) => "Connection Not Synchronized",
            (1, 2) => "Bad Message Length",
            (1, 3) => "Bad Message Type",
            (1, _) => "Message Header Error",
            (2, 1) => "Unsupported Version Number",
            (2, 2) => "Bad Peer AS",
            (2, 3) => "Bad BGP Identifier",
            (2, 4) => "Unsupported Optional Parameter",
            (2, 6) => "Unacceptable Hold Time",
            (2, 7) => "Unsupported Capability",
            (2, _) => "OPEN Message Error",
            (3, 1) => "Malformed Attribute List",
            (3, 2) => "Unrecognized Well-known Attribute",
            (3, 3) => "Missing Well-known Attribute",
            (3, 4) => "Attribute Flags Error",
            (3, 5) => "Attribute Length Error",
            (3, 6) => "Invalid ORIGIN Attribute",
            (3, 8) => "Invalid NEXT_HOP Attribute",
            (3, 9) => "Optional Attribute Error",
            (3, 10) => "Invalid Network Field",
            (3, 11) => "Malformed AS_PATH",
            (3, _) => "UPDATE Message Error",
            (4, _) => "Hold Timer Expired",
            (5, 1) => "Unexpected Message in OpenSent",
            (5, 2) => "Unexpected Message in OpenConfirm",
            (5, 3) => "Unexpected Message in Established",
            (5, _) => "Finite State Machine Error",
            (6, 1) => "Maximum Number of Prefixes Reached",
            (6, 2) => "Administrative Shutdown",
            (6, 3) => "Peer De-configured",
            (6, 4) => "Administrative Reset",
            (6, 5) => "Connection Rejected",
            (6, 6) => "Other Configuration Change",
            (6, 7) => "Connection Collision Resolution",
            (6, 8) => "Out of Resources",
            (6, 9) => "Hard Reset",
            (6, 10) => "BFD Down",
            (6, _) => "Cease",
            (7, 1) => "Invalid Message Length",
            (7, _) => "ROUTE-REFRESH Message Error",
            _ => "unknown error",
        }
    }
}

impl fmt::Display for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}/{})", self.name(), self.code, self.subcode)?;
        match self.shutdown_message() {
            Some(message) => write!(f, ": {message:?}"),
            None => Ok(()),
        }
    }
}
