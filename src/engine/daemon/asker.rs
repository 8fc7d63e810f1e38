//! A thread that asks a daemon how it is and reports every change. Detection
//! times come from the wire; this is only for progress and status.

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

/// The thread; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Asker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Asker {
    /// Begins to ask the daemon of `node`. `sessions` says which session each peer's
    /// address belongs to.
    pub(super) fn spawn(
        node: NodeName,
        sessions: BTreeMap<IpAddr, SessionName>,
        ask: impl Fn() -> anyhow::Result<NodeView> + Send + 'static,
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
                        if let Ok(now) = ask() {
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
