//! What a run measured: `result.json`. Fields are only ever added.
//!
//! Times ending in `_ms` inside an [`Outage`] count from the middle of the bracket in which the
//! fault (or its restore) was applied. Loss is counted in sequence numbers.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    causes::Cause,
    input::Transition,
    load::LoadResult,
    residue::Unexplained,
    rfc::{Benchmarks, Inputs, Rfc6412},
    settling::Settling,
    versions::DaemonVersion,
};
use crate::{lab::model::Alert, units::seed_as_text_or_null};

/// Version of `result.json`, of a run and of a series alike.
pub const RESULT_FORMAT: u32 = 1;

/// One run, measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunResult {
    /// Version of this format.
    pub format: u32,
    /// The lab's name.
    pub lab: String,
    /// backhoe's version, from the journal.
    pub version: Option<String>,
    /// Kernel release.
    pub kernel: Option<String>,
    /// The daemons that ran, with their releases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub daemons: Vec<DaemonVersion>,
    /// Seed of everything random.
    #[serde(with = "seed_as_text_or_null")]
    #[schemars(with = "Option<String>")]
    pub seed: Option<u64>,
    /// Timers ran this many times faster than the lab file says (`--fast`); absent: as it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timers_scaled: Option<u32>,
    /// No warning makes these numbers untrustworthy.
    pub trusted: bool,
    /// `completed`, `interrupted`, `failed`; absent when the journal ends without saying.
    pub outcome: Option<String>,
    /// How this result may be wrong.
    pub warnings: Vec<Warning>,
    /// How the lab was built.
    pub build: Option<Build>,
    /// How the instrument measured itself.
    pub instrument: Option<Instrument>,
    /// Under which parameters it was measured; absent without probes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inputs: Option<Inputs>,
    /// Measured links beside their declarations.
    pub links: Vec<LinkResult>,
    /// Links that were not measured.
    #[serde(default)]
    pub unmeasured: Vec<Unmeasured>,
    /// How long sessions took.
    pub converged: Option<Converged>,
    /// Each flow before the first fault.
    pub steady: Vec<Steady>,
    /// Each fault and restore, in time order.
    pub transitions: Vec<TransitionResult>,
    /// One for each flow and transition, in time order.
    pub outages: Vec<Outage>,
    /// What monitoring would have raised, in time order.
    #[serde(default)]
    pub alerts: Vec<AlertResult>,
    /// Whole-run bookkeeping of each flow against the wires.
    pub flows: Vec<FlowResult>,
    /// Background load, phase by phase.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub load: Vec<LoadResult>,
    /// Waits of the scenario whose `within` passed.
    #[serde(default)]
    pub waits_missed: Vec<WaitMissed>,
    /// The lab file's expectations.
    pub expect: Vec<ExpectResult>,
    /// What explains expectations and waits that were missed, as far as was seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
}

impl RunResult {
    /// Whether this is what was wanted: trusted, every wait and every expectation met. Exit code
    /// 4 says that it is not.
    pub fn succeeded(&self) -> bool {
        self.trusted && self.waits_missed.is_empty() && self.expectations_missed() == 0
    }

    /// Expectations that were not met or could not be measured.
    pub fn expectations_missed(&self) -> usize {
        self.expect.iter().filter(|e| e.met != Some(true)).count()
    }
}

/// A way in which the result may be wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Warning {
    /// Stable name, kebab-case.
    pub code: String,
    /// What, and what to do about it.
    pub text: String,
    /// Whether it makes numbers untrustworthy.
    pub untrusted: bool,
    /// The only flow it concerns; absent: the run.
    pub flow: Option<u16>,
}

/// What monitoring that sees what the run saw would have raised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlertResult {
    /// Which.
    pub alert: Alert,
    /// The sessions it speaks of: those that carry the traffic, or the one that is dead.
    pub about: String,
    /// The probe whose traffic it is; absent: it concerns all.
    pub probe: Option<String>,
    /// CloudWatch's metric that shows it, where AWS has one.
    pub metric: Option<String>,
    /// The label of the fault after which, or after whose restore, it was raised; `start`: before
    /// the first.
    pub label: String,
    /// Fault or restore.
    pub transition: Transition,
    /// How long after it; at the start, after probes began.
    pub raised_ms: f64,
    /// The same on the run's clock.
    pub raised_ns: u64,
    /// When it was over; absent: it lasted to the end of the run.
    pub cleared_ns: Option<u64>,
    /// Of a load: how much there was when it was raised, bits a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_bps: Option<u64>,
    /// Of a load: how much of it would have fitted without its circuit, bits a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_bps: Option<u64>,
}

