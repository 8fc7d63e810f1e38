//! Policies as prefix-lists, community-lists, AS-path lists and route-maps.

use std::fmt::Write;

use super::{Direction, FrrError, Tags, ip_word, map_name};
use crate::units::{
    Community, Family, Match, PeerConfig, Policy, PolicySource, PrefixMatch, Rule, Set, Verdict,
};

/// The lists and route-maps of a configuration, in writing order.
#[derive(Default)]
pub(super) struct Filters {
    lists: String,
    maps: String,
}

impl Filters {
    /// Adds both policies of a session for one family.
    pub(super) fn add_peer(
        &mut self,
        peer: &PeerConfig,
        family: Family,
        tags: &Tags,
        errors: &mut Vec<FrrError>,
    ) {
        for (direction, policy) in [
            (Direction::In, &peer.import),
            (Direction::Out, &peer.export),
        ] {
            let map = Map {
                name: map_name(&peer.session, direction, family),
                direction,
                family,
                peer,
                tags,
            };
            self.add_map(&map, policy, errors);
        }
    }

    pub(super) fn write(&self, out: &mut String) -> std::fmt::Result {
        out.write_str(&self.lists)?;
        out.write_str(&self.maps)
    }

    fn add_map(&mut self, map: &Map<'_>, policy: &Policy, errors: &mut Vec<FrrError>) {
        let mut seq = 0;
        for (index, rule) in policy.rules.iter().enumerate() {
            let list = format!("{}-{}", map.name, index + 1);
            match map.conditions(rule, &list) {
                Ok(Some(conditions)) => {
                    self.lists.push_str(&conditions.lists);
                    for lines in conditions.alternatives() {
                        seq += 10;
                        self.maps
                            .push_str(&map.entry(seq, rule, &lines, &list, &mut self.lists));
                    }
                }
                Ok(None) => {}
                Err(error) => errors.push(error),
            }
        }
        // Said aloud although it is the default: RFC 8212 is meant to be readable.
        self.maps
            .push_str(&format!("route-map {} deny 65535\nexit\n", map.name));
    }
}

/// One route-map being written.
struct Map<'a> {
    name: String,
    direction: Direction,
    family: Family,
    peer: &'a PeerConfig,
    tags: &'a Tags,
}

/// What a rule's matches become.
#[derive(Default)]
struct Conditions {
    /// List definitions.
    lists: String,
    /// `match` lines that all must hold.
    all: Vec<String>,
    /// `match tag` values of which one must hold; `None` when any source will do.
    tags: Option<Vec<u32>>,
}

impl Conditions {
    /// The `match` lines of each entry needed: an entry can match one tag only.
    fn alternatives(&self) -> Vec<Vec<String>> {
        let Some(tags) = &self.tags else {
            return vec![self.all.clone()];
        };
        tags.iter()
            .map(|tag| {
                let mut lines = self.all.clone();
                lines.push(format!("match tag {tag}"));
                lines
            })
            .collect()
    }
}

