//! Public VIFs: what AWS takes and gives there, and how far it spreads it (Direct Connect
//! User Guide, "Routing policies and BGP communities").

use super::{
    super::{
        net::{Net, Port},
        statics::default_like,
    },
    Leg,
    gateways::{from, kind_at},
    legs::prefix_limit,
    locations,
    policy::{Sides, accept},
};
use crate::{
    lab::model::{Kind, Lab, Scope, SessionKind, Vif, VifKind, aws},
    units::{
        Community, Match, NodeName, Policy, PolicySource, PrefixMatch, Rule, Set, StaticHop,
        StaticPath, Verdict,
    },
};

const fn amazon(number: u32) -> Community {
    Community(7224 << 16 | number)
}

/// The customer's wish: no farther than the location's Region.
const THIS_REGION: Community = amazon(9100);
/// No farther than the continent. With 7224:9300, or nothing: everywhere.
const THIS_CONTINENT: Community = amazon(9200);
/// AWS's word: from the location's Region.
const FROM_REGION: Community = amazon(8100);
/// From the same continent. From elsewhere there is none.
const FROM_CONTINENT: Community = amazon(8200);
/// Local preference, which a public VIF does not have.
const PREFERENCES: [Community; 3] = [amazon(7100), amazon(7200), amazon(7300)];

/// The public VIF that a leg is.
pub(super) fn vif<'a>(lab: &'a Lab, leg: &Leg) -> Option<&'a Vif> {
    match &lab.sessions.get(&leg.declared)?.kind {
        SessionKind::Vif(vif) if vif.kind == VifKind::Public => Some(vif),
        SessionKind::Vif(_)
        | SessionKind::Vpn(_)
        | SessionKind::Ebgp { .. }
        | SessionKind::Ibgp { .. } => None,
    }
}

/// The location's end. It takes what AWS has verified, and tells nobody outside: of what it
/// gives, nothing comes from another customer.
pub(super) fn location(lab: &Lab, legs: &[Leg], leg: &Leg) -> Option<Sides> {
    let vif = vif(lab, leg)?;
    let here = &leg.ends[1].node;
    let verified = vif.prefixes.iter().map(|prefix| PrefixMatch {
        prefix: *prefix,
        ge: prefix.prefix_len(),
        le: prefix.max_prefix_len(),
    });
    let strip = PREFERENCES.iter().chain(&[Community::NO_EXPORT]);
    let strip = strip.copied().map(Set::RemoveCommunity).collect();
    let inside = locations::inside(legs, here, &vif.gateway);
    let words = vec![
        Set::Prepend(aws::PUBLIC_PATH - 1),
        Set::AddCommunity(Community::NO_EXPORT),
    ];
    Some(Sides {
        import: accept(vec![Match::Prefix(verified.collect())], strip),
        export: accept(vec![from(inside)], words),
        max_prefix: prefix_limit(lab, leg),
    })
}

/// An end in AWS's public network.
pub(super) fn network(lab: &Lab, legs: &[Leg], leg: &Leg, side: usize, scope: Scope) -> Sides {
    let own = &leg.ends[side].node;
    let sessions = |locations: bool| {
        legs.iter().filter_map(move |one| {
            let side = one.ends.iter().position(|end| end.node == *own)?;
            let is_location = matches!(kind_at(lab, one, 1 - side), Some(Kind::DxLocation));
            (is_location == locations).then_some(one.session.clone())
        })
    };
    let local = || itself(lab, own);
    let export = match (scope, kind_at(lab, leg, 1 - side)) {
        // A customer is told of AWS, never of another customer.
        (_, Some(Kind::DxLocation)) => {
            let mut export = accept(local(), words(scope));
            let elsewhere = accept(vec![from(sessions(false))], Vec::new());
            export.rules.extend(elsewhere.rules);
            export
        }
        (Scope::Region, Some(Kind::AwsPublic { scope: there, .. })) => {
            customers(*there, from(sessions(true)), local())
        }
        _ => accept(local(), words(scope)),
    };
    Sides {
        import: Policy::accept_all(),
        export,
        max_prefix: None,
    }
}

/// What the Region's network tells one elsewhere: itself, and customers as far as they wish.
fn customers(there: Scope, from_locations: Match, local: Vec<Match>) -> Policy {
    let mut policy = accept(local, Vec::new());
    let kept: &[Community] = match there {
        Scope::Region => &[],
        Scope::Continent => &[THIS_REGION],
        Scope::Global => &[THIS_REGION, THIS_CONTINENT],
    };
    policy.rules.push(Rule {
        matches: vec![Match::Community(kept.to_vec())],
        verdict: Verdict::Reject,
        set: Vec::new(),
    });
    policy
        .rules
        .extend(accept(vec![from_locations], Vec::new()).rules);
    policy
}

/// What a part of AWS's network announces of itself; its way to the internet is none of that.
fn itself(lab: &Lab, node: &NodeName) -> Vec<Match> {
    let prefixes = match lab.nodes.get(node).map(|node| &node.kind) {
        Some(Kind::AwsPublic { prefixes, .. }) => prefixes.as_slice(),
        Some(_) | None => &[],
    };
    vec![
        Match::Prefix(prefixes.iter().copied().map(PrefixMatch::exact).collect()),
        Match::From(vec![PolicySource::Local]),
    ]
}

/// Whom no public VIF leads to is in the internet.
pub(super) fn statics(net: &Net<'_>, node: &NodeName) -> Vec<StaticPath> {
    let beyond = net
        .links
        .values()
        .filter(|cable| cable.at(node).is_some())
        .filter_map(|cable| cable.beyond(node));
    let internet = |port: &&Port| {
        let node = net.lab.nodes.get(&port.node);
        node.is_some_and(|node| node.kind == Kind::Internet)
    };
    beyond
        .filter(internet)
        .flat_map(|port| &port.addresses)
        .map(|address| StaticPath {
            prefix: default_like(address),
            to: StaticHop::Via(address.addr()),
            propagated: None,
            floating: false,
        })
        .collect()
}

fn words(scope: Scope) -> Vec<Set> {
    match scope {
        Scope::Region => vec![Set::AddCommunity(FROM_REGION)],
        Scope::Continent => vec![Set::AddCommunity(FROM_CONTINENT)],
        Scope::Global => Vec::new(),
    }
}
