//! Configurations for unit tests. Only what a test is about should stand in it.

use super::{
    Asn, Family, Match, NodeName, PeerConfig, Policy, RouteChoice, Rule, SessionName, Set, Span,
    SpeakerConfig, StaticHop, StaticPath, Verdict,
};

pub(crate) fn asn(number: u32) -> Asn {
    Asn::new(number).expect("an AS number")
}

pub(crate) fn session(name: &str) -> SessionName {
    SessionName::new(name).expect("a name")
}

/// A session of IPv4 routes with everything allowed.
pub(crate) fn peer(name: &str, local: &str, remote: &str, remote_asn: u32) -> PeerConfig {
    PeerConfig {
        session: session(name),
        local: local.parse().expect("an address"),
        remote: remote.parse().expect("an address"),
        interface: None,
        local_asn: None,
        remote_asn: asn(remote_asn),
        attachment: None,
        region: None,
        transparent: false,
        families: vec![Family::Ipv4Unicast],
        hold: Span::from_secs(90),
        keepalive: Span::from_secs(30),
        connect_retry: Span::from_secs(1),
        ttl: 1,
        passive: false,
        md5: None,
        graceful_restart: None,
        bfd: None,
        next_hop_self: false,
        next_hop_other_family: None,
        max_prefix: None,
        import: Policy::accept_all(),
        export: Policy::accept_all(),
    }
}

/// A speaker that originates nothing.
pub(crate) fn speaker(
    name: &str,
    number: u32,
    router_id: &str,
    peers: Vec<PeerConfig>,
) -> SpeakerConfig {
    SpeakerConfig {
        node: NodeName::new(name).expect("a name"),
        asn: asn(number),
        router_id: router_id.parse().expect("an address"),
        vrf: None,
        choice: RouteChoice::Standard,
        multipath: 1,
        originate: Vec::new(),
        statics: Vec::new(),
        tables: Vec::new(),
        peers,
    }
}

/// A policy of one rule that accepts.
pub(crate) fn accepting(matches: Vec<Match>, set: Vec<Set>) -> Policy {
    Policy {
        rules: vec![Rule {
            matches,
            verdict: Verdict::Accept,
            set,
        }],
    }
}

/// Static routes to a prefix by way of each of these.
pub(crate) fn over_tunnels(prefix: &str, hops: &[&str], floating: bool) -> Vec<StaticPath> {
    let path = |hop: &&str| StaticPath {
        prefix: prefix.parse().expect("a prefix"),
        to: StaticHop::Via(hop.parse().expect("an address")),
        propagated: None,
        floating,
    };
    hops.iter().map(path).collect()
}
