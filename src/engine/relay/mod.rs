//! Links emulated in userspace: one thread moves every frame of every wired
//! link through the [`emu`](crate::emu) lanes and watches what passes.
//!
//! A cut is an instant, not a message that has to arrive: every frame is
//! judged by the time the kernel received it, so what was sent before the cut
//! arrives and what was sent after it does not, however late the thread looks.

mod flows;
mod handle;
mod lateness;
mod links;
mod observe;
mod pool;
mod tap;
mod wire;
mod worker;

pub(in crate::engine) use flows::{Fate, Flows};
pub use handle::{Bracket, LinkCounters, Relay, THREAD_NAME, WireConfig, spawn};
pub(in crate::engine) use handle::{lane_seed, open_rings};
pub use lateness::Lateness;
pub(in crate::engine) use lateness::Punctuality;
pub(in crate::engine) use links::Links;
pub(in crate::engine) use observe::{Passage, Transport, Watcher, ethernet};
pub use tap::TapConfig;
pub(in crate::engine) use tap::{Tap, believe, ethernet_link, follow, open as open_taps};
pub(in crate::engine) use wire::{ProbeId, probe_of};
