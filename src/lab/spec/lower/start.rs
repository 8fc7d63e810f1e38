//! The order of the passes, and references between sections.

use std::collections::BTreeMap;

use super::{
    super::{
        At, Diagnostic,
        keys::LAB,
        raw::{Key, Tree, Value},
        reader::{Fields, Findings, and_list},
    },
    next_hops::NextHop,
    route_tables, subnets,
};
use crate::{
    lab::model::{Factor, Kind, Lab, Link, Session, endpoint_name},
    units::{LabName, LinkName, NameError, NodeName, ProbeName, SessionName, nearest},
};

/// Hands out the text of a file that the lab file mentions.
pub(in super::super) type Include<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// A section whose names other sections mention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    Nodes,
    Links,
    Lags,
    Sessions,
    Probes,
    Load,
    /// Names of `dns` and groups of `anycast`.
    Services,
    /// Hosts behind nodes, by their full names.
    Hosts,
    /// Networks given to tunnels, by the tunnel.
    Inside,
    /// Tags given to VIFs, by the session.
    Vlans,
    /// Static routes, by node and prefix.
    Routes,
    /// Gateways as a dxgw's `associate` names them.
    Associations,
    /// CIDR blocks of tgws, by the tgw.
    Cidrs,
    /// What is said of propagation into subnets' tables, by vpc and subnet.
    Subnets,
}

impl Section {
    /// Those whose names steps and sessions use.
    const NAMED: [Self; 4] = [Self::Nodes, Self::Links, Self::Sessions, Self::Probes];

    fn word(self) -> &'static str {
        match self {
            Self::Nodes => "node",
            Self::Links => "link",
            Self::Lags => "LAG",
            Self::Sessions => "session",
            Self::Probes => "probe",
            Self::Load => "load",
            Self::Services => "service",
            Self::Hosts => "host",
            Self::Inside => "inside network",
            Self::Vlans => "VLAN",
            Self::Routes => "route",
            Self::Associations => "association",
            Self::Cidrs => "CIDR block",
            Self::Subnets => "subnet",
        }
    }
}

/// The passes' common state.
pub(super) struct Lower<'a> {
    pub(super) f: Findings,
    pub(super) include: Include<'a>,
    /// Every name of every section, broken entries included.
    known: BTreeMap<Section, BTreeMap<String, At>>,
    /// What has been understood so far.
    pub(super) lab: Lab,
    /// Labels of faults, and of those restored, whether understood or not.
    pub(super) faults: Vec<String>,
    pub(super) restored: Vec<String>,
    /// Next hops of static routes that are known once all addresses are.
    pub(super) next_hops: Vec<NextHop>,
    /// Route tables of tgws as written.
    pub(super) route_tables: Vec<route_tables::Written>,
    /// Routes of subnets' tables as written.
    pub(super) subnet_routes: Vec<subnets::Written>,
}

/// Reads the tree; `None` when there were errors.
pub(in super::super) fn lower(
    tree: &Tree,
    file_stem: &str,
    include: Include<'_>,
) -> (Option<Lab>, Vec<Diagnostic>) {
    let mut f = Findings::default();
    if let Some((at, message)) = some_other_file(tree) {
        f.error(at, "no-lab", message).help(NO_LAB);
        return (None, f.list);
    }
    let Some(fields) = f.fields(tree, &LAB, At::START) else {
        if let Some(found) = f.list.last_mut() {
            found.help = Some(NO_LAB.to_owned());
        }
        return (None, f.list);
    };
    let name = if fields.has("name") {
        fields.text(&mut f, "name")
    } else {
        Some(file_stem)
    };
    let name = name.and_then(|text| f.name::<LabName>(fields.at_value("name"), text));
    // A lab without a valid name is read on under another, to find what else is wrong.
    let Some(placeholder) = name.or_else(|| LabName::new("lab").ok()) else {
        return (None, f.list);
    };
    let mut cx = Lower {
        f,
        include,
        known: BTreeMap::new(),
        faults: Vec::new(),
        restored: Vec::new(),
        next_hops: Vec::new(),
        route_tables: Vec::new(),
        subnet_routes: Vec::new(),
        lab: Lab {
            name: placeholder,
            nodes: BTreeMap::new(),
            links: BTreeMap::new(),
            lags: BTreeMap::new(),
            sessions: BTreeMap::new(),
            routing: BTreeMap::new(),
            services: BTreeMap::new(),
            probes: BTreeMap::new(),
            load: BTreeMap::new(),
            scenario: Vec::new(),
            expect: Vec::new(),
            load_expect: Vec::new(),
            survives: Vec::new(),
            notes: Vec::new(),
            fast: None,
            scaled: None,
        },
    };
    let fast = fields.number(&mut cx.f, "fast");
    cx.lab.fast = fast.and_then(Factor::new);
    cx.collect(&fields, Section::Nodes, "nodes");
    cx.collect(&fields, Section::Links, "links");
    cx.collect(&fields, Section::Lags, "lags");
    cx.collect(&fields, Section::Sessions, "sessions");
    cx.collect(&fields, Section::Probes, "probes");
    cx.collect(&fields, Section::Load, "load");
    cx.collect(&fields, Section::Services, "dns");
    cx.collect_more(&fields, Section::Services, "anycast");
    cx.nodes(&fields);
    cx.links(&fields);
    cx.lags(&fields);
    cx.vrfs(&fields);
    cx.sessions(&fields);
    cx.check_route_tables();
    cx.check_regions();
    cx.check_vrf_sessions();
    cx.routing(&fields);
    cx.check_routes();
    cx.services(&fields);
    cx.probes(&fields);
    cx.load(&fields);
    cx.scenario(&fields);
    cx.expect(&fields);
    cx.whole();
    let Lower { f, mut lab, .. } = cx;
    lab.notes = f.list.iter().map(|found| found.message.clone()).collect();
    ((!f.failed).then_some(lab), f.list)
}

