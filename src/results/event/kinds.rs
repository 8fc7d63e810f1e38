//! The kinds of events.

use std::net::IpAddr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Benching, Dealing, NodeStanding, Planned, Recorded, SeriesEnd};
use crate::units::seed_as_text;

/// Nanoseconds on CLOCK_MONOTONIC: the run's one clock.
pub type MonoNs = u64;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// When, on the run's clock.
    pub at: MonoNs,
    /// What.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened. Names in events are plain text, so that any old run can be read again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum EventKind {
    /// First line of a journal.
    RunStarted {
        /// The lab.
        lab: String,
        /// backhoe's version.
        version: String,
        /// Kernel release.
        kernel: String,
        /// The seed of everything random.
        #[serde(with = "seed_as_text")]
        #[schemars(with = "String")]
        seed: u64,
        /// CLOCK_REALTIME at `at`, nanoseconds.
        realtime_ns: u64,
        /// Uid of the user, as the host sees it.
        uid: u32,
        /// When the command was started, on the same clock, if known.
        command_started: Option<MonoNs>,
        /// Timers run this many times faster than the lab file says (`--fast`).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        timers_scaled: Option<u32>,
    },
    /// What is measured, and how often: all that results must know of the lab.
    Planned(Box<Planned>),
    /// Namespaces, links and tunnels exist and are up.
    Built {
        /// Nodes, hosts included.
        nodes: usize,
        /// Links.
        links: usize,
        /// Tunnels.
        tunnels: usize,
        /// `netem` or `relay`.
        wire: String,
        /// `kernel`, `userspace` or `none`.
        wireguard: String,
        /// Milliseconds from the command to here.
        ms: f64,
    },
    /// One thing awaited has been seen; `waiting` names what is still missing.
    Progress {
        /// `converge`, `warm-up`, `scenario`, `reversion`, …
        stage: String,
        /// How many of `total` are there.
        done: usize,
        /// How many there will be.
        total: usize,
        /// Names of what is still awaited.
        waiting: Vec<String>,
    },
    /// Every session, BFD session and tunnel is up.
    Converged {
        /// Milliseconds from the command to here.
        ms: f64,
        /// BGP session ends up (both ends counted once).
        bgp: usize,
        /// BFD sessions up.
        bfd: usize,
        /// Tunnels up.
        tunnels: usize,
    },
    /// The instrument measured itself on an unimpaired pair.
    Calibrated {
        /// Packets sent and lost.
        sent: u64,
        /// Lost of them.
        lost: u64,
        /// 99th percentile of the sender's lateness, microseconds.
        pacing_p99_us: f64,
        /// Median one-way delay of the bare pair, microseconds.
        delay_p50_us: f64,
        /// 99th percentile of it.
        delay_p99_us: f64,
    },
    /// One direction of a shaped link was measured against its declaration.
    LinkMeasured {
        /// The link.
        link: String,
        /// Sending node.
        from: String,
        /// Receiving node.
        to: String,
        /// Declared delay, microseconds.
        declared_delay_us: f64,
        /// Measured median one-way delay, microseconds.
        delay_p50_us: f64,
        /// Measured 99th percentile.
        delay_p99_us: f64,
        /// Declared rate, bits a second.
        declared_rate_bps: Option<u64>,
        /// Measured rate, bits a second: the median of packet trains.
        rate_bps: Option<u64>,
        /// Half the distance between the quartiles of those trains.
        #[serde(default)]
        rate_plus_minus_bps: Option<u64>,
    },
    /// A link, or one direction of it, could not be measured.
    LinkUnmeasured {
        /// The link.
        link: String,
        /// Why not.
        why: String,
    },
    /// A BGP session changed state at one end (from the daemon itself).
    Session {
        /// The session.
        session: String,
        /// The node that says so.
        node: String,
        /// RFC 4271 state name.
        state: String,
        /// Why, where the daemon says.
        reason: Option<String>,
    },
    /// A BFD session changed state at one end (from the daemon itself).
    Bfd {
        /// The session.
        session: String,
        /// The node that says so.
        node: String,
        /// `AdminDown`, `Down`, `Init`, `Up`.
        state: String,
        /// RFC 5880 diagnostic, as text.
        diagnostic: Option<String>,
        /// Negotiated detection time, microseconds, when known.
        detect_us: Option<u64>,
    },
    /// A tunnel's end changed state.
    Tunnel {
        /// The tunnel.
        tunnel: String,
        /// The node that says so.
        node: String,
        /// `up` once a handshake was made or a Child SA installed, `down` when
        /// the SA or the end's process is gone.
        state: String,
        /// WireGuard: `kernel` or `userspace`. IPsec: `kernel ESP` or `libipsec`.
        backend: String,
        /// Why it is not up, in strongSwan's words, where it says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A BFD packet on a wire announced a state different from that sender's previous one.
    WireBfd {
        /// The link or tunnel.
        link: String,
        /// Its 802.1Q tag, which tells the VIFs of one circuit apart; absent: none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vlan: Option<u16>,
        /// Sending node.
        from: String,
        /// The announced state.
        state: String,
        /// The announced diagnostic.
        diagnostic: String,
        /// Whether the wire dropped it.
        dropped: bool,
    },
    /// A BGP message on a wire (keepalives only as the first of a connection).
    WireBgp {
        /// The link or tunnel.
        link: String,
        /// Its 802.1Q tag; absent: none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vlan: Option<u16>,
        /// Sending node.
        from: String,
        /// Receiving node.
        to: String,
        /// `OPEN`, `UPDATE`, `NOTIFICATION`, `KEEPALIVE`, `ROUTE-REFRESH`.
        message: String,
        /// Announced prefixes of an UPDATE.
        #[schemars(with = "Vec<String>")]
        announced: Vec<IpNet>,
        /// Withdrawn prefixes of an UPDATE.
        #[schemars(with = "Vec<String>")]
        withdrawn: Vec<IpNet>,
        /// Code and subcode of a NOTIFICATION.
        code: Option<(u8, u8)>,
        /// Whether the wire dropped it.
        dropped: bool,
    },
    /// A route changed in a node's FIB, seen through netlink (or inferred, see `inferred`).
    Fib {
        /// The node.
        node: String,
        /// The VRF or route table it is in; absent: the main table.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vrf: Option<String>,
        /// The prefix.
        #[schemars(with = "String")]
        prefix: IpNet,
        /// New gateways; empty when the route is gone.
        via: Vec<IpAddr>,
        /// Interfaces of these gateways.
        dev: Vec<String>,
        /// The route is there and drops what it covers: a null route.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        blackhole: bool,
        /// The kernel said nothing, but carrier loss removes such routes.
        inferred: bool,
    },
    /// An interface's carrier changed, seen through netlink in the node.
    Carrier {
        /// The node.
        node: String,
        /// The interface.
        dev: String,
        /// The link or tunnel behind it.
        link: Option<String>,
        /// Up or down.
        up: bool,
    },
    /// A member of a LAG began or ceased to carry, as LACP at one end sees it.
    Lacp {
        /// The node.
        node: String,
        /// Its interface.
        dev: String,
        /// The member link behind it.
        link: Option<String>,
        /// In the aggregate with a partner, collecting and distributing.
        up: bool,
    },
    /// A neighbour left the kernel's requests (ARP, neighbour discovery) unanswered, so that the
    /// node drops what it has for it; or it answers again.
    Neighbour {
        /// The node.
        node: String,
        /// The interface.
        dev: String,
        /// The link or tunnel behind it.
        link: Option<String>,
        /// The neighbour.
        address: IpAddr,
        /// Whether the node sends to it.
        reachable: bool,
    },
    /// A health check of a name's endpoint: its end, as far as it is news.
    HealthCheck {
        /// The name.
        name: String,
        /// The node that checks.
        node: String,
        /// The endpoint's host.
        endpoint: String,
        /// Whether the connection came about.
        passed: bool,
        /// So many in a row have ended like this.
        in_a_row: u32,
        /// So many change the verdict.
        threshold: u32,
        /// The verdict now; null while it is not known.
        healthy: Option<bool>,
        /// Why it failed.
        reason: Option<String>,
    },
    /// A name is answered with another endpoint's addresses from now on.
    DnsAnswer {
        /// The name.
        name: String,
        /// The node that answers.
        node: String,
        /// The endpoint's host.
        endpoint: String,
        /// Its addresses.
        addresses: Vec<IpAddr>,
    },
    /// A probe's client has been answered, and sends to this address from now on.
    Resolved {
        /// The probe.
        probe: String,
        /// The client.
        node: String,
        /// The name.
        name: String,
        /// The address answered.
        address: IpAddr,
        /// The endpoint's host.
        endpoint: String,
        /// Whether it is the name's primary.
        primary: bool,
        /// Seconds for which the answer is kept.
        ttl_s: u32,
        /// Whether the client used another endpoint before.
        moved: bool,
    },
    /// A probe's client reaches another of a service's endpoints than before; what goes back to
    /// it is sent from there.
    Served {
        /// The probe.
        probe: String,
        /// The service: a name, or an anycast group.
        service: String,
        /// The endpoint's host.
        endpoint: String,
    },
    /// Probes began to flow.
    ProbesStarted {
        /// Flows.
        flows: usize,
        /// Packets a second of all flows together.
        rate: u64,
    },
    /// Steady state before the first fault: this many sent and delivered, none lost.
    Steady {
        /// Sent on all flows.
        sent: u64,
        /// Lost of them.
        lost: u64,
    },
    /// Packets of one size that must not be fragmented were sent from one probe's end to the other.
    Carried {
        /// The probe.
        probe: String,
        /// Sender.
        from: String,
        /// Receiver.
        to: String,
        /// Of the whole IP packet, bytes.
        size: u64,
        /// How many were sent.
        sent: u32,
        /// How many arrived.
        arrived: u32,
        /// The nodes that dropped some as too large for the way on, by their own counters.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        too_large_at: Vec<String>,
    },
    /// How a node stood before the first fault, or when what was awaited did not come.
    Standing(Box<NodeStanding>),
    /// A fault was applied, between `before` and `after`.
    FaultApplied {
        /// The step's label.
        label: String,
        /// Taxonomy name.
        fault: String,
        /// What it hit.
        target: String,
        /// Of a cut by tag: the links that carry it or are a node's that does.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        links: Vec<String>,
        /// Of a cut by tag: the nodes that die.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        nodes: Vec<String>,
        /// Clock just before the operation.
        before: MonoNs,
        /// Clock just after it.
        after: MonoNs,
    },
    /// A fault was undone, between `before` and `after`.
    FaultRestored {
        /// The fault's label.
        label: String,
        /// Taxonomy name of the fault undone.
        fault: String,
        /// What it had hit.
        target: String,
        /// Of a cut by tag: the links that carry it or are a node's that does.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        links: Vec<String>,
        /// Of a cut by tag: the nodes that die.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        nodes: Vec<String>,
        /// Clock just before the operation.
        before: MonoNs,
        /// Clock just after it.
        after: MonoNs,
    },
    /// An awaited condition of the scenario held.
    WaitMet {
        /// What was awaited.
        what: String,
        /// Milliseconds it took.
        ms: f64,
    },
    /// An awaited condition did not hold in time.
    WaitMissed {
        /// What was awaited.
        what: String,
        /// The deadline, milliseconds.
        within_ms: f64,
    },
    /// What monitoring says; but for the load, what monitoring that sees what this run saw would
    /// have said then, told when the run has been measured.
    Alert {
        /// `running-on-backup`, `backup-dead` or `load-exceeds-backup`.
        alert: String,
        /// `raised` or `cleared`.
        state: String,
        /// The sessions it speaks of.
        about: String,
        /// The probe whose traffic it is; absent: it concerns all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        probe: Option<String>,
        /// CloudWatch's metric that shows it, where AWS has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        metric: Option<String>,
        /// Of a load: how much there is, bits a second.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        load_bps: Option<u64>,
        /// Of a load: how much of it would fit, bits a second.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room_bps: Option<u64>,
    },
    /// The trials of a series are dealt to several labs at once, each with a journal of its own.
    Dealing(Box<Dealing>),
    /// Variants of a lab are measured in turns, each with a journal of its own.
    Benching(Box<Benching>),
    /// One of those labs begins.
    LabBegun {
        /// Where its journal and all else of it is, below the run's directory.
        directory: String,
    },
    /// A trial, or a single run's only one, is over, and its packets are in files.
    TrialRecorded(Box<Recorded>),
    /// There will be no more trials.
    SeriesEnded(SeriesEnd),
    /// One of several trials has been measured.
    TrialFinished {
        /// Which, from 1.
        trial: u32,
        /// Of how many at most.
        of: u32,
        /// Whether it was trusted, and every wait and expectation met.
        succeeded: bool,
        /// The largest median of any flow's outage so far, milliseconds.
        median_ms: Option<f64>,
        /// Until all are done, at the pace so far, seconds; absent where the series may end
        /// before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        left_s: Option<f64>,
    },
    /// A daemon started, stopped or failed.
    Daemon {
        /// The node.
        node: String,
        /// Which program.
        program: String,
        /// `started`, `ready`, `exited`.
        state: String,
        /// Detail (exit status, last log line).
        detail: Option<String>,
        /// Its release, as it says itself once it is `started`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        version: Option<String>,
    },
    /// Something that may make a result wrong.
    Warning {
        /// Stable name of the warning, kebab-case.
        code: String,
        /// What, in a sentence.
        text: String,
        /// Whether it makes the run's numbers untrustworthy.
        untrusted: bool,
    },
    /// Last line of a journal.
    RunFinished {
        /// `completed`, `interrupted`, `failed`.
        outcome: String,
    },
}
