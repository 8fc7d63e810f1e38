//! What each node gives and takes on each of its sessions.

use std::str::FromStr as _;

use ipnet::IpNet;

use super::{
    super::{
        At,
        keys::ROUTING,
        raw::{Key, Tree},
        reader::{Fields, Findings},
    },
    Lower, Section,
    exported::Place,
    nodes::announcements,
};
use crate::{
    lab::model::{Daemon, Kind, Routing, SessionKind, Shorthand},
    units::{Community, NodeName, Policy, SessionName},
};

const SHORT: [&str; 6] = [
    "announce",
    "pass",
    "local-pref",
    "med",
    "prepend",
    "communities",
];

impl Lower<'_> {
    pub(super) fn routing(&mut self, fields: &Fields<'_>) {
        let Some((at, tree)) = fields.get("routing") else {
            return;
        };
        let mut places = Vec::new();
        for (node_key, tree) in self.f.entries(tree, at, "routing") {
            let Some(node) = self.node_named(node_key.at, &node_key.text) else {
                continue;
            };
            if self.kind(&node).is_some_and(Kind::is_aws) {
                self.f
                    .error(
                        node_key.at,
                        "aws-closed",
                        format!("`{node}` is AWS's, and its routing is as AWS has it"),
                    )
                    .help("what you can set is the customer's end");
                continue;
            }
            for (key, tree) in self.f.entries(tree, node_key.at, "routing") {
                places.extend(self.node_routing(&node, key, tree));
            }
        }
        self.check_exports(&places);
    }

    fn node_routing(&mut self, node: &NodeName, key: &Key, tree: &Tree) -> Option<Place> {
        let name = self.session_named(key.at, &key.text)?;
        if let Some(session) = self.session(&name)
            && !session.ends.contains(node)
        {
            let message = format!(
                "`{node}` is not at the session `{name}`; its ends are `{}` and `{}`",
                session.ends[0], session.ends[1]
            );
            self.f.error(key.at, "not-at-session", message);
            return None;
        }
        if self
            .session(&name)
            .is_some_and(|session| session.fixed().is_some())
        {
            let message =
                format!("`{name}` has static routes: nothing is announced or learned there");
            self.f
                .error(key.at, "static-vpn", message)
                .help("what AWS sends there is the session's `static`; other sessions may `pass` its routes");
            return None;
        }
        let fields = self.f.fields(tree, &ROUTING, key.at)?;
        let long = fields.has("import") || fields.has("export");
        let short: Vec<&str> = SHORT.into_iter().filter(|key| fields.has(key)).collect();
        let max_prefix = fields.number(&mut self.f, "max-prefix");
        if long && let [first, ..] = short.as_slice() {
            self.f
                .error(
                    fields.at_key(first),
                    "both-forms",
                    format!("`{first}` and explicit rules do not go together on one session"),
                )
                .help("write it as a rule, or write everything in the short form");
            return None;
        }
        let routing = if long {
            Routing::Rules(self.rules(&fields, node, max_prefix))
        } else {
            Routing::Shorthand(self.shorthand(&fields, node, &name, max_prefix))
        };
        self.check_communities(&fields, &name, &routing);
        let place = Place::of(&fields, node, &name, &routing);
        self.lab
            .routing
            .entry(node.clone())
            .or_default()
            .insert(name, routing);
        Some(place)
    }

    fn shorthand(
        &mut self,
        fields: &Fields<'_>,
        node: &NodeName,
        session: &SessionName,
        max_prefix: Option<u32>,
    ) -> Shorthand {
        let prepend = fields.number(&mut self.f, "prepend").unwrap_or(0);
        Shorthand {
            announce: announcements(&mut self.f, fields, "announce"),
            pass: self.pass(fields, node, session),
            local_pref: fields.number(&mut self.f, "local-pref"),
            med: fields.number(&mut self.f, "med"),
            prepend,
            communities: self.communities(fields, "communities"),
            max_prefix,
        }
    }

    fn pass(
        &mut self,
        fields: &Fields<'_>,
        node: &NodeName,
        own: &SessionName,
    ) -> Vec<SessionName> {
        let Some((at, tree)) = fields.get("pass") else {
            return Vec::new();
        };
        let mut list = Vec::new();
        for item in Findings::one_or_list(tree) {
            let Some(text) = self.f.text(at, item, "pass") else {
                continue;
            };
            let Some(name) = self.session_named(item.at, text) else {
                continue;
            };
            if name == *own {
                self.f.error(
                    item.at,
                    "pass",
                    "a session does not pass its own routes back",
                );
            } else if self.at_session(item.at, node, &name) {
                list.push(name);
            }
        }
        list
    }

    /// Reports a session that the node is not at.
    pub(super) fn at_session(&mut self, at: At, node: &NodeName, session: &SessionName) -> bool {
        let Some(found) = self.session(session) else {
            return false;
        };
        if found.ends.contains(node) {
            return true;
        }
        let message =
            format!("`{node}` is not at the session `{session}` and learns nothing there");
        self.f.error(at, "not-at-session", message);
        false
    }

    pub(super) fn communities(&mut self, fields: &Fields<'_>, key: &str) -> Vec<Community> {
        let Some((at, tree)) = fields.get(key) else {
            return Vec::new();
        };
        Findings::one_or_list(tree)
            .iter()
            .filter_map(|item| self.f.parse(at, item, key))
            .collect()
    }

    /// A gateway's VPN in words. A vgw's carries no IPv6 at AWS, a tgw's none here.
    pub(super) fn vpn_of(&self, gateway: &NodeName) -> &'static str {
        match self.kind(gateway) {
            Some(Kind::Tgw { .. }) => "here a tgw's VPN",
            _ => "a vgw's VPN",
        }
    }

    /// Two sessions that announce the same and are preferred alike leave the way
    /// back to a tie.
    pub(super) fn check_preference(&mut self) {
        let mut found = Vec::new();
        for (node, sessions) in &self.lab.routing {
            let alone = self
                .lab
                .nodes
                .get(node)
                .is_none_or(|node| node.multipath == 1);
            let short: Vec<(&SessionName, &Shorthand)> = sessions
                .iter()
                .filter_map(|(name, routing)| match routing {
                    Routing::Shorthand(short) => Some((name, short)),
                    Routing::Rules(_) => None,
                })
                .collect();
            for (index, (b, second)) in short.iter().enumerate().filter(|_| alone) {
                for (a, first) in short.iter().take(index) {
                    let same = |x: &Shorthand| x.local_pref.unwrap_or(100);
                    let shared = first
                        .announce
                        .iter()
                        .any(|x| second.announce.iter().any(|y| x.prefix == y.prefix));
                    let is_tie = shared && same(first) == same(second);
                    if is_tie && !self.lead_apart([a, b]) && !self.have_own_routers([a, b]) {
                        found.push((node.clone(), (*a).clone(), (*b).clone(), same(first)));
                    }
                }
            }
        }
        for (node, a, b, preference) in found {
            let at = self.at(Section::Nodes, node.as_str());
            let message = format!(
                "`{node}` prefers `{a}` and `{b}` alike (local-pref {preference}): a tie decides its way out"
            );
            self.f.warn(at, "undecided", message).help(
                "give one of them a higher `local-pref`; what AWS prefers, your router does not know",
            );
        }
    }

    /// Whether what is behind one session is never behind the other: they lead to gateways of
    /// AWS's with nothing in common.
    fn lead_apart(&self, sessions: [&SessionName; 2]) -> bool {
        let [Some(a), Some(b)] = sessions.map(|name| self.behind(name)) else {
            return false;
        };
        !a.iter().any(|gateway| b.contains(gateway))
    }

    /// Whether at a session's end is a router with a configuration of the user's own, which may
    /// make its routes better or worse in ways that this file does not say.
    fn have_own_routers(&self, sessions: [&SessionName; 2]) -> bool {
        let mut ends = sessions
            .into_iter()
            .filter_map(|name| self.lab.sessions.get(name))
            .flat_map(|session| &session.ends);
        ends.any(|node| {
            let node = self.lab.nodes.get(node);
            node.is_some_and(|node| {
                matches!(&node.daemon, Daemon::External(external) if external.config.is_some())
            })
        })
    }

    /// A VPN to a vgw backs up IPv4 only.
    pub(super) fn check_ipv6_backup(&mut self) {
        let to_vgw = |cx: &Self, kind: fn(&SessionKind) -> bool| -> Vec<SessionName> {
            cx.lab
                .sessions
                .iter()
                .filter(|(_, s)| kind(&s.kind))
                .map(|(name, _)| name.clone())
                .collect()
        };
        let vpns = to_vgw(self, |kind| matches!(kind, SessionKind::Vpn(_)));
        let Some(vpn) = vpns.into_iter().find(|name| {
            self.session(name).is_some_and(|s| {
                !s.unlike_aws && self.kind(&s.ends[1]).is_some_and(Kind::has_aws_vpn)
            })
        }) else {
            return;
        };
        for vif in to_vgw(self, |kind| matches!(kind, SessionKind::Vif(_))) {
            let announces_v6 = self
                .lab
                .routing
                .keys()
                .flat_map(|node| self.exported(node, &vif))
                .any(|one| one.prefix.addr().is_ipv6());
            if announces_v6 {
                let at = self.at(Section::Sessions, vpn.as_str());
                let message = format!(
                    "IPv6 is announced on `{vif}`, but the VPN `{vpn}` carries none: IPv6 dies with the circuit"
                );
                self.f.warn(at, "aws-ipv6", message);
            }
        }
    }
}

