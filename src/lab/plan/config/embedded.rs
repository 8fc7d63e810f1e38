//! The embedded speaker's configuration as text for people. The speaker itself
//! reads the [`SpeakerConfig`].

use std::fmt::{self, Display, Formatter};

use crate::units::{
    Attachment, Family, Match, PeerConfig, Policy, PolicySource, PrefixMatch, RouteChoice,
    SessionName, Set, SpeakerConfig, StaticHop, StaticPath, Verdict,
};

/// A configuration, printed indented.
#[derive(Debug)]
pub struct Listing<'a>(pub &'a SpeakerConfig);

impl Display for Listing<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let config = self.0;
        write!(
            f,
            "  AS{} router-id {} multipath {}",
            config.asn, config.router_id, config.multipath
        )?;
        f.write_str(match config.choice {
            RouteChoice::Standard => "",
            RouteChoice::Vgw => ", chooses as a VGW",
            RouteChoice::DirectConnect => ", chooses as Direct Connect",
            RouteChoice::Vpc => ", chooses as a VPC's route table",
            RouteChoice::Tgw { vpn_ecmp: true } => ", chooses as a TGW with VPN ECMP",
            RouteChoice::Tgw { vpn_ecmp: false } => ", chooses as a TGW without VPN ECMP",
        })?;
        writeln!(f)?;
        for origination in &config.originate {
            write!(f, "  originate {}", origination.prefix)?;
            if origination.blackhole {
                write!(f, ", null-routed")?;
            }
            if let Some(inside) = origination.while_known {
                write!(f, ", while a route inside {inside} is known")?;
            }
            writeln!(f)?;
        }
        write_statics(f, "  ", &config.statics)?;
        for table in &config.tables {
            write!(f, "  route table {} ({})", table.name, table.table)?;
            if let Some(region) = &table.region {
                write!(f, ", prefers locations of {region}")?;
            }
            writeln!(f)?;
            write_names(f, "told to", &table.associated)?;
            write_names(f, "learned from", &table.propagated)?;
            write_statics(f, "    ", &table.statics)?;
        }
        config.peers.iter().try_for_each(|peer| write_peer(f, peer))
    }
}

fn write_statics(f: &mut Formatter<'_>, indent: &str, statics: &[StaticPath]) -> fmt::Result {
    for route in statics {
        write!(f, "{indent}static {}", route.prefix)?;
        match route.to {
            StaticHop::Via(via) => write!(f, " via {via}")?,
            StaticHop::Blackhole => f.write_str(" blackhole")?,
        }
        if let Some(attachment) = route.propagated {
            write!(f, ", propagated by {}", word_of(attachment))?;
        }
        if route.floating {
            f.write_str(", floating")?;
        }
        writeln!(f)?;
    }
    Ok(())
}

fn write_names(f: &mut Formatter<'_>, what: &str, sessions: &[SessionName]) -> fmt::Result {
    if sessions.is_empty() {
        return Ok(());
    }
    write!(f, "    {what}")?;
    sessions.iter().try_for_each(|name| write!(f, " {name}"))?;
    writeln!(f)
}

const fn word_of(attachment: Attachment) -> &'static str {
    match attachment {
        Attachment::Vpc => "a VPC",
        Attachment::DirectConnect => "Direct Connect",
        Attachment::Connect => "Connect",
        Attachment::PrivateIpVpn => "a private-IP VPN",
        Attachment::Vpn => "a VPN",
        Attachment::Peering => "peering",
    }
}

