//! BGP sessions with both ends resolved, AWS's internal ones included.

use std::{collections::BTreeMap, net::IpAddr};

use ipnet::IpNet;

use super::{
    super::net::{Port, attachment_name},
    Net, PlanError, asn_of,
};
use crate::{
    lab::{
        model::{BgpTimers, Kind, Lab, Session, SessionKind, Vif, aws},
        plan::{Medium, SessionEnd},
    },
    units::{BfdConfig, Family, IfName, LinkName, NodeName, SessionName, Span},
};

/// Timers of AWS's inside. AWS publishes none; BFD is what detects there.
const INSIDE_TIMERS: BgpTimers = BgpTimers {
    hold: Span::from_secs(9),
    keepalive: Span::from_secs(3),
    connect_retry: Span::from_secs(1),
};

/// A session between two speakers. Arrays are aligned with `ends`.
#[derive(Debug, Clone)]
pub(in crate::lab::plan) struct Leg {
    pub(in crate::lab::plan) session: SessionName,
    /// The session of the file: another name where each tunnel has one of its own.
    pub(super) declared: SessionName,
    pub(in crate::lab::plan) kind: &'static str,
    pub(in crate::lab::plan) over: Medium,
    pub(in crate::lab::plan) ends: [SessionEnd; 2],
    pub(in crate::lab::plan) families: Vec<Family>,
    /// Each end's address of the family that the transport does not carry.
    pub(super) other_family: [Option<IpAddr>; 2],
    pub(in crate::lab::plan) timers: [BgpTimers; 2],
    pub(in crate::lab::plan) bfd: Option<[BfdConfig; 2]>,
    pub(super) graceful_restart: Option<[Span; 2]>,
    pub(super) md5: Option<String>,
    pub(super) passive: Option<NodeName>,
    pub(super) next_hop_self: bool,
    /// Part of AWS's inside.
    pub(in crate::lab::plan) modelled: bool,
    /// Routes pass as they are.
    pub(super) transparent: bool,
}

/// Every session by name, the modelled ones last.
pub(in crate::lab::plan) fn legs(net: &Net<'_>) -> Result<Vec<Leg>, Vec<PlanError>> {
    let mut errors = Vec::new();
    let mut legs = Vec::new();
    for (name, session) in &net.lab.sessions {
        if session.fixed().is_some() {
            continue;
        }
        match declared(net, name, session) {
            Ok(more) => legs.extend(more),
            Err(error) => errors.push(error),
        }
    }
    for (backbone, (location, vif)) in backbones(net.lab) {
        match between(net, [location, &vif.gateway], backbone) {
            Ok(leg) => legs.push(leg),
            Err(error) => errors.push(error),
        }
    }
    for (dxgw, gateway) in associations(net.lab) {
        let leg = association(net.lab, dxgw, gateway)
            .and_then(|link| between(net, [dxgw, gateway], link));
        match leg {
            Ok(leg) => legs.push(leg),
            Err(error) => errors.push(error),
        }
    }
    for (link, ends) in public_links(net.lab) {
        match between(net, [&ends[0], &ends[1]], link) {
            Ok(leg) => legs.push(leg),
            Err(error) => errors.push(error),
        }
    }
    for vpc in net.lab.nodes.keys() {
        let Some(vgw) = net.lab.propagates_to(vpc) else {
            continue;
        };
        match propagation(net, vgw, vpc) {
            Ok(leg) => legs.push(leg),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        Ok(legs)
    } else {
        Err(errors)
    }
}

/// Every VIF with its location.
pub(super) fn vifs(lab: &Lab) -> impl Iterator<Item = (&NodeName, &Vif)> {
    let sessions = lab.sessions.values();
    sessions.filter_map(|session| Some((&session.ends[1], session.vif()?)))
}

/// How many prefixes of each family AWS takes on a VIF's session.
pub(super) fn prefix_limit(lab: &Lab, leg: &Leg) -> Option<u32> {
    Some(lab.sessions.get(&leg.declared)?.vif()?.prefix_limit)
}

/// The links between locations and gateways that VIFs use, each with its ends.
fn backbones(lab: &Lab) -> BTreeMap<&LinkName, (&NodeName, &Vif)> {
    let links = |(location, vif)| {
        let of = move |backbone| (backbone, (location, vif));
        let vif: &Vif = vif;
        vif.backbones.iter().map(of)
    };
    vifs(lab).flat_map(links).collect()
}

/// Every Direct Connect gateway with each gateway behind it.
fn associations(lab: &Lab) -> impl Iterator<Item = (&NodeName, &NodeName)> {
    lab.nodes
        .iter()
        .filter_map(|(name, node)| {
            let Kind::Dxgw { associations } = &node.kind else {
                return None;
            };
            Some((name, associations))
        })
        .flat_map(|(name, associations)| associations.keys().map(move |gateway| (name, gateway)))
}

/// The links between parts of AWS's public network.
fn public_links(lab: &Lab) -> impl Iterator<Item = (&LinkName, &[NodeName; 2])> {
    let is_public = |name: &NodeName| {
        let node = lab.nodes.get(name);
        node.is_some_and(|node| matches!(node.kind, Kind::AwsPublic { .. }))
    };
    lab.links
        .iter()
        .filter(move |(_, link)| link.ends.iter().all(is_public))
        .map(|(name, link)| (name, &link.ends))
}

/// The link of an association: the model has exactly one.
pub(super) fn association<'a>(
    lab: &'a Lab,
    dxgw: &NodeName,
    gateway: &NodeName,
) -> Result<&'a LinkName, PlanError> {
    lab.links
        .iter()
        .find(|(_, link)| link.ends.contains(dxgw) && link.ends.contains(gateway))
        .map(|(name, _)| name)
        .ok_or_else(|| PlanError::Broken(format!("that `{dxgw}` and `{gateway}` are linked")))
}

