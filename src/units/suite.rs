//! Routing suites that are not backhoe's own.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A routing suite that backhoe runs but does not bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Suite {
    /// FRRouting: zebra, bgpd, bfdd and their like.
    Frr,
    /// BIRD, one program.
    Bird,
}

impl Suite {
    /// The word of the lab file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Frr => "frr",
            Self::Bird => "bird",
        }
    }

    /// What its own project calls its configuration file.
    pub fn config_name(self) -> &'static str {
        match self {
            Self::Frr => "frr.conf",
            Self::Bird => "bird.conf",
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Frr => "FRR",
            Self::Bird => "BIRD",
        })
    }
}
