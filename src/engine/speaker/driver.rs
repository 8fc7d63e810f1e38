//! The loop around the speaker: one input, then every action it caused, in order.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    os::fd::RawFd,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use rand::RngExt as _;
use tokio::{
    net::{TcpListener, TcpStream},
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};

use super::{
    bfd::{BfdThread, Report, span},
    connection::{Connections, Input},
    control::{Command, Notice, Reply, Request, Status},
    control_link::{Commands, ControlLink},
    forwarding::{Forwarding, warning},
    retired::Retired,
};
use crate::{
    os::{clock, fib::RT_TABLE_MAIN, link_watch, link_watch::LinkWatch, tcp},
    proto::{
        bfd::State,
        speaker::{Action, FibChange, Interface, Origin, PeerId, Speaker},
    },
    units::{IfName, PeerConfig, SessionName, SpeakerConfig},
};

/// How long a Cease may take to leave before the process ends.
const FAREWELL: Duration = Duration::from_millis(1500);
/// How long the last events may take to reach the supervisor.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How often an address that does not exist yet is tried again; an address that
/// appears is also told by netlink, but not the end of its IPv6 duplicate detection.
const REBIND: Duration = Duration::from_millis(100);

/// Runs a speaker in the calling thread's network namespace until SIGTERM or
/// until the supervisor closes the control socket.
///
/// # Errors
/// A configuration that cannot be read, sockets that cannot be opened.
pub fn run(config_path: &Path, control_fd: Option<RawFd>) -> anyhow::Result<()> {
    let text = std::fs::read(config_path)
        .with_context(|| format!("cannot read {}", config_path.display()))?;
    let config: SpeakerConfig = serde_json::from_slice(&text)
        .with_context(|| format!("{} is not a speaker's configuration", config_path.display()))?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?
        .block_on(serve(config, control_fd))
}

async fn serve(config: SpeakerConfig, control_fd: Option<RawFd>) -> anyhow::Result<()> {
    let (control, mut commands) = ControlLink::open(control_fd)?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut links = LinkWatch::open()
        .and_then(LinkWatch::into_async)
        .context("cannot watch interfaces")?;
    let (reports, mut bfd_reports) = mpsc::unbounded_channel();
    let bfd = BfdThread::start(&config, reports).context("cannot start BFD")?;
    let (connections, mut inputs) = Connections::new();
    let now = clock::now();
    let mut driver = Driver {
        speaker: Speaker::new(config.clone(), rand::rng().random(), now),
        unbound: listeners(&config),
        tables: Table::all(&config).context("cannot write routes")?,
        config,
        connections,
        bfd,
        control,
        ready: false,
        rebind: now,
    };
    driver.refresh_interfaces(links.get_mut(), &[]);
    driver.speaker.start(clock::now());

    let ending = loop {
        driver.expire();
        driver.act();
        tokio::select! {
            biased;
            Some(report) = bfd_reports.recv() => driver.on_bfd(report),
            guard = links.readable_mut() => {
                let mut guard = guard.context("interface news")?;
                // Cleared first: news that arrive while these are read wake us again.
                guard.clear_ready();
                driver.on_links(guard.get_inner_mut())?;
            }
            command = commands.next() => match command {
                Some(command) => driver.on_command(command).await,
                None => break Ending::Abandoned,
            },
            _ = terminate.recv() => break Ending::Terminated,
            Some(input) = inputs.recv() => driver.on_input(input),
            () = wait_until(driver.deadline()) => {}
        }
    };
    driver.end(ending, &mut commands).await;
    Ok(())
}

enum Ending {
    /// SIGTERM.
    Terminated,
    /// The supervisor is gone.
    Abandoned,
}

/// An address to listen on, and what its peers expect of it.
#[derive(Debug)]
struct Listener {
    local: IpAddr,
    interface: Option<IfName>,
    vrf: Option<IfName>,
    ttl: u8,
    keys: Vec<(IpAddr, String)>,
}

/// One of the kernel's tables, and what is on its way into it.
struct Table {
    forwarding: Forwarding,
    retired: Retired,
    changes: Vec<FibChange>,
}

