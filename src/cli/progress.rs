//! What a lab is doing, while it does it: a bar that rewrites itself on a
//! terminal, plain lines elsewhere.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};

use super::output;
use crate::{
    engine::scenario::LAST_LOOK,
    results::event::{Event, EventKind},
};

/// Follows a lab's events.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    last: String,
    cuts: bool,
}

impl Progress {
    /// `plain`: lines, on a terminal too. `cuts`: the scenario applies faults.
    pub(super) fn new(plain: bool, cuts: bool) -> Self {
        let bar = (!plain && io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {wide_msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(std::time::Duration::from_millis(100));
            bar
        });
        Self {
            bar,
            last: String::new(),
            cuts,
        }
    }

    /// Shows what an event means for somebody who waits.
    pub(super) fn event(&mut self, event: &Event) {
        if let Some(text) = words(&event.kind, self.cuts) {
            self.say(text, matches!(event.kind, EventKind::WaitMissed { .. }));
        }
    }

    /// Takes the bar away.
    pub(super) fn done(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Does something on the terminal that the bar must not be in the way of.
    pub(super) fn suspended<T>(&self, what: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(what),
            None => what(),
        }
    }

    /// What `stays` is still to be read when the bar is gone.
    pub(super) fn say(&mut self, text: String, stays: bool) {
        if text == self.last {
            return;
        }
        match &self.bar {
            Some(bar) if stays => bar.suspend(|| output::talk(&text)),
            Some(bar) => bar.set_message(text.clone()),
            None => output::talk(&text),
        }
        self.last = text;
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "most events are for the journal, not for somebody who waits"
)]
fn words(kind: &EventKind, cuts: bool) -> Option<String> {
    Some(match kind {
        EventKind::Built {
            nodes,
            links,
            tunnels,
            wire,
            ms,
            ..
        } => {
            let s = if *tunnels == 1 { "" } else { "s" };
            format!("up: {nodes} nodes, {links} links, {tunnels} tunnel{s} in {ms:.0} ms ({wire})")
        }
        EventKind::Progress { stage, waiting, .. } if stage == LAST_LOOK => format!(
            "traffic still lost: {}; watching for 20 s at most",
            waiting.join(", ")
        ),
        EventKind::Progress {
            stage,
            done,
            total,
            waiting,
        } if !waiting.is_empty() => {
            let shown = waiting
                .iter()
                .take(3)
                .cloned()
                .collect::<Vec<_>>()
                .join(", ");
            let more = if waiting.len() > 3 { ", …" } else { "" };
            format!("{stage}: {done}/{total} up; waiting for {shown}{more}")
        }
        EventKind::Converged {
            ms,
            bgp,
            bfd,
            tunnels,
        } => format!(
            "converged in {:.1} s: BGP {bgp}, BFD {bfd}, tunnels {tunnels}",
            ms / 1e3
        ),
        EventKind::ProbesStarted { flows, rate } if *flows > 0 => {
            format!(
                "probing: {flows} flows, {rate} packets a second; waiting for a loss-free second"
            )
        }
        EventKind::Steady { .. } if cuts => {
            "steady; waiting for a random instant to cut".to_owned()
        }
        EventKind::FaultApplied { fault, target, .. } => {
            format!("{fault} applied to {target}; waiting for traffic to recover")
        }
        EventKind::WaitMet { what, ms } => {
            format!("{what}, confirmed {ms:.0} ms after the fault; watching it hold")
        }
        EventKind::WaitMissed { what, within_ms } => {
            format!("not seen within {within_ms:.0} ms: {what}")
        }
        EventKind::FaultRestored { target, .. } => {
            format!("{target} restored; waiting for traffic to return")
        }
        EventKind::TrialFinished {
            trial,
            of,
            succeeded,
            median_ms,
            left_s,
        } => {
            let median = median_ms.map_or_else(String::new, |ms| {
                format!("; median outage so far {ms:.0} ms")
            });
            let verdict = if *succeeded { "" } else { " did not succeed" };
            let left = left_s.map_or_else(String::new, |left| format!("; about {left:.0} s to go"));
            format!("trial {trial} of {of}{verdict}{median}{left}")
        }
        EventKind::Daemon {
            node,
            program,
            state,
            detail,
            ..
        } if state == "exited" => format!(
            "{node}: {program} exited: {}",
            detail.as_deref().unwrap_or("no reason given")
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_scenario_that_cuts_waits_for_an_instant_to_cut() {
        let steady = EventKind::Steady {
            sent: 2_000,
            lost: 0,
        };
        let said = words(&steady, true).unwrap_or_default();
        assert!(said.contains("random instant to cut"), "{said}");
        assert_eq!(words(&steady, false), None);
    }
}
