//! The process: one thread for each socket and each endpoint checked.

use std::{
    fs::File,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::{fd::RawFd, unix::net::UnixStream},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use anyhow::Context;

use super::{FromService, Notice};
use crate::{
    os::{clock, fd},
    proto::dns::{Verdict, Zone},
    units::{FailoverRecord, ServiceConfig},
};

/// The largest message without EDNS (RFC 1035 §4.2.1) and room for what is not.
const MESSAGE: usize = 4096;

/// Body of `backhoe internal-service`: serves in the calling process's namespaces until the
/// other end of `control` is closed.
///
/// # Errors
/// The configuration cannot be read or a socket not be opened.
pub fn run(config: &Path, control: RawFd) -> anyhow::Result<()> {
    let file = File::open(config).with_context(|| format!("opening {}", config.display()))?;
    let config: ServiceConfig =
        serde_json::from_reader(file).context("the configuration is not what it should be")?;
    let mut control = fd::inherited_stream(control)?;
    control.set_nonblocking(false)?;
    let service = Arc::new(Service {
        zone: Mutex::new(Zone::new(config.records.clone())),
        control: Mutex::new(control.try_clone()?),
    });
    let mut listeners = Vec::new();
    for address in &config.accept {
        let context = || format!("{}: accepting at {address}", config.node);
        listeners.push(TcpListener::bind(address).with_context(context)?);
    }
    let mut sockets = Vec::new();
    for address in &config.dns {
        let context = || format!("{}: serving DNS at {address}", config.node);
        sockets.push(UdpSocket::bind(address).with_context(context)?);
    }
    service.tell(Notice::Ready);
    for listener in listeners {
        spawn("accept", move || accept(&listener))?;
    }
    for socket in sockets {
        let service = Arc::clone(&service);
        spawn("dns", move || service.serve(&socket))?;
    }
    for (at, record) in config.records.iter().enumerate() {
        service.tell_answer(at);
        for side in 0..record.endpoints.len() {
            let (service, record) = (Arc::clone(&service), record.clone());
            spawn("check", move || service.watch(&record, (at, side)))?;
        }
    }
    // Nothing is ever said on it: it ends with the lab.
    let mut nothing = [0; 1];
    let _ = control.read(&mut nothing);
    Ok(())
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> anyhow::Result<()> {
    let builder = thread::Builder::new().name(name.to_owned());
    builder
        .spawn(body)
        .with_context(|| format!("starting the thread {name}"))?;
    Ok(())
}

/// Whoever connects has learnt that somebody is there.
fn accept(listener: &TcpListener) {
    for connection in listener.incoming() {
        drop(connection);
    }
}

struct Service {
    zone: Mutex<Zone>,
    control: Mutex<UnixStream>,
}

impl Service {
    fn serve(&self, socket: &UdpSocket) {
        let mut buffer = [0; MESSAGE];
        loop {
            // An ICMP error of an earlier answer is no reason to stop.
            let Ok((length, from)) = socket.recv_from(&mut buffer) else {
                continue;
            };
            let query = buffer.get(..length).unwrap_or_default();
            let answer = lock(&self.zone).respond(query);
            if let Some(answer) = answer {
                let _ = socket.send_to(&answer, from);
            }
        }
    }

    /// Checks an endpoint for ever, each check at its time, whatever the one before took.
    fn watch(&self, record: &FailoverRecord, (at, side): (usize, usize)) {
        let Some(endpoint) = record.endpoints.get(side) else {
            return;
        };
        let check = record.check;
        let mut due = clock::mono_ns();
        loop {
            let result = connect(endpoint.target, check.timeout.as_duration());
            self.checked(record, (at, side), result.err());
            due += check.interval.as_nanos();
            clock::sleep_until(due);
        }
    }

    fn checked(
        &self,
        record: &FailoverRecord,
        (at, side): (usize, usize),
        failure: Option<std::io::Error>,
    ) {
        let passed = failure.is_none();
        let mut zone = lock(&self.zone);
        let before = zone.chosen(at).map(|endpoint| endpoint.host.clone());
        zone.handle_check(at, side, passed);
        let after = zone.chosen(at).map(|endpoint| endpoint.host.clone());
        let (Some(health), Some(endpoint)) = (zone.health(at, side), record.endpoints.get(side))
        else {
            return;
        };
        let notice = Notice::Check {
            name: record.name.clone(),
            endpoint: endpoint.host.to_string(),
            passed,
            in_a_row: health.in_a_row(),
            threshold: record.check.threshold,
            healthy: match health.verdict() {
                Verdict::Unknown => None,
                Verdict::Healthy => Some(true),
                Verdict::Unhealthy => Some(false),
            },
            reason: failure.map(|error| error.to_string()),
        };
        // What goes on as it was is not told.
        let is_news = health.in_a_row() <= record.check.threshold;
        drop(zone);
        if is_news {
            self.tell(notice);
        }
        if before != after {
            self.tell_answer(at);
        }
    }

    fn tell_answer(&self, at: usize) {
        let zone = lock(&self.zone);
        let (Some(record), Some(endpoint)) = (zone.records().nth(at), zone.chosen(at)) else {
            return;
        };
        let notice = Notice::Answer {
            name: record.name.clone(),
            endpoint: endpoint.host.to_string(),
            addresses: endpoint.addresses.clone(),
        };
        drop(zone);
        self.tell(notice);
    }

    fn tell(&self, notice: Notice) {
        let line = FromService {
            at_ns: clock::mono_ns(),
            notice,
        };
        // With the supervisor gone there is nobody to tell.
        if let Ok(mut text) = serde_json::to_string(&line) {
            text.push('\n');
            let _ = lock(&self.control).write_all(text.as_bytes());
        }
    }
}

/// A TCP connection, as Route 53's TCP health check makes one.
fn connect(target: SocketAddr, timeout: std::time::Duration) -> std::io::Result<()> {
    TcpStream::connect_timeout(&target, timeout).map(drop)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
