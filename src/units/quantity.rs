//! Quantities that carry their unit, as users write them: `4ms`, `1gbit`, `200B`, `0.5%`.

use std::{fmt, str::FromStr, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Why a quantity was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not a number followed by one of the known units.
    #[error("`{text}` is not a {what}; write it like {example}")]
    Malformed {
        /// What was written.
        text: String,
        /// What was expected.
        what: &'static str,
        /// One or two good examples.
        example: &'static str,
    },
    /// A well-formed number that the quantity cannot hold.
    #[error("`{text}` is out of range: {allowed}")]
    OutOfRange {
        /// What was written.
        text: String,
        /// What is allowed.
        allowed: &'static str,
    },
}

/// Splits `12.5ms` into the number in billionths and the unit.
fn split(text: &str) -> Option<(u128, &str)> {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |s: &str| s.chars().all(|c| c.is_ascii_digit());
    if whole.is_empty() || whole.len() > 15 || fraction.len() > 9 {
        return None;
    }
    if !digits(whole) || !digits(fraction) || (number.contains('.') && fraction.is_empty()) {
        return None;
    }
    let whole: u128 = whole.parse().ok()?;
    let mut billionths: u128 = if fraction.is_empty() {
        0
    } else {
        fraction.parse().ok()?
    };
    for _ in fraction.len()..9 {
        billionths *= 10;
    }
    Some((whole * 1_000_000_000 + billionths, unit.trim()))
}

/// A length of time; nanoseconds inside, `ns us ms s m h` outside.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct Span(u64);

impl Span {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// From nanoseconds.
    pub const fn from_nanos(ns: u64) -> Self {
        Self(ns)
    }
    /// From microseconds.
    pub const fn from_micros(us: u64) -> Self {
        Self(us * 1_000)
    }
    /// From milliseconds.
    pub const fn from_millis(ms: u64) -> Self {
        Self(ms * 1_000_000)
    }
    /// From seconds.
    pub const fn from_secs(s: u64) -> Self {
        Self(s * 1_000_000_000)
    }
    /// Nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }
    /// Whole microseconds.
    pub const fn as_micros(self) -> u64 {
        self.0 / 1_000
    }
    /// Whole milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }
    /// Whole seconds.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1_000_000_000
    }
    /// Milliseconds with their fraction.
    pub fn as_millis_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }
    /// As the standard library's type.
    pub const fn as_duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }
}

impl FromStr for Span {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let malformed = || QuantityError::Malformed {
            text: text.to_owned(),
            what: "duration",
            example: "`4ms`, `1.2s` or `250us`",
        };
        let (billionths, unit) = split(text).ok_or_else(malformed)?;
        let ns_per_unit: u128 = match unit {
            "ns" => 1,
            "us" | "µs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" | "min" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "" if billionths == 0 => 0,
            _ => return Err(malformed()),
        };
        let ns = billionths
            .checked_mul(ns_per_unit)
            .map(|n| n / 1_000_000_000)
            .filter(|&ns| ns <= 30 * 86_400 * 1_000_000_000)
            .ok_or_else(|| QuantityError::OutOfRange {
                text: text.to_owned(),
                allowed: "at most 30 days",
            })?;
        Ok(Self(ns as u64))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, unit) = match self.0 {
            0 => (0.0, "s"),
            n if n % 1_000_000_000 == 0 || n >= 10_000_000_000 => (n as f64 / 1e9, "s"),
            n if n >= 1_000_000 => (n as f64 / 1e6, "ms"),
            n if n >= 1_000 => (n as f64 / 1e3, "us"),
            n => (n as f64, "ns"),
        };
        f.pad(&format!("{value}{unit}"))
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Bits per second, written `10mbit`, `1gbit`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Rate(u64);

impl Rate {
    /// From bits per second; 0 is not a rate.
    pub const fn from_bits_per_second(bps: u64) -> Option<Self> {
        if bps == 0 { None } else { Some(Self(bps)) }
    }
    /// Bits per second.
    pub const fn bits_per_second(self) -> u64 {
        self.0
    }
}

impl FromStr for Rate {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let malformed = || QuantityError::Malformed {
            text: text.to_owned(),
            what: "rate",
            example: "`10mbit` or `1gbit`",
        };
        let (billionths, unit) = split(text).ok_or_else(malformed)?;
        let per_unit: u128 = match unit.to_ascii_lowercase().as_str() {
            "bit" | "bps" => 1,
            "kbit" | "kbps" => 1_000,
            "mbit" | "mbps" => 1_000_000,
            "gbit" | "gbps" => 1_000_000_000,
            _ => return Err(malformed()),
        };
        let bps = billionths.saturating_mul(per_unit) / 1_000_000_000;
        if !(8_000..=400_000_000_000).contains(&bps) {
            return Err(QuantityError::OutOfRange {
                text: text.to_owned(),
                allowed: "8kbit to 400gbit",
            });
        }
        Ok(Self(bps as u64))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, unit) = match self.0 {
            n if n >= 1_000_000_000 => (n as f64 / 1e9, "gbit"),
            n if n >= 1_000_000 => (n as f64 / 1e6, "mbit"),
            n if n >= 1_000 => (n as f64 / 1e3, "kbit"),
            n => (n as f64, "bit"),
        };
        f.pad(&format!("{value}{unit}"))
    }
}

