//! FRR: Debian's package, run unprivileged inside the node's namespaces on the
//! standard paths. zebra and its clients are our children in the foreground;
//! `vtysh -b` loads the one integrated configuration.

mod install;
mod log;
mod parse;
mod rib;
mod running;
mod start;
mod vty;

pub use install::FrrInstall;
pub use parse::view;
pub use rib::rib;
pub use running::{Frr, FrrStart};
pub use vty::{Vty, VtyError};
