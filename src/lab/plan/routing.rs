//! Sessions and what each speaker does on them.

mod gateways;
mod legs;
mod locations;
mod policy;
mod public;
mod route_tables;
mod static_vpn;
mod subnets;

use std::{collections::BTreeMap, net::Ipv4Addr};

use ipnet::IpNet;

pub(super) use self::{
    legs::{Leg, legs},
    route_tables::rules,
};
use super::{
    PlanError,
    address::{overlap, router_id},
    net::{Net, attached},
};
use crate::{
    lab::model::{Announce, Kind, Node, Routing, aws},
    units::{Asn, BfdConfig, NodeName, Origination, PeerConfig, SpeakerConfig, VrfConfig},
};

/// Packets of a directly connected external session carry this TTL, AWS's rule as well.
const EXTERNAL_TTL: u8 = 1;
const INTERNAL_TTL: u8 = 64;

/// The configuration of every node that has a session.
pub(super) fn speakers(
    net: &Net<'_>,
    legs: &[Leg],
) -> Result<BTreeMap<NodeName, SpeakerConfig>, PlanError> {
    let mut speakers = BTreeMap::new();
    for (name, node) in &net.lab.nodes {
        let peers: Vec<PeerConfig> = legs
            .iter()
            .flat_map(|leg| [0, 1].map(|side| (leg, side)))
            .filter(|&(leg, side)| leg.ends[side].node == *name)
            .map(|(leg, side)| peer(net, legs, leg, side))
            .collect::<Result<_, _>>()?;
        let mut statics = gateways::statics(net, name, node)?;
        statics.extend(static_vpn::paths(net, name));
        let mut tables = route_tables::route_tables(net, legs, name)?;
        tables.extend(route_tables::regional(net, legs, (name, &statics))?);
        tables.extend(locations::tables(net, legs, name)?);
        tables.extend(subnets::tables(net, legs, (name, &statics))?);
        if !tables.is_empty() {
            // Each table has its own.
            statics.clear();
        }
        if peers.is_empty() && statics.is_empty() && tables.is_empty() {
            continue;
        }
        let config = SpeakerConfig {
            node: name.clone(),
            asn: asn_of(net, name)?,
            router_id: identifier(net, name, node),
            vrf: vrf_of(net, legs, name),
            choice: gateways::choice(&node.kind),
            multipath: if node.kind.is_aws() {
                aws::MULTIPATH
            } else {
                node.multipath
            },
            originate: originations(net, name, node),
            statics,
            tables,
            peers,
        };
        speakers.insert(name.clone(), config);
    }
    Ok(speakers)
}

/// The VRF a node's sessions are in: the model has them all in one table.
fn vrf_of(net: &Net<'_>, legs: &[Leg], name: &NodeName) -> Option<VrfConfig> {
    let mut ends = legs.iter().flat_map(|leg| &leg.ends);
    let end = ends.find(|end| end.node == *name)?;
    let vrf = net.vrf_of(name, &end.interface)?;
    Some(VrfConfig {
        device: vrf.interface.clone(),
        table: vrf.table,
    })
}

fn peer(net: &Net<'_>, legs: &[Leg], leg: &Leg, side: usize) -> Result<PeerConfig, PlanError> {
    let (own, far) = (&leg.ends[side], &leg.ends[1 - side]);
    let policy = policy::of(net.lab, legs, leg, side);
    let usual = asn_of(net, &own.node)?;
    Ok(PeerConfig {
        session: leg.session.clone(),
        local: own.address,
        remote: far.address,
        interface: Some(own.interface.clone()),
        local_asn: (own.asn != usual).then_some(own.asn),
        remote_asn: far.asn,
        attachment: gateways::attachment(net.lab, leg, side),
        region: gateways::region(net.lab, leg, side),
        transparent: leg.transparent,
        families: leg.families.clone(),
        hold: leg.timers[side].hold,
        keepalive: leg.timers[side].keepalive,
        connect_retry: leg.timers[side].connect_retry,
        ttl: if own.asn == far.asn {
            INTERNAL_TTL
        } else {
            EXTERNAL_TTL
        },
        passive: leg.passive.as_ref() == Some(&own.node),
        md5: leg.md5.clone(),
        bfd: leg.bfd.map(|ends: [BfdConfig; 2]| ends[side]),
        graceful_restart: leg.graceful_restart.map(|ends| ends[side]),
        next_hop_self: leg.next_hop_self,
        next_hop_other_family: leg.other_family[side],
        max_prefix: policy.max_prefix,
        import: policy.import,
        export: policy.export,
    })
}

