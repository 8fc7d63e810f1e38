//! One window's part of what was recorded, as if it had been all.

use crate::results::event::{FlowLog, MonoNs, WireFlowLog};

/// The packets sent from `from` until `to`, numbered from 0, with the number the
/// first of them had.
pub(super) fn of_flow(log: &FlowLog, [from, to]: [MonoNs; 2]) -> (u32, FlowLog) {
    let at = |instant: MonoNs| {
        let mut sent = log.sent.iter();
        let first = sent.position(|sent| sent.is_some_and(|sent| sent >= instant));
        first.unwrap_or(log.sent.len())
    };
    let (first, last) = (at(from), at(to));
    let sent = log.sent.get(first..last).unwrap_or_default().to_vec();
    let inside = first as u32..last as u32;
    let received = log.received.iter().filter(|one| inside.contains(&one.seq));
    let part = FlowLog {
        sent,
        received: received
            .map(|one| {
                let mut one = *one;
                one.seq -= inside.start;
                one
            })
            .collect(),
        turns: Vec::new(),
        probe: log.probe.clone(),
        from: log.from.clone(),
        to: log.to.clone(),
        ..*log
    };
    (inside.start, part)
}

/// What a wire says of `count` packets from number `first` on, numbered from 0.
pub(super) fn of_wire(log: &WireFlowLog, first: u32, count: u32) -> WireFlowLog {
    let last = first + count;
    let cut = |ranges: &[(u32, u32)]| -> Vec<(u32, u32)> {
        let inside = ranges.iter().filter(|&&(a, b)| a < last && b >= first);
        inside
            .map(|&(a, b)| (a.max(first) - first, b.min(last - 1) - first))
            .collect()
    };
    WireFlowLog {
        link: log.link.clone(),
        from: log.from.clone(),
        to: log.to.clone(),
        carried: cut(&log.carried),
        cut: cut(&log.cut),
        loss: cut(&log.loss),
        queue: cut(&log.queue),
        ..*log
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::event::Arrival;

    #[test]
    fn a_part_is_numbered_from_nought() {
        let arrival = |seq| Arrival {
            seq,
            at: u64::from(seq) * 10 + 5,
            ttl: 64,
        };
        let log = FlowLog {
            id: 1,
            probe: "p".to_owned(),
            from: "a".to_owned(),
            to: "b".to_owned(),
            rate: 100,
            size: 200,
            sent: (0..10).map(|n| (n != 3).then_some(n * 10)).collect(),
            received: [0, 1, 2, 4, 6, 5, 8, 9].map(arrival).to_vec(),
            turns: Vec::new(),
        };
        let (first, part) = of_flow(&log, [20, 70]);
        assert_eq!(first, 2);
        assert_eq!(part.sent, [Some(20), None, Some(40), Some(50), Some(60)]);
        let seqs: Vec<u32> = part.received.iter().map(|one| one.seq).collect();
        assert_eq!(seqs, [0, 2, 4, 3]);
        let wire = WireFlowLog {
            link: "l".to_owned(),
            from: "a".to_owned(),
            to: "b".to_owned(),
            flow: 1,
            vlan: None,
            carried: vec![(0, 2), (4, 6), (8, 9)],
            cut: vec![(7, 7)],
            loss: vec![],
            queue: vec![],
        };
        let part = of_wire(&wire, 2, 5);
        assert_eq!((part.carried, part.cut), (vec![(0, 0), (2, 4)], vec![]));
        assert_eq!(of_wire(&wire, 2, 6).cut, [(5, 5)]);
    }
}
