//! The pass from model to plan.

use std::net::SocketAddr;

use super::{
    DirectPlan, LagEnd, LagPlan, Plan, PlanError, SessionPlan, TagPlan, TunnelBy, TunnelEnd,
    TunnelPlan, WireEnd, WirePlan, cap,
    facts::HostFacts,
    flows::flows,
    ipsec,
    load::load,
    mss,
    net::{Cable, Net},
    nodes::nodes,
    notes::notes,
    ops::ops,
    routing::{Leg, legs, speakers},
    services::services,
    statics::{outer_address, outer_of, outer_ports, statics},
};
use crate::{
    lab::model::{DEFAULT_MTU, Factor, Lab, Probe, SessionKind, Tag},
    units::ProbeName,
};

/// Where IKE is spoken first (RFC 7296 §2).
const IKE_PORT: u16 = 500;
/// The UDP port of the first WireGuard tunnel; the others follow.
const TUNNEL_PORT_BASE: u16 = 51_820;

/// Decides everything about a lab: namespaces, interfaces, addresses, routes,
/// configurations, faults. The same lab and host always give the same plan.
///
/// # Errors
/// Everything that backhoe or this host cannot do for the lab.
pub fn plan(lab: &Lab, host: &HostFacts) -> Result<Plan, Vec<PlanError>> {
    let net = Net::of(lab, host).map_err(|error| vec![error])?;
    let legs = legs(&net)?;
    let speakers = speakers(&net, &legs).map_err(|error| vec![error])?;
    let mut errors = Vec::new();
    let nodes = nodes(&net, speakers, host, &mut errors);
    let assembled = assemble(&net, &legs, host, nodes);
    match assembled {
        Ok(plan) if errors.is_empty() => Ok(plan),
        Ok(_) => Err(errors),
        Err(error) => {
            if !errors.contains(&error) {
                errors.push(error);
            }
            Err(errors)
        }
    }
}

fn assemble(
    net: &Net<'_>,
    legs: &[Leg],
    host: &HostFacts,
    nodes: Vec<super::NodePlan>,
) -> Result<Plan, PlanError> {
    let (notes, stand_ins) = notes(net, legs, host);
    let tunnels = tunnels(net, host)?;
    let mut ops = ops(net, legs, statics(net)?)?;
    ops.extend(mss::clamps(net, &tunnels, host)?);
    ops.extend(cap::caps(&tunnels, host));
    Ok(Plan {
        lab: net.lab.name.clone(),
        timers_scaled: net.lab.scaled.map(Factor::get),
        nodes,
        ops,
        wires: net.cables().filter_map(wire).collect(),
        direct: net.cables().filter_map(direct).collect(),
        lags: lags(net)?,
        tags: tags(net.lab),
        tunnels,
        sessions: legs.iter().map(|leg| session(net, leg)).collect(),
        services: services(net)?,
        flows: flows(net)?,
        load: load(net)?,
        isolated: {
            let probes = net.lab.probes.iter();
            let of = |(name, probe): (&ProbeName, &Probe)| {
                Some((name.clone(), (probe.line, probe.isolated?)))
            };
            probes.filter_map(of).collect()
        },
        scenario: net
            .lab
            .scenario
            .iter()
            .map(|step| step.kind.clone())
            .collect(),
        expect: net.lab.expect.clone(),
        load_expect: net.lab.load_expect.clone(),
        notes,
        stand_ins,
    })
}

fn wire(cable: &Cable) -> Option<WirePlan> {
    let wire = cable.wire.as_ref()?;
    let end = |side: usize| {
        let port = &cable.ends[side];
        let (wire_if, wire_index) = wire.ends[side].clone();
        WireEnd {
            node: port.node.clone(),
            node_if: port.interface.clone(),
            node_index: port.index,
            wire_if,
            wire_index,
        }
    };
    Some(WirePlan {
        link: cable.link.clone(),
        ends: [end(0), end(1)],
        shape: wire.shape.clone(),
        mtu: cable.mtu,
    })
}

fn direct(cable: &Cable) -> Option<DirectPlan> {
    cable.wire.is_none().then(|| DirectPlan {
        link: cable.link.clone(),
        ends: cable
            .ends
            .each_ref()
            .map(|port| (port.node.clone(), port.interface.clone())),
    })
}

