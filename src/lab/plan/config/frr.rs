//! `frr.conf` for FRR 8.4 to 10.x.
//!
//! Two orders matter. Route-maps come before `router bgp`, and
//! `bgp route-map delay-timer 0` is set besides: a route-map that appears after
//! its neighbour costs bgpd five seconds. Neighbour timers are always explicit:
//! some versions delay a BFD-triggered teardown by 30 s otherwise.
//!
//! Where a route came from is not visible to an FRR export route-map (`match
//! peer` there means the receiver), so imports and originations set a tag that
//! lives only inside the router, and exports match it.

mod filter;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use ipnet::IpNet;

use self::filter::Filters;
use crate::units::{
    Asn, BfdConfig, Family, NodeName, Origination, PeerConfig, PolicySource, SessionName,
    SpeakerConfig, StaticHop, StaticPath,
};

/// What a [`SpeakerConfig`] asks for and `frr.conf` cannot say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrrError {
    /// A route-map entry holds one match of each sort.
    #[error(
        "session `{session}`: one rule has two `{sort}` conditions; an FRR route-map entry takes one of each sort"
    )]
    TwoMatches {
        /// The session.
        session: SessionName,
        /// `prefix`, `community` or `as-path`.
        sort: &'static str,
    },
    /// An aggregate appears with its own more-specifics only.
    #[error(
        "`{prefix}` depends on routes inside `{inside}`; FRR can only make a summary depend on routes inside the summary itself"
    )]
    ForeignCondition {
        /// What would be originated.
        prefix: IpNet,
        /// Where its condition looks.
        inside: IpNet,
    },
    /// A policy names a session the speaker does not have.
    #[error("session `{session}`: the policy names `{other}`, which this router does not have")]
    UnknownSource {
        /// The session whose policy it is.
        session: SessionName,
        /// The name it uses.
        other: SessionName,
    },
}

/// The tag of routes originated here; sessions are numbered from the next one.
const LOCAL_TAG: u32 = 1;

/// Administrative distance of null routes: anything learned is better.
const NULL_DISTANCE: u8 = 254;

/// And of floating static routes, the first of them: worse than any of BGP's.
const FLOATING: u8 = 240;

/// Where the daemons log; `/run` is private to the node.
const LOG_FILE: &str = "/run/frr/frr.log";

