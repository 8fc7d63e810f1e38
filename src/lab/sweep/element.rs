//! What fails, alone and together.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{
    lab::model::{Daemon, How, Kind, Lab, Tag},
    units::{LinkName, NodeName},
};

/// What kind of thing fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A link.
    Link,
    /// A LAG: all of its members.
    Lag,
    /// A node.
    Node,
    /// A node's daemon.
    Daemon,
    /// All that carries a tag.
    Tag(Tag),
}

impl What {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Lag => "lag",
            Self::Node => "node",
            Self::Daemon => "daemon",
            Self::Tag(tag) => tag.word(),
        }
    }
}

/// Whether those at the other end see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Manner {
    /// Packets vanish, carrier stays up; a node dies so, a daemon is killed.
    Silent,
    /// Loss of light.
    Carrier,
}

impl Manner {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Silent, Self::Carrier];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Carrier => "carrier",
        }
    }
}

/// One thing that can fail, and what goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// What it is.
    pub what: What,
    /// The name, or the tag's value.
    pub name: String,
    /// Links that go with it.
    pub links: BTreeSet<LinkName>,
    /// Nodes that nothing passes any more.
    pub nodes: BTreeSet<NodeName>,
    /// AWS runs it, there is one by its nature, and AWS keeps it redundant inside: a gateway, or
    /// what is between two of them. Nobody orders a second one for the sake of availability.
    pub managed: bool,
}

impl Element {
    /// As a cut names it.
    pub fn target(&self) -> String {
        match self.what {
            What::Tag(tag) => format!("{tag}:{}", self.name),
            What::Link | What::Lag | What::Node | What::Daemon => self.name.clone(),
        }
    }

    /// The cut that makes it fail in this manner; else why there is none.
    pub fn how(&self, manner: Manner) -> Result<How, &'static str> {
        match (self.what, manner) {
            (What::Link | What::Lag | What::Tag(_), Manner::Silent) => Ok(How::Silent),
            (What::Link | What::Lag | What::Tag(_), Manner::Carrier) => Ok(How::Carrier),
            (What::Node, Manner::Silent) => Ok(How::Node),
            (What::Daemon, Manner::Silent) => Ok(How::Kill),
            (What::Node, Manner::Carrier) => Err(
                "a node dies silently: first its links, then its programs; loss of light is tried of each of its links",
            ),
            (What::Daemon, Manner::Carrier) => {
                Err("a daemon has no light to lose: it is killed, once")
            }
        }
    }

    /// Whether all that fails with it fails with `other`.
    fn is_part_of(&self, other: &Self) -> bool {
        self.links.is_subset(&other.links)
            && (self.nodes.is_subset(&other.nodes)
                || self.what == What::Node && is_isolated(self, other))
    }
}

/// Whether no link of a node is left.
fn is_isolated(node: &Element, other: &Element) -> bool {
    !node.links.is_empty() && node.links.is_subset(&other.links)
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            What::Link => write!(f, "{}", self.name),
            What::Lag => write!(f, "LAG {}", self.name),
            What::Node => write!(f, "node {}", self.name),
            What::Daemon => write!(f, "daemon of {}", self.name),
            What::Tag(tag) => write!(f, "{tag} {}", self.name),
        }
    }
}

/// Something that is not tried, and why not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
}

/// One failure to be tried: places among the elements, and how each fails.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    /// One, or two.
    pub parts: Vec<usize>,
    /// How.
    pub manner: Manner,
}

/// Everything of a lab that can fail: links, LAGs, nodes, daemons, and what tags hold together.
pub fn elements(lab: &Lab) -> (Vec<Element>, Vec<LeftOut>) {
    let managed = |node: &NodeName| {
        lab.nodes
            .get(node)
            .is_some_and(|node| is_managed(&node.kind))
    };
    let links = lab.links.iter().map(|(name, link)| Element {
        what: What::Link,
        name: name.to_string(),
        links: [name.clone()].into(),
        nodes: BTreeSet::new(),
        managed: link.ends.iter().all(managed),
    });
    let lags = lab.lags.iter().map(|(name, lag)| Element {
        what: What::Lag,
        name: name.to_string(),
        links: lag.links.iter().cloned().collect(),
        nodes: BTreeSet::new(),
        managed: lag.ends.iter().all(managed),
    });
    let mut found: Vec<Element> = links.chain(lags).collect();
    let mut left_out = Vec::new();
    for (name, node) in &lab.nodes {
        let why = if node.kind == Kind::Host {
            "a host is an end of flows: without it there is nobody to reach"
        } else if matches!(node.kind, Kind::Vpc { .. }) {
            "a VPC is an end of flows, and no machine that could die"
        } else {
            found.push(Element {
                what: What::Node,
                name: name.to_string(),
                links: links_of(lab, name),
                nodes: [name.clone()].into(),
                managed: managed(name),
            });
            continue;
        };
        left_out.push(LeftOut {
            what: format!("node {name}"),
            why: why.to_owned(),
        });
    }
    let daemons = lab
        .nodes
        .iter()
        .filter(|(_, node)| node.daemon != Daemon::None && !matches!(node.kind, Kind::Vpc { .. }));
    found.extend(daemons.map(|(name, _)| Element {
        what: What::Daemon,
        name: name.to_string(),
        links: BTreeSet::new(),
        nodes: [name.clone()].into(),
        managed: managed(name),
    }));
    tags(lab, &mut found, &mut left_out);
    (found, left_out)
}

