//! What a speaker and its supervisor say to each other: JSON objects, one a
//! line, over the stream socket the speaker inherits.
//!
//! ```text
//! speaker    ▶ {"at_ns":81234,"event":"ready"}
//! speaker    ▶ {"at_ns":93456,"event":{"bgp":{"event":"session-up","session":"prod",…}}}
//! supervisor ▶ {"id":1,"request":"status"}
//! supervisor ▶ {"id":2,"request":{"stop":{"session":"prod","message":"maintenance"}}}
//! speaker    ▶ {"id":2,"reply":"done"}
//! ```
//!
//! Requests are answered in order. When the supervisor closes its end, the
//! speaker exits; SIGTERM makes it send a Cease to every peer first.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::{
    proto::{
        bfd::State,
        speaker::{NextHop, SpeakerEvent, SpeakerStatus},
    },
    units::{SessionName, Span},
};

/// One line from the speaker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FromSpeaker {
    /// Something happened.
    Event {
        /// When it happened, CLOCK_MONOTONIC nanoseconds.
        at_ns: u64,
        /// What.
        event: Notice,
    },
    /// The answer to a request.
    Reply {
        /// The request's number.
        id: u64,
        /// The answer.
        reply: Reply,
    },
}

/// Something that happened in the speaker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Notice {
    /// Every listener is bound: peers may connect.
    Ready,
    /// Something in BGP.
    Bgp(SpeakerEvent),
    /// A BFD session changed state, or an Up one renegotiated.
    Bfd {
        /// The BGP session it belongs to.
        session: SessionName,
        /// The state now.
        state: State,
        /// RFC 5880 diagnostic, as text.
        diag: String,
        /// The peer's state as last heard; AdminDown means the path is not to blame.
        remote_state: State,
        /// Our interval between packets, before jitter.
        tx: Span,
        /// The peer's interval between packets, before jitter.
        rx: Span,
        /// How long the peer may be silent.
        detection: Span,
    },
    /// The kernel has acknowledged a forwarding change.
    FibApplied {
        /// The destination.
        prefix: IpNet,
        /// The ways out; none means removed or blackhole, see `blackhole`.
        next_hops: Vec<NextHop>,
        /// The kernel now drops packets to it.
        blackhole: bool,
    },
    /// Something is wrong and the speaker goes on.
    Warning {
        /// Stable name, kebab-case.
        code: String,
        /// What, in words.
        text: String,
    },
}

/// One line from the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// Chosen by the supervisor; comes back with the reply.
    pub id: u64,
    /// What it wants.
    pub request: Request,
}

/// What a supervisor may want.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// Everything at this instant.
    Status,
    /// Shut a session down (RFC 4486 Cease 2); its BFD goes AdminDown.
    Stop {
        /// Which.
        session: SessionName,
        /// Shutdown communication for the peer (RFC 9003).
        message: Option<String>,
    },
    /// Start it again.
    Start {
        /// Which.
        session: SessionName,
    },
    /// Give all that is told over a session this MED.
    Med {
        /// Which.
        session: SessionName,
        /// `None`: what its policy says.
        med: Option<u32>,
    },
}

/// The answer to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// It is done.
    Done,
    /// It cannot be done; why, in words.
    Error(String),
}

/// Everything at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// BGP.
    pub speaker: SpeakerStatus,
    /// BFD, in the order of the configured sessions.
    pub bfd: Vec<BfdStatus>,
}

/// One BFD session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BfdStatus {
    /// The BGP session it belongs to.
    pub session: SessionName,
    /// Our state.
    pub state: State,
    /// Why we last changed it, as text.
    pub diag: String,
    /// The peer's state as last heard.
    pub remote_state: State,
    /// The peer's diagnostic as last heard, as text.
    pub remote_diag: String,
    /// Our interval between packets, before jitter.
    pub tx: Span,
    /// The peer's interval between packets, before jitter; zero before it is heard.
    pub rx: Span,
    /// How long the peer may be silent; zero before it is heard.
    pub detection: Span,
    /// Our discriminator.
    pub local_discriminator: u32,
    /// The peer's; 0 before it is heard.
    pub remote_discriminator: u32,
    /// Packets sent.
    pub sent: u64,
    /// Packets accepted.
    pub received: u64,
    /// Packets refused.
    pub discarded: u64,
    /// Times it came Up.
    pub ups: u64,
    /// Times it left Up.
    pub downs: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_read_as_documented() {
        let command: Command =
            serde_json::from_str(r#"{"id":1,"request":"status"}"#).expect("a status request");
        assert_eq!(command.request, Request::Status);
        let command: Command = serde_json::from_str(
            r#"{"id":2,"request":{"stop":{"session":"prod","message":"maintenance"}}}"#,
        )
        .expect("a stop request");
        assert!(matches!(
            command.request,
            Request::Stop {
                message: Some(_),
                ..
            }
        ));
        let ready = FromSpeaker::Event {
            at_ns: 81_234,
            event: Notice::Ready,
        };
        let line = serde_json::to_string(&ready).expect("serialisable");
        assert_eq!(line, r#"{"at_ns":81234,"event":"ready"}"#);
        let done = FromSpeaker::Reply {
            id: 2,
            reply: Reply::Done,
        };
        let line = serde_json::to_string(&done).expect("serialisable");
        assert_eq!(line, r#"{"id":2,"reply":"done"}"#);
        assert_eq!(serde_json::from_str::<FromSpeaker>(&line).ok(), Some(done));
    }
}
