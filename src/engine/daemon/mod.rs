//! Routing daemons: how each is started, when it is ready, and how it is read
//! back, in one form whatever the daemon.

pub mod frr;
mod view;
pub mod wireguard;

pub use view::{BfdView, BgpView, NodeView};
