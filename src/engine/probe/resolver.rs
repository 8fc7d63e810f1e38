//! A client's stub resolver: asks the server for the name, keeps the answer for its TTL, asks
//! again. While nobody answers, the client goes on with what it has.

use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, bail};

use super::turn::Turns;
use crate::{
    engine::sink::EventSink,
    os::clock,
    proto::dns::{query, read_answer},
    results::event::EventKind,
    units::{Family, NodeName, ProbeName},
};

/// How long an answer may take before the question is asked again.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the first answer may take altogether.
const FIRST_WITHIN_NS: u64 = 5_000_000_000;
/// Longest sleep, so that a stop is noticed.
const LONGEST_SLEEP_NS: u64 = 20_000_000;
const SECOND_NS: u64 = 1_000_000_000;

/// One probe's resolver.
#[derive(Debug)]
pub(super) struct Resolver {
    probe: ProbeName,
    client: NodeName,
    name: NodeName,
    family: Family,
    socket: UdpSocket,
    turns: Arc<Turns>,
    id: u16,
}

impl Resolver {
    /// To be called in the client's namespace.
    pub(super) fn open(
        (probe, client, name): (ProbeName, NodeName, NodeName),
        server: SocketAddr,
        turns: Arc<Turns>,
    ) -> std::io::Result<Self> {
        let any: IpAddr = match server {
            SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
        socket.connect(server)?;
        let family = turns.endpoints.first().map_or(Family::Ipv4Unicast, |end| {
            Family::of(&ipnet::IpNet::from(end.address))
        });
        Ok(Self {
            probe,
            client,
            name,
            family,
            socket,
            turns,
            // What nobody else can send needs no guessing against.
            id: clock::mono_ns() as u16,
        })
    }

    /// The first answer, without which there is nowhere to send to; returns how long it is kept,
    /// nanoseconds.
    ///
    /// # Errors
    /// Nobody answers, or not with an address of an endpoint.
    pub(super) fn first(&mut self, sink: &EventSink) -> anyhow::Result<u64> {
        let deadline = clock::mono_ns() + FIRST_WITHIN_NS;
        loop {
            let error = match self.ask(sink) {
                Ok(kept) => return Ok(kept),
                Err(error) => error,
            };
            if clock::mono_ns() >= deadline {
                return Err(error)
                    .with_context(|| format!("{}: resolving {} at first", self.client, self.name));
            }
        }
    }

    /// Asks again whenever the answer has expired, until `stop`.
    pub(super) fn run(mut self, kept_ns: u64, stop: &AtomicBool, sink: &EventSink) {
        let mut expires = clock::mono_ns() + kept_ns;
        let mut complained = false;
        while !stop.load(Ordering::Relaxed) {
            let now = clock::mono_ns();
            if now < expires {
                clock::sleep_until(expires.min(now + LONGEST_SLEEP_NS));
                continue;
            }
            match self.ask(sink) {
                Ok(kept) => expires = clock::mono_ns() + kept,
                Err(error) if !complained => {
                    complained = true;
                    let text = format!(
                        "{}: {error:#}; it goes on with the answer it had",
                        self.client
                    );
                    sink.warn("dns-silent", text, false);
                }
                Err(_) => {}
            }
        }
    }

    /// One question; returns how long its answer is kept, nanoseconds.
    fn ask(&mut self, sink: &EventSink) -> anyhow::Result<u64> {
        let asked = clock::mono_ns();
        let result = self.answer();
        let (address, ttl_s) = match result {
            Ok(found) => found,
            Err(error) => {
                // A refusal comes at once; the next question waits its time.
                clock::sleep_until(asked + PATIENCE.as_nanos() as u64 / 4);
                return Err(error);
            }
        };
        let mut endpoints = self.turns.endpoints.iter();
        let Some(endpoint) = endpoints.position(|end| end.address == address) else {
            bail!("{} is {address}, which is no endpoint's", self.name);
        };
        let at = clock::mono_ns();
        let moved = self.turns.turn_to(endpoint);
        let host = self.turns.endpoints.get(endpoint);
        let resolved = EventKind::Resolved {
            probe: self.probe.to_string(),
            node: self.client.to_string(),
            name: self.name.to_string(),
            address,
            endpoint: host.map(|end| end.host.to_string()).unwrap_or_default(),
            primary: endpoint == 0,
            ttl_s,
            moved,
        };
        sink.at(at, resolved);
        Ok(u64::from(ttl_s) * SECOND_NS)
    }

    fn answer(&mut self) -> anyhow::Result<(IpAddr, u32)> {
        self.id = self.id.wrapping_add(1);
        let name = self.name.as_str();
        let question = query(self.id, name, self.family)
            .with_context(|| format!("{name} is no name of DNS"))?;
        let silent = || format!("nobody answers for {name}");
        self.socket.send(&question).with_context(silent)?;
        let deadline = clock::now() + PATIENCE;
        let mut buffer = [0; 1500];
        loop {
            let left = deadline.saturating_duration_since(clock::now());
            if left.is_zero() {
                bail!(silent());
            }
            self.socket.set_read_timeout(Some(left))?;
            let length = match self.socket.recv(&mut buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error).with_context(silent),
            };
            let text = buffer.get(..length).unwrap_or_default();
            match read_answer(text, self.id, name, self.family) {
                Ok(found) => return Ok(found),
                // An answer that comes after its question was given up.
                Err(crate::proto::dns::AnswerError::Stray) => {}
                Err(error) => bail!("asking for {name}: {error}"),
            }
        }
    }
}
