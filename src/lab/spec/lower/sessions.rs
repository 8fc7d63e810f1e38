//! Sessions: what carries them, who speaks, and AWS's rules for both.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::{
    super::{
        At,
        keys::SESSION,
        raw::{Key, Tree, Value},
        reader::{Fields, an},
    },
    Lower, Section,
    ipsec::{self, Named},
};
use crate::{
    lab::model::{Daemon, Kind, Session, SessionKind, Vpn, VpnKind, aws},
    units::{Asn, LinkName, NodeName, SessionName},
};

/// The keys that say what a session is.
const KINDS: [&str; 4] = ["vif", "vpn", "ebgp", "ibgp"];

/// Which keys a kind may have beside its own.
fn allowed(kind: &str) -> &'static [&'static str] {
    match kind {
        "vif" => &[
            "link",
            "gateway",
            "vlan",
            "mtu",
            "bfd",
            "addresses",
            "sitelink",
            "prefix-limit",
            "graceful-restart",
            "hosted",
            "prefixes",
            "unlike-aws",
        ],
        "vpn" => &[
            "ends",
            "over",
            "cap",
            "mss",
            "bfd",
            "addresses",
            "static",
            "floating",
            "unlike-aws",
        ],
        "ipsec" => &[
            "vpn",
            "ends",
            "over",
            "cap",
            "mss",
            "bfd",
            "static",
            "floating",
            "unlike-aws",
        ],
        "ibgp" => &["bfd", "graceful-restart", "passive", "next-hop-self"],
        _ => &["bfd", "graceful-restart", "passive"],
    }
}

const COMMON: [&str; 4] = ["hold", "keepalive", "connect-retry", "md5"];