/// What both ends of a session can talk with.
struct Transport {
    addresses: [IpAddr; 2],
    families: Vec<Family>,
    other_family: [Option<IpAddr>; 2],
}

/// IPv4 where both ends have it, else IPv6; routes of every family both have.
fn transport(session: &SessionName, addresses: [&[IpNet]; 2]) -> Result<Transport, PlanError> {
    let v4 = addresses.map(|of| of.iter().map(IpNet::addr).find(IpAddr::is_ipv4));
    let v6 = addresses.map(|of| of.iter().map(IpNet::addr).find(IpAddr::is_ipv6));
    let both = |[a, b]: [Option<IpAddr>; 2]| Some([a?, b?]);
    match (both(v4), both(v6)) {
        (Some(addresses), None) => Ok(Transport {
            addresses,
            families: vec![Family::Ipv4Unicast],
            other_family: [None, None],
        }),
        (None, Some(addresses)) => Ok(Transport {
            addresses,
            families: vec![Family::Ipv6Unicast],
            other_family: [None, None],
        }),
        (Some(addresses), Some(others)) => Ok(Transport {
            addresses,
            families: vec![Family::Ipv4Unicast, Family::Ipv6Unicast],
            other_family: others.map(Some),
        }),
        (None, None) => Err(PlanError::Broken(format!(
            "that the ends of session `{session}` have addresses of one family"
        ))),
    }
}

fn is_location(lab: &Lab, name: &NodeName) -> bool {
    let node = lab.nodes.get(name);
    node.is_some_and(|node| node.kind == Kind::DxLocation)
}

/// A location speaks with the ASN of the gateway that the session is for.
fn ends(
    net: &Net<'_>,
    nodes: [&NodeName; 2],
    interfaces: [&IfName; 2],
    addresses: [IpAddr; 2],
    gateway: &NodeName,
) -> Result<[SessionEnd; 2], PlanError> {
    let end = |side: usize| {
        let node = nodes[side];
        let speaks_for = if is_location(net.lab, node) {
            gateway
        } else {
            node
        };
        Ok::<_, PlanError>(SessionEnd {
            node: node.clone(),
            interface: interfaces[side].clone(),
            address: addresses[side],
            asn: asn_of(net, speaks_for)?,
        })
    };
    Ok([end(0)?, end(1)?])
}

/// One leg, or one for each tunnel of an IPsec VPN.
fn declared(net: &Net<'_>, name: &SessionName, session: &Session) -> Result<Vec<Leg>, PlanError> {
    if let Some(vlan) = net.vlans.get(name) {
        let [a, b] = &vlan.ends;
        let over = Medium::Link(vlan.link.clone());
        return Ok(vec![leg(net, (name, name), session, over, [a, b])?]);
    }
    if let Some(link) = session.kind.link() {
        let ports = [
            net.port(link, &session.ends[0])?,
            net.port(link, &session.ends[1])?,
        ];
        let over = Medium::Link(link.clone());
        return Ok(vec![leg(net, (name, name), session, over, ports)?]);
    }
    let tunnels = net
        .tunnels
        .get(name)
        .ok_or_else(|| PlanError::Broken(format!("a tunnel for session `{name}`")))?;
    tunnels
        .iter()
        .map(|tunnel| {
            let own = if tunnel.endpoints.is_some() {
                SessionName::new(tunnel.tunnel.as_str())?
            } else {
                name.clone()
            };
            let [a, b] = &tunnel.ends;
            let over = Medium::Tunnel(tunnel.tunnel.clone());
            leg(net, (&own, name), session, over, [a, b])
        })
        .collect()
}

