//! BFD on a thread of its own, so that no amount of BGP work delays a packet or
//! a detection. It wakes the BGP thread through a channel.

use std::{
    collections::BTreeMap,
    io::{self, Read as _, Write as _},
    net::IpAddr,
    num::NonZeroU32,
    os::{fd::AsFd as _, unix::net::UnixStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rand::RngExt as _;
use tokio::sync::{mpsc as async_mpsc, oneshot};

use super::control::BfdStatus;
use crate::{
    os::{
        clock, poll, sched,
        udp_bfd::{Receiver, Sender},
    },
    proto::{
        bfd::{BfdEvent, Packet, Session, SessionConfig, State},
        speaker::PeerId,
    },
    units::{PeerConfig, SessionName, Span, SpeakerConfig},
};

/// The thread's name, by which it is found from outside.
pub const THREAD: &str = "bfd";
/// Above everything that can wait, below whatever keeps the machine alive.
pub const PRIORITY: u8 = 40;
/// Control packets have 24 bytes; authenticated ones, which are refused, a few more.
const RECEIVE_LEN: usize = 128;
/// A sender that could not be opened is tried again after this long.
const REOPEN: Duration = Duration::from_millis(200);

/// What the thread tells.
#[derive(Debug)]
pub(super) enum Report {
    /// A session changed.
    Event {
        peer: PeerId,
        at_ns: u64,
        event: BfdEvent,
        /// The peer's state as last heard.
        remote_state: State,
    },
    /// Something is wrong and BFD goes on.
    Warning { code: &'static str, text: String },
}

enum Order {
    Admin { peer: PeerId, up: bool },
    Status(oneshot::Sender<Vec<BfdStatus>>),
}

/// The thread, from outside. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct BfdThread {
    orders: mpsc::Sender<Order>,
    wake: UnixStream,
}

impl BfdThread {
    /// Starts the sessions of all peers that have BFD, in the calling thread's
    /// network namespace.
    pub(super) fn start(
        config: &SpeakerConfig,
        reports: async_mpsc::UnboundedSender<Report>,
    ) -> anyhow::Result<Self> {
        let (orders, inbox) = mpsc::channel();
        let (wake, woken) = UnixStream::pair()?;
        wake.set_nonblocking(true)?;
        woken.set_nonblocking(true)?;
        let worker = Worker::new(config, reports, inbox, woken)?;
        thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn(move || worker.run())?;
        Ok(Self { orders, wake })
    }

    /// Holds a session AdminDown, or lets it go again.
    pub(super) fn admin(&self, peer: PeerId, up: bool) {
        self.order(Order::Admin { peer, up });
    }

    /// The state of every session; the receiver fails if the thread is gone.
    pub(super) fn status(&self) -> oneshot::Receiver<Vec<BfdStatus>> {
        let (answer, receiver) = oneshot::channel();
        self.order(Order::Status(answer));
        receiver
    }

    fn order(&self, order: Order) {
        if self.orders.send(order).is_ok() {
            // A full pipe is awake already.
            let _ = (&self.wake).write(&[0]);
        }
    }
}

/// One session with its socket.
struct Neighbor {
    peer: PeerId,
    name: SessionName,
    session: Session,
    local: IpAddr,
    remote: IpAddr,
    interface: Option<String>,
    sender: Option<Sender>,
    /// Do not try to open the sender before this.
    reopen: Option<Instant>,
    warned: bool,
}

struct Worker {
    neighbors: Vec<Neighbor>,
    by_discriminator: BTreeMap<u32, usize>,
    receivers: Vec<Receiver>,
    reports: async_mpsc::UnboundedSender<Report>,
    inbox: mpsc::Receiver<Order>,
    woken: UnixStream,
}

impl Worker {
    fn new(
        config: &SpeakerConfig,
        reports: async_mpsc::UnboundedSender<Report>,
        inbox: mpsc::Receiver<Order>,
        woken: UnixStream,
    ) -> anyhow::Result<Self> {
        let now = clock::now();
        let mut rng = rand::rng();
        let mut neighbors = Vec::new();
        let mut by_discriminator = BTreeMap::new();
        for (peer, index) in config.peers.iter().zip(0..) {
            let Some(bfd) = &peer.bfd else { continue };
            let discriminator = loop {
                let candidate: NonZeroU32 = rng.random();
                if !by_discriminator.contains_key(&candidate.get()) {
                    break candidate;
                }
            };
            by_discriminator.insert(discriminator.get(), neighbors.len());
            let session = Session::new(
                SessionConfig::try_from(bfd)?,
                discriminator,
                rng.random(),
                now,
            );
            neighbors.push(Neighbor::new(PeerId(index), peer, session));
        }
        let mut receivers = Vec::new();
        for v6 in [false, true] {
            if neighbors.iter().any(|n| n.remote.is_ipv6() == v6) {
                let vrf = config.vrf.as_ref().map(|vrf| vrf.device.as_str());
                receivers.push(Receiver::open(v6, vrf)?);
            }
        }
        Ok(Self {
            neighbors,
            by_discriminator,
            receivers,
            reports,
            inbox,
            woken,
        })
    }

    fn run(mut self) {
        if self.neighbors.is_empty() {
            return self.idle();
        }
        if let Err(error) = sched::try_fifo(PRIORITY) {
            self.warn(
                "bfd-not-realtime",
                format!("BFD runs without realtime priority ({error}): a busy machine may cause false downs"),
            );
        }
        // Without it timers are merely up to 50 us late.
        let _ = sched::tight_timers();
        loop {
            // Packets first: what waits in a socket was not lost on the path.
            self.receive();
            if !self.obey() {
                return;
            }
            let now = clock::now();
            for neighbor in &mut self.neighbors {
                neighbor.session.handle_timeout(now);
                neighbor.transmit(now, &self.reports);
                neighbor.report(&self.reports);
            }
            let deadline = self.neighbors.iter().filter_map(Neighbor::deadline).min();
            let mut descriptors = vec![self.woken.as_fd()];
            descriptors.extend(self.receivers.iter().map(Receiver::as_fd));
            if let Err(error) = poll::wait_readable(&descriptors, deadline) {
                return self.warn(
                    "bfd-stopped",
                    format!("BFD cannot wait for packets: {error}"),
                );
            }
        }
    }

    /// Without sessions there is only status to answer.
    fn idle(self) {
        while let Ok(order) = self.inbox.recv() {
            if let Order::Status(answer) = order {
                let _ = answer.send(Vec::new());
            }
        }
    }

    fn receive(&mut self) {
        let mut buffer = [0; RECEIVE_LEN];
        for index in 0..self.receivers.len() {
            while let Some(receiver) = self.receivers.get(index) {
                let arrival = match receiver.receive(&mut buffer) {
                    Ok(Some(arrival)) => arrival,
                    Ok(None) => break,
                    Err(error) => {
                        self.warn("bfd-socket", format!("BFD cannot receive: {error}"));
                        break;
                    }
                };
                let Some(Ok(packet)) = buffer.get(..arrival.len).map(Packet::decode) else {
                    continue;
                };
                let now = clock::now();
                let reports = self.reports.clone();
                if let Some(neighbor) = self.neighbor(&packet, arrival.from, arrival.to) {
                    // A discard is counted by the session.
                    let _ = neighbor.session.handle_packet(&packet, now);
                    neighbor.transmit(now, &reports);
                    neighbor.report(&reports);
                }
            }
        }
    }

    /// RFC 5880 §6.8.6: by Your Discriminator, or by addresses when that is 0. The
    /// sender's address has to be the neighbour's in both cases.
    fn neighbor(
        &mut self,
        packet: &Packet,
        from: IpAddr,
        to: Option<IpAddr>,
    ) -> Option<&mut Neighbor> {
        if packet.your_discriminator != 0 {
            let index = *self.by_discriminator.get(&packet.your_discriminator)?;
            let neighbor = self.neighbors.get_mut(index)?;
            return (neighbor.remote == from).then_some(neighbor);
        }
        self.neighbors
            .iter_mut()
            .find(|n| n.remote == from && to.is_none_or(|to| n.local == to))
    }

    /// Works off orders; `false` once nobody can give any more.
    fn obey(&mut self) -> bool {
        let mut drop_box = [0; 64];
        while matches!((&self.woken).read(&mut drop_box), Ok(read) if read > 0) {}
        loop {
            match self.inbox.try_recv() {
                Ok(Order::Admin { peer, up }) => {
                    for neighbor in self.neighbors.iter_mut().filter(|n| n.peer == peer) {
                        if up {
                            neighbor.session.admin_up();
                        } else {
                            neighbor.session.admin_down();
                        }
                    }
                }
                Ok(Order::Status(answer)) => {
                    let _ = answer.send(self.neighbors.iter().map(Neighbor::status).collect());
                }
                Err(mpsc::TryRecvError::Empty) => return true,
                Err(mpsc::TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn warn(&self, code: &'static str, text: String) {
        let _ = self.reports.send(Report::Warning { code, text });
    }
}

impl Neighbor {
    fn new(peer: PeerId, config: &PeerConfig, session: Session) -> Self {
        Self {
            peer,
            name: config.session.clone(),
            session,
            local: config.local,
            remote: config.remote,
            interface: config.interface.as_ref().map(ToString::to_string),
            sender: None,
            reopen: None,
            warned: false,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.session.poll_timeout().map(|(at, _)| at)
    }

    fn transmit(&mut self, now: Instant, reports: &async_mpsc::UnboundedSender<Report>) {
        while let Some(packet) = self.session.poll_transmit(now) {
            match self.send(&packet, now) {
                Ok(()) => self.warned = false,
                // One warning for a series of failures: silence is what BFD is about.
                Err(error) if !self.warned => {
                    self.warned = true;
                    let _ = reports.send(Report::Warning {
                        code: "bfd-send",
                        text: format!("BFD of session {} cannot send: {error}", self.name),
                    });
                }
                Err(_) => {}
            }
        }
    }

    fn send(&mut self, packet: &Packet, now: Instant) -> io::Result<()> {
        if self.sender.is_none() && self.reopen.is_none_or(|at| at <= now) {
            self.reopen = Some(now + REOPEN);
            let first = self.session.discriminator().get() as u16;
            let interface = self.interface.as_deref();
            self.sender = Some(Sender::open(self.local, self.remote, interface, first)?);
        }
        let Some(sender) = &self.sender else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        sender.send(&packet.encode()).inspect_err(|_| {
            // The interface or the address may have been made anew since.
            self.sender = None;
        })
    }

    fn report(&mut self, reports: &async_mpsc::UnboundedSender<Report>) {
        while let Some(event) = self.session.poll_event() {
            let _ = reports.send(Report::Event {
                peer: self.peer,
                at_ns: clock::mono_ns(),
                event,
                remote_state: self.session.status().remote_state,
            });
        }
    }

    fn status(&self) -> BfdStatus {
        let status = self.session.status();
        BfdStatus {
            session: self.name.clone(),
            state: status.state,
            diag: status.diag.to_string(),
            remote_state: status.remote_state,
            remote_diag: status.remote_diag.to_string(),
            tx: span(status.negotiated.tx),
            rx: span(status.negotiated.rx),
            detection: span(status.negotiated.detection),
            local_discriminator: status.local_discriminator.get(),
            remote_discriminator: status.remote_discriminator.map_or(0, NonZeroU32::get),
            sent: status.counters.sent,
            received: status.counters.received,
            discarded: status.counters.discarded,
            ups: status.counters.ups,
            downs: status.counters.downs,
        }
    }
}

/// Nanoseconds of a duration that began as 32 bits of microseconds.
pub(super) fn span(duration: Duration) -> Span {
    Span::from_nanos(duration.as_nanos() as u64)
}
