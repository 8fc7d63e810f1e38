//! Links emulated in userspace: one thread moves every frame of every wired
//! link through the [`emu`](crate::emu) lanes and watches what passes.
//!
//! A cut is an instant, not a message that has to arrive: every frame is
//! judged by the time the kernel received it, so what was sent before the cut
//! arrives and what was sent after it does not, however late the thread looks.

mod flows;
mod handle;
mod lateness;
mod observe;
mod wire;
mod worker;

pub use handle::{Bracket, LinkCounters, Relay, RelayConfig, THREAD_NAME, TapConfig, spawn};
pub use lateness::Lateness;
