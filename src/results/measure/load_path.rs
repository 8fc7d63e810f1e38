//! Which way background load goes, by the probes between the same hosts: its bottleneck as
//! declared, and its round trip without load.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    input::Transition,
    result::{Hop, LinkResult},
    topology::Map,
    window::Window,
};
use crate::{lab::model::aws::VPN_TUNNEL_CAP, units::TunnelCap};

/// Ethernet's header (RFC 894), which a link's rate counts, and an 802.1Q tag.
const ETHERNET: u32 = 14;
const TAG: u32 = 4;

/// The link, or capped tunnel, that limits a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bottleneck {
    /// The link or tunnel.
    pub link: String,
    /// Its sending node.
    pub from: String,
    /// RFC 6349 §3.2 Bottleneck Bandwidth, as declared, bits a second.
    pub bandwidth_bps: u64,
    /// Bytes a packet takes of it beside itself: Ethernet's header, a tag, a tunnel.
    pub overhead_bytes: u32,
}

/// A way there, looked at.
pub(super) struct Path {
    /// The sessions that carry it.
    pub(super) name: Option<String>,
    pub(super) bottleneck: Option<Bottleneck>,
}

/// What probes tell of ways: before the first fault, and at the end of each transition.
pub(super) struct Paths<'a> {
    map: &'a Map<'a>,
    links: &'a [LinkResult],
    /// Links whose declared rate does not hold, by phase.
    degraded: Vec<BTreeSet<String>>,
    /// By sender and receiver; of several probes the first tells.
    ways: BTreeMap<(String, String), Vec<Vec<Hop>>>,
}

impl<'a> Paths<'a> {
    pub(super) fn new(
        map: &'a Map<'a>,
        links: &'a [LinkResult],
        windows: &[Window],
        ways: BTreeMap<(String, String), Vec<Vec<Hop>>>,
    ) -> Self {
        let mut now: BTreeMap<&str, &str> = BTreeMap::new();
        let mut degraded = vec![BTreeSet::new()];
        for window in windows {
            match window.transition {
                Transition::Initial if window.fault == "degrade" => {
                    now.insert(&window.label, &window.target);
                }
                Transition::Initial => {}
                Transition::Reversion => {
                    now.remove(window.label.as_str());
                }
            }
            degraded.push(now.values().map(|link| (*link).to_owned()).collect());
        }
        Self {
            map,
            links,
            degraded,
            ways,
        }
    }

    fn hops(&self, from: &str, to: &str, phase: usize) -> Option<&[Hop]> {
        let ways = self.ways.get(&(from.to_owned(), to.to_owned()))?;
        let hops = ways.get(phase)?;
        (!hops.is_empty()).then_some(hops.as_slice())
    }

    /// The way in a phase of packets of so many bytes; `None` where no probe told it.
    pub(super) fn of(
        &self,
        (from, to): (&str, &str),
        phase: usize,
        packet: Option<u32>,
    ) -> Option<Path> {
        let hops = self.hops(from, to, phase)?;
        let limits = hops.iter().flat_map(|hop| self.limits(hop));
        let mut limits: Vec<Bottleneck> = limits.collect();
        let caps = || hops.iter().filter_map(|hop| Some((hop, self.cap(hop)?)));
        // Where nothing but AWS's own cap limits a way, this host does long before it.
        if !limits.is_empty() || caps().any(|(_, cap)| cap != VPN_TUNNEL_CAP) {
            limits.extend(caps().map(|(hop, cap)| Bottleneck {
                link: hop.link.clone(),
                from: hop.from.clone(),
                bandwidth_bps: bits_through(cap, packet),
                overhead_bytes: 0,
            }));
        }
        let empty = BTreeSet::new();
        let degraded = self.degraded.get(phase).unwrap_or(&empty);
        let is_known = !self.crossed(hops).any(|link| degraded.contains(link));
        Some(Path {
            name: self.map.name(hops),
            bottleneck: limits
                .into_iter()
                .min_by_key(|limit| limit.bandwidth_bps)
                .filter(|_| is_known),
        })
    }