/// The AS a node speaks with: its own, or that of the first gateway behind a location or of
/// the one in front of a VPC.
pub(super) fn asn_of(net: &Net<'_>, name: &NodeName) -> Result<Asn, PlanError> {
    let own = net.lab.nodes.get(name).and_then(|node| node.asn);
    let gateway = || {
        let gateway = locations::gateways(net.lab, name).next()?;
        net.lab.nodes.get(gateway).and_then(|node| node.asn)
    };
    let of_vpc = || {
        let gateway = net.lab.keeps_tables(name)?;
        net.lab.nodes.get(gateway).and_then(|node| node.asn)
    };
    own.or_else(gateway)
        .or_else(of_vpc)
        .ok_or_else(|| PlanError::Broken(format!("that `{name}` has an AS number")))
}

/// The file's, else the node's most telling IPv4 address, else one of its name.
fn identifier(net: &Net<'_>, name: &NodeName, node: &Node) -> Ipv4Addr {
    let address = || {
        net.addresses_of(name)
            .iter()
            .find_map(|address| match address {
                IpNet::V4(net) => Some(net.addr()),
                IpNet::V6(_) => None,
            })
    };
    node.router_id
        .or_else(address)
        .unwrap_or_else(|| router_id(name.as_str()))
}

/// What a node originates, each prefix once, unconditional wins.
fn originations(net: &Net<'_>, name: &NodeName, node: &Node) -> Vec<Origination> {
    if node.kind == Kind::Vgw {
        return attached(net.lab)
            .filter(|(_, gateway, _)| *gateway == name)
            .flat_map(|(_, _, cidrs)| cidrs)
            .map(|&prefix| Origination {
                prefix,
                blackhole: false,
                while_known: None,
            })
            .collect();
    }
    if let Kind::AwsPublic { prefixes, .. } = &node.kind {
        return prefixes
            .iter()
            .map(|&prefix| Origination {
                prefix,
                blackhole: !reaches(net, name, node, &prefix),
                while_known: None,
            })
            .collect();
    }
    let announced = net
        .lab
        .routing
        .get(name)
        .into_iter()
        .flat_map(BTreeMap::values)
        .filter_map(|routing| match routing {
            Routing::Shorthand(short) => Some(&short.announce),
            Routing::Rules(_) => None,
        })
        .flatten();
    let mut wanted: BTreeMap<IpNet, Option<IpNet>> = BTreeMap::new();
    for Announce {
        prefix,
        while_known,
    } in node.originate.iter().chain(announced)
    {
        let condition = wanted.entry(*prefix).or_insert(*while_known);
        if while_known.is_none() {
            *condition = None;
        }
    }
    wanted
        .into_iter()
        .map(|(prefix, while_known)| Origination {
            prefix,
            blackhole: !reaches(net, name, node, &prefix),
            while_known,
        })
        .collect()
}

/// Whether the node's kernel has exactly this prefix by itself: connected or static.
fn reaches(net: &Net<'_>, name: &NodeName, node: &Node, prefix: &IpNet) -> bool {
    let connected = net
        .addresses_of(name)
        .iter()
        .any(|address| address.trunc() == *prefix && overlap(address, prefix));
    connected || node.routes.iter().any(|route| route.prefix == *prefix)
}
