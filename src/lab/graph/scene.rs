//! What a picture shows, in words and without places: cards, wires, tunnels, probes.

use std::collections::BTreeMap;

use super::{
    ranks::{Zone, ranks},
    words,
};
use crate::{
    lab::model::{
        DEFAULT_MTU, Daemon, Endpoint, Fault, Isolated, Kind, Lab, Lag, Link, Node, Probe, Scope,
        Session, SessionKind, Shape, StepKind, Subnet, Tags, TgwAttachment, Vpn, VpnKind,
    },
    units::{Bytes, LinkName, NodeName, SessionName, SubnetName},
};

/// Everything there is to see of a lab.
#[derive(Debug)]
pub(super) struct Scene {
    /// The lab's name.
    pub(super) name: String,
    /// Nodes in the file's order.
    pub(super) cards: Vec<Card>,
    /// Links, LAGs and attachments in the file's order.
    pub(super) wires: Vec<Wire>,
    /// VPNs in the file's order.
    pub(super) tunnels: Vec<Tunnel>,
    /// What nodes share by their tags: a caption each.
    pub(super) groups: Vec<String>,
    /// Probes in the file's order.
    pub(super) probes: Vec<Flow>,
    /// Whether there is a side of AWS's.
    pub(super) has_aws: bool,
}

/// A node.
#[derive(Debug)]
pub(super) struct Card {
    /// Its name.
    pub(super) name: String,
    /// Its kind, in the lab file's word.
    pub(super) kind: &'static str,
    /// What it is, and its particulars.
    pub(super) lines: Vec<String>,
    /// Hosts behind it; a node that is a host is its own.
    pub(super) hosts: Vec<Chip>,
    /// What the scenario does to it.
    pub(super) faults: Vec<String>,
    /// Which column it stands in, from 0.
    pub(super) rank: usize,
    /// Whose side it is on.
    pub(super) zone: Zone,
    /// Index into [`Scene::groups`].
    pub(super) group: Option<usize>,
}

/// A host.
#[derive(Debug)]
pub(super) struct Chip {
    /// Its name.
    pub(super) name: String,
    /// Its addresses, without the network's length.
    pub(super) addresses: Vec<String>,
    /// Indices into [`Scene::probes`].
    pub(super) probes: Vec<usize>,
}

/// What a wire is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    /// From a customer to a Direct Connect location.
    Circuit,
    /// Between two nodes of AWS's: a model of what AWS does not publish.
    Inside,
    /// Any other link.
    Link,
    /// No link at all: what belongs together by declaration.
    Attachment,
}

/// A link, LAG or attachment.
#[derive(Debug)]
pub(super) struct Wire {
    /// Its name; empty: an attachment.
    pub(super) name: String,
    /// Indices into [`Scene::cards`], as declared.
    pub(super) ends: [usize; 2],
    /// What it is.
    pub(super) carrier: Carrier,
    /// Members of a LAG; 1 otherwise.
    pub(super) strands: usize,
    /// What it does to packets, and its particulars.
    pub(super) lines: Vec<String>,
    /// What the scenario does to it.
    pub(super) faults: Vec<String>,
    /// Sessions on it.
    pub(super) riders: Vec<Rider>,
}

/// A routing session.
#[derive(Debug)]
pub(super) struct Rider {
    /// Its name.
    pub(super) name: String,
    /// What it is.
    pub(super) what: String,
    /// Timers, then preferences.
    pub(super) lines: Vec<String>,
    /// What the scenario does to it.
    pub(super) faults: Vec<String>,
}

impl Rider {
    /// All of it, a line each.
    pub(super) fn said(&self) -> Vec<String> {
        let first = format!("{}: {}", self.name, self.what);
        let faults = self.faults.iter().map(|fault| format!("× {fault}"));
        let rest = self.lines.iter().cloned().chain(faults);
        std::iter::once(first).chain(rest).collect()
    }
}

/// A VPN.
#[derive(Debug)]
pub(super) struct Tunnel {
    /// Indices into [`Scene::cards`], as declared.
    pub(super) ends: [usize; 2],
    /// The node that carries its packets.
    pub(super) over: usize,
    /// Its tunnels.
    pub(super) strands: usize,
    /// Its session.
    pub(super) rider: Rider,
}

