//! Interfaces: names, numbers, and which two belong together.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::{
    super::{
        PlanError,
        address::{first_of, overlap},
        facts::HostFacts,
        names::Claims,
    },
    Bridge, Cable, Endpoint, FIRST_INDEX, Net, Port, TunnelPorts, Vlan, VrfPort, Wire,
    addresses::{Derived, Pair, vifs},
    attached, attachment_name, endpoints, interfaces, tag,
};
use crate::{
    lab::{
        model::{DEFAULT_MTU, Host, Kind, Lab, Session, SessionKind, endpoint_name, tunnel_name},
        op::VRF_TABLES,
    },
    units::{Bytes, HostName, IfName, LinkName, NodeName, TunnelName},
};

/// Gives out interface names, unique in their namespace, and ifindexes, unique in the lab.
struct Layer {
    names: BTreeMap<NodeName, Claims>,
    next_index: u32,
    links: Claims,
}

impl Layer {
    fn index(&mut self) -> u32 {
        let index = self.next_index;
        self.next_index += 1;
        index
    }

    fn interface(&mut self, node: &NodeName, wanted: &str) -> Result<IfName, PlanError> {
        let claims = self.names.entry(node.clone()).or_insert_with(|| {
            let mut claims = interfaces();
            claims.claim("lo");
            claims
        });
        Ok(IfName::new(claims.claim(wanted))?)
    }

    fn port(
        &mut self,
        node: &NodeName,
        wanted: &str,
        addresses: Vec<IpNet>,
    ) -> Result<Port, PlanError> {
        Ok(Port {
            node: node.clone(),
            interface: self.interface(node, wanted)?,
            index: self.index(),
            master: None,
            addresses,
        })
    }

    fn link_name(&mut self, wanted: &str) -> Result<LinkName, PlanError> {
        Ok(LinkName::new(self.links.claim(wanted))?)
    }
}

/// Lays every cable of the lab. Declared links come first and so keep their names.
pub(super) fn lay(net: &mut Net<'_>, derived: &Derived, host: &HostFacts) -> Result<(), PlanError> {
    let mut layer = Layer {
        names: BTreeMap::new(),
        next_index: FIRST_INDEX,
        links: Claims::up_to(LinkName::MAX),
    };
    lay_links(net, derived, host, &mut layer)?;
    lay_tunnels(net, derived, &mut layer)?;
    lay_attachments(net, derived, &mut layer)?;
    lay_switches(net, &mut layer)?;
    lay_hosts(net, &mut layer)?;
    lay_lags(net, derived, &mut layer)?;
    lay_vlans(net, derived, host, &mut layer)?;
    lay_endpoints(net, derived, &mut layer)?;
    lay_vrfs(net, &mut layer)
}

fn lay_links(
    net: &mut Net<'_>,
    derived: &Derived,
    host: &HostFacts,
    layer: &mut Layer,
) -> Result<(), PlanError> {
    for (number, (name, link)) in net.lab.links.iter().enumerate() {
        layer.links.claim(name.as_str());
        let [a, b] = addresses(derived.links.get(name));
        let ends = [
            layer.port(&link.ends[0], name.as_str(), a)?,
            layer.port(&link.ends[1], name.as_str(), b)?,
        ];
        // Every declared link has a wire: a cut by hand may come at any time.
        let wire = Wire {
            shape: link.shape.clone(),
            ends: [
                (IfName::new(format!("w{number}a"))?, layer.index()),
                (IfName::new(format!("w{number}b"))?, layer.index()),
            ],
        };
        let cable = Cable {
            link: name.clone(),
            mtu: untagged_mtu(net.lab, host, name).unwrap_or(link.mtu),
            ends,
            wire: Some(wire),
        };
        net.links.insert(name.clone(), cable);
    }
    Ok(())
}

/// On a circuit whose only VIF has no interface of its own, the circuit's have its MTU.
fn untagged_mtu(lab: &Lab, host: &HostFacts, circuit: &LinkName) -> Option<Bytes> {
    let mut untagged = vifs(lab, circuit).filter(|(_, session)| tag(session, host).is_none());
    untagged
        .next()
        .and_then(|(_, session)| match &session.kind {
            SessionKind::Vif(vif) => Some(vif.mtu),
            SessionKind::Vpn(_) | SessionKind::Ebgp { .. } | SessionKind::Ibgp { .. } => None,
        })
}