fn leg(
    net: &Net<'_>,
    (name, declared): (&SessionName, &SessionName),
    session: &Session,
    over: Medium,
    ports: [&Port; 2],
) -> Result<Leg, PlanError> {
    let nodes = [&session.ends[0], &session.ends[1]];
    let inside = net.inside.get(name);
    let addresses: [&[IpNet]; 2] = match inside {
        Some([a, b]) => [a, b],
        None => [&ports[0].addresses, &ports[1].addresses],
    };
    let transport = transport(name, addresses)?;
    let interfaces = [&ports[0].interface, &ports[1].interface];
    let gateway = session.vif().map_or(nodes[1], |vif| &vif.gateway);
    Ok(Leg {
        session: name.clone(),
        declared: declared.clone(),
        kind: session.kind.word(),
        over,
        ends: ends(net, nodes, interfaces, transport.addresses, gateway)?,
        families: transport.families,
        other_family: transport.other_family,
        timers: session.timers,
        bfd: session.bfd,
        graceful_restart: session.graceful_restart,
        md5: session.md5.clone(),
        passive: session.passive.clone(),
        next_hop_self: matches!(
            session.kind,
            SessionKind::Ibgp {
                next_hop_self: true,
                ..
            }
        ),
        modelled: false,
        transparent: false,
    })
}

fn between(net: &Net<'_>, nodes: [&NodeName; 2], link: &LinkName) -> Result<Leg, PlanError> {
    let ports = [net.port(link, nodes[0])?, net.port(link, nodes[1])?];
    modelled(net, nodes, link, ports)
}

/// How a VPC's route table learns what its vgw knows.
fn propagation(net: &Net<'_>, vgw: &NodeName, vpc: &NodeName) -> Result<Leg, PlanError> {
    let cable = net.attachments.get(vpc);
    let (Some(near), Some(far)) = (
        cable.and_then(|cable| cable.at(vgw)),
        cable.and_then(|cable| cable.at(vpc)),
    ) else {
        return Err(PlanError::Broken(format!("that `{vpc}` is attached")));
    };
    let link = LinkName::new(attachment_name(vpc))?;
    modelled(net, [vgw, vpc], &link, [near, far])
}

/// AWS's inside: a session that adds no AS hop. Internal BGP between a location's router and
/// a vgw; around a Direct Connect gateway one that is transparent, since its ASN is not
/// that of the gateways behind it and it passes on what one location told to another; and
/// so towards a VPC, which is told what locations told its vgw.
fn modelled(
    net: &Net<'_>,
    nodes: [&NodeName; 2],
    link: &LinkName,
    ports: [&Port; 2],
) -> Result<Leg, PlanError> {
    let session = inside_name(net.lab, link)?;
    let is_transparent = |name: &&NodeName| {
        let node = net.lab.nodes.get(*name);
        node.is_some_and(|node| {
            matches!(
                node.kind,
                Kind::Dxgw { .. } | Kind::Vpc { .. } | Kind::AwsPublic { .. }
            )
        })
    };
    let transport = transport(&session, [&ports[0].addresses, &ports[1].addresses])?;
    let interfaces = [&ports[0].interface, &ports[1].interface];
    let (timers, bfd) = match net.lab.scaled {
        Some(factor) => (factor.bgp(INSIDE_TIMERS), factor.bfd(aws::VIF_BFD)),
        None => (INSIDE_TIMERS, aws::VIF_BFD),
    };
    Ok(Leg {
        declared: session.clone(),
        session,
        kind: "modelled",
        over: Medium::Link(link.clone()),
        ends: ends(net, nodes, interfaces, transport.addresses, nodes[1])?,
        families: transport.families,
        other_family: transport.other_family,
        timers: [timers; 2],
        bfd: Some([bfd; 2]),
        graceful_restart: None,
        md5: None,
        passive: None,
        next_hop_self: true,
        modelled: true,
        transparent: nodes.iter().any(is_transparent),
    })
}

/// `aws-LINK`, or the next name like it that the file does not use.
fn inside_name(lab: &Lab, backbone: &LinkName) -> Result<SessionName, PlanError> {
    let keep: String = backbone
        .as_str()
        .chars()
        .take(SessionName::MAX - 8)
        .collect();
    let mut name = SessionName::new(format!("aws-{keep}"))?;
    let mut number = 2;
    while lab.sessions.contains_key(&name) {
        name = SessionName::new(format!("aws-{keep}-{number}"))?;
        number += 1;
    }
    Ok(name)
}
