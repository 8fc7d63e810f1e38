//! One flow, packet by packet: what became of each sequence number, and which way it went.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::{
    records::PacketVerdict,
    result::{DelayStats, Hop},
    stats,
    topology::Map,
};
use crate::results::event::{FlowLog, MonoNs, Turn, WireFlowLog};

/// What became of one sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// The sender's kernel refused it.
    Unsent,
    /// It arrived (the first copy counts).
    Delivered {
        at: MonoNs,
        ttl: u8,
        /// Index into [`FlowView::paths`].
        path: usize,
    },
    /// It did not arrive, and neither declared random loss nor a full queue took it.
    Lost,
    /// A full queue had no room for it: its way worked, and was too narrow.
    Crowded,
    /// Declared random loss took it.
    LostDeclared,
}

/// A flow ready to be asked.
pub(super) struct FlowView<'a> {
    pub(super) log: &'a FlowLog,
    pub(super) fates: Vec<Fate>,
    /// Different paths that delivered packets took, in order of first use.
    pub(super) paths: Vec<Vec<Hop>>,
    /// Sequence numbers that arrived after a higher one (RFC 4737), ascending by arrival.
    pub(super) reordered: Vec<u32>,
    /// Sequence number of each further copy.
    pub(super) duplicates: Vec<u32>,
    /// Arrivals of numbers that were never sent.
    pub(super) stray: u64,
    wires: Vec<Wire<'a>>,
    /// Whether it goes to a service, not from one.
    towards: bool,
}

/// The host that sent packet `seq`.
fn sender_of(log: &FlowLog, towards: bool, seq: u32) -> &str {
    let turn = turn_of(log, seq).filter(|_| !towards);
    turn.map_or(&log.from, |turn| &turn.endpoint)
}

fn turn_of(log: &FlowLog, seq: u32) -> Option<&Turn> {
    let mut turns = log.turns.iter().rev();
    turns.find(|turn| turn.seq <= seq)
}

struct Wire<'a> {
    log: &'a WireFlowLog,
    carried: Ranges,
    cut: Ranges,
    loss: Ranges,
    queue: Ranges,
}

impl<'a> FlowView<'a> {
    pub(super) fn new(log: &'a FlowLog, wires: &'a [WireFlowLog], map: &Map<'_>) -> Self {
        let mut view = Self {
            log,
            fates: Vec::new(),
            paths: Vec::new(),
            reordered: Vec::new(),
            duplicates: Vec::new(),
            stray: 0,
            wires: wires
                .iter()
                .filter(|w| w.flow == log.id)
                .map(Wire::new)
                .collect(),
            towards: map.service(&log.to).is_some(),
        };
        let arrivals = view.read_arrivals();
        view.decide_fates(&arrivals, map);
        view
    }

    fn read_arrivals(&mut self) -> Vec<Option<(MonoNs, u8)>> {
        let mut first = vec![None; self.log.sent.len()];
        let mut highest = None;
        for arrival in &self.log.received {
            let sent = self.log.sent.get(arrival.seq as usize).copied().flatten();
            let (Some(slot), Some(_)) = (first.get_mut(arrival.seq as usize), sent) else {
                self.stray += 1;
                continue;
            };
            if slot.is_some() {
                self.duplicates.push(arrival.seq);
                continue;
            }
            *slot = Some((arrival.at, arrival.ttl));
            if highest.is_some_and(|h| arrival.seq < h) {
                self.reordered.push(arrival.seq);
            }
            highest = highest.max(Some(arrival.seq));
        }
        first
    }

    fn decide_fates(&mut self, arrivals: &[Option<(MonoNs, u8)>], map: &Map<'_>) {
        let mut known: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
        for (seq, (sent, arrival)) in self.log.sent.iter().zip(arrivals).enumerate() {
            let seq = seq as u32;
            let fate = match (sent, arrival) {
                (None, _) => Fate::Unsent,
                (Some(_), Some((at, ttl))) => {
                    let passed: Vec<usize> = self.passed(seq).collect();
                    let sender = sender_of(self.log, self.towards, seq);
                    let path = *known.entry(passed).or_insert_with_key(|passed| {
                        let hops = passed
                            .iter()
                            .filter_map(|&w| Some(self.wires.get(w)?.hop()));
                        let path = map.in_order(sender, hops.collect());
                        self.paths.push(path);
                        self.paths.len() - 1
                    });
                    Fate::Delivered {
                        at: *at,
                        ttl: *ttl,
                        path,
                    }
                }
                (Some(_), None) if self.wires.iter().any(|w| w.loss.contains(seq)) => {
                    Fate::LostDeclared
                }
                (Some(_), None) if self.wires.iter().any(|w| w.queue.contains(seq)) => {
                    Fate::Crowded
                }
                (Some(_), None) => Fate::Lost,
            };
            self.fates.push(fate);
        }
    }

