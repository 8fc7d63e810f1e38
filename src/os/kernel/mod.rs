//! Operations made true: [`Kernel`] takes what `lab::op` describes, [`Linux`] does
//! it over netlink, [`Recorder`] writes it down for tests.

mod contract;
mod lend;
mod linux;
mod message;
mod recorder;
mod socket;
mod sysctl;

pub use contract::{Kernel, OpError};
pub use lend::LentAddress;
pub use linux::Linux;
pub use message::WIRE_GSO_MAX;
pub use recorder::Recorder;
