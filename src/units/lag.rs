//! How the two ends of a LAG (IEEE 802.1AX) watch and use its members.

use std::{
    fmt::{self, Display, Formatter},
    str::FromStr,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Span;

/// How often an end asks its partner for LACPDUs, and so how soon it misses them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LacpRate {
    /// One every 30 s, missed after 90 s: what most routers do unasked.
    #[default]
    Slow,
    /// One every second, missed after 3 s.
    Fast,
}

impl LacpRate {
    /// The words of the lab file.
    pub const WORDS: [&str; 2] = ["slow", "fast"];

    /// Between two LACPDUs (IEEE 802.1AX §6.4.4, Fast and Slow Periodic Time).
    pub const fn interval(self) -> Span {
        match self {
            Self::Slow => Span::from_secs(30),
            Self::Fast => Span::from_secs(1),
        }
    }

    /// After the last LACPDU (IEEE 802.1AX §6.4.4, Short and Long Timeout Time).
    pub const fn timeout(self) -> Span {
        match self {
            Self::Slow => Span::from_secs(90),
            Self::Fast => Span::from_secs(3),
        }
    }
}

/// A word that is neither `slow` nor `fast`, or no hash policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is {expected}, not `{found}`")]
pub struct WordError {
    expected: &'static str,
    found: String,
}

impl FromStr for LacpRate {
    type Err = WordError;

    fn from_str(word: &str) -> Result<Self, WordError> {
        match word {
            "slow" => Ok(Self::Slow),
            "fast" => Ok(Self::Fast),
            other => Err(WordError {
                expected: "`slow` or `fast`",
                found: other.to_owned(),
            }),
        }
    }
}

impl Display for LacpRate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Slow => "slow",
            Self::Fast => "fast",
        })
    }
}

/// Which of a packet's fields choose the member that carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum HashPolicy {
    /// Addresses and ports: flows of one pair of hosts may take different members.
    #[default]
    #[serde(rename = "layer3+4")]
    Layer34,
    /// MAC and IP addresses: a pair of hosts keeps to one member.
    #[serde(rename = "layer2+3")]
    Layer23,
    /// MAC addresses: between two routers everything takes one member.
    #[serde(rename = "layer2")]
    Layer2,
}

impl HashPolicy {
    /// The words of the lab file.
    pub const WORDS: [&str; 3] = ["layer3+4", "layer2+3", "layer2"];
}

impl FromStr for HashPolicy {
    type Err = WordError;

    fn from_str(word: &str) -> Result<Self, WordError> {
        match word {
            "layer3+4" => Ok(Self::Layer34),
            "layer2+3" => Ok(Self::Layer23),
            "layer2" => Ok(Self::Layer2),
            other => Err(WordError {
                expected: "`layer3+4`, `layer2+3` or `layer2`",
                found: other.to_owned(),
            }),
        }
    }
}

impl Display for HashPolicy {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Layer34 => "layer3+4",
            Self::Layer23 => "layer2+3",
            Self::Layer2 => "layer2",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_as_they_are_written() {
        for word in LacpRate::WORDS {
            assert_eq!(word.parse::<LacpRate>().unwrap().to_string(), word);
        }
        for word in HashPolicy::WORDS {
            let policy: HashPolicy = word.parse().unwrap();
            assert_eq!(policy.to_string(), word);
            assert_eq!(
                serde_json::to_string(&policy).unwrap(),
                format!("\"{word}\"")
            );
        }
        assert_eq!(
            "quick".parse::<LacpRate>().unwrap_err().to_string(),
            "this is `slow` or `fast`, not `quick`"
        );
    }

    #[test]
    fn three_are_missed_before_a_member_is_given_up() {
        for rate in [LacpRate::Slow, LacpRate::Fast] {
            assert_eq!(rate.timeout().as_nanos(), 3 * rate.interval().as_nanos());
        }
    }
}
