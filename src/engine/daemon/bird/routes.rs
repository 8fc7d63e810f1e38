//! BIRD's table in the one form, from `show route all`.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ipnet::IpNet;

use super::{super::RouteView, Line, Neighbor};
use crate::units::{Community, SessionName};

/// Reads `show route all`: routes of BGP and originations; `neighbors` and
/// `sessions` name where they came from, [`gateways`] which of them forward.
pub fn rib(
    lines: &[Line],
    gateways: &BTreeSet<(IpNet, IpAddr)>,
    neighbors: &[Neighbor],
    sessions: &BTreeMap<IpAddr, SessionName>,
) -> Vec<RouteView> {
    let mut routes = Vec::new();
    let mut prefix: Option<IpNet> = None;
    let mut open: Option<Path> = None;
    let named = |path: Path| path.view(gateways, neighbors, sessions);
    for Line { text, .. } in lines {
        if text.starts_with('\t') {
            if let Some(path) = &mut open {
                path.detail(text);
            }
        } else if !text.trim().is_empty() {
            routes.extend(open.take().and_then(named));
            prefix = prefix_of(text, prefix);
            open = prefix.and_then(|prefix| Path::begin(prefix, text));
        }
    }
    routes.extend(open.and_then(named));
    routes
}

/// Reads `show route export KERNEL`: through which gateways the kernel was told to
/// forward. BIRD merges equal paths only there.
pub fn gateways(lines: &[Line]) -> BTreeSet<(IpNet, IpAddr)> {
    let mut found = BTreeSet::new();
    let mut prefix: Option<IpNet> = None;
    for Line { text, .. } in lines {
        let mut words = text.split_whitespace();
        if !text.starts_with('\t') {
            prefix = prefix_of(text, prefix);
        } else if words.next() == Some("via")
            && let Some(gateway) = words.next().and_then(|word| word.parse().ok())
        {
            found.extend(prefix.map(|prefix| (prefix, gateway)));
        }
    }
    found
}

/// The prefix of a route's own line. Further paths to a prefix have blanks in its place.
fn prefix_of(line: &str, before: Option<IpNet>) -> Option<IpNet> {
    if line.starts_with(' ') {
        before
    } else {
        line.split_whitespace().next()?.parse().ok()
    }
}

/// A path while its lines are read.
struct Path {
    prefix: IpNet,
    protocol: String,
    kind: String,
    best: bool,
    reachable: bool,
    next_hop: Option<IpAddr>,
    as_path: String,
    local_pref: Option<u32>,
    med: Option<u32>,
    communities: Vec<String>,
}

impl Path {
    /// `172.31.0.0/16  unicast [prod 12:01:44.936] * (100) [AS65002i]`.
    fn begin(prefix: IpNet, line: &str) -> Option<Self> {
        let (before, rest) = line.split_once('[')?;
        let (origin, flags) = rest.split_once(']')?;
        Some(Self {
            prefix,
            protocol: origin.split_whitespace().next()?.to_owned(),
            kind: String::new(),
            best: flags.trim_start().starts_with('*'),
            reachable: before.split_whitespace().last() != Some("unreachable"),
            next_hop: None,
            as_path: String::new(),
            local_pref: None,
            med: None,
            communities: Vec::new(),
        })
    }

    /// `BGP.as_path: 64512 65001`, behind a tab.
    fn detail(&mut self, line: &str) {
        let Some((key, value)) = line.split_once(':') else {
            return;
        };
        let value = value.trim();
        match key.trim() {
            "Type" => {
                self.kind = value
                    .split_whitespace()
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            }
            // A link-local address may follow the global one.
            "BGP.next_hop" => {
                self.next_hop = value.split_whitespace().next().and_then(|w| w.parse().ok());
            }
            "BGP.as_path" => self.as_path = value.to_owned(),
            "BGP.local_pref" => self.local_pref = value.parse().ok(),
            "BGP.med" => self.med = value.parse().ok(),
            "BGP.community" => {
                self.communities = value.split_whitespace().map(community).collect();
            }
            _ => {}
        }
    }

    /// `None` for what is neither BGP's nor originated.
    fn view(
        self,
        gateways: &BTreeSet<(IpNet, IpAddr)>,
        neighbors: &[Neighbor],
        sessions: &BTreeMap<IpAddr, SessionName>,
    ) -> Option<RouteView> {
        let neighbor = neighbors.iter().find(|n| n.protocol == self.protocol);
        let (source, from) = match self.kind.as_str() {
            "BGP" => {
                let session = neighbor.and_then(|n| sessions.get(&n.view.remote));
                let from = session.map_or_else(|| self.protocol.clone(), ToString::to_string);
                let source = if neighbor.is_some_and(|n| n.internal) {
                    "ibgp"
                } else {
                    "ebgp"
                };
                (source, Some(from))
            }
            "static" => ("local", None),
            _ => return None,
        };
        let forwards = self
            .next_hop
            .is_some_and(|next_hop| gateways.contains(&(self.prefix, next_hop)));
        Some(RouteView {
            table: None,
            prefix: self.prefix,
            best: self.best,
            multipath: self.best || forwards,
            reachable: self.reachable,
            next_hop: self.next_hop.filter(|_| from.is_some()),
            as_path: self.as_path,
            local_pref: self.local_pref,
            med: self.med,
            communities: Some(self.communities),
            from,
            source: source.to_owned(),
        })
    }
}

/// `(65535,65281)` in the lab file's words.
fn community(text: &str) -> String {
    let halves = || {
        let (high, low) = text.strip_prefix('(')?.strip_suffix(')')?.split_once(',')?;
        let (high, low) = (high.parse::<u16>().ok()?, low.parse::<u16>().ok()?);
        Some(Community(u32::from(high) << 16 | u32::from(low)))
    };
    halves().map_or_else(|| text.to_owned(), |community| community.to_string())
}
