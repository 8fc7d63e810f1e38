//! The link emulator: `offer(packet, now)`, `poll(now)`, next deadline. Pure.
//!
//! One direction of a link is a [`Lane`]. A packet meets the effects in this
//! order, one file each: the [`gate`] (cut), [`numbered`] drops, [`loss`],
//! [`duplicate`], [`corrupt`], the serialisation [`rate`] with its queue,
//! [`reorder`], and the fibre's [`delay`]. A packet beyond the gate has left and arrives, whatever happens
//! to the gate afterwards: light in a fibre does not turn back.
//!
//! Time is nanoseconds on any one monotonic clock; nothing here reads it.

mod chance;
mod corrupt;
mod delay;
mod duplicate;
mod gate;
mod lane;
mod loss;
mod numbered;
mod rate;
mod reorder;

pub use gate::{Gate, GateState};
pub use lane::{Lane, LaneStats, Mark, Packet, Passing, Reason, Shape, Verdict};

/// Nanoseconds on the caller's monotonic clock.
pub type Ns = u64;