/// `10.0.0.0/8`, with `ge` and `le`.
pub(super) fn prefix_match(text: &str) -> Result<crate::units::PrefixMatch, String> {
    let mut words = text.split_whitespace();
    let first = words.next().unwrap_or_default();
    let prefix = IpNet::from_str(first).map_err(|_| format!("`{first}` is not a prefix"))?;
    if prefix.trunc() != prefix {
        return Err(format!(
            "`{prefix}` has bits set behind its prefix length; the network is `{}`",
            prefix.trunc()
        ));
    }
    let (mut ge, mut le) = (None, None);
    while let Some(word) = words.next() {
        let slot = match word {
            "ge" => &mut ge,
            "le" => &mut le,
            _ => return Err(format!("`{word}` is neither `ge` nor `le`")),
        };
        let number = words.next().and_then(|n| n.parse::<u8>().ok());
        let number = number.ok_or_else(|| format!("`{word}` needs a prefix length"))?;
        if slot.replace(number).is_some() {
            return Err(format!("`{word}` is here twice"));
        }
    }
    let own = prefix.prefix_len();
    let longest = prefix.max_prefix_len();
    let low = ge.unwrap_or(own);
    let open_end = if ge.is_some() { longest } else { own };
    let high = le.unwrap_or(open_end);
    if !(own <= low && low <= high && high <= longest) {
        return Err(format!(
            "lengths {low} to {high} do not fit `{prefix}`: {own} <= ge <= le <= {longest}"
        ));
    }
    Ok(crate::units::PrefixMatch {
        prefix,
        ge: low,
        le: high,
    })
}

/// What an absent list of rules means on import.
pub(super) fn everything() -> Policy {
    Policy::accept_all()
}
