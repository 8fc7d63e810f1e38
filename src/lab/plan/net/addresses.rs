//! Which address every declared interface has: the file's, or one derived from a name.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::{
    super::{
        KernelFeature, PlanError,
        address::{AddressBook, Pool, hash, nth_v4, nth_v6},
        facts::HostFacts,
    },
    attached, attachment_name, endpoints, lag_of, outer, tag,
};
use crate::{
    lab::model::{Kind, Lab, Link, Session, SessionKind, tunnel_name},
    units::{LinkName, NodeName, SessionName},
};

/// Addresses of both ends.
pub(in crate::lab::plan) type Pair = [Vec<IpNet>; 2];

/// All addresses, by what they belong to.
pub(super) struct Derived {
    /// Of links and LAGs.
    pub(super) links: BTreeMap<LinkName, Pair>,
    /// Inside addresses of VIFs and VPNs; those of untagged VIFs are on their
    /// circuits as well.
    pub(super) inside: BTreeMap<SessionName, Pair>,
    /// By VPC: its own end first, then the gateway's.
    pub(super) attachments: BTreeMap<NodeName, Pair>,
    /// Inside addresses of IPsec tunnels, by the tunnel's name.
    pub(super) tunnels: BTreeMap<String, Pair>,
    /// Outer addresses of IPsec endpoints, by the endpoint's name: its own, then its router's.
    pub(super) endpoints: BTreeMap<NodeName, Pair>,
    pub(super) has_ipv6: bool,
}

pub(super) fn derive(lab: &Lab, host: &HostFacts) -> Result<Derived, PlanError> {
    let named: Vec<IpNet> = lab.prefixes().collect();
    let has_ipv6 = named.iter().any(|prefix| matches!(prefix, IpNet::V6(_)));
    let book = Subnets::draw(lab, named, has_ipv6)?;
    let switches = segments(lab);
    let mut links = BTreeMap::new();
    for (name, link) in &lab.links {
        let keeps_none = lag_of(lab, name).is_some() || segment_of(&switches, link).is_some();
        let way = Way {
            name,
            ends: &link.ends,
            given: &link.addresses,
            pool: (!keeps_none).then(|| link_pool(lab, link)),
        };
        links.insert(name.clone(), book.way_pair(lab, host, &way)?);
    }
    for (name, lag) in &lab.lags {
        let way = Way {
            name,
            ends: &lag.ends,
            given: &lag.addresses,
            pool: Some(Pool::Private),
        };
        links.insert(name.clone(), book.way_pair(lab, host, &way)?);
    }
    number_segments(lab, &switches, &book, &mut links);
    let inside = lab
        .sessions
        .iter()
        .filter(|(_, session)| matches!(session.kind, SessionKind::Vif(_) | SessionKind::Vpn(_)))
        .filter(|(_, session)| session.ipsec().is_none())
        .map(|(name, session)| (name.clone(), book.session_pair(lab, name, session)))
        .collect();
    let attachments = attached(lab)
        .map(|(vpc, _, _)| {
            let pair = book.ends(Pool::Private, &attachment_name(vpc), [2, 1]);
            (vpc.clone(), pair)
        })
        .collect();
    let mut ends = BTreeMap::new();
    for endpoint in endpoints(lab) {
        let own = outer::of_customer(&endpoint);
        let name = endpoint.name?;
        let mut pair = match own.or_else(|| book.within(name.as_str())) {
            Some(block) => [2, 1].map(|number| vec![nth_v4(block, number)]),
            None => book.ends(Pool::Internet, &outer_name(&name), [2, 1]),
        };
        only_v4(&mut pair);
        ends.insert(name, pair);
    }
    Ok(Derived {
        links,
        inside,
        attachments,
        tunnels: book.tunnels(lab),
        endpoints: ends,
        has_ipv6,
    })
}

