//! What background load left behind: counters by time. In a run's directory they are `load.json`.

use serde::{Deserialize, Serialize};

use super::MonoNs;

/// One load over the whole run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadLog {
    /// Its name.
    pub load: String,
    /// Sending namespace.
    pub from: String,
    /// Receiving namespace.
    pub to: String,
    /// When it began.
    pub began: MonoNs,
    /// From when on it counts: what TCP does until it knows its path is not looked at.
    pub settled: MonoNs,
    /// When it was stopped.
    pub ended: MonoNs,
    /// Nanoseconds between two readings of its counters.
    pub sampling_ns: u64,
    /// What it sent.
    pub sent: LoadSent,
}

/// By transport.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "protocol", rename_all = "kebab-case")]
pub enum LoadSent {
    /// Bulk transfers.
    Tcp {
        /// The kernel's congestion control.
        congestion_control: String,
        /// IP and TCP header bytes of a full segment, its options included.
        header_bytes: u16,
        /// Each connection.
        streams: Vec<StreamLog>,
    },
    /// Packets at a steady pace.
    Udp {
        /// Packets a second.
        packet_rate: u32,
        /// Bytes of the IP packet.
        size: u16,
        /// Packets by the time they were sent: each of `sampling_ns`, the first from `began` on.
        bins: Vec<UdpBin>,
        /// Times in which nothing arrived.
        pauses: Vec<Pause>,
        /// Packets that arrived and found the receiver's socket full.
        socket_drops: u64,
    },
}

/// One TCP connection.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StreamLog {
    /// Round-trip time of its handshake, microseconds: the path was idle, but for probes.
    pub handshake_rtt_us: u32,
    /// Readings of its counters, in time order.
    pub samples: Vec<TcpSample>,
    /// Times in which nothing arrived.
    pub pauses: Vec<Pause>,
    /// When and why the connection ended before it was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broke: Option<(MonoNs, String)>,
}

/// A TCP connection at one instant. Counts are of payload bytes since it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TcpSample {
    /// When.
    pub at: MonoNs,
    /// Received by the application.
    pub received: u64,
    /// Sent, retransmissions included.
    pub sent: u64,
    /// Of them retransmitted.
    pub retransmitted: u64,
    /// Acknowledged.
    pub acked: u64,
    /// Smoothed round-trip time, microseconds.
    pub rtt_us: u32,
    /// Congestion window, segments.
    pub cwnd: u32,
    /// Payload of a full segment.
    pub mss: u32,
    /// Path MTU.
    pub path_mtu: u32,
    /// The receiver's window, bytes.
    pub receive_window: u32,
    /// Whether there was nothing left to send: the host did not run the sender in time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub starved: bool,
}

/// UDP packets that were sent within one sampling interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UdpBin {
    /// Sent.
    pub sent: u32,
    /// Refused by the sender's kernel: neither sent nor lost.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refused: u32,
    /// Of those sent, how many arrived.
    pub received: u32,
    /// How many arrived within the interval, whenever they were sent.
    pub arrived: u32,
    /// Sum of the one-way delays of those received, microseconds.
    pub delay_sum_us: u64,
    /// The longest of them.
    pub delay_max_us: u32,
}

/// A time of at least [`PAUSE_NS`] in which nothing arrived, from one arrival to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// The last arrival before it.
    pub from: MonoNs,
    /// The first after it, or the end of the load.
    pub to: MonoNs,
}

/// Less than this is no pause, nanoseconds.
pub const PAUSE_NS: u64 = 50_000_000;

fn is_zero(count: &u32) -> bool {
    *count == 0
}
