//! IPsec VPNs: AWS's rules for keys, lifetimes and inside networks.

use ipnet::{IpNet, Ipv4Net};

use super::{
    super::{
        At,
        keys::{AUTH, CREDENTIALS, DPD},
        raw::{Tree, Value},
        reader::{Fields, Findings},
    },
    Lower, Section,
};
use crate::{
    lab::model::{
        Authentication, Dpd, For, Ipsec, IpsecTunnel, Kind, OwnCredentials, OwnSwanctl, Proposal,
        aws, endpoint_name, tunnel_name,
    },
    units::{NodeName, SessionName, Span},
};

/// What AWS and strongSwan share and gateways' vendors recommend.
const IKE: &str = "aes256-sha256-modp2048";
const ESP: &str = "aes256gcm16-modp2048";
const SECOND: u64 = 1_000_000_000;
/// Lifetimes that leave room for rekeying and end within a month.
const LIFETIME: std::ops::RangeInclusive<Span> = Span::from_secs(10)..=Span::from_secs(2_592_000);

pub(super) const INSIDE_HELP: &str = "AWS takes a /30 of 169.254.0.0/16 for each tunnel, and its end has the first address; left out, it is derived from the name (Site-to-Site VPN User Guide, \"Tunnel options for your AWS Site-to-Site VPN connection\")";
/// Of tunnel options that AWS does not take.
const INSISTS: &str = "`unlike-aws: true` on the session insists (Site-to-Site VPN User Guide, \"Tunnel options for your AWS Site-to-Site VPN connection\")";
pub(super) const RESERVED_HELP: &str = "AWS takes neither 169.254.0.0/30 to 169.254.5.0/30 nor 169.254.169.252/30; left out, a network is derived from the name (Site-to-Site VPN User Guide, \"Tunnel options for your AWS Site-to-Site VPN connection\")";

/// The keys only IPsec has.
pub(super) const KEYS: [&str; 12] = [
    "tunnels",
    "outer",
    "inside",
    "auth",
    "psk",
    "config",
    "dpd",
    "ike",
    "esp",
    "ike-lifetime",
    "child-lifetime",
    "nat-t",
];

/// What a VPN is called, where that is, and between whom it runs.
pub(super) struct Named<'a> {
    pub(super) name: &'a str,
    pub(super) at: At,
    pub(super) ends: &'a [NodeName; 2],
    /// One end is AWS's.
    pub(super) to_aws: bool,
    /// The user insists on what AWS does not do.
    pub(super) unlike_aws: bool,
}

impl Named<'_> {
    /// AWS's rules hold.
    fn strict(&self) -> bool {
        self.to_aws && !self.unlike_aws
    }
}

