//! What a peer is told of a route (RFC 4271 §9.1.3, §5.1).

use std::net::IpAddr;

use ipnet::IpNet;

use super::decision::{Kind, LOCAL_PREF_DEFAULT};
use super::policy;
use super::wire::Attributes;
use crate::units::{Asn, Community, PeerConfig, Rule};

/// The PARTIAL flag (RFC 4271 §4.3).
const PARTIAL: u8 = 0x20;

/// The peer a route is exported to.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Its configuration.
    pub peer: &'a PeerConfig,
    /// Our AS.
    pub asn: Asn,
}

impl Target<'_> {
    fn external(&self) -> bool {
        self.peer.is_external(self.asn)
    }

    /// Our own address of the prefix's family, as the peer can reach it.
    fn own_address(&self, prefix: &IpNet) -> Option<IpAddr> {
        let fits = |address: &IpAddr| address.is_ipv4() == matches!(prefix, IpNet::V4(_));
        Some(self.peer.local)
            .filter(fits)
            .or_else(|| self.peer.next_hop_other_family.filter(fits))
    }
}

/// Whether a route may be told to the peer at all, before policy.
pub fn may_export(target: Target<'_>, kind: Kind, attributes: &Attributes) -> bool {
    if attributes.has_community(Community::NO_ADVERTISE) {
        return false;
    }
    if target.external() {
        // RFC 1997; we are in no confederation.
        return !attributes.has_community(Community::NO_EXPORT)
            && !attributes.has_community(Community::NO_EXPORT_SUBCONFED);
    }
    // §9.2: what an internal peer told is not told to another.
    kind != Kind::Internal
}

/// The attributes to tell, after the accepting rule's changes. None when we have
/// no address that could be the NEXT_HOP, or it would be the peer's own.
pub fn transform(
    target: Target<'_>,
    rule: &Rule,
    prefix: &IpNet,
    kind: Kind,
    attributes: &Attributes,
) -> Option<Attributes> {
    let mut out = attributes.clone();
    // Only a reflector passes these on (RFC 4456 §8).
    out.originator_id = None;
    out.cluster_list.clear();
    for unknown in &mut out.unknown {
        unknown.flags |= PARTIAL;
    }
    if target.external() && !target.peer.transparent && kind != Kind::Local {
        // §5.1.4: a MED received is not told to other neighbouring ASes.
        out.med = None;
    }
    let set_self = policy::apply(rule, &mut out, target.asn);
    if target.external() {
        out.local_pref = None;
        if !target.peer.transparent {
            out.as_path.prepend(target.asn, 1);
        }
    } else {
        out.local_pref.get_or_insert(LOCAL_PREF_DEFAULT);
    }
    let own = set_self
        || target.external()
        || matches!(kind, Kind::Local | Kind::Static | Kind::Floating)
        || target.peer.next_hop_self;
    if own {
        out.next_hop = target.own_address(prefix)?;
    }
    let fits = out.next_hop.is_ipv4() == matches!(prefix, IpNet::V4(_));
    (fits && out.next_hop != target.peer.remote).then_some(out)
}

#[cfg(test)]
mod tests;
