//! Static routes: the file's, and those that kinds bring along.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{
    PlanError,
    net::{Net, Port, attached},
};
use crate::{
    lab::{
        model::{Kind, Node, SessionKind, StaticRoute, Via},
        op::RouteTarget,
    },
    units::NodeName,
};

/// A static route of a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Static {
    pub(super) node: NodeName,
    pub(super) prefix: IpNet,
    pub(super) to: RouteTarget,
}

/// Every static route, each once.
pub(super) fn statics(net: &Net<'_>) -> Result<Vec<Static>, PlanError> {
    let mut routes = Vec::new();
    hosts(net, &mut routes);
    standalone_hosts(net, &mut routes);
    vpcs(net, &mut routes)?;
    public(net, &mut routes);
    pins(net, &mut routes)?;
    for (name, node) in &net.lab.nodes {
        // Where they compete with what is learned, the speaker has them.
        if node.kind.is_tgw() || net.lab.keeps_tables(name).is_some() {
            continue;
        }
        for route in &node.routes {
            routes.push(Static {
                node: name.clone(),
                prefix: route.prefix,
                to: target(net, name, route)?,
            });
        }
    }
    let mut once: Vec<Static> = Vec::new();
    for route in routes {
        if !once.contains(&route) {
            once.push(route);
        }
    }
    Ok(once)
}

fn via(node: &NodeName, prefix: IpNet, gateway: IpAddr) -> Static {
    Static {
        node: node.clone(),
        prefix,
        to: RouteTarget::Via(gateway),
    }
}

