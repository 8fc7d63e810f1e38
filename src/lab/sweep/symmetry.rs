//! Renamings under which a lab is the same lab. What fails in one place then does what it does in
//! the other, and is tried once.
//!
//! A lab is taken as a set of statements, each its text with the names in it: nodes, links,
//! sessions, probes, tags, addresses, ASNs and VLANs, which are labels, and everything else
//! (timers, delays, preferences, kinds), which is not. A renaming must turn the set into itself.
//! What is not understood counts as text, so a renaming may be missed, and none is wrong.

use std::{
    collections::{BTreeMap, BTreeSet, hash_map::DefaultHasher},
    fmt::Debug,
    hash::{Hash, Hasher},
};

use ipnet::IpNet;

use super::element::{Case, Element, What};
use crate::lab::model::{Lab, Tag};

/// Steps of the search, of which each compares all statements: past these, what was found serves.
const STEPS: usize = 400;

/// Something that could as well be called otherwise: its sort, and its name.
type Label = (String, String);

/// One statement: its text, in which each label has a place, and the labels in these places.
type Statement = (String, Vec<Label>);

/// Other names, under which the lab is the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Renaming(BTreeMap<Label, String>);

impl Renaming {
    fn of(&self, sort: &str, name: &str) -> String {
        let label = (sort.to_owned(), name.to_owned());
        self.0
            .get(&label)
            .cloned()
            .unwrap_or_else(|| name.to_owned())
    }

    /// A probe's other name.
    pub fn probe(&self, name: &str) -> String {
        self.of("name", name)
    }

    /// Sessions or links in a text, such as a path.
    pub fn path(&self, text: &str) -> String {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let mut out = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let end = match is_name(first) {
                true => rest.find(|c| !is_name(c)),
                false => rest.find(is_name),
            };
            let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
            out += &self.of("name", word);
            rest = behind;
        }
        out
    }

    /// First this one, then `next`.
    fn then(&self, next: &Self) -> Self {
        let image = |(label, name): (&Label, &String)| (label.clone(), next.of(&label.0, name));
        let mut all: BTreeMap<Label, String> = self.0.iter().map(image).collect();
        for (label, name) in &next.0 {
            all.entry(label.clone()).or_insert_with(|| name.clone());
        }
        Self(all)
    }

    fn element(&self, element: &Element) -> (What, String) {
        (element.what, self.of("name", &element.name))
    }
}

/// Of `cases`, by place: those that are tried, and for each of the others the one that stands for
/// it, with the renaming that leads from that one to it.
pub fn reduce(
    cases: &[Case],
    elements: &[Element],
    renamings: &[Renaming],
) -> Vec<Option<(usize, Renaming)>> {
    let place: BTreeMap<(What, &str), usize> = elements
        .iter()
        .enumerate()
        .map(|(at, one)| ((one.what, one.name.as_str()), at))
        .collect();
    let known: BTreeMap<&Case, usize> = cases
        .iter()
        .enumerate()
        .map(|(at, one)| (one, at))
        .collect();
    let image = |case: &Case, renaming: &Renaming| {
        let part = |&at: &usize| {
            let (what, name) = renaming.element(elements.get(at)?);
            place.get(&(what, name.as_str())).copied()
        };
        let mut parts: Vec<usize> = case.parts.iter().map(part).collect::<Option<_>>()?;
        parts.sort_unstable();
        let case = Case {
            parts,
            manner: case.manner,
        };
        known.get(&case).copied()
    };
    let mut by: Vec<Option<(usize, Renaming)>> = vec![None; cases.len()];
    let mut met = BTreeSet::new();
    for first in 0..cases.len() {
        if !met.insert(first) {
            continue;
        }
        let mut next = vec![(first, Renaming::default())];
        while let Some((here, so_far)) = next.pop() {
            let Some(case) = cases.get(here) else {
                continue;
            };
            for renaming in renamings {
                if let Some(there) = image(case, renaming)
                    && met.insert(there)
                {
                    let whole = so_far.then(renaming);
                    if let Some(slot) = by.get_mut(there) {
                        *slot = Some((first, whole.clone()));
                    }
                    next.push((there, whole));
                }
            }
        }
    }
    by
}

