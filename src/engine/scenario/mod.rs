//! A scenario, executed: converge, calibrate, warm up, cut at a random phase,
//! watch the recovery, restore, watch the reversion, collect.

mod collect;
mod lock;
mod phase;
mod run;
mod steady;
mod stop;
mod sweep;
mod watch;

pub(in crate::engine) use collect::quality;
pub use collect::topology;
pub use collect::{Described, describe};
pub use phase::Phase;
pub use run::{Bench, LAST_LOOK, Options, converge};
pub use stop::Stop;
pub use sweep::{Failure, Winners, limit, noticed};
