//! Probes, the steps of a scenario, and what must hold after them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Shape, Tags};
use crate::units::{
    Bytes, Family, HostName, LinkName, NodeName, Percent, ProbeName, SessionName, Span,
};

/// A pair of flows between two hosts, or between a host and a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The two ends, different from each other, at most one of them a service. The first flow is
    /// from `ends[0]`.
    pub ends: [Endpoint; 2],
    /// The family both hosts have and the flows use.
    pub family: Family,
    /// Packets a second, each way; at least 1.
    pub rate: u32,
    /// Bytes of the whole IP packet; the probe's headers fit, and so does it
    /// through every link and tunnel between the two, unless it must not be fragmented.
    pub size: Bytes,
    /// DF is set, and a path may be too narrow for them.
    pub dont_fragment: bool,
    /// Which of its flows must never arrive; `None`: both are measured.
    pub isolated: Option<Isolated>,
    /// Line of the file.
    pub line: u32,
}

/// What of a probe must never arrive, whatever happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Isolated {
    /// Nothing, either way.
    BothWays,
    /// Nothing to the second of the two; what the other way does is not looked at.
    There,
    /// Nothing to the first of the two.
    Back,
}

impl Isolated {
    /// Whether it is said of the flow from the first to the second, and of the other.
    pub fn ways(self) -> [bool; 2] {
        [self != Self::Back, self != Self::There]
    }
}

/// One end of a probe.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// A node of kind `host`.
    Node(NodeName),
    /// A host behind a node, written `node.host`.
    Behind {
        /// The node.
        node: NodeName,
        /// The host.
        host: HostName,
    },
    /// Whichever endpoint of a service the client reaches.
    Service(NodeName),
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Node(node) | Self::Service(node) => write!(f, "{node}"),
            Self::Behind { node, host } => write!(f, "{node}.{host}"),
        }
    }
}

/// One step of the scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What happens.
    pub kind: StepKind,
    /// Line of the file.
    pub line: u32,
}

/// What happens in a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// A fault.
    Fault {
        /// Unique in the scenario: `cut`, `degrade`, `drop`, or the file's `as:`.
        label: String,
        /// The fault.
        fault: Fault,
    },
    /// The fault with this label, an earlier step's and not yet restored, ends.
    Restore {
        /// The fault's label.
        label: String,
    },
    /// Wait until both flows of the probe are delivered without loss again.
    WaitRecovered {
        /// The probe.
        probe: ProbeName,
        /// Deadline; more than zero.
        within: Span,
    },
    /// Let time pass while the probes run.
    Sleep(Span),
}

/// A tag that nodes and links carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tag {
    /// Direct Connect location or building.
    Location,
    /// Whose it is.
    Provider,
    /// The customer's site.
    Site,
}

impl Tag {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Location, Self::Provider, Self::Site];

    /// The lab file's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Location => "location",
            Self::Provider => "provider",
            Self::Site => "site",
        }
    }

    /// The tag a word means.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tag| tag.word() == word)
    }

    /// What a node or link says of itself.
    pub fn of(self, tags: &Tags) -> Option<&str> {
        match self {
            Self::Location => tags.location.as_deref(),
            Self::Provider => tags.provider.as_deref(),
            Self::Site => tags.site.as_deref(),
        }
    }
}

impl std::fmt::Display for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

/// The words of a cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// Packets vanish both ways; carrier stays up.
    Silent,
    /// Packets vanish one way.
    OneWay,
    /// Loss of light.
    Carrier,
    /// A session is closed with a NOTIFICATION.
    BgpShutdown,
    /// AWS replaces the endpoint of a VPN's tunnel.
    Maintenance,
    /// A node's daemon is killed.
    Kill,
    /// A node's daemon is stopped.
    Freeze,
    /// A whole node dies.
    Node,
}

impl How {
    /// Every word, links first.
    pub const NAMES: [&str; 8] = [
        "silent",
        "one-way",
        "carrier",
        "bgp-shutdown",
        "maintenance",
        "kill",
        "freeze",
        "node",
    ];

