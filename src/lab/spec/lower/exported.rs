//! What a customer's router gives out on a session, in either form of `routing`, and what of
//! that AWS refuses.

use ipnet::IpNet;

use super::{
    super::{At, reader::Fields},
    Lower,
};
use crate::{
    lab::model::{Announce, Routing, SessionKind},
    units::{Match, NodeName, Policy, PolicySource, SessionName, Set, Verdict},
};

/// Where a file says what a router gives out on a session.
pub(super) struct Place {
    pub(super) node: NodeName,
    pub(super) session: SessionName,
    /// `announce`, or the long form's `export`.
    pub(super) at: At,
    /// `prepend`, or the long form's `export`.
    pub(super) prepend: At,
}

impl Place {
    pub(super) fn of(
        fields: &Fields<'_>,
        node: &NodeName,
        session: &SessionName,
        routing: &Routing,
    ) -> Self {
        let [at, prepend] = match routing {
            Routing::Shorthand(_) => ["announce", "prepend"],
            Routing::Rules(_) => ["export", "export"],
        };
        Self {
            node: node.clone(),
            session: session.clone(),
            at: fields.at_key(at),
            prepend: fields.at_key(prepend),
        }
    }
}

/// Whether a route of the router's own leaves by these rules.
fn lets_out(export: &Policy, prefix: &IpNet) -> bool {
    let holds = |wanted: &Match| match wanted {
        Match::Prefix(of) => of.iter().any(|one| one.covers(prefix)),
        Match::From(sources) => sources.contains(&PolicySource::Local),
        Match::AsPathEmpty => true,
        // What is originated here has no path and carries nothing yet.
        Match::Community(_) | Match::AsPathContains(_) | Match::AsPathOrigin(_) => false,
    };
    let mut rules = export.rules.iter();
    let first = rules.find(|rule| rule.matches.iter().all(holds));
    first.is_some_and(|rule| rule.verdict == Verdict::Accept)
}

/// What rules say of a route learned over `from`, or, on import, over their own session. What
/// it carries is not known here; where that decides, nothing is.
fn decides(policy: &Policy, route: &IpNet, from: Option<&SessionName>) -> Option<bool> {
    for rule in &policy.rules {
        let mut is_sure = true;
        let holds = rule.matches.iter().all(|wanted| match wanted {
            Match::Prefix(of) => of.iter().any(|one| one.covers(route)),
            Match::From(sources) => from.is_none_or(|from| is_among(sources, from)),
            Match::Community(_)
            | Match::AsPathContains(_)
            | Match::AsPathOrigin(_)
            | Match::AsPathEmpty => {
                is_sure = false;
                true
            }
        });
        if holds {
            return is_sure.then_some(rule.verdict == Verdict::Accept);
        }
    }
    Some(false)
}

fn is_among(sources: &[PolicySource], from: &SessionName) -> bool {
    let is = |source: &PolicySource| matches!(source, PolicySource::Session(name) if name == from);
    sources.iter().any(is)
}

/// Whether what is learned over `from` surely goes out by this.
pub(super) fn passes_on(routing: &Routing, from: &SessionName, route: &IpNet) -> bool {
    match routing {
        Routing::Shorthand(short) => short.pass.contains(from),
        Routing::Rules(rules) => decides(&rules.export, route, Some(from)) == Some(true),
    }
}

/// Whether anything that is learned over `from` may go out by this.
pub(super) fn may_pass(routing: &Routing, from: &SessionName) -> bool {
    match routing {
        Routing::Shorthand(short) => short.pass.contains(from),
        Routing::Rules(rules) => rules.export.rules.iter().any(|rule| {
            let mut matches = rule.matches.iter();
            rule.verdict == Verdict::Accept
                && matches.all(
                    |wanted| !matches!(wanted, Match::From(sources) if !is_among(sources, from)),
                )
        }),
    }
}

