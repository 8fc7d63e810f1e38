//! VPNs with static routes: what each end sends into the tunnels.

use ipnet::IpNet;

use super::{
    super::net::{Net, attached},
    policy::accept,
};
use crate::{
    lab::model::{Lab, Session},
    units::{
        Match, NodeName, Policy, PolicySource, PrefixMatch, Rule, SessionName, StaticHop,
        StaticPath, Verdict,
    },
};

/// A node's static routes over its VPNs, one over each tunnel. Each is usable while its
/// tunnel's interface is up: at AWS, too, a tunnel's health comes before all else.
pub(super) fn paths(net: &Net<'_>, node: &NodeName) -> Vec<StaticPath> {
    let mut paths = Vec::new();
    for (name, session) in &net.lab.sessions {
        let (Some(fixed), Some(side)) = (
            session.fixed(),
            session.ends.iter().position(|end| end == node),
        ) else {
            continue;
        };
        let prefixes = routes(net.lab, session, side);
        for tunnel in net.tunnels.get(name).into_iter().flatten() {
            paths.extend(prefixes.iter().filter_map(|prefix| {
                let far = tunnel.ends[1 - side].address_like(prefix)?;
                Some(StaticPath {
                    prefix: *prefix,
                    to: StaticHop::Via(far.addr()),
                    propagated: None,
                    floating: fixed.floating && side == 0,
                })
            }));
        }
    }
    paths
}

/// What one end sends there: AWS's the file's list, the customer's the ranges of the VPCs.
fn routes(lab: &Lab, session: &Session, side: usize) -> Vec<IpNet> {
    match (session.fixed(), side) {
        (Some(fixed), 1) => fixed.routes.clone(),
        (Some(_), _) => attached(lab)
            .filter(|(_, gateway, _)| **gateway == session.ends[1])
            .flat_map(|(_, _, ranges)| ranges)
            .filter(|range| range.addr().is_ipv4())
            .copied()
            .collect(),
        (None, _) => Vec::new(),
    }
}

/// What a node that passes on a VPN's static routes gives: them, while it uses them.
pub(super) fn passed(lab: &Lab, session: &SessionName) -> Option<Vec<Match>> {
    let session = lab.sessions.get(session)?;
    session.fixed()?;
    Some(exactly(routes(lab, session, 0)))
}

/// A vgw tells its BGP peers nothing of its VPNs' static routes.
pub(super) fn untold(lab: &Lab, vgw: &NodeName) -> Option<Rule> {
    let here = |session: &&Session| session.ends[1] == *vgw;
    let all: Vec<IpNet> = lab
        .sessions
        .values()
        .filter(here)
        .flat_map(|session| routes(lab, session, 1))
        .collect();
    (!all.is_empty()).then(|| Rule {
        matches: exactly(all),
        verdict: Verdict::Reject,
        set: Vec::new(),
    })
}

fn exactly(prefixes: Vec<IpNet>) -> Vec<Match> {
    vec![
        Match::Prefix(prefixes.into_iter().map(PrefixMatch::exact).collect()),
        Match::From(vec![PolicySource::Local]),
    ]
}

/// Rules for passing on what is static, beside those for what is learned.
pub(super) fn pass(
    lab: &Lab,
    sessions: &[SessionName],
    export: &mut Policy,
    set: &[crate::units::Set],
) {
    for matches in sessions.iter().filter_map(|session| passed(lab, session)) {
        export.rules.extend(accept(matches, set.to_vec()).rules);
    }
}
