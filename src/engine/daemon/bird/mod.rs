//! BIRD: one program a node, in the foreground in the node's namespaces, told
//! everything by its file and asked over its control socket. `birdc` is never run.

mod control;
mod install;
mod parse;
mod routes;
mod running;

pub use control::{Control, ControlError, Line, read_reply};
pub use install::BirdInstall;
pub use parse::{Neighbor, kernels, neighbors, view};
pub use routes::{gateways, rib};
pub use running::{Bird, BirdStart};