/// Whether AWS runs one of it, whatever is ordered.
pub(super) fn is_managed(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Vgw
            | Kind::Dxgw { .. }
            | Kind::Tgw { .. }
            | Kind::AwsPublic { .. }
            | Kind::Vpc { .. }
    )
}

fn links_of(lab: &Lab, node: &NodeName) -> BTreeSet<LinkName> {
    let links = lab
        .links
        .iter()
        .filter(|(_, link)| link.ends.contains(node));
    links.map(|(name, _)| name.clone()).collect()
}

fn tags(lab: &Lab, found: &mut Vec<Element>, left_out: &mut Vec<LeftOut>) {
    for tag in Tag::ALL {
        for value in lab.values_of(tag) {
            let (links, nodes) = lab.tagged(tag, value);
            let element = Element {
                what: What::Tag(tag),
                name: value.to_owned(),
                links: links.into_iter().collect(),
                nodes: nodes.into_iter().collect(),
                managed: false,
            };
            let same = found.iter().find(|other| {
                other.links == element.links
                    && other.what != What::Node
                    && other.what != What::Daemon
            });
            let why = match same {
                _ if element.links.is_empty() => "it has no link to cut".to_owned(),
                Some(other) => format!("it takes the same links as {other}"),
                None => {
                    found.push(element);
                    continue;
                }
            };
            left_out.push(LeftOut {
                what: element.to_string(),
                why,
            });
        }
    }
}

/// Every failure of up to `depth` elements (1 or 2), in each manner. A pair is left out where one
/// of the two takes the other with it; `cuts_all` says of one element whether no flow has a way
/// without it, and a pair with such a one says nothing new.
pub fn cases(
    elements: &[Element],
    (depth, manners): (u8, &[Manner]),
    cuts_all: impl Fn(&Element) -> bool,
) -> (Vec<Case>, Vec<LeftOut>) {
    let mut found = Vec::new();
    let mut left_out = Vec::new();
    for &manner in manners {
        let fit = |(at, one): (usize, &Element)| one.how(manner).is_ok().then_some(at);
        let fitting: Vec<usize> = elements.iter().enumerate().filter_map(fit).collect();
        found.extend(fitting.iter().map(|&at| Case {
            parts: vec![at],
            manner,
        }));
    }
    // What does not apply is told once for each kind of thing.
    let mut unfit: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    for &manner in manners {
        for one in elements {
            if let Err(why) = one.how(manner) {
                *unfit
                    .entry((one.what.word(), manner.word(), why))
                    .or_default() += 1;
            }
        }
    }
    left_out.extend(unfit.into_iter().map(|((what, manner, why), n)| LeftOut {
        what: format!("{manner} of {}", counted(n, what)),
        why: why.to_owned(),
    }));
    if depth > 1 {
        pairs(elements, manners, &cuts_all, (&mut found, &mut left_out));
    }
    (found, left_out)
}

fn pairs(
    elements: &[Element],
    manners: &[Manner],
    cuts_all: &impl Fn(&Element) -> bool,
    (found, left_out): (&mut Vec<Case>, &mut Vec<LeftOut>),
) {
    let (mut contained, mut hopeless) = (0, 0);
    let fatal: Vec<bool> = elements.iter().map(cuts_all).collect();
    for &manner in manners {
        for (a, one) in elements.iter().enumerate() {
            for (b, other) in elements.iter().enumerate().skip(a + 1) {
                if one.how(manner).is_err() || other.how(manner).is_err() {
                    continue;
                }
                if one.is_part_of(other) || other.is_part_of(one) {
                    contained += 1;
                } else if [a, b].iter().any(|&at| fatal.get(at) == Some(&true)) {
                    hopeless += 1;
                } else {
                    found.push(Case {
                        parts: vec![a, b],
                        manner,
                    });
                }
            }
        }
    }
    for (n, why) in [
        (contained, "one of the two takes the other with it"),
        (
            hopeless,
            "one of the two alone leaves no flow a way, which is tried alone",
        ),
    ] {
        if n > 0 {
            left_out.push(LeftOut {
                what: counted(n, "pair"),
                why: why.to_owned(),
            });
        }
    }
}

fn counted(n: usize, what: &str) -> String {
    match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}
