//! Packets as charts can show them: counted in bins, and delays thinned out without losing extremes.

use serde::Serialize;

use crate::results::event::{FlowLog, MonoNs};

/// Bins of all flows together, and of one at least and at most.
const BINS: (usize, usize, usize) = (24_000, 200, 1_200);
/// Delays shown of all flows together, and buckets of one flow at least and at most.
const POINTS: (usize, usize, usize) = (12_000, 100, 800);
/// A bin holds this many packets at least, or counts jump between neighbours.
const FEWEST: u64 = 10;

/// One flow's packets by the time they were sent.
#[derive(Debug, Serialize)]
pub(super) struct Timeline {
    name: String,
    /// Start of the first bin, milliseconds from the page's zero.
    from_ms: f64,
    /// Length of a bin, milliseconds.
    pub(super) step_ms: f64,
    /// Packets delivered of those sent in each bin.
    pub(super) delivered: Vec<u32>,
    /// Packets lost of them, to whatever.
    pub(super) lost: Vec<u32>,
}

/// One flow's delays by the time the packets were sent.
#[derive(Debug, Serialize)]
pub(super) struct Delays {
    name: String,
    /// How many packets arrived.
    pub(super) of: usize,
    /// Milliseconds from the page's zero.
    at_ms: Vec<f64>,
    /// Milliseconds.
    pub(super) ms: Vec<f64>,
}

