//! What can fail of a lab, and what that says of its flows before anything is tried: which
//! failures cut a flow's last physical way. Pure: of the model alone.
//!
//! A way is physical here. Whether routing finds it is what the experiment is for, and a failure
//! that leaves a way and loses the traffic is the finding that no drawing shows.

mod element;
mod graph;
mod symmetry;
mod ways;

#[cfg(test)]
mod tests;

pub use element::{Case, Element, LeftOut, Manner, What, cases, elements};
pub use symmetry::{Renaming, reduce, renamings};
pub use ways::{Topology, Verdict};
