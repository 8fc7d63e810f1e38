//! Why a valid lab cannot be planned on this host or with what backhoe can do.

use super::{
    address::Exhausted,
    config::{bird::BirdError, frr::FrrError},
};
use crate::units::{LinkName, NameError, NodeName, Suite};

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
    /// Several VIFs share a circuit.
    #[error(
        "link `{link}` carries {count} VIFs; backhoe cannot tag VLANs yet: give each VIF a circuit of its own"
    )]
    SeveralVifs {
        /// The circuit.
        link: LinkName,
        /// How many.
        count: usize,
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
        matches!(self, Self::NoSuite { .. })
    }
}

fn absence(install: Option<&str>) -> String {
    match install {
        None => ", which is not installed on this host".to_owned(),
        Some(place) => format!(" of `{place}`, and this host has none there that runs"),
    }
}
