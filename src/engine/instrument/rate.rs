//! A link's rate by packet-train dispersion: a burst leaves at once, the link
//! spreads it, and the spread tells the rate.

use std::net::SocketAddr;

use super::{Namespaces, reach::Reach};
use crate::{
    os::{
        clock::{self, ClockPair},
        udp_probe::{RecvBatch, RecvSocket, SendSocket, header_bytes, wait_readable},
    },
    units::Rate,
};

/// UDP payload of a train's packets, bytes.
const PAYLOAD: usize = 1_400;
/// Ethernet header.
const LINK_HEADER: usize = 14;
/// How long a train lasts at the declared rate.
const TRAIN_MS: u64 = 10;
/// Fewest and most packets of a train; more would not fit the wire's ring at once.
const PACKETS: (u64, u64) = (20, 100);
const PORT: u16 = 40_999;
/// How long to wait for the last packet beyond the train's length.
const PATIENCE_NS: u64 = 300_000_000;

/// Fewest and most trains. A busy host spoils single ones, so a link is asked again
/// until the trains agree.
const TRAINS: (usize, usize) = (5, 20);
/// Trains agree when half the distance between their quartiles is at most this share
/// of their median.
const AGREED: f64 = 0.02;

/// What several trains say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Estimate {
    /// Their median, bits a second.
    pub(super) bps: u64,
    /// Half the distance between their quartiles, bits a second.
    pub(super) plus_minus: u64,
}

impl Estimate {
    /// `None` without any train.
    fn of(rates: &[u64]) -> Option<Self> {
        let mut sorted = rates.to_vec();
        sorted.sort_unstable();
        let at = |quarter: usize| sorted.get((sorted.len().saturating_sub(1)) * quarter / 4);
        let (low, bps, high) = (*at(1)?, *at(2)?, *at(3)?);
        Some(Self {
            bps,
            plus_minus: (high - low).div_ceil(2),
        })
    }

    fn is_agreed(&self) -> bool {
        self.plus_minus as f64 <= AGREED * self.bps as f64
    }
}

/// Sends trains until enough of them agree, or patience ends.
fn until_agreed<E>(
    mut train: impl FnMut() -> Result<Option<u64>, E>,
) -> Result<Option<Estimate>, E> {
    let mut rates = Vec::new();
    for sent in 1..=TRAINS.1 {
        rates.extend(train()?);
        if rates.len() >= TRAINS.0
            && Estimate::of(&rates).is_some_and(|estimate| estimate.is_agreed())
        {
            break;
        }
        // A link that lets nothing pass will not begin to.
        if sent >= TRAINS.0 && rates.is_empty() {
            break;
        }
    }
    Ok(Estimate::of(&rates))
}

/// Rate of the link in `direction`; `None` when too few packets arrived to tell.
pub(super) fn measure(
    reach: &Reach<'_>,
    direction: usize,
    declared: Rate,
    netns: &Namespaces,
) -> anyhow::Result<Option<Estimate>> {
    let ends = &reach.wire.ends;
    let (Some(from), Some(to)) = (
        netns.get(&ends[direction].node),
        netns.get(&ends[1 - direction].node),
    ) else {
        return Ok(None);
    };
    let target = SocketAddr::new(reach.addresses[1 - direction], PORT);
    let receiver = to.run(|| RecvSocket::open(target))?;
    let sender = from.run(|| SendSocket::open(reach.addresses[direction], target, false))?;
    let frame_bits = frame_bits(reach, direction);
    until_agreed(|| train(&sender, &receiver, (declared, frame_bits)))
}

/// One train; `None` when too few of it arrived.
fn train(
    sender: &SendSocket,
    receiver: &RecvSocket,
    (declared, frame_bits): (Rate, u64),
) -> anyhow::Result<Option<u64>> {
    let packets =
        (declared.bits_per_second() * TRAIN_MS / 1_000 / frame_bits).clamp(PACKETS.0, PACKETS.1);
    let payload = [0_u8; PAYLOAD];
    for _ in 0..packets {
        // A refusal is a packet that does not arrive, and is seen as such.
        let _ = sender.send(&payload);
    }
    let expected_ns = packets * frame_bits * 1_000_000_000 / declared.bits_per_second();
    let stamps = receive(receiver, packets, expected_ns + PATIENCE_NS)?;
    Ok(dispersion(&stamps, frame_bits))
}