/// Switches that form one segment, each with the segment's name: that of its
/// alphabetically first switch.
fn segments(lab: &Lab) -> BTreeMap<NodeName, NodeName> {
    let mut segment: BTreeMap<NodeName, NodeName> = lab
        .nodes
        .iter()
        .filter(|(_, node)| node.kind == Kind::Switch)
        .map(|(name, _)| (name.clone(), name.clone()))
        .collect();
    loop {
        let mut changed = false;
        for link in lab.links.values() {
            let [a, b] = &link.ends;
            let (Some(left), Some(right)) = (segment.get(a).cloned(), segment.get(b).cloned())
            else {
                continue;
            };
            if left != right {
                let first = left.min(right);
                segment.insert(a.clone(), first.clone());
                segment.insert(b.clone(), first);
                changed = true;
            }
        }
        if !changed {
            return segment;
        }
    }
}

/// The segment a link belongs to, and which of its ends is not a switch.
fn segment_of<'a>(
    switches: &'a BTreeMap<NodeName, NodeName>,
    link: &Link,
) -> Option<(&'a NodeName, Option<usize>)> {
    match [&link.ends[0], &link.ends[1]].map(|end| switches.get(end)) {
        [None, None] => None,
        [Some(segment), None] => Some((segment, Some(1))),
        [None, Some(segment)] => Some((segment, Some(0))),
        [Some(segment), Some(_)] => Some((segment, None)),
    }
}

/// The VIFs on a circuit.
pub(super) fn vifs<'a>(
    lab: &'a Lab,
    circuit: &LinkName,
) -> impl Iterator<Item = (&'a SessionName, &'a Session)> {
    lab.sessions.iter().filter(
        move |(_, session)| matches!(&session.kind, SessionKind::Vif(vif) if vif.link == *circuit),
    )
}

/// A link or LAG whose ends want addresses.
struct Way<'a> {
    name: &'a LinkName,
    ends: &'a [NodeName; 2],
    /// The file's.
    given: &'a Pair,
    /// Where its own come from, unless it has none.
    pool: Option<Pool>,
}

/// Drawn subnets, by pool and name.
struct Subnets {
    v4: BTreeMap<Pool, BTreeMap<String, Ipv4Net>>,
    v6: BTreeMap<String, Ipv6Net>,
    /// Out of ranges of the file's: of AWS's ends of VPNs over Direct Connect.
    within: BTreeMap<String, Ipv4Net>,
}

impl Subnets {
    /// Draws for every name, also for those whose addresses the file gives: an
    /// override then changes nobody else's.
    fn draw(lab: &Lab, named: Vec<IpNet>, has_ipv6: bool) -> Result<Self, PlanError> {
        let mut wanted: BTreeMap<Pool, BTreeSet<String>> = BTreeMap::new();
        for (name, link) in &lab.links {
            let pool = link_pool(lab, link);
            wanted.entry(pool).or_default().insert(name.to_string());
        }
        for name in lab.lags.keys() {
            let lags = wanted.entry(Pool::Private).or_default();
            lags.insert(name.to_string());
        }
        for (vpc, _, _) in attached(lab) {
            let attachments = wanted.entry(Pool::Private).or_default();
            attachments.insert(attachment_name(vpc));
        }
        for name in lab.sessions.keys() {
            let sessions = wanted.entry(Pool::Session).or_default();
            sessions.insert(name.to_string());
        }
        for endpoint in endpoints(lab) {
            let outer = wanted.entry(Pool::Internet).or_default();
            outer.insert(outer_name(&endpoint.name?));
            let inside = wanted.entry(Pool::Session).or_default();
            inside.insert(endpoint.tunnel);
        }
        for (name, node) in &lab.nodes {
            if node.kind == Kind::Switch {
                let switches = wanted.entry(Pool::Segment).or_default();
                switches.insert(name.to_string());
            }
        }
        let mut book = AddressBook::avoiding(named);
        let mut v4 = BTreeMap::new();
        for (&pool, names) in &wanted {
            v4.insert(pool, book.subnets_v4(pool, names.iter().cloned())?);
        }
        let names_v6 = wanted
            .iter()
            .flat_map(|(&pool, names)| names.iter().map(move |name| v6_key(pool, name)));
        let v6 = if has_ipv6 {
            book.subnets_v6(names_v6)?
        } else {
            BTreeMap::new()
        };
        let mut within = BTreeMap::new();
        for (name, range) in outer::of_aws(lab)? {
            let subnet = book.subnet_within(range, &name)?;
            within.insert(name, subnet);
        }
        Ok(Self { v4, v6, within })
    }