    /// The cut a word means.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "silent" => Self::Silent,
            "one-way" => Self::OneWay,
            "carrier" => Self::Carrier,
            "bgp-shutdown" => Self::BgpShutdown,
            "maintenance" => Self::Maintenance,
            "kill" => Self::Kill,
            "freeze" => Self::Freeze,
            "node" => Self::Node,
            _ => return None,
        })
    }

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::OneWay => "one-way",
            Self::Carrier => "carrier",
            Self::BgpShutdown => "bgp-shutdown",
            Self::Maintenance => "maintenance",
            Self::Kill => "kill",
            Self::Freeze => "freeze",
            Self::Node => "node",
        }
    }

    /// The words that fit a `link`, a `session`, a `node` or a tag.
    pub fn of(target: &str) -> Vec<&'static str> {
        let fits = |word: &&str| Self::parse(word).is_some_and(|how| how.fits(target));
        Self::NAMES.into_iter().filter(fits).collect()
    }

    /// Whether it cuts a `link`, a `session`, a `node` or all that carries a tag.
    pub fn fits(self, target: &str) -> bool {
        if Tag::parse(target).is_some() {
            return matches!(self, Self::Silent | Self::Carrier | Self::Node);
        }
        self.hits() == target
    }

    /// What single thing it cuts: a `link`, a `session` or a `node`.
    pub fn hits(self) -> &'static str {
        match self {
            Self::Silent | Self::OneWay | Self::Carrier => "link",
            Self::BgpShutdown | Self::Maintenance => "session",
            Self::Kill | Self::Freeze | Self::Node => "node",
        }
    }

    /// Whether it names the end whose packets vanish.
    pub fn takes_from(self) -> bool {
        self == Self::OneWay
    }

    /// Whether it may name the end at which it happens.
    pub fn takes_at(self) -> bool {
        matches!(self, Self::Carrier | Self::BgpShutdown)
    }
}

impl std::fmt::Display for How {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// A fault, in the words of the cut taxonomy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Packets vanish, carrier stays up.
    Silent {
        /// The link.
        link: LinkName,
        /// `None`: both ways (`silent`); else only packets sent by this end (`one-way`).
        from: Option<NodeName>,
    },
    /// Loss of light.
    Carrier {
        /// The link.
        link: LinkName,
        /// `None`: both ends see it; else only this end does.
        at: Option<NodeName>,
    },
    /// The wire drops exactly the next `packets` numbered probe packets of each
    /// flow it carries.
    DropNumbered {
        /// The link.
        link: LinkName,
        /// How many of each flow; at least 1.
        packets: u32,
    },
    /// The node ends the session with a NOTIFICATION and keeps it down.
    BgpShutdown {
        /// The session; an IPsec VPN's name means those in its tunnels.
        session: SessionName,
        /// The end that does it; AWS's end for a VIF or a VPN to AWS.
        node: NodeName,
    },
    /// AWS replaces the endpoint of one tunnel of a VPN: it announces its routes over the
    /// other with the lower MED, and some seconds later the endpoint is gone.
    Maintenance {
        /// The tunnel.
        tunnel: SessionName,
        /// AWS's gateway.
        node: NodeName,
        /// The endpoint, at AWS.
        endpoint: NodeName,
    },
    /// SIGKILL of the node's daemon.
    Kill {
        /// The node; it runs a daemon.
        node: NodeName,
    },
    /// SIGSTOP of the node's daemon.
    Freeze {
        /// The node; it runs a daemon.
        node: NodeName,
    },
    /// The node dies: its links fall silent first.
    NodeDeath {
        /// The node.
        node: NodeName,
        /// Its links.
        links: Vec<LinkName>,
    },
    /// All that carries a tag falls at once.
    Tagged {
        /// The tag.
        tag: Tag,
        /// Its value, in the file's own spelling.
        value: String,
        /// `Silent`, `Carrier` (at both ends), or `Node`: silent, and the nodes die.
        how: How,
        /// The links that carry it, and all links of the nodes that do.
        links: Vec<LinkName>,
        /// The nodes that die: none unless `how` is `Node`.
        nodes: Vec<NodeName>,
    },
    /// The link's shape changes: what the step gives replaces, the rest stays.
    Degrade {
        /// The link.
        link: LinkName,
        /// The complete new shape of each direction.
        shape: [Shape; 2],
    },
}

impl Fault {
    /// The taxonomy's word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Silent { from: None, .. } => "silent",
            Self::Silent { from: Some(_), .. } => "one-way",
            Self::Carrier { .. } => "carrier",
            Self::DropNumbered { .. } => "drop",
            Self::BgpShutdown { .. } => "bgp-shutdown",
            Self::Maintenance { .. } => "maintenance",
            Self::Kill { .. } => "kill",
            Self::Freeze { .. } => "freeze",
            Self::NodeDeath { .. } => "node",
            Self::Degrade { .. } => "degrade",
            Self::Tagged { how, .. } => how.word(),
        }
    }

    /// What it hits: a name, or a tag and its value as in `location:EAST`.
    pub fn target(&self) -> String {
        match self {
            Self::Silent { link, .. }
            | Self::Carrier { link, .. }
            | Self::DropNumbered { link, .. }
            | Self::Degrade { link, .. } => link.to_string(),
            Self::BgpShutdown { session, .. } => session.to_string(),
            Self::Maintenance { tunnel, .. } => tunnel.to_string(),
            Self::Kill { node } | Self::Freeze { node } | Self::NodeDeath { node, .. } => {
                node.to_string()
            }
            Self::Tagged { tag, value, .. } => format!("{tag}:{value}"),
        }
    }

    /// Whether `name` is what it hits, as somebody writes who wants it undone.
    pub fn is_of(&self, name: &str) -> bool {
        let is_value = matches!(self, Self::Tagged { value, .. } if value == name);
        is_value || self.target() == name
    }

    /// Whether the node dies of it, all of it.
    pub fn is_death_of(&self, node: &NodeName) -> bool {
        match self {
            Self::NodeDeath { node: dead, .. } => dead == node,
            Self::Tagged { nodes, .. } => nodes.contains(node),
            Self::Silent { .. }
            | Self::Carrier { .. }
            | Self::DropNumbered { .. }
            | Self::BgpShutdown { .. }
            | Self::Maintenance { .. }
            | Self::Kill { .. }
            | Self::Freeze { .. }
            | Self::Degrade { .. } => false,
        }
    }
}

