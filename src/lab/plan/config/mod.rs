//! Configurations of daemons: of those that route, rendered from the neutral
//! [`SpeakerConfig`](crate::units::SpeakerConfig), and of those that encrypt.

pub mod bird;
pub mod certificate;
pub mod embedded;
pub mod frr;
pub mod swanctl;
