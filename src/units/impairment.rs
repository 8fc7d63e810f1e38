//! How chance is spread: jitter around a delay, losses over packets.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::QuantityError;

/// How jitter lies around the delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Distribution {
    /// Every value from delay − jitter to delay + jitter is as likely.
    #[default]
    Uniform,
    /// A bell curve whose standard deviation is the jitter, within four of them.
    Normal,
}

impl Distribution {
    /// The words of the lab file.
    pub const NAMES: [&str; 2] = ["uniform", "normal"];

    /// How many times the jitter a packet may deviate.
    pub const fn reach(self) -> u64 {
        match self {
            Self::Uniform => 1,
            Self::Normal => 4,
        }
    }
}

impl FromStr for Distribution {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        match text {
            "uniform" => Ok(Self::Uniform),
            "normal" => Ok(Self::Normal),
            _ => Err(QuantityError::Malformed {
                text: text.to_owned(),
                what: "distribution",
                example: "`uniform` or `normal`",
            }),
        }
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Uniform => "uniform",
            Self::Normal => "normal",
        })
    }
}

/// The mean number of packets lost in a row, 2 to 1000: losses come in bursts
/// as in Gilbert's model (a good state that loses nothing and a bad one that
/// loses everything).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct LossBurst(u32);

impl LossBurst {
    /// From the mean; other than 2 to 1000 is refused.
    pub const fn new(packets: u32) -> Option<Self> {
        if packets >= 2 && packets <= 1000 {
            Some(Self(packets))
        } else {
            None
        }
    }

    /// The mean.
    pub const fn packets(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for LossBurst {
    type Error = QuantityError;
    fn try_from(packets: u32) -> Result<Self, QuantityError> {
        Self::new(packets).ok_or_else(|| QuantityError::OutOfRange {
            text: packets.to_string(),
            allowed: "2 to 1000",
        })
    }
}

impl From<LossBurst> for u32 {
    fn from(burst: LossBurst) -> Self {
        burst.0
    }
}

impl FromStr for LossBurst {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let packets: u32 = text.parse().map_err(|_| QuantityError::Malformed {
            text: text.to_owned(),
            what: "number of packets",
            example: "`5`",
        })?;
        packets.try_into()
    }
}

impl fmt::Display for LossBurst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_string())
    }
}

/// The standard normal distribution's value below which the share `p` of all
/// lies, 0 < `p` < 1, to 1.2 parts in 10⁹ (Acklam's rational approximation).
pub fn normal_quantile(p: f64) -> f64 {
    const A: [f64; 6] = [
        -39.696_830_286_653_76,
        220.946_098_424_520_5,
        -275.928_510_446_968_7,
        138.357_751_867_269,
        -30.664_798_066_147_16,
        2.506_628_277_459_239,
    ];
    const B: [f64; 5] = [
        -54.476_098_798_224_06,
        161.585_836_858_040_9,
        -155.698_979_859_886_6,
        66.801_311_887_719_72,
        -13.280_681_552_885_72,
    ];
    const C: [f64; 6] = [
        -0.007_784_894_002_430_293,
        -0.322_396_458_041_136_5,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 4] = [
        0.007_784_695_709_041_462,
        0.322_467_129_070_039_8,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
    ];
    const TAIL: f64 = 0.02425;
    let polynomial = |of: &[f64], x: f64| of.iter().fold(0.0, |sum, c| sum * x + c);
    let tail = |p: f64| {
        let q = (-2.0 * p.ln()).sqrt();
        polynomial(&C, q) / (polynomial(&D, q) * q + 1.0)
    };
    if p < TAIL {
        tail(p)
    } else if p > 1.0 - TAIL {
        -tail(1.0 - p)
    } else {
        let q = p - 0.5;
        let r = q * q;
        polynomial(&A, r) * q / (polynomial(&B, r) * r + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (p, x) in [
            (0.5, 0.0),
            (0.841_344_746, 1.0),
            (0.977_249_868, 2.0),
            (0.998_650_102, 3.0),
            (0.975, 1.959_963_985),
        ] {
            assert!((normal_quantile(p) - x).abs() < 1e-6, "{p}");
            assert!((normal_quantile(1.0 - p) + x).abs() < 1e-6, "1 - {p}");
        }
    }

    #[test]
    fn bursts_and_distributions_are_read_and_written() {
        assert_eq!("5".parse::<LossBurst>().unwrap().packets(), 5);
        assert!("1".parse::<LossBurst>().is_err());
        assert!("few".parse::<LossBurst>().is_err());
        for name in Distribution::NAMES {
            assert_eq!(name.parse::<Distribution>().unwrap().to_string(), name);
        }
    }
}
