//! AWS's public network and public VIFs, and AWS's rules for both (Direct Connect User
//! Guide, "Routing policies and BGP communities", "Public virtual interface routing
//! policies").

use ipnet::{IpNet, Ipv4Net};

use super::{
    super::{
        At,
        reader::{Fields, Findings},
    },
    Lower, Section,
    exported::{Place, prepends},
    nodes::overlaps,
};
use crate::{
    lab::model::{Kind, Scope, Session, SessionKind, Vif, VifKind, aws},
    units::{LinkName, NodeName, SessionName},
};

const PRIVATE_HELP: &str = "on a public VIF AWS takes public prefixes of your own; the blocks for documents (192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24) count as public here";

/// Ranges that nobody routes in public: RFC 1918, RFC 6598, RFC 3927.
const PRIVATE_V4: [(u8, u8, u8); 5] = [
    (10, 0, 8),
    (172, 16, 12),
    (192, 168, 16),
    (100, 64, 10),
    (169, 254, 16),
];

/// Whether a prefix holds or is inside a range that is nobody's in public.
fn is_private(prefix: &IpNet) -> bool {
    match prefix {
        IpNet::V4(_) => {
            prefix.prefix_len() > 0
                && PRIVATE_V4.iter().any(|&(a, b, length)| {
                    Ipv4Net::new([a, b, 0, 0].into(), length)
                        .is_ok_and(|range| overlaps(&IpNet::V4(range), prefix))
                })
        }
        IpNet::V6(v6) => v6.addr().is_unique_local(),
    }
}