impl Table {
    /// The tables of a speaker, as many as it chooses routes for.
    fn all(config: &SpeakerConfig) -> std::io::Result<Vec<Self>> {
        let vrf = config.vrf.as_ref().map(|vrf| vrf.table);
        let mut numbers: Vec<u8> = config.tables.iter().map(|table| table.table).collect();
        if numbers.is_empty() {
            numbers.push(vrf.unwrap_or(RT_TABLE_MAIN));
        }
        let open = |number| {
            Ok(Self {
                forwarding: Forwarding::open(number)?,
                retired: Retired::default(),
                changes: Vec::new(),
            })
        };
        numbers.into_iter().map(open).collect()
    }

    fn install(&mut self, changes: Vec<FibChange>, control: &mut ControlLink) {
        if changes.is_empty() {
            return;
        }
        let notices = self.forwarding.apply(changes);
        let at_ns = clock::mono_ns();
        for notice in notices {
            control.tell(at_ns, notice);
        }
    }
}

struct Driver {
    config: SpeakerConfig,
    speaker: Speaker,
    connections: Connections,
    tables: Vec<Table>,
    bfd: BfdThread,
    control: ControlLink,
    /// Listeners whose address is not there yet.
    unbound: Vec<Listener>,
    /// When to try these again.
    rebind: Instant,
    ready: bool,
}

impl Driver {
    fn deadline(&self) -> Option<Instant> {
        let speaker = self.speaker.poll_timeout().map(|(at, _)| at);
        let rebind = (!self.unbound.is_empty()).then_some(self.rebind);
        speaker
            .into_iter()
            .chain(rebind)
            .chain(
                self.tables
                    .iter()
                    .filter_map(|table| table.retired.deadline()),
            )
            .min()
    }

    /// Lets time take effect, also when inputs never pause.
    fn expire(&mut self) {
        let now = clock::now();
        if self.speaker.poll_timeout().is_some_and(|(at, _)| at <= now) {
            self.speaker.handle_timeout(now);
        }
        if !self.ready && self.rebind <= now {
            self.bind(now);
        }
        for table in &mut self.tables {
            let due = table.retired.due(now);
            table.install(due, &mut self.control);
        }
    }

    /// Executes the speaker's actions. Forwarding changes that follow each other
    /// go to the kernel together, and before anything is sent after them.
    fn act(&mut self) {
        while let Some(action) = self.speaker.poll_action() {
            match action {
                Action::Fib { table, change } => {
                    if let Some(table) = self.tables.get_mut(table) {
                        table.changes.push(change);
                    }
                }
                Action::Event(event) => self.control.tell_now(Notice::Bgp(event)),
                Action::Connect { conn, peer } => {
                    self.forward();
                    if let Some(config) = peer_config(&self.config, peer) {
                        let vrf = self.config.vrf.as_ref();
                        self.connections.connect((conn, peer), config, vrf);
                    }
                }
                Action::Send { conn, bytes } => {
                    self.forward();
                    self.connections.send(conn, bytes);
                }
                Action::Close { conn } => {
                    self.forward();
                    self.connections.close(conn);
                }
            }
        }
        self.forward();
    }

    /// Applies changes at once, but for removals: the withdrawal goes out first.
    fn forward(&mut self) {
        for table in &mut self.tables {
            let mut changes = std::mem::take(&mut table.changes);
            table.retired.sort_out(&mut changes, clock::now());
            table.install(changes, &mut self.control);
        }
    }

    fn on_bfd(&mut self, report: Report) {
        match report {
            Report::Event {
                peer,
                at_ns,
                event,
                remote_state,
            } => {
                // A peer that is administratively down is no failure of the path
                // (RFC 5882 §4.2), nor are we ourselves.
                let failed = event.state == State::Down && remote_state != State::AdminDown;
                if failed || event.state == State::Up {
                    let up = event.state == State::Up;
                    self.speaker.handle_bfd(peer, up, clock::now());
                    // The reaction first, the news of its cause after.
                    self.act();
                }
                if let Some(config) = peer_config(&self.config, peer) {
                    let notice = Notice::Bfd {
                        session: config.session.clone(),
                        state: event.state,
                        diag: event.diag.to_string(),
                        remote_state,
                        tx: span(event.negotiated.tx),
                        rx: span(event.negotiated.rx),
                        detection: span(event.negotiated.detection),
                    };
                    self.control.tell(at_ns, notice);
                }
            }
            Report::Warning { code, text } => self.control.tell_now(warning(code, text)),
        }
    }