/// A probe, or background load.
#[derive(Debug)]
pub(super) struct Flow {
    /// `probe`, or `load`, which goes one way.
    pub(super) sort: &'static str,
    /// Its name.
    pub(super) name: String,
    /// Its two hosts, as the file names them.
    pub(super) ends: [String; 2],
    /// Rate and size.
    pub(super) what: String,
}

impl Scene {
    /// What is to be seen of `lab`.
    pub(super) fn of(lab: &Lab) -> Self {
        let mut nodes: Vec<(&NodeName, &Node)> = lab.nodes.iter().collect();
        nodes.sort_by_key(|(_, node)| node.line);
        let reader = Reader {
            lab,
            place: nodes
                .iter()
                .enumerate()
                .map(|(at, (name, _))| (*name, at))
                .collect(),
            faults: faults(lab),
        };
        let mut probes: Vec<_> = lab.probes.iter().collect();
        probes.sort_by_key(|(_, probe)| probe.line);
        let mut loads: Vec<_> = lab.load.iter().collect();
        loads.sort_by_key(|(_, load)| load.line);
        let ends = probes.iter().map(|(_, probe)| &probe.ends);
        let ends = ends.chain(loads.iter().map(|(_, load)| &load.ends));
        let ends: Vec<Vec<Endpoint>> = ends.map(|ends| hosts_of(lab, ends)).collect();
        let wires = reader.wires(&nodes);
        let zones: Vec<Zone> = nodes
            .iter()
            .map(|(_, node)| Zone::of(node.kind.word(), node.kind.is_aws()))
            .collect();
        let joined: Vec<[usize; 2]> = wires.iter().map(|wire| wire.ends).collect();
        let mut groups = Vec::new();
        let cards = nodes
            .iter()
            .zip(zones.iter().zip(ranks(&zones, &joined)))
            .map(|(&(name, node), (&zone, rank))| Card {
                name: name.to_string(),
                kind: node.kind.word(),
                lines: particulars(node),
                hosts: chips(name, node, &ends),
                faults: reader.done_to("node", name.as_str()),
                rank,
                zone,
                group: group(&node.tags, zone, &mut groups),
            })
            .collect();
        Self {
            name: lab.name.to_string(),
            cards,
            tunnels: reader.tunnels(),
            wires,
            groups,
            probes: probes
                .into_iter()
                .map(|(name, probe)| flow(name.as_str(), probe))
                .chain(loads.into_iter().map(|(name, load)| Flow {
                    sort: "load",
                    name: name.to_string(),
                    ends: load.ends.each_ref().map(ToString::to_string),
                    what: load.transport.to_string(),
                }))
                .collect(),
            has_aws: zones.iter().any(|zone| matches!(zone, Zone::Aws(_))),
        }
    }

    /// The whole picture in sentences, for whoever does not see it.
    pub(super) fn sentences(&self) -> Vec<String> {
        let end = |at: &usize| self.cards[*at].name.as_str();
        let mut said: Vec<String> = Vec::new();
        for card in &self.cards {
            let mut sentence = format!("{}: {}", card.name, card.lines.join(", "));
            for chip in card.hosts.iter().filter(|chip| chip.name != card.name) {
                sentence += &format!("; host {} {}", chip.name, chip.addresses.join(" "));
            }
            said.push(sentence);
        }
        for wire in &self.wires {
            let [a, b] = [end(&wire.ends[0]), end(&wire.ends[1])];
            let mut sentence = match wire.carrier {
                Carrier::Attachment => format!("{b} is attached to {a}"),
                Carrier::Circuit | Carrier::Inside | Carrier::Link => {
                    format!("{} from {a} to {b}: {}", wire.name, wire.lines.join(", "))
                }
            };
            for rider in &wire.riders {
                sentence += &format!("; {}", rider.sentence());
            }
            said.push(sentence);
        }
        for tunnel in &self.tunnels {
            let [a, b] = [end(&tunnel.ends[0]), end(&tunnel.ends[1])];
            let over = end(&tunnel.over);
            said.push(format!(
                "{}, from {a} to {b} over {over}",
                tunnel.rider.sentence()
            ));
        }
        for flow in &self.probes {
            said.push(flow.sentence());
        }
        said
    }
}

impl Rider {
    fn sentence(&self) -> String {
        format!("{} ({}: {})", self.name, self.what, self.lines.join(", "))
    }
}

