//! Packets beyond a tunnel's cap, booked as what they are: like those for which a full queue had
//! no room, they are lost on a way that works.
//!
//! The cap's counter tells how many there were, not which. A probe is taken for one of them if it
//! was last seen entering the tunnel, and of those first the ones sent closest to others that came
//! out of it: what a dead tunnel swallows has no such neighbours.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use super::input::{DropCause, RunInput};
use crate::results::event::{FlowLog, MonoNs, WireFlowLog};

/// A packet this far from any that came through is no victim of a cap.
const FARTHEST_NS: u64 = 1_000_000_000;

/// The run with what each cap counted booked as dropped by its tunnel.
pub(super) fn booked(input: &RunInput) -> Cow<'_, RunInput> {
    match booked_wires(input) {
        Cow::Borrowed(_) => Cow::Borrowed(input),
        Cow::Owned(wires) => Cow::Owned(RunInput {
            wires,
            ..input.clone()
        }),
    }
}

/// The run's wires, likewise.
pub(super) fn booked_wires(input: &RunInput) -> Cow<'_, [WireFlowLog]> {
    let mut counted: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let by_cap = |cause| cause == DropCause::Cap;
    for drops in input.tunnel_drops.iter().filter(|d| by_cap(d.cause)) {
        *counted.entry((&drops.tunnel, &drops.node)).or_default() += drops.count;
    }
    if counted.is_empty() {
        return Cow::Borrowed(&input.wires);
    }
    let mut wires = input.wires.clone();
    for ((tunnel, node), count) in counted {
        for (index, seqs) in victims(input, (tunnel, node), count) {
            if let Some(log) = wires.get_mut(index) {
                let kept: Vec<u32> = seqs_of(&log.carried)
                    .filter(|seq| !seqs.contains(seq))
                    .collect();
                log.carried = ranges(kept);
                let queued: BTreeSet<u32> = seqs_of(&log.queue).chain(seqs).collect();
                log.queue = ranges(queued);
            }
        }
    }
    Cow::Owned(wires)
}

/// A lost packet that was last seen entering the tunnel.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    /// How far those before and after it are that came out: the farther, then the nearer.
    neighbours: (u64, u64),
    /// The log that saw it.
    log: usize,
    seq: u32,
}

/// At most `count` packets that went into the tunnel towards `node`, by the log that saw them.
fn victims(
    input: &RunInput,
    (tunnel, node): (&str, &str),
    count: u64,
) -> BTreeMap<usize, BTreeSet<u32>> {
    let mut candidates = Vec::new();
    let into = |log: &WireFlowLog| log.link == tunnel && log.to == node;
    for (index, log) in input.wires.iter().enumerate().filter(|(_, log)| into(log)) {
        if let Some(flow) = input.flows.iter().find(|flow| flow.id == log.flow) {
            candidates.extend(candidates_of(input, flow, (index, log)));
        }
    }
    candidates.sort_unstable();
    candidates.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    let mut victims: BTreeMap<usize, BTreeSet<u32>> = BTreeMap::new();
    for Candidate { log, seq, .. } in candidates {
        victims.entry(log).or_default().insert(seq);
    }
    victims
}

fn candidates_of(
    input: &RunInput,
    flow: &FlowLog,
    (index, log): (usize, &WireFlowLog),
) -> Vec<Candidate> {
    let arrived: BTreeSet<u32> = flow.received.iter().map(|arrival| arrival.seq).collect();
    let mut elsewhere: BTreeSet<u32> = BTreeSet::new();
    for wire in input.wires.iter().filter(|wire| wire.flow == flow.id) {
        let beyond = if wire.from == log.to {
            wire.carried.as_slice()
        } else {
            &[]
        };
        for ranges in [beyond, &wire.cut, &wire.loss, &wire.queue] {
            elsewhere.extend(seqs_of(ranges));
        }
    }
    let sent = |seq: u32| flow.sent.get(seq as usize).copied().flatten();
    let through: Vec<MonoNs> = seqs_of(&log.carried)
        .filter(|seq| arrived.contains(seq))
        .filter_map(sent)
        .collect();
    let lost = seqs_of(&log.carried).filter(|s| !arrived.contains(s) && !elsewhere.contains(s));
    let candidate = |seq| {
        let at = sent(seq)?;
        let next = through.partition_point(|other| *other < at);
        let distance = |index: Option<usize>| {
            let other = through.get(index?)?;
            Some(other.abs_diff(at))
        };
        let before = distance(next.checked_sub(1)).unwrap_or(u64::MAX);
        let after = distance(Some(next)).unwrap_or(u64::MAX);
        let neighbours = (before.max(after), before.min(after));
        (neighbours.1 <= FARTHEST_NS).then_some(Candidate {
            neighbours,
            log: index,
            seq,
        })
    };
    lost.filter_map(candidate).collect()
}

fn seqs_of(ranges: &[(u32, u32)]) -> impl Iterator<Item = u32> {
    ranges.iter().flat_map(|&(first, last)| first..=last)
}

/// Ascending numbers as ranges.
fn ranges(seqs: impl IntoIterator<Item = u32>) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for seq in seqs {
        match ranges
            .last_mut()
            .filter(|(_, last)| last.checked_add(1) == Some(seq))
        {
            Some((_, last)) => *last = seq,
            None => ranges.push((seq, seq)),
        }
    }
    ranges
}
