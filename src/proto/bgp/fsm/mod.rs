//! One session (RFC 4271 §8): its connections, timers and messages, but not
//! its routes.

mod connection;
mod peer;
mod state;

pub use connection::{ConnId, Graceful, Negotiated, Origin};
pub use peer::{Output, Peer, Settings};
pub use state::State;

#[cfg(test)]
mod tests;
