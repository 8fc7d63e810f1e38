//! The vocabulary every room shares: names that fit the kernel, quantities with
//! their units, and the configuration a plan hands to a speaker.
//!
//! Nothing here knows a clock, a socket or a file.

#[cfg(test)]
pub(crate) mod fixture;
mod impairment;
mod lag;
mod load;
mod names;
mod policy;
mod probe;
mod quantity;
mod seed;
mod service;
mod speaker;
mod suite;
mod tunnel_cap;

pub use impairment::{Distribution, LossBurst, normal_quantile};
pub use lag::{HashPolicy, LacpRate, WordError};
pub use load::{LOAD_HEADER_LEN, LOAD_PORT_BASE, LoadHeader};
pub use names::{
    HostName, IfName, LabName, LinkName, LoadName, NameError, NodeName, ProbeName, RegionName,
    RouteTableName, SessionName, SubnetName, TunnelName, nearest,
};
pub use policy::{Community, Match, Policy, PolicySource, PrefixMatch, Rule, Set, Verdict};
pub use probe::{PROBE_HEADER_LEN, PROBE_MAGIC, PROBE_PORT_BASE, ProbeHeader};
pub use quantity::{Asn, Bytes, Percent, QuantityError, Rate, Span};
pub use seed::{SeedError, parse_seed, seed_as_text, seed_as_text_or_null, seed_text};
pub use service::{DNS_PORT, FailoverRecord, HealthCheck, RecordEndpoint, ServiceConfig};
pub use speaker::{
    Attachment, BfdConfig, Family, Origination, PeerConfig, RouteChoice, RouteTable, SpeakerConfig,
    StaticHop, StaticPath, VrfConfig,
};
pub use suite::Suite;
pub use tunnel_cap::TunnelCap;
