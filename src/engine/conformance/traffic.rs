//! Numbered, stamped packets across a pair.
#![expect(
    clippy::disallowed_methods,
    reason = "a measurement takes place in real time"
)]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow, bail};

use crate::{
    os::{
        clock::{self, ClockPair},
        sched,
        udp_probe::{RecvBatch, RecvSocket, SendSocket, header_bytes},
    },
    units::ProbeHeader,
};

use super::pair::{Pair, RUN, Side};

/// The first flow's port at the receiver.
const PORT: u16 = 21_000;
/// Above what the relay has, so that packets leave on time.
const SENDER_PRIORITY: u8 = 45;
/// Between looks at what has arrived, nanoseconds: rare, because a receiver that
/// wakes for every packet would disturb what is measured.
const LOOK: u64 = 2_000_000;

/// One way of one exchange.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stream {
    pub(super) from: Side,
    pub(super) count: u32,
    /// Nanoseconds between two packets.
    pub(super) gap: u64,
    /// Bytes of each IP packet.
    pub(super) size: usize,
    pub(super) is_v6: bool,
}

impl Stream {
    /// IPv4 packets of 200 bytes.
    pub(super) fn new(from: Side, count: u32, gap: u64) -> Self {
        Self {
            from,
            count,
            gap,
            size: 200,
            is_v6: false,
        }
    }
}

/// What became of a stream; times are CLOCK_MONOTONIC nanoseconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Trace {
    /// When each packet was sent, by number.
    pub(super) sent: Vec<u64>,
    /// Number and instant of each arrival, in the order of arrival.
    pub(super) arrived: Vec<(u32, u64)>,
}

impl Trace {
    /// Of each arrival the time since its sending, milliseconds.
    pub(super) fn delays_ms(&self) -> Vec<f64> {
        let delay = |&(number, at): &(u32, u64)| {
            let sent = self.sent.get(number as usize).copied()?;
            Some((at.cast_signed() - sent.cast_signed()) as f64 / 1e6)
        };
        self.arrived.iter().filter_map(delay).collect()
    }

    /// Numbers that arrived, ascending, each once.
    pub(super) fn numbers(&self) -> Vec<u32> {
        let mut numbers: Vec<u32> = self.arrived.iter().map(|&(number, _)| number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    /// Numbers that did not arrive.
    pub(super) fn lost(&self) -> Vec<u32> {
        let seen = self.numbers();
        let all = 0..self.sent.len() as u32;
        all.filter(|number| seen.binary_search(number).is_err())
            .collect()
    }

    /// Whether no packet arrived behind one that was sent after it.
    pub(super) fn is_in_order(&self) -> bool {
        self.arrived.is_sorted_by_key(|&(number, _)| number)
    }
}

/// Sends all streams at once while `meanwhile` runs, then waits `linger` for stragglers.
pub(super) fn exchange(
    pair: &Pair,
    streams: &[Stream],
    linger: Duration,
    meanwhile: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Trace>> {
    let over = Arc::new(AtomicBool::new(false));
    let mut senders = Vec::new();
    let mut receivers = Vec::new();
    for (flow, stream) in (0_u16..).zip(streams) {
        let stream = *stream;
        let (sender, receiver) = sockets(pair, stream, flow)?;
        let over = Arc::clone(&over);
        receivers.push(thread::spawn(move || receive(&receiver, flow, &over)));
        senders.push(move || send(&sender, stream, flow));
    }
    let senders: Vec<_> = senders.into_iter().map(thread::spawn).collect();
    let done = meanwhile();
    let sent: Vec<_> = senders
        .into_iter()
        .map(|sender| sender.join().map_err(|_| anyhow!("a sender panicked")))
        .collect();
    thread::sleep(linger);
    over.store(true, Ordering::Release);
    let mut traces = Vec::new();
    for (sent, receiver) in sent.into_iter().zip(receivers) {
        let arrived = receiver
            .join()
            .map_err(|_| anyhow!("a receiver panicked"))??;
        let sent = sent??;
        traces.push(Trace { sent, arrived });
    }
    done?;
    Ok(traces)
}

fn sockets(pair: &Pair, stream: Stream, flow: u16) -> anyhow::Result<(SendSocket, RecvSocket)> {
    let to = stream.from.other();
    let target = SocketAddr::new(to.address(stream.is_v6), PORT + flow);
    let receiver = pair.netns(to)?.run(|| RecvSocket::open(target))?;
    let source = stream.from.address(stream.is_v6);
    let sender = pair
        .netns(stream.from)?
        .run(|| SendSocket::open(source, target, false))?;
    Ok((sender, receiver))
}

fn send(socket: &SendSocket, stream: Stream, flow: u16) -> anyhow::Result<Vec<u64>> {
    // Without it packets leave late, which their stamps say.
    let _ = sched::try_fifo(SENDER_PRIORITY);
    let _ = sched::tight_timers();
    let headers = header_bytes(stream.from.address(stream.is_v6));
    let mut payload = vec![0; stream.size.saturating_sub(headers)];
    let begin = clock::mono_ns() + 1_000_000;
    let mut sent = Vec::with_capacity(stream.count as usize);
    for seq in 0..stream.count {
        clock::sleep_until(begin + u64::from(seq) * stream.gap);
        let sent_ns = clock::mono_ns();
        let header = ProbeHeader {
            run: RUN,
            flow,
            seq,
            sent_ns,
        };
        if !header.encode(&mut payload) {
            bail!("a packet of {} bytes holds no header", stream.size);
        }
        sent.push(sent_ns);
        // An interface without light refuses; the packet is lost like any other.
        let _ = socket.send(&payload);
    }
    Ok(sent)
}

fn receive(socket: &RecvSocket, flow: u16, over: &AtomicBool) -> anyhow::Result<Vec<(u32, u64)>> {
    let mut batch = RecvBatch::default();
    let mut arrived = Vec::new();
    loop {
        let last = over.load(Ordering::Acquire);
        let clock = ClockPair::sample();
        loop {
            let received = batch.receive(socket, |datagram| {
                let header = ProbeHeader::decode(datagram.payload);
                let header = header.filter(|header| header.run == RUN && header.flow == flow);
                if let (Some(header), Some(real)) = (header, datagram.real_ns) {
                    arrived.push((header.seq, clock.to_mono(real)));
                }
            })?;
            if !received.more {
                break;
            }
        }
        if last {
            return Ok(arrived);
        }
        clock::sleep_until(clock::mono_ns() + LOOK);
    }
}

/// Sends until one packet has arrived: neighbours are known then.
pub(super) fn await_one(
    pair: &Pair,
    from: Side,
    is_v6: bool,
    limit: Duration,
) -> anyhow::Result<()> {
    let stream = Stream {
        is_v6,
        ..Stream::new(from, 1, 0)
    };
    let (sender, receiver) = sockets(pair, stream, 0)?;
    let end = Instant::now() + limit;
    let mut batch = RecvBatch::default();
    while Instant::now() < end {
        send(&sender, stream, 0).context("sending")?;
        for _ in 0..10 {
            thread::sleep(Duration::from_millis(2));
            let mut any = false;
            batch.receive(&receiver, |_| any = true)?;
            if any {
                return Ok(());
            }
        }
    }
    bail!("nothing has arrived in {limit:?}")
}
