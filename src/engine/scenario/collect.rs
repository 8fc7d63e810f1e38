//! Everything a measurement needs, as plain data.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    engine::{live::Live, probe::ProbeQuality, wire::Lateness},
    lab::{
        model::{DEFAULT_MTU, Expect, ExpectAfter, Isolated, LoadExpect, Shape, TUNNEL_OVERHEAD},
        op::{Inbound, Netns, Op},
        plan::{DaemonPlan, Plan, ServicePlan, TunnelBy, TunnelPlan},
    },
    results::{
        event::{FlowLog, LoadLog},
        measure::{
            BEFORE, BgpTiming, DeclaredShape, DnsInput, Expectation, FlowAddresses, HostInput,
            LagInput, LinkInput, LoadExpectation, Quality, RunInput, ServiceInput, SessionInput,
            Topology, Transition, TunnelInput,
        },
    },
    units::{NodeName, Percent},
};

/// What a plan alone says to a measurement.
pub struct Described {
    /// The lab.
    pub topology: Topology,
    /// Probes whose packets must not arrive, with their lines in the file.
    pub isolated: BTreeMap<String, (u32, Isolated)>,
    /// What must hold.
    pub expectations: Vec<Expectation>,
    /// What must hold of background load.
    pub load_expectations: Vec<LoadExpectation>,
    /// What every report repeats.
    pub notes: Vec<String>,
}

/// The plan as a measurement sees it.
pub fn describe(plan: &Plan) -> Described {
    let isolated = plan.isolated.iter();
    Described {
        topology: topology(plan),
        isolated: isolated
            .map(|(probe, of)| (probe.to_string(), *of))
            .collect(),
        expectations: plan.expect.iter().map(expectation).collect(),
        load_expectations: plan.load_expect.iter().map(load_expectation).collect(),
        notes: plan.notes.clone(),
    }
}

/// What the host did to the run, shares of its time.
#[derive(Debug, Clone, Copy)]
pub(super) struct HostShares {
    /// Something was ready to run and had to wait for a processor.
    pub(super) waited: Option<f64>,
    /// The hypervisor took a processor away.
    pub(super) stolen: Option<f64>,
}

/// The journal is added by whoever keeps it.
pub(super) fn input(
    live: &Live,
    (flows, load): (Vec<FlowLog>, Vec<LoadLog>),
    quality: &ProbeQuality,
    host: HostShares,
) -> RunInput {
    let plan = live.plan();
    let described = describe(plan);
    RunInput {
        lab: plan.lab.to_string(),
        events: Vec::new(),
        flows,
        wires: live.flow_logs(),
        topology: described.topology,
        node_drops: live
            .dropped_by_nodes()
            .into_iter()
            .map(|(node, drops)| (node.to_string(), drops))
            .collect(),
        tunnel_drops: live.dropped_by_tunnels(),
        isolated: described.isolated,
        expectations: described.expectations,
        load,
        load_expectations: described.load_expectations,
        quality: Quality {
            capture_drops: live.capture_drops(),
            cpu_waited: host.waited,
            cpu_stolen: host.stolen,
            ..self::quality(quality, live.lateness())
        },
        notes: described.notes,
    }
}

/// How well probes and wires did, by their own account.
pub(in crate::engine) fn quality(probes: &ProbeQuality, wires: Option<Lateness>) -> Quality {
    let us = |ns: i64| ns as f64 / 1e3;
    Quality {
        realtime: probes.realtime,
        pacing_p99_us: Some(probes.pacing_p99_us),
        pacing_max_us: Some(probes.pacing_max_us),
        clock_step_ns: probes.clock_step_ns,
        wire_late_p99_us: wires.map(|late| us(late.p99_ns)),
        wire_late_max_us: wires.map(|late| us(late.max_ns)),
        ..Quality::default()
    }
}

/// Whether the kernel enforces a tunnel's cap.
fn is_capped(plan: &Plan, tunnel: &TunnelPlan) -> bool {
    plan.ops.iter().any(|op| {
        let Op::CapTunnel {
            netns: Netns::Node(node),
            dev,
            ..
        } = op
        else {
            return false;
        };
        let mut ends = tunnel.ends.iter();
        ends.any(|end| end.node == *node && end.interface == *dev)
    })
}