impl Lower<'_> {
    pub(super) fn sessions(&mut self, fields: &Fields<'_>) {
        let Some((at, tree)) = fields.get("sessions") else {
            return;
        };
        for (key, tree) in self.f.entries(tree, at, "sessions") {
            let name = self.f.name::<SessionName>(key.at, &key.text);
            if let (Some(name), Some(session)) = (name, self.read_session(key, tree)) {
                self.lab.sessions.insert(name, session);
            }
        }
        self.check_circuits();
        self.check_shared_links();
    }

    fn read_session(&mut self, key: &Key, tree: &Tree) -> Option<Session> {
        let fields = self.f.fields(tree, &SESSION, key.at)?;
        let given: Vec<&str> = KINDS.into_iter().filter(|kind| fields.has(kind)).collect();
        let [kind] = given.as_slice() else {
            let message = if given.is_empty() {
                "a session says what it is".to_owned()
            } else {
                format!(
                    "a session is one thing, not {}",
                    super::super::reader::and_list(&given)
                )
            };
            self.f
                .error(key.at, "session-kind", message)
                .help("`vif: private`, `vpn: ipsec`, `ebgp: LINK` or `ibgp: LINK`");
            return None;
        };
        let ipsec = matches!(
            fields.get("vpn").map(|(_, tree)| &tree.value),
            Some(Value::Text(text)) if text == "ipsec"
        );
        let (keys, what) = if ipsec {
            (allowed("ipsec"), "vpn: ipsec")
        } else {
            (allowed(kind), *kind)
        };
        for other in fields.keys() {
            let known = other == *kind
                || COMMON.contains(&other)
                || keys.contains(&other)
                || (ipsec && ipsec::KEYS.contains(&other));
            if !known {
                let message = format!("a session with `{what}` has no `{other}`");
                self.f.error(fields.at_key(other), "foreign-key", message);
            }
        }
        let session = match *kind {
            "vif" => self.vif(&fields, key),
            "vpn" => self.vpn(&fields, key),
            external => self.plain(&fields, external == "ebgp"),
        }?;
        self.check_speakers(key.at, &session);
        Some(session)
    }

    pub(super) fn needed_text<'t>(
        &mut self,
        fields: &Fields<'t>,
        of: &str,
        key: &str,
    ) -> Option<(At, &'t str)> {
        if !fields.has(key) {
            let message = format!("a session with `{of}` needs `{key}`");
            self.f.error(fields.at, "missing-key", message);
        }
        let text = fields.text(&mut self.f, key)?;
        Some((fields.at_value(key), text))
    }

    pub(super) fn md5(&mut self, fields: &Fields<'_>) -> Option<String> {
        let key = fields.text(&mut self.f, "md5")?;
        let printable = key.bytes().all(|b| b.is_ascii_graphic());
        if key.is_empty() || key.len() > 80 || !printable {
            self.f.error(
                fields.at_value("md5"),
                "bad-value",
                "`md5` is 1 to 80 printable ASCII characters without blanks",
            );
            return None;
        }
        Some(key.to_owned())
    }

    fn vpn(&mut self, fields: &Fields<'_>, name: &Key) -> Option<Session> {
        let word = fields.choice(&mut self.f, "vpn");
        if !fields.has("ends") {
            self.f.error(
                fields.at,
                "missing-key",
                "a session with `vpn` needs `ends`",
            );
        }
        let ends = self.two_nodes(fields, "ends");
        let over = self.over(fields);
        let unlike_aws = fields.flag(&mut self.f, "unlike-aws").unwrap_or(false);
        let md5 = self.md5(fields);
        let mut ends = ends?;
        self.check_vpn_ends(fields.at_value("ends"), &ends);
        let is_aws = |cx: &Self, end: &NodeName| cx.kind(end).is_some_and(Kind::has_aws_vpn);
        if is_aws(self, &ends[0]) {
            ends.reverse();
        }
        let to_aws = is_aws(self, &ends[1]);
        let ours = self.timers(
            fields,
            aws::VPN_HOLD,
            aws::VPN_KEEPALIVE,
            to_aws && !unlike_aws,
        );
        let bfd = self.bfd(fields);
        if bfd.is_some() && to_aws && !unlike_aws {
            self.f
                .error(
                    fields.at_key("bfd"),
                    "aws-bfd",
                    "AWS does no BFD inside a VPN",
                )
                .help("its hold time is 30s, and BFD is Direct Connect's (Direct Connect User Guide, \"BGP-specific settings\"); `unlike-aws: true` on the session insists");
        }
        let implementation = if word == Some("ipsec") {
            let named = Named {
                name: &name.text,
                at: name.at,
                ends: &ends,
                to_aws,
                unlike_aws,
            };
            self.ipsec(fields, &named)
                .map(|ipsec| VpnKind::Ipsec(Box::new(ipsec)))
        } else {
            Some(VpnKind::Wireguard)
        };
        let mss = self.mss(fields, to_aws && !unlike_aws);
        let cap = self.cap(fields, to_aws, unlike_aws);
        let fixed = self.static_vpn(fields, &ends, to_aws);
        let over = over?;
        let underlay = self.underlay(fields, &ends, &over, word == Some("ipsec"))?;
        let [over, beyond] = over;
        let addresses = self.inside(fields, &ends, to_aws && !unlike_aws);
        let theirs = if to_aws {
            Self::aws_timers(aws::VPN_HOLD, aws::VPN_KEEPALIVE)
        } else {
            ours
        };
        Some(Session {
            kind: SessionKind::Vpn(Vpn {
                implementation: implementation?,
                over,
                beyond,
                underlay,
                mss,
                fixed,
                cap,
            }),
            ends,
            timers: [ours, theirs],
            bfd: bfd.map(|bfd| [bfd, bfd]),
            graceful_restart: None,
            md5,
            addresses,
            passive: None,
            unlike_aws,
            line: fields.at.line,
        })
    }

    fn check_vpn_ends(&mut self, at: At, ends: &[NodeName; 2]) {
        let mut gateways = 0;
        for end in ends {
            match self.kind(end) {
                None | Some(Kind::Router | Kind::DataCenter) => {}
                Some(Kind::Vgw | Kind::Tgw { .. }) => gateways += 1,
                Some(kind) => {
                    let message = format!("`{end}` is {}, which has no VPN", an(kind.word()));
                    self.f
                        .error(at, "wrong-kind", message)
                        .help("a VPN runs between routers, data-centers and a vgw or tgw");
                }
            }
        }
        if gateways == 2 {
            self.f.error(
                at,
                "wrong-kind",
                "a VPN does not connect two gateways of AWS's",
            );
        }
    }

    /// Inside addresses of a VIF or VPN.
    pub(super) fn inside(
        &mut self,
        fields: &Fields<'_>,
        ends: &[NodeName; 2],
        vgw_vpn: bool,
    ) -> [Vec<IpNet>; 2] {
        let Some(addresses) = self.end_addresses(fields, ends) else {
            return [Vec::new(), Vec::new()];
        };
        let at = fields.at_key("addresses");
        self.check_pairs(at, &addresses);
        let vpn = self.vpn_of(&ends[1]);
        for net in addresses.iter().flatten() {
            match net {
                IpNet::V4(v4) => {
                    if let Some(block) = aws::RESERVED_INSIDE
                        .iter()
                        .find(|block| block.contains(&v4.addr()))
                    {
                        let message = format!("`{v4}` is in `{block}`, which AWS keeps for itself");
                        self.f
                            .error(at, "aws-inside", message)
                            .help(ipsec::RESERVED_HELP);
                        break;
                    }
                    if vgw_vpn && (v4.prefix_len() != 30 || !v4.addr().is_link_local()) {
                        let message = format!(
                            "a tunnel's inside network is a /30 of 169.254.0.0/16, not `{}`",
                            v4.trunc()
                        );
                        self.f
                            .error(at, "aws-inside", message)
                            .help(ipsec::INSIDE_HELP);
                        break;
                    }
                }
                IpNet::V6(v6) if vgw_vpn => {
                    self.f.error(
                        at,
                        "aws-ipv6",
                        format!("{vpn} carries no IPv6, so no `{v6}` inside"),
                    );
                    break;
                }
                IpNet::V6(_) => {}
            }
        }
        addresses
    }

    fn plain(&mut self, fields: &Fields<'_>, external: bool) -> Option<Session> {
        let key = if external { "ebgp" } else { "ibgp" };
        let link = fields
            .text(&mut self.f, key)
            .and_then(|text| self.way_named(fields.at_value(key), text));
        let timers = self.timers(fields, aws::VIF_HOLD, aws::VIF_KEEPALIVE, false);
        let bfd = self.bfd(fields);
        let md5 = self.md5(fields);
        let restart = self.graceful_restart(fields);
        let next_hop_self = fields.flag(&mut self.f, "next-hop-self").unwrap_or(true);
        let link = link?;
        let ends = self.way_ends(fields.at_value(key), &link)?;
        let passive = match fields.text(&mut self.f, "passive") {
            None => None,
            Some(text) => {
                let end = ends.iter().find(|end| end.as_str() == text).cloned();
                if end.is_none() {
                    let key = Key {
                        at: fields.at_value("passive"),
                        text: text.to_owned(),
                    };
                    self.not_an_end(&key, &ends);
                }
                end
            }
        };
        for end in &ends {
            match self.kind(end) {
                None | Some(Kind::Router | Kind::DataCenter) => {}
                Some(kind) => {
                    let message =
                        format!("`{key}` is between routers; `{end}` is {}", an(kind.word()));
                    self.f
                        .error(fields.at_value(key), "wrong-kind", message)
                        .help("towards AWS it is `vif: private` or `vpn: ipsec`");
                    return None;
                }
            }
        }
        Some(Session {
            kind: if external {
                SessionKind::Ebgp { link }
            } else {
                SessionKind::Ibgp {
                    link,
                    next_hop_self,
                }
            },
            ends,
            timers: [timers, timers],
            bfd: bfd.map(|bfd| [bfd, bfd]),
            graceful_restart: restart.map(|time| [time, time]),
            md5,
            addresses: [Vec::new(), Vec::new()],
            passive,
            unlike_aws: false,
            line: fields.at.line,
        })
    }

    /// Each end has an AS and something that speaks, and the two ASNs fit.
    fn check_speakers(&mut self, at: At, session: &Session) {
        let mut asns: Vec<Option<Asn>> = Vec::new();
        for end in &session.ends {
            let Some(node) = self.lab.nodes.get(end) else {
                return;
            };
            let (asn, daemon, kind) = (node.asn, node.daemon.clone(), node.kind.clone());
            if matches!(kind, Kind::Router | Kind::DataCenter) {
                let place = self.at(Section::Nodes, end.as_str());
                if asn.is_none() {
                    self.f.error(
                        place,
                        "missing-asn",
                        format!("`{end}` is at a session and needs an `asn`"),
                    );
                } else if session.fixed().is_some() {
                    self.check_static_speaker(place, end, &daemon);
                } else if daemon == Daemon::None {
                    self.f.error(
                        place,
                        "no-daemon",
                        format!("`{end}` is at a session, but `daemon: none` speaks no BGP"),
                    );
                }
            }
            asns.push(match &session.kind {
                SessionKind::Vif(vif) if kind == Kind::DxLocation => {
                    self.lab.nodes.get(&vif.gateway).and_then(|node| node.asn)
                }
                SessionKind::Vif(_)
                | SessionKind::Vpn(_)
                | SessionKind::Ebgp { .. }
                | SessionKind::Ibgp { .. } => asn,
            });
        }
        let [Some(a), Some(b)] = asns.as_slice() else {
            return;
        };
        let internal = matches!(session.kind, SessionKind::Ibgp { .. });
        if session.fixed().is_some() {
            return;
        }
        if internal && a != b {
            let message =
                format!("`ibgp` between AS {a} and AS {b}; it is internal when they are equal");
            self.f.error(at, "asn-mismatch", message).help("use `ebgp`");
        } else if !internal && a == b {
            let message = format!("both ends are AS {a}; an external session needs two");
            let help = Self::other_asn(session);
            self.f.error(at, "asn-mismatch", message).help(help);
        }
    }

    /// What to do about two ends in one AS.
    fn other_asn(session: &Session) -> String {
        let [first, second] = &session.ends;
        match &session.kind {
            SessionKind::Ebgp { link } => format!(
                "in one AS it is `ibgp: {link}`; or give `{first}` or `{second}` another `asn`"
            ),
            SessionKind::Vif(vif) => format!(
                "AWS's end is in the AS of `{0}`: give `{first}` or `{0}` another `asn`",
                vif.gateway
            ),
            SessionKind::Ibgp { .. } | SessionKind::Vpn(_) => {
                format!("give `{first}` or `{second}` another `asn`")
            }
        }
    }

    /// A plain session speaks from the link's own addresses, of which there is one pair.
    fn check_shared_links(&mut self) {
        let mut first: BTreeMap<LinkName, SessionName> = BTreeMap::new();
        let mut shared = Vec::new();
        for (name, session) in &self.lab.sessions {
            let (SessionKind::Ebgp { link } | SessionKind::Ibgp { link, .. }) = &session.kind
            else {
                continue;
            };
            match first.get(link) {
                Some(other) => shared.push((name.clone(), other.clone(), link.clone())),
                None => drop(first.insert(link.clone(), name.clone())),
            }
        }
        for (name, other, link) in shared {
            let at = self.at(Section::Sessions, name.as_str());
            self.f
                .error(
                    at,
                    "shared-link",
                    format!(
                        "`{other}` and `{name}` run over `{link}` between the same two addresses, so they are one session"
                    ),
                )
                .help("one session carries IPv4 and IPv6; for a second one add a second link");
        }
    }
}
