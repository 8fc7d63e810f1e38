//! The BFD Control packet (RFC 5880 §4.1) and the discard rules of §6.8.6 that
//! need no session to decide.

use std::{
    fmt,
    num::{NonZeroU8, NonZeroU32},
};

use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// Length in bytes of a Control packet without an authentication section.
pub const PACKET_LEN: usize = 24;

const VERSION: u8 = 1;
const POLL: u8 = 0x20;
const FINAL: u8 = 0x10;
const CONTROL_PLANE_INDEPENDENT: u8 = 0x08;
const AUTHENTICATION: u8 = 0x04;
const DEMAND: u8 = 0x02;
const MULTIPOINT: u8 = 0x01;
/// An authentication section holds at least its type and length (RFC 5880 §6.8.6).
const PACKET_LEN_AUTHENTICATED: usize = 26;

/// The session state a system reports (RFC 5880 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    /// Held down by an operator; says nothing about the path.
    AdminDown,
    /// No contact, or contact lost.
    Down,
    /// The peer is heard and does not hear us yet.
    Init,
    /// Both hear each other.
    Up,
}

impl State {
    /// Every state, in wire order.
    pub const ALL: [Self; 4] = [Self::AdminDown, Self::Down, Self::Init, Self::Up];

    const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::AdminDown,
            1 => Self::Down,
            2 => Self::Init,
            _ => Self::Up,
        }
    }

    const fn bits(self) -> u8 {
        match self {
            Self::AdminDown => 0,
            Self::Down => 1,
            Self::Init => 2,
            Self::Up => 3,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::AdminDown => "AdminDown",
            Self::Down => "Down",
            Self::Init => "Init",
            Self::Up => "Up",
        })
    }
}

/// Why a system last left its state (RFC 5880 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Diag {
    /// 0.
    NoDiagnostic,
    /// 1: the peer fell silent for a Detection Time.
    ControlDetectionTimeExpired,
    /// 2.
    EchoFunctionFailed,
    /// 3: the peer said it is down.
    NeighborSignaledSessionDown,
    /// 4.
    ForwardingPlaneReset,
    /// 5.
    PathDown,
    /// 6.
    ConcatenatedPathDown,
    /// 7.
    AdministrativelyDown,
    /// 8.
    ReverseConcatenatedPathDown,
    /// 9 to 31: kept as received, only the low five bits travel.
    Reserved(u8),
}

impl Diag {
    /// From the field's value; bits beyond the five of the field are ignored.
    pub const fn from_code(code: u8) -> Self {
        match code & 0x1F {
            0 => Self::NoDiagnostic,
            1 => Self::ControlDetectionTimeExpired,
            2 => Self::EchoFunctionFailed,
            3 => Self::NeighborSignaledSessionDown,
            4 => Self::ForwardingPlaneReset,
            5 => Self::PathDown,
            6 => Self::ConcatenatedPathDown,
            7 => Self::AdministrativelyDown,
            8 => Self::ReverseConcatenatedPathDown,
            other => Self::Reserved(other),
        }
    }

    /// The field's value.
    pub const fn code(self) -> u8 {
        match self {
            Self::NoDiagnostic => 0,
            Self::ControlDetectionTimeExpired => 1,
            Self::EchoFunctionFailed => 2,
            Self::NeighborSignaledSessionDown => 3,
            Self::ForwardingPlaneReset => 4,
            Self::PathDown => 5,
            Self::ConcatenatedPathDown => 6,
            Self::AdministrativelyDown => 7,
            Self::ReverseConcatenatedPathDown => 8,
            Self::Reserved(other) => other & 0x1F,
        }
    }
}

impl fmt::Display for Diag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NoDiagnostic => "no diagnostic",
            Self::ControlDetectionTimeExpired => "control detection time expired",
            Self::EchoFunctionFailed => "echo function failed",
            Self::NeighborSignaledSessionDown => "neighbor signaled session down",
            Self::ForwardingPlaneReset => "forwarding plane reset",
            Self::PathDown => "path down",
            Self::ConcatenatedPathDown => "concatenated path down",
            Self::AdministrativelyDown => "administratively down",
            Self::ReverseConcatenatedPathDown => "reverse concatenated path down",
            Self::Reserved(_) => "reserved diagnostic",
        })
    }
}

/// A Control packet. Intervals are in microseconds, as on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Why the sender last changed state.
    pub diag: Diag,
    /// The sender's state.
    pub state: State,
    /// The sender asks for a Final (RFC 5880 §6.5).
    pub poll: bool,
    /// The sender answers a Poll.
    pub final_: bool,
    /// The sender's BFD survives its control plane.
    pub control_plane_independent: bool,
    /// The sender wants us to stop transmitting periodically (RFC 5880 §6.6).
    pub demand: bool,
    /// Detect Mult; 0 is discarded.
    pub multiplier: NonZeroU8,
    /// The sender's discriminator; 0 is discarded.
    pub my_discriminator: NonZeroU32,
    /// Our discriminator as the sender knows it; 0 while it does not.
    pub your_discriminator: u32,
    /// The fastest the sender would like to send.
    pub desired_min_tx_us: u32,
    /// The fastest the sender can receive; 0 asks for silence.
    pub required_min_rx_us: u32,
    /// The fastest Echo the sender returns; 0 for none.
    pub required_min_echo_rx_us: u32,
}

