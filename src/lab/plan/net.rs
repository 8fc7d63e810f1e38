//! The lab as plain namespaces, cables and addresses, before anything routes.

mod addresses;
pub(super) mod cables;
mod outer;

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::{
    KernelFeature, PlanError,
    facts::HostFacts,
    names::{Claims, host_spaces},
};
use crate::{
    lab::model::{Kind, Lab, Session, SessionKind, Shape, endpoint_name, tunnel_name},
    units::{Bytes, HostName, IfName, LinkName, NameError, NodeName, SessionName, TunnelName},
};

/// The first ifindex given out; the kernel keeps 1 for `lo`.
const FIRST_INDEX: u32 = 10;

/// Where an interface is and what it is called there.
#[derive(Debug, Clone)]
pub(super) struct Port {
    pub(super) node: NodeName,
    pub(super) interface: IfName,
    pub(super) index: u32,
    /// The bridge or bond it is a member of; then it has no address itself.
    pub(super) master: Option<IfName>,
    /// IPv4 first.
    pub(super) addresses: Vec<IpNet>,
}

impl Port {
    /// Its first address of the same family as `like`.
    pub(super) fn address_like(&self, like: &IpNet) -> Option<IpNet> {
        let v4 = matches!(like, IpNet::V4(_));
        self.addresses
            .iter()
            .find(|address| matches!(address, IpNet::V4(_)) == v4)
            .copied()
    }
}

/// Which end of the wire a cable's packets pass.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    pub(super) shape: [Shape; 2],
    /// Interface and ifindex in the wire namespace, for each end.
    pub(super) ends: [(IfName, u32); 2],
}

/// Two interfaces and what joins them.
#[derive(Debug, Clone)]
pub(super) struct Cable {
    pub(super) link: LinkName,
    pub(super) mtu: Bytes,
    pub(super) ends: [Port; 2],
    /// `None`: a plain veth pair.
    pub(super) wire: Option<Wire>,
}

impl Cable {
    /// The end at `node`.
    pub(super) fn at(&self, node: &NodeName) -> Option<&Port> {
        self.ends.iter().find(|port| port.node == *node)
    }

    /// The end that is not at `node`.
    pub(super) fn beyond(&self, node: &NodeName) -> Option<&Port> {
        self.ends.iter().find(|port| port.node != *node)
    }
}

/// A VRF of a node, with the interfaces that are in it.
#[derive(Debug, Clone)]
pub(super) struct VrfPort {
    pub(super) node: NodeName,
    pub(super) interface: IfName,
    pub(super) index: u32,
    pub(super) table: u8,
    pub(super) members: Vec<IfName>,
}

/// A bridge inside a namespace: a switch, or the network several hosts share.
#[derive(Debug, Clone)]
pub(super) struct Bridge {
    pub(super) node: NodeName,
    pub(super) interface: IfName,
    pub(super) index: u32,
    pub(super) addresses: Vec<IpNet>,
}

/// A VIF's own interfaces on its circuit; aligned with the session's ends.
#[derive(Debug, Clone)]
pub(super) struct Vlan {
    /// The link or LAG whose frames are tagged.
    pub(super) link: LinkName,
    pub(super) id: u16,
    pub(super) mtu: Bytes,
    pub(super) ends: [Port; 2],
    /// The circuit's interfaces they stand on.
    pub(super) parents: [IfName; 2],
}

/// The interfaces of a tunnel; aligned with the session's ends.
#[derive(Debug, Clone)]
pub(super) struct TunnelPorts {
    pub(super) tunnel: TunnelName,
    pub(super) ends: [Port; 2],
    /// IPsec: the namespaces its two IKE daemons run in.
    pub(super) endpoints: Option<[NodeName; 2]>,
}

/// A namespace in which one IKE daemon runs: a box of its own, with one outer
/// address, behind the router whose tunnel it carries.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub(super) parent: NodeName,
    /// To the router: its own end first, then the router's.
    pub(super) cable: Cable,
}

/// A namespace.
#[derive(Debug, Clone)]
pub(super) struct Space {
    pub(super) name: NodeName,
    /// For a host: the node it stands behind, and its own name there.
    pub(super) behind: Option<(NodeName, HostName)>,
}