    /// Which of its wires carried this packet.
    pub(super) fn passed(&self, seq: u32) -> impl Iterator<Item = usize> {
        self.wires
            .iter()
            .enumerate()
            .filter(move |(_, w)| w.carried.contains(seq))
            .map(|(index, _)| index)
    }

    /// The wires and tunnels that carried this packet, in order.
    pub(super) fn hops(&self, seq: u32, map: &Map<'_>) -> Vec<Hop> {
        let hops = self
            .passed(seq)
            .filter_map(|w| Some(self.wires.get(w)?.hop()));
        map.in_order(self.sender(seq), hops.collect())
    }

    /// How a wire dropped this packet, and which.
    pub(super) fn dropper(&self, seq: u32) -> Option<(PacketVerdict, &'a str)> {
        self.wires.iter().find_map(|wire| {
            let verdict = if wire.cut.contains(seq) {
                PacketVerdict::Cut
            } else if wire.loss.contains(seq) {
                PacketVerdict::Loss
            } else if wire.queue.contains(seq) {
                PacketVerdict::Queue
            } else {
                return None;
            };
            Some((verdict, wire.log.link.as_str()))
        })
    }

    /// Whether a wire dropped it by a cut, a numbered drop or a full queue.
    pub(super) fn dropped_by_wire(&self, seq: u32) -> bool {
        self.wires
            .iter()
            .any(|w| w.cut.contains(seq) || w.queue.contains(seq))
    }

    /// The links whose wires dropped any of these so, and tunnels by their caps, each once.
    pub(super) fn droppers(&self, seqs: &[u32]) -> Vec<String> {
        let is_one = |w: &&Wire<'_>| {
            let mut seqs = seqs.iter();
            seqs.any(|seq| w.cut.contains(*seq) || w.queue.contains(*seq))
        };
        let mut names: Vec<String> = Vec::new();
        for wire in self.wires.iter().filter(is_one) {
            if !names.contains(&wire.log.link) {
                names.push(wire.log.link.clone());
            }
        }
        names
    }

    /// Whether any wire says it dropped it, for whatever reason.
    pub(super) fn dropped_at_all(&self, seq: u32) -> bool {
        self.dropped_by_wire(seq) || self.wires.iter().any(|w| w.loss.contains(seq))
    }

    /// What all wires counted: cut, declared loss, full queue.
    pub(super) fn wire_totals(&self) -> (u64, u64, u64) {
        let sum = |of: fn(&Wire<'_>) -> u64| self.wires.iter().map(of).sum();
        (
            sum(|w| w.cut.count()),
            sum(|w| w.loss.count()),
            sum(|w| w.queue.count()),
        )
    }

    /// The host that sent packet `seq`: of a flow from a service the endpoint that did.
    pub(super) fn sender(&self, seq: u32) -> &'a str {
        sender_of(self.log, self.towards, seq)
    }

    /// Where packet `seq` went.
    pub(super) fn destination(&self, seq: u32, map: &Map<'_>) -> Option<IpAddr> {
        let turn = turn_of(self.log, seq).filter(|_| self.towards);
        turn.map_or_else(|| map.destination(self.log.id), |turn| Some(turn.address))
    }

    /// The first packet sent at or after `instant`; the last one where there is none.
    pub(super) fn first_since(&self, instant: MonoNs) -> u32 {
        let mut seqs = self.seqs();
        seqs.find(|&s| self.sent_at(s).is_some_and(|at| at >= instant))
            .unwrap_or_else(|| self.seqs().end.saturating_sub(1))
    }

    /// Everywhere its packets went.
    pub(super) fn destinations(&self, map: &Map<'_>) -> BTreeSet<Option<IpAddr>> {
        let turns = self.log.turns.iter().filter(|_| self.towards);
        let all: BTreeSet<_> = turns.map(|turn| Some(turn.address)).collect();
        if all.is_empty() {
            return BTreeSet::from([map.destination(self.log.id)]);
        }
        all
    }

    pub(super) fn sent_at(&self, seq: u32) -> Option<MonoNs> {
        self.log.sent.get(seq as usize).copied().flatten()
    }

    pub(super) fn fate(&self, seq: u32) -> Option<Fate> {
        self.fates.get(seq as usize).copied()
    }

    /// All sequence numbers.
    pub(super) fn seqs(&self) -> std::ops::Range<u32> {
        0..self.fates.len() as u32
    }

    /// The gap between two packets, milliseconds: the resolution of everything loss-derived.
    pub(super) fn gap_ms(&self) -> f64 {
        1000.0 / f64::from(self.log.rate.max(1))
    }

    /// Whether it did not arrive, declared random loss apart.
    pub(super) fn is_lost(&self, seq: u32) -> bool {
        matches!(self.fate(seq), Some(Fate::Lost | Fate::Crowded))
    }

    pub(super) fn is_delivered(&self, seq: u32) -> bool {
        matches!(self.fate(seq), Some(Fate::Delivered { .. }))
    }

    pub(super) fn path_of(&self, seq: u32) -> Option<usize> {
        match self.fate(seq)? {
            Fate::Delivered { path, .. } => Some(path),
            Fate::Unsent | Fate::Lost | Fate::Crowded | Fate::LostDeclared => None,
        }
    }

    /// One-way delay, nanoseconds; negative only when the clocks' conversion is off.
    pub(super) fn delay_ns(&self, seq: u32) -> Option<i64> {
        match (self.fate(seq)?, self.sent_at(seq)?) {
            (Fate::Delivered { at, .. }, sent) => Some(at.cast_signed() - sent.cast_signed()),
            _ => None,
        }
    }

    /// The path that most of these delivered packets took; the latest of equals.
    pub(super) fn majority_path(&self, seqs: &[u32]) -> Option<usize> {
        most(seqs.iter().filter_map(|&s| self.path_of(s)))
    }

    /// The TTL that most of these arrived with.
    pub(super) fn majority_ttl(&self, seqs: &[u32]) -> Option<u8> {
        most(seqs.iter().filter_map(|&s| match self.fate(s)? {
            Fate::Delivered { ttl, .. } => Some(ttl),
            Fate::Unsent | Fate::Lost | Fate::Crowded | Fate::LostDeclared => None,
        }))
    }

    /// Delay statistics over the delivered ones of `seqs`.
    pub(super) fn delays(&self, seqs: impl Iterator<Item = u32>) -> Option<DelayStats> {
        let delays = seqs
            .filter_map(|s| self.delay_ns(s))
            .map(|ns| ns as f64 / 1e6);
        let delays = stats::sorted(delays.collect());
        let min = *delays.first()?;
        Some(DelayStats {
            n: delays.len(),
            p50_ms: stats::quantile(&delays, 0.5)?,
            p99_ms: stats::quantile(&delays, 0.99)?,
            min_ms: min,
            max_ms: *delays.last()?,
            pdv_ms: stats::quantile(&delays, 0.999)? - min,
        })
    }
}