fn lags(net: &Net<'_>) -> Result<Vec<LagPlan>, PlanError> {
    let mut plans = Vec::new();
    for (name, lag) in &net.lab.lags {
        let end = |side: usize| {
            let node = &lag.ends[side];
            let members = lag.links.iter().map(|link| {
                let port = net.port(link, node)?;
                Ok(port.interface.clone())
            });
            Ok::<_, PlanError>(LagEnd {
                node: node.clone(),
                interface: net.port(name, node)?.interface.clone(),
                members: members.collect::<Result<_, PlanError>>()?,
                lacp: lag.lacp[side],
            })
        };
        plans.push(LagPlan {
            lag: name.clone(),
            links: lag.links.clone(),
            min_links: lag.min_links,
            ends: [end(0)?, end(1)?],
        });
    }
    Ok(plans)
}

fn tags(lab: &Lab) -> Vec<TagPlan> {
    let plan = |tag: Tag, value: &str| {
        let (links, nodes) = lab.tagged(tag, value);
        TagPlan {
            tag,
            value: value.to_owned(),
            links,
            nodes,
        }
    };
    let of = |tag: Tag| lab.values_of(tag).into_iter().map(move |v| plan(tag, v));
    Tag::ALL.into_iter().flat_map(of).collect()
}

fn tunnels(net: &Net<'_>, host: &HostFacts) -> Result<Vec<TunnelPlan>, PlanError> {
    let mut plans = Vec::new();
    let all = net
        .tunnels
        .iter()
        .flat_map(|(name, tunnels)| tunnels.iter().map(move |tunnel| (name, tunnel)));
    for ((name, ports), number) in all.zip(0u16..) {
        let Some(session) = net.lab.sessions.get(name) else {
            continue;
        };
        let SessionKind::Vpn(vpn) = &session.kind else {
            continue;
        };
        let (outer, mtu, by) = match (session.ipsec(), &ports.endpoints) {
            (Some(ipsec), Some(endpoints)) => {
                let backend = ipsec::backend(name, host)?;
                let outer = [
                    outer_address(net, &endpoints[0])?,
                    outer_address(net, &endpoints[1])?,
                ];
                let by = TunnelBy::Ipsec {
                    backend,
                    endpoints: endpoints.clone(),
                };
                let outer = outer.map(|address| SocketAddr::new(address.addr(), IKE_PORT));
                (outer, ipsec::mtu(net, session, ipsec, backend), by)
            }
            _ => {
                let [a, b] = outer_ports(net, &session.ends, &vpn.underlay)?;
                let (outer_a, outer_b) = outer_of(a, b)?;
                let port = TUNNEL_PORT_BASE.saturating_add(number);
                let outer = [outer_a, outer_b].map(|outer| SocketAddr::new(outer.addr(), port));
                let narrowest = vpn.underlay.iter().filter_map(|link| net.links.get(link));
                let outer_mtu = narrowest
                    .map(|cable| cable.mtu)
                    .min()
                    .unwrap_or(DEFAULT_MTU);
                let mtu = session.inner_mtu(&net.lab.nodes, outer_mtu);
                (outer, mtu, TunnelBy::Wireguard)
            }
        };
        let end = |side: usize| {
            let inner = &ports.ends[side];
            TunnelEnd {
                node: inner.node.clone(),
                interface: inner.interface.clone(),
                index: inner.index,
                inside: inner.addresses.clone(),
                outer: outer[side],
            }
        };
        plans.push(TunnelPlan {
            tunnel: ports.tunnel.clone(),
            ends: [end(0), end(1)],
            mtu,
            underlay: vpn.underlay.to_vec(),
            by,
            cap: vpn.cap,
        });
    }
    Ok(plans)
}

fn session(net: &Net<'_>, leg: &Leg) -> SessionPlan {
    SessionPlan {
        session: leg.session.clone(),
        kind: leg.kind.to_owned(),
        over: leg.over.clone(),
        vlan: net.vlans.get(&leg.session).map(|vlan| vlan.id),
        ends: leg.ends.clone(),
        hold: leg.timers.map(|timers| timers.hold),
        keepalive: leg
            .timers
            .iter()
            .any(|timers| timers.keepalive.as_nanos() * 3 != timers.hold.as_nanos())
            .then(|| leg.timers.map(|timers| timers.keepalive)),
        bfd: leg.bfd,
        modelled: leg.modelled,
    }
}
