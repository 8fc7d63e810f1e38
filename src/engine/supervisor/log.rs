//! Every event of the run, in memory, for whoever must fold them at the end.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    engine::live::LinkMeasured,
    results::event::{Event, EventKind},
};

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
        // What came after it is no part of what `last` ends.
        let end = events.iter().rposition(|event| event == last);
        let until = end.map_or(events.len(), |end| end + 1);
        events.get(..until).unwrap_or_default().to_vec()
    }

    /// What `look` finds in the first event in which it finds anything.
    pub(super) fn find<T>(&self, look: impl FnMut(&EventKind) -> Option<T>) -> Option<T> {
        self.lock().iter().map(|event| &event.kind).find_map(look)
    }

    /// The latest measurement of a link's direction.
    pub(super) fn measured(&self, link: &str, from: &str) -> Option<LinkMeasured> {
        self.lock().iter().rev().find_map(|event| {
            let EventKind::LinkMeasured {
                link: of,
                from: sender,
                delay_p50_us,
                delay_p99_us,
                rate_bps,
                ..
            } = &event.kind
            else {
                return None;
            };
            // A link that was cut meanwhile delivered nothing to measure.
            let is_it = of == link && sender == from && *delay_p50_us > 0.0;
            is_it.then_some(LinkMeasured {
                delay_p50_ms: delay_p50_us / 1e3,
                delay_p99_ms: delay_p99_us / 1e3,
                rate_bps: *rate_bps,
            })
        })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
