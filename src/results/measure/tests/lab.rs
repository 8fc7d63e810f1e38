//! A synthetic run of the Direct Connect lab with a VPN backup: the test says what becomes of
//! each packet, and consistent packet records, wire records and events come out.

use std::net::IpAddr;

use crate::{
    lab::model::Further,
    results::{
        event::{Arrival, Event, EventKind, FlowLog, MonoNs, WireFlowLog},
        measure::*,
    },
    units::{BfdConfig, Span},
};

pub(in crate::results) const START: MonoNs = 10_000_000_000;
/// The cut, 2 s after the probes began.
pub(in crate::results) const CUT: MonoNs = START + 2_000_000_000;
/// The restore, 3 s after the cut.
pub(in crate::results) const RESTORE: MonoNs = CUT + 3_000_000_000;
const END: MonoNs = RESTORE + 3_000_000_000;
const GAP: u64 = 1_000_000;
const PROD_DELAY: u64 = 5_100_000;
const BACKUP_DELAY: u64 = 14_200_000;

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::results) enum Sim {
    /// Delivered over the Direct Connect.
    Prod,
    /// Delivered over the VPN.
    Backup,
    /// Dropped by the cut circuit.
    Cut,
    /// Dropped by the circuit's declared loss.
    Declared,
    /// Dropped by the circuit's full queue.
    Queue,
    /// Refused by the sender's kernel.
    Unsent,
    /// Gone before any wire saw it.
    Vanished,
    /// Gone between the ends of the VPN's tunnel.
    Swallowed,
    /// Gone at the far end of the first wire.
    Refused,
    /// Delivered over the Direct Connect, twice.
    Twice,
}

const FORTH: [(&str, &str, &str); 2] = [("circuit", "dc1", "east"), ("backbone", "east", "vgw")];
const BACK: [(&str, &str, &str); 2] = [("backbone", "vgw", "east"), ("circuit", "east", "dc1")];

/// A run with its topology, a silent cut and a restore, and no packets yet.
pub(in crate::results) fn run(v6: bool) -> RunInput {
    let address =
        |four: &str, six: &str| -> IpAddr { if v6 { six } else { four }.parse().unwrap() };
    let app = address("10.0.1.10", "2001:db8:1::10");
    let db = address("172.31.1.10", "2001:db8:2::10");
    let mut input = RunInput {
        lab: "dx-vpn-backup".to_owned(),
        events: Vec::new(),
        flows: Vec::new(),
        wires: Vec::new(),
        node_drops: std::collections::BTreeMap::new(),
        tunnel_drops: Vec::new(),
        isolated: std::collections::BTreeMap::new(),
        load: Vec::new(),
        load_expectations: Vec::new(),
        topology: Topology {
            hosts: [("app", "dc1"), ("db", "vgw")]
                .map(|(name, behind)| HostInput {
                    name: name.to_owned(),
                    behind: behind.to_owned(),
                    table: None,
                })
                .to_vec(),
            links: vec![
                link("circuit", ["dc1", "east"], 4),
                link("backbone", ["east", "vgw"], 1),
                link("uplink", ["dc1", "isp"], 12),
                link("edge", ["isp", "vgw"], 2),
            ],
            lags: Vec::new(),
            no_transit: Vec::new(),
            services: Vec::new(),
            tunnels: vec![TunnelInput {
                name: "backup.1".to_owned(),
                ends: ["dc1".to_owned(), "vgw".to_owned()],
                interfaces: ["backup".to_owned(), "backup".to_owned()],
                stand_in: Some("WireGuard standing in for IPsec".to_owned()),
                underlay: vec!["uplink".to_owned(), "edge".to_owned()],
                overhead: 80,
                cap: None,
            }],
            sessions: vec![
                session("prod", "private-vif", "circuit", ["dc1", "east"]),
                session("prod-inside", "modelled", "backbone", ["east", "vgw"]),
                session("backup.1", "vpn", "backup.1", ["dc1", "vgw"]),
            ],
            flows: vec![
                FlowAddresses {
                    flow: 0,
                    source: app,
                    destination: db,
                },
                FlowAddresses {
                    flow: 1,
                    source: db,
                    destination: app,
                },
            ],
        },
        expectations: vec![
            expectation(
                31,
                "after cut: app outage ≤ 1.2s via backup",
                Transition::Initial,
            ),
            expectation(
                32,
                "after restore: app lost 0 via prod",
                Transition::Reversion,
            ),
        ],
        quality: Quality {
            realtime: true,
            pacing_p99_us: Some(40.0),
            ..Quality::default()
        },
        notes: Vec::new(),
    };
    input.expectations[0].outage_max = Some(Span::from_millis(1200));
    input.expectations[0].via = Some("backup".to_owned());
    input.expectations[1].lost = Some(0);
    input.expectations[1].via = Some("prod".to_owned());
    preamble(&mut input);
    fault(&mut input, "cut", "silent", "circuit", CUT);
    restore(&mut input, "cut", "silent", "circuit", RESTORE);
    at(
        &mut input,
        END,
        EventKind::RunFinished {
            outcome: "completed".to_owned(),
        },
    );
    input
}

