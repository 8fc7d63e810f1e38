//! The prefixes of a lab, all of them.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::{Kind, Lab, Routing, Session};

impl Lab {
    /// IPv6 prefixes that a Direct Connect gateway has routes to, towards its transit gateways.
    /// Those of IPv4 ask nothing of a link: each has IPv4.
    fn allowed_ipv6(&self) -> impl Iterator<Item = IpNet> {
        let associations = self.nodes.values().filter_map(|node| {
            let Kind::Dxgw { associations } = &node.kind else {
                return None;
            };
            Some(associations)
        });
        associations
            .flatten()
            .filter(|(gateway, _)| self.is_tgw(gateway))
            .flat_map(|(_, prefixes)| prefixes.iter().copied())
            .filter(|prefix| prefix.addr().is_ipv6())
    }

    /// Every prefix the file names. With an IPv6 one among them, whatever has derived
    /// addresses has IPv6 ones too.
    pub fn prefixes(&self) -> impl Iterator<Item = IpNet> {
        let lab = self;
        let hosts = lab
            .nodes
            .values()
            .flat_map(|node| node.hosts.values())
            .flat_map(|host| host.addresses.iter().copied());
        let cidrs = lab.nodes.values().filter_map(|node| match &node.kind {
            Kind::Vpc { cidrs, .. } => Some(cidrs.clone()),
            Kind::AwsPublic { prefixes, .. } => Some(prefixes.clone()),
            Kind::Tgw { cidr, .. } => Some(cidr.iter().copied().map(IpNet::V4).collect()),
            Kind::Host
            | Kind::Router
            | Kind::Switch
            | Kind::DataCenter
            | Kind::Internet
            | Kind::DxLocation
            | Kind::Vgw
            | Kind::Dxgw { .. } => None,
        });
        let cidrs = cidrs.flatten();
        let originated = lab
            .nodes
            .values()
            .flat_map(|node| &node.originate)
            .map(|announce| announce.prefix);
        let announced = lab
            .routing
            .values()
            .flat_map(BTreeMap::values)
            .filter_map(|routing| match routing {
                Routing::Shorthand(short) => Some(&short.announce),
                Routing::Rules(_) => None,
            })
            .flatten()
            .map(|announce| announce.prefix);
        let links = lab.links.values().flat_map(|link| &link.addresses);
        let lags = lab.lags.values().flat_map(|lag| &lag.addresses);
        let sessions = lab.sessions.values().flat_map(|session| &session.addresses);
        let insides = lab
            .sessions
            .values()
            .filter_map(Session::ipsec)
            .flat_map(|ipsec| &ipsec.tunnels)
            .filter_map(|tunnel| tunnel.inside.map(IpNet::V4));
        let outer = lab
            .sessions
            .values()
            .filter_map(|session| session.ipsec()?.outer.map(IpNet::V4));
        let fixed = lab
            .sessions
            .values()
            .filter_map(Session::fixed)
            .flat_map(|fixed| fixed.routes.iter().copied());
        hosts
            .chain(lab.allowed_ipv6())
            .chain(fixed)
            .chain(cidrs)
            .chain(originated)
            .chain(announced)
            .chain(links.chain(lags).chain(sessions).flatten().copied())
            .chain(insides)
            .chain(outer)
    }
}
