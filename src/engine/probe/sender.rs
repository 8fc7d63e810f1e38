//! The sending thread.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crate::{
    engine::{
        probe::{
            flow::FlowState,
            histogram::Histogram,
            pacing::{Pace, Pacing},
            turn::Turns,
            wakeful::Wakeful,
        },
        sink::EventSink,
    },
    os::{clock, sched, udp_probe::SendSocket},
    results::event::MonoNs,
    units::{PROBE_HEADER_LEN, ProbeHeader},
};

/// Real-time priority of the sender: above ordinary threads, below a BFD speaker's.
const PRIORITY: u8 = 10;
/// Longest sleep, so that a stop is noticed also at low rates.
const LONGEST_SLEEP_NS: u64 = 20_000_000;
/// Below this the sender leaves too little of a processor for anything else to be worth it.
const SATURATED_NS: u64 = 25_000;

/// Where the sender sleeps for less than this, the processor does not: above 4,000 packets a
/// second of all flows it is kept from halting.
const WAKEFUL_NS: u64 = 250_000;

/// After how many packets of a flow it is asked where the sender runs now.
const FOLLOW: usize = 256;

/// One flow as the sender sees it.
pub(super) struct SendFlow {
    /// One for each endpoint of a service, else one.
    pub(super) sockets: Vec<SendSocket>,
    /// Which of them is used, where there are several.
    pub(super) choice: Option<Choice>,
    pub(super) state: Arc<FlowState>,
    pub(super) id: u16,
    pub(super) rate: u32,
    /// UDP payload bytes.
    pub(super) payload: usize,
}

/// Who says which socket a packet leaves by.
#[derive(Clone)]
pub(super) enum Choice {
    /// The client, by what its name resolved to.
    Used(Arc<Turns>),
    /// The endpoint that the client reaches.
    Serving(Arc<Turns>),
}

impl Choice {
    pub(super) fn now(&self) -> usize {
        match self {
            Self::Used(turns) => turns.used(),
            Self::Serving(turns) => turns.serving(),
        }
    }
}

/// What the sender leaves behind.
pub(super) struct Sent {
    /// Send times by flow and sequence number.
    pub(super) times: Vec<Vec<Option<MonoNs>>>,
    /// By flow: from which sequence number on which socket was used.
    pub(super) turns: Vec<Vec<(u32, usize)>>,
    pub(super) lateness: Histogram,
    pub(super) realtime: bool,
}

/// Sends until `stop`.
pub(super) fn run(
    flows: &[SendFlow],
    run: u64,
    start: MonoNs,
    stop: &AtomicBool,
    sink: &EventSink,
) -> Sent {
    let refused = sched::try_fifo(PRIORITY).err();
    let realtime = refused.is_none();
    if let Some(error) = refused {
        let text = format!(
            "probe sender: no realtime priority ({error}), so under load packets leave late by milliseconds"
        );
        sink.warn("no-realtime", text, false);
    }
    // Refused only by a seccomp filter; lateness is measured either way.
    let _ = sched::tight_timers();
    let gap = gap_ns(flows);
    let several = thread::available_parallelism().is_ok_and(|processors| processors.get() > 1);
    // Where it cannot be had, packets leave a little later, and are measured like that.
    let wakeful = (several && (SATURATED_NS..WAKEFUL_NS).contains(&gap))
        .then(|| Wakeful::start().ok())
        .flatten();
    let paces: Vec<Pace> = flows.iter().map(|f| Pace { rate: f.rate }).collect();
    let mut pacing = Pacing::new(start, &paces);
    let mut lateness = Histogram::default();
    let mut times: Vec<Vec<Option<MonoNs>>> = flows
        .iter()
        .map(|flow| Vec::with_capacity(flow.rate as usize * 60))
        .collect();
    let mut turns: Vec<Vec<(u32, usize)>> = vec![Vec::new(); flows.len()];
    let mut buffer = vec![0u8; flows.iter().map(|f| f.payload).max().unwrap_or(0)];
    while let Some((due, position)) = pacing.next() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let now = clock::mono_ns();
        if now < due {
            // Always a sleep, however short: a realtime thread that waits awake leaves nothing of
            // its processor to whoever reads what has arrived.
            clock::sleep_until(due.min(now + LONGEST_SLEEP_NS));
            continue;
        }
        pacing.advance();
        let (Some(flow), Some(log)) = (flows.get(position), times.get_mut(position)) else {
            break;
        };
        lateness.record(now - due);
        let by = flow.choice.as_ref().map_or(0, Choice::now);
        if let (Some(_), Some(turns)) = (&flow.choice, turns.get_mut(position))
            && turns.last().is_none_or(|(_, last)| *last != by)
        {
            turns.push((log.len() as u32, by));
        }
        if log.len() % FOLLOW == 0
            && let Some(wakeful) = &wakeful
        {
            wakeful.follow();
        }
        let sent = send_one((flow, by), run, log.len(), &mut buffer);
        log.push(sent);
    }
    Sent {
        times,
        turns,
        lateness,
        realtime,
    }
}

/// The mean time between two packets, of whatever flow.
fn gap_ns(flows: &[SendFlow]) -> u64 {
    let rate: u64 = flows.iter().map(|flow| u64::from(flow.rate)).sum();
    1_000_000_000 / rate.max(1)
}

/// Sends packet `seq`; the time just before it, or `None` when it was refused.
fn send_one(
    (flow, by): (&SendFlow, usize),
    run: u64,
    seq: usize,
    buffer: &mut [u8],
) -> Option<MonoNs> {
    flow.state.sending(seq as u64);
    let sent_ns = clock::mono_ns();
    let header = ProbeHeader {
        run,
        flow: flow.id,
        seq: seq as u32,
        sent_ns,
    };
    let payload = buffer.get_mut(..flow.payload.max(PROBE_HEADER_LEN))?;
    header.encode(payload);
    let socket = flow.sockets.get(by)?;
    if socket.send(payload).is_ok() {
        Some(sent_ns)
    } else {
        flow.state.refused();
        None
    }
}
