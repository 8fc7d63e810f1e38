//! A thread that asks a daemon how it is and reports every change: for progress and status, since
//! detection by BFD is read off the wire. When a hold timer expired no wire tells, only the daemon;
//! where it says so with the time, that is the time reported.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use super::NodeView;
use crate::{
    engine::sink::EventSink,
    os::clock,
    results::event::EventKind,
    units::{NodeName, SessionName},
};

/// How often the daemon is asked.
const ASK_NS: u64 = 100_000_000;

/// A session that came up or went down, by the daemon's own clock.
#[derive(Debug)]
pub(super) struct Change {
    /// The peer.
    pub(super) remote: IpAddr,
    /// Established now, or no longer.
    pub(super) is_up: bool,
    /// When, on CLOCK_MONOTONIC.
    pub(super) at: u64,
    /// Why it went down.
    pub(super) reason: Option<String>,
}

/// The thread; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Asker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Asker {
    /// Begins to ask the daemon of `node`. `sessions` says which session each peer's
    /// address belongs to; `told` what the daemon has said by itself since it was last called.
    pub(super) fn spawn(
        node: NodeName,
        sessions: BTreeMap<IpAddr, SessionName>,
        ask: impl Fn() -> anyhow::Result<NodeView> + Send + 'static,
        mut told: impl FnMut() -> Vec<Change> + Send + 'static,
        sink: EventSink,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new()
            .name(format!("ask-{node}"))
            .spawn({
                let stop = Arc::clone(&stop);
                move || {
                    let mut said = Said {
                        node,
                        sessions,
                        bgp: BTreeMap::new(),
                        bfd: BTreeMap::new(),
                    };
                    while !stop.load(Ordering::Relaxed) {
                        let at = clock::mono_ns();
                        // A daemon that was killed or frozen does not answer; its
                        // state is then what its peers and the wire say.
                        let now = ask();
                        let told = told();
                        said.tell(&told, &sink);
                        if let Ok(mut now) = now {
                            // The answer may be older than what was told meanwhile.
                            let is_told = |peer: &IpAddr| told.iter().any(|c| c.remote == *peer);
                            now.bgp.retain(|bgp| !is_told(&bgp.remote));
                            said.report(&now, at, &sink);
                        }
                        clock::sleep_until(at + ASK_NS);
                    }
                }
            })?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }

    /// Reports nothing more: another daemon of this node is about to take its place.
    pub(super) fn retire(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.retire();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The state last reported of each session of a node.
struct Said {
    node: NodeName,
    sessions: BTreeMap<IpAddr, SessionName>,
    bgp: BTreeMap<IpAddr, String>,
    bfd: BTreeMap<IpAddr, String>,
}

impl Said {
    /// What the daemon dated itself, even where an answer was sooner: its time is the better one.
    fn tell(&mut self, told: &[Change], sink: &EventSink) {
        for change in told {
            let Some(session) = self.sessions.get(&change.remote) else {
                continue;
            };
            let state = if change.is_up { "Established" } else { "Idle" };
            self.bgp.insert(change.remote, state.to_owned());
            let kind = EventKind::Session {
                session: session.to_string(),
                node: self.node.to_string(),
                state: state.to_owned(),
                reason: change.reason.clone(),
            };
            sink.at(change.at, kind);
        }
    }

    fn report(&mut self, now: &NodeView, at: u64, sink: &EventSink) {
        for bgp in &now.bgp {
            if let Some(session) = self.sessions.get(&bgp.remote)
                && self.bgp.insert(bgp.remote, bgp.state.clone()).as_ref() != Some(&bgp.state)
            {
                let kind = EventKind::Session {
                    session: session.to_string(),
                    node: self.node.to_string(),
                    state: bgp.state.clone(),
                    reason: bgp.reason.clone().filter(|_| !bgp.is_established()),
                };
                sink.at(at, kind);
            }
        }
        for bfd in &now.bfd {
            if let Some(session) = self.sessions.get(&bfd.remote)
                && self.bfd.insert(bfd.remote, bfd.state.clone()).as_ref() != Some(&bfd.state)
            {
                let kind = EventKind::Bfd {
                    session: session.to_string(),
                    node: self.node.to_string(),
                    state: bfd.state.clone(),
                    diagnostic: bfd.diagnostic.clone(),
                    detect_us: bfd.detect_us,
                };
                sink.at(at, kind);
            }
        }
    }
}
