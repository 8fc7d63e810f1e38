//! What a node gives and takes on a session.

use ipnet::IpNet;

use crate::units::{Community, Policy, SessionName};

/// One node's routing on one session, in one of two forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Routing {
    /// The short form.
    Shorthand(Shorthand),
    /// Ordered rules.
    Rules(Rules),
}

impl Routing {
    /// More accepted prefixes than this end the session.
    pub fn max_prefix(&self) -> Option<u32> {
        match self {
            Self::Shorthand(short) => short.max_prefix,
            Self::Rules(rules) => rules.max_prefix,
        }
    }
}

/// The short form. `announce` and `pass` are the complete list of what goes out;
/// everything the peer sends is taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shorthand {
    /// Prefixes originated by this node and announced here.
    pub announce: Vec<Announce>,
    /// Routes learned over these other sessions of the node go out here too.
    pub pass: Vec<SessionName>,
    /// LOCAL_PREF of what is learned here.
    pub local_pref: Option<u32>,
    /// MULTI_EXIT_DISC of what goes out here.
    pub med: Option<u32>,
    /// Own ASN put in front this many further times on what goes out here.
    pub prepend: u8,
    /// Communities added to what goes out here.
    pub communities: Vec<Community>,
    /// More accepted prefixes than this end the session.
    pub max_prefix: Option<u32>,
}

/// The long form: first match decides, no match means reject.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// What is taken; `None` in the file takes everything.
    pub import: Policy,
    /// What goes out; `None` in the file gives nothing.
    pub export: Policy,
    /// More accepted prefixes than this end the session.
    pub max_prefix: Option<u32>,
}

/// A prefix that a node originates.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Announce {
    /// The prefix, host bits zero.
    pub prefix: IpNet,
    /// Originated only while a route strictly inside this prefix is known; for a summary.
    pub while_known: Option<IpNet>,
}
