//! The lab's WireGuard tunnels: one process per end, started together, then listened to.

use std::{
    collections::BTreeMap,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context, bail};

use crate::{
    engine::{
        daemon::wireguard::{
            TunnelControl, TunnelEndConfig, TunnelMessage, TunnelStatus, tunnel_ends,
        },
        init::RunDir,
        instrument::Namespaces,
        sink::EventSink,
    },
    lab::plan::{Plan, TunnelBy, TunnelPlan},
    os::{
        clock,
        netns::NetnsFd,
        process::{PidFd, Spawn},
        wireguard::{self, Backend},
    },
    results::event::EventKind,
    units::NodeName,
};

/// How long an end may take to have its interface up.
const READY: Duration = Duration::from_secs(5);
/// How often the ends are listened to. What they say carries its own time.
const LISTEN: Duration = Duration::from_millis(10);

/// The tunnels' processes and the thread that listens to them.
#[derive(Debug)]
pub(super) struct Tunnels {
    stop: Arc<AtomicBool>,
    ends: Arc<Mutex<Vec<End>>>,
    listener: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct End {
    config: TunnelEndConfig,
    process: PidFd,
    control: TunnelControl,
    backend: String,
    netns: NetnsFd,
    gone: bool,
}

impl End {
    /// The kernel's WireGuard would outlive its process and go on carrying; a
    /// dead end carries nothing, whichever backend it had.
    fn bury(&self) -> std::io::Result<()> {
        if self.backend == Backend::Kernel.to_string() {
            wireguard::remove(&self.netns, &self.config.settings.interface)?;
        }
        Ok(())
    }
}

/// Tunnel ends whose processes have been started.
#[derive(Debug)]
pub(super) struct Rising(Vec<End>);

impl Tunnels {
    /// Starts every end.
    pub(super) fn spawn(
        plan: &Plan,
        (holders, namespaces): (&BTreeMap<NodeName, PidFd>, &Namespaces),
        run_dir: &RunDir,
    ) -> anyhow::Result<Rising> {
        let mut ends = Vec::new();
        let wireguard = |tunnel: &&TunnelPlan| tunnel.by == TunnelBy::Wireguard;
        for tunnel in plan.tunnels.iter().filter(wireguard) {
            for config in tunnel_ends(tunnel, None) {
                let netns = namespaces
                    .get(&config.node)
                    .with_context(|| format!("tunnel {} ends nowhere", config.tunnel))?
                    .try_clone()?;
                ends.push(spawn(config, netns, holders, run_dir)?);
            }
        }
        Ok(Rising(ends))
    }
}

impl Rising {
    /// Waits until all interfaces are there, and listens from then on.
    pub(super) fn ready(self, sink: &EventSink) -> anyhow::Result<Tunnels> {
        let mut ends = self.0;
        for end in &mut ends {
            ready(end)?;
        }
        let is_empty = ends.is_empty();
        let ends = Arc::new(Mutex::new(ends));
        let stop = Arc::new(AtomicBool::new(false));
        let listener = (!is_empty)
            .then(|| {
                let (ends, stop, sink) = (Arc::clone(&ends), Arc::clone(&stop), sink.clone());
                std::thread::Builder::new()
                    .name("tunnels".to_owned())
                    .spawn(move || {
                        while !stop.load(Ordering::Relaxed) {
                            let mut ends = ends.lock().unwrap_or_else(PoisonError::into_inner);
                            for end in ends.iter_mut().filter(|end| !end.gone) {
                                listen(end, &sink);
                            }
                            drop(ends);
                            // Whoever waits for the ends gets them now: a mutex is not fair.
                            std::thread::sleep(LISTEN);
                        }
                    })
            })
            .transpose()?;
        Ok(Tunnels {
            stop,
            ends,
            listener,
        })
    }
}

impl Tunnels {
    /// The processes of one node's ends.
    pub(super) fn processes_of(&self, node: &NodeName) -> Vec<PidFd> {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.iter()
            .filter(|end| end.config.node == *node && !end.gone)
            .filter_map(|end| end.process.try_clone().ok())
            .collect()
    }

    /// Takes away what killed processes of `node` have left in the kernel.
    ///
    /// # Errors
    /// An interface that could not be deleted.
    pub(super) fn bury(&self, node: &NodeName) -> anyhow::Result<()> {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        for end in ends.iter().filter(|end| end.config.node == *node) {
            end.bury()
                .with_context(|| format!("deleting tunnel {} at {node}", end.config.tunnel))?;
        }
        Ok(())
    }