/// Nodes that take from outside only what is for themselves.
fn no_transit(plan: &Plan) -> BTreeSet<String> {
    let of = |op: &Op| {
        let Op::AddRule {
            netns: Netns::Node(node),
            inbound: Inbound::To(_),
            ..
        } = op
        else {
            return None;
        };
        Some(node.to_string())
    };
    plan.ops.iter().filter_map(of).collect()
}

/// How a node's daemon times keepalives and its hold timer, from their sources: FRR jitters
/// neither (bgpd's keepalive thread), BIRD both (`bgp_start_timer`), the embedded speaker
/// keepalives alone. A configuration of the user's may have any interval.
fn timing(plan: &Plan, node: &NodeName) -> Option<BgpTiming> {
    let node = plan.nodes.iter().find(|one| one.name == *node)?;
    // RFC 4271 §10.
    let (quarter, none) = (Percent::from_millionths(250_000)?, Percent::default());
    let (keepalive_jitter, hold_jitter) = match &node.daemon {
        DaemonPlan::Embedded(_) => (quarter, none),
        DaemonPlan::Frr {
            own_config: false, ..
        } => (none, none),
        DaemonPlan::Bird {
            own_config: false, ..
        } => (quarter, quarter),
        DaemonPlan::None
        | DaemonPlan::Frr { .. }
        | DaemonPlan::Bird { .. }
        | DaemonPlan::Charon(_)
        | DaemonPlan::Service(_) => return None,
    };
    Some(BgpTiming {
        keepalive_jitter,
        hold_jitter,
    })
}

/// The lab as far as a measurement must know it.
pub fn topology(plan: &Plan) -> Topology {
    let wired = plan.wires.iter().map(|wire| LinkInput {
        name: wire.link.to_string(),
        ends: [wire.ends[0].node.to_string(), wire.ends[1].node.to_string()],
        role: "wire".to_owned(),
        declared: [declared(&wire.shape[0]), declared(&wire.shape[1])],
    });
    let direct = plan.direct.iter().map(|link| LinkInput {
        name: link.link.to_string(),
        ends: [link.ends[0].0.to_string(), link.ends[1].0.to_string()],
        role: "direct".to_owned(),
        declared: [DeclaredShape::default(); 2],
    });
    Topology {
        hosts: plan
            .nodes
            .iter()
            .filter_map(|node| {
                Some(HostInput {
                    name: node.name.to_string(),
                    behind: node.behind.as_ref()?.to_string(),
                    table: plan
                        .table_of_host(&node.name)
                        .map(|table| table.to_string()),
                })
            })
            .collect(),
        links: wired.chain(direct).collect(),
        no_transit: no_transit(plan).into_iter().collect(),
        lags: plan
            .lags
            .iter()
            .map(|lag| LagInput {
                name: lag.lag.to_string(),
                links: lag.links.iter().map(ToString::to_string).collect(),
                ends: lag.ends.each_ref().map(|end| end.node.to_string()),
                lacp: lag.ends.each_ref().map(|end| end.lacp),
            })
            .collect(),
        tunnels: plan
            .tunnels
            .iter()
            .map(|tunnel| TunnelInput {
                name: tunnel.tunnel.to_string(),
                ends: [
                    tunnel.ends[0].node.to_string(),
                    tunnel.ends[1].node.to_string(),
                ],
                interfaces: [
                    tunnel.ends[0].interface.to_string(),
                    tunnel.ends[1].interface.to_string(),
                ],
                stand_in: (tunnel.by == TunnelBy::Wireguard)
                    .then(|| "WireGuard standing in for IPsec".to_owned()),
                underlay: tunnel.underlay.iter().map(ToString::to_string).collect(),
                overhead: overhead(tunnel),
                cap: tunnel.cap.filter(|_| is_capped(plan, tunnel)),
            })
            .collect(),
        sessions: plan
            .sessions
            .iter()
            .map(|session| SessionInput {
                name: session.session.to_string(),
                kind: session.kind.clone(),
                vlan: session.vlan,
                over: session.over.name().to_owned(),
                nodes: [
                    session.ends[0].node.to_string(),
                    session.ends[1].node.to_string(),
                ],
                modelled: session.modelled,
                bfd: session.bfd,
                hold: session.hold,
                keepalive: session.keepalive,
                timing: session.ends.each_ref().map(|end| timing(plan, &end.node)),
            })
            .collect(),
        services: plan.services.iter().map(service).collect(),
        flows: plan
            .flows
            .iter()
            .map(|flow| FlowAddresses {
                flow: flow.id,
                source: flow.source,
                destination: flow.destination,
            })
            .collect(),
    }
}

