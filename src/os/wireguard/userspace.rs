//! WireGuard in this process: boringtun's protocol between a UDP socket in the node and the
//! hidden end of a veth pair.
//!
//! Not boringtun's own device: that drops in silence what it cannot carry, and leaves its
//! socket at the system's default size. Here every dropped packet is counted with its reason.

use std::{
    fmt, io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    os::{fd::AsFd as _, unix::net::UnixStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use boringtun::{
    noise::{Tunn, TunnResult, errors::WireGuardError, rate_limiter::RateLimiter},
    x25519::{PublicKey, StaticSecret},
};
use socket2::{Domain, Protocol, Socket, Type};

use super::{DropReason, Drops, Observed, Settings, key, wire::Wire};
use crate::os::{clock, poll, sched, socket_buffer};

/// Bytes asked for each buffer: a process that does not get to run for a third of a second is
/// not to lose packets.
pub(super) const BUFFER_BYTES: usize = 4 << 20;
/// Name of the thread that carries the packets.
pub const THREAD: &str = "tunnel";
/// Its SCHED_FIFO priority: below the wires, which only have packets while this one hands them
/// over, and above the probes that it carries.
pub const PRIORITY: u8 = 20;
/// Larger than any packet of [`USERSPACE_MTU_MAX`](super::USERSPACE_MTU_MAX), and than any
/// datagram that carries one.
const PACKET_LEN: usize = 2048;
/// Packets carried one way before the other way gets its turn.
const BATCH: usize = 64;
/// How often boringtun wants its timers looked at.
const TICK: Duration = Duration::from_millis(250);
/// Packets that boringtun keeps while there is no session.
const QUEUE: u64 = 256;
/// Beyond this, whoever shakes hands must first show that it has its address.
const HANDSHAKES_PER_SECOND: u64 = 100;
/// First byte of a cookie reply, and of a datagram that carries a packet.
const COOKIE_REPLY: u8 = 3;
const DATA: u8 = 4;
/// Length of a datagram that carries an empty packet.
const KEEPALIVE_LEN: usize = 32;

/// A running end; dropping it ends its thread, and the interface goes with it.
#[derive(Debug)]
pub(super) struct Userspace {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Closed, it wakes the thread.
    wake: Option<UnixStream>,
}

struct Shared {
    peer: Mutex<Peer>,
    wire: Wire,
    outer: UdpSocket,
    stopping: AtomicBool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("wire", &self.wire)
            .field("outer", &self.outer)
            .finish_non_exhaustive()
    }
}

/// The other end, as the protocol knows it.
struct Peer {
    tunnel: Tunn,
    limiter: Arc<RateLimiter>,
    address: SocketAddr,
    /// Packets given to boringtun while there was no session.
    held: u64,
    drops: Drops,
}

impl Userspace {
    /// Opens the outer socket in the calling thread's namespace and starts to carry.
    pub(super) fn start(settings: &Settings, wire: Wire) -> io::Result<Self> {
        let (wake, woken) = UnixStream::pair()?;
        let shared = Arc::new(Shared {
            peer: Mutex::new(Peer::new(settings)?),
            wire,
            outer: outer_socket(settings)?,
            stopping: AtomicBool::new(false),
        });
        let carried = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn(move || carried.carry(&woken))?;
        Ok(Self {
            shared,
            thread: Some(thread),
            wake: Some(wake),
        })
    }

    /// Starts a handshake, whether or not one is under way. An answer to the one before still
    /// counts.
    pub(super) fn initiate(&self) {
        let mut buffer = [0; PACKET_LEN];
        let mut peer = lock(&self.shared.peer);
        let result = peer.tunnel.format_handshake_initiation(&mut buffer, true);
        if let TunnResult::WriteToNetwork(initiation) = result {
            // What is lost of it is sent again.
            let _ = self.shared.outer.send_to(initiation, peer.address);
        }
    }

    /// Handshake age, byte counters and drops.
    pub(super) fn observe(&self) -> io::Result<Observed> {
        let overflown = [
            (DropReason::OuterOverflow, self.shared.outer.as_fd()),
            (DropReason::InnerOverflow, self.shared.wire.as_fd()),
        ];
        let peer = lock(&self.shared.peer);
        let (handshake_age, tx_bytes, rx_bytes, _, _) = peer.tunnel.stats();
        let mut drops = peer.drops.clone();
        drops.add(DropReason::NoSession, peer.held.saturating_sub(QUEUE));
        for (reason, socket) in overflown {
            drops.add(reason, socket_buffer::dropped(socket)?.into());
        }
        Ok(Observed {
            handshake_age,
            rx_bytes: rx_bytes as u64,
            tx_bytes: tx_bytes as u64,
            drops,
        })
    }
}

impl Drop for Userspace {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        drop(self.wake.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn carry(&self, woken: &UnixStream) {
        // Refused, packets wait for their turn like everybody; the sockets have room for them.
        let _ = sched::try_fifo(PRIORITY);
        let (mut packet, mut buffer) = ([0; PACKET_LEN], [0; PACKET_LEN]);
        let mut tick = clock::now() + TICK;
        let sources = [self.wire.as_fd(), self.outer.as_fd(), woken.as_fd()];
        while !self.stopping.load(Ordering::Relaxed) {
            if poll::wait_readable(&sources, Some(tick)).is_err() {
                return;
            }
            let mut peer = lock(&self.peer);
            self.take_in(&mut peer, (&mut packet, &mut buffer));
            self.take_out(&mut peer, (&mut packet, &mut buffer));
            if clock::now() >= tick {
                peer.tick(&self.outer, &mut buffer);
                tick = clock::now() + TICK;
            }
        }
    }

    /// From the node to the other end.
    fn take_in(&self, peer: &mut Peer, (packet, buffer): (&mut [u8], &mut [u8])) {
        for _ in 0..BATCH {
            match self.wire.receive(packet) {
                Ok(Some(packet)) => peer.encapsulate(&self.outer, packet, buffer),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    /// From the other end to the node.
    fn take_out(&self, peer: &mut Peer, (datagram, buffer): (&mut [u8], &mut [u8])) {
        for _ in 0..BATCH {
            match self.outer.recv_from(datagram) {
                Ok((len, from)) => {
                    let datagram = datagram.get(..len).unwrap_or_default();
                    peer.decapsulate((&self.outer, &self.wire), (from, datagram), buffer);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

impl Peer {
    fn new(settings: &Settings) -> io::Result<Self> {
        let own = StaticSecret::from(key(&settings.private_key.0)?.0);
        let other = PublicKey::from(key(&settings.peer_key.0)?.0);
        let limiter = RateLimiter::new(&PublicKey::from(&own), HANDSHAKES_PER_SECOND);
        let limiter = Arc::new(limiter);
        // Only to be another than that of this end's process before, which the other end may
        // still be sending to.
        let index = clock::mono_ns() as u32 >> 8;
        let keepalive = Some(settings.keepalive_s);
        let limit = Some(Arc::clone(&limiter));
        Ok(Self {
            tunnel: Tunn::new(own, other, None, keepalive, index, limit),
            limiter,
            address: settings.endpoint,
            held: 0,
            drops: Drops::default(),
        })
    }

    fn encapsulate(&mut self, outer: &UdpSocket, packet: &[u8], buffer: &mut [u8]) {
        match self.tunnel.encapsulate(packet, buffer) {
            TunnResult::WriteToNetwork(datagram) => {
                let is_sent = outer.send_to(datagram, self.address).is_ok();
                match (is_data(datagram), is_sent) {
                    (true, true) => {}
                    (true, false) => self.drops.add(DropReason::NoWay, 1),
                    // A handshake was begun for it.
                    (false, _) => self.held += 1,
                }
            }
            TunnResult::Done | TunnResult::Err(_) => self.held += 1,
            TunnResult::WriteToTunnelV4(..) | TunnResult::WriteToTunnelV6(..) => {}
        }
    }

    fn decapsulate(
        &mut self,
        (outer, wire): (&UdpSocket, &Wire),
        (from, datagram): (SocketAddr, &[u8]),
        buffer: &mut [u8],
    ) {
        match self.tunnel.decapsulate(Some(from.ip()), datagram, buffer) {
            TunnResult::Err(error) => {
                if is_data(datagram) && datagram.len() > KEEPALIVE_LEN {
                    self.drops.add(reason(&error), 1);
                }
                return;
            }
            TunnResult::WriteToNetwork(answer) => {
                let is_proof = answer.first() != Some(&COOKIE_REPLY);
                // What is lost of it is sent again.
                let _ = outer.send_to(answer, from);
                if !is_proof {
                    return;
                }
            }
            TunnResult::WriteToTunnelV4(packet, _) | TunnResult::WriteToTunnelV6(packet, _) => {
                if wire.send(packet).is_err() {
                    self.drops.add(DropReason::InterfaceDown, 1);
                }
            }
            TunnResult::Done => {}
        }
        // Authentic: the other end is where this came from.
        self.address = from;
        self.release(outer, buffer);
    }

    /// Sends what was held, now that there is a session. boringtun itself would do so at the
    /// initiator alone.
    fn release(&mut self, outer: &UdpSocket, buffer: &mut [u8]) {
        if self.held == 0 || self.tunnel.time_since_last_handshake().is_none() {
            return;
        }
        while let TunnResult::WriteToNetwork(datagram) = self.tunnel.decapsulate(None, &[], buffer)
        {
            self.held = self.held.saturating_sub(1);
            if outer.send_to(datagram, self.address).is_err() {
                self.drops.add(DropReason::NoWay, 1);
            }
        }
        self.forget();
    }

    /// What was held is no more.
    fn forget(&mut self) {
        self.drops.add(DropReason::NoSession, self.held);
        self.held = 0;
    }

    fn tick(&mut self, outer: &UdpSocket, buffer: &mut [u8]) {
        self.limiter.reset_count();
        match self.tunnel.update_timers(buffer) {
            TunnResult::WriteToNetwork(datagram) => {
                let _ = outer.send_to(datagram, self.address);
            }
            // With its keys it forgets what it held.
            TunnResult::Err(WireGuardError::ConnectionExpired) => self.forget(),
            TunnResult::Done
            | TunnResult::Err(_)
            | TunnResult::WriteToTunnelV4(..)
            | TunnResult::WriteToTunnelV6(..) => {}
        }
    }
}

fn is_data(datagram: &[u8]) -> bool {
    datagram.first() == Some(&DATA)
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "whatever else is wrong with a packet, its sender has not our keys"
)]
fn reason(error: &WireGuardError) -> DropReason {
    match error {
        WireGuardError::NoCurrentSession
        | WireGuardError::WrongIndex
        | WireGuardError::ConnectionExpired => DropReason::NoSession,
        WireGuardError::InvalidCounter | WireGuardError::DuplicateCounter => DropReason::Replayed,
        _ => DropReason::NotAuthentic,
    }
}

fn outer_socket(settings: &Settings) -> io::Result<UdpSocket> {
    let (domain, any) = match settings.endpoint {
        SocketAddr::V4(_) => (Domain::IPV4, Ipv4Addr::UNSPECIFIED.into()),
        SocketAddr::V6(_) => (Domain::IPV6, Ipv6Addr::UNSPECIFIED.into()),
    };
    let kind = Type::DGRAM.cloexec().nonblocking();
    let socket = Socket::new(domain, kind, Some(Protocol::UDP))?;
    socket_buffer::enlarge_receive(socket.as_fd(), BUFFER_BYTES)?;
    // Packets that wait for a neighbour's address fill it.
    let _ = socket.set_send_buffer_size(BUFFER_BYTES);
    if settings.endpoint.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&SocketAddr::new(any, settings.listen_port).into())?;
    Ok(socket.into())
}

fn lock(peer: &Mutex<Peer>) -> MutexGuard<'_, Peer> {
    peer.lock().unwrap_or_else(PoisonError::into_inner)
}
