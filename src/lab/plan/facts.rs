//! What the host has: an input of the plan, found out by `doctor`.

use serde::{Deserialize, Serialize};

/// What this kernel and host offer to an unprivileged lab.
///
/// The default is the least a host can have: nothing optional.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HostFacts {
    /// The kernel can delay and drop on a wire (`sch_netem`).
    pub netem: bool,
    /// The kernel speaks WireGuard.
    pub wireguard: bool,
    /// The kernel tags VLANs (802.1Q).
    pub vlan: bool,
    /// `/dev/net/tun` can be opened.
    pub tun: bool,
    /// The FRR that is installed, if any.
    pub frr: Option<FrrFacts>,
}

/// An installed FRR.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrrFacts {
    /// Its version, as `bgpd --version` says it.
    pub version: String,
    /// What is known to be wrong with this version, in a sentence.
    pub known_bad: Option<String>,
}
