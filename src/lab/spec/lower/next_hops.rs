//! What the next hops of static routes mean: a link or a neighbour, and which
//! families its far end can take.

use ipnet::IpNet;

use super::{
    super::{At, reader::and_list},
    Lower, Section,
};
use crate::{
    lab::model::{Kind, SessionKind, Via},
    units::{LinkName, NodeName},
};

/// What a next hop may be.
const NEXT_HOPS: &str =
    "a next hop is an address, a neighbouring node, a link of the node, or `blackhole`";

/// One entry of a node's `routes` that leads through a link or neighbour.
pub(super) struct NextHop {
    /// The node, as written.
    pub(super) node: String,
    /// One prefix, or for `default` one of each family.
    pub(super) prefixes: Vec<IpNet>,
    /// The link or neighbour, as written.
    pub(super) via: LinkName,
    /// Where it is written.
    pub(super) at: At,
}

/// The far end of a link or LAG, seen from one node.
struct FarEnd {
    node: NodeName,
    v4: bool,
    v6: bool,
    /// The file gives the link's addresses.
    given: bool,
}

impl FarEnd {
    fn takes(&self, prefix: &IpNet) -> bool {
        match prefix {
            IpNet::V4(_) => self.v4,
            IpNet::V6(_) => self.v6,
        }
    }
}

impl Lower<'_> {
    /// Turns neighbours into links, refuses next hops that are neither, and leaves of
    /// `default` the families that the far end has.
    pub(super) fn check_routes(&mut self) {
        // What half a file says of its addresses may be wrong.
        let is_whole = !self.f.failed;
        for hop in std::mem::take(&mut self.next_hops) {
            let known = self.lab.nodes.get_key_value(hop.node.as_str());
            let Some(node) = known.map(|(name, _)| name.clone()) else {
                continue;
            };
            let Some(link) = self.resolve_via(hop.at, &node, hop.via.as_str()) else {
                continue;
            };
            let far = self.far_end(&node, &link).filter(|_| is_whole);
            let takes = |prefix: &IpNet| far.as_ref().is_none_or(|far| far.takes(prefix));
            if let Some(far) = &far
                && !hop.prefixes.iter().any(takes)
            {
                self.refuse_family(&hop, &link, far);
                continue;
            }
            let written = Via::Link(hop.via.clone());
            if let Some(node) = self.lab.nodes.get_mut(&node) {
                node.routes.retain_mut(|route| {
                    if route.via != written || !hop.prefixes.contains(&route.prefix) {
                        return true;
                    }
                    route.via = Via::Link(link.clone());
                    takes(&route.prefix)
                });
            }
        }
    }

    /// The addresses that the far end of `link` will have, as the plan gives them.
    fn far_end(&self, node: &NodeName, link: &LinkName) -> Option<FarEnd> {
        let (ends, addresses) = match self.lab.lags.get(link) {
            Some(lag) => (&lag.ends, &lag.addresses),
            None => {
                let link = self.lab.links.get(link)?;
                (&link.ends, &link.addresses)
            }
        };
        let (end, own) = ends.iter().zip(addresses).find(|(end, _)| *end != node)?;
        let mut found: Vec<IpNet> = own.clone();
        let given = addresses.iter().any(|end| !end.is_empty());
        let mut derived = !given && !matches!(self.kind(end), Some(Kind::Switch));
        let vifs =
            self.lab.sessions.values().filter(
                |session| matches!(&session.kind, SessionKind::Vif(vif) if vif.link == *link),
            );
        for (index, session) in vifs.enumerate() {
            let is_given = session.addresses.iter().any(|end| !end.is_empty());
            let side = session.ends.iter().position(|side| side == end);
            let own = side.and_then(|side| session.addresses.get(side));
            found.extend(own.into_iter().flatten());
            // With a VIF on it a link has no others of its own.
            derived = (derived && index > 0) || !is_given;
        }
        let any_v6 = self
            .lab
            .prefixes()
            .any(|prefix| matches!(prefix, IpNet::V6(_)));
        Some(FarEnd {
            node: end.clone(),
            v4: derived || found.iter().any(|net| matches!(net, IpNet::V4(_))),
            v6: (derived && any_v6) || found.iter().any(|net| matches!(net, IpNet::V6(_))),
            given,
        })
    }

    fn refuse_family(&mut self, hop: &NextHop, link: &LinkName, far: &FarEnd) {
        let FarEnd { node, given, .. } = far;
        if matches!(self.kind(node), Some(Kind::Switch)) {
            let message = format!("`{link}` leads to `{node}`, a switch, which has no address");
            let help = "write the address of the router behind the switch";
            self.f.error(hop.at, "no-route", message).help(help);
            return;
        }
        let family = match hop.prefixes.first() {
            Some(IpNet::V6(_)) => "IPv6",
            Some(IpNet::V4(_)) | None => "IPv4",
        };
        let prefixes: Vec<String> = hop.prefixes.iter().map(ToString::to_string).collect();
        let message = format!(
            "`{}` cannot go through `{link}`: `{node}` has no {family} address there",
            prefixes.join(", ")
        );
        let near = &hop.node;
        let help = if *given {
            format!("give both ends of `{link}` one, in its `addresses`")
        } else {
            format!(
                "links have IPv6 as soon as any host, cidr or announced prefix is IPv6; or give \
                 this one its own: `addresses: {{ {near}: \"2001:db8::1/64\", {node}: \"2001:db8::2/64\" }}`"
            )
        };
        self.f.error(hop.at, "family", message).help(help);
    }

    fn resolve_via(&mut self, at: At, node: &NodeName, via: &str) -> Option<LinkName> {
        let lag = self.lab.lags.get_key_value(via);
        let link = self.lab.links.get_key_value(via);
        let ways = lag.map(|(name, lag)| (name, &lag.ends));
        let mut ways = ways
            .into_iter()
            .chain(link.map(|(name, link)| (name, &link.ends)));
        if let Some((name, _)) = ways.find(|(_, ends)| ends.contains(node)) {
            let name = name.clone();
            return self.one_gateway(at, &name);
        }
        let Ok(neighbour) = NodeName::new(via) else {
            return None;
        };
        // The tables of AWS's have rules of their own.
        let is_aws = matches!(self.kind(node), Some(Kind::Vpc { .. } | Kind::Tgw { .. }));
        if neighbour == *node && !is_aws {
            self.f
                .error(
                    at,
                    "no-route",
                    format!("`{node}` cannot be its own next hop"),
                )
                .help(NEXT_HOPS);
            return None;
        }
        let links = self.links_between(node, &neighbour);
        match links.as_slice() {
            [only] => self.one_gateway(at, only),
            [] => {
                let is_broken =
                    self.is_known(Section::Links, via) && !self.lab.links.contains_key(via);
                if is_broken || is_aws {
                    return None;
                }
                self.f
                    .error(
                        at,
                        "no-route",
                        format!("`{node}` has no link and no neighbour `{via}`"),
                    )
                    .help(NEXT_HOPS);
                None
            }
            several => {
                let message = format!("`{node}` has several links to `{via}`: name one of them");
                let help = format!("there is {}", and_list(several));
                self.f.error(at, "ambiguous", message).help(help);
                None
            }
        }
    }

    /// A way whose far end is one gateway: not a LAG's member.
    fn one_gateway(&mut self, at: At, way: &LinkName) -> Option<LinkName> {
        self.way_ends(at, way)?;
        Some(way.clone())
    }
}