/// The renamings of a lab that were found, but for the one that renames nothing.
pub fn renamings(lab: &Lab) -> Vec<Renaming> {
    let statements = statements(lab);
    let mut labels: BTreeSet<Label> = BTreeSet::new();
    for (_, used) in &statements {
        labels.extend(used.iter().cloned());
    }
    let search = Search {
        labels: labels.into_iter().collect(),
        set: statements.iter().cloned().collect(),
        statements,
    };
    let plain = search.refined(&[]);
    let mut found = Vec::new();
    let mut steps = 0;
    search.extend((&[], &plain), (&[], &plain), (&mut found, &mut steps));
    found.retain(|renaming: &Renaming| renaming.0.iter().any(|((_, from), to)| from != to));
    found
}

type Colours = BTreeMap<Label, u64>;

struct Search {
    labels: Vec<Label>,
    statements: Vec<Statement>,
    set: BTreeSet<Statement>,
}

impl Search {
    /// Colours by which labels differ from each other, where those `apart` are told apart by hand.
    fn refined(&self, apart: &[Label]) -> Colours {
        let colour = |label: &Label| {
            let place = apart.iter().position(|one| one == label);
            (label.clone(), hash(&(&label.0, place)))
        };
        let mut colours: Colours = self.labels.iter().map(colour).collect();
        let mut count = 0;
        loop {
            let mut seen: BTreeMap<&Label, Vec<u64>> = BTreeMap::new();
            for (text, used) in &self.statements {
                let around: Vec<u64> = used
                    .iter()
                    .filter_map(|one| colours.get(one))
                    .copied()
                    .collect();
                for (at, label) in used.iter().enumerate() {
                    seen.entry(label)
                        .or_default()
                        .push(hash(&(text, at, &around)));
                }
            }
            let next: Colours = seen
                .into_iter()
                .map(|(label, mut all)| {
                    all.sort_unstable();
                    (label.clone(), hash(&(colours.get(label), all)))
                })
                .collect();
            let distinct = next.values().collect::<BTreeSet<_>>().len();
            colours = next;
            if distinct == count {
                return colours;
            }
            count = distinct;
        }
    }

    /// Tells one label after the other apart on either side, until all are.
    fn extend(
        &self,
        (left, of_left): (&[Label], &Colours),
        (right, of_right): (&[Label], &Colours),
        (found, steps): (&mut Vec<Renaming>, &mut usize),
    ) {
        *steps += 1;
        if *steps > STEPS {
            return;
        }
        let cells = |colours: &Colours| {
            let mut cells: BTreeMap<u64, Vec<Label>> = BTreeMap::new();
            for (label, colour) in colours {
                cells.entry(*colour).or_default().push(label.clone());
            }
            cells
        };
        let (here, there) = (cells(of_left), cells(of_right));
        let sizes = |cells: &BTreeMap<u64, Vec<Label>>| -> Vec<(u64, usize)> {
            cells
                .iter()
                .map(|(colour, all)| (*colour, all.len()))
                .collect()
        };
        if sizes(&here) != sizes(&there) {
            return;
        }
        let mut open = here.iter().filter(|(_, cell)| cell.len() > 1);
        let Some((colour, cell)) = open.next() else {
            let pairs = here.iter().filter_map(|(colour, cell)| {
                Some((cell.first()?.clone(), there.get(colour)?.first()?.1.clone()))
            });
            let renaming = Renaming(pairs.collect());
            if self.is_same(&renaming) {
                found.push(renaming);
            }
            return;
        };
        let Some(first) = cell.first() else {
            return;
        };
        let left: Vec<Label> = left.iter().chain([first]).cloned().collect();
        let of_left = self.refined(&left);
        for other in there.get(colour).into_iter().flatten() {
            let right: Vec<Label> = right.iter().chain([other]).cloned().collect();
            let of_right = self.refined(&right);
            self.extend((&left, &of_left), (&right, &of_right), (found, steps));
        }
    }