impl Lower<'_> {
    pub(super) fn ipsec(&mut self, fields: &Fields<'_>, vpn: &Named<'_>) -> Option<Ipsec> {
        let count = self.tunnel_count(fields, vpn);
        self.check_names(vpn, count);
        let inside = self.inside_networks(fields, vpn, count);
        let keys = self.pre_shared_keys(fields, vpn, count);
        let (auth, own) = self.authentication(fields);
        let configs = self.own_configs(fields, vpn, count);
        let dpd = self.dpd(fields, vpn);
        let ike_lifetime = self.lifetime(fields, "ike-lifetime", aws::IKE_LIFETIME, vpn);
        let child_lifetime = self.lifetime(fields, "child-lifetime", aws::CHILD_LIFETIME, vpn);
        if vpn.strict() && child_lifetime >= ike_lifetime {
            let at = fields.at_value(if fields.has("child-lifetime") {
                "child-lifetime"
            } else {
                "ike-lifetime"
            });
            let message = format!(
                "a Child SA of {child_lifetime} does not fit in an IKE SA of {ike_lifetime}"
            );
            self.f
                .error(at, "aws-lifetime", message)
                .help("at AWS phase 2's lifetime is below phase 1's (Site-to-Site VPN User Guide, \"Tunnel options for your AWS Site-to-Site VPN connection\")");
        }
        let ike = self.proposal(fields, "ike", IKE, For::Ike);
        let esp = self.proposal(fields, "esp", ESP, For::Esp);
        let nat_t = fields.flag(&mut self.f, "nat-t").unwrap_or(false);
        let tunnels = (0..count)
            .map(|index| IpsecTunnel {
                inside: inside.get(index).copied(),
                psk: keys.get(index).cloned(),
                config: configs.get(index).cloned(),
            })
            .collect();
        Some(Ipsec {
            tunnels,
            outer: self.outer_range(fields, count),
            auth,
            own,
            dpd,
            ike_lifetime,
            child_lifetime,
            ike: ike?,
            esp: esp?,
            nat_t,
        })
    }

    fn tunnel_count(&mut self, fields: &Fields<'_>, vpn: &Named<'_>) -> usize {
        let count = fields.number(&mut self.f, "tunnels").unwrap_or(2);
        if count < 2 && vpn.strict() {
            self.f
                .error(
                    fields.at_value("tunnels"),
                    "aws-tunnels",
                    "AWS's VPN connections have two tunnels",
                )
                .help(INSISTS);
        }
        count
    }

    /// Tunnels, their sessions and endpoints have names of their own; others may mention them.
    fn check_names(&mut self, vpn: &Named<'_>, count: usize) {
        for number in 1..=count {
            let tunnel = tunnel_name(vpn.name, number);
            if self.is_known(Section::Sessions, &tunnel) {
                let message = format!(
                    "`{tunnel}` is a tunnel of `{}` and names no other session",
                    vpn.name
                );
                let at = self.at(Section::Sessions, &tunnel);
                self.f.error(at, "duplicate", message);
                continue;
            }
            if let Err(error) = SessionName::new(tunnel.clone()) {
                let message = format!("a tunnel of `{}`: {error}", vpn.name);
                self.f.error(vpn.at, "bad-name", message);
                return;
            }
            for node in vpn.ends {
                let endpoint = endpoint_name(node.as_str(), vpn.name, number);
                if let Err(error) = NodeName::new(endpoint) {
                    let message = format!("an endpoint of `{}`: {error}", vpn.name);
                    self.f
                        .error(vpn.at, "bad-name", message)
                        .help("endpoints are called NODE.SESSION.NUMBER; shorten one of the names");
                    return;
                }
            }
            self.declare(Section::Sessions, tunnel, vpn.at);
        }
    }

    /// A key's values, one for each tunnel or none.
    fn for_each_tunnel<'t>(&mut self, fields: &Fields<'t>, key: &str, count: usize) -> &'t [Tree] {
        let Some((at, tree)) = fields.get(key) else {
            return &[];
        };
        let items = Findings::one_or_list(tree);
        if items.len() != count {
            let message = format!(
                "`{key}` has {} for {count} tunnel{}: one for each",
                items.len(),
                if count == 1 { "" } else { "s" }
            );
            let each = if count == 1 { "FIRST" } else { "FIRST, SECOND" };
            self.f
                .error(at, "tunnel-count", message)
                .help(format!("write `{key}: [{each}]`"));
            return &[];
        }
        items
    }

    fn inside_networks(
        &mut self,
        fields: &Fields<'_>,
        vpn: &Named<'_>,
        count: usize,
    ) -> Vec<Ipv4Net> {
        let at = fields.at_key("inside");
        let mut networks = Vec::new();
        for (number, item) in (1..).zip(self.for_each_tunnel(fields, "inside", count)) {
            self.declare(Section::Inside, tunnel_name(vpn.name, number), item.at);
            let Some(net) = self.f.prefix(at, item, "inside") else {
                continue;
            };
            let IpNet::V4(v4) = net else {
                let message = format!("a tunnel's inside network is IPv4, not `{net}`");
                self.f.error(item.at, "aws-ipv6", message);
                continue;
            };
            if let Some(block) = aws::RESERVED_INSIDE.iter().find(|block| **block == v4) {
                let message = format!("`{block}` is a block that AWS keeps for itself");
                self.f
                    .error(item.at, "aws-inside", message)
                    .help(RESERVED_HELP);
            } else if v4.prefix_len() != 30 {
                let message = format!("a tunnel's inside network is a /30, not `{v4}`");
                self.f
                    .error(item.at, "aws-inside", message)
                    .help(INSIDE_HELP);
            } else if vpn.strict() && !v4.addr().is_link_local() {
                let message =
                    format!("a tunnel's inside network is a /30 of 169.254.0.0/16, not `{v4}`");
                self.f
                    .error(item.at, "aws-inside", message)
                    .help(INSIDE_HELP);
            }
            networks.push(v4);
        }
        networks
    }

    /// A word, or files of the user's own.
    fn authentication(&mut self, fields: &Fields<'_>) -> (Authentication, Option<OwnCredentials>) {
        let own = match fields.get("auth") {
            Some((at, tree)) if matches!(tree.value, Value::Map(_)) => {
                let inner = self.f.fields(tree, &CREDENTIALS, at);
                inner.and_then(|inner| self.own_credentials(&inner))
            }
            Some((at, tree)) => {
                let word = self.f.choice(at, tree, "auth", &AUTH);
                if word != Some("certificate") {
                    return (Authentication::PreSharedKey, None);
                }
                None
            }
            None => return (Authentication::PreSharedKey, None),
        };
        if fields.has("psk") {
            let message = "with a certificate there is no pre-shared key";
            self.f.error(fields.at_key("psk"), "auth", message);
        }
        (Authentication::Certificate, own)
    }

    fn pre_shared_keys(
        &mut self,
        fields: &Fields<'_>,
        vpn: &Named<'_>,
        count: usize,
    ) -> Vec<String> {
        let at = fields.at_key("psk");
        let mut keys = Vec::new();
        for item in self.for_each_tunnel(fields, "psk", count) {
            let Some(key) = self.f.text(at, item, "psk") else {
                continue;
            };
            if let Some(why) = psk_fault(key, vpn.strict()) {
                self.f
                    .error(item.at, "aws-psk", why)
                    .help(if vpn.strict() {
                        "left out, a key is derived from the tunnel's name; `unlike-aws: true` on the session insists (Site-to-Site VPN User Guide, \"Tunnel options for your AWS Site-to-Site VPN connection\")"
                    } else {
                        "left out, a key is derived from the tunnel's name"
                    });
            }
            keys.push(key.to_owned());
        }
        keys
    }

    fn own_configs(
        &mut self,
        fields: &Fields<'_>,
        vpn: &Named<'_>,
        count: usize,
    ) -> Vec<OwnSwanctl> {
        let at = fields.at_key("config");
        let mut configs = Vec::new();
        for item in self.for_each_tunnel(fields, "config", count) {
            if let Some(path) = self.f.text(at, item, "config") {
                configs.extend(self.own_swanctl(item.at, path));
            }
        }
        if fields.has("config") && self.kind(&vpn.ends[0]).is_some_and(Kind::is_aws) {
            self.f
                .error(at, "aws-closed", "AWS's end is configured by AWS");
        }
        configs
    }

    fn dpd(&mut self, fields: &Fields<'_>, vpn: &Named<'_>) -> Dpd {
        let mut dpd = Dpd {
            delay: aws::DPD_DELAY,
            timeout: aws::DPD_TIMEOUT,
        };
        let Some(inner) = fields
            .get("dpd")
            .and_then(|(at, tree)| self.f.fields(tree, &DPD, at))
        else {
            return dpd;
        };
        if let Some(delay) = self.seconds(&inner, "delay") {
            dpd.delay = delay;
        }
        if let Some(timeout) = self.seconds(&inner, "timeout") {
            dpd.timeout = timeout;
        }
        if dpd.timeout <= dpd.delay {
            let message = format!(
                "a peer that is asked after {} cannot be dead after {}",
                dpd.delay, dpd.timeout
            );
            self.f.error(inner.at, "dpd", message);
        } else if vpn.strict() && dpd.timeout < aws::DPD_TIMEOUT {
            self.f
                .error(
                    inner.at_value("timeout"),
                    "aws-dpd",
                    format!(
                        "AWS takes a peer for dead after {} or more, not {}",
                        aws::DPD_TIMEOUT,
                        dpd.timeout
                    ),
                )
                .help(INSISTS);
        }
        dpd
    }

    fn lifetime(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        of_aws: std::ops::RangeInclusive<Span>,
        vpn: &Named<'_>,
    ) -> Span {
        let Some(span) = self.seconds(fields, key) else {
            return *of_aws.end();
        };
        let at = fields.at_value(key);
        if vpn.strict() && !of_aws.contains(&span) {
            let message = format!(
                "AWS's `{key}` is {} to {}, not {span}",
                of_aws.start(),
                of_aws.end()
            );
            self.f.error(at, "aws-lifetime", message).help(INSISTS);
        } else if !LIFETIME.contains(&span) {
            let message = format!(
                "`{key}` is {} to {}, not {span}",
                LIFETIME.start(),
                LIFETIME.end()
            );
            self.f.error(at, "out-of-range", message);
        }
        span
    }

    fn seconds(&mut self, fields: &Fields<'_>, key: &str) -> Option<Span> {
        let span = fields.parse::<Span>(&mut self.f, key)?;
        if span.as_nanos() < SECOND || span.as_nanos() % SECOND != 0 {
            let message = format!("`{key}` is in whole seconds, at least 1s, but this is {span}");
            self.f.error(fields.at_value(key), "bad-value", message);
            return None;
        }
        Some(span)
    }

    fn proposal(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        default: &str,
        purpose: For,
    ) -> Option<Proposal> {
        let text = if fields.has(key) {
            fields.text(&mut self.f, key)?
        } else {
            default
        };
        match Proposal::parse(text, purpose) {
            Ok(proposal) => Some(proposal),
            Err(why) => {
                self.f
                    .error(fields.at_value(key), "proposal", format!("`{key}`: {why}"))
                    .help(format!("write it like `{default}` (Site-to-Site VPN User Guide, \"Tunnel options for your AWS Site-to-Site VPN connection\")"));
                None
            }
        }
    }
}

/// What is wrong with a key: AWS takes 8 to 64 letters, digits, `.` and `_`, no
/// zero first; strongSwan's files anything printable that does not end a string.
fn psk_fault(key: &str, strict: bool) -> Option<String> {
    let length = key.chars().count();
    if strict && !aws::PSK_LENGTH.contains(&length) {
        return Some(format!(
            "a pre-shared key has {} to {} characters at AWS, and this one {length}",
            aws::PSK_LENGTH.start(),
            aws::PSK_LENGTH.end()
        ));
    }
    if length == 0 || length > 128 {
        return Some("a pre-shared key has 1 to 128 characters".to_owned());
    }
    let allowed = |c: char| {
        if strict {
            c.is_ascii_alphanumeric() || matches!(c, '.' | '_')
        } else {
            c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '#')
        }
    };
    if let Some(bad) = key.chars().find(|c| !allowed(*c)) {
        return Some(if strict {
            format!(
                "a pre-shared key is made of letters, digits, `.` and `_` at AWS, and `{bad}` is none"
            )
        } else {
            format!("`{bad}` cannot be in a pre-shared key here")
        });
    }
    (strict && key.starts_with('0'))
        .then(|| "a pre-shared key does not begin with 0 at AWS".to_owned())
}