fn frame_bits(reach: &Reach<'_>, direction: usize) -> u64 {
    8 * (PAYLOAD + header_bytes(reach.addresses[direction]) + LINK_HEADER) as u64
}

fn receive(socket: &RecvSocket, packets: u64, within_ns: u64) -> anyhow::Result<Vec<u64>> {
    let deadline = clock::mono_ns() + within_ns;
    let pair = ClockPair::sample();
    let mut batch = RecvBatch::default();
    let mut stamps = Vec::new();
    let sockets = std::slice::from_ref(socket);
    while (stamps.len() as u64) < packets && clock::mono_ns() < deadline {
        if wait_readable(sockets, 20)?.is_empty() {
            continue;
        }
        batch.receive(socket, |datagram| {
            stamps.push(
                datagram
                    .real_ns
                    .map_or_else(clock::mono_ns, |real| pair.to_mono(real)),
            );
        })?;
    }
    Ok(stamps)
}

/// The first packet opens the interval; its own bits are not in it.
fn dispersion(stamps: &[u64], frame_bits: u64) -> Option<u64> {
    let (first, last) = (stamps.iter().min()?, stamps.iter().max()?);
    let spread = last - first;
    let following = stamps.len() as u64 - 1;
    (following >= 4 && spread > 0).then(|| {
        let bits = u128::from(following * frame_bits);
        u64::try_from(bits * 1_000_000_000 / u128::from(spread)).unwrap_or(u64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn a_train_spread_over_time_tells_the_rate() {
        // 1,000-byte frames every 8 µs: 1 Gb/s.
        let stamps: Vec<u64> = (0..100).map(|i| 5_000 + i * 8_000).collect();
        assert_eq!(dispersion(&stamps, 8_000), Some(1_000_000_000));
        assert_eq!(dispersion(&stamps[..3], 8_000), None);
        assert_eq!(dispersion(&[], 8_000), None);
    }

    /// The estimate from trains in this order, and how many of them were sent.
    fn asked(trains: &[Option<u64>]) -> (Option<Estimate>, usize) {
        let mut sent = 0;
        let estimate = until_agreed(|| {
            sent += 1;
            Ok::<_, Infallible>(trains.get(sent - 1).copied().flatten())
        });
        (estimate.unwrap(), sent)
    }

    fn estimate(bps: u64, plus_minus: u64) -> Option<Estimate> {
        Some(Estimate { bps, plus_minus })
    }

    #[test]
    fn five_trains_that_agree_are_enough() {
        let trains = [1000, 990, 1010, 1000, 995].map(Some);
        assert_eq!(asked(&trains), (estimate(1000, 3), 5));
    }

    #[test]
    fn one_train_spoiled_by_a_busy_host_changes_nothing() {
        let trains = [1000, 418, 1001, 999, 1000].map(Some);
        assert_eq!(asked(&trains), (estimate(1000, 1), 5));
    }

    #[test]
    fn trains_that_disagree_are_repeated_until_the_true_ones_prevail() {
        let mut trains = vec![Some(418), Some(543), Some(4420), Some(906), Some(1000)];
        trains.extend([Some(1000); 15]);
        let (found, sent) = asked(&trains);
        assert_eq!(found.unwrap().bps, 1000);
        assert!(found.unwrap().is_agreed());
        assert!((6..20).contains(&sent), "{sent}");
    }

    #[test]
    fn trains_that_never_agree_say_how_far_apart_they_are() {
        let trains: Vec<Option<u64>> = (1..=20).map(|i| Some(i * 100)).collect();
        assert_eq!(asked(&trains), (estimate(1000, 500), 20));
    }

    #[test]
    fn a_link_that_lets_nothing_pass_is_not_asked_for_ever() {
        assert_eq!(asked(&[None; 20]), (None, 5));
    }

    #[test]
    fn one_train_in_five_is_no_agreement() {
        let mut trains = vec![None; 4];
        trains.push(Some(500));
        trains.extend([Some(1000); 15]);
        let (found, sent) = asked(&trains);
        assert_eq!(found, estimate(1000, 0));
        assert!(sent > 5, "{sent}");
    }
}
