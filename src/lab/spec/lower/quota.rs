//! AWS's limit on what a customer may announce, as far as the file alone shows it: a lab that
//! is beyond it at its start never converges.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::{Lower, Section};
use crate::{
    lab::model::{Routing, SessionKind, Shorthand, aws},
    units::{NodeName, SessionName},
};

impl Lower<'_> {
    /// A VIF takes so many prefixes of each family, and no more.
    pub(super) fn check_prefix_quota(&mut self) {
        let mut found = Vec::new();
        for (name, session) in &self.lab.sessions {
            let SessionKind::Vif(_) = &session.kind else {
                continue;
            };
            let [customer, _] = &session.ends;
            let announced = self.announced(customer, name, &mut BTreeSet::new());
            let (v4, v6): (Vec<&IpNet>, Vec<&IpNet>) =
                announced.iter().partition(|net| net.addr().is_ipv4());
            for (family, count) in [("IPv4", v4.len()), ("IPv6", v6.len())] {
                if count > aws::VIF_MAX_PREFIX as usize {
                    found.push((name.clone(), customer.clone(), family, count));
                }
            }
        }
        for (session, customer, family, count) in found {
            let at = self.at(Section::Sessions, session.as_str());
            let limit = aws::VIF_MAX_PREFIX;
            let message = format!(
                "`{customer}` announces {count} {family} prefixes on `{session}` from the start: AWS takes {limit} and ends the session at the next"
            );
            self.f
                .warn(at, "aws-quota", message)
                .help("announce summaries (\"AWS Direct Connect quotas\": routes per BGP session)");
        }
    }

    /// What `node` announces on a session before anything happens. Only what is sure: the short
    /// form, and of what it passes on no more than what it would not rather take from a session
    /// it does not pass on.
    fn announced(
        &self,
        node: &NodeName,
        session: &SessionName,
        seen: &mut BTreeSet<(NodeName, SessionName)>,
    ) -> BTreeSet<IpNet> {
        let Some(short) = self.short_form(node, session) else {
            return BTreeSet::new();
        };
        if !seen.insert((node.clone(), session.clone())) {
            return BTreeSet::new();
        }
        let own = short
            .announce
            .iter()
            .filter(|own| own.while_known.is_none());
        let mut all: BTreeSet<IpNet> = own.map(|own| own.prefix).collect();
        for passed in &short.pass {
            let mut routes = self.learned(node, passed, seen);
            let others = self.lab.sessions.iter().filter(|(other, spec)| {
                spec.ends.contains(node)
                    && *other != session
                    && !short.pass.contains(other)
                    && self.preference(node, other) >= self.preference(node, passed)
            });
            for (other, _) in others {
                let rather = self.learned(node, other, &mut seen.clone());
                routes.retain(|route| !rather.contains(route));
            }
            all.extend(routes);
        }
        all
    }

    fn learned(
        &self,
        node: &NodeName,
        session: &SessionName,
        seen: &mut BTreeSet<(NodeName, SessionName)>,
    ) -> BTreeSet<IpNet> {
        let spec = self.lab.sessions.get(session);
        let peer = spec.and_then(|spec| spec.ends.iter().find(|end| *end != node));
        peer.map(|peer| self.announced(peer, session, seen))
            .unwrap_or_default()
    }

    fn preference(&self, node: &NodeName, session: &SessionName) -> u32 {
        let short = self.short_form(node, session);
        short.and_then(|short| short.local_pref).unwrap_or(100)
    }

    fn short_form(&self, node: &NodeName, session: &SessionName) -> Option<&Shorthand> {
        match self.lab.routing.get(node)?.get(session)? {
            Routing::Shorthand(short) => Some(short),
            Routing::Rules(_) => None,
        }
    }
}
