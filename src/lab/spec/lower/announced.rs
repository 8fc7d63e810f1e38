//! What a customer's router says to AWS that AWS does not heed, or not as it is meant (Direct
//! Connect User Guide, "Routing policies and BGP communities"; VPC User Guide, "Route priority").

use ipnet::IpNet;

use super::{
    super::{
        At,
        reader::{Fields, and_list},
    },
    Lower,
    exported::Place,
};
use crate::{
    lab::model::{Kind, Routing, SessionKind, VifKind},
    units::{Community, NodeName, SessionName, Set},
};

const HEEDED: &str = "AWS removes what it does not know (Direct Connect User Guide, \"Routing policies and BGP communities\")";

const fn amazon(number: u32) -> Community {
    Community(7224 << 16 | number)
}

/// Local preference, of a private or transit VIF.
const PREFERENCES: [Community; 3] = [amazon(7100), amazon(7200), amazon(7300)];
/// How far a route spreads, of a public VIF.
const SCOPES: [Community; 3] = [amazon(9100), amazon(9200), amazon(9300)];
/// AWS's own, on what it announces on a public VIF.
const FROM_AWS: [Community; 2] = [amazon(8100), amazon(8200)];

/// AWS's communities that each rule, or the short form, puts on what goes out.
fn tagged(routing: &Routing) -> Vec<Vec<Community>> {
    let amazons = |communities: &mut dyn Iterator<Item = Community>| {
        let mut of: Vec<Community> = communities.filter(|one| one.0 >> 16 == 7224).collect();
        of.sort_unstable();
        of.dedup();
        of
    };
    match routing {
        Routing::Shorthand(short) => vec![amazons(&mut short.communities.iter().copied())],
        Routing::Rules(rules) => {
            let rules = rules.export.rules.iter();
            let added = |set: &Set| {
                if let Set::AddCommunity(community) = set {
                    return Some(*community);
                }
                None
            };
            rules
                .map(|rule| amazons(&mut rule.set.iter().filter_map(added)))
                .collect()
        }
    }
}

impl Lower<'_> {
    /// 7224:* on a VIF: one local preference on private and transit ones, one scope on public
    /// ones, and no others.
    pub(super) fn check_communities(
        &mut self,
        fields: &Fields<'_>,
        name: &SessionName,
        routing: &Routing,
    ) {
        let Some(session) = self.session(name).filter(|session| !session.unlike_aws) else {
            return;
        };
        let at = match routing {
            Routing::Shorthand(_) => fields.at_value("communities"),
            Routing::Rules(_) => fields.at_key("export"),
        };
        let Some(kind) = session.vif().map(|vif| vif.kind) else {
            let is_vpn = matches!(session.kind, SessionKind::Vpn(_));
            if is_vpn && self.kind(&session.ends[1]).is_some_and(Kind::has_aws_vpn) {
                self.warn_of_vpn(at, routing);
            }
            return;
        };
        let heeded = match kind {
            VifKind::Private | VifKind::Transit => PREFERENCES,
            VifKind::Public => SCOPES,
        };
        let mut ignored: Vec<Community> = Vec::new();
        for group in tagged(routing) {
            let (known, others): (Vec<_>, Vec<_>) =
                group.into_iter().partition(|one| heeded.contains(one));
            ignored.extend(others);
            if known.len() < 2 {
                continue;
            }
            let words: Vec<String> = known.iter().map(Community::to_string).collect();
            let message = format!(
                "{} exclude one another: a route has one {}",
                and_list(&words),
                match kind {
                    VifKind::Private | VifKind::Transit => "local preference",
                    VifKind::Public => "scope",
                }
            );
            self.f.error(at, "aws-community", message).help(
                "write one of them (Direct Connect User Guide, \"Routing policies and BGP communities\")",
            );
        }
        ignored.sort_unstable();
        ignored.dedup();
        for community in ignored {
            self.f
                .warn(at, "aws-community", unheeded(community, kind))
                .help(HEEDED);
        }
    }

    /// AWS's communities are Direct Connect's.
    fn warn_of_vpn(&mut self, at: At, routing: &Routing) {
        let mut all: Vec<Community> = tagged(routing).into_iter().flatten().collect();
        all.sort_unstable();
        all.dedup();
        for community in all {
            let message = format!("`{community}` is Direct Connect's; on a VPN it does nothing");
            self.f.warn(at, "aws-community", message).help(
                "what a VPN's routes have is AS_PATH and MED (Site-to-Site VPN User Guide, \"Route tables and route priority\")",
            );
        }
    }

    /// What is inside a VPC's own range is local there, whoever announces it.
    pub(super) fn check_local_ranges(&mut self, place: &Place) {
        let (node, name) = (&place.node, &place.session);
        let Some(gateways) = self.behind(name) else {
            return;
        };
        let exported = self.exported(node, name);
        let mut found: Vec<(IpNet, NodeName, IpNet)> = Vec::new();
        for (vpc, of) in &self.lab.nodes {
            let Kind::Vpc { attach, cidrs, .. } = &of.kind else {
                continue;
            };
            if !gateways.contains(attach) {
                continue;
            }
            for prefix in exported.iter().map(|one| one.prefix) {
                let range = cidrs.iter().find(|range| range.contains(&prefix));
                found.extend(range.map(|range| (prefix, vpc.clone(), *range)));
            }
        }
        for (prefix, vpc, range) in found {
            let whose = match prefix == range {
                true => format!("the range of vpc `{vpc}`"),
                false => format!("inside `{range}`, the range of vpc `{vpc}`"),
            };
            self.f
                .warn(
                    place.at,
                    "aws-local",
                    format!("`{prefix}` is {whose}, where it stays local: nothing of it comes to `{node}`"),
                )
                .help("in a VPC its own ranges win over whatever is announced (VPC User Guide, \"Route priority\"); announce prefixes of your own");
        }
    }

    /// The gateways whose VPCs, or what else of AWS's, a session leads to: of a tgw all tgws, for
    /// they may be peers. `None`: it leads to none.
    pub(super) fn behind(&self, session: &SessionName) -> Option<Vec<NodeName>> {
        let session = self.session(session)?;
        let gateway = session.vif().map_or(&session.ends[1], |vif| &vif.gateway);
        let kind = self.kind(gateway)?;
        let first: Vec<&NodeName> = if let Kind::Dxgw { associations } = kind {
            associations.keys().collect()
        } else if matches!(kind, Kind::Vgw | Kind::Tgw { .. } | Kind::AwsPublic { .. }) {
            vec![gateway]
        } else {
            return None;
        };
        let is_tgw = |name: &&NodeName| self.lab.is_tgw(name);
        let all = self.lab.nodes.keys().filter(is_tgw);
        Some(match first.iter().any(is_tgw) {
            true => all.cloned().collect(),
            false => first.into_iter().cloned().collect(),
        })
    }
}

/// Why AWS does not heed a community on such a VIF.
fn unheeded(community: Community, kind: VifKind) -> String {
    let word = match kind {
        VifKind::Private => "private",
        VifKind::Transit => "transit",
        VifKind::Public => "public",
    };
    if SCOPES.contains(&community) {
        format!(
            "`{community}` says how far a route of a public VIF spreads; on a {word} VIF it does nothing"
        )
    } else if PREFERENCES.contains(&community) {
        format!(
            "`{community}` is a local preference, of private and transit VIFs; on a public one it does nothing"
        )
    } else if FROM_AWS.contains(&community) {
        format!("`{community}` is AWS's word on what it announces itself; on yours it does nothing")
    } else {
        format!("`{community}` is none of AWS's communities, and 7224:* is AWS's: it does nothing")
    }
}
