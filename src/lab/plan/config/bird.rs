//! `bird.conf` for BIRD 2 and 3.
//!
//! BIRD sends what it selects in its one table, so that table holds BGP routes
//! and originations only: were the kernel's connected routes in it, a prefix that
//! is both connected and originated would go out as a connected route, which no
//! policy speaks of. Internal sessions resolve next hops in a table of their own.
//!
//! Graceful restart is off: beside BFD it would keep forwarding to a dead peer.

mod filter;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write as _},
};

use ipnet::IpNet;

use self::filter::Filter;
use crate::units::{
    Family, Origination, PeerConfig, SessionName, SpeakerConfig, StaticHop, StaticPath,
};

/// What a [`SpeakerConfig`] asks for and `bird.conf` cannot say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BirdError {
    /// BIRD's static routes depend on an address at most, not on routes.
    #[error(
        "`{prefix}` is announced only while a route inside `{inside}` is known; BIRD cannot make an announcement depend on other routes: drop `while-known`, or use `daemon: embedded`"
    )]
    Condition {
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
    /// BIRD's strings have no escapes.
    #[error("session `{session}`: BIRD cannot write an `md5` key with `\"` in it")]
    Key {
        /// The session.
        session: SessionName,
    },
}

/// Metric of BIRD's routes in the kernel: above that of connected and static
/// routes, so that these win, and the same as the other daemons'.
const METRIC: u32 = 20;

/// The static protocol of prefixes that the kernel reaches by itself: BIRD
/// announces them and leaves the kernel alone.
const REACHED: &str = "reached";
/// The static protocol of prefixes that are null-routed.
const NULL: &str = "null";

/// BIRD's own preference of static routes; BGP's have 100.
const STATIC_PREFERENCE: u8 = 200;
/// Of floating ones.
const FLOATING_PREFERENCE: u8 = 50;

/// The longest pause after an error, seconds; each pause is twice the one before.
const ERROR_WAIT_MAX: u32 = 2;

/// The whole `bird.conf`.
///
/// # Errors
/// Every request BIRD's configuration language cannot express.
pub fn render(config: &SpeakerConfig) -> Result<String, Vec<BirdError>> {
    let errors = refused(config);
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut out = String::new();
    write_config(&mut out, config).unwrap_or_default();
    Ok(out)
}

fn refused(config: &SpeakerConfig) -> Vec<BirdError> {
    let conditions = config.originate.iter().filter_map(|origination| {
        Some(BirdError::Condition {
            prefix: origination.prefix,
            inside: origination.while_known?,
        })
    });
    let keys = config
        .peers
        .iter()
        .filter(|peer| peer.md5.as_ref().is_some_and(|key| key.contains('"')))
        .map(|peer| BirdError::Key {
            session: peer.session.clone(),
        });
    let sessions: BTreeSet<&SessionName> = config.peers.iter().map(|p| &p.session).collect();
    let sources = config
        .peers
        .iter()
        .flat_map(|peer| filter::unknown_sources(peer, &sessions));
    conditions.chain(keys).chain(sources).collect()
}

fn write_config(out: &mut String, config: &SpeakerConfig) -> fmt::Result {
    writeln!(out, "# BGP of {}", config.node)?;
    writeln!(out, "log stderr all;")?;
    writeln!(out, "debug protocols {{ states }};")?;
    writeln!(out, "timeformat base iso long us;")?;
    writeln!(out, "timeformat protocol iso long us;")?;
    writeln!(out, "timeformat route iso long us;")?;
    writeln!(out, "timeformat log iso long us;")?;
    writeln!(out, "router id {};", config.router_id)?;
    writeln!(out, "\nprotocol device {{ }}")?;
    let families = families(config);
    for &family in &families {
        write_kernel(out, config, family)?;
        for null in [true, false] {
            write_originations(out, config, family, null)?;
        }
        write_statics(out, config, family)?;
    }
    if config.peers.iter().any(|peer| is_internal(config, peer)) {
        write_connected(out, &families)?;
    }
    if config.peers.iter().any(|peer| peer.bfd.is_some()) {
        writeln!(out, "\nprotocol bfd {{ }}")?;
    }
    for peer in &config.peers {
        for &family in &peer.families {
            for direction in [Direction::In, Direction::Out] {
                Filter::of(config, peer, family, direction).write(out)?;
            }
        }
        write_peer(out, config, peer)?;
    }
    Ok(())
}

