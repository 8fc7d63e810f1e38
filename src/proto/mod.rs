//! Protocols without I/O. Every machine speaks `handle_*(…, now)`, `poll_transmit`,
//! `poll_event` and `poll_timeout`, which says why it wants to be woken.

pub mod bfd;
pub mod bgp;
pub mod dns;
pub mod speaker;
