//! Experiment after experiment in the one lab, as long as it is afterwards what it was before.

use anyhow::Context as _;

use super::scenario::Work;
use crate::{
    engine::scenario::{Bench, Failure, Stop},
    os::clock,
    results::{
        event::{EventKind, SeriesEnd},
        measure::Ended,
    },
};

impl Work {
    /// Takes experiments as long as there are any and restoring leads back to the initial state;
    /// where it does not, the journal says why, and another lab takes the rest.
    pub(super) fn sweep(&self, stop: &Stop) -> anyhow::Result<()> {
        let bench = Bench::begin(&self.live, &self.options(), stop)?;
        let first_began = clock::mono_ns();
        let mut done = 0;
        let ended = loop {
            if stop.is_asked() {
                break Ended::Interrupted;
            }
            let Some((number, failure)) = self.next_failure()? else {
                break Ended::Completed;
            };
            let began = clock::mono_ns();
            let (input, before) = match bench.fail(number, failure) {
                Ok(seen) => seen,
                // What was done before it stands.
                Err(error) if done == 0 => return Err(error),
                Err(error) => break Ended::Failed(format!("{error:#}")),
            };
            self.conclude_trial(input, number, [first_began, began], stop)?;
            done += 1;
            if stop.is_asked() {
                break Ended::Interrupted;
            }
            if let Err(error) = bench.is_as_before(&before) {
                break Ended::Failed(format!("{error:#}"));
            }
        };
        if let Ended::Failed(why) = &ended {
            self.live.sink().warn("trials-ended", why, false);
        }
        let ended = SeriesEnd { ended };
        self.live.sink().now(EventKind::SeriesEnded(ended));
        Ok(())
    }

    fn next_failure(&self) -> anyhow::Result<Option<(u32, &Failure)>> {
        let all = u32::try_from(self.sweep.len())?;
        let number = match &self.deal {
            Some(deal) => deal.next(all).context("the deal of experiments")?,
            None => None,
        };
        Ok(number.and_then(|number| Some((number, self.sweep.get(number as usize - 1)?))))
    }
}
