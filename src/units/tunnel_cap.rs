//! What one VPN tunnel carries at most.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What one VPN tunnel carries at most, of each direction: bits of whole packets inside the
/// tunnel, and packets. What is beyond either is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TunnelCap {
    /// Bits a second.
    pub bits: u64,
    /// Packets a second.
    pub packets: u32,
}

impl TunnelCap {
    /// `1.25 Gbit/s`.
    pub fn bits_in_words(self) -> String {
        let (value, unit) = match self.bits {
            n if n >= 1_000_000_000 => (n as f64 / 1e9, "Gbit/s"),
            n if n >= 1_000_000 => (n as f64 / 1e6, "Mbit/s"),
            n if n >= 1_000 => (n as f64 / 1e3, "kbit/s"),
            n => (n as f64, "bit/s"),
        };
        format!("{value} {unit}")
    }

    /// `140,000 packets/s`.
    pub fn packets_in_words(self) -> String {
        match (self.packets / 1000, self.packets % 1000) {
            (0, rest) => format!("{rest} packets/s"),
            (thousands, rest) => format!("{thousands},{rest:03} packets/s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_in_words() {
        let words = |bits, packets| {
            let cap = TunnelCap { bits, packets };
            [cap.bits_in_words(), cap.packets_in_words()]
        };
        assert_eq!(
            words(1_250_000_000, 140_000),
            ["1.25 Gbit/s", "140,000 packets/s"]
        );
        assert_eq!(words(2_500_000, 1_050), ["2.5 Mbit/s", "1,050 packets/s"]);
        assert_eq!(words(8_000, 1), ["8 kbit/s", "1 packets/s"]);
    }
}