impl Timeline {
    /// The flow.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl Delays {
    /// The flow.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// Milliseconds from `zero`, which may be later.
pub(super) fn since(zero: MonoNs, at: MonoNs) -> f64 {
    at as f64 / 1e6 - zero as f64 / 1e6
}

/// To a thousandth, which is a microsecond of a millisecond.
pub(super) fn rounded(ms: f64) -> f64 {
    (ms * 1e3).round() / 1e3
}

/// When each packet was sent and how long the first copy of it took; in the order sent.
fn fates(flow: &FlowLog) -> Vec<(MonoNs, Option<u64>)> {
    let mut arrived: Vec<Option<MonoNs>> = vec![None; flow.sent.len()];
    for arrival in &flow.received {
        if let Some(first) = arrived.get_mut(arrival.seq as usize) {
            *first = Some(first.map_or(arrival.at, |at| at.min(arrival.at)));
        }
    }
    let fates = flow.sent.iter().zip(arrived);
    let mut fates: Vec<_> = fates
        .filter_map(|(&sent, at)| {
            let sent = sent?;
            Some((sent, at.map(|at| at.saturating_sub(sent))))
        })
        .collect();
    fates.sort_unstable_by_key(|(sent, _)| *sent);
    fates
}

/// The next 1, 2 or 5 times a power of ten.
fn round_step(ns: u64) -> u64 {
    let mut step = 1;
    loop {
        if let Some(step) = [1, 2, 5].map(|n| n * step).into_iter().find(|s| *s >= ns) {
            return step;
        }
        step *= 10;
    }
}

fn within((all, least, most): (usize, usize, usize), flows: usize) -> usize {
    (all / flows.max(1)).clamp(least, most)
}

/// What became of the packets of one of so many flows.
pub(super) fn timeline(name: String, flow: &FlowLog, zero: MonoNs, flows: usize) -> Timeline {
    let fates = fates(flow);
    let [first, last] = [fates.first(), fates.last()].map(|fate| fate.map_or(zero, |f| f.0));
    let enough = 1_000_000_000 * FEWEST / u64::from(flow.rate.max(1));
    let step = round_step(((last - first) / within(BINS, flows) as u64).max(enough));
    let bins = ((last - first) / step + 1) as usize;
    let mut timeline = Timeline {
        name,
        from_ms: rounded(since(zero, first)),
        step_ms: step as f64 / 1e6,
        delivered: vec![0; bins],
        lost: vec![0; bins],
    };
    for (sent, delay) in fates {
        let counts = match delay {
            Some(_) => &mut timeline.delivered,
            None => &mut timeline.lost,
        };
        if let Some(count) = counts.get_mut(((sent - first) / step) as usize) {
            *count += 1;
        }
    }
    timeline
}

/// The delays of one of so many flows. Of many packets that were sent one after the other, the
/// fastest, the slowest and the one between them in time are kept.
pub(super) fn delays(name: String, flow: &FlowLog, zero: MonoNs, flows: usize) -> Delays {
    let arrived: Vec<(MonoNs, u64)> = fates(flow)
        .into_iter()
        .filter_map(|(sent, delay)| Some((sent, delay?)))
        .collect();
    let buckets = within(POINTS, flows * 3);
    let size = arrived.len().div_ceil(buckets).max(1);
    let mut kept: Vec<&(MonoNs, u64)> = Vec::new();
    for bucket in arrived.chunks(size) {
        let fastest = bucket.iter().min_by_key(|(_, delay)| *delay);
        let slowest = bucket.iter().max_by_key(|(_, delay)| *delay);
        let mut three: Vec<_> = [fastest, bucket.get(bucket.len() / 2), slowest]
            .into_iter()
            .flatten()
            .collect();
        three.sort_unstable();
        three.dedup();
        kept.extend(three);
    }
    Delays {
        name,
        of: arrived.len(),
        at_ms: kept
            .iter()
            .map(|(sent, _)| rounded(since(zero, *sent)))
            .collect(),
        ms: kept
            .iter()
            .map(|(_, delay)| rounded(*delay as f64 / 1e6))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::event::Arrival;

    fn flow(packets: u32, delay_us: impl Fn(u32) -> Option<u64>) -> FlowLog {
        let sent = |seq: u32| 5_000_000_000 + u64::from(seq) * 1_000_000;
        FlowLog {
            id: 0,
            probe: "app".to_owned(),
            from: "app".to_owned(),
            to: "db".to_owned(),
            rate: 1000,
            size: 200,
            sent: (0..packets).map(|seq| Some(sent(seq))).collect(),
            received: (0..packets)
                .filter_map(|seq| {
                    Some(Arrival {
                        seq,
                        at: sent(seq) + delay_us(seq)? * 1_000,
                        ttl: 60,
                    })
                })
                .collect(),
            turns: Vec::new(),
        }
    }

    #[test]
    fn every_packet_is_in_one_bin() {
        let flow = flow(100_000, |seq| (seq % 7 > 0).then_some(5_000));
        let timeline = timeline("x".to_owned(), &flow, 5_000_000_000, 2);
        let sum = |counts: &[u32]| counts.iter().sum::<u32>();
        assert_eq!(sum(&timeline.lost), 14_286);
        assert_eq!(sum(&timeline.delivered), 85_714);
        assert!(timeline.lost.len() <= 1_200, "{}", timeline.lost.len());
        assert_eq!(timeline.step_ms, 100.0);
    }

    #[test]
    fn thinning_keeps_every_extreme() {
        let spike = |seq: u32| match seq {
            33_333 => 90_000,
            66_666 => 100,
            seq => 5_000 + u64::from(seq % 13),
        };
        let flow = flow(100_000, |seq| Some(spike(seq)));
        let delays = delays("x".to_owned(), &flow, 5_000_000_000, 2);
        assert_eq!(delays.of, 100_000);
        assert!(delays.ms.len() <= 2_400, "{}", delays.ms.len());
        assert!(delays.ms.contains(&90.0) && delays.ms.contains(&0.1));
    }

    #[test]
    fn a_short_flow_is_shown_whole_and_an_empty_one_is_none() {
        let all = delays("x".to_owned(), &flow(500, |_| Some(5_000)), 0, 2);
        assert_eq!(all.ms.len(), 500);
        let none = timeline("x".to_owned(), &flow(0, |_| None), 0, 2);
        assert_eq!((none.delivered, none.lost), (vec![0], vec![0]));
    }
}