/// A run whose cut and restore this plan lists the truth of: `forth` and `back` say what becomes
/// of a packet sent this many milliseconds after the cut, and both directions' events follow.
pub(in crate::results) fn clean_silent_cut(v6: bool) -> RunInput {
    let mut input = run(v6);
    flow(&mut input, 0, |ms| forth(ms, 742));
    flow(&mut input, 1, |ms| forth(ms, 811));
    forth_story(&mut input, v6);
    back_story(&mut input, v6);
    reversion_story(&mut input, v6);
    input
}

/// Cut for `lost` packets, then backup; prod again 1.4 s after the restore. Packets sent up to
/// 5 ms before the cut had not reached the circuit's far end, yet had left: they arrive.
pub(in crate::results) fn forth(ms: f64, lost: u32) -> Sim {
    if !(0.0..4400.0).contains(&ms) {
        Sim::Prod
    } else if ms < f64::from(lost) {
        Sim::Cut
    } else {
        Sim::Backup
    }
}

pub(in crate::results) fn forth_story(input: &mut RunInput, v6: bool) {
    let db = net(v6, "172.31.0.0/16", "2001:db8:2::/48");
    bfd(input, CUT + ms(739.8), "dc1", "Down");
    fib(input, CUT + ms(740.6), "dc1", db, "backup.1");
}

pub(in crate::results) fn back_story(input: &mut RunInput, v6: bool) {
    let app = net(v6, "10.0.0.0/15", "2001:db8:1::/48");
    bfd(input, CUT + ms(808.6), "east", "Down");
    update(
        input,
        CUT + ms(809.3),
        ("backbone", "east", "vgw"),
        app,
        false,
    );
    fib(input, CUT + ms(809.9), "vgw", app, "backup.1");
}

pub(in crate::results) fn reversion_story(input: &mut RunInput, v6: bool) {
    let app = net(v6, "10.0.0.0/15", "2001:db8:1::/48");
    let db = net(v6, "172.31.0.0/16", "2001:db8:2::/48");
    for node in ["dc1", "east"] {
        bfd(input, RESTORE + ms(1200.0), node, "Up");
        let kind = EventKind::Session {
            session: "prod".to_owned(),
            node: node.to_owned(),
            state: "Established".to_owned(),
            reason: None,
        };
        at(input, RESTORE + ms(1390.0), kind);
    }
    update(
        input,
        RESTORE + ms(1398.0),
        ("circuit", "east", "dc1"),
        db,
        true,
    );
    fib(input, RESTORE + ms(1399.5), "dc1", db, "circuit");
    update(
        input,
        RESTORE + ms(1398.5),
        ("backbone", "east", "vgw"),
        app,
        true,
    );
    fib(input, RESTORE + ms(1399.2), "vgw", app, "backbone");
}

