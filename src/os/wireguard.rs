//! One end of a WireGuard tunnel, in the calling thread's network namespace.
//!
//! Where the kernel has WireGuard, the tunnel is the kernel's. Elsewhere it is
//! boringtun in this process, which needs no /dev/net/tun, so it also works for an
//! ordinary user: the node sees one end of a veth pair whose other end is in a
//! namespace that only this process holds, and [`userspace`] carries packets between
//! that end and a UDP socket in the node.

mod link;
mod userspace;
mod wire;

use std::{collections::BTreeMap, fmt, io, net::SocketAddr, time::Duration};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use wireguard_control::{Device, DeviceUpdate, InterfaceName, Key, KeyPair, PeerConfigBuilder};

use crate::{os::netns::NetnsFd, units::IfName};

pub use userspace::{PRIORITY, THREAD};

/// The buffers of boringtun's end are made for this.
pub const USERSPACE_MTU_MAX: u32 = 1500;

/// Which WireGuard carries the packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// The kernel's.
    Kernel,
    /// boringtun in the tunnel's own process.
    Userspace,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Kernel => "kernel",
            Self::Userspace => "userspace",
        })
    }
}

/// A private key, base64; not shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateKey(String);

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

/// A public key, base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicKey(String);

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A fresh pair of keys, from the system's randomness.
pub fn generate_keypair() -> (PrivateKey, PublicKey) {
    let pair = KeyPair::generate();
    (
        PrivateKey(pair.private.to_base64()),
        PublicKey(pair.public.to_base64()),
    )
}

/// Everything one end needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The node's interface.
    pub interface: IfName,
    /// Its ifindex.
    pub index: u32,
    /// Largest inner packet.
    pub mtu: u32,
    /// Inside addresses.
    pub inside: Vec<IpNet>,
    /// This end's key.
    pub private_key: PrivateKey,
    /// The other end's.
    pub peer_key: PublicKey,
    /// UDP port of this end.
    pub listen_port: u16,
    /// Outer address and port of the other end.
    pub endpoint: SocketAddr,
    /// Seconds between keepalives; they keep the session's keys fresh while it is idle.
    pub keepalive_s: u16,
    /// `None`: the kernel's if it has one.
    pub backend: Option<Backend>,
}

/// Why a tunnel end dropped a packet that it was to carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DropReason {
    /// Neither end has keys for it, or its keys are older than WireGuard lets keys become.
    NoSession,
    /// Its number has been seen, or is too far behind.
    Replayed,
    /// The other end's keys did not open it.
    NotAuthentic,
    /// The node has no route or no neighbour for the outer packet, or no room to send it.
    NoWay,
    /// The node's interface is down.
    InterfaceDown,
    /// Outer packets came in faster than this process got to read them.
    OuterOverflow,
    /// The node sent packets faster than this process got to read them.
    InnerOverflow,
}

impl DropReason {
    /// Whether the host was too slow: no network would have dropped that packet.
    pub fn is_the_hosts(self) -> bool {
        matches!(self, Self::OuterOverflow | Self::InnerOverflow)
    }

    /// Whether the network around the tunnel would not take it.
    pub fn is_the_networks(self) -> bool {
        matches!(self, Self::NoWay | Self::InterfaceDown)
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NoSession => "no session",
            Self::Replayed => "replayed or too late",
            Self::NotAuthentic => "not authentic",
            Self::NoWay => "no way to the other end",
            Self::InterfaceDown => "interface down",
            Self::OuterOverflow => "its outer socket was full",
            Self::InnerOverflow => "its inner socket was full",
        })
    }
}

/// How many packets a tunnel end dropped, by the reason; only reasons that occurred.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Drops(BTreeMap<DropReason, u64>);

impl Drops {
    /// Counts `count` more.
    pub fn add(&mut self, reason: DropReason, count: u64) {
        if count > 0 {
            *self.0.entry(reason).or_default() += count;
        }
    }

    /// What came on top of `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut more = Self::default();
        for (reason, count) in self.iter() {
            let earlier = before.0.get(&reason).copied().unwrap_or(0);
            more.add(reason, count.saturating_sub(earlier));
        }
        more
    }

    /// Every reason that occurred.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> {
        self.0.iter().map(|(reason, count)| (*reason, *count))
    }
}

/// What a tunnel end says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Time since the last handshake; `None` before the first.
    pub handshake_age: Option<Duration>,
    /// Bytes received from the peer.
    pub rx_bytes: u64,
    /// Bytes sent to the peer.
    pub tx_bytes: u64,
    /// What it dropped since it was set up. The kernel's WireGuard does not say.
    pub drops: Drops,
}

/// A tunnel end; dropping it deletes its interface. If its process is killed, in
/// userspace the interface goes with it; in the kernel it stays, carrying, until
/// [`remove`] or a new end deletes it.
pub struct Tunnel {
    settings: Settings,
    name: InterfaceName,
    running: Running,
}

enum Running {
    Kernel,
    Userspace(userspace::Userspace),
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel")
            .field("settings", &self.settings)
            .field("backend", &self.backend())
            .finish_non_exhaustive()
    }
}