/// What monitoring raises.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Alert {
    /// Traffic takes another way than before the first fault.
    RunningOnBackup,
    /// A session that no traffic takes is down, while traffic takes its usual way.
    BackupDead,
    /// A circuit carries more than would fit without it.
    LoadExceedsBackup,
}

impl Alert {
    /// The lab file's words.
    pub const NAMES: [&str; 3] = ["running-on-backup", "backup-dead", "load-exceeds-backup"];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::RunningOnBackup => Self::NAMES[0],
            Self::BackupDead => Self::NAMES[1],
            Self::LoadExceedsBackup => Self::NAMES[2],
        }
    }

    /// The alert a word means.
    pub fn parse(word: &str) -> Option<Self> {
        let all = [
            Self::RunningOnBackup,
            Self::BackupDead,
            Self::LoadExceedsBackup,
        ];
        all.into_iter().find(|alert| alert.word() == word)
    }
}

/// What a measured quantity must lie between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bounds<T> {
    /// No less than this.
    pub at_least: Option<T>,
    /// No more than this.
    pub at_most: Option<T>,
}

impl<T: std::fmt::Display> std::fmt::Display for Bounds<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.at_least, &self.at_most) {
            (Some(least), Some(most)) => write!(f, "{least} to {most}"),
            (Some(least), None) => write!(f, "at least {least}"),
            (None, Some(most)) => write!(f, "at most {most}"),
            (None, None) => f.write_str("anything"),
        }
    }
}

/// What must hold for a probe after a step. At least one of these is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expect {
    /// The transition it speaks of.
    pub after: ExpectAfter,
    /// The probe; both flows must satisfy it.
    pub probe: ProbeName,
    /// Longest outage.
    pub outage_max: Option<Span>,
    /// Exactly this many packets lost.
    pub lost: Option<u64>,
    /// The session that carries the traffic afterwards.
    pub via: Option<SessionName>,
    /// Whether traffic comes back before the next fault or restore.
    #[serde(default)]
    pub recovered: Option<bool>,
    /// What monitoring raises before the next fault or restore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<Alert>,
    /// Share of packets lost in the last two seconds before the next fault or restore.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Bounds<Percent>>,
    /// Median one-way delay then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Bounds<Span>>,
    /// 99th percentile of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_p99: Option<Bounds<Span>>,
    /// What else must be so.
    #[serde(default, skip_serializing_if = "Further::is_empty")]
    pub further: Further,
    /// Line of the file, for reports.
    pub line: u32,
}

/// What an expectation says beyond an outage's length and the traffic's end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Further {
    /// At most so many interruptions: times without delivery, with at least 100 ms of it between.
    pub interruptions: Option<u32>,
    /// By what the fault was noticed.
    pub detected_by: Option<Mechanism>,
    /// Before the first fault not one packet takes this session.
    #[schemars(with = "Option<String>")]
    pub never_via: Option<SessionName>,
    /// Before the first fault packets of this size get through in one piece; whole IP packets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<Bytes>,
}

impl Further {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// By what a node notices that something is gone.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Mechanism {
    /// BFD's detection time passed.
    Bfd,
    /// BGP's hold time passed.
    HoldTimer,
    /// A BGP session ended in another way: a NOTIFICATION, a closed connection.
    Bgp,
    /// The light went out.
    Carrier,
    /// LACP's partner fell silent.
    Lacp,
}

impl Mechanism {
    /// The lab file's words.
    pub const NAMES: [&str; 5] = ["bfd", "hold-timer", "bgp", "carrier", "lacp"];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Bfd => Self::NAMES[0],
            Self::HoldTimer => Self::NAMES[1],
            Self::Bgp => Self::NAMES[2],
            Self::Carrier => Self::NAMES[3],
            Self::Lacp => Self::NAMES[4],
        }
    }

    /// The mechanism a word means.
    pub fn parse(word: &str) -> Option<Self> {
        let all = [
            Self::Bfd,
            Self::HoldTimer,
            Self::Bgp,
            Self::Carrier,
            Self::Lacp,
        ];
        all.into_iter().find(|one| one.word() == word)
    }
}

/// The transition an expectation speaks of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExpectAfter {
    /// What is so before the first fault.
    Start,
    /// What follows the fault with this label.
    Fault(String),
    /// What follows the restore of the fault with this label.
    Restore(String),
}
