//! One thread that listens to every node's kernel.

use std::{
    collections::BTreeMap,
    io,
    net::IpAddr,
    os::fd::AsFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use anyhow::Context;
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use super::fib::{Change, FibMirror};
use crate::{
    engine::sink::EventSink,
    os::{
        clock,
        fib_watch::{FibNotice, FibWatch},
        netns::NetnsFd,
    },
    results::event::{EventKind, MonoNs},
    units::NodeName,
};

/// How often a node's FIB is tried to be read while news of it pour in.
const SNAPSHOTS: u32 = 8;
/// How long to wait for news before looking around.
const PATIENCE_MS: u16 = 100;
/// The kernel tells when a LAG's member begins or ceases to send, but not when one
/// that already sent gains a partner: its state is asked for, twice as often as the
/// kernel's own LACP machine runs.
const LACP_EVERY_NS: u64 = 50_000_000;

/// A node to listen to.
#[derive(Debug)]
pub struct NodeWatch {
    /// Its name.
    pub node: NodeName,
    /// Its namespace.
    pub netns: NetnsFd,
    /// Which link or tunnel is behind each interface.
    pub links: BTreeMap<String, String>,
    /// Names of tables by number that no VRF's device tells.
    pub tables: BTreeMap<u32, String>,
    /// Bytes of news for which its socket has room, usually
    /// [`RECEIVE_BUFFER`](crate::os::fib_watch::RECEIVE_BUFFER).
    pub buffer: u32,
}

/// The listening thread; it ends when this is dropped.
#[derive(Debug)]
pub struct Watcher {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Watched {
    node: NodeWatch,
    watch: FibWatch,
    mirror: FibMirror,
    /// When the state of its LAGs was last asked for.
    asked: MonoNs,
}

impl Watcher {
    /// Subscribes in every node and begins to report. In a large FIB only routes
    /// covering one of `interest` are reported.
    pub fn spawn(
        nodes: Vec<NodeWatch>,
        interest: &[IpAddr],
        sink: EventSink,
    ) -> anyhow::Result<Self> {
        let mut watched = nodes
            .into_iter()
            .map(|node| {
                let (watch, snapshot) =
                    open(&node).with_context(|| format!("watching the FIB of {}", node.node))?;
                let mut mirror = FibMirror::new(interest.to_vec(), node.tables.clone());
                for notice in snapshot {
                    mirror.handle(notice);
                }
                Ok(Watched {
                    node,
                    watch,
                    mirror,
                    asked: 0,
                })
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        // What had come about before anybody listened is news all the same.
        let now = clock::mono_ns();
        for Watched { node, mirror, .. } in &watched {
            for change in mirror.aggregated() {
                report(node, change, now, &sink);
            }
        }
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new()
            .name("fib-watch".to_owned())
            .spawn({
                let stop = Arc::clone(&stop);
                move || {
                    while !stop.load(Ordering::Relaxed) {
                        turn(&mut watched, &sink);
                    }
                }
            })?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Subscribes, and reads what is there.
fn open(node: &NodeWatch) -> io::Result<(FibWatch, Vec<FibNotice>)> {
    let mut attempts = 0;
    loop {
        let mut watch = FibWatch::with_buffer(&node.netns, node.buffer)?;
        attempts += 1;
        match watch.snapshot() {
            Ok(snapshot) => return Ok((watch, snapshot)),
            // News came faster than they could be taken in.
            Err(error) if is_overrun(&error) && attempts < SNAPSHOTS => {}
            Err(error) => return Err(error),
        }
    }
}

fn is_overrun(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ENOBUFS as i32)
}

impl Watched {
    /// Reads everything anew, because nothing that was known need be true any more, and tells
    /// what is different.
    fn read_again(&mut self, sink: &EventSink) {
        match open(&self.node) {
            Ok((watch, snapshot)) => {
                let at = clock::mono_ns();
                let tables = self.node.tables.clone();
                let (mirror, changes) = self.mirror.read_again(tables, snapshot);
                (self.watch, self.mirror) = (watch, mirror);
                for change in changes {
                    report(&self.node, change, at, sink);
                }
            }
            // The old one still hears what comes.
            Err(error) => sink.warn(
                "fib-watch-failed",
                format!("{}: its FIB cannot be read again: {error}", self.node.node),
                false,
            ),
        }
    }
}

/// Waits for notices (or for a moment, to see a stop) and reports them.
fn turn(watched: &mut [Watched], sink: &EventSink) {
    let patience = match ask_lags(watched) {
        true => (LACP_EVERY_NS / 1_000_000) as u16,
        false => PATIENCE_MS,
    };
    let ready: Vec<bool> = {
        let mut fds: Vec<PollFd> = watched
            .iter()
            .map(|w| PollFd::new(w.watch.as_fd(), PollFlags::POLLIN))
            .collect();
        if poll(&mut fds, PollTimeout::from(patience)).is_err() {
            return;
        }
        fds.iter().map(|fd| fd.any().unwrap_or(false)).collect()
    };
    for (watched, _) in watched.iter_mut().zip(ready).filter(|(_, ready)| *ready) {
        let at = clock::mono_ns();
        match watched.watch.read() {
            Ok(notices) => {
                let missed = notices.contains(&FibNotice::Overrun);
                for notice in notices {
                    for change in watched.mirror.handle(notice) {
                        report(&watched.node, change, at, sink);
                    }
                }
                if missed {
                    watched.read_again(sink);
                }
            }
            Err(error) => sink.warn(
                "fib-watch-failed",
                format!(
                    "{}: FIB changes are no longer seen: {error}",
                    watched.node.node
                ),
                false,
            ),
        }
    }
}

/// Asks every node that has LAGs for their state when it is time; whether any has.
fn ask_lags(watched: &mut [Watched]) -> bool {
    let now = clock::mono_ns();
    let mut any = false;
    for node in watched.iter_mut().filter(|w| w.mirror.has_members()) {
        any = true;
        if now.saturating_sub(node.asked) >= LACP_EVERY_NS {
            node.asked = now;
            // A socket that fails says so when it is read.
            let _ = node.watch.ask_links();
        }
    }
    any
}

fn report(node: &NodeWatch, change: Change, at: u64, sink: &EventSink) {
    match change {
        Change::Route {
            vrf,
            prefix,
            via,
            dev,
            blackhole,
            inferred,
        } => sink.at(
            at,
            EventKind::Fib {
                node: node.node.to_string(),
                vrf,
                prefix,
                via,
                dev,
                blackhole,
                inferred,
            },
        ),
        Change::Carrier { dev, up } => {
            let link = node.links.get(&dev).cloned();
            sink.at(
                at,
                EventKind::Carrier {
                    node: node.node.to_string(),
                    dev,
                    link,
                    up,
                },
            );
        }
        Change::Lacp { dev, up } => {
            let link = node.links.get(&dev).cloned();
            sink.at(
                at,
                EventKind::Lacp {
                    node: node.node.to_string(),
                    dev,
                    link,
                    up,
                },
            );
        }
        Change::Neighbour {
            dev,
            address,
            reachable,
        } => {
            let link = node.links.get(&dev).cloned();
            sink.at(
                at,
                EventKind::Neighbour {
                    node: node.node.to_string(),
                    dev,
                    link,
                    address,
                    reachable,
                },
            );
        }
        Change::Overrun => sink.warn(
            "fib-watch-overrun",
            format!(
                "{}: news of the FIB were missed (netlink overrun), so its FIB phase may be missing or late; free the host, raise net.core.rmem_max, or have fewer routes",
                node.node
            ),
            false,
        ),
    }
}
