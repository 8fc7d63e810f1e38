//! What became of the probes of one direction, told from where they were seen:
//! entering the wire, and leaving it. What entered and never left was dropped;
//! by what, the instant it entered tells.

use std::collections::BTreeMap;

use crate::{
    emu::Reason,
    engine::relay::{Fate, Flows, ProbeId},
    results::event::WireFlowLog,
};

/// Scheduling and clocks may make a packet this much later than its link, nanoseconds.
const MARGIN: u64 = 250_000_000;
/// A packet seen leaving whose entering is not seen within this never will be.
const FORGET: u64 = 10_000_000_000;

/// What may close a direction, independently of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The gate at its entrance.
    Gate,
    /// An end without light.
    Dark,
}

/// A time in which the direction carried nothing. Its edges are operations that
/// took a moment: what entered within one may have met either state.
#[derive(Debug, Clone, Copy)]
struct Closure {
    why: Why,
    /// Before the operation that closed it.
    from: u64,
    /// After it.
    sure_from: u64,
    /// Before the operation that opened it again.
    sure_until: u64,
    /// After it.
    until: u64,
}

#[derive(Debug)]
pub(super) struct Ledger {
    entered: BTreeMap<ProbeId, u64>,
    /// Seen leaving before they were seen entering: two rings are read in turn.
    ahead: BTreeMap<ProbeId, u64>,
    flows: Flows,
    closures: Vec<Closure>,
    longest_flight: u64,
    /// Why packets vanish while the direction is open.
    otherwise: Reason,
}

impl Ledger {
    pub(super) fn new(longest_flight: u64, otherwise: Reason) -> Self {
        Self {
            entered: BTreeMap::new(),
            ahead: BTreeMap::new(),
            flows: Flows::default(),
            closures: Vec::new(),
            longest_flight,
            otherwise,
        }
    }

    /// A probe was seen entering.
    pub(super) fn enters(&mut self, probe: ProbeId, at: u64) {
        if self.ahead.remove(&probe).is_none() {
            self.entered.insert(probe, at);
        }
    }

    /// A probe was seen leaving; returns when it entered, if that was seen.
    pub(super) fn leaves(&mut self, (flow, sequence): ProbeId, at: u64) -> Option<u64> {
        self.flows.record(flow, sequence, Fate::Carried);
        let entered = self.entered.remove(&(flow, sequence));
        if entered.is_none() {
            self.ahead.insert((flow, sequence), at);
        }
        entered
    }

    /// The direction is about to be closed.
    pub(super) fn closing(&mut self, why: Why, before: u64) {
        self.closures.push(Closure {
            why,
            from: before,
            sure_from: u64::MAX,
            sure_until: u64::MAX,
            until: u64::MAX,
        });
    }

    /// The direction has been closed.
    pub(super) fn closed(&mut self, why: Why, after: u64) {
        if let Some(closure) = self.latest(why) {
            closure.sure_from = after;
        }
    }

    /// The direction is about to be opened.
    pub(super) fn opening(&mut self, why: Why, before: u64) {
        if let Some(closure) = self.latest(why) {
            closure.sure_until = closure.sure_until.min(before);
        }
    }

    /// The direction has been opened.
    pub(super) fn opened(&mut self, why: Why, after: u64) {
        if let Some(closure) = self.latest(why) {
            closure.until = closure.until.min(after);
        }
    }

    /// An end has lost its light, and with it what was about to arrive there.
    pub(super) fn darkened(&mut self, before: u64, after: u64) {
        self.closing(Why::Dark, before.saturating_sub(self.longest_flight));
        self.closed(Why::Dark, after);
    }

    fn latest(&mut self, why: Why) -> Option<&mut Closure> {
        let mut latest = self.closures.iter_mut().rev();
        latest.find(|closure| closure.why == why)
    }

    /// Whether what entered at `at` met, or may have met, a closed direction.
    pub(super) fn is_closed(&self, at: u64) -> bool {
        let mut latest = self.closures.iter().rev();
        latest.any(|closure| closure.from <= at && at <= closure.until)
    }

    fn is_surely_closed(&self, at: u64) -> bool {
        let mut latest = self.closures.iter().rev();
        latest.any(|closure| closure.sure_from <= at && at <= closure.sure_until)
    }

    /// What was sent under another shape may still be on its way.
    pub(super) fn reshaped(&mut self, longest_flight: u64, otherwise: Reason) {
        self.longest_flight = self.longest_flight.max(longest_flight);
        self.otherwise = otherwise;
    }