fn write_peer(f: &mut Formatter<'_>, peer: &PeerConfig) -> fmt::Result {
    write!(
        f,
        "  {} {} -> {} AS{} hold {} keepalive {} retry {} ttl {}",
        peer.session,
        peer.local,
        peer.remote,
        peer.remote_asn,
        peer.hold,
        peer.keepalive,
        peer.connect_retry,
        peer.ttl
    )?;
    if let Some(asn) = peer.local_asn {
        write!(f, " as AS{asn}")?;
    }
    for family in &peer.families {
        f.write_str(match family {
            Family::Ipv4Unicast => " ipv4",
            Family::Ipv6Unicast => " ipv6",
        })?;
    }
    if let Some(interface) = &peer.interface {
        write!(f, " dev {interface}")?;
    }
    if let Some(bfd) = peer.bfd {
        write!(f, " BFD {} x {}", bfd.min_tx, bfd.multiplier)?;
    }
    if let Some(time) = peer.graceful_restart {
        write!(f, " graceful-restart {time}")?;
    }
    if let Some(attachment) = peer.attachment {
        write!(f, " attached by {}", word_of(attachment))?;
    }
    if let Some(region) = &peer.region {
        write!(f, " location of {region}")?;
    }
    if peer.transparent {
        f.write_str(" transparent")?;
    }
    if peer.passive {
        f.write_str(" passive")?;
    }
    if peer.md5.is_some() {
        f.write_str(" md5")?;
    }
    if peer.next_hop_self {
        f.write_str(" next-hop-self")?;
    }
    if let Some(limit) = peer.max_prefix {
        write!(f, " max-prefix {limit}")?;
    }
    if let Some(next_hop) = peer.next_hop_other_family {
        write!(f, " other next hop {next_hop}")?;
    }
    writeln!(f)?;
    write_policy(f, "import", &peer.import)?;
    write_policy(f, "export", &peer.export)
}

fn write_policy(f: &mut Formatter<'_>, direction: &str, policy: &Policy) -> fmt::Result {
    for rule in &policy.rules {
        write!(f, "    {direction} ")?;
        f.write_str(match rule.verdict {
            Verdict::Accept => "accept",
            Verdict::Reject => "reject",
        })?;
        for condition in &rule.matches {
            write_match(f, condition)?;
        }
        for change in &rule.set {
            write_set(f, change)?;
        }
        writeln!(f)?;
    }
    if policy.rules.is_empty() {
        writeln!(f, "    {direction} reject")?;
    }
    Ok(())
}

fn write_match(f: &mut Formatter<'_>, condition: &Match) -> fmt::Result {
    match condition {
        Match::Prefix(prefixes) => {
            f.write_str(", prefix")?;
            prefixes.iter().try_for_each(|one| write_prefix(f, one))
        }
        Match::Community(communities) => {
            f.write_str(", community")?;
            communities.iter().try_for_each(|one| write!(f, " {one}"))
        }
        Match::AsPathContains(asn) => write!(f, ", AS_PATH contains {asn}"),
        Match::AsPathOrigin(asn) => write!(f, ", AS_PATH ends in {asn}"),
        Match::AsPathEmpty => f.write_str(", AS_PATH empty"),
        Match::From(sources) => {
            f.write_str(", from")?;
            sources.iter().try_for_each(|source| match source {
                PolicySource::Local => f.write_str(" here"),
                PolicySource::Session(name) => write!(f, " {name}"),
            })
        }
    }
}

fn write_prefix(f: &mut Formatter<'_>, one: &PrefixMatch) -> fmt::Result {
    write!(f, " {}", one.prefix)?;
    let own = one.prefix.prefix_len();
    if one.ge > own {
        write!(f, " ge {}", one.ge)?;
    }
    if one.le > own {
        write!(f, " le {}", one.le)?;
    }
    Ok(())
}

fn write_set(f: &mut Formatter<'_>, change: &Set) -> fmt::Result {
    match change {
        Set::LocalPref(value) => write!(f, "; local-pref {value}"),
        Set::Med(value) => write!(f, "; med {value}"),
        Set::Prepend(times) => write!(f, "; prepend {times}"),
        Set::AddCommunity(community) => write!(f, "; add community {community}"),
        Set::RemoveCommunity(community) => write!(f, "; remove community {community}"),
        Set::NextHopSelf => f.write_str("; next-hop-self"),
    }
}
