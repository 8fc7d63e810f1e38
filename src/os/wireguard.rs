//! One end of a WireGuard tunnel, in the calling thread's network namespace.
//!
//! Where the kernel has WireGuard, the tunnel is the kernel's. Elsewhere it is
//! boringtun in this process: given a socket instead of a TUN name it needs no
//! /dev/net/tun, so it also works for an ordinary user. The node then sees one
//! end of a veth pair whose other end is in a namespace that only this process
//! holds, and [`bridge`] carries packets between that end and boringtun.
//!
//! Both backends are configured through wireguard-control. Its userspace half
//! looks for a socket in /var/run/wireguard, so each node needs a /run of its own.

mod bridge;
mod link;
mod uapi;

use std::{
    fmt, io,
    net::SocketAddr,
    os::fd::{AsRawFd, IntoRawFd},
    sync::Arc,
    time::Duration,
};

use boringtun::device::{DeviceConfig, DeviceHandle};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use wireguard_control::{Device, DeviceUpdate, InterfaceName, Key, KeyPair, PeerConfigBuilder};

use crate::{os::netns::NetnsFd, units::IfName};

/// boringtun reads at most this much from a socket in place of a TUN.
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

/// What a tunnel end says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// Time since the last handshake; `None` before the first.
    pub handshake_age: Option<Duration>,
    /// Bytes received from the peer.
    pub rx_bytes: u64,
    /// Bytes sent to the peer.
    pub tx_bytes: u64,
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
    Userspace {
        uapi: Arc<uapi::Uapi>,
        bridge: bridge::Bridge,
        // Dropped last: stops boringtun's threads.
        _device: DeviceHandle,
    },
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
        tunnel.configure()?;
        links.address_and_raise(&tunnel.settings)?;
        Ok(tunnel)
    }

    /// Which WireGuard carries the packets.
    pub fn backend(&self) -> Backend {
        match self.running {
            Running::Kernel => Backend::Kernel,
            Running::Userspace { .. } => Backend::Userspace,
        }
    }

    /// Forgets a handshake that got no answer and starts a new one at once.
    /// WireGuard by itself would try again after five seconds. For one end only:
    /// where both forget, each may drop the session that the other has just made.
    ///
    /// # Errors
    /// Of the kernel, or of the socket to boringtun.
    pub fn retry_handshake(&self) -> io::Result<()> {
        // Without the port: boringtun would open its sockets anew and keep the old ones.
        self.replace_peer(DeviceUpdate::new())?;
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
            Running::Userspace { .. } => Ok(()),
        }
    }

    /// Handshake age and byte counters.
    pub fn observe(&self) -> io::Result<Observed> {
        match &self.running {
            Running::Kernel => self.observe_kernel(),
            // wireguard-control reads the age boringtun gives as a date, in whole
            // seconds, and prints lines it does not know to stdout.
            Running::Userspace { uapi, .. } => uapi.observe(),
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
        })
    }

    fn configure(&self) -> io::Result<()> {
        let pair = KeyPair::from_private(key(&self.settings.private_key.0)?);
        self.replace_peer(
            DeviceUpdate::new()
                .set_keypair(pair)
                .set_listen_port(self.settings.listen_port),
        )
    }

    /// Applies `update` and sets the peer anew, which forgets its handshakes.
    fn replace_peer(&self, update: DeviceUpdate) -> io::Result<()> {
        let peer = PeerConfigBuilder::new(&key(&self.settings.peer_key.0)?)
            .set_endpoint(self.settings.endpoint)
            .replace_allowed_ips()
            .allow_all_ips();
        let (peer, backend) = match self.running {
            Running::Kernel => (peer, wireguard_control::Backend::Kernel),
            Running::Userspace { .. } => (
                peer.set_persistent_keepalive_interval(self.settings.keepalive_s),
                wireguard_control::Backend::Userspace,
            ),
        };
        update
            .replace_peers()
            .add_peer(peer)
            .apply(&self.name, backend)
    }

    /// Gives WireGuard a reason to shake hands. The kernel takes a keepalive
    /// interval for one; boringtun wants a packet.
    ///
    /// # Errors
    /// Of the kernel, or of the socket to boringtun.
    pub fn initiate(&self) -> io::Result<()> {
        match &self.running {
            Running::Kernel => self.keep_alive(),
            Running::Userspace { bridge, .. } => bridge.inject(&bridge::KNOCK),
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
    let (bridge, tun) = bridge::Bridge::start(hidden, inner)?;
    let (uapi, device_end) = uapi::Uapi::listen(settings.interface.as_str())?;
    let config = DeviceConfig {
        n_threads: 1,
        // Unconnected: an ICMP error of a cut path must not disturb the socket.
        use_connected_socket: false,
        use_multi_queue: false,
        uapi_fd: device_end.into_raw_fd(),
    };
    // boringtun takes a number for an open descriptor and closes it in the end.
    let name = tun.as_raw_fd().to_string();
    let device = DeviceHandle::new(&name, config).map_err(io::Error::other)?;
    let _ = tun.into_raw_fd();
    Ok(Running::Userspace {
        uapi,
        bridge,
        _device: device,
    })
}
