//! Routing daemons and tunnels: how each is started, when it is ready, and how
//! it is read back, in one form whatever the daemon.

mod embedded;
pub mod frr;
mod view;
pub mod wireguard;

pub use embedded::Embedded;
pub use view::{BfdView, BgpView, NodeView, RouteView};