/// Everything that has an interface.
pub(super) struct Net<'a> {
    pub(super) lab: &'a Lab,
    /// In build order: each node followed by its hosts.
    pub(super) spaces: Vec<Space>,
    pub(super) hosts: BTreeMap<(NodeName, HostName), NodeName>,
    /// Declared links by name.
    pub(super) links: BTreeMap<LinkName, Cable>,
    /// LAGs by name, each as a cable between its two bonds.
    pub(super) lags: BTreeMap<LinkName, Cable>,
    /// Interfaces of tagged VIFs.
    pub(super) vlans: BTreeMap<SessionName, Vlan>,
    /// Of each VPC to its gateway, by VPC.
    pub(super) attachments: BTreeMap<NodeName, Cable>,
    /// Of each host to its node, by the host's namespace.
    pub(super) drops: BTreeMap<NodeName, Cable>,
    pub(super) bridges: Vec<Bridge>,
    pub(super) vrfs: Vec<VrfPort>,
    /// One for WireGuard, one or two for IPsec.
    pub(super) tunnels: BTreeMap<SessionName, Vec<TunnelPorts>>,
    /// IPsec's endpoints by their namespaces.
    pub(super) endpoints: BTreeMap<NodeName, Endpoint>,
    /// Inside addresses of VIFs and of VPNs with one tunnel, aligned with the session's ends.
    pub(super) inside: BTreeMap<SessionName, addresses::Pair>,
    /// Something in the lab has an IPv6 address.
    pub(super) has_ipv6: bool,
}

impl<'a> Net<'a> {
    pub(super) fn of(lab: &'a Lab, host: &HostFacts) -> Result<Self, PlanError> {
        if let Some(name) = lab.lags.keys().next().filter(|_| !host.bond) {
            return Err(PlanError::Lacks {
                what: format!("the LAG `{name}`"),
                feature: KernelFeature::Bond,
            });
        }
        let mut routers = lab.nodes.iter().filter(|_| !host.vrf);
        if let Some((name, _)) = routers.find(|(_, node)| !node.vrfs.is_empty()) {
            return Err(PlanError::Lacks {
                what: format!("`vrfs` of `{name}`"),
                feature: KernelFeature::Vrf,
            });
        }
        let hosts = host_spaces(lab)?;
        let derived = addresses::derive(lab, host)?;
        let mut net = Net {
            lab,
            spaces: spaces(lab, &hosts)?,
            hosts,
            links: BTreeMap::new(),
            lags: BTreeMap::new(),
            vlans: BTreeMap::new(),
            attachments: BTreeMap::new(),
            drops: BTreeMap::new(),
            bridges: Vec::new(),
            vrfs: Vec::new(),
            tunnels: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            inside: BTreeMap::new(),
            has_ipv6: derived.has_ipv6,
        };
        cables::lay(&mut net, &derived, host)?;
        net.inside = derived.inside;
        Ok(net)
    }

    /// Every cable, declared links first; a LAG is none, its members are.
    pub(super) fn cables(&self) -> impl Iterator<Item = &Cable> {
        self.links
            .values()
            .chain(self.attachments.values())
            .chain(self.drops.values())
            .chain(self.endpoints.values().map(|endpoint| &endpoint.cable))
    }

    /// A link or LAG.
    pub(super) fn link(&self, name: &LinkName) -> Result<&Cable, PlanError> {
        self.links
            .get(name)
            .or_else(|| self.lags.get(name))
            .ok_or_else(|| PlanError::Broken(format!("a link called `{name}`")))
    }

    /// The VRF an interface is in.
    pub(super) fn vrf_of(&self, node: &NodeName, interface: &IfName) -> Option<&VrfPort> {
        let mut vrfs = self.vrfs.iter().filter(|vrf| vrf.node == *node);
        vrfs.find(|vrf| vrf.members.contains(interface))
    }

    /// The table in which a node finds a gateway: that of the interface it is on.
    pub(super) fn table_towards(&self, node: &NodeName, gateway: &std::net::IpAddr) -> Option<u8> {
        let links = self.links.values().chain(self.lags.values());
        let cables = links
            .chain(self.drops.values())
            .flat_map(|cable| &cable.ends);
        let ports = cables.chain(self.vlans.values().flat_map(|vlan| &vlan.ends));
        let bridges = self.bridges.iter();
        let bridges = bridges.map(|b| (&b.node, &b.interface, &b.addresses));
        ports
            .map(|port| (&port.node, &port.interface, &port.addresses))
            .chain(bridges)
            .filter(|(at, _, addresses)| {
                *at == node && addresses.iter().any(|net| net.contains(gateway))
            })
            .find_map(|(_, interface, _)| self.vrf_of(node, interface))
            .map(|vrf| vrf.table)
    }

    /// The end of a link at a node.
    pub(super) fn port(&self, link: &LinkName, node: &NodeName) -> Result<&Port, PlanError> {
        self.link(link)?
            .at(node)
            .ok_or_else(|| PlanError::Broken(format!("that link `{link}` ends at `{node}`")))
    }

    /// The far end of a link or LAG as a gateway of `node` to what is like `prefix`:
    /// with a tagged VIF on it, the VIF's.
    pub(super) fn gateway(&self, link: &LinkName, node: &NodeName, like: &IpNet) -> Option<IpNet> {
        let plain = self.link(link).ok()?.beyond(node);
        let vlans = self.vlans.values().filter(|vlan| vlan.link == *link);
        let tagged = vlans
            .flat_map(|vlan| &vlan.ends)
            .filter(|port| port.node != *node);
        plain
            .into_iter()
            .chain(tagged)
            .find_map(|port| port.address_like(like))
    }