    /// Whether every statement becomes one that is there.
    fn is_same(&self, renaming: &Renaming) -> bool {
        self.set.iter().all(|(text, used)| {
            let used = used
                .iter()
                .map(|(sort, name)| (sort.clone(), renaming.of(sort, name)));
            self.set.contains(&(text.clone(), used.collect()))
        })
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Everything that a lab says.
fn statements(lab: &Lab) -> Vec<Statement> {
    let names = names(lab);
    let mut all = Vec::new();
    let mut say = |what: &str, parts: &[&dyn Debug]| {
        let parts: Vec<String> = parts.iter().map(|part| format!("{part:?}")).collect();
        all.push(read(&format!("{what} {}", parts.join(" | ")), &names));
    };
    for (name, node) in &lab.nodes {
        say("node", &[name, node]);
    }
    for (name, link) in &lab.links {
        say(
            "link",
            &[name, &link.mtu, &link.shaped, &link.hosted, &link.tags],
        );
        for side in 0..2 {
            say(
                "end",
                &[
                    name,
                    &link.ends[side],
                    &link.shape[side],
                    &link.addresses[side],
                ],
            );
        }
    }
    for (name, lag) in &lab.lags {
        // Its members are all alike, or are not by what they say themselves.
        say("lag", &[name, &lag.min_links, &lag.hash, &lag.mtu]);
        for link in &lag.links {
            say("member", &[name, link]);
        }
        for side in 0..2 {
            say(
                "end",
                &[name, &lag.ends[side], &lag.lacp[side], &lag.addresses[side]],
            );
        }
    }
    for (name, session) in &lab.sessions {
        say(
            "session",
            &[
                name,
                &session.kind,
                &session.md5,
                &session.passive,
                &session.unlike_aws,
            ],
        );
        for side in 0..2 {
            let restart = session.graceful_restart.map(|both| both[side]);
            let bfd = session.bfd.map(|both| both[side]);
            say(
                "end",
                &[
                    name,
                    &session.ends[side],
                    &session.timers[side],
                    &bfd,
                    &restart,
                    &session.addresses[side],
                ],
            );
        }
    }
    for (node, sessions) in &lab.routing {
        for (session, routing) in sessions {
            say("routing", &[node, session, routing]);
        }
    }
    for (name, service) in &lab.services {
        say("service", &[name, service]);
    }
    for (name, probe) in &lab.probes {
        say("probe", &[name, probe]);
    }
    networks(&mut all);
    all
}

/// Every name that a lab gives, of whatever: other strings are no labels.
fn names(lab: &Lab) -> BTreeSet<String> {
    let mut all: BTreeSet<String> = BTreeSet::new();
    all.extend(
        lab.nodes
            .keys()
            .chain(lab.services.keys())
            .map(ToString::to_string),
    );
    all.extend(
        lab.links
            .keys()
            .chain(lab.lags.keys())
            .map(ToString::to_string),
    );
    all.extend(lab.sessions.keys().map(ToString::to_string));
    all.extend(lab.probes.keys().map(ToString::to_string));
    for node in lab.nodes.values() {
        all.extend(node.hosts.keys().map(ToString::to_string));
        all.extend(node.vrfs.keys().map(ToString::to_string));
    }
    for tag in Tag::ALL {
        all.extend(lab.values_of(tag).into_iter().map(str::to_owned));
    }
    all
}

/// Which networks are within which.
fn networks(all: &mut Vec<Statement>) {
    let mut nets: BTreeMap<Label, IpNet> = BTreeMap::new();
    for (_, used) in all.iter() {
        for label in used.iter().filter(|(sort, _)| sort == "net") {
            if let Ok(net) = parse_net(&label.1) {
                nets.insert(label.clone(), net);
            }
        }
    }
    for (outer, net) in &nets {
        let family = if net.addr().is_ipv4() { 4 } else { 6 };
        all.push((
            format!("network {family} /{}", net.prefix_len()),
            vec![outer.clone()],
        ));
        for (inner, other) in &nets {
            if inner != outer && net.trunc().contains(&other.trunc()) {
                all.push(("within".to_owned(), vec![outer.clone(), inner.clone()]));
            }
        }
    }
}

fn parse_net(text: &str) -> Result<IpNet, ipnet::AddrParseError> {
    text.parse()
        .or_else(|error| match text.parse::<std::net::IpAddr>() {
            Ok(address) => Ok(IpNet::from(address)),
            Err(_) => Err(error),
        })
}

/// A debugging text as a statement: names, tags, ASNs, VLANs and addresses are labels, lines of
/// the file are nothing.
fn read(text: &str, names: &BTreeSet<String>) -> Statement {
    let mut out = String::new();
    let mut labels = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some((name, behind)) = quoted(rest) {
            if names.contains(name) {
                out.push('@');
                labels.push(("name".to_owned(), name.to_owned()));
            } else {
                out += &rest[..rest.len() - behind.len()];
            }
            rest = behind;
            continue;
        }
        if !first.is_ascii_alphanumeric() && first != ':' {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        if let Some((label, behind)) = label(rest, &out) {
            out.push('@');
            out += &label.0;
            labels.push(label);
            rest = behind;
            continue;
        }
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end.max(first.len_utf8()));
        out += word;
        rest = behind;
    }
    (out, labels)
}

/// The string at the beginning of a text, as it is escaped there, and what is behind it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('"')?;
    let mut escaped = false;
    for (at, c) in inside.char_indices() {
        match c {
            '"' if !escaped => return Some((&inside[..at], &inside[at + 1..])),
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    None
}

/// The label at the beginning of a text, and what is behind it.
fn label<'t>(text: &'t str, before: &str) -> Option<(Label, &'t str)> {
    let number = |text: &'t str, close: &str| {
        let end = text.find(|c: char| !c.is_ascii_digit())?;
        let (digits, behind) = text.split_at(end);
        let behind = behind.strip_prefix(close)?;
        (!digits.is_empty()).then(|| (digits.to_owned(), behind))
    };
    if let Some((asn, behind)) = text.strip_prefix("AS").and_then(|t| number(t, "")) {
        return Some((("asn".to_owned(), asn), behind));
    }
    if before.ends_with("vlan: ")
        && let Some((vlan, behind)) = text.strip_prefix("Some(").and_then(|t| number(t, ")"))
    {
        return Some((("vlan".to_owned(), vlan), behind));
    }
    if before.ends_with("line: ")
        && let Some((_, behind)) = number(text, "")
    {
        // One label for all: where something stands is nothing.
        return Some((("line".to_owned(), String::new()), behind));
    }
    let end = text.find(|c: char| !c.is_ascii_hexdigit() && !matches!(c, '.' | ':' | '/'));
    let (net, behind) = text.split_at(end.unwrap_or(text.len()));
    let is_net = (net.contains('.') || net.contains("::")) && parse_net(net).is_ok();
    is_net.then(|| (("net".to_owned(), net.to_owned()), behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_labels_and_numbers_are_not() {
        let (text, labels) = read(
            "link \"c1\" | Link { tags: Tags { provider: Some(\"acme\") }, key: \"c1\\\"\", mtu: 1500, by: AS65001, line: 7 } [10.0.1.10/24]",
            &["c1".to_owned(), "acme".to_owned()].into(),
        );
        assert_eq!(
            text,
            "link @ | Link { tags: Tags { provider: Some(@) }, key: \"c1\\\"\", mtu: 1500, by: @asn, line: @line } [@net]"
        );
        let names: Vec<&str> = labels.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["c1", "acme", "65001", "", "10.0.1.10/24"]);
    }

    #[test]
    fn a_path_is_renamed_name_by_name() {
        let label = |sort: &str, name: &str| (sort.to_owned(), name.to_owned());
        let renaming = Renaming(BTreeMap::from([
            (label("name", "e1"), "e2".to_owned()),
            (label("name", "wan"), "man".to_owned()),
        ]));
        assert_eq!(
            renaming.path("e1 + wan.x, e10, wan"),
            "e2 + wan.x, e10, man"
        );
    }
}