impl Flow {
    /// `probe app: dc1.app ↔ vpc1.db, 1000/s`.
    pub(super) fn sentence(&self) -> String {
        format!("{}: {}", self.title(), self.said())
    }

    /// `probe app`.
    pub(super) fn title(&self) -> String {
        format!("{} {}", self.sort, self.name)
    }

    /// `dc1.app ↔ vpc1.db, 1000/s`.
    pub(super) fn said(&self) -> String {
        let [a, b] = &self.ends;
        let arrow = if self.goes_back() { '↔' } else { '→' };
        format!("{a} {arrow} {b}, {}", self.what)
    }

    /// Whether as much goes back as there.
    pub(super) fn goes_back(&self) -> bool {
        self.sort == "probe"
    }
}

/// What is done to whom, by target's sort and name, in the scenario's order.
fn faults(lab: &Lab) -> Vec<(&'static str, String, String)> {
    let mut found: Vec<(&str, String, String)> = Vec::new();
    for step in &lab.scenario {
        if let StepKind::Fault { fault, .. } = &step.kind {
            for (sort, name) in hit(lab, fault) {
                let one = (sort, name, words::fault(fault));
                if !found.contains(&one) {
                    found.push(one);
                }
            }
        }
    }
    found
}

/// What a fault is drawn at.
fn hit(lab: &Lab, fault: &Fault) -> Vec<(&'static str, String)> {
    if let Fault::Tagged { links, nodes, .. } = fault {
        // A dead node's links need not say so, too.
        let lives = |link: &&LinkName| {
            let ends = lab.links.get(*link).map(|link| &link.ends);
            !ends.is_some_and(|ends| ends.iter().any(|end| nodes.contains(end)))
        };
        let links = links
            .iter()
            .filter(lives)
            .map(|link| ("link", link.to_string()));
        let nodes = nodes.iter().map(|node| ("node", node.to_string()));
        return links.chain(nodes).collect();
    }
    let sort = match fault.name() {
        "bgp-shutdown" | "maintenance" => "session",
        "kill" | "freeze" | "node" => "node",
        _ => "link",
    };
    vec![(sort, fault.target())]
}

/// What a node is, then its AS and program, then what it owns.
fn particulars(node: &Node) -> Vec<String> {
    let what = match node.kind.word() {
        "data-center" => "data center",
        "dx-location" => "Direct Connect location",
        "vgw" => "virtual private gateway",
        "dxgw" => "Direct Connect gateway",
        "tgw" => "transit gateway",
        "aws-public" => "AWS's public network",
        "vpc" => "VPC",
        word => word,
    };
    let mut lines = vec![what.replace('-', " ")];
    let mut speaks: Vec<String> = Vec::new();
    speaks.extend(node.region.as_ref().map(ToString::to_string));
    speaks.extend(node.asn.map(|asn| format!("AS {asn}")));
    if let Daemon::External(external) = &node.daemon {
        speaks.push(external.suite.to_string());
    }
    if !speaks.is_empty() {
        lines.push(speaks.join(" · "));
    }
    if let Kind::Vpc {
        cidrs,
        propagate,
        subnets,
        ..
    } = &node.kind
    {
        lines.extend(cidrs.iter().map(ToString::to_string));
        lines.extend((!propagate).then(|| "no propagation".to_owned()));
        lines.extend(subnets.iter().map(subnet_line));
    }
    if let Kind::AwsPublic { scope, prefixes } = &node.kind {
        lines.extend(match scope {
            Scope::Region => None,
            Scope::Continent => Some("same continent".to_owned()),
            Scope::Global => Some("elsewhere".to_owned()),
        });
        lines.extend(prefixes.iter().map(ToString::to_string));
    }
    if let Kind::Dxgw { associations } = &node.kind {
        for (gateway, allowed) in associations
            .iter()
            .filter(|(_, allowed)| !allowed.is_empty())
        {
            let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
            lines.push(format!("{gateway}: {}", allowed.join(", ")));
        }
    }
    if let Kind::Tgw { tables, .. } = &node.kind {
        for (name, table) in tables {
            let associated: Vec<&str> = table.associated.iter().map(TgwAttachment::name).collect();
            lines.push(format!("table {name}: {}", associated.join(", ")));
        }
    }
    for (name, vrf) in &node.vrfs {
        let links = vrf.links.iter().map(ToString::to_string);
        let within = links.chain(vrf.hosts.iter().map(ToString::to_string));
        lines.push(format!(
            "VRF {name}: {}",
            within.collect::<Vec<_>>().join(", ")
        ));
    }
    lines
}