    /// Books what cannot arrive any more.
    pub(super) fn settle(&mut self, now: u64) {
        let patience = self.longest_flight.saturating_add(MARGIN);
        let mut entered = std::mem::take(&mut self.entered);
        entered.retain(|&(flow, sequence), &mut at| {
            let reason = if self.is_surely_closed(at) {
                Reason::Cut
            } else if now.saturating_sub(at) < patience {
                return true;
            } else if self.is_closed(at) {
                Reason::Cut
            } else {
                self.otherwise
            };
            self.flows.record(flow, sequence, Fate::Dropped(reason));
            false
        });
        self.entered = entered;
        self.ahead
            .retain(|_, &mut at| now.saturating_sub(at) < FORGET);
    }

    pub(super) fn clear(&mut self) {
        self.entered.clear();
        self.ahead.clear();
        self.flows.clear();
    }

    pub(super) fn logs(&self, link: &str, from: &str, to: &str) -> Vec<WireFlowLog> {
        self.flows.logs(link, from, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn log(ledger: &Ledger) -> WireFlowLog {
        ledger.logs("l", "a", "b").remove(0)
    }

    #[test]
    fn what_entered_a_closed_direction_was_cut_and_what_was_on_its_way_was_not() {
        let mut ledger = Ledger::new(20 * MS, Reason::Cut);
        for n in 0..10_u32 {
            ledger.enters(((1, 0), n), u64::from(n) * 10 * MS);
            if n == 3 {
                ledger.closing(Why::Gate, 35 * MS);
                ledger.closed(Why::Gate, 36 * MS);
            }
            if n == 6 {
                ledger.opening(Why::Gate, 64 * MS);
                ledger.opened(Why::Gate, 65 * MS);
            }
        }
        for n in [0, 1, 2, 3] {
            assert_eq!(
                ledger.leaves(((1, 0), n), 60 * MS),
                Some(u64::from(n) * 10 * MS)
            );
        }
        ledger.settle(95 * MS);
        assert_eq!(log(&ledger).carried, [(0, 3)]);
        assert_eq!(log(&ledger).cut, [(4, 6)], "the rest is on its way");
        for n in [7, 8, 9] {
            ledger.leaves(((1, 0), n), 120 * MS);
        }
        assert_eq!(log(&ledger).carried, [(0, 3), (7, 9)]);
    }

    #[test]
    fn within_an_operation_only_leaving_tells() {
        let mut ledger = Ledger::new(0, Reason::Loss);
        ledger.closing(Why::Gate, 10 * MS);
        ledger.closed(Why::Gate, 20 * MS);
        for (n, at) in [(0, 12), (1, 15), (2, 21)] {
            ledger.enters(((1, 0), n), at * MS);
        }
        ledger.leaves(((1, 0), 0), 16 * MS);
        ledger.settle(22 * MS);
        assert_eq!(
            (log(&ledger).carried, log(&ledger).cut),
            (vec![(0, 0)], vec![(2, 2)])
        );
        ledger.settle(22 * MS + MARGIN);
        assert_eq!(log(&ledger).cut, [(1, 2)]);
        assert!(ledger.is_closed(12 * MS) && !ledger.is_closed(9 * MS));
    }

    #[test]
    fn what_vanishes_from_an_open_direction_has_the_shapes_reason() {
        let mut ledger = Ledger::new(5 * MS, Reason::Queue);
        ledger.enters(((1, 0), 0), 0);
        ledger.reshaped(2 * MS, Reason::Loss);
        ledger.settle(5 * MS + MARGIN - 1);
        assert!(ledger.logs("l", "a", "b").is_empty());
        ledger.settle(5 * MS + MARGIN);
        assert_eq!(log(&ledger).loss, [(0, 0)]);
    }

    #[test]
    fn a_dark_end_also_takes_what_was_about_to_arrive() {
        let mut ledger = Ledger::new(20 * MS, Reason::Loss);
        for (n, at) in [(0, 10), (1, 85), (2, 100)] {
            ledger.enters(((1, 0), n), at * MS);
        }
        ledger.darkened(99 * MS, 100 * MS);
        ledger.opening(Why::Dark, 200 * MS);
        ledger.opened(Why::Dark, 201 * MS);
        ledger.settle(1_000 * MS);
        assert_eq!(log(&ledger).cut, [(1, 2)]);
        assert_eq!(log(&ledger).loss, [(0, 0)]);
    }

    #[test]
    fn leaving_may_be_seen_first() {
        let mut ledger = Ledger::new(0, Reason::Loss);
        assert_eq!(ledger.leaves(((1, 0), 0), 5), None);
        ledger.enters(((1, 0), 0), 4);
        ledger.settle(FORGET);
        let log = log(&ledger);
        assert_eq!((log.carried, log.loss), (vec![(0, 0)], vec![]));
    }
}
