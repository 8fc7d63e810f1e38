//! The plan's shapes in the words of netem and the token bucket.

use crate::{
    lab::model::Shape,
    os::qdisc::{Bucket, Netem, NetemLoss},
    units::Percent,
};

/// More packets on a fibre than this are memory, not delay.
const FIBRE_LIMIT: u64 = 200_000;
/// Smallest Ethernet frame.
const SMALLEST: u64 = 60;
/// Room for bursts beyond what the rate lets through.
const SPARE: u64 = 1_000;
/// A rate no link has: a bucket that was put in place stays, and lets all pass.
const UNLIMITED: u64 = 1_000_000_000_000;
/// Ethernet header with one VLAN tag, which the rate counts too.
const HEADERS: u64 = 18;

pub(super) fn netem(shape: &Shape, seed: u64) -> Netem {
    Netem {
        delay: shape.delay,
        jitter: shape.jitter,
        distribution: shape.distribution,
        loss: loss(shape),
        duplicate: share(shape.duplicate),
        corrupt: share(shape.corrupt),
        reorder: share(shape.reorder),
        limit: limit(shape),
        seed,
    }
}

fn share(of: Percent) -> u32 {
    scaled(u64::from(of.millionths()), 1_000_000)
}

/// `part` of `whole` in the kernel's unit.
fn scaled(part: u64, whole: u64) -> u32 {
    let scaled = u128::from(part) * u128::from(u32::MAX) / u128::from(whole.max(1));
    u32::try_from(scaled).unwrap_or(u32::MAX)
}

fn loss(shape: &Shape) -> NetemLoss {
    let millionths = u64::from(shape.loss.millionths());
    match shape.loss_burst {
        Some(burst) if millionths > 0 => {
            let mean = u64::from(burst.packets());
            NetemLoss::Gilbert {
                begin: scaled(millionths, mean * (1_000_000 - millionths)),
                end: scaled(1, mean),
            }
        }
        _ => NetemLoss::Random(share(shape.loss)),
    }
}

/// The smallest frames that the rate lets through in the time a packet may be
/// on its way, and what waits for the rate: netem counts that, too.
fn limit(shape: &Shape) -> u32 {
    let packets = shape.rate.map_or(FIBRE_LIMIT, |rate| {
        let bytes = u128::from(rate.bits_per_second() / 8);
        let flying = bytes * u128::from(longest_flight(shape)) / 1_000_000_000;
        u64::try_from(flying / u128::from(SMALLEST)).unwrap_or(u64::MAX)
    });
    u32::try_from(packets.clamp(SPARE, FIBRE_LIMIT)).unwrap_or(u32::MAX)
}

/// The bucket of a declared rate, for frames of packets up to `mtu` bytes.
pub(super) fn bucket(shape: &Shape, mtu: u64) -> Option<Bucket> {
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
pub(super) fn longest_flight(shape: &Shape) -> u64 {
    let queue = shape.rate.map_or(0, |rate| {
        let rate = (rate.bits_per_second() / 8).max(1);
        let queue = shape.queue.map_or(rate / 10, |queue| queue.get());
        let ns = u128::from(queue) * 1_000_000_000 / u128::from(rate);
        u64::try_from(ns).unwrap_or(u64::MAX)
    });
    shape
        .delay
        .as_nanos()
        .saturating_add(shape.jitter.as_nanos() * shape.distribution.reach())
        .saturating_add(queue)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{Distribution, LossBurst, Rate, Span};

    fn plain() -> Shape {
        Shape {
            delay: Span::from_millis(20),
            jitter: Span::from_millis(5),
            loss: Percent::from_millionths(10_000).unwrap(),
            ..Shape::default()
        }
    }

    #[test]
    fn a_percent_is_a_hundredth_of_all() {
        let netem = netem(&plain(), 1);
        assert_eq!(netem.loss, NetemLoss::Random(u32::MAX / 100));
        let all = Shape {
            loss: Percent::from_millionths(1_000_000).unwrap(),
            ..plain()
        };
        assert_eq!(super::netem(&all, 1).loss, NetemLoss::Random(u32::MAX));
    }

    #[test]
    fn a_rate_has_a_queue_of_100_ms_and_a_burst_of_one_frame_at_least() {
        assert_eq!(bucket(&plain(), 1500), None);
        let slow = Shape {
            rate: Rate::from_bits_per_second(8_000_000),
            ..plain()
        };
        let bucket = bucket(&slow, 1500).unwrap();
        assert_eq!(bucket.bytes_per_second, 1_000_000);
        assert_eq!((bucket.burst, bucket.queue), (1_518, 101_518));
        assert_eq!(longest_flight(&slow), 125_000_000);
        assert_eq!(longest_flight(&plain()), 25_000_000);
    }

    #[test]
    fn bursts_begin_as_often_as_the_share_asks() {
        let bursty = Shape {
            loss_burst: LossBurst::new(5),
            ..plain()
        };
        let NetemLoss::Gilbert { begin, end } = netem(&bursty, 1).loss else {
            panic!("no model");
        };
        assert_eq!(end, u32::MAX / 5);
        let stationary = f64::from(begin) / (f64::from(begin) + f64::from(end));
        assert!((stationary - 0.01).abs() < 1e-6, "{stationary}");
    }

    #[test]
    fn netems_limit_follows_rate_and_delay() {
        let rated = |mbit: u64, ms: u64| Shape {
            delay: Span::from_millis(ms),
            rate: Rate::from_bits_per_second(mbit * 1_000_000),
            ..Shape::default()
        };
        // 12.5 MB/s for 20 ms and the queue's 100 ms are 1.5 MB of 60-byte frames.
        assert_eq!(netem(&rated(100, 20), 1).limit, 25_000);
        assert_eq!(netem(&rated(1, 1), 1).limit, 1_000);
        assert_eq!(netem(&rated(10_000, 200), 1).limit, 200_000);
        assert_eq!(netem(&plain(), 1).limit, 200_000);
        let normal = Shape {
            distribution: Distribution::Normal,
            ..plain()
        };
        assert_eq!(longest_flight(&normal), 40_000_000);
    }
}
