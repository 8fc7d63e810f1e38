//! Probes: between which hosts, how often, how large.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{
        At,
        keys::PROBE,
        raw::{Key, Tree},
        reader::{Fields, an},
    },
    Lower, Section,
};
use crate::{
    lab::model::{Endpoint, Isolated, Kind, LIBIPSEC_MTU, Probe, ServiceBy, SessionKind},
    units::{Bytes, Family, HostName, NodeName, PROBE_HEADER_LEN, ProbeName},
};

/// Names that a `wait` or an expectation needs for itself.
const TAKEN: [&str; 2] = ["within", "after"];
const DEFAULT_RATE: u32 = 1_000;
const MAX_RATE: u32 = 100_000;
const DEFAULT_SIZE: Bytes = Bytes::new(200);

/// What a probe's size is checked with.
#[derive(Clone, Copy)]
struct Wanted {
    size: Bytes,
    family: Family,
    dont_fragment: bool,
}

impl Lower<'_> {
    pub(super) fn probes(&mut self, fields: &Fields<'_>) {
        let Some((at, tree)) = fields.get("probes") else {
            return;
        };
        for (key, tree) in self.f.entries(tree, at, "probes") {
            if TAKEN.contains(&key.text.as_str()) {
                let message = format!(
                    "a probe cannot be called `{}`: `wait` and `expect` use the word",
                    key.text
                );
                self.f.error(key.at, "bad-name", message);
            }
            let name = self.f.name::<ProbeName>(key.at, &key.text);
            if let (Some(name), Some(probe)) = (name, self.read_probe(key, tree)) {
                self.lab.probes.insert(name, probe);
            }
        }
    }

    fn read_probe(&mut self, key: &Key, tree: &Tree) -> Option<Probe> {
        let fields = self.f.fields(tree, &PROBE, key.at)?;
        let ends = self.endpoints(&fields);
        let rate = match fields.has("rate") {
            true => self.packet_rate(&fields, "rate", MAX_RATE),
            false => Some(DEFAULT_RATE),
        };
        let size = fields
            .parse::<Bytes>(&mut self.f, "size")
            .unwrap_or(DEFAULT_SIZE);
        let asked = match fields.choice(&mut self.f, "family") {
            Some("ipv6") => Some(Family::Ipv6Unicast),
            Some(_) => Some(Family::Ipv4Unicast),
            None => None,
        };
        let ends = ends?;
        let family = self.common_family(&fields, &ends, asked)?;
        let dont_fragment = fields.flag(&mut self.f, "dont-fragment").unwrap_or(false);
        let wanted = Wanted {
            size,
            family,
            dont_fragment,
        };
        self.check_size(fields.at_value("size"), wanted, &ends);
        let isolated = self.isolated(&fields, &ends);
        Some(Probe {
            ends,
            family,
            rate: rate?,
            size,
            isolated,
            dont_fragment,
            line: key.at.line,
        })
    }

    fn isolated(&mut self, fields: &Fields<'_>, ends: &[Endpoint; 2]) -> Option<Isolated> {
        let both = fields.flag(&mut self.f, "isolated").unwrap_or(false);
        let to = fields.text(&mut self.f, "no-way-to");
        let at = fields.at_value("no-way-to");
        let Some(to) = to else {
            return both.then_some(Isolated::BothWays);
        };
        if both {
            self.f.error(
                at,
                "isolated",
                "`isolated: true` says it of both ways, `no-way-to` of one",
            );
        }
        match ends.each_ref().map(|end| end.to_string() == to) {
            [true, _] => Some(Isolated::Back),
            [_, true] => Some(Isolated::There),
            [false, false] => {
                let names = ends.each_ref().map(ToString::to_string);
                self.f
                    .error(
                        at,
                        "unknown-name",
                        format!("`{to}` is not an end of this probe"),
                    )
                    .one_of(to, names.iter().map(String::as_str));
                None
            }
        }
    }

    fn endpoints(&mut self, fields: &Fields<'_>) -> Option<[Endpoint; 2]> {
        let (at, tree) = fields.get("between")?;
        let items = self.f.items(at, tree, "between")?;
        let [a, b] = items else {
            let message = format!("`between` names two hosts, but this names {}", items.len());
            self.f.error(tree.at, "ends", message);
            return None;
        };
        let (first, second) = (self.endpoint(a), self.endpoint(b));
        let (first, second) = (first?, second?);
        if first == second {
            let message = format!("a probe from `{first}` to itself measures nothing");
            self.f.error(b.at, "ends", message);
            return None;
        }
        if let (Endpoint::Service(_), Endpoint::Service(_)) = (&first, &second) {
            let message = format!("`{first}` and `{second}` are both services");
            self.f
                .error(tree.at, "ends", message)
                .help("a probe has a client: a host, which no service is");
            return None;
        }
        let ends = [first, second];
        if !self.has_ways(tree.at, &ends) {
            return None;
        }
        Some(ends)
    }

    /// Whether links lead from each end to the other, and a client's to its server of DNS.
    fn has_ways(&mut self, at: At, ends: &[Endpoint; 2]) -> bool {
        if !self.links_complete() {
            return true;
        }
        let mut pairs = Vec::new();
        let [first, second] = ends.each_ref().map(|end| self.hosts_of(end));
        for a in &first {
            pairs.extend(second.iter().map(|b| (a.clone(), b.clone())));
        }
        for (client, service) in [(&first, &ends[1]), (&second, &ends[0])] {
            if let Endpoint::Service(name) = service
                && let Some(service) = self.lab.services.get(name)
                && let ServiceBy::Dns(dns) = &service.by
            {
                pairs.extend(client.iter().map(|c| (c.clone(), dns.server.clone())));
            }
        }
        let broken = pairs
            .into_iter()
            .find(|(a, b)| !self.connected(node_of(a), node_of(b)));
        if let Some((a, b)) = &broken {
            let message = format!("no links lead from `{a}` to `{b}`");
            self.f.error(at, "unreachable", message);
        }
        broken.is_none()
    }

    /// The hosts that an end stands for.
    pub(super) fn hosts_of(&self, end: &Endpoint) -> Vec<Endpoint> {
        match end {
            Endpoint::Node(_) | Endpoint::Behind { .. } => vec![end.clone()],
            Endpoint::Service(name) => {
                let service = self.lab.services.get(name);
                service.map_or_else(Vec::new, |service| service.endpoints.clone())
            }
        }
    }

    /// A host, or a service.
    fn endpoint(&mut self, item: &Tree) -> Option<Endpoint> {
        let text = self.f.text(item.at, item, "between")?;
        if let Some((name, _)) = self.lab.services.get_key_value(text) {
            return Some(Endpoint::Service(name.clone()));
        }
        // One that is declared and makes no sense has been reported.
        if self.is_known(Section::Services, text) {
            return None;
        }
        self.host(item, "between")
    }

    /// A host: a node of that kind, or one behind a node.
    pub(super) fn host(&mut self, item: &Tree, what: &str) -> Option<Endpoint> {
        let text = self.f.text(item.at, item, what)?;
        if let Some((name, node)) = self.lab.nodes.get_key_value(text) {
            if node.kind == Kind::Host {
                return Some(Endpoint::Node(name.clone()));
            }
            let hosts: Vec<String> = node
                .hosts
                .keys()
                .map(|host| format!("{name}.{host}"))
                .collect();
            let message = if what == "between" {
                format!(
                    "a probe runs between hosts, and `{text}` is {}",
                    an(node.kind.word())
                )
            } else {
                format!(
                    "`{what}` is a host, and `{text}` is {}",
                    an(node.kind.word())
                )
            };
            let found = self.f.error(item.at, "wrong-kind", message);
            if hosts.is_empty() {
                found.help("give it `hosts`");
            } else {
                found.help(format!(
                    "there is {}",
                    super::super::reader::and_list(&hosts)
                ));
            }
            return None;
        }
        // A node's name may itself hold dots; the host is what follows a known node.
        for (dot, _) in text.match_indices('.') {
            let (node, host) = (&text[..dot], &text[dot + 1..]);
            if let Some((name, spec)) = self.lab.nodes.get_key_value(node)
                && let Some(host) = HostName::new(host)
                    .ok()
                    .filter(|host| spec.hosts.contains_key(host))
            {
                return Some(Endpoint::Behind {
                    node: name.clone(),
                    host,
                });
            }
        }
        let broken = text
            .match_indices('.')
            .map(|(dot, _)| &text[..dot])
            .chain([text])
            .any(|node| self.is_known(Section::Nodes, node) && !self.lab.nodes.contains_key(node));
        if !broken {
            let mut hosts: Vec<String> = Vec::new();
            for (name, node) in &self.lab.nodes {
                if node.kind == Kind::Host {
                    hosts.push(name.to_string());
                }
                hosts.extend(node.hosts.keys().map(|host| format!("{name}.{host}")));
            }
            if what == "between" {
                hosts.extend(self.lab.services.keys().map(ToString::to_string));
            }
            self.f
                .error(
                    item.at,
                    "unknown-name",
                    format!("there is no host `{text}`"),
                )
                .one_of(text, hosts.iter().map(String::as_str));
        }
        None
    }

    /// Packets a second, 1 to `most`.
    pub(super) fn packet_rate(&mut self, fields: &Fields<'_>, key: &str, most: u32) -> Option<u32> {
        let text = fields.text(&mut self.f, key)?;
        let at = fields.at_value(key);
        let number = text
            .strip_suffix("/s")
            .map(str::trim)
            .filter(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
        let Some(number) = number else {
            self.f
                .error(
                    at,
                    "bad-value",
                    format!("`{key}` is packets a second, but this is `{text}`"),
                )
                .help("write it like `1000/s`");
            return None;
        };
        match number.parse::<u32>() {
            Ok(rate) if (1..=most).contains(&rate) => Some(rate),
            _ => {
                let message = format!("`{key}` is {text}, but may be 1/s to {most}/s");
                self.f.error(at, "out-of-range", message);
                None
            }
        }
    }

    /// IPv4 where both have it, unless the file asks for the other.
    pub(super) fn common_family(
        &mut self,
        fields: &Fields<'_>,
        ends: &[Endpoint; 2],
        asked: Option<Family>,
    ) -> Option<Family> {
        let families = ends.each_ref().map(|end| self.families(end));
        let both = |family| families.iter().all(|set| set.contains(&family));
        let family = match asked {
            Some(family) if both(family) => Some(family),
            Some(_) => None,
            None => [Family::Ipv4Unicast, Family::Ipv6Unicast]
                .into_iter()
                .find(|&family| both(family)),
        };
        // A host whose addresses are all malformed has been reported.
        if family.is_none() && families.iter().all(|set| !set.is_empty()) {
            let which = match asked {
                Some(Family::Ipv4Unicast) => "both IPv4",
                Some(Family::Ipv6Unicast) => "both IPv6",
                None => "a family in common",
            };
            let at = fields.at_value(if asked.is_some() { "family" } else { "between" });
            let message = format!("`{}` and `{}` do not have {which}", ends[0], ends[1]);
            self.f.error(at, "family", message);
        }
        family
    }

    pub(super) fn families(&self, end: &Endpoint) -> BTreeSet<Family> {
        match end {
            // All endpoints of a service must have it.
            Endpoint::Service(name) => {
                let service = self.lab.services.get(name);
                let endpoints = service.map_or(&[][..], |service| &service.endpoints);
                let each = endpoints.iter().map(|endpoint| self.families(endpoint));
                each.reduce(|a, b| a.intersection(&b).copied().collect())
                    .unwrap_or_default()
            }
            // Links carry both families; explicit addresses may leave one out.
            Endpoint::Node(node) => self
                .lab
                .links
                .values()
                .filter_map(|link| {
                    let slot = link.ends.iter().position(|end| end == node)?;
                    link.addresses.get(slot)
                })
                .flat_map(|list| {
                    if list.is_empty() {
                        vec![Family::Ipv4Unicast, Family::Ipv6Unicast]
                    } else {
                        list.iter()
                            .map(|net| family(net.addr().is_ipv6()))
                            .collect()
                    }
                })
                .collect(),
            Endpoint::Behind { node, host } => self
                .lab
                .nodes
                .get(node)
                .and_then(|node| node.hosts.get(host))
                .into_iter()
                .flat_map(|host| &host.addresses)
                .map(|net| family(net.addr().is_ipv6()))
                .collect(),
        }
    }

    fn check_size(&mut self, at: At, wanted: Wanted, ends: &[Endpoint; 2]) {
        let Wanted {
            size,
            family,
            dont_fragment,
        } = wanted;
        let headers = match family {
            Family::Ipv4Unicast => 20 + 8,
            Family::Ipv6Unicast => 40 + 8,
        };
        let least = headers + PROBE_HEADER_LEN as u64;
        if size.get() < least {
            self.f
                .error(
                    at,
                    "out-of-range",
                    format!("a probe has at least {least}B, but `size` is {size}"),
                )
                .help(format!(
                    "IP and UDP headers take {headers} bytes, the probe's own {PROBE_HEADER_LEN}"
                ));
            return;
        }
        if dont_fragment {
            self.check_widest(at, size);
            return;
        }
        let [first, second] = ends.each_ref().map(|end| self.hosts_of(end));
        let pairs = first
            .iter()
            .flat_map(|a| second.iter().map(move |b| (node_of(a), node_of(b))));
        let narrowest = pairs.map(|(a, b)| self.narrowest(a, b));
        let Some((mtu, what)) = narrowest.min_by_key(|(mtu, _)| *mtu) else {
            return;
        };
        if size.get() > mtu {
            self.f
                .error(
                    at,
                    "mtu",
                    format!("probes of {size} do not fit through {what}, whose MTU is {mtu}B"),
                )
                .help("a probe is measured on every path it may take, so it fits them all; with `dont-fragment: true` it may be too large for some");
        }
    }

    /// A packet that must not be fragmented is lost where it does not fit, but fits somewhere.
    fn check_widest(&mut self, at: At, size: Bytes) {
        let widest = self.lab.links.iter().max_by_key(|(_, link)| link.mtu);
        let Some((name, link)) = widest.filter(|(_, link)| link.mtu < size) else {
            return;
        };
        let message = format!(
            "probes of {size} fit through no link: the widest, `{name}`, has an MTU of {}",
            link.mtu
        );
        self.f.error(at, "mtu", message);
    }

    /// The smallest MTU among links and tunnels that may be on a path between the two.
    pub(super) fn narrowest(&self, a: &NodeName, b: &NodeName) -> (u64, String) {
        let mut least = (u64::MAX, String::new());
        let mut note = |mtu: u64, what: String| {
            if mtu < least.0 {
                least = (mtu, what);
            }
        };
        let useful = self.between(a, b);
        for (name, link) in &self.lab.links {
            if link.ends.iter().all(|end| useful.contains(end)) {
                note(link.mtu.get(), format!("the link `{name}`"));
            }
        }
        for (name, session) in &self.lab.sessions {
            if let SessionKind::Vif(vif) = &session.kind
                && session.ends.iter().all(|end| useful.contains(end))
            {
                note(vif.mtu.get(), format!("the VIF `{name}`"));
            }
            if let SessionKind::Vpn(vpn) = &session.kind
                && session.ends.iter().all(|end| useful.contains(end))
            {
                let outer = vpn
                    .underlay
                    .iter()
                    .filter_map(|link| self.link(link))
                    .map(|link| link.mtu)
                    .min();
                if let Some(outer) = outer {
                    // Which backend an IPsec tunnel gets is the host's: the smaller counts.
                    let inner = session.ipsec().map_or_else(
                        || session.inner_mtu(&self.lab.nodes, outer).get(),
                        |ipsec| {
                            let whole = ipsec.esp.sizes.inner_mtu(outer.get(), true);
                            whole.min(LIBIPSEC_MTU)
                        },
                    );
                    note(inner, format!("the tunnel of `{name}`"));
                }
            }
        }
        least
    }

    fn neighbours(&self) -> BTreeMap<&NodeName, BTreeSet<&NodeName>> {
        let mut map: BTreeMap<&NodeName, BTreeSet<&NodeName>> = BTreeMap::new();
        let mut join = |a, b| {
            map.entry(a).or_default().insert(b);
            map.entry(b).or_default().insert(a);
        };
        for link in self.lab.links.values() {
            join(&link.ends[0], &link.ends[1]);
        }
        for (name, node) in &self.lab.nodes {
            if let Kind::Vpc { attach, .. } = &node.kind {
                join(name, attach);
            }
        }
        map
    }

    pub(super) fn connected(&self, a: &NodeName, b: &NodeName) -> bool {
        let neighbours = self.neighbours();
        let mut seen = BTreeSet::from([a]);
        let mut next = vec![a];
        while let Some(node) = next.pop() {
            for other in neighbours.get(node).into_iter().flatten().copied() {
                if seen.insert(other) {
                    next.push(other);
                }
            }
        }
        seen.contains(b)
    }

    /// Nodes that may be on a path between the two: dead ends are stripped.
    pub(super) fn between(&self, a: &NodeName, b: &NodeName) -> BTreeSet<NodeName> {
        let mut neighbours = self.neighbours();
        loop {
            let dead: Vec<&NodeName> = neighbours
                .iter()
                .filter(|(node, others)| others.len() <= 1 && **node != a && **node != b)
                .map(|(node, _)| *node)
                .collect();
            if dead.is_empty() {
                break;
            }
            for node in dead {
                neighbours.remove(node);
                for others in neighbours.values_mut() {
                    others.remove(node);
                }
            }
        }
        neighbours.into_keys().chain([a, b]).cloned().collect()
    }
}

fn family(v6: bool) -> Family {
    if v6 {
        Family::Ipv6Unicast
    } else {
        Family::Ipv4Unicast
    }
}

/// The node that an end is or stands behind; of a service its own name, where no node is.
pub(super) fn node_of(end: &Endpoint) -> &NodeName {
    match end {
        Endpoint::Node(node) | Endpoint::Behind { node, .. } | Endpoint::Service(node) => node,
    }
}
