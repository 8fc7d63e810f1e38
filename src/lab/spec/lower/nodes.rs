//! Nodes and the hosts behind them.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;

use super::{
    super::{
        At,
        keys::{ANNOUNCEMENT, KINDS, NODE},
        raw::{Key, Tree, Value},
        reader::{Fields, Findings, an, and_list},
    },
    Lower, Section,
    next_hops::NextHop,
    unusable::is_unrouted,
};
use crate::{
    lab::model::{Announce, Host, Kind, Node, StaticRoute, Tags, Via, aws},
    units::{Asn, HostName, LinkName, NodeName},
};

/// Kinds of AWS that a later version will have.
const LATER: [&str; 2] = ["cgw", "igw"];

/// Which keys a kind may have, beside `kind` and the tags.
fn allowed(kind: &str) -> &'static [&'static str] {
    match kind {
        "router" | "data-center" => &[
            "asn",
            "daemon",
            "config",
            "firewall",
            "router-id",
            "multipath",
            "vrfs",
            "originate",
            "hosts",
            "routes",
        ],
        "host" => &["routes"],
        "internet" => &["hosts", "routes"],
        "dx-location" => &["region"],
        "vgw" => &["asn", "region"],
        "dxgw" => &["asn", "associate"],
        "tgw" => &[
            "asn",
            "vpn-ecmp",
            "routes",
            "route-tables",
            "region",
            "cidr",
        ],
        "aws-public" => &["prefixes", "scope", "hosts"],
        "vpc" => &["attach", "cidr", "propagate", "subnets", "hosts", "routes"],
        _ => &[],
    }
}

