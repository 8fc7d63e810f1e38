//! The convergence of a lab that stays up: told once, whether it comes or not.

use std::sync::Arc;

use super::scenario::CONVERGE_WITHIN;
use crate::{
    engine::{
        live::Live,
        scenario::{self, Options, Phase},
    },
    results::event::{EventKind, MonoNs},
};

/// What the last `Progress` of a bring-up is called: sessions are up and links measured.
pub const STANDS: &str = "stands";
/// The warning that there is nothing more to wait for, and why.
pub const NOT_CONVERGED: &str = "not-converged";

/// Waits for the sessions on a thread of its own and measures the links meanwhile.
pub(super) fn start(
    live: Arc<Live>,
    (seed, command_started): (u64, MonoNs),
) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("converge".to_owned())
        .spawn(move || {
            let options = Options {
                seed,
                command_started,
                converge_within: CONVERGE_WITHIN,
                phase: Phase::Random,
            };
            match scenario::converge(&live, &options) {
                Ok(()) => live.sink().now(EventKind::Progress {
                    stage: STANDS.to_owned(),
                    done: 1,
                    total: 1,
                    waiting: Vec::new(),
                }),
                Err(error) => live.sink().warn(NOT_CONVERGED, format!("{error:#}"), false),
            }
        })?;
    Ok(())
}