    fn on_links(&mut self, links: &mut LinkWatch) -> anyhow::Result<()> {
        let changes = links.changes().context("interface news")?;
        if !changes.any {
            return Ok(());
        }
        if changes.overflow {
            let text = "news of its interfaces were missed (netlink overrun), so a short carrier loss may have gone unseen; free the host";
            self.control
                .tell_now(warning("link-overflow", text.to_owned()));
        }
        for index in &changes.lost {
            for table in &mut self.tables {
                table.forwarding.forget_interface(*index);
            }
        }
        self.refresh_interfaces(links, &changes.lost);
        self.rebind = clock::now();
        Ok(())
    }

    /// Hands the speaker the interfaces as they are. Those in `lost` were down for
    /// a moment at least, which the speaker has to see even if they are up again.
    fn refresh_interfaces(&mut self, links: &mut LinkWatch, lost: &[u32]) {
        let interfaces = match links.snapshot() {
            Ok(interfaces) => interfaces,
            Err(error) => {
                return self
                    .control
                    .tell_now(warning("link-snapshot", error.to_string()));
            }
        };
        for table in &mut self.tables {
            table.forwarding.set_interfaces(&interfaces);
        }
        let now = clock::now();
        if interfaces.iter().any(|i| i.up && lost.contains(&i.index)) {
            let seen = interfaces.iter().filter_map(|interface| {
                let up = interface.up && !lost.contains(&interface.index);
                speaker_interface(interface, up)
            });
            self.speaker.handle_interfaces(seen.collect(), now);
            self.act();
        }
        let seen = interfaces
            .iter()
            .filter_map(|interface| speaker_interface(interface, interface.up));
        self.speaker.handle_interfaces(seen.collect(), now);
        self.act();
    }

    fn on_input(&mut self, input: Input) {
        let now = clock::now();
        match input {
            Input::Connected(conn, peer, stream) => {
                if self.connections.knows(conn) {
                    self.connections.serve(conn, stream);
                    self.speaker
                        .handle_connected(conn, peer, Origin::Outgoing, now);
                }
            }
            Input::ConnectFailed(conn, error) => {
                if self.connections.knows(conn) {
                    tracing::debug!(?conn, %error, "cannot connect");
                    self.connections.close(conn);
                    self.speaker.handle_connect_failed(conn, now);
                }
            }
            Input::Accepted(stream, remote) => self.accept(stream, remote, now),
            Input::Data(conn, bytes) => {
                if self.connections.knows(conn) {
                    self.speaker.handle_data(conn, &bytes, now);
                }
            }
            Input::Closed(conn) => {
                if self.connections.knows(conn) {
                    self.connections.close(conn);
                    self.speaker.handle_closed(conn, now);
                }
            }
        }
    }

    /// Takes a connection from a configured peer to the address configured for it.
    fn accept(&mut self, stream: TcpStream, remote: SocketAddr, now: Instant) {
        let peer = self.speaker.peer_for(remote.ip());
        let config = peer.and_then(|peer| peer_config(&self.config, peer));
        let (Some(peer), Some(config)) = (peer, config) else {
            let text = format!("a connection from {remote}, which is no configured peer");
            return self.control.tell_now(warning("unknown-peer", text));
        };
        let prepared = stream.into_std().and_then(|stream| {
            tcp::prepare_accepted(&stream, config.ttl)?;
            let expected = stream.local_addr()?.ip() == config.local;
            Ok((TcpStream::from_std(stream)?, expected))
        });
        match prepared {
            Ok((stream, true)) => {
                let conn = self.connections.number();
                self.connections.serve(conn, stream);
                self.speaker
                    .handle_connected(conn, peer, Origin::Incoming, now);
            }
            Ok((_, false)) => {
                let text = format!(
                    "{remote} connected to another address than {}",
                    config.local
                );
                self.control.tell_now(warning("unknown-peer", text));
            }
            Err(error) => tracing::debug!(%remote, %error, "an accepted connection is unusable"),
        }
    }