impl Lower<'_> {
    pub(super) fn nodes(&mut self, fields: &Fields<'_>) {
        let Some((at, tree)) = fields.get("nodes") else {
            return;
        };
        let entries = self.f.entries(tree, at, "nodes");
        if entries.is_empty() && !self.f.failed {
            self.f.error(at, "empty", "a lab needs at least one node");
        }
        for (key, tree) in entries {
            let name = self.f.name::<NodeName>(key.at, &key.text);
            if let (Some(name), Some(node)) = (name, self.node(key, tree)) {
                self.lab.nodes.insert(name, node);
            }
        }
        self.check_host_names();
        self.check_attachments();
    }

    fn node(&mut self, key: &Key, tree: &Tree) -> Option<Node> {
        let fields = self.f.fields(tree, &NODE, key.at)?;
        let word = self.kind_word(&fields)?;
        self.refuse_foreign_keys(&fields, word);
        let kind = match word {
            "vpc" => {
                let (attach, cidrs) = self.vpc(&fields);
                Kind::Vpc {
                    subnets: self.subnets(&key.text, &fields, &cidrs),
                    attach: attach?,
                    propagate: fields.flag(&mut self.f, "propagate").unwrap_or(true),
                    cidrs,
                }
            }
            "host" => Kind::Host,
            "router" => Kind::Router,
            "switch" => Kind::Switch,
            "data-center" => Kind::DataCenter,
            "internet" => Kind::Internet,
            "dx-location" => Kind::DxLocation,
            "dxgw" => Kind::Dxgw {
                associations: self.associations(&fields),
            },
            "tgw" => Kind::Tgw {
                vpn_ecmp: fields.flag(&mut self.f, "vpn-ecmp").unwrap_or(true),
                // What they name is known once sessions are.
                tables: BTreeMap::new(),
                cidr: self.tgw_cidr(&fields),
            },
            "aws-public" => self.aws_public(&fields),
            _ => Kind::Vgw,
        };
        if kind.is_tgw() && fields.has("cidr") {
            self.declare(Section::Cidrs, key.text.clone(), fields.at_key("cidr"));
        }
        if kind.is_tgw() {
            self.read_route_tables(&key.text, &fields);
        }
        let asn = self.asn(&fields, &kind);
        let daemon = self.daemon(&fields, &kind, asn)?;
        let multipath = fields.number(&mut self.f, "multipath").unwrap_or(1);
        let node = Node {
            asn,
            daemon,
            router_id: self.router_id(&fields),
            // Its members are known once links are.
            vrfs: BTreeMap::new(),
            multipath,
            originate: announcements(&mut self.f, &fields, "originate"),
            hosts: self.hosts(&key.text, &fields, &kind),
            routes: self.routes(&key.text, &fields),
            tags: tags(&mut self.f, &fields),
            region: self.region(&fields),
            firewall: self.firewall(&fields),
            line: key.at.line,
            kind,
        };
        // A node whose ASN is malformed is unusable, not a node without one.
        (node.asn.is_some() || !fields.has("asn")).then_some(node)
    }

    fn kind_word(&mut self, fields: &Fields<'_>) -> Option<&'static str> {
        if let Some((_, tree)) = fields.get("kind")
            && let Value::Text(text) = &tree.value
            && LATER.contains(&text.as_str())
        {
            self.f
                .error(
                    tree.at,
                    "later",
                    format!("`kind: {text}` is not in this version"),
                )
                .help(format!("there is {}", and_list(&KINDS)));
            return None;
        }
        fields.choice(&mut self.f, "kind")
    }

    fn refuse_foreign_keys(&mut self, fields: &Fields<'_>, kind: &'static str) {
        let common = ["kind", "provider", "location", "site"];
        let allowed = allowed(kind);
        for key in fields.keys() {
            if common.contains(&key) || allowed.contains(&key) {
                continue;
            }
            let found = self.f.error(
                fields.at_key(key),
                "foreign-key",
                format!("a node of kind `{kind}` has no `{key}`"),
            );
            match (kind, key) {
                ("aws-public", "asn") => {
                    found.help("Amazon's end of a public VIF is AS 7224");
                }
                ("dx-location", "asn") => {
                    found.help("a dx-location speaks with the ASN of its VIF's gateway");
                }
                (
                    "dx-location" | "vgw" | "dxgw" | "tgw" | "aws-public" | "vpc",
                    "daemon" | "multipath" | "router-id",
                ) => {
                    found.help("AWS's side is as AWS has it");
                }
                ("vgw" | "dxgw" | "tgw" | "dx-location", "hosts") => {
                    found.help("hosts in AWS are behind a `vpc`")
                }
                ("vgw" | "dxgw" | "tgw", "prefixes") => {
                    found.help("allowed prefixes are in a dxgw's `associate`, by gateway: `{ vgw: [172.31.0.0/16] }`");
                }
                ("dxgw", "region") => {
                    found.help("a Direct Connect gateway is in no Region, and serves all");
                }
                ("vpc", "region") => {
                    found.help("a vpc is where the vgw or tgw is that it is attached to");
                }
                ("switch" | "host", "hosts") => {
                    found.help("declare a node of kind `host` and link it");
                }
                _ => {}
            }
        }
    }

    fn vpc(&mut self, fields: &Fields<'_>) -> (Option<NodeName>, Vec<IpNet>) {
        let attach = match fields.text(&mut self.f, "attach") {
            Some(text) => self.node_named(fields.at_value("attach"), text),
            None => {
                if !fields.has("attach") {
                    self.f
                        .error(fields.at, "missing-key", "a vpc needs `attach`")
                        .help("name the `vgw` or `tgw` it is attached to");
                }
                None
            }
        };
        let mut cidrs = Vec::new();
        match fields.get("cidr") {
            None => {
                self.f
                    .error(fields.at, "missing-key", "a vpc needs `cidr`")
                    .help("its address ranges, `172.31.0.0/16`");
            }
            Some((at, tree)) => {
                for item in Findings::one_or_list(tree) {
                    if let Some(cidr) = self.f.routed_prefix(at, item, "cidr") {
                        self.check_cidr(item.at, cidr, &cidrs);
                        cidrs.push(cidr);
                    }
                }
                if !cidrs.is_empty() && !cidrs.iter().any(|cidr| matches!(cidr, IpNet::V4(_))) {
                    self.f
                        .error(at, "aws-cidr", "a vpc always has an IPv4 `cidr`");
                }
            }
        }
        (attach, cidrs)
    }

    fn check_cidr(&mut self, at: At, cidr: IpNet, others: &[IpNet]) {
        let length = cidr.prefix_len();
        match cidr {
            IpNet::V4(_) if !(16..=28).contains(&length) => {
                let message =
                    format!("a vpc's IPv4 range is a /16 to a /28, but this is a /{length}");
                self.f
                    .error(at, "aws-cidr", message)
                    .help("VPC User Guide, \"VPC CIDR blocks\"");
            }
            IpNet::V6(_) if !(44..=60).contains(&length) || !length.is_multiple_of(4) => {
                let message = format!(
                    "a vpc's IPv6 range is a /44 to a /60 in steps of four, but this is a /{length}"
                );
                self.f
                    .error(at, "aws-cidr", message)
                    .help("Amazon gives a /56 (VPC User Guide, \"VPC CIDR blocks\")");
            }
            IpNet::V4(_) | IpNet::V6(_) => {}
        }
        if let Some(other) = others.iter().find(|other| overlaps(other, &cidr)) {
            self.f.error(
                at,
                "overlap",
                format!("`{cidr}` overlaps `{other}` of the same vpc"),
            );
        }
    }

    fn asn(&mut self, fields: &Fields<'_>, kind: &Kind) -> Option<Asn> {
        if matches!(kind, Kind::AwsPublic { .. }) {
            return Asn::new(aws::PUBLIC_ASN);
        }
        if !fields.has("asn") {
            return is_gateway(kind)
                .then(|| Asn::new(aws::DEFAULT_ASN))
                .flatten();
        }
        let number = fields.number(&mut self.f, "asn")?;
        let at = fields.at_value("asn");
        if matches!(number, 23_456 | 65_535) {
            let rfc = if number == 65_535 {
                "RFC 7300"
            } else {
                "RFC 6793"
            };
            self.f.error(
                at,
                "reserved-asn",
                format!("ASN {number} is reserved ({rfc})"),
            );
            return None;
        }
        if is_gateway(kind)
            && !aws::GATEWAY_ASNS
                .iter()
                .any(|range| range.contains(&number))
        {
            self.f
                .error(
                    at,
                    "aws-asn",
                    format!("an Amazon gateway's ASN is private, which {number} is not"),
                )
                .help(format!(
                    "64512 to 65534 or 4200000000 to 4294967294 ({})",
                    match (kind.is_tgw(), kind.has_aws_vpn()) {
                        (true, _) => "EC2 API Reference, \"TransitGatewayRequestOptions\"",
                        (false, true) => "EC2 API Reference, \"CreateVpnGateway\"",
                        (false, false) =>
                            "Direct Connect API Reference, \"CreateDirectConnectGateway\"",
                    }
                ));
        }
        Asn::new(number)
    }

    fn router_id(&mut self, fields: &Fields<'_>) -> Option<Ipv4Addr> {
        let text = fields.text(&mut self.f, "router-id")?;
        let id = text
            .parse::<Ipv4Addr>()
            .ok()
            .filter(|id| !id.is_unspecified());
        if id.is_none() {
            self.f.error(
                fields.at_value("router-id"),
                "bad-value",
                format!("`router-id` is written like an IPv4 address and is not 0.0.0.0, but this is `{text}`"),
            );
        }
        id
    }

    fn hosts(&mut self, node: &str, fields: &Fields<'_>, kind: &Kind) -> BTreeMap<HostName, Host> {
        let mut hosts = BTreeMap::new();
        let Some((at, tree)) = fields.get("hosts") else {
            return hosts;
        };
        for (key, tree) in self.f.entries(tree, at, "hosts") {
            let name = self.f.name::<HostName>(key.at, &key.text);
            let addresses = self.host_addresses(key, tree, kind);
            if let Some(name) = name {
                self.declare(Section::Hosts, format!("{node}.{name}"), key.at);
                let line = key.at.line;
                hosts.insert(name, Host { addresses, line });
            }
        }
        hosts
    }

    fn host_addresses(&mut self, key: &Key, tree: &Tree, kind: &Kind) -> Vec<IpNet> {
        let mut addresses: Vec<IpNet> = Vec::new();
        for item in Findings::one_or_list(tree) {
            let Some(net) = self.f.address(key.at, item, &key.text) else {
                continue;
            };
            if addresses
                .iter()
                .any(|other| other.addr().is_ipv4() == net.addr().is_ipv4())
            {
                self.f.error(
                    item.at,
                    "family",
                    "a host has at most one address of each family",
                );
                continue;
            }
            self.check_host_address(item.at, net, kind);
            addresses.push(net);
        }
        if addresses.is_empty() && matches!(&tree.value, Value::List(items) if items.is_empty()) {
            self.f.error(
                tree.at,
                "empty",
                format!("host `{}` needs an address", key.text),
            );
        }
        addresses.sort_by_key(|net| net.addr().is_ipv6());
        addresses
    }

    fn check_host_address(&mut self, at: At, net: IpNet, kind: &Kind) {
        if self.f.refuse_special(at, net.addr()) {
            return;
        }
        if matches!(net, IpNet::V4(v4) if v4.addr().is_link_local()) {
            let message = format!(
                "`{}` is link-local (RFC 3927), and a host is reached through routers",
                net.addr()
            );
            self.f.error(at, "unusable-address", message);
            return;
        }
        let length = net.prefix_len();
        let longest = net.max_prefix_len() - 2;
        if length > longest || length < 8 {
            let message =
                format!("a host's network is a /8 to a /{longest}, but this is a /{length}");
            self.f
                .error(at, "bad-prefix", message)
                .help("its first address is the gateway");
            return;
        }
        let index = offset(&net);
        let special = if index == 0 {
            Some("the network's own")
        } else if index == 1 {
            Some("the gateway's")
        } else if net.addr() == net.broadcast() && net.addr().is_ipv4() {
            Some("the broadcast address")
        } else {
            None
        };
        if let Some(special) = special {
            let message = format!(
                "`{}` is {special}; take another address of `{}`",
                net.addr(),
                net.trunc()
            );
            self.f.error(at, "host-address", message);
            return;
        }
        if let Kind::AwsPublic { prefixes, .. } = kind
            && !prefixes.iter().any(|prefix| prefix.contains(&net))
        {
            let message = format!("`{}` is in none of the node's `prefixes`", net.trunc());
            self.f.error(at, "aws-public", message);
        }
        if let Kind::Vpc { cidrs, subnets, .. } = kind {
            if !cidrs.is_empty() && !cidrs.iter().any(|cidr| cidr.contains(&net)) {
                let message = format!(
                    "the subnet `{}` is not inside the vpc's `cidr`",
                    net.trunc()
                );
                self.f.error(at, "aws-cidr", message);
            } else if index < 4 {
                let message = format!(
                    "`{}` is one of the four addresses AWS keeps at a subnet's beginning",
                    net.addr()
                );
                self.f
                    .error(at, "host-address", message)
                    .help("VPC User Guide, \"Subnet CIDR blocks\"");
            } else {
                self.check_in_subnet(at, net, subnets);
            }
        }
    }

    /// `node.host` becomes a namespace's name, so it must fit one and be nobody else's.
    fn check_host_names(&mut self) {
        let mut clashes = Vec::new();
        for (node, spec) in &self.lab.nodes {
            for host in spec.hosts.keys() {
                let full = format!("{node}.{host}");
                if let Err(error) = NodeName::new(full.clone()) {
                    clashes.push((full, error.to_string()));
                } else if self.lab.nodes.contains_key(full.as_str()) {
                    let message = format!("`{full}` is both a host behind `{node}` and a node");
                    clashes.push((full, message));
                }
            }
        }
        for (full, message) in clashes {
            let at = self.at(Section::Hosts, &full);
            self.f.error(at, "bad-name", message);
        }
    }

    /// Every vpc hangs on a vgw of its own, or on a tgw.
    fn check_attachments(&mut self) {
        let mut taken: BTreeMap<NodeName, NodeName> = BTreeMap::new();
        let vpcs: Vec<(NodeName, NodeName, bool)> = self
            .lab
            .nodes
            .iter()
            .filter_map(|(name, node)| {
                let Kind::Vpc {
                    attach, propagate, ..
                } = &node.kind
                else {
                    return None;
                };
                Some((name.clone(), attach.clone(), *propagate))
            })
            .collect();
        for (vpc, attach, propagate) in vpcs {
            let at = self.at(Section::Nodes, vpc.as_str());
            match self.kind(&attach) {
                Some(Kind::Tgw { .. }) => continue,
                Some(Kind::Vgw) if !propagate => {
                    self.f
                        .error(
                            at,
                            "aws-propagate",
                            format!(
                                "`{vpc}` is attached to a vgw, which always knows its vpc's ranges"
                            ),
                        )
                        .help("`propagate` is for a vpc attached to a tgw");
                }
                None | Some(Kind::Vgw) => {}
                Some(kind) => {
                    let message = format!(
                        "`{vpc}` is attached to `{attach}`, which is no vgw or tgw but {}",
                        an(kind.word())
                    );
                    self.f.error(at, "wrong-kind", message);
                }
            }
            if let Some(other) = taken.insert(attach.clone(), vpc.clone()) {
                let message = format!(
                    "`{vpc}` and `{other}` are both attached to `{attach}`; a vgw has one vpc"
                );
                self.f
                    .error(at, "aws-attach", message)
                    .help("EC2 API Reference, \"AttachVpnGateway\"");
            }
        }
    }

    fn routes(&mut self, node: &str, fields: &Fields<'_>) -> Vec<StaticRoute> {
        let Some((at, tree)) = fields.get("routes") else {
            return Vec::new();
        };
        let mut routes: Vec<StaticRoute> = Vec::new();
        for (key, tree) in self.f.entries(tree, at, "routes") {
            let Some(via) = self.f.text(key.at, tree, "via").map(str::to_owned) else {
                continue;
            };
            let line = key.at.line;
            let prefixes = self.route_prefixes(key, &via);
            for prefix in prefixes.iter().copied() {
                self.declare(Section::Routes, format!("{node} {prefix}"), key.at);
                let via = match via.parse::<IpAddr>() {
                    Ok(address) if address.is_ipv4() == prefix.addr().is_ipv4() => {
                        self.f.refuse_special(tree.at, address);
                        Via::Address(address)
                    }
                    Ok(address) => {
                        self.f.error(
                            tree.at,
                            "family",
                            format!(
                                "`{prefix}` cannot go through `{address}`: not the same family"
                            ),
                        );
                        continue;
                    }
                    Err(_) if via == "blackhole" => Via::Blackhole,
                    // Whether this is a link or a neighbour is known once links are read.
                    Err(_) => match LinkName::new(via.clone()) {
                        Ok(name) => Via::Link(name),
                        Err(error) => {
                            self.f.error(tree.at, "bad-name", error.to_string());
                            continue;
                        }
                    },
                };
                routes.push(StaticRoute { prefix, via, line });
            }
            let is_link = via.parse::<IpAddr>().is_err() && via != "blackhole";
            if let Ok(via) = LinkName::new(via)
                && is_link
                && !prefixes.is_empty()
            {
                self.next_hops.push(NextHop {
                    node: node.to_owned(),
                    prefixes,
                    via,
                    at: tree.at,
                });
            }
        }
        routes
    }

    /// `default` is both families' default where the next hop does not say which; of a
    /// link or neighbour, those that it has remain.
    fn route_prefixes(&mut self, key: &Key, via: &str) -> Vec<IpNet> {
        let default = |v6: bool| {
            let any: IpAddr = if v6 {
                Ipv6Addr::UNSPECIFIED.into()
            } else {
                Ipv4Addr::UNSPECIFIED.into()
            };
            IpNet::new(any, 0).ok()
        };
        if key.text == "default" {
            return match via.parse::<IpAddr>() {
                Ok(address) => default(address.is_ipv6()).into_iter().collect(),
                Err(_) => default(false).into_iter().chain(default(true)).collect(),
            };
        }
        let tree = Tree {
            at: key.at,
            value: Value::Text(key.text.clone()),
        };
        self.f
            .routed_prefix(key.at, &tree, "routes")
            .into_iter()
            .collect()
    }
}