/// Adds a flow and its wires' records; `fate` is told the send time after the cut in ms.
pub(in crate::results) fn flow(input: &mut RunInput, id: u16, fate: impl Fn(f64) -> Sim) {
    let (from, to, path, tunnel) = if id == 0 {
        ("app", "db", FORTH, ("backup.1", "dc1", "vgw"))
    } else {
        ("db", "app", BACK, ("backup.1", "vgw", "dc1"))
    };
    let wire = |(link, from, to): (&str, &str, &str)| WireFlowLog {
        link: link.to_owned(),
        from: from.to_owned(),
        to: to.to_owned(),
        flow: id,
        vlan: None,
        carried: Vec::new(),
        cut: Vec::new(),
        loss: Vec::new(),
        queue: Vec::new(),
    };
    let mut wires = [wire(path[0]), wire(path[1]), wire(tunnel)];
    let circuit = path.iter().position(|hop| hop.0 == "circuit").unwrap();
    let (mut sent, mut received) = (Vec::new(), Vec::new());
    for seq in 0..((END - START) / GAP) as u32 {
        // Not in step with the cut: a packet leaves 0.2 ms after each millisecond.
        let send = START + u64::from(seq) * GAP + 200_000;
        let sim = fate((send as f64 - CUT as f64) / 1e6);
        sent.push((sim != Sim::Unsent).then_some(send));
        let drop = match sim {
            Sim::Prod | Sim::Twice => {
                push(&mut wires[0].carried, seq);
                push(&mut wires[1].carried, seq);
                arrive(&mut received, seq, send + PROD_DELAY, 61);
                if sim == Sim::Twice {
                    arrive(&mut received, seq, send + PROD_DELAY + 10_000, 61);
                }
                None
            }
            Sim::Backup => {
                push(&mut wires[2].carried, seq);
                arrive(&mut received, seq, send + BACKUP_DELAY, 62);
                None
            }
            Sim::Unsent | Sim::Vanished => None,
            Sim::Swallowed => {
                push(&mut wires[2].carried, seq);
                None
            }
            Sim::Refused => {
                push(&mut wires[0].carried, seq);
                None
            }
            Sim::Cut => Some(&mut wires[circuit].cut),
            Sim::Declared => Some(&mut wires[circuit].loss),
            Sim::Queue => Some(&mut wires[circuit].queue),
        };
        if let Some(drop) = drop {
            push(drop, seq);
            if circuit == 1 {
                push(&mut wires[0].carried, seq);
            }
        }
    }
    received.sort_by_key(|a| a.at);
    input.flows.push(FlowLog {
        id,
        probe: "app".to_owned(),
        from: from.to_owned(),
        to: to.to_owned(),
        rate: 1000,
        size: 200,
        sent,
        received,
        turns: Vec::new(),
    });
    input.wires.extend(wires);
}

pub(in crate::results) fn ms(ms: f64) -> u64 {
    (ms * 1e6) as u64
}

pub(in crate::results) fn at(input: &mut RunInput, at: MonoNs, kind: EventKind) {
    input.events.push(Event { at, kind });
}

pub(in crate::results) fn fault(
    input: &mut RunInput,
    label: &str,
    fault: &str,
    target: &str,
    when: MonoNs,
) {
    let kind = EventKind::FaultApplied {
        label: label.to_owned(),
        fault: fault.to_owned(),
        target: target.to_owned(),
        links: Vec::new(),
        nodes: Vec::new(),
        before: when - 30_000,
        after: when + 30_000,
    };
    at(input, when + 40_000, kind);
}

pub(in crate::results) fn restore(
    input: &mut RunInput,
    label: &str,
    fault: &str,
    target: &str,
    when: MonoNs,
) {
    let kind = EventKind::FaultRestored {
        label: label.to_owned(),
        fault: fault.to_owned(),
        target: target.to_owned(),
        links: Vec::new(),
        nodes: Vec::new(),
        before: when - 30_000,
        after: when + 30_000,
    };
    at(input, when + 40_000, kind);
}

/// Takes the generated cut and restore out again, for another fault.
pub(in crate::results) fn without_faults(input: &mut RunInput) {
    input.events.retain(|e| {
        !matches!(
            e.kind,
            EventKind::FaultApplied { .. } | EventKind::FaultRestored { .. }
        )
    });
}

pub(in crate::results) fn bfd(input: &mut RunInput, when: MonoNs, node: &str, state: &str) {
    let kind = EventKind::Bfd {
        session: "prod".to_owned(),
        node: node.to_owned(),
        state: state.to_owned(),
        diagnostic: None,
        detect_us: None,
    };
    at(input, when, kind);
}

pub(in crate::results) fn fib(
    input: &mut RunInput,
    when: MonoNs,
    node: &str,
    prefix: ipnet::IpNet,
    dev: &str,
) {
    let gone = dev.is_empty();
    let kind = EventKind::Fib {
        node: node.to_owned(),
        vrf: None,
        prefix,
        via: Vec::new(),
        dev: if gone {
            Vec::new()
        } else {
            vec![dev.to_owned()]
        },
        blackhole: false,
        inferred: false,
    };
    at(input, when, kind);
}

/// An end of the tunnel says what it is.
pub(in crate::results) fn tunnel(input: &mut RunInput, when: MonoNs, node: &str, state: &str) {
    let kind = EventKind::Tunnel {
        tunnel: "backup.1".to_owned(),
        node: node.to_owned(),
        state: state.to_owned(),
        backend: "kernel".to_owned(),
        reason: None,
    };
    at(input, when, kind);
}