    fn within(&self, name: &str) -> Option<Ipv4Net> {
        self.within.get(name).copied()
    }

    /// The subnets of a name, IPv4 first.
    fn of(&self, pool: Pool, name: &str) -> (Option<Ipv4Net>, Option<Ipv6Net>) {
        let v4 = self.v4.get(&pool).and_then(|pool| pool.get(name));
        (v4.copied(), self.v6.get(&v6_key(pool, name)).copied())
    }

    /// Two ends in the name's subnets, with these host numbers.
    fn ends(&self, pool: Pool, name: &str, numbers: [u32; 2]) -> Pair {
        let (v4, v6) = self.of(pool, name);
        numbers.map(|number| {
            let v4 = v4.map(|subnet| nth_v4(subnet, number));
            let v6 = v6.map(|subnet| nth_v6(subnet, number));
            v4.into_iter().chain(v6).collect()
        })
    }

    fn way_pair(&self, lab: &Lab, host: &HostFacts, way: &Way<'_>) -> Result<Pair, PlanError> {
        let mut pair = way.given.clone();
        let vifs: Vec<_> = vifs(lab, way.name).collect();
        let untagged: Vec<_> = vifs
            .iter()
            .filter(|(_, session)| tag(session, host).is_none())
            .collect();
        match (vifs.as_slice(), untagged.as_slice()) {
            ([], _) => {
                if let Some(pool) = way.pool.filter(|_| !is_given(&pair)) {
                    pair = self.ends(pool, way.name.as_str(), [1, 2]);
                    if let Some(block) = self.within(way.name.as_str()) {
                        for (addresses, number) in pair.iter_mut().zip([1, 2]) {
                            addresses.retain(|address| matches!(address, IpNet::V6(_)));
                            addresses.push(nth_v4(block, number));
                        }
                    }
                }
            }
            // Each is on an interface of its own.
            (_, []) => {}
            ([_], &[&(vif, session)]) => {
                let inside = self.session_pair(lab, vif, session);
                for (addresses, end) in pair.iter_mut().zip(way.ends) {
                    let side = session.ends.iter().position(|node| node == end);
                    let own = side.and_then(|side| inside.get(side));
                    addresses.extend(own.into_iter().flatten());
                }
            }
            (several, _) => {
                return Err(PlanError::Lacks {
                    what: format!("telling {} VIFs on `{}` apart", several.len(), way.name),
                    feature: KernelFeature::Vlan,
                });
            }
        }
        Ok(pair.map(|mut addresses| {
            addresses.sort_by_key(|address| matches!(address, IpNet::V6(_)));
            addresses
        }))
    }

    /// The file's inside networks or derived ones; AWS's end, the second, has the first address.
    fn tunnels(&self, lab: &Lab) -> BTreeMap<String, Pair> {
        let mut pairs = BTreeMap::new();
        for (name, session) in &lab.sessions {
            let tunnels = session.ipsec().map_or(&[][..], |ipsec| &ipsec.tunnels);
            for (number, tunnel) in (1..).zip(tunnels) {
                let name = tunnel_name(name.as_str(), number);
                let mut pair = match tunnel.inside {
                    Some(inside) => [2, 1].map(|n| vec![nth_v4(inside, n)]),
                    None => self.ends(Pool::Session, &name, [2, 1]),
                };
                only_v4(&mut pair);
                pairs.insert(name, pair);
            }
        }
        pairs
    }

