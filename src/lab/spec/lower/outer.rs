//! What is around a VPN's tunnels: who carries their outer packets, and which addresses these
//! have (Site-to-Site VPN User Guide, "Private IP AWS Site-to-Site VPN with AWS Direct Connect").

use ipnet::{IpNet, Ipv4Net};

use super::{
    super::{
        At,
        raw::Value,
        reader::{Fields, Findings, an},
    },
    Lower, Section,
};
use crate::{
    lab::model::Kind,
    units::{LinkName, NodeName},
};

/// Of the subnets in which a box and its router have one address each.
const BLOCK: u8 = 30;
/// The smallest CIDR block that a transit gateway takes (Transit Gateway Guide, "Transit
/// gateway CIDR blocks").
const SMALLEST_CIDR: u8 = 24;

impl Lower<'_> {
    /// Who carries the outer packets at each end: one internet node, or at the customer's a
    /// router and at AWS's its public network or a Direct Connect gateway.
    pub(super) fn over(&mut self, fields: &Fields<'_>) -> Option<[NodeName; 2]> {
        if let Some((_, tree)) = fields.get("over")
            && matches!(tree.value, Value::List(_))
        {
            return self.two_nodes(fields, "over");
        }
        let (at, text) = self.needed_text(fields, "vpn", "over")?;
        let over = self.node_named(at, text)?;
        Some([over.clone(), over])
    }

    pub(super) fn underlay(
        &mut self,
        fields: &Fields<'_>,
        ends: &[NodeName; 2],
        over: &[NodeName; 2],
        ipsec: bool,
    ) -> Option<[LinkName; 2]> {
        let at = fields.at_value("over");
        let [first, second] = over;
        if first == second {
            self.over_an_internet(fields, at, first)?;
        } else {
            self.over_direct_connect(at, &ends[1], over)?;
            if ipsec && !fields.has("outer") {
                self.f
                    .error(
                        at,
                        "missing-key",
                        "IPsec over Direct Connect needs `outer`, your ends' outer addresses",
                    )
                    .help("`outer: 203.0.113.8/29`: its first /30 is tunnel 1's, the next tunnel 2's; announce it on the VIF");
            }
        }
        let [a, b] = ends;
        let (near, far) = (self.uplink(at, a, first), self.uplink(at, b, second));
        Some([near?, far?])
    }

    fn over_an_internet(&mut self, fields: &Fields<'_>, at: At, over: &NodeName) -> Option<()> {
        let kind = self.kind(over)?.word();
        if *self.kind(over)? != Kind::Internet {
            let message = format!(
                "a VPN runs over a node of kind internet; `{over}` is {}",
                an(kind)
            );
            self.f.error(at, "wrong-kind", message).help(
                "over Direct Connect it is two, each end's own: `over: [ROUTER, AWS-PUBLIC]` or `over: [ROUTER, DXGW]`",
            );
            return None;
        }
        if fields.has("outer") {
            self.f
                .error(
                    fields.at_key("outer"),
                    "foreign-key",
                    "`outer` is of a VPN over Direct Connect; over an internet, outer addresses are derived",
                )
                .help("over Direct Connect `over` is `[ROUTER, AWS-PUBLIC]` or `[ROUTER, DXGW]`");
        }
        Some(())
    }

    fn over_direct_connect(&mut self, at: At, end: &NodeName, over: &[NodeName; 2]) -> Option<()> {
        let [router, beyond] = over;
        let (kind, far) = (self.kind(router)?.clone(), self.kind(beyond)?.clone());
        if kind.is_router() && matches!(far, Kind::AwsPublic { .. }) {
            return Some(());
        }
        if kind.is_router() && matches!(far, Kind::Dxgw { .. }) {
            return self.check_private_ip(at, end, beyond, &far);
        }
        let message = format!(
            "over Direct Connect a VPN runs by a router of the customer's and an aws-public or a dxgw, not {} and {}",
            an(kind.word()),
            an(far.word())
        );
        self.f.error(at, "wrong-kind", message);
        None
    }

    /// The tgw has addresses for it, and they are told to the customer.
    fn check_private_ip(
        &mut self,
        at: At,
        tgw: &NodeName,
        dxgw: &NodeName,
        beyond: &Kind,
    ) -> Option<()> {
        let Kind::Dxgw { associations } = beyond else {
            return None;
        };
        let end = self.kind(tgw)?.clone();
        let Kind::Tgw { cidr, .. } = end else {
            self.f
                .error(
                    at,
                    "aws-private-ip",
                    format!("a private-IP VPN ends at a tgw, and `{tgw}` is {}", an(end.word())),
                )
                .help("AWS has private-IP VPNs over a transit VIF; a vgw's VPN runs over an internet or public VIFs");
            return None;
        };
        let Some(cidr) = cidr else {
            if self.is_known(Section::Cidrs, tgw.as_str()) {
                return None;
            }
            self.f
                .error(
                    at,
                    "aws-private-ip",
                    format!("`{tgw}` has no `cidr`, from which a private-IP VPN takes its outer addresses"),
                )
                .help(format!("give `{tgw}` a CIDR block, `cidr: 10.255.0.0/24` (Transit Gateway Guide, \"Transit gateway CIDR blocks\")"));
            return None;
        };
        let Some(allowed) = associations.get(tgw) else {
            let message = format!("`{tgw}` is not associated with `{dxgw}`");
            self.f.error(at, "aws-private-ip", message);
            return None;
        };
        let cidr = IpNet::V4(cidr);
        if !allowed.iter().any(|prefix| prefix.contains(&cidr)) {
            self.f
                .error(
                    at,
                    "aws-private-ip",
                    format!("`{dxgw}` does not advertise `{cidr}`, the CIDR block of `{tgw}`: your end would not find AWS's"),
                )
                .help(format!("put it among the allowed prefixes, `associate: {{ {tgw}: [{cidr}] }}`"));
        }
        Some(())
    }

    fn uplink(&mut self, at: At, end: &NodeName, over: &NodeName) -> Option<LinkName> {
        let links = self.links_between(end, over);
        match links.as_slice() {
            [only] => Some(only.clone()),
            [] if !self.links_complete() => None,
            [] => {
                let message =
                    format!("`{end}` has no link to `{over}`, so the tunnel has no underlay");
                self.f.error(at, "no-underlay", message);
                None
            }
            _ => {
                let message = format!("`{end}` has several links to `{over}`; a VPN's end has one");
                self.f.error(at, "ambiguous", message);
                None
            }
        }
    }

    /// Where the customer's ends have their outer addresses: a /30 for each tunnel.
    pub(super) fn outer_range(&mut self, fields: &Fields<'_>, tunnels: usize) -> Option<Ipv4Net> {
        let (at, tree) = fields.get("outer")?;
        let prefix = self.f.routed_prefix(at, tree, "outer")?;
        let most = if tunnels > 1 { BLOCK - 1 } else { BLOCK };
        if let IpNet::V4(v4) = prefix
            && v4.prefix_len() <= most
        {
            return Some(v4);
        }
        let message = format!(
            "`outer` is an IPv4 prefix with room for a /30 for each tunnel, a /{most} or larger, not `{prefix}`"
        );
        self.f.error(tree.at, "bad-value", message);
        None
    }

    /// A tgw's CIDR block.
    pub(super) fn tgw_cidr(&mut self, fields: &Fields<'_>) -> Option<Ipv4Net> {
        let (at, tree) = fields.get("cidr")?;
        let [only] = Findings::one_or_list(tree) else {
            self.f.error(at, "bad-value", "a tgw has one `cidr` here");
            return None;
        };
        let prefix = self.f.prefix(at, only, "cidr")?;
        let problem = match prefix {
            IpNet::V4(v4) if v4.addr().is_link_local() => {
                "a tgw's CIDR block is not of 169.254.0.0/16, which tunnels have inside".to_owned()
            }
            IpNet::V4(v4) if v4.prefix_len() <= SMALLEST_CIDR => {
                return self.f.routed_prefix(at, only, "cidr").map(|_| v4);
            }
            IpNet::V4(v4) => format!(
                "a tgw's CIDR block is a /{SMALLEST_CIDR} or larger, but this is a /{}",
                v4.prefix_len()
            ),
            IpNet::V6(_) => "a tgw's CIDR block is IPv4 here".to_owned(),
        };
        self.f
            .error(only.at, "aws-cidr", problem)
            .help("Transit Gateway Guide, \"Transit gateway CIDR blocks\"");
        None
    }
}
