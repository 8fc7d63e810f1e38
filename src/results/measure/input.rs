//! What a measurement looks at: the journal, the packet records, and the plan's facts as plain data.

use std::{collections::BTreeMap, net::IpAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    lab::model::{Alert, Bounds, Further, Isolated},
    results::event::{Event, FlowLog, LoadLog, WireFlowLog},
    units::{BfdConfig, HealthCheck, LacpRate, Percent, Rate, Span, TunnelCap},
};

/// Everything one run left behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInput {
    /// The lab's name.
    pub lab: String,
    /// The journal, in any order: `measure` sorts by time.
    pub events: Vec<Event>,
    /// Each probe flow's packets.
    pub flows: Vec<FlowLog>,
    /// What each wire direction and each tunnel's inside saw of each flow.
    pub wires: Vec<WireFlowLog>,
    /// The lab as planned.
    pub topology: Topology,
    /// What a node dropped while probes were counted, by its own counters.
    #[serde(default)]
    pub node_drops: BTreeMap<String, NodeDrops>,
    /// What ends of tunnels dropped while probes were counted, by their own counters.
    #[serde(default)]
    pub tunnel_drops: Vec<TunnelDrops>,
    /// Probes whose packets must not arrive, with their lines in the file.
    #[serde(default)]
    pub isolated: BTreeMap<String, (u32, Isolated)>,
    /// What must hold.
    pub expectations: Vec<Expectation>,
    /// What background load left behind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub load: Vec<LoadLog>,
    /// What must hold of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub load_expectations: Vec<LoadExpectation>,
    /// How well the instrument itself worked.
    pub quality: Quality,
    /// Sentences of the plan that every report repeats.
    pub notes: Vec<String>,
}

/// Packets that a node's kernel counted as dropped, of probes and of everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct NodeDrops {
    /// There was no route.
    pub no_route: u64,
    /// A LAG had no member to send them on.
    #[serde(default)]
    pub no_member: u64,
    /// They were too large for the way on and must not be fragmented.
    #[serde(default)]
    pub too_large: u64,
}

impl NodeDrops {
    /// For whatever reason.
    pub fn all(self) -> u64 {
        self.no_route + self.no_member + self.too_large
    }

    /// What was added to `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            no_route: self.no_route.saturating_sub(before.no_route),
            no_member: self.no_member.saturating_sub(before.no_member),
            too_large: self.too_large.saturating_sub(before.too_large),
        }
    }
}

/// Packets that one end of a tunnel dropped for one reason, of probes and of everything else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TunnelDrops {
    /// The tunnel.
    pub tunnel: String,
    /// The end.
    pub node: String,
    /// In words: `no session`.
    pub reason: String,
    /// How many.
    pub count: u64,
    /// Whose doing it was.
    pub cause: DropCause,
}

/// Who makes a tunnel's end drop a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DropCause {
    /// The tunnel itself: its keys.
    Tunnel,
    /// The network around it, of which wires and nodes tell.
    Network,
    /// The host that runs the lab, which was too slow: no network would have dropped it.
    Host,
    /// What AWS's gateway lets through a tunnel; counted where packets come out of it.
    Cap,
}

/// The lab as far as a measurement must know it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Topology {
    /// Hosts and the nodes they stand behind.
    pub hosts: Vec<HostInput>,
    /// All links, those that are plain veth pairs included.
    pub links: Vec<LinkInput>,
    /// Bundles of links.
    #[serde(default)]
    pub lags: Vec<LagInput>,
    /// VPN tunnels.
    pub tunnels: Vec<TunnelInput>,
    /// Routing sessions.
    pub sessions: Vec<SessionInput>,
    /// Several hosts behind one name or address.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceInput>,
    /// Addresses of each flow.
    pub flows: Vec<FlowAddresses>,
    /// Nodes that hand nothing on from one link to another: VPCs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub no_transit: Vec<String>,
}

/// A host behind a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HostInput {
    /// The host's namespace, as flows name it.
    pub name: String,
    /// The node it stands behind.
    pub behind: String,
    /// The route table there that routes what it sends, where a VPC's subnets have several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LinkInput {
    /// Its name.
    pub name: String,
    /// The nodes at its two ends.
    pub ends: [String; 2],
    /// `wire` (shaped, cuttable, counted) or `direct` (a plain veth pair).
    pub role: String,
    /// Declared shape from `ends[0]` to `ends[1]` and back.
    pub declared: [DeclaredShape; 2],
}

/// What one direction of a link was declared to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DeclaredShape {
    /// One-way delay.
    pub delay: Span,
    /// Uniform variation around it.
    pub jitter: Span,
    /// Random loss.
    pub loss: Percent,
    /// Serialisation rate.
    pub rate: Option<Rate>,
}

/// Links bundled by LACP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LagInput {
    /// Its name.
    pub name: String,
    /// Its members.
    pub links: Vec<String>,
    /// The nodes at its two ends.
    pub ends: [String; 2],
    /// How often each end asks for LACPDUs.
    pub lacp: [LacpRate; 2],
}

/// A VPN tunnel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TunnelInput {
    /// Its name.
    pub name: String,
    /// The nodes at its two ends.
    pub ends: [String; 2],
    /// Its interfaces there.
    pub interfaces: [String; 2],
    /// What it stands in for, as a phrase: `WireGuard standing in for IPsec`.
    pub stand_in: Option<String>,
    /// The links by which each end sends its outer packets; older journals tell none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub underlay: Vec<String>,
    /// Bytes that it adds to a packet, at most.
    #[serde(default)]
    pub overhead: u16,
    /// What it lets through, where that is enforced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cap: Option<TunnelCap>,
}

