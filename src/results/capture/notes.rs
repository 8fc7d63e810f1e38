//! What happened, as comments for captures.

use crate::results::{
    event::MonoNs,
    measure::{Outage, Phases, RunResult, Transition, TransitionResult},
};

/// A comment that belongs to an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// When, on the run's clock.
    pub at: MonoNs,
    /// What.
    pub text: String,
}

/// Every fault and restore of a run, and what each direction of each probe then waited for.
pub fn notes(result: &RunResult) -> Vec<Note> {
    let mut notes: Vec<Note> = result.transitions.iter().map(event).collect();
    for outage in &result.outages {
        let of =
            |t: &&TransitionResult| t.label == outage.label && t.transition == outage.transition;
        if let Some(transition) = result.transitions.iter().find(of) {
            notes.extend(steps(transition, outage));
        }
    }
    notes.sort_by_key(|note| note.at);
    notes.dedup();
    notes
}

fn event(transition: &TransitionResult) -> Note {
    let TransitionResult {
        label,
        fault,
        target,
        plus_minus_ms,
        ..
    } = transition;
    let what = match transition.transition {
        Transition::Initial => format!("{label}: {fault} applied to {target}"),
        Transition::Reversion => format!("{label}: {target} restored ({fault})"),
    };
    Note {
        at: transition.convergence_event_instant_ns,
        text: format!("{what} ± {plus_minus_ms:.3} ms"),
    }
}

fn steps(transition: &TransitionResult, outage: &Outage) -> impl Iterator<Item = Note> {
    let since = match transition.transition {
        Transition::Initial => transition.label.clone(),
        Transition::Reversion => format!("restore of {}", transition.label),
    };
    outage.critical_path.iter().map(move |step| {
        let phase = phase(&outage.phases_ms, step.at_ms)
            .map(|phase| format!("{phase}: "))
            .unwrap_or_default();
        let (from, to) = (&outage.from, &outage.to);
        let node = match step.node.is_empty() {
            true => String::new(),
            false => format!("{} ", step.node),
        };
        let (what, after) = (&step.what, step.at_ms);
        Note {
            at: at(transition.convergence_event_instant_ns, after),
            text: format!("{since} {after:+.1} ms, {from} → {to}: {phase}{node}{what}"),
        }
    })
}

/// The phase that ends with a step.
fn phase(phases: &Phases, at_ms: f64) -> Option<&'static str> {
    let named = [
        ("detected", phases.detected),
        ("updated", phases.updated),
        ("fib", phases.fib),
        ("recovered", phases.recovered),
    ];
    let is_it = |when: Option<f64>| when.is_some_and(|when| (when - at_ms).abs() < 1e-6);
    named
        .into_iter()
        .find(|(_, when)| is_it(*when))
        .map(|(name, _)| name)
}

fn at(instant: MonoNs, after_ms: f64) -> MonoNs {
    instant.saturating_add_signed((after_ms * 1e6).round() as i64)
}
