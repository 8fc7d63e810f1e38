//! What a host serves besides probes: names by DNS, and a port that health checks connect to.

use std::net::{IpAddr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NodeName, Span};

/// Where DNS is served (RFC 1035 §4.2.1).
pub const DNS_PORT: u16 = 53;

/// What one host's service process does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceConfig {
    /// The host.
    pub node: NodeName,
    /// Where DNS is served, over UDP; empty where no name is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<SocketAddr>,
    /// The names served.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<FailoverRecord>,
    /// Where TCP connections are accepted, and closed at once: the targets of health checks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accept: Vec<SocketAddr>,
}

/// A name whose answer is its first endpoint, or while that is unhealthy its second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailoverRecord {
    /// The name, in lower case, without the last dot.
    pub name: String,
    /// How long an answer may be kept, seconds; at least 1.
    pub ttl: u32,
    /// How health is found out.
    pub check: HealthCheck,
    /// The primary and the secondary.
    pub endpoints: [RecordEndpoint; 2],
}

/// An endpoint of a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordEndpoint {
    /// The host.
    pub host: NodeName,
    /// What the name's A and AAAA records say, at most one of each.
    pub addresses: Vec<IpAddr>,
    /// Where health checks connect to.
    pub target: SocketAddr,
}

/// How often and how strictly an endpoint is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HealthCheck {
    /// From the beginning of one check to that of the next.
    pub interval: Span,
    /// How many in a row change the verdict, either way; at least 1.
    pub threshold: u32,
    /// A connection not there after this long is a failed check; at most the interval.
    pub timeout: Span,
}