/// What the scenario waited for did not come in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WaitMissed {
    /// What.
    pub what: String,
    /// How long it was waited for.
    pub within_ms: f64,
}

/// Namespaces, links and tunnels came up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Build {
    /// Nodes, hosts included.
    pub nodes: usize,
    /// Links.
    pub links: usize,
    /// Tunnels.
    pub tunnels: usize,
    /// `netem` or `relay`.
    pub wire: String,
    /// `kernel`, `userspace` or `none`.
    pub wireguard: String,
    /// Milliseconds from the command.
    pub ms: f64,
}

/// The instrument on an unimpaired pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Instrument {
    /// Packets sent.
    pub sent: u64,
    /// Lost of them.
    pub lost: u64,
    /// 99th percentile of the sender's lateness.
    pub pacing_p99_ms: f64,
    /// Median one-way delay of the bare pair.
    pub delay_p50_ms: f64,
    /// 99th percentile of it.
    pub delay_p99_ms: f64,
}

/// One direction of a link, measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LinkResult {
    /// The link.
    pub link: String,
    /// Sending node.
    pub from: String,
    /// Receiving node.
    pub to: String,
    /// Declared one-way delay.
    pub declared_delay_ms: f64,
    /// Measured median.
    pub delay_p50_ms: f64,
    /// Measured 99th percentile.
    pub delay_p99_ms: f64,
    /// Declared rate, bits a second.
    pub declared_rate_bps: Option<u64>,
    /// Measured rate, bits a second.
    pub rate_bps: Option<u64>,
    /// Half the distance between the quartiles of the measurements behind it.
    #[serde(default)]
    pub rate_plus_minus_bps: Option<u64>,
    /// Declared random loss, percent.
    pub declared_loss_percent: f64,
    /// Share of the probes offered to the wire over the whole run that it lost by
    /// declared loss, percent; absent when no probe came by.
    pub loss_percent: Option<f64>,
}

/// A link, or one direction of it, that was not measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unmeasured {
    /// The link.
    pub link: String,
    /// Why not.
    pub why: String,
}

/// Everything that had to come up came up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Converged {
    /// Milliseconds from the command.
    pub ms: f64,
    /// BGP sessions up.
    pub bgp: usize,
    /// BFD sessions up.
    pub bfd: usize,
    /// Tunnels up.
    pub tunnels: usize,
}

/// A flow before the first fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Steady {
    /// The flow.
    pub flow: u16,
    /// The probe.
    pub probe: String,
    /// Sender.
    pub from: String,
    /// Receiver.
    pub to: String,
    /// Sent before the first fault (or in the whole run, when there is none).
    pub sent: u64,
    /// Lost of them, declared random loss apart.
    pub lost: u64,
    /// Lost to declared random loss.
    pub lost_declared: u64,
    /// Refused by the sender's kernel.
    pub unsent: u64,
    /// The path most of them took.
    pub path: Option<String>,
    /// Every path that delivered some of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taken: Vec<Taken>,
    /// One-way delay.
    pub delay: Option<DelayStats>,
    /// What became of packets of the sizes that are expected to get through in one piece.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub carried: Vec<Carried>,
}

/// What became of packets of one size that must not be fragmented, before the first fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Carried {
    /// Of the whole IP packet, bytes.
    pub size: u64,
    /// How many were sent.
    pub sent: u32,
    /// How many arrived.
    pub arrived: u32,
    /// The nodes that dropped some as too large for the way on, by their own counters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub too_large_at: Vec<String>,
}

/// A path that some packets took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Taken {
    /// Its sessions, else its links.
    pub path: Option<String>,
    /// Wires and tunnels, in order.
    pub hops: Vec<Hop>,
    /// How many it delivered.
    pub delivered: u64,
}

/// A fault or a restore.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TransitionResult {
    /// The step's label.
    pub label: String,
    /// Taxonomy name of the fault.
    pub fault: String,
    /// What it hit.
    pub target: String,
    /// Fault or restore.
    pub transition: Transition,
    /// RFC 6412 §3.2.2 Convergence Event Instant: middle of the bracket, on the run's clock.
    pub convergence_event_instant_ns: u64,
    /// The same on CLOCK_REALTIME, nanoseconds since 1970, where the journal allows it.
    pub realtime_ns: Option<u64>,
    /// Half the bracket.
    pub plus_minus_ms: f64,
    /// How long the transition was watched.
    pub watched_ms: f64,
    /// Last BFD end of the affected session(s) to come back, after a restore.
    pub bfd_up_ms: Option<f64>,
    /// Last BGP end of the affected session(s) to come back, after a restore.
    pub bgp_up_ms: Option<f64>,
    /// RFC 6413's table, all flows together; absent without probes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub benchmarks: Option<Benchmarks>,
}

