use std::net::IpAddr;

use ipnet::IpNet;

use super::{accepting_rule, apply};
use crate::proto::bgp::wire::{AsPath, Attributes};
use crate::units::{
    Asn, Community, Match, Policy, PolicySource, PrefixMatch, Rule, SessionName, Set, Verdict,
};

const GOLD: Community = Community(7224 << 16 | 7300);

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn asn(number: u32) -> Asn {
    Asn::new(number).unwrap()
}

fn attributes() -> Attributes {
    let next_hop: IpAddr = "10.0.0.1".parse().unwrap();
    let mut attributes = Attributes::local(next_hop);
    attributes.as_path = AsPath::sequence([65001, 65002, 65003]);
    attributes.add_community(GOLD);
    attributes
}

fn policy(rules: Vec<(Vec<Match>, Verdict)>) -> Policy {
    Policy {
        rules: rules
            .into_iter()
            .map(|(matches, verdict)| Rule {
                matches,
                verdict,
                set: vec![],
            })
            .collect(),
    }
}

#[test]
fn every_kind_of_match() {
    let prod = SessionName::new("prod").unwrap();
    let slash16 = PrefixMatch {
        prefix: net("10.0.0.0/8"),
        ge: 16,
        le: 24,
    };
    let cases = [
        (Match::Prefix(vec![slash16]), true),
        (
            Match::Prefix(vec![PrefixMatch::exact(net("10.0.0.0/8"))]),
            false,
        ),
        (Match::Prefix(vec![]), false),
        (Match::Community(vec![Community(1), GOLD]), true),
        (Match::Community(vec![Community(1)]), false),
        (Match::AsPathContains(asn(65002)), true),
        (Match::AsPathContains(asn(65009)), false),
        (Match::AsPathOrigin(asn(65003)), true),
        (Match::AsPathOrigin(asn(65001)), false),
        (Match::AsPathEmpty, false),
        (Match::From(vec![PolicySource::Session(prod.clone())]), true),
        (Match::From(vec![PolicySource::Local]), false),
    ];
    for (condition, expected) in cases {
        let policy = policy(vec![(vec![condition.clone()], Verdict::Accept)]);
        let found = accepting_rule(&policy, &net("10.1.0.0/16"), &attributes(), Some(&prod));
        assert_eq!(found.is_some(), expected, "{condition:?}");
    }
    let local = policy(vec![(
        vec![Match::From(vec![PolicySource::Local])],
        Verdict::Accept,
    )]);
    assert!(accepting_rule(&local, &net("10.1.0.0/16"), &attributes(), None).is_some());
}

/// First match decides, all conditions of a rule must hold, and what no rule
/// matches is rejected (RFC 8212).
#[test]
fn the_first_match_decides() {
    let gold = || Match::Community(vec![GOLD]);
    let never = || Match::AsPathEmpty;
    let index = |rules| {
        let policy = policy(rules);
        accepting_rule(&policy, &net("10.1.0.0/16"), &attributes(), None).map(|(index, _)| index)
    };
    assert_eq!(index(vec![]), None);
    assert_eq!(index(vec![(vec![never()], Verdict::Accept)]), None);
    assert_eq!(index(vec![(vec![], Verdict::Accept)]), Some(0));
    let reject_first = vec![(vec![gold()], Verdict::Reject), (vec![], Verdict::Accept)];
    assert_eq!(index(reject_first), None);
    let both = vec![
        (vec![gold(), never()], Verdict::Reject),
        (vec![gold()], Verdict::Accept),
    ];
    assert_eq!(index(both), Some(1));
}

#[test]
fn changes_are_made_in_order() {
    let rule = Rule {
        matches: vec![],
        verdict: Verdict::Accept,
        set: vec![
            Set::LocalPref(1),
            Set::LocalPref(300),
            Set::Med(5),
            Set::Prepend(2),
            Set::AddCommunity(Community(9)),
            Set::AddCommunity(Community(9)),
            Set::RemoveCommunity(GOLD),
            Set::NextHopSelf,
        ],
    };
    let mut changed = attributes();
    assert!(apply(&rule, &mut changed, asn(64512)));
    assert_eq!((changed.local_pref, changed.med), (Some(300), Some(5)));
    assert_eq!(changed.as_path.to_string(), "64512 64512 65001 65002 65003");
    assert_eq!(changed.communities, [Community(9)]);
}