/// Whether anything leaves with a longer AS_PATH.
pub(super) fn prepends(routing: &Routing) -> bool {
    match routing {
        Routing::Shorthand(short) => short.prepend > 0,
        Routing::Rules(rules) => {
            let rules = rules.export.rules.iter();
            let mut sets = rules.flat_map(|rule| &rule.set);
            sets.any(|set| matches!(set, Set::Prepend(times) if *times > 0))
        }
    }
}

impl Lower<'_> {
    pub(super) fn routing_of(&self, node: &NodeName, session: &SessionName) -> Option<&Routing> {
        self.lab.routing.get(node)?.get(session)
    }

    /// What a router originates and gives out on a session.
    pub(super) fn exported(&self, node: &NodeName, session: &SessionName) -> Vec<Announce> {
        match self.routing_of(node, session) {
            None => Vec::new(),
            Some(Routing::Shorthand(short)) => short.announce.clone(),
            Some(Routing::Rules(rules)) => {
                let own = self.originated(node).into_iter();
                own.filter(|one| lets_out(&rules.export, &one.prefix))
                    .collect()
            }
        }
    }

    /// Whether a route is surely taken from a session.
    pub(super) fn takes(&self, node: &NodeName, from: &SessionName, route: &IpNet) -> bool {
        self.verdict(node, from, route) == Some(true)
    }

    /// Whether a route may be taken from a session.
    pub(super) fn may_take(&self, node: &NodeName, from: &SessionName, route: &IpNet) -> bool {
        self.verdict(node, from, route) != Some(false)
    }

    fn verdict(&self, node: &NodeName, from: &SessionName, route: &IpNet) -> Option<bool> {
        match self.routing_of(node, from) {
            None | Some(Routing::Shorthand(_)) => Some(true),
            Some(Routing::Rules(rules)) => decides(&rules.import, route, None),
        }
    }

    /// All that a router originates, for whichever session.
    fn originated(&self, node: &NodeName) -> Vec<Announce> {
        let mut all: Vec<Announce> = Vec::new();
        let own = self.lab.nodes.get(node).map(|node| &node.originate);
        let sessions = self.lab.routing.get(node);
        let announced = sessions
            .into_iter()
            .flat_map(|of| of.values())
            .filter_map(|routing| match routing {
                Routing::Shorthand(short) => Some(&short.announce),
                Routing::Rules(_) => None,
            });
        let mut seen = std::collections::BTreeSet::new();
        for one in own.into_iter().chain(announced).flatten() {
            if seen.insert(one.prefix) {
                all.push(one.clone());
            }
        }
        all
    }

    /// AWS's rules for what it is told, once everything is known that is.
    pub(super) fn check_exports(&mut self, places: &[Place]) {
        for place in places {
            self.check_families(place);
            self.check_public_routing(place);
            self.check_local_ranges(place);
        }
    }

    /// What a VPN to AWS cannot carry: a vgw's has no IPv6, and a tgw's none here.
    fn check_families(&mut self, place: &Place) {
        let Some(session) = self.session(&place.session) else {
            return;
        };
        let to_aws = matches!(session.kind, SessionKind::Vpn(_))
            && session.ends.iter().any(|end| {
                self.kind(end)
                    .is_some_and(crate::lab::model::Kind::has_aws_vpn)
            });
        if !to_aws || session.unlike_aws {
            return;
        }
        let vpn = self.vpn_of(&session.ends[1]);
        let exported = self.exported(&place.node, &place.session);
        if let Some(v6) = exported.iter().find(|one| one.prefix.addr().is_ipv6()) {
            let message = format!(
                "{vpn} carries no IPv6, so `{}` cannot be announced on `{}`",
                v6.prefix, place.session
            );
            let found = self.f.error(place.at, "aws-ipv6", message);
            if vpn.contains("vgw") {
                found.help("announce it on a VIF (Site-to-Site VPN User Guide, \"IPv4 and IPv6 traffic in AWS Site-to-Site VPN\")");
            }
        }
    }
}
