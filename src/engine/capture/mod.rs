//! Captures of the links in pcapng. The thread that moves or watches packets copies their
//! beginnings into buffers, an ordinary thread writes them. Neither waits for the other: with
//! no buffer free a packet is missing in the capture, and counted.

mod control;
mod recorder;
mod session;
mod writer;

use serde::{Deserialize, Serialize};

pub(in crate::engine) use recorder::{Glimpse, Recorder};
pub(in crate::engine) use session::{About, Captures};
pub(in crate::engine) use writer::Captured;

/// Where the captures are in the run's directory.
pub(in crate::engine) const DIRECTORY: &str = "captures";

/// What every capture says of how to read it.
pub(in crate::engine) const LEGEND: &str = "\
packets as they enter the link, on the journal's clock; outbound: from the first end
control protocols are whole, of other packets there are the first 128 bytes
comments: `dropped: …` what the link dropped, `LABEL: …` faults and what followed them";

/// What is captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Capture {
    /// Nothing.
    #[default]
    Off,
    /// Control protocols, whole.
    Control,
    /// Control protocols, and of every other packet its headers.
    All,
}