/// The daemons a rendered configuration needs beside zebra, in starting order.
pub fn daemons(config: &SpeakerConfig) -> Vec<String> {
    let bfd = config.peers.iter().any(|peer| peer.bfd.is_some());
    let statics = !config.statics.is_empty() || config.originate.iter().any(is_null_routed);
    [("staticd", statics), ("bfdd", bfd), ("bgpd", true)]
        .into_iter()
        .filter(|&(_, needed)| needed)
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// The daemons a user's own configuration needs beside zebra, judged by its words.
pub fn daemons_of_text(text: &str) -> Vec<String> {
    let starts = |words: &[&str]| {
        text.lines().any(|line| {
            let mut line = line.split_whitespace();
            words.iter().all(|word| line.next() == Some(word))
        })
    };
    [
        (
            "staticd",
            starts(&["ip", "route"]) || starts(&["ipv6", "route"]),
        ),
        ("bfdd", text.split_whitespace().any(|word| word == "bfd")),
        ("ospfd", starts(&["router", "ospf"])),
        ("ospf6d", starts(&["router", "ospf6"])),
        ("isisd", starts(&["router", "isis"])),
        ("bgpd", starts(&["router", "bgp"])),
    ]
    .into_iter()
    .filter(|&(_, needed)| needed)
    .map(|(name, _)| name.to_owned())
    .collect()
}

/// The whole `frr.conf`.
///
/// # Errors
/// Every request FRR's configuration language cannot express.
pub fn render(config: &SpeakerConfig) -> Result<String, Vec<FrrError>> {
    let tags = Tags::of(config);
    let mut filters = Filters::default();
    let mut errors: Vec<FrrError> = config
        .originate
        .iter()
        .filter_map(foreign_condition)
        .collect();
    for peer in &config.peers {
        for &family in &peer.families {
            filters.add_peer(peer, family, &tags, &mut errors);
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut out = String::new();
    write_config(&mut out, config, &filters).unwrap_or_default();
    Ok(out)
}

/// `vtysh.conf`: one integrated configuration.
pub fn vtysh_conf(node: &NodeName) -> String {
    format!("service integrated-vtysh-config\nhostname {node}\n")
}

/// The router's own number, and the tags that say where a route came from.
struct Tags {
    asn: Asn,
    sessions: BTreeMap<SessionName, u32>,
}

impl Tags {
    fn of(config: &SpeakerConfig) -> Self {
        let names: BTreeSet<&SessionName> = config.peers.iter().map(|p| &p.session).collect();
        Self {
            asn: config.asn,
            sessions: names.into_iter().cloned().zip(LOCAL_TAG + 1..).collect(),
        }
    }

    fn get(&self, source: &PolicySource) -> Option<u32> {
        match source {
            PolicySource::Local => Some(LOCAL_TAG),
            PolicySource::Session(name) => self.sessions.get(name).copied(),
        }
    }
}

fn is_null_routed(origination: &Origination) -> bool {
    // An aggregate brings its own null route.
    origination.blackhole && origination.while_known.is_none()
}

fn foreign_condition(origination: &Origination) -> Option<FrrError> {
    let inside = origination.while_known?;
    (inside != origination.prefix).then_some(FrrError::ForeignCondition {
        prefix: origination.prefix,
        inside,
    })
}

fn write_config(out: &mut String, config: &SpeakerConfig, filters: &Filters) -> std::fmt::Result {
    writeln!(out, "frr defaults traditional")?;
    writeln!(out, "hostname {}", config.node)?;
    writeln!(out, "log file {LOG_FILE} informational")?;
    writeln!(out, "log timestamp precision 6")?;
    writeln!(out, "service integrated-vtysh-config")?;
    for origination in config.originate.iter().filter(|o| is_null_routed(o)) {
        let prefix = origination.prefix;
        writeln!(
            out,
            "{} route {prefix} blackhole {NULL_DISTANCE}",
            ip_word(Family::of(&prefix))
        )?;
    }
    let ranks = config.ranked_statics();
    for (route, rank) in &ranks {
        write_static(out, route, *rank)?;
    }
    let profiles = bfd_profiles(config);
    if !profiles.is_empty() {
        writeln!(out, "!\nbfd")?;
        for (name, timers) in &profiles {
            write_bfd_profile(out, name, timers)?;
        }
        writeln!(out, "exit")?;
    }
    writeln!(out, "!")?;
    filters.write(out)?;
    writeln!(out, "route-map local permit 10\n set tag {LOCAL_TAG}\nexit")?;
    for family in [Family::Ipv4Unicast, Family::Ipv6Unicast] {
        write_told_statics(out, config, family)?;
    }
    writeln!(out, "!")?;
    write_bgp(out, config, &profiles)
}

/// A static route over a tunnel: zebra has it while the tunnel's interface is up.
fn write_static(out: &mut String, route: &StaticPath, rank: u8) -> std::fmt::Result {
    let ip = ip_word(Family::of(&route.prefix));
    let distance = rank + if route.floating { FLOATING } else { 1 };
    match route.to {
        StaticHop::Via(via) => writeln!(out, "{ip} route {} {via} {distance}", route.prefix),
        StaticHop::Blackhole => writeln!(out, "{ip} route {} blackhole {distance}", route.prefix),
    }
}

/// What BGP may tell of static routes; null routes are told as what they stand for.
fn write_told_statics(
    out: &mut String,
    config: &SpeakerConfig,
    family: Family,
) -> std::fmt::Result {
    let told: BTreeSet<IpNet> = config.statics_of(family).map(|s| s.prefix).collect();
    if told.is_empty() {
        return Ok(());
    }
    let (ip, name) = (ip_word(family), told_map(family));
    for (seq, prefix) in (1..).map(|n| n * 5).zip(told) {
        writeln!(out, "{ip} prefix-list {name} seq {seq} permit {prefix}")?;
    }
    writeln!(out, "route-map {name} permit 10")?;
    writeln!(out, " match {ip} address prefix-list {name}")?;
    writeln!(out, " set tag {LOCAL_TAG}\nexit")
}

/// The route-map, and its prefix-list, of static routes that BGP may tell of.
fn told_map(family: Family) -> &'static str {
    match family {
        Family::Ipv4Unicast => "static-v4",
        Family::Ipv6Unicast => "static-v6",
    }
}

fn write_bgp(
    out: &mut String,
    config: &SpeakerConfig,
    profiles: &BTreeMap<String, BfdConfig>,
) -> std::fmt::Result {
    writeln!(out, "bgp route-map delay-timer 0")?;
    writeln!(out, "router bgp {}", config.asn)?;
    // Lines take effect one by one: a neighbour that connects before its families
    // are activated is refused and waits for another attempt.
    writeln!(out, " bgp shutdown")?;
    writeln!(out, " bgp router-id {}", config.router_id)?;
    for line in [
        "bgp log-neighbor-changes",
        "no bgp default ipv4-unicast",
        "bgp bestpath compare-routerid",
        "bgp deterministic-med",
        "bgp fast-external-failover",
        "bgp graceful-restart-disable",
        "no bgp network import-check",
        "coalesce-time 10",
    ] {
        writeln!(out, " {line}")?;
    }
    if let Some(time) = config.peers.iter().filter_map(|p| p.graceful_restart).max() {
        writeln!(out, " bgp graceful-restart restart-time {}", time.as_secs())?;
        writeln!(out, " bgp graceful-restart preserve-fw-state")?;
    }
    for peer in &config.peers {
        write_neighbor(out, config, peer, profiles)?;
    }
    for family in [Family::Ipv4Unicast, Family::Ipv6Unicast] {
        write_family(out, config, family)?;
    }
    writeln!(out, " no bgp shutdown\nexit")
}

fn write_neighbor(
    out: &mut String,
    config: &SpeakerConfig,
    peer: &PeerConfig,
    profiles: &BTreeMap<String, BfdConfig>,
) -> std::fmt::Result {
    let at = format!(" neighbor {}", peer.remote);
    let external = peer.remote_asn != config.asn;
    writeln!(out, "{at} remote-as {}", peer.remote_asn)?;
    writeln!(out, "{at} description {}", peer.session)?;
    writeln!(out, "{at} update-source {}", peer.local)?;
    writeln!(
        out,
        "{at} timers {} {}",
        peer.keepalive.as_secs(),
        peer.hold.as_secs()
    )?;
    let retry = peer.connect_retry.as_secs().max(1);
    writeln!(out, "{at} timers connect {retry}")?;
    writeln!(out, "{at} advertisement-interval 0")?;
    if external && peer.ttl > 1 {
        writeln!(out, "{at} ebgp-multihop {}", peer.ttl)?;
    }
    if peer.passive {
        writeln!(out, "{at} passive")?;
    }
    if let Some(key) = &peer.md5 {
        writeln!(out, "{at} password {key}")?;
    }
    if peer.graceful_restart.is_some() {
        writeln!(out, "{at} graceful-restart")?;
    }
    if let Some(bfd) = &peer.bfd {
        writeln!(out, "{at} bfd")?;
        if let Some((name, _)) = profiles.iter().find(|(_, timers)| *timers == bfd) {
            writeln!(out, "{at} bfd profile {name}")?;
        }
    }
    Ok(())
}

fn write_family(out: &mut String, config: &SpeakerConfig, family: Family) -> std::fmt::Result {
    let carries = |peer: &&PeerConfig| peer.families.contains(&family);
    if !config.peers.iter().any(|peer| carries(&peer)) {
        return Ok(());
    }
    writeln!(out, " !")?;
    writeln!(out, " address-family {} unicast", family_word(family))?;
    for origination in &config.originate {
        if Family::of(&origination.prefix) != family {
            continue;
        }
        let word = match origination.while_known {
            Some(_) => "aggregate-address",
            None => "network",
        };
        writeln!(out, "  {word} {} route-map local", origination.prefix)?;
    }
    if config.statics_of(family).next().is_some() {
        let map = told_map(family);
        writeln!(out, "  redistribute static route-map {map}")?;
    }
    for peer in config.peers.iter().filter(carries) {
        let at = format!("  neighbor {}", peer.remote);
        writeln!(out, "{at} activate")?;
        if peer.next_hop_self {
            writeln!(out, "{at} next-hop-self")?;
        }
        if let Some(limit) = peer.max_prefix {
            writeln!(out, "{at} maximum-prefix {limit}")?;
        }
        for direction in [Direction::In, Direction::Out] {
            let map = map_name(&peer.session, direction, family);
            writeln!(out, "{at} route-map {map} {}", direction.word())?;
        }
    }
    writeln!(out, "  maximum-paths {}", config.multipath)?;
    writeln!(out, "  maximum-paths ibgp {}", config.multipath)?;
    writeln!(out, " exit-address-family")
}

fn write_bfd_profile(out: &mut String, name: &str, timers: &BfdConfig) -> std::fmt::Result {
    writeln!(out, " profile {name}")?;
    writeln!(out, "  detect-multiplier {}", timers.multiplier)?;
    writeln!(out, "  receive-interval {}", timers.min_rx.as_millis())?;
    writeln!(out, "  transmit-interval {}", timers.min_tx.as_millis())?;
    writeln!(out, " exit")
}

/// One profile for each distinct set of timers.
fn bfd_profiles(config: &SpeakerConfig) -> BTreeMap<String, BfdConfig> {
    config
        .peers
        .iter()
        .filter_map(|peer| peer.bfd)
        .map(|timers| {
            let name = format!(
                "bfd-{}-{}x{}",
                timers.min_tx.as_millis(),
                timers.min_rx.as_millis(),
                timers.multiplier
            );
            (name, timers)
        })
        .collect()
}

/// Which way a route-map filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    In,
    Out,
}

impl Direction {
    fn word(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

fn map_name(session: &SessionName, direction: Direction, family: Family) -> String {
    let version = match family {
        Family::Ipv4Unicast => "v4",
        Family::Ipv6Unicast => "v6",
    };
    format!("{session}-{}-{version}", direction.word())
}

/// How the family is called in front of `route` and `prefix-list`.
fn ip_word(family: Family) -> &'static str {
    match family {
        Family::Ipv4Unicast => "ip",
        Family::Ipv6Unicast => "ipv6",
    }
}

fn family_word(family: Family) -> &'static str {
    match family {
        Family::Ipv4Unicast => "ipv4",
        Family::Ipv6Unicast => "ipv6",
    }
}
