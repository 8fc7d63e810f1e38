//! The plan's shapes in the words of netem and the token bucket.

use crate::{
    lab::plan::ShapePlan,
    os::qdisc::{Bucket, Netem},
};

/// More packets on a fibre than this are memory, not delay.
const FIBRE_LIMIT: u32 = 200_000;
/// A rate no link has: a bucket that was put in place stays, and lets all pass.
const UNLIMITED: u64 = 1_000_000_000_000;
/// Ethernet header with one VLAN tag, which the rate counts too.
const HEADERS: u64 = 18;

pub(super) fn netem(shape: &ShapePlan, seed: u64) -> Netem {
    let millionths = u64::from(shape.loss.millionths());
    let loss = millionths * u64::from(u32::MAX) / 1_000_000;
    Netem {
        delay: shape.delay,
        jitter: shape.jitter,
        loss: u32::try_from(loss).unwrap_or(u32::MAX),
        limit: FIBRE_LIMIT,
        seed,
    }
}

/// The bucket of a declared rate, for frames of packets up to `mtu` bytes.
pub(super) fn bucket(shape: &ShapePlan, mtu: u64) -> Option<Bucket> {
    let rate = shape.rate?.bits_per_second() / 8;
    // 100 ms at the rate, as the lab file's reference says.
    let queue = shape.queue.map_or(rate / 10, |queue| queue.get());
    // A millisecond's worth, so that offloaded frames pass whole where the rate is high.
    let burst = (rate / 1000).max(mtu + HEADERS);
    Some(Bucket {
        bytes_per_second: rate.max(1),
        burst: u32::try_from(burst).unwrap_or(u32::MAX),
        // The frame being sent waits in the queue as well.
        queue: u32::try_from(queue.saturating_add(mtu + HEADERS)).unwrap_or(u32::MAX),
    })
}

/// The bucket of a link that no longer has a rate.
pub(super) fn open_bucket() -> Bucket {
    Bucket {
        bytes_per_second: UNLIMITED,
        burst: 1 << 30,
        queue: 1 << 30,
    }
}

/// How long a packet may be on its way at most, nanoseconds.
pub(super) fn longest_flight(shape: &ShapePlan) -> u64 {
    let queue = shape.rate.map_or(0, |rate| {
        let rate = (rate.bits_per_second() / 8).max(1);
        let queue = shape.queue.map_or(rate / 10, |queue| queue.get());
        let ns = u128::from(queue) * 1_000_000_000 / u128::from(rate);
        u64::try_from(ns).unwrap_or(u64::MAX)
    });
    shape
        .delay
        .as_nanos()
        .saturating_add(shape.jitter.as_nanos())
        .saturating_add(queue)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Percent, Rate, Span};

    fn plain() -> ShapePlan {
        ShapePlan {
            delay: Span::from_millis(20),
            jitter: Span::from_millis(5),
            loss: Percent::from_millionths(10_000).unwrap(),
            rate: None,
            queue: None,
        }
    }

    #[test]
    fn a_percent_is_a_hundredth_of_all() {
        let netem = netem(&plain(), 1);
        assert_eq!(netem.loss, u32::MAX / 100);
        let all = ShapePlan {
            loss: Percent::from_millionths(1_000_000).unwrap(),
            ..plain()
        };
        assert_eq!(super::netem(&all, 1).loss, u32::MAX);
    }

    #[test]
    fn a_rate_has_a_queue_of_100_ms_and_a_burst_of_one_frame_at_least() {
        assert_eq!(bucket(&plain(), 1500), None);
        let slow = ShapePlan {
            rate: Rate::from_bits_per_second(8_000_000),
            ..plain()
        };
        let bucket = bucket(&slow, 1500).unwrap();
        assert_eq!(bucket.bytes_per_second, 1_000_000);
        assert_eq!((bucket.burst, bucket.queue), (1_518, 101_518));
        assert_eq!(longest_flight(&slow), 125_000_000);
        assert_eq!(longest_flight(&plain()), 25_000_000);
    }
}
