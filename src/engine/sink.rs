//! Where every part of a living lab puts what it observes.

use std::sync::mpsc::{Receiver, Sender, channel};

use crate::{
    os::clock,
    results::event::{Event, EventKind, MonoNs},
};

/// A cheap handle through which any thread reports an event; never blocks.
#[derive(Debug, Clone)]
pub struct EventSink(Sender<Event>);

impl EventSink {
    /// A sink and the end that the supervisor drains.
    pub fn pair() -> (Self, Receiver<Event>) {
        let (sender, receiver) = channel();
        (Self(sender), receiver)
    }

    /// Reports what happened at `at`. With the supervisor gone there is nobody to tell.
    pub fn at(&self, at: MonoNs, kind: EventKind) {
        let _ = self.0.send(Event { at, kind });
    }

    /// Reports what happened just now.
    pub fn now(&self, kind: EventKind) {
        self.at(clock::mono_ns(), kind);
    }

    /// Reports that CLOCK_REALTIME was stepped by so many nanoseconds. Whoever sees it says it in
    /// the same words.
    pub fn clock_stepped(&self, by_ns: i64) {
        let by = by_ns as f64 / 1e6;
        let text = format!(
            "the wall clock was stepped by {by:+.1} ms, and the kernel's packet stamps with it; stop whatever sets the clock and run again"
        );
        self.warn("clock-step", text, true);
    }

    /// Reports a named warning.
    pub fn warn(&self, code: &str, text: impl Into<String>, untrusted: bool) {
        self.now(EventKind::Warning {
            code: code.to_owned(),
            text: text.into(),
            untrusted,
        });
    }
}