/// One flow through one transition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outage {
    /// The probe.
    pub probe: String,
    /// The flow's number.
    pub flow: u16,
    /// Sender.
    pub from: String,
    /// Receiver.
    pub to: String,
    /// Taxonomy name of the fault.
    pub fault: String,
    /// What it hit.
    pub target: String,
    /// The step's label.
    pub label: String,
    /// Fault or restore.
    pub transition: Transition,
    /// No untrusted warning concerns this flow or the whole run.
    pub trusted: bool,
    /// Packets sent in the transition.
    pub sent: u64,
    /// Lost of them, declared random loss apart (RFC 6412 §3.7.3 connectivity packet loss).
    pub lost: u64,
    /// Lost to random loss that the lab declares.
    pub lost_declared: u64,
    /// Of `lost`: what a full queue had no room for, or was beyond a tunnel's cap. It is loss and
    /// no outage: the path worked.
    #[serde(default)]
    pub queue_dropped: u64,
    /// Refused by the sender's kernel: neither sent nor lost.
    pub unsent: u64,
    /// RFC 6412 Eq. 8, route loss of connectivity period: `lost / rate`, without what queues
    /// dropped, all loss periods together.
    pub duration_ms: f64,
    /// Error bar of the outage: one gap between packets to either side (RFC 6413: ± N/R), and more
    /// where packets around the loss were sent late. Of none: the longest that could have passed unseen.
    pub resolution_ms: f64,
    /// RFC 3357 loss periods.
    pub loss_periods: Vec<LossPeriod>,
    /// Whether packets were delivered after the last loss but that of queues, within the transition.
    pub recovered: bool,
    /// The sessions (else links) of the path before.
    pub path_before: Option<String>,
    /// The sessions (else links) of the path afterwards.
    pub path_after: Option<String>,
    /// Wires and tunnels of the path before, in order.
    pub hops_before: Vec<Hop>,
    /// Wires and tunnels of the path afterwards, in order.
    pub hops_after: Vec<Hop>,
    /// The path afterwards is another one.
    pub path_changed: bool,
    /// Send time of the first packet from which on everything delivered took the new path.
    pub path_changed_ms: Option<f64>,
    /// When each thing happened, on this direction's critical path.
    pub phases_ms: Phases,
    /// The node at which the two paths part, seen from the sender.
    pub pivot: Option<String>,
    /// What this direction waited for, in time order.
    pub critical_path: Vec<CriticalStep>,
    /// The critical path goes through a part of AWS that is modelled.
    pub modelled: bool,
    /// What the timers predict for detection.
    pub predicted: Option<Prediction>,
    /// Whether it was detected when the timers predict, give or take 3 ms of processing; absent:
    /// nothing is predicted.
    #[serde(default)]
    pub as_predicted: Option<bool>,
    /// Share of detection in the time from the event until a packet went through, 0 to 1.
    pub detection_share: Option<f64>,
    /// How long each phase took; absent where it was not seen who noticed, or nothing was lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<Parts>,
    /// The end of it that no phase explains; absent: there is none worth a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unexplained: Option<Unexplained>,
    /// Where the client moved to another endpoint of a name: what each part of that took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<DnsShare>,
    /// RFC 4737 reordered packets: a lower sequence number than one that arrived before.
    pub reordered: u64,
    /// What a shorter new path explains: difference of median delays × rate.
    pub reordered_expected: u64,
    /// Packets that arrived more than once, further copies counted.
    pub duplicated: u64,
    /// One-way delay before.
    pub delay_before: Option<DelayStats>,
    /// One-way delay afterwards, on the new path.
    pub delay_after: Option<DelayStats>,
    /// What it was like in the last two seconds of the transition, or in all of a shorter one.
    #[serde(default)]
    pub at_end: Option<AtEnd>,
    /// RFC 6414 additive backup delay: median after − median before.
    pub additive_backup_delay_ms: Option<f64>,
    /// This flow's packets that wires dropped by a cut, a numbered drop or a full queue.
    pub wire_dropped: u64,
    /// The links that did, and tunnels by their caps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wire_dropped_by: Vec<String>,
    /// Lost packets that reached no further wire, at a node seen to have no route, no carrier or
    /// no neighbour that answers, or to be the fault's own victim.
    pub node_dropped: u64,
    /// Of `node_dropped`: what is known to have been dropped for want of a neighbour.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub silent_neighbours: Vec<SilentNeighbour>,
    /// Of `node_dropped`: what a node dropped that had no way for it, and had not just lost one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub no_way: Vec<NoWay>,
    /// Of `node_dropped`: the rest, by node and by what was seen there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub node_drops: Vec<NodeDrop>,
    /// Wires and nodes account for every lost packet, and nothing dropped was delivered.
    pub wire_agrees: bool,
    /// RFC 6412 terms.
    pub rfc6412: Rfc6412,
}