    /// Whether there and back it is the same way as before the first fault.
    pub(super) fn is_as_before(&self, from: &str, to: &str, phase: usize) -> Option<bool> {
        let same = |from, to| Some(self.hops(from, to, 0)? == self.hops(from, to, phase)?);
        Some(same(from, to)? && same(to, from)?)
    }

    /// There and back without load, milliseconds: the sum of what each link took when it was idle.
    pub(super) fn idle_rtt_ms(&self, from: &str, to: &str, phase: usize) -> Option<f64> {
        let there = self.hops(from, to, phase)?;
        let back = self.hops(to, from, phase)?;
        let both = there.iter().chain(back);
        Some(
            both.flat_map(|hop| self.links_of(hop))
                .map(|(link, from, _)| self.idle_ms(&link, &from))
                .sum(),
        )
    }

    /// What a hop lets through, if it is a tunnel of AWS's.
    fn cap(&self, hop: &Hop) -> Option<TunnelCap> {
        let mut tunnels = self.map.topology.tunnels.iter();
        tunnels.find(|tunnel| tunnel.name == hop.link)?.cap
    }

    /// The links a hop crosses, with the sending node of each and the tunnel's overhead: itself,
    /// or those below a tunnel.
    fn links_of(&self, hop: &Hop) -> Vec<(String, String, u32)> {
        let mut tunnels = self.map.topology.tunnels.iter();
        let Some(tunnel) = tunnels.find(|tunnel| tunnel.name == hop.link) else {
            let tag = if hop.vlan.is_some() { TAG } else { 0 };
            return vec![(hop.link.clone(), hop.from.clone(), tag)];
        };
        let mut names: Vec<&String> = tunnel.underlay.iter().collect();
        names.dedup();
        let below = names.into_iter().filter_map(|name| {
            let mut links = self.map.topology.links.iter();
            let link = links.find(|link| link.name == *name)?;
            let [a, b] = &link.ends;
            let sender = if *a == hop.from || *b == hop.to { a } else { b };
            Some((name.clone(), sender.clone(), u32::from(tunnel.overhead)))
        });
        below.collect()
    }

    fn crossed<'h>(&'h self, hops: &'h [Hop]) -> impl Iterator<Item = &'h str> {
        let tunnels = &self.map.topology.tunnels;
        hops.iter().flat_map(move |hop| {
            let tunnel = tunnels.iter().find(|tunnel| tunnel.name == hop.link);
            let below = tunnel.into_iter().flat_map(|tunnel| &tunnel.underlay);
            std::iter::once(hop.link.as_str()).chain(below.map(String::as_str))
        })
    }

    /// What the links that a hop crosses are declared to carry.
    fn limits(&self, hop: &Hop) -> Vec<Bottleneck> {
        let limit = |(name, from, extra): (String, String, u32)| {
            let mut links = self.map.topology.links.iter();
            let link = links.find(|link| link.name == name)?;
            let side = usize::from(link.ends.first() != Some(&from));
            let rate = link.declared.get(side)?.rate?;
            Some(Bottleneck {
                link: name,
                from,
                bandwidth_bps: rate.bits_per_second(),
                overhead_bytes: ETHERNET + extra,
            })
        };
        self.links_of(hop).into_iter().filter_map(limit).collect()
    }

    /// As measured before the run; as declared where it was not.
    fn idle_ms(&self, link: &str, from: &str) -> f64 {
        let mut measured = self.links.iter();
        if let Some(measured) = measured.find(|l| l.link == link && l.from == from) {
            return measured.delay_p50_ms;
        }
        let mut links = self.map.topology.links.iter();
        let declared = links.find(|l| l.name == link).and_then(|l| {
            let side = usize::from(l.ends.first().is_none_or(|end| end != from));
            l.declared.get(side)
        });
        declared.map_or(0.0, |shape| shape.delay.as_millis_f64())
    }
}

/// Bits a second that a cap lets through of packets of so many bytes: it counts what comes out of
/// the tunnel, without an Ethernet header.
fn bits_through(cap: TunnelCap, packet: Option<u32>) -> u64 {
    let by_packets = packet.map(|bytes| u64::from(cap.packets) * u64::from(bytes) * 8);
    cap.bits.min(by_packets.unwrap_or(u64::MAX))
}
