//! A link's rate by packet-train dispersion: a burst leaves at once, the link
//! spreads it, and the spread tells the rate.

use std::net::SocketAddr;

use super::{Namespaces, Reach};
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

/// Trains sent; their median is the answer, since a busy host spoils single ones.
const TRAINS: usize = 5;

/// Bits a second through the link in `direction`; `None` when too few packets
/// arrived to tell.
pub(super) fn measure(
    reach: &Reach<'_>,
    direction: usize,
    declared: Rate,
    netns: &Namespaces,
) -> anyhow::Result<Option<u64>> {
    let ends = &reach.wire.ends;
    let (Some(from), Some(to)) = (
        netns.get(&ends[direction].node),
        netns.get(&ends[1 - direction].node),
    ) else {
        return Ok(None);
    };
    let target = SocketAddr::new(reach.addresses[1 - direction], PORT);
    let receiver = to.run(|| RecvSocket::open(target))?;
    let sender = from.run(|| SendSocket::open(reach.addresses[direction], target))?;
    let frame_bits = frame_bits(reach, direction);
    let mut rates = Vec::new();
    for _ in 0..TRAINS {
        rates.extend(train(&sender, &receiver, (declared, frame_bits))?);
    }
    rates.sort_unstable();
    Ok(rates.get(rates.len() / 2).copied())
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
    use super::*;

    #[test]
    fn a_train_spread_over_time_tells_the_rate() {
        // 1,000-byte frames every 8 µs: 1 Gb/s.
        let stamps: Vec<u64> = (0..100).map(|i| 5_000 + i * 8_000).collect();
        assert_eq!(dispersion(&stamps, 8_000), Some(1_000_000_000));
        assert_eq!(dispersion(&stamps[..3], 8_000), None);
        assert_eq!(dispersion(&[], 8_000), None);
    }
}
