//! The plan: everything the engine will do, decided before anything is done.
//!
//! [`plan`] is pure: kinds expand into namespaces and cables (`net`), sessions
//! into speakers' configurations (`routing`, `config`), and all of it into
//! kernel operations (`ops`). A plan prints as text for `backhoe plan`.

pub mod address;
mod cap;
mod compile;
pub mod config;
mod cut;
mod display;
mod error;
pub mod facts;
mod flows;
mod ipsec;
mod joints;
mod load;
mod mss;
mod names;
mod net;
mod nodes;
mod notes;
mod ops;
mod routing;
mod services;
mod statics;
mod sysctl;
#[cfg(test)]
mod tests;
mod types;

pub use compile::plan;
pub use cut::{Cut, CutError, cut, what_is};
pub use error::{KernelFeature, PlanError};
pub use facts::{HostFacts, IpsecFacts, SuiteFacts, TunDevice};
pub use nodes::{BIRD_CONF, FIREWALL};
pub use types::*;
