//! AWS's limits: how many VIFs a connection and a gateway have; and what a customer may announce, as far as
//! the file alone shows it: a lab that is beyond it at its start never converges.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::{
    super::reader::Fields,
    Lower, Section,
    exported::{may_pass, passes_on},
};
use crate::{
    lab::model::{Kind, Routing, Session, SessionKind, Vif, VifKind, aws},
    units::{LinkName, NodeName, SessionName, Set},
};

/// Sessions between a router and AWS over which what it announces is followed.
const FARTHEST: usize = 12;

const OF_VIFS: &str = "\"AWS Direct Connect quotas\": routes per BGP session";

impl Lower<'_> {
    /// A VIF takes so many prefixes of each family, and no more.
    pub(super) fn check_prefix_quota(&mut self) {
        let mut found = Vec::new();
        for (name, session) in &self.lab.sessions {
            let Some((limit, source)) = self.prefix_limit(session) else {
                continue;
            };
            let [customer, _] = &session.ends;
            let announced = self.announced(customer, name, &mut BTreeSet::new());
            let (v4, v6): (Vec<&IpNet>, Vec<&IpNet>) =
                announced.iter().partition(|net| net.addr().is_ipv4());
            for (family, count) in [("IPv4", v4.len()), ("IPv6", v6.len())] {
                if count > limit as usize {
                    found.push((
                        name.clone(),
                        customer.clone(),
                        family,
                        (count, limit, source),
                    ));
                }
            }
        }
        for (session, customer, family, (count, limit, source)) in found {
            let at = self.at(Section::Sessions, session.as_str());
            let message = format!(
                "`{customer}` announces {count} {family} prefixes on `{session}` from the start: AWS takes {limit} and ends the session at the next"
            );
            self.f
                .warn(at, "aws-quota", message)
                .help(match limit {
                    aws::VIF_MAX_PREFIX if source == OF_VIFS => format!(
                        "announce summaries, or have AWS raise the quota and write `prefix-limit: {}` ({source})",
                        aws::VIF_RAISED_PREFIX
                    ),
                    _ => format!("announce summaries ({source})"),
                });
        }
    }

    /// How many prefixes of each family AWS takes on a VIF: its quota, or what it was raised to.
    pub(super) fn vif_prefix_limit(&mut self, fields: &Fields<'_>, kind: VifKind) -> u32 {
        let raised = fields.number(&mut self.f, "prefix-limit");
        if fields.has("prefix-limit") && raised.is_none() {
            self.f.help_last("AWS takes 100 and raises it to 1000 at most (\"AWS Direct Connect quotas\": routes per BGP session)");
        }
        if kind != VifKind::Public {
            return raised.unwrap_or(aws::VIF_MAX_PREFIX);
        }
        if raised.is_some() {
            let message = format!(
                "a public VIF takes {} prefixes, which AWS does not raise",
                aws::PUBLIC_VIF_MAX_PREFIX
            );
            self.f
                .error(fields.at_key("prefix-limit"), "aws-quota", message)
                .help("leave it out (\"AWS Direct Connect quotas\": routes per BGP session)");
        }
        aws::PUBLIC_VIF_MAX_PREFIX
    }

    /// How many prefixes of a family AWS takes on a session, and which document says so.
    fn prefix_limit(&self, session: &Session) -> Option<(u32, &'static str)> {
        const OF_VPNS: &str =
            "\"Site-to-Site VPN quotas\": dynamic routes from a customer gateway device";
        if let Some(vif) = session.vif() {
            return Some((vif.prefix_limit, OF_VIFS));
        }
        if !matches!(session.kind, SessionKind::Vpn(_)) || session.fixed().is_some() {
            return None;
        }
        match self.kind(&session.ends[1]) {
            Some(Kind::Vgw) => Some((aws::VPN_MAX_PREFIX, OF_VPNS)),
            Some(Kind::Tgw { .. }) => Some((aws::TGW_VPN_MAX_PREFIX, OF_VPNS)),
            _ => None,
        }
    }

    /// A connection, or LAG, has so many VIFs of each sort, and so many in all.
    pub(super) fn check_vif_quota(&mut self) {
        let mut counts: BTreeMap<(LinkName, &str), usize> = BTreeMap::new();
        let mut found = Vec::new();
        for (name, session) in &self.lab.sessions {
            let Some(vif) = session.vif() else {
                continue;
            };
            let (most, word) = match vif.kind {
                VifKind::Transit => (aws::MAX_TRANSIT_VIFS, "transit VIFs"),
                VifKind::Private | VifKind::Public => {
                    (aws::MAX_OTHER_VIFS, "private and public VIFs")
                }
            };
            for (most, word) in [(most, word), (aws::MAX_VIFS, "VIFs")] {
                let count = counts.entry((vif.link.clone(), word)).or_default();
                *count += 1;
                if *count == most + 1 {
                    found.push((name.clone(), vif.link.clone(), most, word));
                }
            }
        }
        for (session, link, most, word) in found {
            let at = self.at(Section::Sessions, session.as_str());
            let message = format!("`{link}` has more than {most} {word}");
            self.f
                .error(at, "aws-quota", message)
                .help("a connection has no more (\"AWS Direct Connect quotas\"); a dxgw brings several gateways behind one VIF");
        }
    }

    /// A Direct Connect gateway has so many VIFs, and a transit gateway so many Direct Connect
    /// gateways.
    pub(super) fn check_gateway_quota(&mut self) {
        let mut vifs: BTreeMap<&NodeName, usize> = BTreeMap::new();
        let mut found = Vec::new();
        for (name, session) in &self.lab.sessions {
            let of_dxgw = |vif: &&Vif| matches!(self.kind(&vif.gateway), Some(Kind::Dxgw { .. }));
            let Some(vif) = session.vif().filter(of_dxgw) else {
                continue;
            };
            let count = vifs.entry(&vif.gateway).or_default();
            *count += usize::from(!session.unlike_aws);
            if !session.unlike_aws && *count == aws::DXGW_MAX_VIFS + 1 {
                let most = aws::DXGW_MAX_VIFS;
                let message = format!("`{}` has more than {most} VIFs", vif.gateway);
                found.push((Section::Sessions, name.to_string(), message, "a Direct Connect gateway has no more, private and transit, unless AWS grants it (\"AWS Direct Connect quotas\"); `unlike-aws: true` on the session says that it did"));
            }
        }
        let mut dxgws: BTreeMap<&NodeName, usize> = BTreeMap::new();
        for (name, node) in &self.lab.nodes {
            let Kind::Dxgw { associations } = &node.kind else {
                continue;
            };
            for tgw in associations.keys().filter(|of| self.lab.is_tgw(of)) {
                let count = dxgws.entry(tgw).or_default();
                *count += 1;
                if *count == aws::TGW_MAX_DXGWS + 1 {
                    let most = aws::TGW_MAX_DXGWS;
                    let message = format!("`{tgw}` is associated with more than {most} dxgws");
                    found.push((Section::Nodes, name.to_string(), message, "a transit gateway has no more Direct Connect gateways (\"Transit Gateway quotas\")"));
                }
            }
        }
        for (section, name, message, help) in found {
            let at = self.at(section, &name);
            self.f.error(at, "aws-quota", message).help(help);
        }
    }

    /// What `node` announces on a session before anything happens. Only what is sure: what it
    /// originates, and of what it passes on no more than what it would not rather take from a
    /// session it does not pass on.
    fn announced(
        &self,
        node: &NodeName,
        session: &SessionName,
        seen: &mut BTreeSet<(NodeName, SessionName)>,
    ) -> BTreeSet<IpNet> {
        if !seen.insert((node.clone(), session.clone())) {
            return BTreeSet::new();
        }
        let own = self.exported(node, session).into_iter();
        let own = own.filter(|own| own.while_known.is_none());
        let mut all: BTreeSet<IpNet> = own.map(|own| own.prefix).collect();
        let Some(routing) = self.routing_of(node, session) else {
            return all;
        };
        let others = self.lab.sessions.iter();
        let others = others.filter(|(name, spec)| spec.ends.contains(node) && *name != session);
        let others: Vec<&SessionName> = others.map(|(name, _)| name).collect();
        for passed in others.iter().filter(|from| may_pass(routing, from)) {
            let mut routes = self.learned(node, passed, seen);
            routes.retain(|route| {
                self.takes(node, passed, route) && passes_on(routing, passed, route)
            });
            // So far from AWS nothing is sure.
            if seen.len() > FARTHEST {
                routes.clear();
            }
            for rival in others.iter().filter(|rival| *rival != passed) {
                let is_better = self.preference(node, rival).1 >= self.preference(node, passed).0;
                if routes.is_empty() || !is_better {
                    continue;
                }
                let rather = self.learned(node, rival, &mut seen.clone());
                routes.retain(|route| {
                    !rather.contains(route)
                        || !self.may_take(node, rival, route)
                        || passes_on(routing, rival, route)
                });
            }
            all.extend(routes);
        }
        all
    }

    fn learned(
        &self,
        node: &NodeName,
        session: &SessionName,
        seen: &mut BTreeSet<(NodeName, SessionName)>,
    ) -> BTreeSet<IpNet> {
        let spec = self.lab.sessions.get(session);
        let peer = spec.and_then(|spec| spec.ends.iter().find(|end| *end != node));
        peer.map(|peer| self.announced(peer, session, seen))
            .unwrap_or_default()
    }

    /// The least and the greatest local preference of what is learned over a session.
    fn preference(&self, node: &NodeName, session: &SessionName) -> (u32, u32) {
        const DEFAULT: u32 = 100;
        match self.routing_of(node, session) {
            None => (DEFAULT, DEFAULT),
            Some(Routing::Shorthand(short)) => {
                let own = short.local_pref.unwrap_or(DEFAULT);
                (own, own)
            }
            Some(Routing::Rules(rules)) => {
                let sets = rules.import.rules.iter().flat_map(|rule| &rule.set);
                let set = sets.filter_map(|set| {
                    let Set::LocalPref(value) = set else {
                        return None;
                    };
                    Some(*value)
                });
                let all = || set.clone().chain([DEFAULT]);
                (
                    all().min().unwrap_or(DEFAULT),
                    all().max().unwrap_or(DEFAULT),
                )
            }
        }
    }
}