impl Lower<'_> {
    pub(super) fn aws_public(&mut self, fields: &Fields<'_>) -> Kind {
        let prefixes = self.public_prefixes(fields, "an aws-public needs `prefixes`");
        let scope = fields
            .choice(&mut self.f, "scope")
            .and_then(Scope::parse)
            .unwrap_or(Scope::Region);
        Kind::AwsPublic { scope, prefixes }
    }

    fn public_prefixes(&mut self, fields: &Fields<'_>, missing: &str) -> Vec<IpNet> {
        let Some((at, tree)) = fields.get("prefixes") else {
            self.f
                .error(fields.at, "missing-key", missing)
                .help("public prefixes, `[203.0.113.0/24]`");
            return Vec::new();
        };
        let items = Findings::one_or_list(tree);
        if items.is_empty() {
            self.f
                .error(fields.at_key("prefixes"), "empty", missing)
                .help("public prefixes, `[203.0.113.0/24]`");
        }
        let mut prefixes = Vec::new();
        for item in items {
            let Some(prefix) = self.f.routed_prefix(at, item, "prefixes") else {
                continue;
            };
            let all = prefix.prefix_len() == 0;
            if all {
                let message =
                    format!("`{prefix}` is every address: nobody announces it as his own");
                self.f
                    .error(item.at, "aws-public", message)
                    .help(PRIVATE_HELP);
            } else if is_private(&prefix) {
                let message = format!("`{prefix}` is private: nobody announces it in public");
                self.f
                    .error(item.at, "aws-public", message)
                    .help(PRIVATE_HELP);
            }
            prefixes.push(prefix);
        }
        prefixes
    }

    /// The customer's prefixes that AWS has verified; of a public VIF alone.
    pub(super) fn verified(&mut self, fields: &Fields<'_>, kind: VifKind) -> Vec<IpNet> {
        if kind == VifKind::Public {
            return self.public_prefixes(fields, "a public VIF needs `prefixes`");
        }
        if fields.has("prefixes") {
            self.f
                .error(
                    fields.at_key("prefixes"),
                    "aws-public",
                    "verified `prefixes` are of a public VIF; on others you announce what you like",
                )
                .help("a dxgw's allowed prefixes are under its `associate`");
        }
        Vec::new()
    }

    /// What the customer announces on a public VIF is his, and not private.
    pub(super) fn check_public_routing(&mut self, place: &Place) {
        let (node, name, at) = (&place.node, &place.session, place.at);
        let Some(vif) = self.public_vif(name) else {
            return;
        };
        let verified = vif.prefixes.clone();
        let exported = self.exported(node, name);
        let longer = self.routing_of(node, name).is_some_and(prepends);
        for prefix in exported.iter().map(|one| one.prefix) {
            if is_private(&prefix) {
                // Among the VIF's own `prefixes` it has been reported.
                if verified
                    .iter()
                    .any(|own| is_private(own) && own.contains(&prefix))
                {
                    continue;
                }
                let message = format!(
                    "`{prefix}` is private, and AWS takes no private prefix on a public VIF"
                );
                self.f.error(at, "aws-public", message).help(PRIVATE_HELP);
            } else if !verified.iter().any(|own| own.contains(&prefix)) {
                let message = format!(
                    "`{prefix}` is in none of the `prefixes` of `{name}`, so AWS does not take it"
                );
                self.f.error(at, "aws-public", message).help(
                    "AWS verifies that a public prefix is yours before it takes it on a public VIF",
                );
            }
        }
        let asn = self.lab.nodes.get(node).and_then(|node| node.asn);
        let private = asn.filter(|asn| {
            let mut ranges = aws::GATEWAY_ASNS.iter();
            ranges.any(|range| range.contains(&asn.get()))
        });
        if let Some(asn) = private.filter(|_| longer) {
            let message = format!(
                "prepending on a public VIF from the private AS {asn} does nothing: AWS puts 7224 in place of all of it"
            );
            self.f
                .error(place.prepend, "aws-public", message)
                .help("use a more specific prefix, or a public ASN");
        }
    }

    fn public_vif(&self, name: &SessionName) -> Option<&Vif> {
        match self.lab.sessions.get(name) {
            Some(Session {
                kind: SessionKind::Vif(vif),
                ..
            }) if vif.kind == VifKind::Public => Some(vif),
            _ => None,
        }
    }

    /// Parts of AWS's network hang on the Region's, and each has one way to the internet.
    pub(super) fn check_public_network(&mut self) {
        let scope = |cx: &Self, node: &NodeName| match cx.kind(node) {
            Some(Kind::AwsPublic { scope, .. }) => Some(*scope),
            _ => None,
        };
        let mut found: Vec<(LinkName, String)> = Vec::new();
        let mut ways: Vec<(&NodeName, &LinkName)> = Vec::new();
        for (name, link) in &self.lab.links {
            let [a, b] = &link.ends;
            if let (Some(first), Some(second)) = (scope(self, a), scope(self, b))
                && (first == Scope::Region) == (second == Scope::Region)
            {
                found.push((
                    name.clone(),
                    "a part of AWS's public network elsewhere is linked to the Region's".to_owned(),
                ));
            }
            for (own, other) in [(a, b), (b, a)] {
                if scope(self, own).is_none() || self.kind(other) != Some(&Kind::Internet) {
                    continue;
                }
                if let Some((_, before)) = ways.iter().find(|(node, _)| *node == own) {
                    found.push((
                        name.clone(),
                        format!("`{own}` leads to the internet by `{before}` already"),
                    ));
                }
                ways.push((own, name));
            }
        }
        for (link, message) in found {
            let at = self.at(Section::Links, link.as_str());
            self.f.error(at, "aws-public", message);
        }
        self.check_owners();
    }

    /// What AWS has verified to be a customer's is not AWS's.
    fn check_owners(&mut self) {
        let mut found = Vec::new();
        for (session, of) in &self.lab.sessions {
            let Some(vif) = of.vif().filter(|vif| vif.kind == VifKind::Public) else {
                continue;
            };
            for (node, aws) in &self.lab.nodes {
                let Kind::AwsPublic { prefixes, .. } = &aws.kind else {
                    continue;
                };
                for own in &vif.prefixes {
                    let theirs = prefixes.iter().find(|theirs| overlaps(theirs, own));
                    found.extend(theirs.map(|theirs| {
                        let message = format!(
                            "`{own}` of `{session}` overlaps `{theirs}` of aws-public `{node}`: it is AWS's, not yours"
                        );
                        (session.clone(), message)
                    }));
                }
            }
        }
        for (session, message) in found {
            let at = self.at(Section::Sessions, session.as_str());
            self.f.error(at, "aws-public", message).help(PRIVATE_HELP);
        }
    }

    /// SiteLink is of private and transit VIFs.
    pub(super) fn refuse_public_sitelink(&mut self, at: At) {
        self.f
            .error(at, "aws-sitelink", "a public VIF has no SiteLink")
            .help("SiteLink is between private or transit VIFs of a Direct Connect gateway (Direct Connect User Guide, \"SiteLink\")");
    }
}
