//! Routing daemons and tunnels: how each is started, when it is ready, and how
//! it is read back, in one form whatever the daemon.

mod asker;
pub mod bird;
mod embedded;
mod firewall;
pub mod frr;
mod own;
mod service;
mod starting;
pub mod strongswan;
mod suite;
mod version;
mod view;
pub mod wireguard;

pub use embedded::Embedded;
pub use firewall::load_firewall;
pub use service::{SUBCOMMAND as SERVICE_SUBCOMMAND, Service};
pub use suite::{Complaint, Installed, suite_facts};
use version::release;
pub use version::{Version, known_defect};
pub use view::{BfdView, BgpView, NoAnswer, NodeView, RouteView};
