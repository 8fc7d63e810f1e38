//! VPNs with static routes, and AWS's rules for them (Site-to-Site VPN User Guide, "Static
//! and dynamic routing in AWS Site-to-Site VPN").

use ipnet::IpNet;

use super::{
    super::{
        At,
        reader::{Fields, Findings},
    },
    Lower, Section,
};
use crate::{
    lab::model::{Daemon, Kind, StaticVpn, aws},
    units::NodeName,
};

/// What BGP alone has.
const OF_BGP: [&str; 5] = ["hold", "keepalive", "connect-retry", "md5", "bfd"];

impl Lower<'_> {
    pub(super) fn static_vpn(
        &mut self,
        fields: &Fields<'_>,
        ends: &[NodeName; 2],
        to_aws: bool,
    ) -> Option<StaticVpn> {
        let floating = fields.flag(&mut self.f, "floating").unwrap_or(false);
        let Some((at, tree)) = fields.get("static") else {
            if fields.has("floating") {
                self.f
                    .error(
                        fields.at_key("floating"),
                        "static-vpn",
                        "a VPN with BGP has no static route that could float",
                    )
                    .help("`static: [PREFIX]` makes it a VPN with static routes");
            }
            return None;
        };
        let mut routes: Vec<IpNet> = Vec::new();
        for item in Findings::one_or_list(tree) {
            let Some(prefix) = self.f.routed_prefix(at, item, "static") else {
                continue;
            };
            if prefix.addr().is_ipv6() {
                let vpn = self.vpn_of(&ends[1]);
                let message = format!("{vpn} carries no IPv6, so no `{prefix}`");
                self.f.error(item.at, "aws-ipv6", message);
            } else if routes.contains(&prefix) {
                let message = format!("`{prefix}` is here twice");
                self.f.error(item.at, "duplicate", message);
            }
            routes.push(prefix);
        }
        let at = fields.at_key("static");
        if Findings::one_or_list(tree).is_empty() {
            self.f
                .error(
                    at,
                    "static-vpn",
                    "a VPN with static routes and no route: AWS sends nothing into it",
                )
                .help("name the customer's prefixes; without `static` the VPN has BGP");
        }
        if routes.len() > aws::VPN_STATIC_ROUTES {
            let message = format!(
                "a VPN connection has at most {} static routes (Site-to-Site VPN quotas), not {}",
                aws::VPN_STATIC_ROUTES,
                routes.len()
            );
            self.f.error(at, "aws-quota", message);
        }
        if !to_aws {
            self.f
                .error(at, "static-vpn", "`static` is of a VPN to a vgw or tgw")
                .help("between your own routers write `routes`");
        }
        for key in OF_BGP.into_iter().filter(|key| fields.has(key)) {
            let message = format!("a VPN has static routes or BGP, and `{key}` is BGP's");
            self.f
                .error(fields.at_key(key), "static-vpn", message)
                .help("at AWS the routing option is of the connection: \"dynamic\" or \"static\"");
        }
        Some(StaticVpn { routes, floating })
    }

    /// A static route that a VPC's own range makes useless, or that takes from the VPC.
    pub(super) fn check_static_ranges(&mut self) {
        let mut found = Vec::new();
        for (name, session) in &self.lab.sessions {
            let Some(fixed) = session.fixed() else {
                continue;
            };
            let gateway = &session.ends[1];
            let ranges = self.lab.nodes.iter().filter_map(|(vpc, node)| {
                let Kind::Vpc { attach, cidrs, .. } = &node.kind else {
                    return None;
                };
                (attach == gateway).then_some((vpc, cidrs))
            });
            for (vpc, cidrs) in ranges {
                for route in &fixed.routes {
                    let range = cidrs.iter().find(|range| range.contains(route));
                    found.extend(range.map(|range| {
                        let (what, rule) = match self.lab.is_tgw(gateway) {
                            true => (
                                format!("`{gateway}` sends it into the VPN, not to the vpc"),
                                "a static route wins over what a VPC propagates, and the longest prefix over everything (Transit Gateway Guide, \"Route evaluation order\")",
                            ),
                            false => (
                                format!("`{gateway}` never uses it"),
                                "in a VPC its own ranges are local, whatever routes there are (VPC User Guide, \"Route priority\")",
                            ),
                        };
                        let message = format!(
                            "the static route `{route}` of `{name}` is of `{range}`, the range of vpc `{vpc}`: {what}"
                        );
                        (name.clone(), message, rule)
                    }));
                }
            }
        }
        for (name, message, rule) in found {
            let at = self.at(Section::Sessions, name.as_str());
            self.f.warn(at, "aws-local", message).help(rule);
        }
    }

    /// A route table of its own says itself what it sends where.
    pub(super) fn check_static_tables(&mut self) {
        let tables = |cx: &Self, node: &NodeName| match cx.kind(node) {
            Some(Kind::Tgw { tables, .. }) => !tables.is_empty(),
            _ => false,
        };
        let sessions = self.lab.sessions.iter();
        let found: Vec<_> = sessions
            .filter(|(_, session)| session.fixed().is_some() && tables(self, &session.ends[1]))
            .map(|(name, session)| (name.to_string(), session.ends[1].clone()))
            .collect();
        for (name, tgw) in found {
            let at = self.at(Section::Sessions, &name);
            let message = format!(
                "`{name}` has static routes and `{tgw}` has `route-tables`, which is not in this version"
            );
            self.f
                .error(at, "later", message)
                .help("with the default route table it is");
        }
    }

    /// The customer's static routes hang on their tunnel, which a daemon watches.
    pub(super) fn check_static_speaker(&mut self, at: At, end: &NodeName, daemon: &Daemon) {
        if *daemon == Daemon::None {
            self.f
                .error(
                    at,
                    "static-vpn",
                    format!("`{end}` has static routes over a VPN, and `daemon: none` has nothing that keeps them"),
                )
                .help("they are there while the tunnel is up, so somebody must watch it: `embedded`, `frr` or `bird`");
        }
    }
}
