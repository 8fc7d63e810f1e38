//! Configurations of routing daemons, rendered from the neutral
//! [`SpeakerConfig`](crate::units::SpeakerConfig).

pub mod bird;
pub mod embedded;
pub mod frr;
