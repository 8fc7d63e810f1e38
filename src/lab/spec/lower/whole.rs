//! What only the whole lab shows: overlaps, and choices left to chance.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::{super::At, Lower, Section, nodes::overlaps};
use crate::{
    lab::model::{Kind, SessionKind, StepKind, Via, tunnel_name},
    units::NodeName,
};

/// A network and who has it.
struct Used {
    net: IpNet,
    node: NodeName,
    what: String,
    at: At,
}

impl Lower<'_> {
    pub(super) fn whole(&mut self) {
        self.check_overlaps();
        self.check_duplicate_addresses();
        self.check_shared_gateways();
        self.check_gateways();
        self.check_tgw_routes();
        self.check_between_gateways();
        self.check_vpcs();
        self.check_public_network();
        self.check_static_tables();
        // Half a lab would be warned of for what its other half says.
        if !self.f.failed {
            self.check_preference();
            self.check_ipv6_backup();
            self.check_prefix_quota();
            self.check_static_ranges();
            self.check_scenario();
        }
    }

    fn networks(&self) -> Vec<Used> {
        let mut used = Vec::new();
        for (name, node) in &self.lab.nodes {
            if let Kind::Vpc { cidrs, .. } = &node.kind {
                used.extend(cidrs.iter().map(|cidr| Used {
                    net: *cidr,
                    node: name.clone(),
                    what: format!("vpc `{name}`"),
                    at: self.at(Section::Nodes, name.as_str()),
                }));
                continue;
            }
            if let Kind::AwsPublic { prefixes, .. } = &node.kind {
                used.extend(prefixes.iter().map(|prefix| Used {
                    net: *prefix,
                    node: name.clone(),
                    what: format!("aws-public `{name}`"),
                    at: self.at(Section::Nodes, name.as_str()),
                }));
                continue;
            }
            for (host, spec) in &node.hosts {
                used.extend(spec.addresses.iter().map(|net| Used {
                    net: net.trunc(),
                    node: name.clone(),
                    what: format!("host `{name}.{host}`"),
                    at: self.at(Section::Hosts, &format!("{name}.{host}")),
                }));
            }
        }
        for (name, link) in &self.lab.links {
            for (end, list) in link.ends.iter().zip(&link.addresses) {
                used.extend(list.iter().map(|net| Used {
                    net: net.trunc(),
                    node: end.clone(),
                    what: format!("link `{name}`"),
                    at: self.at(Section::Links, name.as_str()),
                }));
            }
        }
        for (name, lag) in &self.lab.lags {
            for (end, list) in lag.ends.iter().zip(&lag.addresses) {
                used.extend(list.iter().map(|net| Used {
                    net: net.trunc(),
                    node: end.clone(),
                    what: format!("LAG `{name}`"),
                    at: self.at(Section::Lags, name.as_str()),
                }));
            }
        }
        for (name, session) in &self.lab.sessions {
            let tunnels = session.ipsec().map_or(&[][..], |ipsec| &ipsec.tunnels);
            for (number, tunnel) in (1..).zip(tunnels) {
                let tunnel_name = tunnel_name(name.as_str(), number);
                used.extend(tunnel.inside.map(|inside| Used {
                    net: IpNet::V4(inside),
                    node: session.ends[0].clone(),
                    at: self.at(Section::Inside, &tunnel_name),
                    what: format!("tunnel `{tunnel_name}`"),
                }));
            }
            for (end, list) in session.ends.iter().zip(&session.addresses) {
                used.extend(list.iter().map(|net| Used {
                    net: net.trunc(),
                    node: end.clone(),
                    what: format!("session `{name}`"),
                    at: self.at(Section::Sessions, name.as_str()),
                }));
            }
        }
        used
    }

    /// Networks at different places do not overlap; hosts of one node may share one.
    /// Whether both are of VPCs, with a peering between them.
    fn do_peer(&self, a: &Used, b: &Used) -> bool {
        let is_vpc = |used: &Used| used.what.starts_with("vpc");
        is_vpc(a) && is_vpc(b) && !self.links_between(&a.node, &b.node).is_empty()
    }

    fn check_overlaps(&mut self) {
        let used = self.networks();
        let mut found = Vec::new();
        for (index, b) in used.iter().enumerate() {
            for a in used.iter().take(index) {
                let hosts = a.what.starts_with("host") && b.what.starts_with("host");
                // AWS's public network has subnets, and links to what is in it.
                let within = |outer: &Used, inner: &Used| {
                    outer.what.starts_with("aws-public")
                        && (inner.node == outer.node || self.is_linked(&inner.what, &outer.node))
                        && inner.what.starts_with("link")
                };
                let anycast = || {
                    let name = |used: &Used| used.what.split('`').nth(1).map(str::to_owned);
                    let (a, b) = (name(a), name(b));
                    a.zip(b).is_some_and(|(a, b)| self.share_an_address(&a, &b))
                };
                let shared = (hosts && a.net == b.net && (a.node == b.node || anycast()))
                    || within(a, b)
                    || within(b, a)
                    || a.what == b.what
                    || self.same_switch(a, b);
                if !shared && overlaps(&a.net, &b.net) {
                    let (first, second) = if a.at <= b.at { (a, b) } else { (b, a) };
                    let help = if second.what.starts_with("tunnel") {
                        Some(
                            "each tunnel of a gateway has a network of its own at AWS; left out, it is derived from the name (Site-to-Site VPN User Guide, \"Tunnel options for your AWS Site-to-Site VPN connection\")",
                        )
                    } else if self.same_tgw(a, b) {
                        Some(
                            "a tgw does not route between vpcs whose ranges overlap: the second's is not propagated (Transit Gateway Guide, \"Amazon VPC attachments\")",
                        )
                    } else if self.do_peer(a, b) {
                        Some(
                            "VPCs whose ranges overlap do not peer (VPC Peering Guide, \"Unsupported VPC peering configurations\")",
                        )
                    } else {
                        None
                    };
                    let message = format!(
                        "`{}` of {} overlaps `{}` of {}",
                        second.net, second.what, first.net, first.what
                    );
                    found.push((second.at, message, help));
                }
            }
        }
        for (at, message, help) in found {
            let found = self.f.error(at, "overlap", message);
            if let Some(help) = help {
                found.help(help);
            }
        }
    }

    /// Whether both are ranges of vpcs at one tgw.
    fn same_tgw(&self, a: &Used, b: &Used) -> bool {
        let tgw = |used: &Used| {
            let Some(Kind::Vpc { attach, .. }) = self.kind(&used.node) else {
                return None;
            };
            (used.what.starts_with("vpc") && self.lab.is_tgw(attach)).then_some(attach)
        };
        tgw(a).is_some() && tgw(a) == tgw(b)
    }

    /// Whether what is a link ends at this node.
    fn is_linked(&self, what: &str, node: &NodeName) -> bool {
        what.strip_prefix("link `")
            .and_then(|rest| rest.strip_suffix('`'))
            .and_then(|name| self.lab.links.get(name))
            .is_some_and(|link| link.ends.contains(node))
    }

    /// Two links that are ports of one switch, or of switches joined by trunks, are
    /// one network.
    fn same_switch(&self, a: &Used, b: &Used) -> bool {
        let switches = |what: &str| -> Vec<NodeName> {
            what.strip_prefix("link `")
                .and_then(|rest| rest.strip_suffix('`'))
                .and_then(|name| self.lab.links.get(name))
                .into_iter()
                .flat_map(|link| link.ends.iter())
                .filter(|end| matches!(self.kind(end), Some(Kind::Switch)))
                .cloned()
                .collect()
        };
        let segment = self.joined(switches(&a.what));
        a.net == b.net
            && switches(&b.what)
                .iter()
                .any(|switch| segment.contains(switch))
    }

    /// These switches and all that trunks join to them.
    fn joined(&self, mut segment: Vec<NodeName>) -> Vec<NodeName> {
        let is_switch = |node: &NodeName| matches!(self.kind(node), Some(Kind::Switch));
        let mut next = 0;
        while let Some(switch) = segment.get(next).cloned() {
            next += 1;
            for link in self
                .lab
                .links
                .values()
                .filter(|link| link.ends.contains(&switch))
            {
                for end in link.ends.iter().filter(|end| is_switch(end)) {
                    if !segment.contains(end) {
                        segment.push(end.clone());
                    }
                }
            }
        }
        segment
    }

    fn check_duplicate_addresses(&mut self) {
        let mut seen: BTreeMap<std::net::IpAddr, String> = BTreeMap::new();
        let mut found = Vec::new();
        let hosts = self.lab.nodes.iter().flat_map(|(node, spec)| {
            spec.hosts
                .iter()
                .map(move |(host, spec)| (format!("{node}.{host}"), spec))
        });
        for (name, host) in hosts {
            for net in &host.addresses {
                if let Some(other) = seen.insert(net.addr(), name.clone())
                    && !self.share_an_address(&name, &other)
                {
                    let message = format!(
                        "`{name}` and `{other}` have the same address {}",
                        net.addr()
                    );
                    found.push((name.clone(), message));
                }
            }
        }
        for (name, message) in found {
            let at = self.at(Section::Hosts, &name);
            self.f
                .error(at, "duplicate", message)
                .help("if routing is to choose between them, say so under `anycast`");
        }
    }

    /// A circuit with several VIFs is several gateways.
    fn check_shared_gateways(&mut self) {
        let mut found = Vec::new();
        for (name, node) in &self.lab.nodes {
            for route in &node.routes {
                let Via::Link(link) = &route.via else {
                    continue;
                };
                let vifs = self.lab.sessions.values().filter(
                    |session| matches!(&session.kind, SessionKind::Vif(vif) if vif.link == *link),
                );
                if vifs.count() > 1 {
                    found.push((name.to_string(), link.clone()));
                }
            }
        }
        for (node, link) in found {
            let at = self.at(Section::Nodes, &node);
            let message = format!("several VIFs share `{link}`, so it is no single next hop");
            self.f
                .error(at, "ambiguous", message)
                .help("write the address of one of them");
        }
    }

    fn check_scenario(&mut self) {
        let faults = self
            .lab
            .scenario
            .iter()
            .any(|step| matches!(step.kind, StepKind::Fault { .. }));
        if faults && self.lab.probes.is_empty() {
            let line = self.lab.scenario.first().map_or(1, |step| step.line);
            let at = At { line, ..At::START };
            let message = "the scenario cuts something, but no probe measures it";
            self.f.warn(at, "no-probes", message);
        }
    }
}
