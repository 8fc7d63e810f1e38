//! Operations made true: [`Linux`] takes what `lab::op` describes and does it over
//! netlink.

mod error;
mod lend;
mod linux;
mod message;
mod socket;
mod sysctl;

pub use error::{OpError, is_gone};
pub use lend::LentAddress;
pub use linux::Linux;
pub use message::WIRE_GSO_MAX;
