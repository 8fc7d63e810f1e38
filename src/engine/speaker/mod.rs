//! The driver of [`proto::speaker`](crate::proto::speaker) and
//! [`proto::bfd`](crate::proto::bfd): the process behind `backhoe speaker`.
//!
//! ```text
//!  BFD thread (SCHED_FIFO if permitted)         BGP thread (tokio, current thread)
//!  UDP ──▶ Session ──▶ UDP      ──Down──▶       TCP ──▶ Speaker ──▶ FIB, then TCP
//!                                               netlink ──▶ │
//!                                               supervisor ⇄ (control socket)
//! ```
//!
//! It is told, it never looks around: a configuration file, the interfaces of
//! its network namespace, and a control socket are all it knows.

mod bfd;
mod connection;
pub mod control;
mod control_link;
mod driver;
mod forwarding;
mod retired;

pub use bfd::{PRIORITY as BFD_PRIORITY, THREAD as BFD_THREAD};
pub use driver::run;
