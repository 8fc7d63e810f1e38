//! Policies as filters: a rule is an `if` that ends in `accept` or `reject`.

use std::{
    collections::BTreeSet,
    fmt::{self, Write as _},
    net::IpAddr,
};

use super::{BirdError, Direction, filter_name, protocol_name};
use crate::units::{
    Asn, Community, Family, Match, PeerConfig, Policy, PolicySource, PrefixMatch, Rule,
    SessionName, Set, SpeakerConfig, Verdict,
};

/// One session's policy for one family and direction.
pub(super) struct Filter<'a> {
    name: String,
    family: Family,
    asn: Asn,
    policy: &'a Policy,
    own_next_hop: IpAddr,
}

impl<'a> Filter<'a> {
    pub(super) fn of(
        config: &SpeakerConfig,
        peer: &'a PeerConfig,
        family: Family,
        direction: Direction,
    ) -> Self {
        Self {
            name: filter_name(&peer.session, direction, family),
            family,
            asn: config.asn,
            policy: match direction {
                Direction::In => &peer.import,
                Direction::Out => &peer.export,
            },
            own_next_hop: peer.foreign_next_hop(family).unwrap_or(peer.local),
        }
    }

    pub(super) fn write(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "\nfilter {} {{", self.name)?;
        for rule in &self.policy.rules {
            if let Some(conditions) = self.conditions(rule) {
                self.write_rule(out, rule, &conditions)?;
                if conditions.is_empty() {
                    // Whatever follows is never reached.
                    return writeln!(out, "}}");
                }
            }
        }
        // Said aloud although it is the default: RFC 8212 is meant to be readable.
        writeln!(out, "  reject;\n}}")
    }

    fn write_rule(&self, out: &mut String, rule: &Rule, conditions: &[String]) -> fmt::Result {
        let indent = if conditions.is_empty() {
            "  "
        } else {
            writeln!(out, "  if {} then {{", conditions.join(" && "))?;
            "    "
        };
        let verdict = match rule.verdict {
            Verdict::Accept => {
                for change in &rule.set {
                    self.write_change(out, indent, change)?;
                }
                "accept"
            }
            Verdict::Reject => "reject",
        };
        writeln!(out, "{indent}{verdict};")?;
        if !conditions.is_empty() {
            writeln!(out, "  }}")?;
        }
        Ok(())
    }

    fn write_change(&self, out: &mut String, indent: &str, change: &Set) -> fmt::Result {
        match change {
            Set::LocalPref(value) => writeln!(out, "{indent}bgp_local_pref = {value};"),
            Set::Med(value) => writeln!(out, "{indent}bgp_med = {value};"),
            Set::Prepend(times) => (0..*times)
                .try_for_each(|_| writeln!(out, "{indent}bgp_path.prepend({});", self.asn)),
            Set::AddCommunity(community) => {
                writeln!(out, "{indent}bgp_community.add({});", pair(*community))
            }
            Set::RemoveCommunity(community) => {
                writeln!(out, "{indent}bgp_community.delete({});", pair(*community))
            }
            Set::NextHopSelf => writeln!(out, "{indent}bgp_next_hop = {};", self.own_next_hop),
        }
    }

    /// `None` when the rule cannot match a route of this family.
    fn conditions(&self, rule: &Rule) -> Option<Vec<String>> {
        rule.matches
            .iter()
            .map(|condition| self.condition(condition))
            .collect()
    }

    fn condition(&self, condition: &Match) -> Option<String> {
        Some(match condition {
            Match::Prefix(wanted) => {
                let ours: Vec<String> = wanted
                    .iter()
                    .filter(|one| Family::of(&one.prefix) == self.family)
                    .map(prefix_pattern)
                    .collect();
                if ours.is_empty() {
                    return None;
                }
                format!("net ~ [ {} ]", ours.join(", "))
            }
            Match::Community(wanted) => {
                if wanted.is_empty() {
                    return None;
                }
                let pairs: Vec<String> = wanted.iter().copied().map(pair).collect();
                format!("bgp_community ~ [ {} ]", pairs.join(", "))
            }
            Match::AsPathContains(asn) => format!("bgp_path ~ [= * {asn} * =]"),
            Match::AsPathOrigin(asn) => format!("bgp_path ~ [= * {asn} =]"),
            Match::AsPathEmpty => "bgp_path.len = 0".to_owned(),
            Match::From(sources) => {
                let any: Vec<String> = sources.iter().map(source).collect();
                if any.is_empty() {
                    return None;
                }
                format!("({})", any.join(" || "))
            }
        })
    }
}

/// The sessions that a peer's policies name and its router does not have.
pub(super) fn unknown_sources(peer: &PeerConfig, known: &BTreeSet<&SessionName>) -> Vec<BirdError> {
    [&peer.import, &peer.export]
        .into_iter()
        .flat_map(|policy| &policy.rules)
        .flat_map(|rule| &rule.matches)
        .filter_map(|condition| match condition {
            Match::From(sources) => Some(sources),
            Match::Prefix(_)
            | Match::Community(_)
            | Match::AsPathContains(_)
            | Match::AsPathOrigin(_)
            | Match::AsPathEmpty => None,
        })
        .flatten()
        .filter_map(|source| match source {
            PolicySource::Session(other) if !known.contains(other) => {
                Some(BirdError::UnknownSource {
                    session: peer.session.clone(),
                    other: other.clone(),
                })
            }
            PolicySource::Session(_) | PolicySource::Local => None,
        })
        .collect()
}

/// Static routes are the originations; a session's routes bear its protocol's name.
fn source(source: &PolicySource) -> String {
    match source {
        PolicySource::Local => "source = RTS_STATIC".to_owned(),
        PolicySource::Session(name) => format!("proto = \"{}\"", protocol_name(name)),
    }
}

fn prefix_pattern(one: &PrefixMatch) -> String {
    let own = one.prefix.prefix_len();
    if (one.ge, one.le) == (own, own) {
        one.prefix.to_string()
    } else {
        format!("{}{{{},{}}}", one.prefix, one.ge, one.le)
    }
}

fn pair(community: Community) -> String {
    format!("({},{})", community.0 >> 16, community.0 & 0xFFFF)
}
