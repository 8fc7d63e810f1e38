//! What each end of a planned tunnel is told.

use serde::{Deserialize, Serialize};

use crate::{
    lab::plan::TunnelPlan,
    os::wireguard::{self, Backend, PrivateKey, PublicKey, Settings},
    units::{NodeName, TunnelName},
};

/// Idle tunnels must not stumble over expired keys when they are needed: well
/// below WireGuard's 15 s without an answer.
const KEEPALIVE_S: u16 = 10;

/// One end of a tunnel, keys included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunnelEndConfig {
    /// The tunnel.
    pub tunnel: TunnelName,
    /// The node it runs in.
    pub node: NodeName,
    /// Interface, addresses, keys.
    pub settings: Settings,
    /// Whether this end shakes hands first: the customer's, as with AWS's default
    /// startup action (Site-to-Site VPN tunnel initiation options).
    pub initiates: bool,
}

/// The two ends of a planned tunnel, with fresh keys. `backend: None` takes the
/// kernel's WireGuard where there is one.
pub fn tunnel_ends(plan: &TunnelPlan, backend: Option<Backend>) -> [TunnelEndConfig; 2] {
    let keys = [wireguard::generate_keypair(), wireguard::generate_keypair()];
    let [first, second] = &plan.ends;
    let [(first_key, first_public), (second_key, second_public)] = keys;
    let end = |own: &crate::lab::plan::TunnelEnd,
               peer: &crate::lab::plan::TunnelEnd,
               private_key: PrivateKey,
               peer_key: PublicKey,
               initiates: bool| TunnelEndConfig {
        initiates,
        tunnel: plan.tunnel.clone(),
        node: own.node.clone(),
        settings: Settings {
            interface: own.interface.clone(),
            index: own.index,
            mtu: u32::try_from(plan.mtu.get()).unwrap_or(u32::MAX),
            inside: own.inside.clone(),
            private_key,
            peer_key,
            listen_port: own.outer.port(),
            endpoint: peer.outer,
            keepalive_s: KEEPALIVE_S,
            backend,
        },
    };
    [
        end(first, second, first_key, second_public, true),
        end(second, first, second_key, first_public, false),
    ]
}