/// Whether it is one of Amazon's that has an ASN of its own.
fn is_gateway(kind: &Kind) -> bool {
    matches!(kind, Kind::Vgw | Kind::Dxgw { .. } | Kind::Tgw { .. })
}

/// Which address of its network this is, from 0; large for far ones.
fn offset(net: &IpNet) -> u128 {
    match (net.addr(), net.network()) {
        (IpAddr::V4(a), IpAddr::V4(n)) => u128::from(a.to_bits() - n.to_bits()),
        (IpAddr::V6(a), IpAddr::V6(n)) => a.to_bits() - n.to_bits(),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => 0,
    }
}

/// Whether one contains the other.
pub(super) fn overlaps(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

/// The free words of a node or link.
pub(super) fn tags(f: &mut Findings, fields: &Fields<'_>) -> Tags {
    Tags {
        provider: fields.text(f, "provider").map(str::to_owned),
        location: fields.text(f, "location").map(str::to_owned),
        site: fields.text(f, "site").map(str::to_owned),
    }
}

/// A list of prefixes, each perhaps with a condition.
pub(super) fn announcements(f: &mut Findings, fields: &Fields<'_>, key: &str) -> Vec<Announce> {
    let Some((at, tree)) = fields.get(key) else {
        return Vec::new();
    };
    let mut list: Vec<Announce> = Vec::new();
    for item in Findings::one_or_list(tree) {
        for announce in announcement(f, at, item, key) {
            if list.iter().any(|other| other.prefix == announce.prefix) {
                let message = format!("`{}` is here twice", announce.prefix);
                f.error(item.at, "duplicate", message);
                break;
            }
            list.push(announce);
        }
    }
    list
}

/// One item of a list of prefixes: mostly one prefix, with a `count` as many.
fn announcement(f: &mut Findings, at: At, item: &Tree, key: &str) -> Vec<Announce> {
    let plain = |prefix| Announce {
        prefix,
        while_known: None,
    };
    if !matches!(item.value, Value::Map(_)) {
        let prefix = f.routed_prefix(at, item, key);
        return prefix.map(plain).into_iter().collect();
    }
    let Some(fields) = f.fields(item, &ANNOUNCEMENT, item.at) else {
        return Vec::new();
    };
    let prefix = fields
        .get("prefix")
        .and_then(|(at, tree)| f.routed_prefix(at, tree, "prefix"));
    let while_known = fields
        .get("while-known")
        .and_then(|(at, tree)| f.prefix(at, tree, "while-known"));
    let count: Option<usize> = fields.number(f, "count");
    let Some(prefix) = prefix else {
        return Vec::new();
    };
    if let Some(inner) = while_known
        && !prefix.contains(&inner)
    {
        f.error(
            fields.at_value("while-known"),
            "family",
            format!("`{inner}` is not inside `{prefix}`"),
        );
    }
    let Some(count) = count else {
        return vec![Announce {
            prefix,
            while_known,
        }];
    };
    if fields.has("while-known") {
        let message = "`while-known` is a condition of one prefix, and `count` makes several";
        f.error(fields.at_key("count"), "foreign-key", message);
    }
    let many: Vec<Announce> = consecutive(prefix).take(count).map(plain).collect();
    let last = many.last().map_or(prefix, |last| last.prefix);
    if many.len() < count || many.iter().any(|one| is_unrouted(&one.prefix)) {
        let message =
            format!("{count} networks from `{prefix}` on run into addresses that nobody routes");
        f.error(fields.at_value("count"), "out-of-range", message)
            .help(format!(
                "the last would be `{last}`; begin lower or take fewer"
            ));
    }
    many
}

/// The networks of one size from this one on, to the end of the address space.
fn consecutive(first: IpNet) -> impl Iterator<Item = IpNet> {
    let step = |net: &IpNet| match net {
        IpNet::V4(v4) => {
            let size = 1u64 << (32 - v4.prefix_len());
            let next = u32::try_from(u64::from(v4.network().to_bits()) + size).ok()?;
            IpNet::new(Ipv4Addr::from_bits(next).into(), v4.prefix_len()).ok()
        }
        IpNet::V6(v6) => {
            let size = 1u128.checked_shl(u32::from(128 - v6.prefix_len()))?;
            let next = v6.network().to_bits().checked_add(size)?;
            IpNet::new(Ipv6Addr::from_bits(next).into(), v6.prefix_len()).ok()
        }
    };
    std::iter::successors(Some(first), step)
}
