//! An end before its time, asked for from outside.

use std::sync::atomic::{AtomicBool, Ordering};

/// Shared by an experiment and whoever may end it.
#[derive(Debug, Default)]
pub struct Stop {
    asked: AtomicBool,
    measuring: AtomicBool,
}

impl Stop {
    /// Asks the experiment to end. Whether that is worth waiting for: something has been
    /// measured by now, and nobody has asked before.
    pub fn ask(&self) -> bool {
        let before = self.asked.swap(true, Ordering::SeqCst);
        !before && self.measuring.load(Ordering::SeqCst)
    }

    /// Whether the experiment has been asked to end.
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// From here on there is something to tell.
    pub(super) fn measuring(&self) {
        self.measuring.store(true, Ordering::SeqCst);
    }
}