/// A subnet with its table, where that is not the main one.
fn subnet_line((name, subnet): (&SubnetName, &Subnet)) -> String {
    let cidrs: Vec<String> = subnet.cidrs.iter().map(ToString::to_string).collect();
    let own = match &subnet.table {
        None => "",
        Some(table) if table.propagation => " · own table",
        Some(_) => " · own table, no propagation",
    };
    format!("subnet {name} {}{own}", cidrs.join(", "))
}

/// The hosts that a probe ends at.
fn hosts_of(lab: &Lab, ends: &[Endpoint; 2]) -> Vec<Endpoint> {
    let hosts = ends.iter().flat_map(|end| match end {
        Endpoint::Service(name) => {
            let service = lab.services.get(name);
            service.map_or_else(Vec::new, |service| service.endpoints.clone())
        }
        Endpoint::Node(_) | Endpoint::Behind { .. } => vec![end.clone()],
    });
    hosts.collect()
}

fn chips(name: &NodeName, node: &Node, probes: &[Vec<Endpoint>]) -> Vec<Chip> {
    let probed = |whom: &Endpoint| {
        (0..probes.len())
            .filter(|&probe| probes[probe].contains(whom))
            .collect()
    };
    if matches!(node.kind, Kind::Host) {
        return vec![Chip {
            name: name.to_string(),
            addresses: Vec::new(),
            probes: probed(&Endpoint::Node(name.clone())),
        }];
    }
    let mut hosts: Vec<_> = node.hosts.iter().collect();
    hosts.sort_by_key(|(_, host)| host.line);
    hosts
        .into_iter()
        .map(|(host, found)| Chip {
            name: host.to_string(),
            addresses: found
                .addresses
                .iter()
                .map(|net| net.addr().to_string())
                .collect(),
            probes: probed(&Endpoint::Behind {
                node: name.clone(),
                host: host.clone(),
            }),
        })
        .collect()
}

/// Where a node is drawn together with others: first by what its zone goes by.
fn group(tags: &Tags, zone: Zone, groups: &mut Vec<String>) -> Option<usize> {
    let site = tags.site.as_ref().map(|tag| format!("site {tag}"));
    let location = tags.location.as_ref().map(|tag| format!("location {tag}"));
    let provider = tags.provider.as_ref().map(|tag| format!("provider {tag}"));
    let caption = match zone {
        Zone::Customer => site.or(location).or(provider),
        Zone::Between | Zone::Aws(_) => location.or(provider).or(site),
    }?;
    let known = groups.iter().position(|group| *group == caption);
    Some(known.unwrap_or_else(|| {
        groups.push(caption);
        groups.len() - 1
    }))
}

fn flow(name: &str, probe: &Probe) -> Flow {
    Flow {
        sort: "probe",
        name: name.to_owned(),
        ends: [probe.ends[0].to_string(), probe.ends[1].to_string()],
        what: match probe.isolated {
            Some(Isolated::BothWays) => "must not arrive".to_owned(),
            Some(Isolated::There) => format!("must not reach {}", probe.ends[1]),
            Some(Isolated::Back) => format!("must not reach {}", probe.ends[0]),
            None => format!("{}/s, {}", probe.rate, words::bytes(probe.size)),
        },
    }
}

/// The lab, with what is looked up again and again.
struct Reader<'l> {
    lab: &'l Lab,
    /// Where each node is in [`Scene::cards`].
    place: BTreeMap<&'l NodeName, usize>,
    faults: Vec<(&'static str, String, String)>,
}