/// What a tunnel adds to a packet, bytes: of IPsec what its MTU leaves room for.
fn overhead(tunnel: &TunnelPlan) -> u16 {
    let bytes = match tunnel.by {
        TunnelBy::Wireguard => TUNNEL_OVERHEAD,
        TunnelBy::Ipsec { .. } => DEFAULT_MTU.get().saturating_sub(tunnel.mtu.get()),
    };
    u16::try_from(bytes).unwrap_or(u16::MAX)
}

fn service(service: &ServicePlan) -> ServiceInput {
    let hosts = service.endpoints.iter().map(|end| end.host.to_string());
    ServiceInput {
        name: service.name.to_string(),
        endpoints: hosts.collect(),
        dns: service.dns.as_ref().map(|dns| DnsInput {
            server: dns.server.host.to_string(),
            ttl_s: dns.ttl,
            check: dns.check,
        }),
    }
}

fn declared(shape: &Shape) -> DeclaredShape {
    DeclaredShape {
        delay: shape.delay,
        jitter: shape.jitter,
        // Damaged packets are refused where they arrive, and so count as lost.
        loss: shape.loss.either(shape.corrupt),
        rate: shape.rate,
    }
}

/// A phase by its label, and in words.
fn phase(after: &ExpectAfter) -> (&str, Transition, String) {
    match after {
        ExpectAfter::Start => (BEFORE, Transition::Initial, BEFORE.to_owned()),
        ExpectAfter::Fault(label) => (label.as_str(), Transition::Initial, label.clone()),
        ExpectAfter::Restore(label) => (
            label.as_str(),
            Transition::Reversion,
            format!("restore of {label}"),
        ),
    }
}

fn load_expectation(expect: &LoadExpect) -> LoadExpectation {
    let (label, transition, _) = phase(&expect.after);
    LoadExpectation {
        line: expect.line,
        text: expect.to_string(),
        label: label.to_owned(),
        transition,
        load: expect.load.to_string(),
        throughput: expect.throughput,
        share: expect.share,
        stall: expect.stall,
        loss: expect.loss,
    }
}

fn expectation(expect: &Expect) -> Expectation {
    let (label, transition, after) = phase(&expect.after);
    let mut wishes = Vec::new();
    if let Some(outage) = expect.outage_max {
        wishes.push(format!("outage at most {outage}"));
    }
    if let Some(lost) = expect.lost {
        wishes.push(format!("lost {lost}"));
    }
    if let Some(via) = &expect.via {
        wishes.push(format!("via {via}"));
    }
    if let Some(recovered) = expect.recovered {
        let word = if recovered {
            "recovered"
        } else {
            "not recovered"
        };
        wishes.push(word.to_owned());
    }
    if let Some(alert) = expect.alert {
        wishes.push(format!("alert {}", alert.word()));
    }
    wishes.extend(expect.loss.map(|loss| format!("loss {loss}")));
    wishes.extend(expect.delay.map(|delay| format!("delay {delay}")));
    wishes.extend(expect.delay_p99.map(|p99| format!("delay p99 {p99}")));
    let further = &expect.further;
    wishes.extend(further.interruptions.map(|n| match n {
        1 => "1 interruption at most".to_owned(),
        n => format!("{n} interruptions at most"),
    }));
    let detected_by = further.detected_by.map(|by| by.word());
    wishes.extend(detected_by.map(|by| format!("detected by {by}")));
    wishes.extend(
        further
            .mtu
            .map(|mtu| format!("packets of {mtu} in one piece")),
    );
    let never_via = further.never_via.as_ref();
    wishes.extend(never_via.map(|never| format!("never via {never}")));
    Expectation {
        line: expect.line,
        text: format!("after {after}: {}: {}", expect.probe, wishes.join(", ")),
        label: label.to_owned(),
        transition,
        probe: expect.probe.to_string(),
        outage_max: expect.outage_max,
        lost: expect.lost,
        via: expect.via.as_ref().map(ToString::to_string),
        recovered: expect.recovered,
        alert: expect.alert,
        loss: expect.loss,
        delay: expect.delay,
        delay_p99: expect.delay_p99,
        further: expect.further.clone(),
    }
}
