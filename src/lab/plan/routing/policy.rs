//! What each end of a session takes and gives.
//!
//! The customer's side is the file's, AWS's side is [`gateways`]'.

use super::{Leg, gateways, static_vpn};
use crate::{
    lab::model::{Lab, Routing, Rules, Session, Shorthand, tunnel_name},
    units::{Match, Policy, PolicySource, PrefixMatch, Rule, SessionName, Set, Verdict},
};

/// One end's policies.
pub(super) struct Sides {
    pub(super) import: Policy,
    pub(super) export: Policy,
    pub(super) max_prefix: Option<u32>,
}

pub(super) fn of(lab: &Lab, legs: &[Leg], leg: &Leg, side: usize) -> Sides {
    if let Some(sides) = gateways::sides(lab, legs, leg, side) {
        return sides;
    }
    let all = lab.routing.get(&leg.ends[side].node);
    let routing = all.and_then(|all| {
        // What a tunnel is given by name goes before what its VPN is given.
        all.get(&leg.session).or_else(|| all.get(&leg.declared))
    });
    let mut sides = customer(lab, routing);
    for policy in [&mut sides.import, &mut sides.export] {
        name_tunnels(lab, policy);
    }
    sides
}

/// Routes learned over an IPsec VPN come over the sessions of its tunnels; over a VPN with static
/// routes there is no session, and nothing is learned.
fn name_tunnels(lab: &Lab, policy: &mut Policy) {
    let tunnels = |session: &SessionName| {
        let ipsec = lab.sessions.get(session).and_then(Session::ipsec);
        let count = ipsec.map_or(0, |ipsec| ipsec.tunnels.len());
        (1..=count)
            .filter_map(|number| SessionName::new(tunnel_name(session.as_str(), number)).ok())
            .map(PolicySource::Session)
            .collect::<Vec<_>>()
    };
    let is_static = |session: &SessionName| {
        let session = lab.sessions.get(session);
        session.is_some_and(|session| session.fixed().is_some())
    };
    let matches = policy.rules.iter_mut().flat_map(|rule| &mut rule.matches);
    for wanted in matches {
        if let Match::From(sources) = wanted {
            let more: Vec<PolicySource> = sources
                .iter()
                .flat_map(|source| match source {
                    PolicySource::Session(session) if is_static(session) => Vec::new(),
                    PolicySource::Session(session) => {
                        let of = tunnels(session);
                        if of.is_empty() {
                            vec![source.clone()]
                        } else {
                            of
                        }
                    }
                    PolicySource::Local => vec![source.clone()],
                })
                .collect();
            *sources = more;
        }
    }
}

fn customer(lab: &Lab, routing: Option<&Routing>) -> Sides {
    match routing {
        None => Sides {
            import: Policy::accept_all(),
            export: Policy::default(),
            max_prefix: None,
        },
        Some(Routing::Rules(Rules {
            import,
            export,
            max_prefix,
        })) => Sides {
            import: import.clone(),
            export: export.clone(),
            max_prefix: *max_prefix,
        },
        Some(Routing::Shorthand(short)) => Sides {
            import: accept(
                Vec::new(),
                short.local_pref.map(Set::LocalPref).into_iter().collect(),
            ),
            export: shorthand_export(lab, short),
            max_prefix: short.max_prefix,
        },
    }
}

/// `announce` and `pass` as the complete list of what goes out. A prefix on the
/// list goes out only as our own: learned from elsewhere it is somebody else's.
fn shorthand_export(lab: &Lab, short: &Shorthand) -> Policy {
    let announced: Vec<PrefixMatch> = short
        .announce
        .iter()
        .map(|announce| PrefixMatch::exact(announce.prefix))
        .collect();
    let passed: Vec<PolicySource> = short
        .pass
        .iter()
        .cloned()
        .map(PolicySource::Session)
        .collect();
    let mut export = Policy::default();
    if !announced.is_empty() {
        let own = Match::From(vec![PolicySource::Local]);
        let matches = vec![Match::Prefix(announced), own];
        export.rules.extend(accept(matches, changes(short)).rules);
    }
    if !passed.is_empty() {
        let matches = vec![Match::From(passed)];
        export.rules.extend(accept(matches, changes(short)).rules);
    }
    static_vpn::pass(lab, &short.pass, &mut export, &changes(short));
    export
}

fn changes(short: &Shorthand) -> Vec<Set> {
    let prepend = (short.prepend > 0).then_some(Set::Prepend(short.prepend));
    let communities = short.communities.iter().copied().map(Set::AddCommunity);
    short
        .med
        .map(Set::Med)
        .into_iter()
        .chain(prepend)
        .chain(communities)
        .collect()
}

pub(super) fn accept(matches: Vec<Match>, set: Vec<Set>) -> Policy {
    Policy {
        rules: vec![Rule {
            matches,
            verdict: Verdict::Accept,
            set,
        }],
    }
}
