//! Warnings of what happened at an instant: netlink overruns, steps of the wall clock. They say
//! when it was, so that a reader sees which transition it concerns.

use super::{input::Transition, window::Window};
use crate::results::event::{Event, EventKind, MonoNs};

/// Codes of such warnings.
const CODES: [&str; 4] = [
    "clock-step",
    "fib-watch-overrun",
    "fib-watch-failed",
    "link-overflow",
];
/// What is said again within this time is the same occurrence: several observers see one step of
/// the clock, and an overrun seldom comes alone. Nanoseconds.
const SAME_NS: u64 = 1_500_000_000;

/// Whether a warning with this code says when it was.
pub(super) fn is_placed(code: &str) -> bool {
    CODES.contains(&code)
}

/// When, after the events in time order, a warning with this code and text was given:
/// `412.3 ms after cut`, or of several occurrences `3 times, first before the first fault`.
pub(super) fn when(events: &[Event], windows: &[Window], (code, text): (&str, &str)) -> String {
    let same = events.iter().filter(|event| {
        matches!(&event.kind, EventKind::Warning { code: c, text: t, .. } if c == code && t == text)
    });
    let mut occurrences: Vec<MonoNs> = Vec::new();
    let mut last = None;
    for event in same {
        if last.is_none_or(|last| event.at.saturating_sub(last) > SAME_NS) {
            occurrences.push(event.at);
        }
        last = Some(event.at);
    }
    let first = occurrences.first().map(|at| place(windows, *at));
    match (first, occurrences.len()) {
        (None, _) => String::new(),
        (Some(first), 1) => first,
        (Some(first), n) => format!("{n} times, first {first}"),
    }
}

fn place(windows: &[Window], at: MonoNs) -> String {
    let window = windows.iter().rev().find(|window| window.before <= at);
    let Some(window) = window else {
        return match windows.is_empty() {
            true => "during the run".to_owned(),
            false => "before the first fault".to_owned(),
        };
    };
    let of = match window.transition {
        Transition::Initial => "",
        Transition::Reversion => "the restore of ",
    };
    format!("{:.1} ms after {of}{}", window.ms(at), window.label)
}
