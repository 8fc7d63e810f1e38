//! Bulk transfers.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::Context as _;

use super::pauses::Pauses;
use crate::{
    lab::{model::Transport, plan::LoadPlan},
    os::{clock, netns::NetnsFd, tcp_bulk},
    results::event::{LoadSent, MonoNs, StreamLog, TcpSample},
};

/// How long a connection may take to come about.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest wait for room or data, so that samples come in time and a stop is noticed.
const WAIT_MS: u16 = 5;
/// Data may gather for this long: fewer wake-ups disturb the lab less.
const GATHER_NS: u64 = 1_000_000;
/// Bytes written at once.
const CHUNK: usize = 64 << 10;
/// Chunks written to one stream before the next has its turn.
const CHUNKS: usize = 4;
/// Bytes taken at once.
const MOST: usize = 1 << 20;
/// IP and TCP header without options, of IPv4 and IPv6; RFC 7323's timestamps take 12 more.
const HEADERS: [u16; 2] = [20 + 20, 40 + 20];
const TIMESTAMPS: u16 = 12;

/// Streams that are connected and have sent nothing.
#[derive(Debug)]
pub(super) struct TcpLoad {
    sampling_ns: u64,
    congestion_control: String,
    header_bytes: u16,
    streams: Vec<Stream>,
}

#[derive(Debug)]
struct Stream {
    sender: TcpStream,
    receiver: TcpStream,
    log: StreamLog,
    received: u64,
    broken: bool,
}

impl TcpLoad {
    /// Connects all streams, from the first namespace to the second.
    pub(super) fn open(plan: &LoadPlan, [from, to]: [&NetnsFd; 2]) -> anyhow::Result<Self> {
        let Transport::Tcp {
            streams,
            congestion_control,
        } = &plan.transport
        else {
            anyhow::bail!("it is no TCP load");
        };
        let local = SocketAddr::new(plan.destination, plan.port);
        let listener = to
            .run(|| tcp_bulk::listen(local))
            .with_context(|| format!("listening at {local}"))?;
        let wanted = congestion_control.as_deref();
        let mut open = Vec::new();
        for _ in 0..*streams {
            let connect = || tcp_bulk::connect(plan.source, local, wanted, PATIENCE);
            let sender = from.run(connect).with_context(|| match wanted {
                Some(name) => format!("connecting to {local} with {name}"),
                None => format!("connecting to {local}"),
            })?;
            let (receiver, _) = listener.accept().context("accepting")?;
            let info = tcp_bulk::info(&sender).context("TCP_INFO")?;
            open.push(Stream {
                sender,
                receiver,
                log: StreamLog {
                    handshake_rtt_us: info.rtt_us,
                    ..StreamLog::default()
                },
                received: 0,
                broken: false,
            });
        }
        let first = open.first().context("a load without streams")?;
        let timestamps = tcp_bulk::info(&first.sender)
            .context("TCP_INFO")?
            .timestamps;
        let [v4, v6] = HEADERS;
        let header = if plan.destination.is_ipv4() { v4 } else { v6 };
        Ok(Self {
            sampling_ns: plan.sampling.as_nanos(),
            congestion_control: tcp_bulk::congestion_control(&first.sender)
                .context("TCP_CONGESTION")?,
            header_bytes: header + if timestamps { TIMESTAMPS } else { 0 },
            streams: open,
        })
    }

    fn streams(&self) -> impl Iterator<Item = &Stream> {
        self.streams.iter().filter(|stream| !stream.broken)
    }
}

/// Sends, receives and samples until `stop`.
pub(super) fn run(
    mut loads: Vec<TcpLoad>,
    began: MonoNs,
    stop: &AtomicBool,
) -> io::Result<Vec<LoadSent>> {
    let chunk = vec![0u8; CHUNK];
    let count = loads.iter().map(|load| load.streams.len()).sum();
    let mut pauses: Vec<Pauses> = (0..count).map(|_| Pauses::new(began)).collect();
    let mut due: Vec<MonoNs> = vec![began; loads.len()];
    loop {
        let stopping = stop.load(Ordering::Acquire);
        let now = clock::mono_ns();
        for (load, due) in loads.iter_mut().zip(&mut due) {
            if now >= *due || stopping {
                load.streams.iter_mut().for_each(|s| s.sample(now));
                // What was missed is not made up for.
                *due = (*due + load.sampling_ns).max(now);
            }
        }
        if stopping {
            break;
        }
        let all = || loads.iter().flat_map(TcpLoad::streams);
        let senders: Vec<&TcpStream> = all().map(|stream| &stream.sender).collect();
        let receivers: Vec<&TcpStream> = all().map(|stream| &stream.receiver).collect();
        tcp_bulk::wait(&senders, &receivers, WAIT_MS)?;
        let streams = loads.iter_mut().flat_map(|load| &mut load.streams);
        for (stream, pauses) in streams.zip(&mut pauses).filter(|(s, _)| !s.broken) {
            stream.turn(&chunk, pauses);
        }
        clock::sleep_until(clock::mono_ns() + GATHER_NS);
    }
    let ended = clock::mono_ns();
    let mut pauses = pauses.into_iter();
    let each = loads.into_iter().map(|load| LoadSent::Tcp {
        congestion_control: load.congestion_control,
        header_bytes: load.header_bytes,
        streams: (load.streams.into_iter().zip(&mut pauses))
            .map(|(stream, pauses)| StreamLog {
                pauses: pauses.finish(ended),
                ..stream.log
            })
            .collect(),
    });
    Ok(each.collect())
}

impl Stream {
    /// Takes what has arrived, and writes as long as there is room.
    fn turn(&mut self, chunk: &[u8], pauses: &mut Pauses) {
        loop {
            match tcp_bulk::discard(&self.receiver, MOST) {
                Ok(Some(taken)) => {
                    self.received += taken as u64;
                    pauses.arrival(clock::mono_ns());
                }
                Ok(None) => break,
                Err(error) => return self.broke(&error),
            }
        }
        for _ in 0..CHUNKS {
            match tcp_bulk::send(&self.sender, chunk) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => return self.broke(&error),
            }
        }
    }

    fn broke(&mut self, error: &io::Error) {
        self.broken = true;
        self.log.broke = Some((clock::mono_ns(), error.to_string()));
    }

    fn sample(&mut self, at: MonoNs) {
        // Of a connection that is gone the kernel keeps the counters.
        let Ok(info) = tcp_bulk::info(&self.sender) else {
            return;
        };
        self.log.samples.push(TcpSample {
            at,
            received: self.received,
            sent: info.sent,
            retransmitted: info.retransmitted,
            acked: info.acked,
            rtt_us: info.rtt_us,
            cwnd: info.cwnd,
            mss: info.mss,
            path_mtu: info.path_mtu,
            receive_window: info.receive_window,
            starved: !self.broken && info.unsent == 0 && !self.log.samples.is_empty(),
        });
    }
}