impl Reader<'_> {
    fn done_to(&self, sort: &str, name: &str) -> Vec<String> {
        let hit = |(of, target, _): &&(&str, String, String)| *of == sort && target == name;
        let told = self.faults.iter().filter(hit);
        told.map(|(_, _, what)| what.clone()).collect()
    }

    fn at(&self, node: &NodeName) -> usize {
        self.place.get(node).copied().unwrap_or_default()
    }

    fn ends(&self, ends: &[NodeName; 2]) -> [usize; 2] {
        [self.at(&ends[0]), self.at(&ends[1])]
    }

    /// Links that are in no LAG, LAGs, and what is attached.
    fn wires(&self, nodes: &[(&NodeName, &Node)]) -> Vec<Wire> {
        let lags = &self.lab.lags;
        let is_member = |name| lags.values().any(|lag| lag.links.contains(name));
        let mut wires: Vec<(u32, Wire)> = Vec::new();
        for (name, link) in &self.lab.links {
            if !is_member(name) {
                wires.push((link.line, self.link(name, link)));
            }
        }
        for (name, lag) in lags {
            wires.push((lag.line, self.lag(name, lag)));
        }
        for (name, node) in nodes {
            if let Kind::Vpc { attach, .. } = &node.kind {
                let attachment = Wire {
                    name: String::new(),
                    ends: [self.at(attach), self.at(name)],
                    carrier: Carrier::Attachment,
                    strands: 1,
                    lines: Vec::new(),
                    faults: Vec::new(),
                    riders: Vec::new(),
                };
                wires.push((node.line, attachment));
            }
        }
        wires.sort_by_key(|(line, _)| *line);
        wires.into_iter().map(|(_, wire)| wire).collect()
    }

    fn carrier(&self, ends: &[NodeName; 2]) -> Carrier {
        let kind = |end| self.lab.nodes.get(end).map(|node| &node.kind);
        let [a, b] = [kind(&ends[0]), kind(&ends[1])];
        let is_aws = |kind: Option<&Kind>| kind.is_some_and(Kind::is_aws);
        let is_location = |kind: Option<&Kind>| matches!(kind, Some(Kind::DxLocation));
        match (is_aws(a), is_aws(b)) {
            (true, true) => Carrier::Inside,
            _ if is_location(a) || is_location(b) => Carrier::Circuit,
            _ => Carrier::Link,
        }
    }

    fn link(&self, name: &LinkName, link: &Link) -> Wire {
        let mut lines = self.said(&link.ends, &link.shape, link.mtu, &link.tags);
        lines.extend(link.hosted.then(|| "hosted connection".to_owned()));
        Wire {
            name: name.to_string(),
            ends: self.ends(&link.ends),
            carrier: self.carrier(&link.ends),
            strands: 1,
            lines,
            faults: self.done_to("link", name.as_str()),
            riders: self.riders(name),
        }
    }

    fn said(
        &self,
        ends: &[NodeName; 2],
        does: &[Shape; 2],
        mtu: Bytes,
        tags: &Tags,
    ) -> Vec<String> {
        let mut lines = words::shape([ends[0].as_str(), ends[1].as_str()], does);
        let mut rest = Vec::new();
        if mtu != DEFAULT_MTU {
            rest.push(format!("MTU {}", mtu.get()));
        }
        let tags = [
            ("provider", &tags.provider),
            ("location", &tags.location),
            ("site", &tags.site),
        ];
        let said = tags
            .into_iter()
            .filter_map(|(of, tag)| tag.as_ref().map(|tag| format!("{of} {tag}")));
        rest.extend(said);
        if !rest.is_empty() {
            lines.push(rest.join(" · "));
        }
        if self.carrier(ends) == Carrier::Inside {
            let kind = |end: &NodeName| self.lab.nodes.get(end).map(|node| &node.kind);
            let word = match ends.each_ref().map(kind) {
                [Some(Kind::Vpc { .. }), Some(Kind::Vpc { .. })] => "VPC peering",
                [Some(Kind::Tgw { .. }), Some(Kind::Tgw { .. })] => "peering, static routes only",
                _ => "AWS's inside, modelled",
            };
            lines.push(word.to_owned());
        }
        lines
    }

    fn lag(&self, name: &LinkName, lag: &Lag) -> Wire {
        let names: Vec<String> = lag.links.iter().map(ToString::to_string).collect();
        let lacp = match lag.lacp {
            [a, b] if a == b => format!("LACP {a}"),
            [a, b] => format!("LACP {a} / {b}"),
        };
        let mut lines = vec![
            format!("LAG of {}", names.join(", ")),
            format!("{lacp} · min-links {}", lag.min_links),
        ];
        let mut faults = self.done_to("link", name.as_str());
        let mut each: Vec<Vec<String>> = Vec::new();
        for member in &lag.links {
            let done = self.done_to("link", member.as_str());
            faults.extend(done.into_iter().map(|what| format!("{member}: {what}")));
            if let Some(link) = self.lab.links.get(member) {
                let (tags, mut does) = (&link.tags, link.shape.clone());
                if link.ends != lag.ends {
                    does.reverse();
                }
                each.push(self.said(&lag.ends, &does, link.mtu, tags));
            }
        }
        match each.split_first() {
            Some((first, rest)) if rest.iter().all(|other| other == first) => {
                lines.extend(first.iter().cloned());
            }
            _ => lines.extend(
                names
                    .iter()
                    .zip(&each)
                    .map(|(name, said)| format!("{name}: {}", said.join(" · "))),
            ),
        }
        Wire {
            name: name.to_string(),
            ends: self.ends(&lag.ends),
            carrier: self.carrier(&lag.ends),
            strands: lag.links.len(),
            lines,
            faults,
            riders: self.riders(name),
        }
    }

    /// The sessions on a link or LAG.
    fn riders(&self, on: &LinkName) -> Vec<Rider> {
        self.sessions(|session| session.kind.link() == Some(on))
            .into_iter()
            .map(|(name, session)| self.rider(name, session))
            .collect()
    }

    /// Sessions in the file's order.
    fn sessions(&self, wanted: impl Fn(&Session) -> bool) -> Vec<(&SessionName, &Session)> {
        let all = self.lab.sessions.iter();
        let mut found: Vec<_> = all.filter(|(_, session)| wanted(session)).collect();
        found.sort_by_key(|(_, session)| session.line);
        found
    }

    fn rider(&self, name: &SessionName, session: &Session) -> Rider {
        let word = match session.kind.word() {
            "ebgp" => "eBGP".to_owned(),
            "ibgp" => "iBGP".to_owned(),
            word => word.replace("-vif", " VIF").replace('-', " "),
        };
        let mut what = word;
        let mut lines = vec![words::timers(session)];
        if let Some(fixed) = session.fixed() {
            lines = vec![words::fixed(fixed)];
        }
        if let SessionKind::Vif(vif) = &session.kind {
            if let Some(vlan) = vif.vlan {
                what += &format!(" · VLAN {vlan}");
            }
            let word = |name| self.lab.nodes.get(name).map(|node| node.kind.word());
            let same = |node: &&Node| Some(node.kind.word()) == word(&vif.gateway);
            let is_other = |other: &Session| {
                let of = other.vif().filter(|_| other.ends[1] == session.ends[1]);
                of.is_some_and(|of| of.gateway != vif.gateway)
            };
            if self.lab.nodes.values().filter(same).count() > 1
                || self.lab.sessions.values().any(is_other)
            {
                lines.push(format!("to {}", vif.gateway));
            }
            lines.extend(vif.sitelink.then(|| "SiteLink".to_owned()));
            lines.extend(vif.hosted.then(|| "hosted VIF".to_owned()));
        }
        if let Some(ipsec) = session.ipsec() {
            let tunnels = ipsec.tunnels.len();
            let s = if tunnels == 1 { "" } else { "s" };
            what = format!("IPsec · {tunnels} tunnel{s}");
            lines[0] = format!("{} · DPD {}", lines[0], words::span(ipsec.dpd.timeout));
        } else if let SessionKind::Vpn(_) = &session.kind {
            what = "WireGuard".to_owned();
        }
        for end in &session.ends {
            let routing = self.lab.routing.get(end).and_then(|all| all.get(name));
            lines.extend(
                routing
                    .and_then(words::preference)
                    .map(|preference| format!("{end}: {preference}")),
            );
        }
        Rider {
            name: name.to_string(),
            what,
            lines,
            faults: self.done_to("session", name.as_str()),
        }
    }

    fn tunnels(&self) -> Vec<Tunnel> {
        self.sessions(|session| matches!(session.kind, SessionKind::Vpn(_)))
            .into_iter()
            .filter_map(|(name, session)| {
                let SessionKind::Vpn(Vpn {
                    over,
                    implementation,
                    ..
                }) = &session.kind
                else {
                    return None;
                };
                Some(Tunnel {
                    ends: self.ends(&session.ends),
                    over: self.at(over),
                    strands: match implementation {
                        VpnKind::Ipsec(ipsec) => ipsec.tunnels.len(),
                        VpnKind::Wireguard => 1,
                    },
                    rider: self.rider(name, session),
                })
            })
            .collect()
    }
}
