//! What a service process says: one JSON object a line.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FromService {
    /// When, nanoseconds on CLOCK_MONOTONIC.
    pub at_ns: u64,
    /// What.
    pub notice: Notice,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Notice {
    /// Every socket is open.
    Ready,
    /// A health check ended otherwise than the one before it, or was one of several that
    /// together change the verdict.
    Check {
        /// The name whose endpoint it is.
        name: String,
        /// The endpoint's host.
        endpoint: String,
        /// Whether the connection came about.
        passed: bool,
        /// So many have ended like this one.
        in_a_row: u32,
        /// So many in a row change the verdict.
        threshold: u32,
        /// The verdict now; absent while it is not known.
        healthy: Option<bool>,
        /// Why it failed.
        reason: Option<String>,
    },
    /// From now on the name is answered with this endpoint's addresses.
    Answer {
        /// The name.
        name: String,
        /// The endpoint's host.
        endpoint: String,
        /// Its addresses.
        addresses: Vec<IpAddr>,
    },
}