const NO_LAB: &str = "is it a lab file? One has `nodes:`, and mostly `links:`, `sessions:`, `probes:` and `scenario:`";

/// Says that a mapping is no lab, where none of its keys is a lab's nor looks like one. One
/// finding for all of it: a word about each key would help nobody.
fn some_other_file(tree: &Tree) -> Option<(At, String)> {
    const SHOWN: usize = 3;
    let Value::Map(entries) = &tree.value else {
        return None;
    };
    let words = || LAB.keys.iter().map(|word| word.key);
    let is_like =
        |key: &Key| words().any(|word| word == key.text) || nearest(&key.text, words()).is_some();
    let others: Vec<&Key> = entries
        .iter()
        .map(|(key, _)| key)
        .filter(|key| key.text != "name")
        .collect();
    let (first, _) = others.split_first().filter(|(_, more)| !more.is_empty())?;
    if others.iter().any(|key| is_like(key)) {
        return None;
    }
    let shown = others.iter().take(SHOWN);
    let shown: Vec<String> = shown.map(|key| format!("`{}`", key.text)).collect();
    let more = if others.len() > SHOWN { ", …" } else { "" };
    let message = format!("none of its keys is a lab's ({}{more})", shown.join(", "));
    Some((first.at, message))
}

impl Lower<'_> {
    fn collect(&mut self, fields: &Fields<'_>, section: Section, key: &str) {
        self.known.insert(section, BTreeMap::new());
        self.collect_more(fields, section, key);
    }

    /// The same for one more key of the file that declares such things.
    fn collect_more(&mut self, fields: &Fields<'_>, section: Section, key: &str) {
        let names = self.known.entry(section).or_default();
        if let Some((_, tree)) = fields.get(key)
            && let Value::Map(entries) = &tree.value
        {
            for (key, _) in entries {
                names.entry(key.text.clone()).or_insert(key.at);
            }
        }
    }

    /// Notes where a thing is declared.
    pub(super) fn declare(&mut self, section: Section, name: String, at: At) {
        self.known
            .entry(section)
            .or_default()
            .entry(name)
            .or_insert(at);
    }

    /// Whether every declared link and LAG was understood, so that a missing one is missing.
    pub(super) fn links_complete(&self) -> bool {
        self.is_complete(Section::Links, self.lab.links.len())
            && self.is_complete(Section::Lags, self.lab.lags.len())
    }

    /// The same of nodes.
    pub(super) fn nodes_complete(&self) -> bool {
        self.is_complete(Section::Nodes, self.lab.nodes.len())
    }

    fn is_complete(&self, section: Section, understood: usize) -> bool {
        let names = self.known.get(&section);
        names.is_none_or(|names| names.len() == understood)
    }

    /// Where a thing is declared.
    pub(super) fn at(&self, section: Section, name: &str) -> At {
        self.known
            .get(&section)
            .and_then(|names| names.get(name))
            .copied()
            .unwrap_or(At::START)
    }

    /// Whether a thing is declared, understood or not.
    pub(super) fn is_known(&self, section: Section, name: &str) -> bool {
        self.known
            .get(&section)
            .is_some_and(|names| names.contains_key(name))
    }

    /// A name that must be declared in its section.
    fn reference<T>(&mut self, section: Section, at: At, text: &str) -> Option<T>
    where
        T: TryFrom<String, Error = NameError>,
    {
        if self.is_known(section, text) {
            // A declared name that is malformed has been reported where it is declared.
            return T::try_from(text.to_owned()).ok();
        }
        let message = format!("there is no {} `{text}`", section.word());
        let empty = BTreeMap::new();
        let names = self.known.get(&section).unwrap_or(&empty);
        let candidates: Vec<&str> = names.keys().map(String::as_str).collect();
        let elsewhere = self.elsewhere(section, text);
        let found = self.f.error(at, "unknown-name", message);
        match elsewhere {
            Some(help) => found.help(help),
            None => found.one_of(text, candidates),
        }
        None
    }

    /// What a name means that another section declares.
    fn elsewhere(&self, section: Section, text: &str) -> Option<String> {
        let other = Section::NAMED
            .into_iter()
            .find(|other| self.is_known(*other, text))?;
        let is = format!("`{text}` is a {}", other.word());
        let (relation, related) = match (section, other) {
            (Section::Links, Section::Sessions) => ("runs over", self.links_below(text)),
            (Section::Sessions, Section::Links) => ("carries", self.sessions_over(text)),
            _ => ("", Vec::new()),
        };
        Some(if related.is_empty() {
            is
        } else {
            format!("{is}; it {relation} {}", and_list(&related))
        })
    }

    pub(super) fn node_named(&mut self, at: At, text: &str) -> Option<NodeName> {
        self.reference(Section::Nodes, at, text)
    }

    pub(super) fn link_named(&mut self, at: At, text: &str) -> Option<LinkName> {
        self.reference(Section::Links, at, text)
    }

    /// A link or LAG.
    pub(super) fn way_named(&mut self, at: At, text: &str) -> Option<LinkName> {
        let is_lag = self.is_known(Section::Lags, text);
        let section = if is_lag {
            Section::Lags
        } else {
            Section::Links
        };
        self.reference(section, at, text)
    }

    pub(super) fn session_named(&mut self, at: At, text: &str) -> Option<SessionName> {
        self.reference(Section::Sessions, at, text)
    }

    /// A probe that has outages: not one whose packets never arrive.
    pub(super) fn measured_probe(&mut self, at: At, text: &str) -> Option<ProbeName> {
        let name = self.probe_named(at, text)?;
        if self
            .lab
            .probes
            .get(&name)
            .is_some_and(|probe| probe.isolated.is_some())
        {
            let message = format!("`{text}` has no outages: a way of it is never to arrive");
            self.f
                .error(at, "isolated", message)
                .help("that is an expectation by itself, which every run checks");
            return None;
        }
        Some(name)
    }

    fn probe_named(&mut self, at: At, text: &str) -> Option<ProbeName> {
        self.reference(Section::Probes, at, text)
    }

    /// The kind of a node that was understood.
    pub(super) fn kind(&self, node: &NodeName) -> Option<&Kind> {
        self.lab.nodes.get(node).map(|node| &node.kind)
    }

    /// A link that was understood.
    pub(super) fn link(&self, link: &LinkName) -> Option<&Link> {
        self.lab.links.get(link)
    }

    /// A session that was understood; of an IPsec VPN also by a tunnel's name.
    pub(super) fn session(&self, session: &SessionName) -> Option<&Session> {
        self.lab.sessions.get(session).or_else(|| {
            let (name, _) = session.as_str().rsplit_once('.')?;
            let found = self.lab.sessions.get(name)?;
            found.ipsec().is_some().then_some(found)
        })
    }

    /// Whether a tunnel's IKE daemon runs in a namespace of this name.
    pub(super) fn is_endpoint(&self, name: &str) -> bool {
        self.lab.sessions.iter().any(|(session, spec)| {
            let tunnels = spec.ipsec().map_or(0, |ipsec| ipsec.tunnels.len());
            (1..=tunnels).any(|number| {
                spec.ends
                    .iter()
                    .any(|node| endpoint_name(node.as_str(), session.as_str(), number) == name)
            })
        })
    }

    /// Ways from one node to the other: LAGs, and links in none.
    pub(super) fn links_between(&self, a: &NodeName, b: &NodeName) -> Vec<LinkName> {
        let connects = |ends: &[NodeName; 2]| ends.contains(a) && ends.contains(b);
        let links = self.lab.links.iter();
        let links =
            links.filter(|(name, link)| connects(&link.ends) && self.lag_of(name).is_none());
        let lags = self.lab.lags.iter().filter(|(_, lag)| connects(&lag.ends));
        links
            .map(|(name, _)| name)
            .chain(lags.map(|(name, _)| name))
            .cloned()
            .collect()
    }
}
