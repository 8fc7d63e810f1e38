//! When each packet of each flow is due. Pure: instants are nanoseconds handed in.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::results::event::MonoNs;

const SECOND_NS: u128 = 1_000_000_000;

/// One flow's pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Packets a second; 0 never sends.
    pub rate: u32,
}

/// The due times of several flows, merged in order.
///
/// Packet `seq` of a flow is due at `start + stagger + seq / rate`, computed
/// from the start each time, so neither rounding nor lateness accumulates. The
/// flows are staggered evenly over their own interval, or both directions of a
/// probe would leave in the same instant every time.
#[derive(Debug)]
pub struct Pacing {
    flows: Vec<FlowPace>,
    due: BinaryHeap<Reverse<(MonoNs, usize)>>,
}

#[derive(Debug)]
struct FlowPace {
    rate: u32,
    first: MonoNs,
    seq: u64,
}

impl Pacing {
    /// Flows that begin at `start`.
    pub fn new(start: MonoNs, paces: &[Pace]) -> Self {
        let count = paces.len().max(1) as u128;
        let flows: Vec<FlowPace> = paces
            .iter()
            .zip(0u128..)
            .map(|(pace, position)| FlowPace {
                rate: pace.rate,
                first: start + (SECOND_NS * position / count / u128::from(pace.rate.max(1))) as u64,
                seq: 0,
            })
            .collect();
        let due = flows
            .iter()
            .enumerate()
            .filter(|(_, flow)| flow.rate > 0)
            .map(|(position, flow)| Reverse((flow.first, position)))
            .collect();
        Self { flows, due }
    }

    /// The next due time and the position of its flow.
    pub fn next(&self) -> Option<(MonoNs, usize)> {
        self.due.peek().map(|Reverse(next)| *next)
    }

    /// Marks the packet that [`Pacing::next`] named as sent or tried.
    pub fn advance(&mut self) {
        let Some(Reverse((_, position))) = self.due.pop() else {
            return;
        };
        let Some(flow) = self.flows.get_mut(position) else {
            return;
        };
        flow.seq += 1;
        let offset = SECOND_NS * u128::from(flow.seq) / u128::from(flow.rate);
        self.due
            .push(Reverse((flow.first + offset as u64, position)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(paces: &[Pace], until: MonoNs) -> Vec<(MonoNs, usize)> {
        let mut pacing = Pacing::new(1_000, paces);
        let mut sent = Vec::new();
        while let Some(next) = pacing.next().filter(|(due, _)| *due < until) {
            sent.push(next);
            pacing.advance();
        }
        sent
    }

    #[test]
    fn a_rate_that_does_not_divide_a_second_never_drifts() {
        let hour = 3_600 * 1_000_000_000;
        let sent = run(&[Pace { rate: 7 }], 1_000 + hour);
        assert_eq!(sent.len(), 7 * 3_600);
        assert_eq!(sent.get(7 * 60).map(|s| s.0), Some(1_000 + 60_000_000_000));
    }

    #[test]
    fn flows_take_turns_and_are_out_of_phase() {
        let sent = run(
            &[Pace { rate: 1000 }, Pace { rate: 1000 }],
            1_000 + 3_000_000,
        );
        assert_eq!(
            sent,
            [
                (1_000, 0),
                (501_000, 1),
                (1_001_000, 0),
                (1_501_000, 1),
                (2_001_000, 0),
                (2_501_000, 1),
            ]
        );
    }

    #[test]
    fn each_flow_keeps_its_own_rate_and_order_is_by_time() {
        let sent = run(
            &[Pace { rate: 100 }, Pace { rate: 1 }, Pace { rate: 0 }],
            1_000 + 10_000_000_000,
        );
        let of = |flow| sent.iter().filter(|s| s.1 == flow).count();
        assert_eq!((of(0), of(1), of(2)), (1000, 10, 0));
        assert!(sent.is_sorted_by_key(|s| s.0));
    }
}