impl Tunnel {
    /// Creates the interface, configures it and brings it up. An interface of
    /// that name left over by an earlier end is replaced.
    pub fn up(settings: Settings) -> io::Result<Self> {
        let name: InterfaceName = settings
            .interface
            .as_str()
            .parse()
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut links = link::Links::open()?;
        links.delete_if_there(settings.interface.as_str())?;
        let backend = match settings.backend {
            Some(backend) => backend,
            None if links.kernel_has_wireguard(&settings)? => Backend::Kernel,
            None => Backend::Userspace,
        };
        let running = match backend {
            Backend::Kernel => {
                links.add_wireguard(&settings)?;
                Running::Kernel
            }
            Backend::Userspace => start_userspace(&settings, &mut links)?,
        };
        let tunnel = Self {
            settings,
            name,
            running,
        };
        if backend == Backend::Kernel {
            tunnel.configure()?;
        }
        links.address_and_raise(&tunnel.settings)?;
        Ok(tunnel)
    }

    /// Which WireGuard carries the packets.
    pub fn backend(&self) -> Backend {
        match self.running {
            Running::Kernel => Backend::Kernel,
            Running::Userspace(_) => Backend::Userspace,
        }
    }

    /// Begins anew a handshake that got no answer, at once. WireGuard by itself would try
    /// again after five seconds. For one end only: where both do, each may drop the session
    /// that the other has just made.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn retry_handshake(&self) -> io::Result<()> {
        if matches!(self.running, Running::Kernel) {
            self.replace_peer(DeviceUpdate::new())?;
        }
        self.initiate()
    }

    /// Keeps the session's keys fresh while nothing else is sent. Before there is
    /// a session, the kernel would begin one for it.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn keep_alive(&self) -> io::Result<()> {
        match &self.running {
            Running::Kernel => {
                let peer = PeerConfigBuilder::new(&key(&self.settings.peer_key.0)?)
                    .set_persistent_keepalive_interval(self.settings.keepalive_s);
                DeviceUpdate::new()
                    .add_peer(peer)
                    .apply(&self.name, wireguard_control::Backend::Kernel)
            }
            // It was told with the peer, which it cannot change later.
            Running::Userspace(_) => Ok(()),
        }
    }

    /// Handshake age, byte counters and drops.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn observe(&self) -> io::Result<Observed> {
        match &self.running {
            Running::Kernel => self.observe_kernel(),
            Running::Userspace(end) => end.observe(),
        }
    }

    fn observe_kernel(&self) -> io::Result<Observed> {
        let device = Device::get(&self.name, wireguard_control::Backend::Kernel)?;
        let stats = device.peers.first().map(|peer| &peer.stats);
        let age = stats
            .and_then(|stats| stats.last_handshake_time)
            .and_then(|time| time.elapsed().ok());
        Ok(Observed {
            handshake_age: age,
            rx_bytes: stats.map_or(0, |stats| stats.rx_bytes),
            tx_bytes: stats.map_or(0, |stats| stats.tx_bytes),
            drops: Drops::default(),
        })
    }

    /// Tells the kernel the keys and the peer.
    fn configure(&self) -> io::Result<()> {
        let pair = KeyPair::from_private(key(&self.settings.private_key.0)?);
        self.replace_peer(
            DeviceUpdate::new()
                .set_keypair(pair)
                .set_listen_port(self.settings.listen_port),
        )
    }

    /// Has the kernel apply `update` and set the peer anew, which forgets its handshakes.
    fn replace_peer(&self, update: DeviceUpdate) -> io::Result<()> {
        let peer = PeerConfigBuilder::new(&key(&self.settings.peer_key.0)?)
            .set_endpoint(self.settings.endpoint)
            .replace_allowed_ips()
            .allow_all_ips();
        update
            .replace_peers()
            .add_peer(peer)
            .apply(&self.name, wireguard_control::Backend::Kernel)
    }

    /// Has WireGuard shake hands. The kernel takes a keepalive interval for a reason.
    ///
    /// # Errors
    /// Of the kernel.
    pub fn initiate(&self) -> io::Result<()> {
        match &self.running {
            Running::Kernel => self.keep_alive(),
            Running::Userspace(end) => {
                end.initiate();
                Ok(())
            }
        }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        if matches!(self.running, Running::Kernel)
            && let Ok(mut links) = link::Links::open()
        {
            // It goes with the namespace at the latest.
            let _ = links.delete_if_there(self.settings.interface.as_str());
        }
    }
}

/// Deletes what a killed end has left in the kernel of `netns`, if anything.
pub fn remove(netns: &NetnsFd, interface: &IfName) -> io::Result<()> {
    netns.run(|| link::Links::open()?.delete_if_there(interface.as_str()))
}

fn key(base64: &str) -> io::Result<Key> {
    Key::from_base64(base64)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "not a WireGuard key"))
}

fn start_userspace(settings: &Settings, links: &mut link::Links) -> io::Result<Running> {
    if settings.mtu > USERSPACE_MTU_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "userspace WireGuard carries packets of at most {USERSPACE_MTU_MAX} bytes, not {}",
                settings.mtu
            ),
        ));
    }
    let hidden = NetnsFd::fresh()?;
    let inner = links.add_bridged_pair(settings, &hidden)?;
    let wire = wire::Wire::open(hidden, inner, userspace::BUFFER_BYTES)?;
    userspace::Userspace::start(settings, wire).map(Running::Userspace)
}