    /// Starts the ends of `node` that have ended, with the keys they had. They
    /// begin: their peers still hold a session that nobody knows any more, and
    /// would notice after 15 s. Returns whether there were any.
    pub(super) fn restart(
        &self,
        node: &NodeName,
        holders: &BTreeMap<NodeName, PidFd>,
        run_dir: &RunDir,
    ) -> anyhow::Result<bool> {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let mut any = false;
        for end in ends.iter_mut().filter(|end| end.config.node == *node) {
            if end.process.ended_within(Duration::ZERO)? {
                let netns = end.netns.try_clone()?;
                let config = TunnelEndConfig {
                    initiates: true,
                    ..end.config.clone()
                };
                *end = spawn(config, netns, holders, run_dir)?;
                ready(end)?;
                any = true;
            }
        }
        Ok(any)
    }

    /// What each end says of itself: tunnel, node, status.
    pub(super) fn statuses(&self) -> Vec<(String, String, Option<TunnelStatus>)> {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.iter_mut()
            .map(|end| {
                let status = end.control.status(Duration::from_secs(1), |_| {}).ok();
                (
                    end.config.tunnel.to_string(),
                    end.config.node.to_string(),
                    status,
                )
            })
            .collect()
    }

    /// `kernel`, `userspace` or `none`.
    pub(super) fn backend(&self) -> String {
        let ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.first()
            .map_or_else(|| "none".to_owned(), |end| end.backend.clone())
    }
}

impl Drop for Tunnels {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

fn spawn(
    config: TunnelEndConfig,
    netns: NetnsFd,
    holders: &BTreeMap<NodeName, PidFd>,
    run_dir: &RunDir,
) -> anyhow::Result<End> {
    let what = || format!("tunnel {} at {}", config.tunnel, config.node);
    let holder = holders.get(&config.node).with_context(what)?;
    let (ours, theirs) = UnixStream::pair()?;
    let theirs = OwnedFd::from(theirs);
    let log = run_dir.append(format!("logs/{}.{}.log", config.node, config.tunnel))?;
    let process = Spawn::new("/proc/self/exe")
        .title(&format!("tunnel {} at {}", config.tunnel, config.node))
        .node(holder.try_clone()?)
        .args([
            "internal-tunnel".to_owned(),
            "--control-fd".to_owned(),
            theirs.as_raw_fd().to_string(),
        ])
        .inherit(theirs)
        .log(log)?
        .spawn()
        .with_context(what)?;
    let control = TunnelControl::new(ours, &config).with_context(what)?;
    Ok(End {
        config,
        process,
        control,
        backend: String::new(),
        netns,
        gone: false,
    })
}

fn ready(end: &mut End) -> anyhow::Result<()> {
    let what = format!("tunnel {} at {}", end.config.tunnel, end.config.node);
    let deadline = clock::now() + READY;
    loop {
        let left = deadline.saturating_duration_since(clock::now());
        match end.control.next(left).with_context(|| what.clone())? {
            Some(TunnelMessage::Ready { backend }) => {
                end.backend = backend.to_string();
                return Ok(());
            }
            Some(TunnelMessage::Failed { error }) => bail!("{what}: {error}"),
            Some(TunnelMessage::Handshake { .. } | TunnelMessage::Status { .. }) => {}
            None => bail!(
                "{what}: its interface is not up after {} s",
                READY.as_secs()
            ),
        }
    }
}

fn listen(end: &mut End, sink: &EventSink) {
    let event = |state: &str, end: &End| EventKind::Tunnel {
        tunnel: end.config.tunnel.to_string(),
        node: end.config.node.to_string(),
        state: state.to_owned(),
        backend: end.backend.clone(),
    };
    match end.control.next(Duration::ZERO) {
        Ok(Some(TunnelMessage::Handshake { at })) => sink.at(at, event("up", end)),
        Ok(Some(TunnelMessage::Failed { error })) => {
            sink.warn(
                "tunnel-failed",
                format!("{}: {error}", end.config.tunnel),
                false,
            );
        }
        Ok(Some(TunnelMessage::Ready { .. } | TunnelMessage::Status { .. }) | None) => {}
        Err(_) => {
            end.gone = true;
            if let Err(error) = end.bury() {
                let text = format!("{}: its interface stays: {error}", end.config.tunnel);
                sink.warn("tunnel-stays", text, true);
            }
            sink.now(event("down", end));
        }
    }
}