/// A routing session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionInput {
    /// Its name.
    pub name: String,
    /// `private-vif`, `vpn`, `ebgp`, `ibgp`, `modelled`.
    pub kind: String,
    /// The link, LAG or tunnel that carries it.
    pub over: String,
    /// The tag of its frames there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// The nodes at its two ends.
    pub nodes: [String; 2],
    /// Part of AWS's inside, whose real behaviour is not published.
    pub modelled: bool,
    /// BFD timers of each end, where BFD runs.
    pub bfd: Option<[BfdConfig; 2]>,
    /// Hold time each end offers; zero means none.
    pub hold: [Span; 2],
    /// Time between keepalives each end would have; absent: a third of the hold time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keepalive: Option<[Span; 2]>,
    /// How each end times keepalives and its hold timer; null where nothing is known of it.
    #[serde(default)]
    pub timing: [Option<BgpTiming>; 2],
}

/// What a BGP speaker takes at random off its timers: up to this share of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BgpTiming {
    /// Off the time between keepalives.
    pub keepalive_jitter: Percent,
    /// Off the hold timer.
    pub hold_jitter: Percent,
}

impl SessionInput {
    /// Whether a packet with this tag may be its; older journals tell none.
    pub(super) fn may_be_tagged(&self, vlan: Option<u16>) -> bool {
        self.vlan.is_none() || vlan.is_none() || self.vlan == vlan
    }
}

/// Several hosts behind one name or address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceInput {
    /// What it is called, as flows name it.
    pub name: String,
    /// The hosts.
    pub endpoints: Vec<String>,
    /// How the name is served; absent: the hosts have one address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<DnsInput>,
}

/// How a name is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DnsInput {
    /// The host that answers and checks.
    pub server: String,
    /// Seconds for which an answer is kept.
    pub ttl_s: u32,
    /// How endpoints are checked.
    pub check: HealthCheck,
}

/// Addresses of one flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FlowAddresses {
    /// The flow's number.
    pub flow: u16,
    /// Where its packets come from.
    pub source: IpAddr,
    /// Where they go; of a service its first endpoint, unless the flow's turns say otherwise.
    pub destination: IpAddr,
}

/// What expectations and alerts call the time before the first fault, in place of a step's label.
pub const BEFORE: &str = "start";

/// One line of the lab file's `expect`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Expectation {
    /// Line of the lab file.
    pub line: u32,
    /// The line in words, as a report prints it.
    pub text: String,
    /// The step's label.
    pub label: String,
    /// Whether it speaks of the fault or of its restore.
    pub transition: Transition,
    /// The probe; all its flows must satisfy the line.
    pub probe: String,
    /// Longest outage.
    pub outage_max: Option<Span>,
    /// Exactly this many lost.
    pub lost: Option<u64>,
    /// The session (or VPN, or link) that carries the traffic afterwards.
    pub via: Option<String>,
    /// Whether traffic comes back before the transition ends.
    pub recovered: Option<bool>,
    /// What monitoring raises in the transition.
    #[serde(default)]
    pub alert: Option<Alert>,
    /// Share of packets lost in the last two seconds of the transition.
    #[serde(default)]
    pub loss: Option<Bounds<Percent>>,
    /// Median one-way delay then.
    #[serde(default)]
    pub delay: Option<Bounds<Span>>,
    /// 99th percentile of it.
    #[serde(default)]
    pub delay_p99: Option<Bounds<Span>>,
    /// What else must be so.
    #[serde(default)]
    pub further: Further,
}

/// One line of the lab file's `expect`, of a load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LoadExpectation {
    /// Line of the lab file.
    pub line: u32,
    /// The line in words, as a report prints it.
    pub text: String,
    /// The step's label.
    pub label: String,
    /// Whether it speaks of the fault or of its restore.
    pub transition: Transition,
    /// The load.
    pub load: String,
    /// What arrives in the last two seconds of the phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throughput: Option<Bounds<Rate>>,
    /// That as a share of what arrived before the first fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Bounds<Percent>>,
    /// The longest time in which nothing arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stall: Option<Bounds<Span>>,
    /// Of UDP: the share of packets lost in the last two seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Bounds<Percent>>,
}

/// Which of a fault's two transitions.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Transition {
    /// From the fault to the next fault or restore.
    Initial,
    /// From the restore to the next fault or restore.
    Reversion,
}

/// How well the instrument worked during the run.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Quality {
    /// Whether senders and the relay ran with realtime priority.
    pub realtime: bool,
    /// 99th percentile of the senders' lateness during the run, microseconds.
    pub pacing_p99_us: Option<f64>,
    /// Largest lateness during the run, microseconds.
    pub pacing_max_us: Option<f64>,
    /// Largest change of the REALTIME−MONOTONIC offset between clock samples, nanoseconds.
    pub clock_step_ns: u64,
    /// Packets the captures of control traffic missed.
    pub capture_drops: u64,
    /// 99th percentile of how late frames left their links, microseconds.
    pub wire_late_p99_us: Option<f64>,
    /// The latest of them, microseconds.
    pub wire_late_max_us: Option<f64>,
    /// Share of the time in which something on the host was ready to run and had to
    /// wait for a processor, 0 to 1, where the kernel counts it.
    pub cpu_waited: Option<f64>,
    /// Share of the processors' time that the hypervisor took from this host, 0 to 1, where the
    /// kernel counts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_stolen: Option<f64>,
}
