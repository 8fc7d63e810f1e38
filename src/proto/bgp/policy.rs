//! Applying a [`Policy`]: the first matching rule decides, none means reject.

use ipnet::IpNet;

use super::wire::Attributes;
use crate::units::{Asn, Match, Policy, PolicySource, Rule, SessionName, Set, Verdict};

/// The index and the rule that accepts the route; none if it is rejected.
/// `source` is the session it was learned over, none for a route of our own.
pub fn accepting_rule<'p>(
    policy: &'p Policy,
    prefix: &IpNet,
    attributes: &Attributes,
    source: Option<&SessionName>,
) -> Option<(usize, &'p Rule)> {
    policy
        .rules
        .iter()
        .enumerate()
        .find(|(_, rule)| {
            let holds = |one: &Match| matches(one, prefix, attributes, source);
            rule.matches.iter().all(holds)
        })
        .filter(|(_, rule)| rule.verdict == Verdict::Accept)
}

fn matches(
    condition: &Match,
    prefix: &IpNet,
    attributes: &Attributes,
    source: Option<&SessionName>,
) -> bool {
    match condition {
        Match::Prefix(list) => list.iter().any(|one| one.covers(prefix)),
        Match::Community(list) => list.iter().any(|&one| attributes.has_community(one)),
        Match::AsPathContains(asn) => attributes.as_path.contains(asn.get()),
        Match::AsPathOrigin(asn) => attributes.as_path.origin() == Some(asn.get()),
        Match::AsPathEmpty => attributes.as_path.is_empty(),
        Match::From(list) => list.iter().any(|one| match one {
            PolicySource::Local => source.is_none(),
            PolicySource::Session(name) => source == Some(name),
        }),
    }
}

/// Makes a rule's changes in order. Whether NEXT_HOP is to become our own is
/// the answer, because only the session knows that address.
pub fn apply(rule: &Rule, attributes: &mut Attributes, own: Asn) -> bool {
    let mut next_hop_self = false;
    for set in &rule.set {
        match *set {
            Set::LocalPref(value) => attributes.local_pref = Some(value),
            Set::Med(value) => attributes.med = Some(value),
            Set::Prepend(times) => attributes.as_path.prepend(own, usize::from(times)),
            Set::AddCommunity(community) => attributes.add_community(community),
            Set::RemoveCommunity(community) => attributes.remove_community(community),
            Set::NextHopSelf => next_hop_self = true,
        }
    }
    next_hop_self
}

#[cfg(test)]
mod tests;