/// Bonds come last, and tagged interfaces after them: a lab without any keeps the
/// names and numbers of everything else.
fn lay_lags(net: &mut Net<'_>, derived: &Derived, layer: &mut Layer) -> Result<(), PlanError> {
    for (name, lag) in &net.lab.lags {
        layer.links.claim(name.as_str());
        let [a, b] = addresses(derived.links.get(name));
        let ends = [
            layer.port(&lag.ends[0], name.as_str(), a)?,
            layer.port(&lag.ends[1], name.as_str(), b)?,
        ];
        for link in &lag.links {
            let Some(cable) = net.links.get_mut(link) else {
                continue;
            };
            for port in &mut cable.ends {
                let bond = ends.iter().find(|bond| bond.node == port.node);
                port.master = bond.map(|bond| bond.interface.clone());
            }
        }
        let cable = Cable {
            link: name.clone(),
            mtu: lag.mtu,
            ends,
            wire: None,
        };
        net.lags.insert(name.clone(), cable);
    }
    Ok(())
}

fn lay_vlans(
    net: &mut Net<'_>,
    derived: &Derived,
    host: &HostFacts,
    layer: &mut Layer,
) -> Result<(), PlanError> {
    for (name, session) in &net.lab.sessions {
        let (SessionKind::Vif(vif), Some(id)) = (&session.kind, tag(session, host)) else {
            continue;
        };
        let parents = [
            net.port(&vif.link, &session.ends[0])?.interface.clone(),
            net.port(&vif.link, &session.ends[1])?.interface.clone(),
        ];
        let [a, b] = addresses(derived.inside.get(name));
        let wanted = |parent: &IfName| format!("{parent}.{id}");
        let ends = [
            layer.port(&session.ends[0], &wanted(&parents[0]), a)?,
            layer.port(&session.ends[1], &wanted(&parents[1]), b)?,
        ];
        let vlan = Vlan {
            link: vif.link.clone(),
            id,
            mtu: vif.mtu,
            ends,
            parents,
        };
        net.vlans.insert(name.clone(), vlan);
    }
    Ok(())
}

fn lay_vrfs(net: &mut Net<'_>, layer: &mut Layer) -> Result<(), PlanError> {
    for (name, node) in &net.lab.nodes {
        for ((vrf, spec), table) in node.vrfs.iter().zip(VRF_TABLES) {
            let mut members: Vec<IfName> = Vec::new();
            for link in &spec.links {
                members.push(net.port(link, name)?.interface.clone());
                let vlans = net.vlans.values().filter(|vlan| vlan.link == *link);
                let ends = vlans.flat_map(|vlan| &vlan.ends);
                let own = ends.filter(|port| port.node == *name);
                members.extend(own.map(|port| port.interface.clone()));
            }
            for host in &spec.hosts {
                let space = net.hosts.get(&(name.clone(), host.clone()));
                let drop = space.and_then(|space| net.drops.get(space)?.at(name));
                // On a shared network the bridge has the address.
                members.extend(
                    drop.map(|port| port.master.as_ref().unwrap_or(&port.interface))
                        .cloned(),
                );
            }
            members.sort();
            members.dedup();
            net.vrfs.push(VrfPort {
                node: name.clone(),
                interface: layer.interface(name, vrf.as_str())?,
                index: layer.index(),
                table,
                members,
            });
        }
    }
    Ok(())
}

fn lay_tunnels(net: &mut Net<'_>, derived: &Derived, layer: &mut Layer) -> Result<(), PlanError> {
    for (name, session) in &net.lab.sessions {
        if !matches!(session.kind, SessionKind::Vpn(_)) {
            continue;
        }
        let mut tunnels = Vec::new();
        if let Some(ipsec) = session.ipsec() {
            for number in 1..=ipsec.tunnels.len() {
                let tunnel = tunnel_name(name.as_str(), number);
                let pair = derived.tunnels.get(&tunnel);
                let endpoint = |node: &NodeName| {
                    NodeName::new(endpoint_name(node.as_str(), name.as_str(), number))
                };
                let endpoints = [endpoint(&session.ends[0])?, endpoint(&session.ends[1])?];
                tunnels.push(tunnel_ports(
                    layer,
                    &tunnel,
                    session,
                    pair,
                    Some(endpoints),
                )?);
            }
        } else {
            let pair = derived.inside.get(name);
            tunnels.push(tunnel_ports(layer, name.as_str(), session, pair, None)?);
        }
        net.tunnels.insert(name.clone(), tunnels);
    }
    Ok(())
}

fn tunnel_ports(
    layer: &mut Layer,
    tunnel: &str,
    session: &Session,
    inside: Option<&Pair>,
    endpoints: Option<[NodeName; 2]>,
) -> Result<TunnelPorts, PlanError> {
    let [a, b] = addresses(inside);
    Ok(TunnelPorts {
        tunnel: TunnelName::new(tunnel)?,
        ends: [
            layer.port(&session.ends[0], tunnel, a)?,
            layer.port(&session.ends[1], tunnel, b)?,
        ],
        endpoints,
    })
}

