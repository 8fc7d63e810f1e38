//! Why a valid lab cannot be planned on this host or with what backhoe can do.

use std::fmt;

use super::{
    address::Exhausted,
    config::{bird::BirdError, frr::FrrError},
};
use crate::units::{NameError, NodeName, SessionName, Suite};

/// A part of the kernel that not every kernel has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KernelFeature {
    /// VLAN tags.
    Vlan,
    /// LACP.
    Bond,
    /// Virtual routing and forwarding.
    Vrf,
    /// Rules that set a TCP option.
    Nftables,
}

impl fmt::Display for KernelFeature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vlan => "802.1Q (module 8021q)",
            Self::Bond => "LACP (module bonding)",
            Self::Vrf => "VRFs (module vrf)",
            Self::Nftables => "nftables (module nf_tables)",
        })
    }
}

/// One reason a lab cannot be planned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A node wants a routing suite and the host has none.
    #[error("node `{node}` wants {suite}{}", absence(install.as_deref()))]
    NoSuite {
        /// The node.
        node: NodeName,
        /// What it wants.
        suite: Suite,
        /// Where it should be, if the lab file says.
        install: Option<String>,
    },
    /// A client cannot ask for a name: it and the server have no family in common.
    #[error("`{probe}` cannot ask `{server}` for `{name}`: they do not have a family in common")]
    NoServer {
        /// The client.
        probe: String,
        /// The name.
        name: NodeName,
        /// Its server.
        server: String,
    },
    /// A VPN wants IPsec and the host has no strongSwan.
    #[error(
        "session `{session}` wants IPsec, and strongSwan is not installed on this host: \
         sudo apt-get install charon-systemd strongswan-swanctl libcharon-extra-plugins libstrongswan-standard-plugins"
    )]
    NoStrongswan {
        /// The session.
        session: SessionName,
    },
    /// Neither the kernel nor strongSwan can do ESP.
    #[error(
        "session `{session}` wants IPsec; this kernel has no XFRM interfaces, and strongSwan's ESP in user space is not installed: \
         sudo apt-get install libcharon-extra-plugins"
    )]
    NoLibipsec {
        /// The session.
        session: SessionName,
    },
    /// ESP in user space needs a TUN device.
    #[error(
        "session `{session}` wants IPsec; this kernel has no XFRM interfaces, so ESP runs in user space, which needs /dev/net/tun, and {}",
        if *refused {
            "you may not open it: sudo chmod 0666 /dev/net/tun"
        } else {
            "it is not there: sudo modprobe tun (in a container: start it with --device /dev/net/tun)"
        }
    )]
    NoTun {
        /// The session.
        session: SessionName,
        /// It is there, but not for this user.
        refused: bool,
    },
    /// The lab needs what this kernel lacks.
    #[error("{what} needs {feature}, which this kernel lacks")]
    Lacks {
        /// What in the lab.
        what: String,
        /// What of the kernel.
        feature: KernelFeature,
    },
    /// FRR's configuration cannot say what the lab asks for.
    #[error("node `{node}` (FRR): {source}")]
    Frr {
        /// The node.
        node: NodeName,
        /// What FRR cannot do.
        #[source]
        source: FrrError,
    },
    /// BIRD's configuration cannot say what the lab asks for.
    #[error("node `{node}` (BIRD): {source}")]
    Bird {
        /// The node.
        node: NodeName,
        /// What BIRD cannot do.
        #[source]
        source: BirdError,
    },
    /// A pool of addresses is used up.
    #[error(transparent)]
    Addresses(#[from] Exhausted),
    /// A derived name is not valid.
    #[error("a derived name is not valid: {0}")]
    Name(#[from] NameError),
    /// The model breaks its own promise: a bug in backhoe.
    #[error("bug: the model promises {0}")]
    Broken(String),
}

impl PlanError {
    /// Whether another host could build the lab as it is.
    pub fn is_lack_of_host(&self) -> bool {
        matches!(
            self,
            Self::NoSuite { .. }
                | Self::Lacks { .. }
                | Self::NoStrongswan { .. }
                | Self::NoLibipsec { .. }
                | Self::NoTun { .. }
        )
    }
}

fn absence(install: Option<&str>) -> String {
    match install {
        None => ", which is not installed on this host".to_owned(),
        Some(place) => format!(" of `{place}`, and this host has none there that runs"),
    }
}