impl fmt::Debug for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A number of bytes, written `200B`, `64kB`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Bytes(u64);

impl Bytes {
    /// From a count.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }
    /// The count.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl FromStr for Bytes {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let malformed = || QuantityError::Malformed {
            text: text.to_owned(),
            what: "size",
            example: "`200B` or `64kB`",
        };
        let (billionths, unit) = split(text).ok_or_else(malformed)?;
        let per_unit: u128 = match unit {
            "B" | "b" => 1,
            "kB" | "KB" | "k" => 1_000,
            "MB" => 1_000_000,
            _ => return Err(malformed()),
        };
        let bytes = billionths * per_unit / 1_000_000_000;
        if bytes > 1_000_000_000 {
            return Err(QuantityError::OutOfRange {
                text: text.to_owned(),
                allowed: "at most 1000MB",
            });
        }
        Ok(Self(bytes as u64))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}B", self.0))
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A share, written `0.5%`; millionths inside.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct Percent(u32);

impl Percent {
    /// From millionths; more than a million is refused.
    pub const fn from_millionths(ppm: u32) -> Option<Self> {
        if ppm > 1_000_000 {
            None
        } else {
            Some(Self(ppm))
        }
    }
    /// Millionths.
    pub const fn millionths(self) -> u32 {
        self.0
    }

    /// The share that meets this or, independently, the other.
    pub fn either(self, other: Self) -> Self {
        let (this, that) = (u64::from(self.0), u64::from(other.0));
        let both = (this * that).div_ceil(1_000_000);
        Self((this + that).saturating_sub(both) as u32)
    }
}

impl FromStr for Percent {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let malformed = || QuantityError::Malformed {
            text: text.to_owned(),
            what: "percentage",
            example: "`0.5%`",
        };
        let (billionths, unit) = split(text).ok_or_else(malformed)?;
        if unit != "%" {
            return Err(malformed());
        }
        let ppm = billionths / 100_000;
        if ppm > 1_000_000 {
            return Err(QuantityError::OutOfRange {
                text: text.to_owned(),
                allowed: "0% to 100%",
            });
        }
        Ok(Self(ppm as u32))
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}%", f64::from(self.0) / 1e4))
    }
}

impl fmt::Debug for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! through_text {
    ($($type:ident),*) => {$(
        impl TryFrom<String> for $type {
            type Error = QuantityError;
            fn try_from(text: String) -> Result<Self, QuantityError> {
                text.parse()
            }
        }
        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }
    )*};
}
through_text!(Span, Rate, Bytes, Percent);

/// A four-octet autonomous system number (RFC 6793); 0 is refused (RFC 7607).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Asn(u32);

impl Asn {
    /// AS_TRANS (RFC 6793 §9): stands for a four-octet number in two octets.
    pub const TRANS: Self = Self(23456);

    /// Refuses 0.
    pub const fn new(asn: u32) -> Option<Self> {
        if asn == 0 { None } else { Some(Self(asn)) }
    }
    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Asn {
    type Error = QuantityError;
    fn try_from(asn: u32) -> Result<Self, QuantityError> {
        Self::new(asn).ok_or_else(|| QuantityError::OutOfRange {
            text: asn.to_string(),
            allowed: "an ASN is 1 to 4294967295",
        })
    }
}

impl From<Asn> for u32 {
    fn from(asn: Asn) -> Self {
        asn.0
    }
}

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AS{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_and_print() {
        for (text, ns) in [
            ("4ms", 4_000_000),
            ("1.2s", 1_200_000_000),
            ("250us", 250_000),
            ("2m", 120_000_000_000),
            ("0", 0),
        ] {
            assert_eq!(text.parse::<Span>().map(Span::as_nanos), Ok(ns), "{text}");
        }
        for bad in [
            "",
            "4",
            "ms",
            "-4ms",
            "4 fortnights",
            "4.ms",
            "99999999h",
            "1e3s",
        ] {
            assert!(bad.parse::<Span>().is_err(), "{bad}");
        }
        for text in ["4ms", "1.5ms", "90s", "300ms", "12us", "0s"] {
            assert_eq!(
                text.parse::<Span>().map(|s| s.to_string()),
                Ok(text.to_owned())
            );
        }
    }

    #[test]
    fn rates_sizes_and_percentages_read_and_print() {
        assert_eq!(
            "1gbit".parse::<Rate>().map(Rate::bits_per_second),
            Ok(1_000_000_000)
        );
        assert_eq!("200B".parse::<Bytes>().map(Bytes::get), Ok(200));
        assert_eq!(
            "0.5%".parse::<Percent>().map(Percent::millionths),
            Ok(5_000)
        );
        assert!("101%".parse::<Percent>().is_err());
        assert!("1".parse::<Rate>().is_err());
        assert!("0gbit".parse::<Rate>().is_err());
    }
}