/// The families of any session or origination.
fn families(config: &SpeakerConfig) -> BTreeSet<Family> {
    let carried = config.peers.iter().flat_map(|peer| &peer.families).copied();
    let originated = config.originate.iter().map(|o| &o.prefix);
    let fixed = config.statics.iter().map(|route| &route.prefix);
    carried
        .chain(originated.chain(fixed).map(Family::of))
        .collect()
}

fn write_kernel(out: &mut String, config: &SpeakerConfig, family: Family) -> fmt::Result {
    let n = number(family);
    writeln!(out, "\nprotocol kernel kernel{n} {{")?;
    writeln!(out, "  metric {METRIC};")?;
    if config.multipath > 1 {
        writeln!(out, "  merge paths yes limit {};", config.multipath)?;
    }
    writeln!(out, "  ipv{n} {{")?;
    writeln!(out, "    import none;")?;
    if originated(config, family, false).next().is_some() {
        writeln!(out, "    export where proto != \"{REACHED}{n}\";")?;
    } else {
        writeln!(out, "    export all;")?;
    }
    writeln!(out, "  }};\n}}")
}

/// What is originated and null-routed, or originated and reached by the kernel.
fn originated(
    config: &SpeakerConfig,
    family: Family,
    null: bool,
) -> impl Iterator<Item = &Origination> {
    config
        .originate
        .iter()
        .filter(move |o| Family::of(&o.prefix) == family && o.blackhole == null)
}

fn write_originations(
    out: &mut String,
    config: &SpeakerConfig,
    family: Family,
    null: bool,
) -> fmt::Result {
    let mut wanted = originated(config, family, null).peekable();
    if wanted.peek().is_none() {
        return Ok(());
    }
    let (n, name) = (number(family), if null { NULL } else { REACHED });
    writeln!(out, "\nprotocol static {name}{n} {{")?;
    writeln!(out, "  ipv{n};")?;
    for origination in wanted {
        writeln!(out, "  route {} blackhole;", origination.prefix)?;
    }
    writeln!(out, "}}")
}

/// Static routes over tunnels, in use while the tunnel's interface is up: a protocol for each
/// preference.
fn write_statics(out: &mut String, config: &SpeakerConfig, family: Family) -> fmt::Result {
    let n = number(family);
    let mut protocols: BTreeMap<(bool, u8), Vec<&StaticPath>> = BTreeMap::new();
    for (route, rank) in config.ranked_statics() {
        if Family::of(&route.prefix) == family {
            let of = protocols.entry((route.floating, rank)).or_default();
            of.push(route);
        }
    }
    for ((floating, rank), routes) in protocols {
        let (name, preference) = match floating {
            true => ("floating", FLOATING_PREFERENCE - rank),
            false => ("vpn", STATIC_PREFERENCE - rank),
        };
        writeln!(out, "\nprotocol static '{name}{n}-{}' {{", rank + 1)?;
        writeln!(out, "  check link yes;")?;
        writeln!(out, "  ipv{n} {{ preference {preference}; }};")?;
        let mut written: BTreeSet<IpNet> = BTreeSet::new();
        for route in routes.iter().filter(|route| written.insert(route.prefix)) {
            write!(out, "  route {}", route.prefix)?;
            for one in routes.iter().filter(|one| one.prefix == route.prefix) {
                match one.to {
                    StaticHop::Via(via) => write!(out, " via {via}")?,
                    StaticHop::Blackhole => write!(out, " blackhole")?,
                }
            }
            writeln!(out, ";")?;
        }
        writeln!(out, "}}")?;
    }
    Ok(())
}

/// Connected networks, for the next hops of internal sessions.
fn write_connected(out: &mut String, families: &BTreeSet<Family>) -> fmt::Result {
    writeln!(out)?;
    for &family in families {
        let n = number(family);
        writeln!(out, "ipv{n} table connected{n};")?;
    }
    writeln!(out, "protocol direct {{")?;
    for &family in families {
        let n = number(family);
        writeln!(
            out,
            "  ipv{n} {{ table connected{n}; import all; export none; }};"
        )?;
    }
    writeln!(out, "}}")
}

