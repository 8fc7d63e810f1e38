//! From tree to model, one section of the file a module. Names are collected
//! before anything is read, so order in the file does not matter and a broken
//! node is not also reported as missing by everyone who mentions it.

mod announced;
mod between_gateways;
mod bounds;
mod cap;
mod credentials;
mod daemons;
mod exported;
mod gateways;
mod ipsec;
mod lags;
mod links;
mod load;
mod maintenance;
mod mss;
mod next_hops;
mod nodes;
mod outer;
mod probes;
mod public;
mod quota;
mod regions;
mod route_tables;
mod routing;
mod rules;
mod scenario;
mod services;
mod sessions;
mod start;
mod static_vpn;
mod subnets;
mod survives;
mod swanctl;
mod timers;
mod unusable;
mod vif;
mod vpcs;
mod vrfs;
mod whole;

pub(super) use start::lower;
use start::{Lower, Section};