pub(in crate::results) fn update(
    input: &mut RunInput,
    when: MonoNs,
    (link, from, to): (&str, &str, &str),
    prefix: ipnet::IpNet,
    announce: bool,
) {
    let kind = EventKind::WireBgp {
        link: link.to_owned(),
        vlan: None,
        from: from.to_owned(),
        to: to.to_owned(),
        message: "UPDATE".to_owned(),
        announced: if announce { vec![prefix] } else { Vec::new() },
        withdrawn: if announce { Vec::new() } else { vec![prefix] },
        code: None,
        dropped: false,
    };
    at(input, when, kind);
}

pub(in crate::results) fn net(v6: bool, four: &str, six: &str) -> ipnet::IpNet {
    if v6 { six } else { four }.parse().unwrap()
}

fn preamble(input: &mut RunInput) {
    let start = EventKind::RunStarted {
        lab: input.lab.clone(),
        version: "0.1.0".to_owned(),
        kernel: "6.18.0".to_owned(),
        seed: 0x7f3a,
        realtime_ns: 1_795_183_200_000_000_000,
        uid: 1000,
        command_started: None,
        timers_scaled: None,
    };
    at(input, START - 5_000_000_000, start);
    let built = EventKind::Built {
        nodes: 7,
        links: 6,
        tunnels: 1,
        wire: "relay".to_owned(),
        wireguard: "userspace".to_owned(),
        ms: 83.2,
    };
    at(input, START - 4_900_000_000, built);
    let calibrated = EventKind::Calibrated {
        sent: 5000,
        lost: 0,
        pacing_p99_us: 40.0,
        delay_p50_us: 2.0,
        delay_p99_us: 25.0,
    };
    at(input, START - 4_000_000_000, calibrated);
    for (link, from, to, declared, measured) in [
        ("circuit", "dc1", "east", 4000.0, 4020.0),
        ("circuit", "east", "dc1", 4000.0, 4030.0),
        ("uplink", "dc1", "isp", 12_000.0, 12_050.0),
    ] {
        let kind = EventKind::LinkMeasured {
            link: link.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            declared_delay_us: declared,
            delay_p50_us: measured,
            delay_p99_us: measured + 30.0,
            declared_rate_bps: None,
            rate_bps: None,
            rate_plus_minus_bps: None,
        };
        at(input, START - 3_000_000_000, kind);
    }
    bfd(input, START - 2_000_000_000, "dc1", "Up");
    bfd(input, START - 2_000_000_000, "east", "Up");
    let converged = EventKind::Converged {
        ms: 1700.0,
        bgp: 3,
        bfd: 1,
        tunnels: 1,
    };
    at(input, START - 1_000_000_000, converged);
}

fn link(name: &str, ends: [&str; 2], delay_ms: u64) -> LinkInput {
    let shape = DeclaredShape {
        delay: Span::from_millis(delay_ms),
        ..DeclaredShape::default()
    };
    LinkInput {
        name: name.to_owned(),
        ends: ends.map(str::to_owned),
        role: "wire".to_owned(),
        declared: [shape; 2],
    }
}

fn session(name: &str, kind: &str, over: &str, nodes: [&str; 2]) -> SessionInput {
    let end = BfdConfig {
        min_tx: Span::from_millis(300),
        min_rx: Span::from_millis(300),
        multiplier: 3,
    };
    SessionInput {
        name: name.to_owned(),
        kind: kind.to_owned(),
        over: over.to_owned(),
        vlan: None,
        nodes: nodes.map(str::to_owned),
        modelled: kind == "modelled",
        bfd: (name == "prod").then_some([end; 2]),
        hold: [Span::from_secs(90); 2],
        keepalive: None,
        timing: [None, None],
    }
}

fn expectation(line: u32, text: &str, transition: Transition) -> Expectation {
    Expectation {
        line,
        text: text.to_owned(),
        label: "cut".to_owned(),
        transition,
        probe: "app".to_owned(),
        outage_max: None,
        lost: None,
        via: None,
        recovered: None,
        alert: None,
        loss: None,
        delay: None,
        delay_p99: None,
        further: Further::default(),
    }
}

fn push(ranges: &mut Vec<(u32, u32)>, seq: u32) {
    match ranges.last_mut() {
        Some(last) if last.1 + 1 == seq => last.1 = seq,
        _ => ranges.push((seq, seq)),
    }
}

fn arrive(received: &mut Vec<Arrival>, seq: u32, at: MonoNs, ttl: u8) {
    received.push(Arrival { seq, at, ttl });
}
