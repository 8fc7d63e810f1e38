//! The receiving thread.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    engine::{
        probe::{flow::FlowState, turn::Turns},
        sink::EventSink,
    },
    os::{
        clock::{self, ClockPair},
        sched,
        udp_probe::{self, Datagram, RecvBatch, RecvSocket},
    },
    results::event::Arrival,
    units::ProbeHeader,
};

/// Longest wait for a packet, so that a stop is noticed.
const PATIENCE_MS: u16 = 20;
/// The kernel stamps arrivals, so they may wait in the socket and be taken
/// together: fewer wake-ups disturb the lab less.
const GATHER_NS: u64 = 1_000_000;
/// Real-time priority: below the sender's. Being late costs nothing until a socket is full, which
/// is a matter of milliseconds at tens of thousands of packets a second.
const PRIORITY: u8 = 5;
/// Time between two readings of both clocks.
const CLOCK_PERIOD_NS: u64 = 100_000_000;

/// One flow as the receiver sees it.
pub(super) struct RecvFlow {
    pub(super) state: Arc<FlowState>,
    pub(super) id: u16,
    /// Of a flow to a service: which of its endpoints this is.
    pub(super) endpoint: Option<(Arc<Turns>, usize)>,
}

/// What the receiver leaves behind.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Datagrams that were no probe of this run and flow.
    pub(super) strays: u64,
    /// Packets the kernel did not stamp; they carry the time they were read.
    pub(super) unstamped: u64,
    /// Datagrams the sockets dropped.
    pub(super) dropped: u64,
    /// Largest error of a converted stamp, nanoseconds.
    pub(super) clock_error_ns: u64,
    /// The largest step of CLOCK_REALTIME, nanoseconds; 0: none.
    pub(super) step_ns: u64,
}

/// Receives until `stop`, then takes what is left. `sockets` and `flows` are parallel.
pub(super) fn run(
    sockets: &[RecvSocket],
    flows: &[RecvFlow],
    run: u64,
    stop: &AtomicBool,
    sink: &EventSink,
) -> io::Result<Heard> {
    // Where it is refused, the sender has said so for both.
    let _ = sched::try_fifo(PRIORITY);
    let mut heard = Heard::default();
    let mut clocks = Clocks::new();
    let mut batch = RecvBatch::default();
    loop {
        let stopping = stop.load(Ordering::Acquire);
        clocks.refresh(sink, stopping);
        let patience = if stopping { 0 } else { PATIENCE_MS };
        let ready = udp_probe::wait_readable(sockets, patience)?;
        for &position in &ready {
            let (Some(socket), Some(flow)) = (sockets.get(position), flows.get(position)) else {
                continue;
            };
            while batch
                .receive(socket, |datagram| {
                    take(datagram, flow, run, (&clocks, sink), &mut heard);
                })?
                .more
            {}
        }
        if stopping && ready.is_empty() {
            break;
        }
        if !ready.is_empty() {
            clock::sleep_until(clock::mono_ns() + GATHER_NS);
        }
    }
    for socket in sockets {
        heard.dropped += u64::from(socket.dropped()?);
    }
    heard.clock_error_ns = clocks.error_ns;
    heard.step_ns = clocks.step_ns;
    Ok(heard)
}

fn take(
    datagram: Datagram<'_>,
    flow: &RecvFlow,
    run: u64,
    (clocks, sink): (&Clocks, &EventSink),
    heard: &mut Heard,
) {
    let header = ProbeHeader::decode(datagram.payload)
        .filter(|header| header.run == run && header.flow == flow.id);
    let Some(header) = header else {
        heard.strays += 1;
        return;
    };
    let at = datagram.real_ns.map_or_else(
        || {
            heard.unstamped += 1;
            clock::mono_ns()
        },
        |real| clocks.pair.to_mono(real),
    );
    let arrival = Arrival {
        seq: header.seq,
        at,
        ttl: datagram.ttl,
    };
    if !flow.state.arrived(arrival, header.sent_ns) {
        heard.strays += 1;
    } else if let Some((turns, endpoint)) = &flow.endpoint {
        turns.heard(*endpoint, arrival.seq, arrival.at, sink);
    }
}

/// The conversion from stamps to the run's clock, kept fresh.
struct Clocks {
    pair: ClockPair,
    sampled_at: u64,
    error_ns: u64,
    step_ns: u64,
}

impl Clocks {
    fn new() -> Self {
        let pair = ClockPair::sample();
        Self {
            pair,
            sampled_at: clock::mono_ns(),
            error_ns: pair.error_ns,
            step_ns: 0,
        }
    }

    fn refresh(&mut self, sink: &EventSink, now_please: bool) {
        let now = clock::mono_ns();
        if !now_please && now.saturating_sub(self.sampled_at) < CLOCK_PERIOD_NS {
            return;
        }
        let fresh = ClockPair::sample();
        match fresh.stepped_since(&self.pair) {
            Some(step) => {
                sink.clock_stepped(step);
                self.step_ns = self.step_ns.max(step.unsigned_abs());
            }
            None => {
                // A stamp is converted with a pair at most one period old.
                let moved = fresh.offset_ns.abs_diff(self.pair.offset_ns);
                self.error_ns = self.error_ns.max(fresh.error_ns + moved);
            }
        }
        self.pair = fresh;
        self.sampled_at = now;
    }
}