/// An outage as the sum of its phases, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Parts {
    /// Before the event: packets that were on their way to it and were lost, less those that were
    /// on their way to the node where the paths part when it had changed. Negative: the first
    /// lost packet was sent after the event.
    pub in_flight_ms: f64,
    /// From the event until some node noticed.
    pub detection_ms: f64,
    /// From there until the news had reached the node where the paths part; absent: it noticed itself.
    pub news_ms: Option<f64>,
    /// From there until that node's table had changed; absent: not seen.
    pub fib_ms: Option<f64>,
    /// From there until a packet went through.
    pub first_packet_ms: f64,
    /// All of them: the outage, told by the clock instead of by counting.
    pub sum_ms: f64,
}

impl Parts {
    /// From the event until a packet went through: all phases together.
    pub fn since_fault_ms(&self) -> f64 {
        self.sum_ms - self.in_flight_ms
    }
}

/// A flow at the end of a transition: its last two seconds, or all of a shorter one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AtEnd {
    /// How long that is.
    #[serde(default)]
    pub window_ms: f64,
    /// Whether the flow had settled: only then is this a steady state.
    #[serde(default)]
    pub settling: Settling,
    /// Packets sent.
    pub sent: u64,
    /// Lost of them, declared random loss apart.
    pub lost: u64,
    /// One-way delay of those that arrived.
    pub delay: Option<DelayStats>,
}

impl AtEnd {
    /// Share that was lost, percent.
    pub fn loss_percent(&self) -> f64 {
        100.0 * self.lost as f64 / self.sent.max(1) as f64
    }
}

/// A neighbour that did not answer the node that had packets for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SilentNeighbour {
    /// The node.
    pub node: String,
    /// The neighbour's address.
    pub address: IpAddr,
    /// How many packets the node dropped.
    pub dropped: u64,
}

/// A node that packets reached and that knew no way on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NoWay {
    /// The node.
    pub node: String,
    /// It is a VPC, and a VPC is no transit for others.
    pub no_transit: bool,
    /// The table without a route: that of the sender's subnet, where a VPC has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// It knew one, too narrow for packets that must not be fragmented.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub too_large: bool,
    /// How many packets it dropped.
    pub dropped: u64,
}

/// What a node dropped for something that was seen there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeDrop {
    /// The node.
    pub node: String,
    /// Why.
    pub reason: NodeDropReason,
    /// The prefix, link or tunnel that the reason is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// How many packets.
    pub dropped: u64,
}

/// Why a node dropped packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NodeDropReason {
    /// No route covered the destination any more.
    NoRoute,
    /// The longest prefix that covered it was of a null route.
    Blackhole,
    /// A route to it had gone or was about to, and another one covered it.
    RouteLost,
    /// An interface had no light.
    NoCarrier,
    /// The fault took the node, or its light.
    Failed,
    /// An end of the tunnel that it sent into had given up the other.
    TunnelDown,
    /// It sent into a tunnel that lies over what the fault cut.
    UnderlayCut,
    /// An end of the tunnel counted the packets as dropped.
    TunnelDropped,
    /// It had not yet taken the link they came by into its aggregate.
    NotCollecting,
    /// An aggregate had no member to send by while it changed.
    NoMember,
}

/// RFC 3357 §5: an unbroken run of lost packets.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LossPeriod {
    /// First lost sequence number.
    pub start: u32,
    /// Last lost sequence number.
    pub end: u32,
    /// Lost between them; packets never sent and declared random loss are not counted.
    pub lost: u64,
    /// Send time of the first.
    pub start_ms: f64,
    /// `lost / rate`.
    pub duration_ms: f64,
}

