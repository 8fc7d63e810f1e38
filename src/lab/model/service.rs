//! Services: several endpoints that a client takes for one.

use super::Endpoint;
use crate::units::HealthCheck;

/// Hosts behind one name or one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// What makes them one.
    pub by: ServiceBy,
    /// The hosts, at least two, all different; of a name the primary and the secondary.
    pub endpoints: Vec<Endpoint>,
    /// Line of the file.
    pub line: u32,
}

/// What makes several endpoints one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceBy {
    /// A name in DNS, answered with the primary's addresses or, while that is unhealthy, the
    /// secondary's.
    Dns(Dns),
    /// One address, which all of them have.
    Anycast,
}

/// How a name is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    /// The host that answers and checks; none of the endpoints.
    pub server: Endpoint,
    /// Seconds for which an answer is kept; at least 1.
    pub ttl: u32,
    /// How endpoints are checked.
    pub check: HealthCheck,
    /// The TCP port that checks connect to.
    pub port: u16,
}
