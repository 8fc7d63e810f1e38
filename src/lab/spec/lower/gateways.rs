//! Direct Connect gateways: what is associated with them, and AWS's rules for that
//! (Direct Connect User Guide, "Direct Connect gateways" and "Allowed prefixes
//! interactions").

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::{
    super::{
        At,
        raw::Value,
        reader::{Fields, Findings, an},
    },
    Lower, Section,
    nodes::overlaps,
};
use crate::{
    lab::model::{Kind, Session, SessionKind, TgwAttachment, Via, aws},
    units::NodeName,
};

/// Gateways behind one Direct Connect gateway with their allowed prefixes.
type Associations = BTreeMap<NodeName, Vec<IpNet>>;

impl Lower<'_> {
    pub(super) fn associations(&mut self, fields: &Fields<'_>) -> Associations {
        let mut associations = Associations::new();
        let Some((at, tree)) = fields.get("associate") else {
            self.f
                .error(fields.at, "missing-key", "a dxgw needs `associate`")
                .help("the gateways behind it with their allowed prefixes, `{ vgw: [] }`");
            return associations;
        };
        let entries = self.f.entries(tree, at, "associate");
        if entries.is_empty() && matches!(tree.value, Value::Map(_)) {
            self.f
                .error(tree.at, "empty", "nothing is associated with this dxgw")
                .help("the gateways behind it with their allowed prefixes, `{ vgw: [] }`");
        }
        for (key, tree) in entries {
            let name = self.node_named(key.at, &key.text);
            let mut allowed: Vec<IpNet> = Vec::new();
            for item in Findings::one_or_list(tree) {
                if let Some(prefix) = self.f.routed_prefix(key.at, item, "associate") {
                    allowed.push(prefix);
                }
            }
            if let Some(name) = name {
                self.declare(Section::Associations, name.to_string(), key.at);
                associations.insert(name, allowed);
            }
        }
        associations
    }

    /// What only shows once nodes and links are known.
    pub(super) fn check_gateways(&mut self) {
        let mut owner: BTreeMap<NodeName, NodeName> = BTreeMap::new();
        for (dxgw, associations) in self.dxgws() {
            self.check_kinds(&dxgw, &associations);
            self.check_asns(&dxgw, &associations);
            self.check_origins(&dxgw, &associations);
            for (gateway, allowed) in &associations {
                let at = self.at(Section::Associations, gateway.as_str());
                if self.kind(gateway).is_some_and(Kind::has_aws_vpn) {
                    self.check_joined(at, &dxgw, gateway);
                    self.check_allowed_families(at, (&dxgw, gateway), allowed);
                }
                if matches!(self.kind(gateway), Some(Kind::Vgw)) {
                    self.check_filter(at, gateway, allowed);
                    if let Some(other) = owner.insert(gateway.clone(), dxgw.clone()) {
                        let message = format!(
                            "`{gateway}` is associated with `{other}` and `{dxgw}`; a vgw has one dxgw"
                        );
                        self.f.error(at, "aws-association", message);
                    }
                }
            }
        }
    }

    /// A transit gateway's static routes lead over peerings; what is behind a Direct Connect
    /// gateway or a VPN with BGP it learns.
    pub(super) fn check_tgw_routes(&mut self) {
        let mut found: Vec<(At, NodeName, IpNet)> = Vec::new();
        for (name, node) in &self.lab.nodes {
            if !node.kind.is_tgw() {
                continue;
            }
            for route in &node.routes {
                let fits = match &route.via {
                    Via::Blackhole => true,
                    Via::Address(_) => false,
                    Via::Link(name) => match self.link(name) {
                        Some(link) => link.ends.iter().all(|end| self.lab.is_tgw(end)),
                        // A broken one has been reported where it is.
                        None => self.is_known(Section::Links, name.as_str()),
                    },
                };
                let at = self.at(Section::Routes, &format!("{name} {}", route.prefix));
                // `default` is one of each family.
                if !fits && found.last().is_none_or(|(last, ..)| *last != at) {
                    found.push((at, name.clone(), route.prefix));
                }
            }
        }
        for (at, tgw, prefix) in found {
            self.f
                .error(
                    at,
                    "aws-route",
                    format!("`{tgw}` routes `{prefix}` over something that is no peering"),
                )
                .help("static routes lead to a tgw it is linked to, or to `blackhole`; what is behind a dxgw or a VPN it learns by BGP, and its vpcs' ranges it knows");
        }
    }

    fn dxgws(&self) -> Vec<(NodeName, Associations)> {
        let found = self.lab.nodes.iter().filter_map(|(name, node)| {
            let Kind::Dxgw { associations } = &node.kind else {
                return None;
            };
            Some((name.clone(), associations.clone()))
        });
        found.collect()
    }

    /// Vgws or tgws, never both, and not too many.
    fn check_kinds(&mut self, dxgw: &NodeName, associations: &Associations) {
        let mut vgws = Vec::new();
        let mut tgws = Vec::new();
        for gateway in associations.keys() {
            let at = self.at(Section::Associations, gateway.as_str());
            match self.kind(gateway) {
                None => {}
                Some(Kind::Vgw) => vgws.push((gateway, at)),
                Some(Kind::Tgw { .. }) => tgws.push((gateway, at)),
                Some(kind) => {
                    let message = format!(
                        "vgws or tgws are associated with a dxgw, and `{gateway}` is {}",
                        an(kind.word())
                    );
                    self.f.error(at, "wrong-kind", message);
                }
            }
        }
        if let ([(vgw, _), ..], [(tgw, at), ..]) = (vgws.as_slice(), tgws.as_slice()) {
            self.f
                .error(
                    *at,
                    "aws-association",
                    format!(
                        "`{dxgw}` has the vgw `{vgw}` and the tgw `{tgw}`; a dxgw has one sort"
                    ),
                )
                .help("make a second dxgw: private VIFs lead to vgws, transit VIFs to tgws (Direct Connect User Guide, \"Direct Connect gateways\")");
        }
        for (list, most, word) in [
            (&vgws, aws::DXGW_MAX_VGWS, "vgws"),
            (&tgws, aws::DXGW_MAX_TGWS, "tgws"),
        ] {
            if let Some((_, at)) = list.get(most) {
                let message = format!(
                    "`{dxgw}` has {} {word}; a dxgw has at most {most} (Direct Connect quotas)",
                    list.len()
                );
                self.f.error(*at, "aws-association", message);
            }
        }
    }

    /// A tgw's ASN is not its dxgw's.
    fn check_asns(&mut self, dxgw: &NodeName, associations: &Associations) {
        let asn = |cx: &Self, name: &NodeName| cx.lab.nodes.get(name).and_then(|node| node.asn);
        let own = asn(self, dxgw);
        for gateway in associations.keys() {
            if let (true, Some(own)) = (self.lab.is_tgw(gateway) && asn(self, gateway) == own, own)
            {
                let at = self.at(Section::Nodes, gateway.as_str());
                self.f
                    .error(
                        at,
                        "aws-asn",
                        format!("`{gateway}` and its dxgw `{dxgw}` both have ASN {own}; AWS refuses to associate them"),
                    )
                    .help("each has 64512 unless told otherwise: give one of them another `asn` (Direct Connect User Guide, \"Create a transit virtual interface to the AWS Direct Connect gateway\")");
            }
        }
    }

    /// What is advertised for tgws does not overlap; for one without prefixes it is nothing.
    fn check_origins(&mut self, dxgw: &NodeName, associations: &Associations) {
        let mut before: Vec<(&NodeName, &IpNet)> = Vec::new();
        for (gateway, allowed) in associations {
            if !self.lab.is_tgw(gateway) {
                continue;
            }
            let at = self.at(Section::Associations, gateway.as_str());
            // One that is not understood has been reported.
            if allowed.is_empty() && !self.f.failed {
                self.f
                    .warn(
                        at,
                        "aws-allowed",
                        format!("`{gateway}` has no allowed prefixes, so `{dxgw}` advertises nothing for it"),
                    )
                    .help("a tgw's allowed prefixes are what its VIFs advertise");
            }
            if allowed.len() > aws::TGW_MAX_ALLOWED {
                let message = format!(
                    "`{gateway}` has {} allowed prefixes; AWS advertises at most {} for a tgw, IPv4 and IPv6 together (Direct Connect quotas)",
                    allowed.len(),
                    aws::TGW_MAX_ALLOWED
                );
                self.f.error(at, "aws-allowed", message).help(
                    "summarize: they are advertised as they are, whatever ranges the vpcs have",
                );
            }
            self.check_left_out(at, (dxgw, gateway), allowed);
            for prefix in allowed {
                if let Some((other, theirs)) =
                    before.iter().find(|(_, theirs)| overlaps(theirs, prefix))
                {
                    let message = format!(
                        "allowed prefix `{prefix}` of `{gateway}` overlaps `{theirs}` of `{other}`"
                    );
                    self.f.error(at, "aws-allowed", message).help(
                        "those of one dxgw's tgws do not (Direct Connect User Guide, \"Allowed prefixes interactions\")",
                    );
                }
                before.push((gateway, prefix));
            }
        }
    }

    /// A range that the tgw would route, and of which no allowed prefix has anything. With a VPN
    /// to the tgw that is a way to have it in the VPN alone.
    fn check_left_out(&mut self, at: At, (dxgw, tgw): (&NodeName, &NodeName), allowed: &[IpNet]) {
        let is_vpn = |session: &Session| {
            matches!(session.kind, SessionKind::Vpn(_)) && session.ends.contains(tgw)
        };
        if allowed.is_empty() || self.lab.sessions.values().any(is_vpn) {
            return;
        }
        let tables = self.lab.route_tables(tgw);
        let is_known = |vpc: &NodeName, propagates: bool| {
            let Some(tables) = tables else {
                return propagates;
            };
            let from = TgwAttachment::Dxgw(dxgw.clone());
            let vpc = TgwAttachment::Vpc(vpc.clone());
            let mut tables = tables.values();
            tables.any(|of| of.associated.contains(&from) && of.propagated.contains(&vpc))
        };
        let mut found = Vec::new();
        for (vpc, node) in &self.lab.nodes {
            let Kind::Vpc {
                attach,
                propagate,
                cidrs,
                ..
            } = &node.kind
            else {
                continue;
            };
            if attach != tgw || !is_known(vpc, *propagate) {
                continue;
            }
            let left_out = |range: &&IpNet| !allowed.iter().any(|prefix| overlaps(prefix, range));
            found.extend(
                cidrs
                    .iter()
                    .filter(left_out)
                    .map(|range| (vpc.clone(), *range)),
            );
        }
        for (vpc, range) in found {
            let message = format!(
                "no allowed prefix of `{tgw}` holds `{range}` of vpc `{vpc}`: `{dxgw}` never advertises it"
            );
            self.f.warn(at, "aws-allowed", message).help(
                "a tgw's allowed prefixes are all that its VIFs advertise, whatever is attached (Direct Connect User Guide, \"Allowed prefixes interactions\")",
            );
        }
    }

    /// A vgw's allowed prefix is its VPC's range or wider; a narrower one lets nothing by.
    fn check_filter(&mut self, at: At, vgw: &NodeName, allowed: &[IpNet]) {
        let ranges: Vec<IpNet> = self
            .lab
            .nodes
            .values()
            .filter_map(|node| {
                let Kind::Vpc { attach, cidrs, .. } = &node.kind else {
                    return None;
                };
                (attach == vgw).then(|| cidrs.clone())
            })
            .flatten()
            .collect();
        for prefix in allowed {
            if let Some(range) = ranges
                .iter()
                .find(|range| range.contains(prefix) && *range != prefix)
            {
                self.f
                    .error(
                        at,
                        "aws-allowed",
                        format!("allowed prefix `{prefix}` is narrower than `{range}`, the range of the vpc at `{vgw}`, and lets nothing by"),
                    )
                    .help(format!("write `{range}` or a wider prefix: of a vgw they filter, and the whole range is advertised (Direct Connect User Guide, \"Allowed prefixes interactions\")"));
            }
        }
        let passes = |range: &IpNet| allowed.iter().any(|prefix| prefix.contains(range));
        let narrower = |range: &IpNet| allowed.iter().any(|prefix| range.contains(prefix));
        for range in ranges {
            if !allowed.is_empty() && !passes(&range) && !narrower(&range) {
                let message =
                    format!("no allowed prefix of `{vgw}` holds `{range}`: it is not advertised");
                self.f.warn(at, "aws-allowed", message);
            }
        }
    }

    /// AWS's own way between the two is a link, and one.
    fn check_joined(&mut self, at: At, dxgw: &NodeName, gateway: &NodeName) {
        let links = self.links_between(dxgw, gateway);
        if links.len() == 1 || !self.links_complete() {
            return;
        }
        let message = if links.is_empty() {
            format!("`{dxgw}` has no link to `{gateway}`")
        } else {
            format!("`{dxgw}` has several links to `{gateway}`; an association is one")
        };
        self.f
            .error(at, "no-backbone", message)
            .help("AWS's own way between the gateways is a link too");
    }
}
