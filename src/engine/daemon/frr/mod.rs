//! FRR: Debian's package, run unprivileged inside the node's namespaces on the
//! standard paths. zebra and its clients are our children in the foreground;
//! `vtysh -b` loads the one integrated configuration.

mod parse;
mod rib;
mod running;
mod start;
mod version;
mod vty;

pub use parse::view;
pub use rib::rib;
pub use running::{Frr, FrrStart};
pub use start::{Program, boot_command, check_command, programs, ready_sockets};
pub use version::{FrrVersion, find, known_defect};
pub use vty::{Vty, VtyError};
