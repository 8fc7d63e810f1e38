//! When load above what the backup can carry is told: not at every spike, nor too late.

use std::collections::{BTreeMap, VecDeque};

use crate::results::{
    capacity::{Loads, Network, Overload},
    event::MonoNs,
};

/// Over which time load is averaged.
const WINDOW_NS: u64 = 1_000_000_000;
/// How long it must be too high, or no longer, before that is told.
const SUSTAINED_NS: u64 = 500_000_000;

/// Bytes that each sending node has offered each link since the lab began.
pub(super) type Offered = BTreeMap<(String, String), u64>;

/// News of one circuit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// Its load would not fit without it.
    Raised(Overload),
    /// It would again.
    Cleared(Overload),
}

/// Watches counters, and remembers what has been told.
#[derive(Debug, Default)]
pub(super) struct LoadAlerts {
    samples: VecDeque<(MonoNs, Offered)>,
    /// Circuits whose state is about to change, since when.
    pending: BTreeMap<String, MonoNs>,
    raised: BTreeMap<String, (MonoNs, Overload)>,
}

impl LoadAlerts {
    /// Takes counters in and says what changed.
    pub(super) fn sample(
        &mut self,
        now: MonoNs,
        offered: Offered,
        network: &Network,
    ) -> Vec<Change> {
        self.samples.push_back((now, offered));
        while self.samples.len() > 2
            && self
                .samples
                .get(1)
                .is_some_and(|(at, _)| at + WINDOW_NS <= now)
        {
            self.samples.pop_front();
        }
        let Some(loads) = self.loads() else {
            return Vec::new();
        };
        let mut over: BTreeMap<String, Overload> = BTreeMap::new();
        for overload in network.overloads(&loads) {
            over.insert(overload.circuit.clone(), overload);
        }
        let mut changes = Vec::new();
        for circuit in network.circuits.iter().map(|circuit| &circuit.name) {
            let is_over = over.contains_key(circuit);
            if is_over == self.raised.contains_key(circuit) {
                self.pending.remove(circuit);
                continue;
            }
            let since = *self.pending.entry(circuit.clone()).or_insert(now);
            if now.saturating_sub(since) < SUSTAINED_NS {
                continue;
            }
            self.pending.remove(circuit);
            if let Some(overload) = over.remove(circuit) {
                self.raised.insert(circuit.clone(), (now, overload.clone()));
                changes.push(Change::Raised(overload));
            } else if let Some((_, overload)) = self.raised.remove(circuit) {
                changes.push(Change::Cleared(overload));
            }
        }
        changes
    }

    /// What is raised, and since when.
    pub(super) fn raised(&self) -> impl Iterator<Item = &(MonoNs, Overload)> {
        self.raised.values()
    }

    /// Bits a second over the window; none before it is full.
    fn loads(&self) -> Option<Loads> {
        let ((from, before), (to, now)) = (self.samples.front()?, self.samples.back()?);
        let ns = to.saturating_sub(*from);
        if ns < WINDOW_NS {
            return None;
        }
        let rate = |key: &(String, String), bytes: u64| {
            let more = bytes.saturating_sub(before.get(key).copied().unwrap_or(0));
            let bits = u128::from(more) * 8 * 1_000_000_000 / u128::from(ns);
            u64::try_from(bits).unwrap_or(u64::MAX)
        };
        let each = now.iter();
        Some(
            each.map(|(key, bytes)| (key.clone(), rate(key, *bytes)))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::capacity::{Circuit, Edge};

    const MS: u64 = 1_000_000;

    /// A circuit of 10 Mbit/s and one of 5 beside it.
    fn network() -> Network {
        let edge = |link: &str, from: &str, to: &str, mbit: Option<u64>| Edge {
            link: link.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            rate: mbit.map(|mbit| mbit * 1_000_000),
        };
        Network {
            edges: vec![
                edge("big", "dc", "east", Some(10)),
                edge("small", "dc", "west", Some(5)),
                edge("in-1", "east", "vgw", None),
                edge("in-2", "west", "vgw", None),
            ],
            circuits: vec![Circuit {
                name: "big".to_owned(),
                links: vec!["big".to_owned()],
                sessions: vec!["prod".to_owned()],
                customer: "dc".to_owned(),
                location: "east".to_owned(),
                gateways: vec!["vgw".to_owned()],
            }],
        }
    }

    /// What is told, in milliseconds, of a load given in bits a second by the time.
    fn told(load: impl Fn(u64) -> u64, until_ms: u64) -> Vec<(u64, bool)> {
        let (mut alerts, mut bytes, mut told) = (LoadAlerts::default(), 0, Vec::new());
        for ms in (0..until_ms).step_by(250) {
            let offered = Offered::from([(("big".to_owned(), "dc".to_owned()), bytes)]);
            for change in alerts.sample(ms * MS, offered, &network()) {
                told.push((ms, matches!(change, Change::Raised(_))));
            }
            bytes += load(ms) / 8 / 4;
        }
        told
    }

    #[test]
    fn load_above_the_backup_is_told_once_it_lasts_and_once_it_is_over() {
        let load = |ms| {
            if (2000..6000).contains(&ms) {
                8_000_000
            } else {
                1_000_000
            }
        };
        let told = told(load, 10_000);
        let [(raised, true), (cleared, false)] = told[..] else {
            panic!("{told:?}")
        };
        assert!((2500..=3500).contains(&raised), "{raised}");
        assert!((6500..=7500).contains(&cleared), "{cleared}");
    }

    #[test]
    fn a_spike_and_a_load_that_fits_are_not_told() {
        assert_eq!(told(|ms| if ms == 2000 { 18_000_000 } else { 0 }, 6000), []);
        assert_eq!(told(|_| 5_000_000, 6000), []);
    }
}