/// Each IKE daemon's box and its cable to the router.
fn lay_endpoints(net: &mut Net<'_>, derived: &Derived, layer: &mut Layer) -> Result<(), PlanError> {
    for endpoint in endpoints(net.lab) {
        let name = endpoint.name?;
        let link = layer.link_name(name.as_str())?;
        let [own, beyond] = addresses(derived.endpoints.get(&name));
        let ends = [
            layer.port(&name, "eth0", own)?,
            layer.port(endpoint.parent, &format!("{}-out", endpoint.tunnel), beyond)?,
        ];
        let cable = direct(net.lab, link, ends);
        let parent = endpoint.parent.clone();
        net.endpoints.insert(name, Endpoint { parent, cable });
    }
    Ok(())
}

fn lay_attachments(
    net: &mut Net<'_>,
    derived: &Derived,
    layer: &mut Layer,
) -> Result<(), PlanError> {
    for (vpc, gateway, _) in attached(net.lab) {
        let name = layer.link_name(&attachment_name(vpc))?;
        let [own, beyond] = addresses(derived.attachments.get(vpc));
        let ends = [
            layer.port(vpc, name.as_str(), own)?,
            layer.port(gateway, name.as_str(), beyond)?,
        ];
        let cable = direct(net.lab, name, ends);
        net.attachments.insert(vpc.clone(), cable);
    }
    Ok(())
}

fn lay_switches(net: &mut Net<'_>, layer: &mut Layer) -> Result<(), PlanError> {
    for (name, node) in &net.lab.nodes {
        if node.kind != Kind::Switch {
            continue;
        }
        let interface = layer.interface(name, "bridge")?;
        for cable in net.links.values_mut() {
            for port in cable.ends.iter_mut().filter(|port| port.node == *name) {
                port.master = Some(interface.clone());
            }
        }
        net.bridges.push(Bridge {
            node: name.clone(),
            interface,
            index: layer.index(),
            addresses: Vec::new(),
        });
    }
    Ok(())
}

fn lay_hosts(net: &mut Net<'_>, layer: &mut Layer) -> Result<(), PlanError> {
    for (name, node) in &net.lab.nodes {
        for lan in lans(&node.hosts) {
            let gateways = gateways(&lan);
            let shared = lan.len() > 1;
            let mut master = None;
            if shared {
                let (first, _) = lan[0];
                let interface = layer.interface(name, &format!("lan-{first}"))?;
                master = Some(interface.clone());
                net.bridges.push(Bridge {
                    node: name.clone(),
                    interface,
                    index: layer.index(),
                    addresses: gateways.clone(),
                });
            }
            for (host_name, host) in lan {
                let Some(space) = net.hosts.get(&(name.clone(), host_name.clone())) else {
                    continue;
                };
                let link = layer.link_name(&format!("{name}.{host_name}"))?;
                let own = if shared { Vec::new() } else { gateways.clone() };
                let mut port = layer.port(name, space.as_str(), own)?;
                port.master.clone_from(&master);
                let far = layer.port(space, "eth0", host.addresses.clone())?;
                let cable = direct(net.lab, link, [port, far]);
                net.drops.insert(space.clone(), cable);
            }
        }
    }
    Ok(())
}

/// A network behind a node with the hosts on it.
type Lan<'a> = Vec<(&'a HostName, &'a Host)>;

/// Hosts of a node grouped by the networks they share.
fn lans(hosts: &BTreeMap<HostName, Host>) -> Vec<Lan<'_>> {
    let mut lans: Vec<Lan<'_>> = Vec::new();
    for entry in hosts {
        let touches = |lan: &Lan<'_>| lan.iter().any(|(_, other)| share(other, entry.1));
        let (mut joined, apart): (Vec<_>, Vec<_>) = lans.into_iter().partition(touches);
        joined.push(vec![entry]);
        lans = apart;
        lans.push(joined.into_iter().flatten().collect());
    }
    lans.sort_by_key(|lan| lan.first().map(|(name, _)| (*name).clone()));
    lans
}

fn share(a: &Host, b: &Host) -> bool {
    a.addresses
        .iter()
        .any(|x| b.addresses.iter().any(|y| overlap(x, y)))
}

/// The node's own addresses on a network: one of each network its hosts have.
fn gateways(lan: &Lan<'_>) -> Vec<IpNet> {
    let mut gateways: Vec<IpNet> = lan
        .iter()
        .flat_map(|(_, host)| &host.addresses)
        .map(first_of)
        .collect();
    gateways.sort();
    gateways.dedup();
    gateways
}

/// A plain veth pair, never the narrowest place of a path.
fn direct(lab: &Lab, link: LinkName, ends: [Port; 2]) -> Cable {
    let widest = lab.links.values().map(|link| link.mtu).max();
    Cable {
        link,
        mtu: widest.unwrap_or(DEFAULT_MTU).max(DEFAULT_MTU),
        ends,
        wire: None,
    }
}

fn addresses(pair: Option<&Pair>) -> Pair {
    pair.cloned().unwrap_or_default()
}