/// A wire or tunnel that a packet passed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Hop {
    /// The link or tunnel.
    pub link: String,
    /// Sending node.
    pub from: String,
    /// Receiving node.
    pub to: String,
    /// Its VLAN there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
}

/// Phases of one direction; null where not seen.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Phases {
    /// The failure (or the return) was noticed.
    pub detected: Option<f64>,
    /// The news reached the pivot by BGP; null when the pivot noticed by itself.
    pub updated: Option<f64>,
    /// The pivot's FIB changed.
    pub fib: Option<f64>,
    /// Send time of the first packet that the new path delivered after the last loss.
    pub recovered: Option<f64>,
}

/// One thing a direction waited for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CriticalStep {
    /// When.
    pub at_ms: f64,
    /// Where.
    pub node: String,
    /// What: `BFD down`, `withdrawn`, `FIB`, `first delivered send`, …
    pub what: String,
}

/// The parts of a failover by DNS, one after the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DnsShare {
    /// The name.
    pub name: String,
    /// From the event until the name was answered otherwise.
    pub health_check_ms: f64,
    /// From then until the client asked again: its answer's TTL had to expire.
    pub ttl_ms: f64,
    /// From then until the first packet that was delivered (without loss: that went the new
    /// way); null where none was.
    pub delivery_ms: Option<f64>,
}

/// The range in which the timers put detection of a cut at a random instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Prediction {
    /// `bfd`, `hold`, `lacp` or `dns`.
    pub by: String,
    /// The timers: `300 ms x 3`, `hold 90 s`.
    pub timers: String,
    /// Shortest.
    pub min_ms: f64,
    /// Longest, one-way delay of the path included.
    pub max_ms: f64,
    /// That delay.
    #[serde(default)]
    pub delay_ms: f64,
    /// What the hold timer alone would do, where BFD runs: shortest and longest.
    pub without_bfd_ms: Option<(f64, f64)>,
    /// What makes them spread; absent where nothing is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<Spacing>,
    /// How cuts at random instants spread between the two; absent where nothing is known of it.
    #[serde(default)]
    pub quantiles: Option<Quantiles>,
}

/// How the packets that a timer waits for are spaced, and how the timer itself is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Spacing {
    /// They leave at most so far apart.
    pub interval_ms: f64,
    /// And up to so much less, at random.
    pub interval_jitter_ms: f64,
    /// The timer runs up to so much less than its time, at random.
    pub timeout_jitter_ms: f64,
}

/// Where a distribution has its middle and its tails, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Quantiles {
    /// 5th percentile.
    pub p5_ms: f64,
    /// Median.
    pub p50_ms: f64,
    /// 95th percentile.
    pub p95_ms: f64,
}

/// One-way delay. Quantiles interpolate linearly between order statistics.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DelayStats {
    /// Packets looked at.
    pub n: usize,
    /// Median.
    pub p50_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// Smallest.
    pub min_ms: f64,
    /// Largest.
    pub max_ms: f64,
    /// RFC 5481 packet delay variation (delay − smallest), 99.9th percentile.
    pub pdv_ms: f64,
}

/// One flow over the whole run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FlowResult {
    /// The flow.
    pub flow: u16,
    /// The probe.
    pub probe: String,
    /// Sender.
    pub from: String,
    /// Receiver.
    pub to: String,
    /// Packets a second.
    pub rate: u32,
    /// Bytes of the IP packet.
    pub size: u16,
    /// RFC 6412 §3.2.1 Traffic Start Instant, on the run's clock.
    pub traffic_start_instant_ns: Option<u64>,
    /// Sent.
    pub sent: u64,
    /// Different packets delivered.
    pub received: u64,
    /// Refused by the sender's kernel.
    pub unsent: u64,
    /// Dropped by a cut or a numbered drop, as the wires counted.
    pub wire_cut: u64,
    /// Dropped by declared random loss, as the wires counted.
    pub wire_loss: u64,
    /// Dropped by a full queue, as the wires counted.
    pub wire_queue: u64,
    /// Lost at a node, see [`Outage::node_dropped`].
    pub node_dropped: u64,
    /// Lost without any account.
    pub unaccounted: u64,
    /// Delivered although a wire says it dropped them.
    pub contradicted: u64,
    /// Arrivals of numbers that were never sent.
    pub stray: u64,
}

/// One expectation, judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExpectResult {
    /// Line of the lab file.
    pub line: u32,
    /// The line in words.
    pub text: String,
    /// Null: not measured, which counts as missed.
    pub met: Option<bool>,
    /// What was measured, or why nothing was.
    pub measured: String,
}
