//! Packets at a steady pace.

use std::{
    io,
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::Context as _;

use super::pauses::Pauses;
use crate::{
    engine::probe::{Pace, Pacing},
    lab::{model::Transport, plan::LoadPlan},
    os::{
        clock::{self, ClockPair},
        netns::NetnsFd,
        sched,
        udp_probe::{RecvBatch, RecvSocket, SendSocket, header_bytes},
    },
    results::event::{LoadSent, MonoNs, Pause, UdpBin},
    units::{LOAD_HEADER_LEN, LoadHeader},
};

/// Longest sleep, so that a stop is noticed.
const LONGEST_SLEEP_NS: u64 = 20_000_000;
/// The kernel stamps arrivals, so they may wait in the socket and be taken together.
const GATHER_NS: u64 = 1_000_000;
/// Time between two readings of both clocks.
const CLOCK_PERIOD_NS: u64 = 100_000_000;

/// Both sockets of a load.
#[derive(Debug)]
pub(super) struct UdpLoad {
    sender: Sender,
    receiver: Receiver,
}

#[derive(Debug)]
pub(super) struct Sender {
    socket: SendSocket,
    packet_rate: u32,
    size: u16,
    payload: usize,
    sampling_ns: u64,
}

#[derive(Debug)]
pub(super) struct Receiver {
    socket: RecvSocket,
    sampling_ns: u64,
}

/// What the sender leaves behind of one load: sent and refused by interval.
#[derive(Debug)]
pub(super) struct Sent {
    packet_rate: u32,
    size: u16,
    bins: Vec<UdpBin>,
}

/// What the receiver leaves behind of one load.
#[derive(Debug)]
pub(super) struct Heard {
    bins: Vec<UdpBin>,
    pauses: Pauses,
    dropped: u64,
}

impl UdpLoad {
    /// Opens the sockets, the one in the first namespace, the other in the second.
    pub(super) fn open(plan: &LoadPlan, [from, to]: [&NetnsFd; 2]) -> anyhow::Result<Self> {
        let Transport::Udp { size, .. } = &plan.transport else {
            anyhow::bail!("it is no UDP load");
        };
        let size = u16::try_from(size.get()).context("a packet larger than UDP's")?;
        let payload = usize::from(size)
            .checked_sub(header_bytes(plan.destination))
            .filter(|payload| *payload >= LOAD_HEADER_LEN)
            .with_context(|| format!("a packet of {size} bytes is too small"))?;
        let local = SocketAddr::new(plan.destination, plan.port);
        let sampling_ns = plan.sampling.as_nanos();
        Ok(Self {
            sender: Sender {
                socket: from
                    .run(|| SendSocket::open(plan.source, local, false))
                    .with_context(|| format!("opening the sender at {}", plan.source))?,
                packet_rate: plan.transport.packet_rate().unwrap_or(1),
                size,
                payload,
                sampling_ns,
            },
            receiver: Receiver {
                socket: to
                    .run(|| RecvSocket::open(local))
                    .with_context(|| format!("opening the receiver at {local}"))?,
                sampling_ns,
            },
        })
    }

    pub(super) fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }
}

/// The interval that `at` is in.
fn bin(bins: &mut Vec<UdpBin>, at: MonoNs, (began, sampling_ns): (MonoNs, u64)) -> &mut UdpBin {
    let index = (at.saturating_sub(began) / sampling_ns.max(1)) as usize;
    if bins.len() <= index {
        bins.resize(index + 1, UdpBin::default());
    }
    &mut bins[index]
}

