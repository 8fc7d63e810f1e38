//! The instrument before the experiment: every shaped link is measured against
//! its declaration, through the very wire the probes will cross.

mod delay;
mod rate;
mod reach;
mod size;

use std::collections::BTreeMap;

pub use delay::measure as measure_links;
pub use size::try_sizes;

use crate::{os::netns::NetnsFd, units::NodeName};

/// The namespaces of the nodes.
pub type Namespaces = BTreeMap<NodeName, NetnsFd>;