fn write_peer(out: &mut String, config: &SpeakerConfig, peer: &PeerConfig) -> fmt::Result {
    let internal = is_internal(config, peer);
    writeln!(out, "\nprotocol bgp '{}' {{", protocol_name(&peer.session))?;
    writeln!(out, "  local {} as {};", peer.local, config.asn)?;
    writeln!(out, "  neighbor {} as {};", peer.remote, peer.remote_asn)?;
    if internal || peer.ttl <= 1 {
        writeln!(out, "  direct;")?;
        writeln!(out, "  check link {};", if internal { "no" } else { "yes" })?;
    } else {
        writeln!(out, "  multihop {};", peer.ttl)?;
    }
    if peer.passive {
        writeln!(out, "  passive yes;")?;
    }
    let hold = peer.hold.as_secs();
    writeln!(out, "  hold time {hold};")?;
    if hold > 0 {
        writeln!(out, "  keepalive time {};", peer.keepalive.as_secs())?;
    }
    writeln!(out, "  connect delay time 1;")?;
    let retry = peer.connect_retry.as_secs().max(1);
    writeln!(out, "  connect retry time {retry};")?;
    writeln!(out, "  error wait time 1, {ERROR_WAIT_MAX};")?;
    match peer.graceful_restart {
        Some(time) => {
            writeln!(out, "  graceful restart on;")?;
            writeln!(out, "  graceful restart time {};", time.as_secs())?;
        }
        None => writeln!(out, "  graceful restart off;")?,
    }
    writeln!(out, "  long lived graceful restart off;")?;
    writeln!(out, "  prefer older off;")?;
    writeln!(out, "  deterministic med yes;")?;
    if let Some(key) = &peer.md5 {
        writeln!(out, "  password \"{key}\";")?;
    }
    if let Some(bfd) = &peer.bfd {
        writeln!(out, "  bfd {{")?;
        writeln!(out, "    min rx interval {} us;", bfd.min_rx.as_micros())?;
        writeln!(out, "    min tx interval {} us;", bfd.min_tx.as_micros())?;
        writeln!(out, "    multiplier {};", bfd.multiplier)?;
        if peer.graceful_restart.is_some() {
            // As the embedded speaker does: what BFD finds dead may be restarting.
            writeln!(out, "    graceful;")?;
        }
        writeln!(out, "  }};")?;
    }
    for &family in &peer.families {
        write_channel(out, config, peer, family)?;
    }
    writeln!(out, "}}")
}

fn write_channel(
    out: &mut String,
    config: &SpeakerConfig,
    peer: &PeerConfig,
    family: Family,
) -> fmt::Result {
    let n = number(family);
    writeln!(out, "  ipv{n} {{")?;
    if is_internal(config, peer) {
        writeln!(out, "    igp table connected{n};")?;
        writeln!(out, "    gateway recursive;")?;
    }
    if peer.next_hop_self {
        writeln!(out, "    next hop self;")?;
    }
    if let Some(address) = peer.foreign_next_hop(family) {
        writeln!(out, "    next hop address {address};")?;
    }
    for direction in [Direction::In, Direction::Out] {
        let name = filter_name(&peer.session, direction, family);
        writeln!(out, "    {} filter {name};", direction.word())?;
    }
    if let Some(limit) = peer.max_prefix {
        writeln!(out, "    import limit {limit} action disable;")?;
    }
    writeln!(out, "  }};")
}

/// Which way a filter works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    In,
    Out,
}

impl Direction {
    fn word(self) -> &'static str {
        match self {
            Self::In => "import",
            Self::Out => "export",
        }
    }
}

/// What BIRD calls a session. The hyphen keeps it apart from BIRD's own words, of
/// which quotes do not rob it: a session may be called `primary`.
fn protocol_name(session: &SessionName) -> String {
    format!("bgp-{session}")
}

/// Quoted, as names of sessions hold `-` and `.`.
fn filter_name(session: &SessionName, direction: Direction, family: Family) -> String {
    let way = match direction {
        Direction::In => "in",
        Direction::Out => "out",
    };
    format!("'{session}-{way}-v{}'", number(family))
}

fn is_internal(config: &SpeakerConfig, peer: &PeerConfig) -> bool {
    peer.remote_asn == config.asn
}

fn number(family: Family) -> u8 {
    match family {
        Family::Ipv4Unicast => 4,
        Family::Ipv6Unicast => 6,
    }
}
