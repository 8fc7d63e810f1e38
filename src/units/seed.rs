//! The seed of everything random, as people and programs read it: 16 hexadecimal digits.
//! In JSON it is text, since JavaScript and jq round numbers above 2^53.

use std::fmt::{self, Formatter};

use serde::{Deserializer, Serializer, de};

/// Text that is no seed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a seed is the 16 hexadecimal digits of a report, `0x` and such digits, or a number")]
pub struct SeedError;

/// The form in which reports print a seed.
pub fn seed_text(seed: u64) -> String {
    format!("{seed:016x}")
}

/// Reads the printed form, the same with `0x`, or a decimal number. Exactly 16 digits are the
/// printed form, whichever they are.
///
/// # Errors
/// When it is none of them, or larger than 64 bits.
pub fn parse_seed(text: &str) -> Result<u64, SeedError> {
    let hexadecimal = |digits: &str| {
        // `from_str_radix` takes a sign.
        let plain = digits.bytes().all(|b| b.is_ascii_hexdigit());
        let number = u64::from_str_radix(digits, 16).ok();
        number.filter(|_| plain).ok_or(SeedError)
    };
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return hexadecimal(digits);
    }
    if text.len() == 16 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return hexadecimal(text);
    }
    text.parse().map_err(|_| SeedError)
}

/// A seed in JSON: the printed form. A number, as earlier journals have it, is read too.
pub mod seed_as_text {
    use super::{Deserializer, Serializer, Text, seed_text};

    /// Writes the printed form.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(seed: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&seed_text(*seed))
    }

    /// Reads the printed form, or a number.
    ///
    /// # Errors
    /// When it is neither.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        from.deserialize_any(Text)
    }
}

/// The same where a seed may be missing.
pub mod seed_as_text_or_null {
    use serde::{Deserialize, Serialize};

    use super::{Deserializer, Serializer, seed_as_text};

    #[derive(Serialize, Deserialize)]
    struct Seed(#[serde(with = "seed_as_text")] u64);

    /// Writes the printed form or null.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(seed: &Option<u64>, to: S) -> Result<S::Ok, S::Error> {
        seed.map(Seed).serialize(to)
    }

    /// Reads the printed form, a number or null.
    ///
    /// # Errors
    /// When it is none of them.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
        Ok(Option::<Seed>::deserialize(from)?.map(|Seed(seed)| seed))
    }
}

struct Text;

impl de::Visitor<'_> for Text {
    type Value = u64;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a seed: 16 hexadecimal digits")
    }

    fn visit_u64<E: de::Error>(self, seed: u64) -> Result<u64, E> {
        Ok(seed)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        parse_seed(text).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_again_and_so_are_decimals_and_0x() {
        for seed in [0, 7, 0x18e9_e0f9_25ff_67c4, 1_234_567_890_123_456, u64::MAX] {
            assert_eq!(parse_seed(&seed_text(seed)), Ok(seed));
            assert_eq!(parse_seed(&format!("{seed:#x}")), Ok(seed));
        }
        assert_eq!(parse_seed("7"), Ok(7));
        assert_eq!(parse_seed("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(parse_seed("7f3a"), Ok(0x7f3a));
        assert_eq!(parse_seed("1000000000000000"), Ok(1 << 60));
        for wrong in [
            "",
            "0x",
            "-1",
            "+7",
            "0x+7",
            "seven",
            "18446744073709551616",
        ] {
            assert_eq!(parse_seed(wrong), Err(SeedError), "{wrong}");
        }
    }
}