    async fn on_command(&mut self, Command { id, request }: Command) {
        let reply = match request {
            Request::Status => self.status().await,
            Request::Stop { session, message } => self.with_peer(&session, |driver, peer| {
                driver.bfd.admin(peer, false);
                driver
                    .speaker
                    .stop_peer(peer, message.as_deref(), clock::now());
            }),
            Request::Med { session, med } => self.with_peer(&session, |driver, peer| {
                driver.speaker.set_med(peer, med);
            }),
            Request::Start { session } => self.with_peer(&session, |driver, peer| {
                driver.bfd.admin(peer, true);
                driver.speaker.start_peer(peer, clock::now());
            }),
        };
        // Done means done: the Cease is on its way.
        self.act();
        self.control.reply(id, reply);
    }

    fn with_peer(&mut self, session: &SessionName, order: impl FnOnce(&mut Self, PeerId)) -> Reply {
        let peers = self.config.peers.iter().zip(0..);
        let Some(peer) = peers
            .filter(|(peer, _)| peer.session == *session)
            .map(|(_, index)| PeerId(index))
            .next()
        else {
            return Reply::Error(format!("there is no session {session}"));
        };
        order(self, peer);
        Reply::Done
    }

    async fn status(&self) -> Reply {
        let Ok(bfd) = self.bfd.status().await else {
            return Reply::Error("the BFD thread is gone".to_owned());
        };
        Reply::Status(Box::new(Status {
            speaker: self.speaker.status(clock::now()),
            bfd,
        }))
    }

    /// Binds what can be bound; announces readiness when nothing is left.
    fn bind(&mut self, now: Instant) {
        self.rebind = now + REBIND;
        for listener in std::mem::take(&mut self.unbound) {
            match listener.bind() {
                Ok(bound) => self.connections.listen(bound),
                Err(error) => {
                    tracing::debug!(local = %listener.local, %error, "cannot listen yet");
                    self.unbound.push(listener);
                }
            }
        }
        if self.unbound.is_empty() {
            self.ready = true;
            self.control.tell_now(Notice::Ready);
        }
    }

    async fn end(mut self, ending: Ending, commands: &mut Commands) {
        match ending {
            Ending::Abandoned => {}
            Ending::Terminated => {
                for (_, peer) in self.config.peers.iter().zip(0..) {
                    self.bfd.admin(PeerId(peer), false);
                    self.speaker.stop_peer(PeerId(peer), None, clock::now());
                }
                self.act();
                // A supervisor that leaves now leaves nothing to be told.
                tokio::select! {
                    _ = tokio::time::timeout(FAREWELL, self.connections.flush()) => {}
                    None = commands.next() => {}
                }
                self.control.flush(LAST_WORDS).await;
            }
        }
    }
}

impl Listener {
    fn bind(&self) -> std::io::Result<TcpListener> {
        let interface = self.interface.as_ref().map(AsRef::as_ref);
        let local = tcp::socket_addr(self.local, tcp::BGP_PORT, interface)?;
        TcpListener::from_std(tcp::listen(
            local,
            self.ttl,
            &self.keys,
            self.vrf.as_ref().map(AsRef::as_ref),
        )?)
    }
}

/// One listener for each local address.
fn listeners(config: &SpeakerConfig) -> Vec<Listener> {
    let mut listeners: BTreeMap<IpAddr, Listener> = BTreeMap::new();
    for peer in &config.peers {
        let listener = listeners.entry(peer.local).or_insert_with(|| Listener {
            local: peer.local,
            interface: peer.interface.clone(),
            vrf: config.vrf.as_ref().map(|vrf| vrf.device.clone()),
            ttl: peer.ttl,
            keys: Vec::new(),
        });
        // Its SYN-ACKs have to reach the farthest peer; a connection then gets its own.
        listener.ttl = listener.ttl.max(peer.ttl);
        listener
            .keys
            .extend(peer.md5.clone().map(|key| (peer.remote, key)));
    }
    listeners.into_values().collect()
}

fn peer_config(config: &SpeakerConfig, peer: PeerId) -> Option<&PeerConfig> {
    config.peers.get(usize::try_from(peer.0).ok()?)
}

/// Names that no lab can have given (with an `@`, say) are none of ours.
fn speaker_interface(interface: &link_watch::Interface, up: bool) -> Option<Interface> {
    Some(Interface {
        name: IfName::new(interface.name.clone()).ok()?,
        up,
        prefixes: interface.connected.clone(),
    })
}

async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
