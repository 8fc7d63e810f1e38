//! The lab's WireGuard tunnels: one process per end, started together, then listened to.

use std::{
    collections::BTreeMap,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
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
        sched,
        wireguard::{self, Backend},
    },
    results::event::EventKind,
    units::NodeName,
};

/// How long an end may take to have its interface up.
const READY: Duration = Duration::from_secs(5);
/// How often the ends are listened to. What they say carries its own time.
const LISTEN: Duration = Duration::from_millis(10);
/// How long an end may take to say how it is.
const ANSWER: Duration = Duration::from_secs(1);

/// The tunnels' processes and the thread that listens to them.
#[derive(Debug)]
pub(super) struct Tunnels {
    stop: Arc<AtomicBool>,
    ends: Arc<Vec<End>>,
    sink: EventSink,
    listener: Option<JoinHandle<()>>,
}

/// One end. Where both are locked, the control comes first.
#[derive(Debug)]
struct End {
    config: TunnelEndConfig,
    netns: NetnsFd,
    /// Locked while the process is listened to or asked, which takes a second when it
    /// does not answer.
    control: Mutex<TunnelControl>,
    /// Never locked for long: a fault needs it at once.
    running: Mutex<Running>,
}

#[derive(Debug)]
struct Running {
    process: PidFd,
    backend: Backend,
    gone: bool,
}

impl End {
    /// The kernel's WireGuard would outlive its process and go on carrying; a
    /// dead end carries nothing, whichever backend it had.
    fn bury(&self) -> std::io::Result<()> {
        if lock(&self.running).backend == Backend::Kernel {
            wireguard::remove(&self.netns, &self.config.settings.interface)?;
        }
        Ok(())
    }

    fn event(&self, state: &str) -> EventKind {
        EventKind::Tunnel {
            tunnel: self.config.tunnel.to_string(),
            node: self.config.node.to_string(),
            state: state.to_owned(),
            backend: lock(&self.running).backend.to_string(),
            reason: None,
        }
    }

    /// What the process said unasked.
    fn heard(&self, message: TunnelMessage, sink: &EventSink) {
        match message {
            TunnelMessage::Handshake { at } => sink.at(at, self.event("up")),
            TunnelMessage::Failed { error } => {
                let text = format!("{}: {error}", self.config.tunnel);
                sink.warn("tunnel-failed", text, false);
            }
            TunnelMessage::Ready { .. } | TunnelMessage::Status { .. } => {}
        }
    }

    /// Takes what the process has said by now.
    fn listen(&self, sink: &EventSink) {
        let mut control = lock(&self.control);
        if lock(&self.running).gone {
            return;
        }
        match control.next(Duration::ZERO) {
            Ok(Some(message)) => self.heard(message, sink),
            Ok(None) => {}
            Err(_) => {
                lock(&self.running).gone = true;
                if let Err(error) = self.bury() {
                    let text = format!("{}: its interface stays: {error}", self.config.tunnel);
                    sink.warn("tunnel-stays", text, true);
                }
                sink.now(self.event("down"));
            }
        }
    }
}

/// A tunnel end whose process has been started.
#[derive(Debug)]
struct Started {
    process: PidFd,
    control: TunnelControl,
}

/// Tunnel ends whose processes have been started.
#[derive(Debug)]
pub(super) struct Rising(Vec<(TunnelEndConfig, NetnsFd, Started)>);

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
                // There is no path yet.
                let waiting = TunnelEndConfig {
                    initiates: false,
                    ..config.clone()
                };
                let started = spawn(&waiting, holders, run_dir)?;
                ends.push((config, netns, started));
            }
        }
        Ok(Rising(ends))
    }
}

impl Rising {
    /// Waits until all interfaces are there, has those ends shake hands that begin, and
    /// listens from then on. The wires carry by now.
    pub(super) fn ready(self, sink: &EventSink) -> anyhow::Result<Tunnels> {
        let mut ends = Vec::new();
        for (config, netns, mut started) in self.0 {
            let backend = ready(&config, &mut started.control)?;
            in_time(&started.process, backend);
            ends.push(End {
                config,
                netns,
                control: Mutex::new(started.control),
                running: Mutex::new(Running {
                    process: started.process,
                    backend,
                    gone: false,
                }),
            });
        }
        for end in ends.iter().filter(|end: &&End| end.config.initiates) {
            lock(&end.control)
                .begin()
                .with_context(|| format!("tunnel {}", end.config.tunnel))?;
        }
        let is_empty = ends.is_empty();
        let ends = Arc::new(ends);
        let stop = Arc::new(AtomicBool::new(false));
        let listener = (!is_empty)
            .then(|| {
                let (ends, stop, sink) = (Arc::clone(&ends), Arc::clone(&stop), sink.clone());
                std::thread::Builder::new()
                    .name("tunnels".to_owned())
                    .spawn(move || {
                        while !stop.load(Ordering::Relaxed) {
                            for end in ends.iter() {
                                end.listen(&sink);
                            }
                            // Whoever waits for an end gets it now: a mutex is not fair.
                            std::thread::sleep(LISTEN);
                        }
                    })
            })
            .transpose()?;
        Ok(Tunnels {
            stop,
            ends,
            sink: sink.clone(),
            listener,
        })
    }
}

