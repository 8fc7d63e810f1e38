//! Background load: what users send while the lab is measured.

use serde::{Deserialize, Serialize};

use super::{Bounds, Endpoint, ExpectAfter};
use crate::units::{Bytes, Family, LoadName, Percent, Rate, Span};

/// Traffic from one host to another, from before the first fault to the end of the scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// Sender and receiver, different hosts; no service.
    pub ends: [Endpoint; 2],
    /// The family both hosts have and the load uses.
    pub family: Family,
    /// What is sent.
    pub transport: Transport,
    /// How often its counters are read.
    pub sampling: Span,
    /// Line of the file.
    pub line: u32,
}

/// What a load sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// Bulk transfers that take what they get (RFC 6349).
    Tcp {
        /// Connections; at least 1.
        streams: u16,
        /// The kernel's name of the congestion control; `None`: the host's default.
        congestion_control: Option<String>,
    },
    /// Packets at a steady pace.
    Udp {
        /// Offered rate, whole IP packets.
        rate: Rate,
        /// Bytes of the whole IP packet; it fits through every link and tunnel between the two.
        size: Bytes,
    },
}

impl Transport {
    /// Packets a second of UDP, to the nearest whole number and at least 1; `None` of TCP.
    pub fn packet_rate(&self) -> Option<u32> {
        match self {
            Self::Tcp { .. } => None,
            Self::Udp { rate, size } => {
                let bits = (size.get() * 8).max(1);
                let packets = (rate.bits_per_second() + bits / 2) / bits;
                Some(u32::try_from(packets.max(1)).unwrap_or(u32::MAX))
            }
        }
    }
}

impl std::fmt::Display for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp {
                streams,
                congestion_control,
            } => {
                let plural = if *streams == 1 { "" } else { "s" };
                write!(f, "{streams} TCP stream{plural}")?;
                congestion_control
                    .iter()
                    .try_for_each(|name| write!(f, " ({name})"))
            }
            Self::Udp { rate, size } => write!(f, "UDP {rate} of {size}"),
        }
    }
}

/// What must hold for a load after a step. At least one of these is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadExpect {
    /// The phase it speaks of.
    pub after: ExpectAfter,
    /// The load.
    pub load: LoadName,
    /// What arrives in the last two seconds before the next fault or restore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throughput: Option<Bounds<Rate>>,
    /// That as a share of what arrived before the first fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Bounds<Percent>>,
    /// The longest time in which nothing arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stall: Option<Bounds<Span>>,
    /// Of UDP: the share of packets lost in the last two seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Bounds<Percent>>,
    /// Line of the file.
    pub line: u32,
}

impl std::fmt::Display for LoadExpect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.after {
            ExpectAfter::Start => f.write_str("after start")?,
            ExpectAfter::Fault(label) => write!(f, "after {label}")?,
            ExpectAfter::Restore(label) => write!(f, "after restore of {label}")?,
        }
        let wishes = [
            self.throughput.map(|bounds| format!("throughput {bounds}")),
            self.share
                .map(|bounds| format!("{bounds} of the throughput before")),
            self.stall.map(|bounds| format!("stall {bounds}")),
            self.loss.map(|bounds| format!("loss {bounds}")),
        ];
        let wishes: Vec<String> = wishes.into_iter().flatten().collect();
        write!(f, ": {}: {}", self.load, wishes.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn udp_is_paced_to_the_nearest_whole_packet() {
        let rate = |rate: &str, size| Transport::Udp {
            rate: rate.parse().unwrap(),
            size: Bytes::new(size),
        };
        assert_eq!(rate("2mbit", 1_000).packet_rate(), Some(250));
        assert_eq!(rate("64kbit", 200).packet_rate(), Some(40));
        assert_eq!(rate("8kbit", 1_500).packet_rate(), Some(1));
        let tcp = Transport::Tcp {
            streams: 2,
            congestion_control: None,
        };
        assert_eq!(tcp.packet_rate(), None);
    }
}