impl<'a> Wire<'a> {
    fn new(log: &'a WireFlowLog) -> Self {
        Self {
            log,
            carried: Ranges::new(&log.carried),
            cut: Ranges::new(&log.cut),
            loss: Ranges::new(&log.loss),
            queue: Ranges::new(&log.queue),
        }
    }

    fn hop(&self) -> Hop {
        Hop {
            link: self.log.link.clone(),
            from: self.log.from.clone(),
            to: self.log.to.clone(),
            vlan: self.log.vlan,
        }
    }
}

/// Inclusive ranges, ascending and apart.
struct Ranges(Vec<(u32, u32)>);

impl Ranges {
    fn new(ranges: &[(u32, u32)]) -> Self {
        let mut sorted: Vec<_> = ranges.iter().copied().filter(|(a, b)| a <= b).collect();
        sorted.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(sorted.len());
        for (start, end) in sorted {
            match merged.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => merged.push((start, end)),
            }
        }
        Self(merged)
    }

    fn contains(&self, seq: u32) -> bool {
        let after = self.0.partition_point(|&(start, _)| start <= seq);
        after
            .checked_sub(1)
            .and_then(|i| self.0.get(i))
            .is_some_and(|&(_, end)| seq <= end)
    }

    fn count(&self) -> u64 {
        self.0.iter().map(|&(a, b)| u64::from(b - a) + 1).sum()
    }
}

fn most<T: Ord + Copy>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut counts: BTreeMap<T, (usize, usize)> = BTreeMap::new();
    for (order, value) in values.enumerate() {
        let entry = counts.entry(value).or_default();
        *entry = (entry.0 + 1, order);
    }
    counts
        .into_iter()
        .max_by_key(|&(_, rank)| rank)
        .map(|(value, _)| value)
}