impl Map<'_> {
    /// `None` when the rule cannot match a route of this family.
    fn conditions(&self, rule: &Rule, list: &str) -> Result<Option<Conditions>, FrrError> {
        let mut found = Conditions::default();
        let (mut prefixes, mut communities, mut paths) = (0, 0, 0);
        for condition in &rule.matches {
            match condition {
                Match::Prefix(wanted) => {
                    prefixes += 1;
                    let ours: Vec<&PrefixMatch> = wanted
                        .iter()
                        .filter(|wanted| Family::of(&wanted.prefix) == self.family)
                        .collect();
                    if ours.is_empty() {
                        return Ok(None);
                    }
                    found.lists.push_str(&self.prefix_list(list, &ours));
                    let ip = ip_word(self.family);
                    found
                        .all
                        .push(format!("match {ip} address prefix-list {list}"));
                }
                Match::Community(wanted) => {
                    communities += 1;
                    found.lists.push_str(&community_list(list, wanted));
                    found.all.push(format!("match community {list}"));
                }
                Match::AsPathContains(_) | Match::AsPathOrigin(_) | Match::AsPathEmpty => {
                    paths += 1;
                    let regex = path_regex(condition);
                    found.lists.push_str(&format!(
                        "bgp as-path access-list {list} seq 5 permit {regex}\n"
                    ));
                    found.all.push(format!("match as-path {list}"));
                }
                Match::From(sources) => self.narrow_sources(&mut found, sources)?,
            }
        }
        for (count, sort) in [
            (prefixes, "prefix"),
            (communities, "community"),
            (paths, "as-path"),
        ] {
            if count > 1 {
                return Err(FrrError::TwoMatches {
                    session: self.peer.session.clone(),
                    sort,
                });
            }
        }
        Ok(Some(found))
    }

    fn narrow_sources(
        &self,
        found: &mut Conditions,
        sources: &[PolicySource],
    ) -> Result<(), FrrError> {
        let mut wanted = Vec::new();
        for source in sources {
            match (self.tags.get(source), source) {
                (Some(tag), _) => wanted.push(tag),
                (None, PolicySource::Local) => {}
                (None, PolicySource::Session(other)) => {
                    return Err(FrrError::UnknownSource {
                        session: self.peer.session.clone(),
                        other: other.clone(),
                    });
                }
            }
        }
        match &mut found.tags {
            Some(tags) => tags.retain(|tag| wanted.contains(tag)),
            None => found.tags = Some(wanted),
        }
        Ok(())
    }

    fn prefix_list(&self, list: &str, wanted: &[&PrefixMatch]) -> String {
        let ip = ip_word(self.family);
        let mut out = String::new();
        for (seq, one) in (1..).map(|n| n * 5).zip(wanted) {
            let own = one.prefix.prefix_len();
            // FRR wants own length < ge <= le, and reads a missing bound as the own length.
            let ge = (one.ge > own).then(|| format!(" ge {}", one.ge));
            let le = (one.le > own).then(|| format!(" le {}", one.le));
            out.push_str(&format!(
                "{ip} prefix-list {list} seq {seq} permit {}{}{}\n",
                one.prefix,
                ge.unwrap_or_default(),
                le.unwrap_or_default(),
            ));
        }
        out
    }

    /// One route-map entry; lists that its changes need go to `lists`.
    fn entry(
        &self,
        seq: u32,
        rule: &Rule,
        matches: &[String],
        list: &str,
        lists: &mut String,
    ) -> String {
        let verdict = match rule.verdict {
            Verdict::Accept => "permit",
            Verdict::Reject => "deny",
        };
        let mut out = format!("route-map {} {verdict} {seq}\n", self.name);
        let mut line = |text: &str| {
            out.push(' ');
            out.push_str(text);
            out.push('\n');
        };
        for text in matches {
            line(text);
        }
        if rule.verdict == Verdict::Accept {
            for text in self.changes(rule, list, lists) {
                line(&text);
            }
        }
        out.push_str("exit\n");
        out
    }

    fn changes(&self, rule: &Rule, list: &str, lists: &mut String) -> Vec<String> {
        let mut out = Vec::new();
        let (mut added, mut removed) = (Vec::<String>::new(), Vec::new());
        for change in &rule.set {
            match change {
                Set::LocalPref(value) => out.push(format!("set local-preference {value}")),
                Set::Med(value) => out.push(format!("set metric {value}")),
                Set::Prepend(0) => {}
                Set::Prepend(times) => {
                    let own = vec![self.tags.asn.to_string(); usize::from(*times)].join(" ");
                    out.push(format!("set as-path prepend {own}"));
                }
                Set::AddCommunity(community) => added.push(community.to_string()),
                Set::RemoveCommunity(community) => {
                    // One entry deletes by one list: all removals of the rule share it.
                    removed.push(*community);
                }
                Set::NextHopSelf => {
                    let ip = ip_word(self.family);
                    out.push(format!("set {ip} next-hop peer-address"));
                }
            }
        }
        if !removed.is_empty() {
            let doomed = format!("{list}-drop");
            let text = community_list(&doomed, &removed);
            if !lists.contains(&text) {
                lists.push_str(&text);
            }
            out.push(format!("set comm-list {doomed} delete"));
        }
        if !added.is_empty() {
            out.push(format!("set community {} additive", added.join(" ")));
        }
        match self.direction {
            Direction::In => {
                let source = PolicySource::Session(self.peer.session.clone());
                if let Some(tag) = self.tags.get(&source) {
                    out.push(format!("set tag {tag}"));
                }
            }
            Direction::Out => {
                if let Some(address) = self.peer.foreign_next_hop(self.family) {
                    out.push(match self.family {
                        Family::Ipv4Unicast => format!("set ip next-hop {address}"),
                        Family::Ipv6Unicast => format!("set ipv6 next-hop global {address}"),
                    });
                }
            }
        }
        out
    }
}

fn community_list(list: &str, wanted: &[Community]) -> String {
    (1..)
        .map(|n| n * 5)
        .zip(wanted)
        .map(|(seq, community)| {
            format!("bgp community-list standard {list} seq {seq} permit {community}\n")
        })
        .collect()
}

fn path_regex(condition: &Match) -> String {
    match condition {
        Match::AsPathContains(asn) => format!("_{asn}_"),
        Match::AsPathOrigin(asn) => format!("_{asn}$"),
        Match::AsPathEmpty | Match::Prefix(_) | Match::Community(_) | Match::From(_) => {
            "^$".to_owned()
        }
    }
}
