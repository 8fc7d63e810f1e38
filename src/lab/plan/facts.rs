//! What the host has: an input of the plan, found out by `doctor`.

use serde::{Deserialize, Serialize};

use crate::units::Suite;

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
    /// The kernel bundles links (bonding).
    pub bond: bool,
    /// The kernel has VRFs.
    pub vrf: bool,
    /// The kernel can clamp TCP's MSS (nftables).
    pub nftables: bool,
    /// What becomes of opening `/dev/net/tun`.
    pub tun: TunDevice,
    /// The kernel has ESP and XFRM interfaces to route into it.
    pub xfrm: bool,
    /// The strongSwan that is installed, if any.
    pub ipsec: Option<IpsecFacts>,
    /// The routing suites that are installed, of those that were asked for.
    pub suites: Vec<SuiteFacts>,
}

impl HostFacts {
    /// The installation, if the host has it.
    pub fn suite(&self, suite: Suite, install: Option<&str>) -> Option<&SuiteFacts> {
        self.suites
            .iter()
            .find(|facts| facts.suite == suite && facts.install.as_deref() == install)
    }
}

/// What becomes of opening `/dev/net/tun`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TunDevice {
    /// It is not there.
    #[default]
    Absent,
    /// This user may not.
    Refused,
    /// It opens.
    Opens,
}

/// An installed routing suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuiteFacts {
    /// What it is.
    pub suite: Suite,
    /// Where, as the lab file says it; `None`: where packages put it.
    pub install: Option<String>,
    /// Its version, as it says it itself.
    pub version: String,
    /// What is known to be wrong with this version, in a sentence.
    pub known_bad: Option<String>,
}

/// An installed strongSwan: charon with vici, and swanctl.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpsecFacts {
    /// Its version, as `swanctl --version` says it.
    pub version: String,
    /// It can do ESP in user space (kernel-libipsec).
    pub libipsec: bool,
}
