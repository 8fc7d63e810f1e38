//! What became of every numbered probe on one direction of a wire.

use std::collections::BTreeMap;

use crate::{emu::Reason, results::event::WireFlowLog};

/// Sequence numbers as ranges, in the order they were seen.
#[derive(Debug, Clone, Default)]
struct Ranges(Vec<(u32, u32)>);

impl Ranges {
    fn push(&mut self, sequence: u32) {
        match self.0.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(sequence) => *last = sequence,
            _ => self.0.push((sequence, sequence)),
        }
    }

    /// Ascending and disjoint; a number seen twice counts once.
    fn sorted(&self) -> Vec<(u32, u32)> {
        let mut ranges = self.0.clone();
        ranges.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        merged
    }
}

/// Where a probe ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Fate {
    Carried,
    Dropped(Reason),
}

/// A flow and the VLAN it was seen on; 0 is none.
pub(in crate::engine) type FlowKey = (u16, u16);

#[derive(Debug, Clone, Default)]
struct Flow {
    carried: Ranges,
    cut: Ranges,
    loss: Ranges,
    queue: Ranges,
}

/// The probes of one direction.
#[derive(Debug, Clone, Default)]
pub(in crate::engine) struct Flows(BTreeMap<FlowKey, Flow>);

impl Flows {
    pub(in crate::engine) fn record(&mut self, flow: FlowKey, sequence: u32, fate: Fate) {
        let flow = self.0.entry(flow).or_default();
        let ranges = match fate {
            Fate::Carried => &mut flow.carried,
            Fate::Dropped(Reason::Cut) => &mut flow.cut,
            Fate::Dropped(Reason::Loss) => &mut flow.loss,
            Fate::Dropped(Reason::Queue | Reason::Overrun) => &mut flow.queue,
        };
        ranges.push(sequence);
    }

    pub(in crate::engine) fn clear(&mut self) {
        self.0.clear();
    }

    pub(in crate::engine) fn logs(&self, link: &str, from: &str, to: &str) -> Vec<WireFlowLog> {
        self.0
            .iter()
            .map(|(&(id, vlan), flow)| WireFlowLog {
                link: link.to_owned(),
                from: from.to_owned(),
                to: to.to_owned(),
                flow: id,
                vlan: (vlan != 0).then_some(vlan),
                carried: flow.carried.sorted(),
                cut: flow.cut.sorted(),
                loss: flow.loss.sorted(),
                queue: flow.queue.sorted(),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_grow_merge_and_ascend() {
        let mut flows = Flows::default();
        for sequence in [5, 6, 7, 1, 2, 9, 3, 4, 7, u32::MAX, 8] {
            flows.record((1, 0), sequence, Fate::Carried);
        }
        flows.record((1, 0), 20, Fate::Dropped(Reason::Cut));
        let logs = flows.logs("l", "a", "b");
        assert_eq!(logs.len(), 1);
        assert_eq!(logs[0].carried, [(1, 9), (u32::MAX, u32::MAX)]);
        assert_eq!(logs[0].cut, [(20, 20)]);
        flows.record((1, 101), 3, Fate::Carried);
        let tagged = &flows.logs("l", "a", "b")[1];
        assert_eq!((tagged.flow, tagged.vlan), (1, Some(101)));
        flows.clear();
        assert!(flows.logs("l", "a", "b").is_empty());
    }
}
