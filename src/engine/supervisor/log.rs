//! Every event of the run, in memory, for whoever must fold them at the end.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::results::event::Event;

/// How long an event may take from its sender to the log.
const PATIENCE: Duration = Duration::from_secs(5);

/// The events so far.
#[derive(Debug, Default)]
pub(super) struct Log {
    events: Mutex<Vec<Event>>,
    grown: Condvar,
}

impl Log {
    pub(super) fn push(&self, event: Event) {
        self.lock().push(event);
        self.grown.notify_all();
    }

    /// Everything up to and including `last`, which has been sent already: what
    /// was sent before it has then arrived as well.
    pub(super) fn through(&self, last: &Event) -> Vec<Event> {
        let (events, _) = self
            .grown
            .wait_timeout_while(self.lock(), PATIENCE, |events| !events.contains(last))
            .unwrap_or_else(PoisonError::into_inner);
        events.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