/// Sends until `stop`.
pub(super) fn send(senders: &[Sender], began: MonoNs, stop: &AtomicBool) -> Vec<Sent> {
    // Refused only by a seccomp filter; what is sent is counted either way.
    let _ = sched::tight_timers();
    let paces: Vec<Pace> = senders
        .iter()
        .map(|sender| Pace {
            rate: sender.packet_rate,
        })
        .collect();
    let mut pacing = Pacing::new(began, &paces);
    let mut bins: Vec<Vec<UdpBin>> = vec![Vec::new(); senders.len()];
    let longest = senders.iter().map(|sender| sender.payload).max();
    let mut buffer = vec![0u8; longest.unwrap_or(0)];
    while let Some((due, position)) = pacing.next() {
        if stop.load(Ordering::Acquire) {
            break;
        }
        let now = clock::mono_ns();
        if now < due {
            clock::sleep_until(due.min(now + LONGEST_SLEEP_NS));
            continue;
        }
        pacing.advance();
        let (Some(sender), Some(bins)) = (senders.get(position), bins.get_mut(position)) else {
            break;
        };
        let Some(payload) = buffer.get_mut(..sender.payload) else {
            break;
        };
        LoadHeader { sent_ns: now }.encode(payload);
        let bin = bin(bins, now, (began, sender.sampling_ns));
        match sender.socket.send(payload) {
            Ok(()) => bin.sent += 1,
            Err(_) => bin.refused += 1,
        }
    }
    let sent = senders.iter().zip(bins).map(|(sender, bins)| Sent {
        packet_rate: sender.packet_rate,
        size: sender.size,
        bins,
    });
    sent.collect()
}

/// Receives until `stop`, then takes what is left.
pub(super) fn receive(
    receivers: &[Receiver],
    began: MonoNs,
    stop: &AtomicBool,
) -> io::Result<Vec<Heard>> {
    let mut heard: Vec<Heard> = receivers
        .iter()
        .map(|_| Heard {
            bins: Vec::new(),
            pauses: Pauses::new(began),
            dropped: 0,
        })
        .collect();
    let mut clocks = (ClockPair::sample(), began);
    let mut batch = RecvBatch::default();
    loop {
        let stopping = stop.load(Ordering::Acquire);
        let now = clock::mono_ns();
        if now.saturating_sub(clocks.1) >= CLOCK_PERIOD_NS {
            clocks = (ClockPair::sample(), now);
        }
        let mut any = false;
        for (receiver, heard) in receivers.iter().zip(&mut heard) {
            let terms = (began, receiver.sampling_ns);
            loop {
                let received = batch.receive(&receiver.socket, |datagram| {
                    let Some(header) = LoadHeader::decode(datagram.payload) else {
                        return;
                    };
                    let stamp = datagram.real_ns.map(|real| clocks.0.to_mono(real));
                    heard.arrival(header.sent_ns, stamp.unwrap_or(now), terms);
                })?;
                any |= received.count > 0;
                if !received.more {
                    break;
                }
            }
        }
        if stopping && !any {
            break;
        }
        clock::sleep_until(clock::mono_ns() + if any { GATHER_NS } else { 2 * GATHER_NS });
    }
    for (receiver, heard) in receivers.iter().zip(&mut heard) {
        heard.dropped = u64::from(receiver.socket.dropped()?);
    }
    Ok(heard)
}

impl Heard {
    fn arrival(&mut self, sent: MonoNs, at: MonoNs, terms: (MonoNs, u64)) {
        let delay_us = at.saturating_sub(sent) / 1_000;
        let of = bin(&mut self.bins, sent, terms);
        of.received += 1;
        of.delay_sum_us += delay_us;
        of.delay_max_us = of
            .delay_max_us
            .max(u32::try_from(delay_us).unwrap_or(u32::MAX));
        bin(&mut self.bins, at, terms).arrived += 1;
        self.pauses.arrival(at);
    }
}

/// Both sides' counts together.
pub(super) fn joined(sent: Sent, heard: Heard, ended: MonoNs) -> LoadSent {
    let (mut bins, length) = (heard.bins, sent.bins.len());
    bins.resize(length.max(bins.len()), UdpBin::default());
    for (bin, sent) in bins.iter_mut().zip(&sent.bins) {
        (bin.sent, bin.refused) = (sent.sent, sent.refused);
    }
    let pauses: Vec<Pause> = heard.pauses.finish(ended);
    LoadSent::Udp {
        packet_rate: sent.packet_rate,
        size: sent.size,
        bins,
        pauses,
        socket_drops: heard.dropped,
    }
}