    /// Inside addresses in the order of the session's ends: the second end, which
    /// is AWS's if either is, has the first address. A VGW's VPN carries no IPv6.
    fn session_pair(&self, lab: &Lab, name: &SessionName, session: &Session) -> Pair {
        if is_given(&session.addresses) {
            return session.addresses.clone();
        }
        let mut pair = self.ends(Pool::Session, name.as_str(), [2, 1]);
        let to_aws = session
            .ends
            .iter()
            .any(|end| lab.nodes.get(end).is_some_and(|node| node.kind.is_aws()));
        if matches!(session.kind, SessionKind::Vpn(_)) && to_aws {
            only_v4(&mut pair);
        }
        pair
    }
}

/// No link is called so: names hold no blank.
fn outer_name(endpoint: &NodeName) -> String {
    format!("outer {endpoint}")
}

fn only_v4(pair: &mut Pair) {
    for addresses in pair {
        addresses.retain(|address| matches!(address, IpNet::V4(_)));
    }
}

fn is_given(pair: &Pair) -> bool {
    pair.iter().any(|addresses| !addresses.is_empty())
}

fn v6_key(pool: Pool, name: &str) -> String {
    format!("{pool:?}/{name}")
}

fn link_pool(lab: &Lab, link: &Link) -> Pool {
    let is_internet = |end: &NodeName| {
        lab.nodes
            .get(end)
            .is_some_and(|node| node.kind == Kind::Internet)
    };
    if link.ends.iter().any(is_internet) {
        Pool::Internet
    } else {
        Pool::Private
    }
}

/// Gives every end at a segment an address: in the network that the file uses
/// there, if it uses one, else in the segment's own.
fn number_segments(
    lab: &Lab,
    switches: &BTreeMap<NodeName, NodeName>,
    book: &Subnets,
    links: &mut BTreeMap<LinkName, Pair>,
) {
    let names: BTreeSet<&NodeName> = switches.values().collect();
    for segment in names {
        let members: Vec<(&LinkName, usize)> = lab
            .links
            .iter()
            .filter_map(|(name, link)| match segment_of(switches, link) {
                Some((of, Some(end))) if of == segment => Some((name, end)),
                _ => None,
            })
            .collect();
        let given: Vec<IpNet> = members
            .iter()
            .filter_map(|(name, end)| links.get(*name)?.get(*end))
            .flatten()
            .copied()
            .collect();
        let (v4, v6) = book.of(Pool::Segment, segment.as_str());
        let v4 = given.iter().find_map(as_v4).or(v4);
        let v6 = given.iter().find_map(as_v6).or(v6);
        let mut used: BTreeSet<IpNet> = given.into_iter().collect();
        for (name, end) in members {
            let Some(addresses) = links.get_mut(name).and_then(|pair| pair.get_mut(end)) else {
                continue;
            };
            if addresses.is_empty() {
                let v4 = v4.and_then(|net| free(&used, name, |n| nth_v4(net, n)));
                let v6 = v6.and_then(|net| free(&used, name, |n| nth_v6(net, n)));
                addresses.extend(v4.into_iter().chain(v6));
                used.extend(addresses.iter().copied());
            }
        }
    }
}

/// A free host number of a segment, beginning where the link's name hashes to.
fn free(used: &BTreeSet<IpNet>, link: &LinkName, address: impl Fn(u32) -> IpNet) -> Option<IpNet> {
    // The network's own number 0 and, in a /24, the broadcast's 255 stay out.
    const NUMBERS: u32 = 254;
    let start = (hash("segment", link.as_str()) % u64::from(NUMBERS)) as u32;
    (0..NUMBERS)
        .map(|step| address(1 + (start + step) % NUMBERS))
        .find(|candidate| !used.contains(candidate) && candidate.addr() != candidate.broadcast())
}

fn as_v4(net: &IpNet) -> Option<Ipv4Net> {
    match net {
        IpNet::V4(net) => Some(net.trunc()),
        IpNet::V6(_) => None,
    }
}

fn as_v6(net: &IpNet) -> Option<Ipv6Net> {
    match net {
        IpNet::V6(net) => Some(net.trunc()),
        IpNet::V4(_) => None,
    }
}
