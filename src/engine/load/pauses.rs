//! Times in which nothing arrives. Pure.

use crate::results::event::{MonoNs, PAUSE_NS, Pause};

/// Remembers the last arrival.
#[derive(Debug)]
pub(super) struct Pauses {
    last: MonoNs,
    found: Vec<Pause>,
}

impl Pauses {
    /// Nothing has arrived since `began`.
    pub(super) fn new(began: MonoNs) -> Self {
        Self {
            last: began,
            found: Vec::new(),
        }
    }

    /// Something arrives.
    pub(super) fn arrival(&mut self, at: MonoNs) {
        if at.saturating_sub(self.last) >= PAUSE_NS {
            self.found.push(Pause {
                from: self.last,
                to: at,
            });
        }
        self.last = self.last.max(at);
    }

    /// All of them; what lasts at the end ends there.
    pub(super) fn finish(mut self, ended: MonoNs) -> Vec<Pause> {
        self.arrival(ended);
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn long_gaps_are_pauses_and_short_ones_are_not() {
        let mut pauses = Pauses::new(100 * MS);
        for at in [110, 130, 170, 219, 268, 1_268, 1_270] {
            pauses.arrival(at * MS);
        }
        // A stamp that is late by a little is no arrival in the past.
        pauses.arrival(1_269 * MS);
        let pause = |from: u64, to: u64| Pause {
            from: from * MS,
            to: to * MS,
        };
        assert_eq!(
            pauses.finish(1_500 * MS),
            [pause(268, 1_268), pause(1_270, 1_500)]
        );
        assert_eq!(Pauses::new(0).finish(PAUSE_NS - 1), []);
    }
}