impl Tunnels {
    fn of<'t>(&'t self, node: &'t NodeName) -> impl Iterator<Item = &'t End> {
        self.ends.iter().filter(|end| end.config.node == *node)
    }

    /// The processes of one node's ends. Waits for nobody.
    pub(super) fn processes_of(&self, node: &NodeName) -> Vec<PidFd> {
        self.of(node)
            .map(|end| lock(&end.running))
            .filter(|running| !running.gone)
            .filter_map(|running| running.process.try_clone().ok())
            .collect()
    }

    /// Takes away what killed processes of `node` have left in the kernel.
    ///
    /// # Errors
    /// An interface that could not be deleted.
    pub(super) fn bury(&self, node: &NodeName) -> anyhow::Result<()> {
        for end in self.of(node) {
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
        let mut any = false;
        for end in self.of(node) {
            let mut control = lock(&end.control);
            if !lock(&end.running).process.ended_within(Duration::ZERO)? {
                continue;
            }
            let config = TunnelEndConfig {
                initiates: true,
                ..end.config.clone()
            };
            let mut started = spawn(&config, holders, run_dir)?;
            let backend = ready(&config, &mut started.control)?;
            in_time(&started.process, backend);
            // The listener may not have noticed yet.
            let noticed = lock(&end.running).gone;
            if !noticed {
                self.sink.now(end.event("down"));
            }
            *lock(&end.running) = Running {
                process: started.process,
                backend,
                gone: false,
            };
            *control = started.control;
            any = true;
        }
        Ok(any)
    }

    /// What each end says of itself: tunnel, node, status. All are asked at once.
    pub(super) fn statuses(&self) -> Vec<(String, String, Option<TunnelStatus>)> {
        let status = |end: &End| {
            let mut control = lock(&end.control);
            if lock(&end.running).gone {
                return None;
            }
            let other = |message| end.heard(message, &self.sink);
            control.status(ANSWER, other).ok()
        };
        std::thread::scope(|scope| {
            let asked: Vec<_> = self
                .ends
                .iter()
                .map(|end| (end, scope.spawn(move || status(end))))
                .collect();
            asked
                .into_iter()
                .map(|(end, status)| {
                    (
                        end.config.tunnel.to_string(),
                        end.config.node.to_string(),
                        status.join().ok().flatten(),
                    )
                })
                .collect()
        })
    }

    /// `kernel`, `userspace` or `none`.
    pub(super) fn backend(&self) -> String {
        self.ends.first().map_or_else(
            || "none".to_owned(),
            |end| lock(&end.running).backend.to_string(),
        )
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
    config: &TunnelEndConfig,
    holders: &BTreeMap<NodeName, PidFd>,
    run_dir: &RunDir,
) -> anyhow::Result<Started> {
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
    let control = TunnelControl::new(ours, config).with_context(what)?;
    Ok(Started { process, control })
}

/// Inside a user namespace an end cannot take realtime priority, but somebody outside may give
/// it. Refused, its sockets have room for a while.
fn in_time(process: &PidFd, backend: Backend) {
    if backend == Backend::Userspace {
        let _ = sched::try_fifo_named(process.pid(), wireguard::THREAD, wireguard::PRIORITY);
    }
}

/// Waits until the interface is up; the backend that carries it.
fn ready(config: &TunnelEndConfig, control: &mut TunnelControl) -> anyhow::Result<Backend> {
    let what = format!("tunnel {} at {}", config.tunnel, config.node);
    let deadline = clock::now() + READY;
    loop {
        let left = deadline.saturating_duration_since(clock::now());
        match control.next(left).with_context(|| what.clone())? {
            Some(TunnelMessage::Ready { backend }) => return Ok(backend),
            Some(TunnelMessage::Failed { error }) => bail!("{what}: {error}"),
            Some(TunnelMessage::Handshake { .. } | TunnelMessage::Status { .. }) => {}
            None => bail!(
                "{what}: its interface is not up after {} s",
                READY.as_secs()
            ),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