    /// All addresses of a namespace, the most telling first: those towards its
    /// hosts, then links, attachments and tunnels.
    pub(super) fn addresses_of(&self, space: &NodeName) -> Vec<IpNet> {
        let bridges = self.bridges.iter().filter(|bridge| bridge.node == *space);
        let drops = self.drops.values().filter_map(|cable| cable.at(space));
        let links = self.links.values().filter_map(|cable| cable.at(space));
        let lags = self.lags.values().filter_map(|cable| cable.at(space));
        let vlans = self.vlans.values().flat_map(|vlan| &vlan.ends);
        let vlans = vlans.filter(|port| port.node == *space);
        let attachments = self
            .attachments
            .values()
            .filter_map(|cable| cable.at(space));
        let tunnels = self
            .tunnels
            .values()
            .flatten()
            .flat_map(|tunnel| &tunnel.ends)
            .filter(|port| port.node == *space);
        let outer = self
            .endpoints
            .values()
            .filter_map(|endpoint| endpoint.cable.at(space));
        bridges
            .flat_map(|bridge| &bridge.addresses)
            .chain(
                drops
                    .chain(links)
                    .chain(lags)
                    .chain(vlans)
                    .chain(attachments)
                    .chain(tunnels)
                    .chain(outer)
                    .flat_map(|port| &port.addresses),
            )
            .copied()
            .collect()
    }
}

fn spaces(
    lab: &Lab,
    hosts: &BTreeMap<(NodeName, HostName), NodeName>,
) -> Result<Vec<Space>, NameError> {
    let mut out = Vec::new();
    for name in lab.nodes.keys() {
        out.push(Space {
            name: name.clone(),
            behind: None,
        });
        for ((node, host), space) in hosts.iter().filter(|((node, _), _)| node == name) {
            out.push(Space {
                name: space.clone(),
                behind: Some((node.clone(), host.clone())),
            });
        }
    }
    for endpoint in endpoints(lab) {
        out.push(Space {
            name: endpoint.name?,
            behind: None,
        });
    }
    Ok(out)
}

/// One end of one tunnel that has an IKE daemon.
pub(super) struct EndpointOf<'a> {
    pub(super) name: Result<NodeName, NameError>,
    pub(super) parent: &'a NodeName,
    pub(super) tunnel: String,
    /// Of which session, which tunnel from 1, and which end.
    pub(super) session: &'a Session,
    pub(super) number: usize,
    pub(super) side: usize,
}

/// Every end of every IPsec tunnel: of each tunnel first the customer's.
pub(super) fn endpoints(lab: &Lab) -> impl Iterator<Item = EndpointOf<'_>> {
    lab.sessions.iter().flat_map(|(name, session)| {
        let tunnels = session.ipsec().map_or(0, |ipsec| ipsec.tunnels.len());
        (1..=tunnels).flat_map(move |number| {
            let ends = session.ends.iter().enumerate();
            ends.map(move |(side, parent)| EndpointOf {
                name: NodeName::new(endpoint_name(parent.as_str(), name.as_str(), number)),
                parent,
                tunnel: tunnel_name(name.as_str(), number),
                session,
                number,
                side,
            })
        })
    })
}

/// The tag a VIF's frames carry: the file's, where the kernel can write it.
pub(super) fn tag(session: &Session, host: &HostFacts) -> Option<u16> {
    match &session.kind {
        SessionKind::Vif(vif) => vif.vlan.filter(|_| host.vlan),
        SessionKind::Vpn(_) | SessionKind::Ebgp { .. } | SessionKind::Ibgp { .. } => None,
    }
}

/// The LAG a link is a member of.
pub(super) fn lag_of<'a>(lab: &'a Lab, link: &LinkName) -> Option<&'a LinkName> {
    let mut lags = lab.lags.iter();
    lags.find(|(_, lag)| lag.links.contains(link))
        .map(|(name, _)| name)
}

/// The VPCs with the gateway each is attached to.
pub(super) fn attached(lab: &Lab) -> impl Iterator<Item = (&NodeName, &NodeName, &[IpNet])> {
    lab.nodes.iter().filter_map(|(name, node)| {
        if let Kind::Vpc { attach, cidrs, .. } = &node.kind {
            Some((name, attach, cidrs.as_slice()))
        } else {
            None
        }
    })
}

/// The name of a VPC's attachment, as good as a declared link's.
pub(super) fn attachment_name(vpc: &NodeName) -> String {
    format!("{vpc}-attach")
}

/// A set of interface names of one namespace.
fn interfaces() -> Claims {
    Claims::up_to(IfName::MAX)
}