/// The default route of `like`'s family.
pub(super) fn default_like(like: &IpNet) -> IpNet {
    match like {
        IpNet::V4(_) => Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0).into(),
        IpNet::V6(_) => Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

/// Behind a node the gateway is the first address of the host's network.
fn hosts(net: &Net<'_>, routes: &mut Vec<Static>) {
    for (space, cable) in &net.drops {
        let own = cable.at(space).into_iter().flat_map(|port| &port.addresses);
        for address in own {
            let gateway = super::address::first_of(address);
            routes.push(via(space, default_like(address), gateway.addr()));
        }
    }
}

/// A node of kind `host` sends everything to its router, if there is just one.
fn standalone_hosts(net: &Net<'_>, routes: &mut Vec<Static>) {
    for (name, node) in &net.lab.nodes {
        if node.kind != Kind::Host {
            continue;
        }
        let routers: Vec<&Port> = net
            .links
            .values()
            .filter(|cable| cable.at(name).is_some())
            .filter_map(|cable| cable.beyond(name))
            .filter(|port| port.master.is_none() && forwards(net, &port.node))
            .collect();
        let &[router] = routers.as_slice() else {
            continue;
        };
        for gateway in &router.addresses {
            let prefix = default_like(gateway);
            let written = node.routes.iter().any(|route| route.prefix == prefix);
            if !written {
                routes.push(via(name, prefix, gateway.addr()));
            }
        }
    }
}

/// Whether a declared node routes packets for others.
pub(super) fn forwards(net: &Net<'_>, name: &NodeName) -> bool {
    net.lab
        .nodes
        .get(name)
        .is_some_and(|node| !matches!(node.kind, Kind::Host | Kind::Switch))
}

/// A VPC sends everything to its gateway, unless its table has more than that to choose
/// from, and a vgw knows its ranges.
fn vpcs(net: &Net<'_>, routes: &mut Vec<Static>) -> Result<(), PlanError> {
    for (vpc, gateway, cidrs) in attached(net.lab) {
        let ports = net.attachments.get(vpc);
        let (Some(own), Some(beyond)) = (
            ports.and_then(|cable| cable.at(vpc)),
            ports.and_then(|cable| cable.at(gateway)),
        ) else {
            return Err(PlanError::Broken(format!("that `{vpc}` is attached")));
        };
        let is_tgw = net.lab.is_tgw(gateway);
        for cidr in cidrs {
            let written = |node: &Node| {
                let default = default_like(cidr);
                node.routes.iter().any(|route| route.prefix == default)
            };
            let has_own =
                net.lab.keeps_tables(vpc).is_some() || net.lab.nodes.get(vpc).is_some_and(written);
            if let (Some(next), false) = (beyond.address_like(cidr), has_own) {
                routes.push(via(vpc, default_like(cidr), next.addr()));
            }
            if let (Some(next), false) = (own.address_like(cidr), is_tgw) {
                routes.push(via(gateway, *cidr, next.addr()));
            }
            routes.extend(local(net, vpc, cidr));
        }
    }
    Ok(())
}

/// With tables for subnets, what is in a VPC's range stays there, whatever else is known: of it
/// what is no subnet's is dropped.
fn local(net: &Net<'_>, vpc: &NodeName, cidr: &IpNet) -> Option<Static> {
    net.lab.subnet_tables(vpc).next()?;
    let is_connected = |address: &IpNet| address.trunc() == *cidr;
    let connected = net.addresses_of(vpc).iter().any(is_connected);
    (!connected).then(|| Static {
        node: vpc.clone(),
        prefix: *cidr,
        to: RouteTarget::Blackhole,
    })
}

/// The internet reaches AWS's public network beside it.
fn public(net: &Net<'_>, routes: &mut Vec<Static>) {
    for cable in net.links.values() {
        let [a, b] = &cable.ends;
        for (own, other) in [(a, b), (b, a)] {
            let kind = |port: &Port| net.lab.nodes.get(&port.node).map(|node| &node.kind);
            let (Some(Kind::AwsPublic { prefixes, .. }), Some(Kind::Internet)) =
                (kind(own), kind(other))
            else {
                continue;
            };
            for prefix in prefixes {
                if let Some(address) = own.address_like(prefix) {
                    routes.push(via(&other.node, *prefix, address.addr()));
                }
            }
        }
    }
}

/// A tunnel's outer addresses are reached through the node it runs over, by host
/// routes that nothing learned inside the tunnel can beat.
fn pins(net: &Net<'_>, routes: &mut Vec<Static>) -> Result<(), PlanError> {
    for (name, session) in &net.lab.sessions {
        let SessionKind::Vpn(vpn) = &session.kind else {
            continue;
        };
        let [a, b] = outer_ports(net, &session.ends, &vpn.underlay)?;
        let ways = [(a, b, &vpn.underlay[0]), (b, a, &vpn.underlay[1])];
        for (side, (near, far, link)) in ways.into_iter().enumerate() {
            let (_, outer) = outer_of(near, far)?;
            let Some(over) = net.link(link)?.beyond(&near.node) else {
                continue;
            };
            let Some(gateway) = over.address_like(&outer) else {
                continue;
            };
            let mut boxes = net
                .tunnels
                .get(name)
                .into_iter()
                .flatten()
                .filter_map(|tunnel| tunnel.endpoints.as_ref())
                .peekable();
            if boxes.peek().is_none() {
                routes.push(via(&near.node, IpNet::from(outer.addr()), gateway.addr()));
            }
            for endpoints in boxes {
                let distant = outer_address(net, &endpoints[1 - side])?;
                routes.push(via(&near.node, IpNet::from(distant.addr()), gateway.addr()));
                let own = outer_address(net, &endpoints[side])?;
                if let Some(router) = near.address_like(&own) {
                    routes.push(via(&over.node, IpNet::from(own.addr()), router.addr()));
                }
            }
        }
    }
    for (name, endpoint) in &net.endpoints {
        for gateway in endpoint
            .cable
            .beyond(name)
            .into_iter()
            .flat_map(|port| &port.addresses)
        {
            routes.push(via(name, default_like(gateway), gateway.addr()));
        }
    }
    Ok(())
}

/// The outer address of an IPsec endpoint.
pub(super) fn outer_address(net: &Net<'_>, endpoint: &NodeName) -> Result<IpNet, PlanError> {
    net.endpoints
        .get(endpoint)
        .and_then(|found| found.cable.at(endpoint)?.addresses.first().copied())
        .ok_or_else(|| PlanError::Broken(format!("that `{endpoint}` has an outer address")))
}

/// The underlay's interfaces at the two ends of a VPN.
pub(super) fn outer_ports<'n>(
    net: &'n Net<'_>,
    ends: &[NodeName; 2],
    underlay: &[crate::units::LinkName; 2],
) -> Result<[&'n Port; 2], PlanError> {
    Ok([
        net.port(&underlay[0], &ends[0])?,
        net.port(&underlay[1], &ends[1])?,
    ])
}

/// The outer addresses of two ports, of one family: IPv4 where both have it.
pub(super) fn outer_of(a: &Port, b: &Port) -> Result<(IpNet, IpNet), PlanError> {
    a.addresses
        .iter()
        .find_map(|own| Some((*own, b.address_like(own)?)))
        .ok_or_else(|| {
            PlanError::Broken(format!(
                "that `{}` and `{}` have outer addresses of one family",
                a.node, b.node
            ))
        })
}

/// Where a static route of the file leads.
pub(super) fn target(
    net: &Net<'_>,
    name: &NodeName,
    route: &StaticRoute,
) -> Result<RouteTarget, PlanError> {
    Ok(match &route.via {
        Via::Address(gateway) => RouteTarget::Via(*gateway),
        Via::Blackhole => RouteTarget::Blackhole,
        Via::Link(link) => {
            let gateway = net.gateway(link, name, &route.prefix).ok_or_else(|| {
                PlanError::Broken(format!(
                    "that the far end of `{link}` can be the gateway of `{name}` to {}",
                    route.prefix
                ))
            })?;
            RouteTarget::Via(gateway.addr())
        }
    })
}