/// Why bytes are not an acceptable Control packet (RFC 5880 §6.8.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Shorter than a Control packet.
    #[error("{0} bytes are too few for a BFD Control packet")]
    TooShort(usize),
    /// Not version 1.
    #[error("BFD version {0} is not 1")]
    Version(u8),
    /// The Length field is below the minimum or beyond the payload.
    #[error("BFD length field {length} does not fit {available} bytes of payload")]
    Length {
        /// What the field says.
        length: u8,
        /// What was received.
        available: usize,
    },
    /// Detect Mult is 0.
    #[error("BFD detect multiplier is 0")]
    ZeroMultiplier,
    /// The Multipoint bit is set.
    #[error("BFD multipoint bit is set")]
    Multipoint,
    /// My Discriminator is 0.
    #[error("BFD My Discriminator is 0")]
    ZeroMyDiscriminator,
    /// Your Discriminator is 0 although the sender claims to hear us.
    #[error("BFD Your Discriminator is 0 in state {0}")]
    ZeroYourDiscriminator(State),
    /// The packet is authenticated and no authentication is in use.
    #[error("BFD authentication is not in use")]
    Authenticated,
}

impl Packet {
    /// Reads a UDP payload; bytes beyond the Length field are ignored.
    pub fn decode(payload: &[u8]) -> Result<Self, PacketError> {
        let Some(fixed) = payload.first_chunk::<PACKET_LEN>() else {
            return Err(PacketError::TooShort(payload.len()));
        };
        let [first, second, multiplier, length, ..] = *fixed;
        if first >> 5 != VERSION {
            return Err(PacketError::Version(first >> 5));
        }
        let shortest = if second & AUTHENTICATION == 0 {
            PACKET_LEN
        } else {
            PACKET_LEN_AUTHENTICATED
        };
        if !(shortest..=payload.len()).contains(&usize::from(length)) {
            return Err(PacketError::Length {
                length,
                available: payload.len(),
            });
        }
        let multiplier = NonZeroU8::new(multiplier).ok_or(PacketError::ZeroMultiplier)?;
        if second & MULTIPOINT != 0 {
            return Err(PacketError::Multipoint);
        }
        let my_discriminator =
            NonZeroU32::new(word(fixed, 1)).ok_or(PacketError::ZeroMyDiscriminator)?;
        let state = State::from_bits(second >> 6);
        let your_discriminator = word(fixed, 2);
        if your_discriminator == 0 && !matches!(state, State::Down | State::AdminDown) {
            return Err(PacketError::ZeroYourDiscriminator(state));
        }
        if second & AUTHENTICATION != 0 {
            return Err(PacketError::Authenticated);
        }
        Ok(Self {
            diag: Diag::from_code(first),
            state,
            poll: second & POLL != 0,
            final_: second & FINAL != 0,
            control_plane_independent: second & CONTROL_PLANE_INDEPENDENT != 0,
            demand: second & DEMAND != 0,
            multiplier,
            my_discriminator,
            your_discriminator,
            desired_min_tx_us: word(fixed, 3),
            required_min_rx_us: word(fixed, 4),
            required_min_echo_rx_us: word(fixed, 5),
        })
    }

    /// The bytes to send.
    pub fn encode(&self) -> [u8; PACKET_LEN] {
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let head = [
            VERSION << 5 | self.diag.code(),
            self.state.bits() << 6
                | flag(self.poll, POLL)
                | flag(self.final_, FINAL)
                | flag(self.control_plane_independent, CONTROL_PLANE_INDEPENDENT)
                | flag(self.demand, DEMAND),
            self.multiplier.get(),
            PACKET_LEN as u8,
        ];
        let words = [
            u32::from_be_bytes(head),
            self.my_discriminator.get(),
            self.your_discriminator,
            self.desired_min_tx_us,
            self.required_min_rx_us,
            self.required_min_echo_rx_us,
        ];
        let mut bytes = [0; PACKET_LEN];
        for (slot, word) in bytes.chunks_exact_mut(4).zip(words) {
            slot.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }
}

/// The `index`th 32-bit word of the packet, 0 to 5.
fn word(packet: &[u8; PACKET_LEN], index: usize) -> u32 {
    packet
        .as_chunks::<4>()
        .0
        .get(index)
        .map_or(0, |bytes| u32::from_be_bytes(*bytes))
}
