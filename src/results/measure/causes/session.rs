//! Sessions that are not there, or not as the lab means them.

use std::{collections::BTreeSet, time::Duration};

use ipnet::IpNet;

use super::{Cause, Seen};
use crate::results::{event::EventKind, measure::input::SessionInput};

impl Seen<'_> {
    /// Of a session that BFD is to guard: why it does not.
    pub(super) fn without_bfd(&self, session: &SessionInput) -> Option<Cause> {
        session.bfd?;
        let state = |node: &str| -> Option<Option<&str>> {
            let standing = self.node(node)?;
            let mut all = standing.bfd.iter();
            let one = all.find(|bfd| bfd.session == session.name);
            Some(one.map(|bfd| bfd.state.as_str()))
        };
        let name = &session.name;
        let [a, b] = &session.nodes;
        for (node, peer) in [(a, b), (b, a)] {
            if state(node) == Some(None) {
                return Some(Cause::new(
                    "no-bfd",
                    format!(
                        "no BFD session between {a} and {b} for `{name}`: {node} has none with {peer}, so that only the hold timer notices a silent failure; its configuration lacks `bfd` for this neighbour"
                    ),
                ));
            }
        }
        for (node, peer) in [(a, b), (b, a)] {
            let is_deaf = matches!(state(node), Some(Some("Down")));
            if is_deaf && self.bfd_arrives(session, peer) {
                let hears = match state(peer) {
                    Some(Some("Init")) => format!("; {peer} hears {node}"),
                    _ => String::new(),
                };
                return Some(Cause::new(
                    "bfd-not-heard",
                    format!(
                        "BFD packets that {peer} sends over `{}` arrive at {node}, and {node}'s BFD of `{name}` stays Down as if none came{hears}: something in {node} drops UDP 3784, such as a packet filter",
                        session.over
                    ),
                ));
            }
        }
        None
    }

    /// Whether the wire has carried a BFD packet that `from` sent.
    fn bfd_arrives(&self, session: &SessionInput, from: &str) -> bool {
        self.events.iter().any(|event| {
            matches!(&event.kind, EventKind::WireBfd { link, vlan, from: sender, dropped: false, .. }
                if *link == session.over && session.may_be_tagged(*vlan) && sender == from)
        })
    }

    /// Whether the hold time that was negotiated is longer than the lab says.
    pub(super) fn slow_hold(&self, session: &SessionInput) -> Option<Cause> {
        let meant = session
            .hold
            .iter()
            .filter(|hold| hold.as_nanos() > 0)
            .min()?;
        let negotiated = session.nodes.iter().find_map(|node| {
            let mut all = self.node(node)?.bgp.iter();
            all.find(|bgp| bgp.session == session.name)?.hold_ms
        })?;
        let negotiated = Duration::from_millis(negotiated);
        if negotiated <= meant.as_duration() {
            return None;
        }
        let [a, b] = &session.nodes;
        let seconds = negotiated.as_secs_f64();
        Some(Cause::new(
            "hold-time",
            format!(
                "`{}` runs with a hold time of {seconds} s, and the lab says {meant}: the lower of what {a} and {b} offer holds (RFC 4271 §4.2), so neither is configured with {meant}",
                session.name
            ),
        ))
    }

    /// Of a session that is not established: by which NOTIFICATION it ended.
    pub(super) fn ended(&self, session: &SessionInput) -> Option<Cause> {
        let is_up = |node: &String| {
            let standing = self.node(node)?;
            let mut all = standing.bgp.iter();
            let one = all.find(|bgp| bgp.session == session.name);
            Some(one.is_some_and(|bgp| bgp.state == "Established"))
        };
        if !session.nodes.iter().any(|node| is_up(node) == Some(false)) {
            return None;
        }
        let last = self
            .events
            .iter()
            .rev()
            .find_map(|event| match &event.kind {
                EventKind::WireBgp {
                    link,
                    vlan,
                    from,
                    to,
                    message,
                    code: Some(code),
                    ..
                } if message == "NOTIFICATION"
                    && *link == session.over
                    && session.may_be_tagged(*vlan)
                    && session.nodes.contains(from) =>
                {
                    Some((from, to, *code))
                }
                _ => None,
            });
        let name = &session.name;
        let Some((from, to, (code, subcode))) = last else {
            return self.never_begun(session);
        };
        if (code, subcode) == (6, 1) {
            let told = self.announced(session, to).len();
            return Some(Cause::new(
                "maximum-prefixes",
                format!(
                    "{from} ended `{name}` with Cease, Maximum Number of Prefixes Reached: {to} announces {told} prefixes there, more than {from}'s `maximum-prefix` takes"
                ),
            ));
        }
        let words = words(code, subcode);
        Some(Cause::new(
            "notification",
            format!("{from} ended `{name}` with NOTIFICATION {code}/{subcode}{words}"),
        ))
    }

    fn never_begun(&self, session: &SessionInput) -> Option<Cause> {
        let lacks = session.nodes.iter().find(|node| {
            let standing = self.node(node);
            standing.is_some_and(|s| !s.bgp.iter().any(|bgp| bgp.session == session.name))
        })?;
        let peer = session.nodes.iter().find(|node| *node != lacks)?;
        Some(Cause::new(
            "no-neighbour",
            format!(
                "{lacks} has no BGP neighbour at {peer}'s address on `{}`: its configuration does not name it",
                session.over
            ),
        ))
    }

    /// Every prefix that `from` was seen to announce over the session.
    pub(super) fn announced(&self, session: &SessionInput, sender: &str) -> BTreeSet<IpNet> {
        let mut known = BTreeSet::new();
        for event in self.events {
            let EventKind::WireBgp {
                link,
                vlan,
                from,
                announced,
                dropped: false,
                ..
            } = &event.kind
            else {
                continue;
            };
            if *link == session.over && session.may_be_tagged(*vlan) && from == sender {
                known.extend(announced);
            }
        }
        known
    }
}

/// RFC 4271 §4.5, RFC 4486.
fn words(code: u8, subcode: u8) -> &'static str {
    match (code, subcode) {
        (2, 2) => " (Bad Peer AS)",
        (2, 3) => " (Bad BGP Identifier)",
        (2, 6) => " (Unacceptable Hold Time)",
        (4, _) => " (Hold Timer Expired)",
        (6, 2) => " (Administrative Shutdown)",
        (6, 3) => " (Peer De-configured)",
        (6, 5) => " (Connection Rejected)",
        (6, 10) => " (BFD Down)",
        _ => "",
    }
}
