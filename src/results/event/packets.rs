//! Packet records: what each probe flow sent and received, and what each wire saw of it.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::MonoNs;

/// One flow's packets, from its sender and receiver.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlowLog {
    /// The flow's number.
    pub id: u16,
    /// The probe.
    pub probe: String,
    /// Sending namespace.
    pub from: String,
    /// Receiving namespace.
    pub to: String,
    /// Packets a second.
    pub rate: u32,
    /// Bytes of the IP packet.
    pub size: u16,
    /// Send time of each sequence number, from 0; `None`: the kernel refused to send it.
    pub sent: Vec<Option<MonoNs>>,
    /// What arrived, in order of arrival.
    pub received: Vec<Arrival>,
    /// Of a flow to or from a service: from which sequence number on which of its endpoints
    /// packets went to, or came from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<Turn>,
}

/// From a sequence number on, another endpoint of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Turn {
    /// The first sequence number.
    pub seq: u32,
    /// The endpoint's host.
    pub endpoint: String,
    /// Its address.
    pub address: IpAddr,
}

/// One arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// Sequence number.
    pub seq: u32,
    /// Kernel receive time, converted to the run's clock.
    pub at: MonoNs,
    /// TTL or hop limit on arrival.
    pub ttl: u8,
}

/// What one direction of a wire (or a tunnel's inside) saw of one flow.
/// Ranges of sequence numbers are inclusive and ascending.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WireFlowLog {
    /// The link or tunnel.
    pub link: String,
    /// Sending node.
    pub from: String,
    /// Receiving node.
    pub to: String,
    /// The flow's number.
    pub flow: u16,
    /// The VLAN its packets were tagged with there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// Carried through.
    pub carried: Vec<(u32, u32)>,
    /// Dropped by a cut or a numbered drop.
    pub cut: Vec<(u32, u32)>,
    /// Dropped by declared random loss.
    pub loss: Vec<(u32, u32)>,
    /// Dropped by a full queue.
    pub queue: Vec<(u32, u32)>,
}
