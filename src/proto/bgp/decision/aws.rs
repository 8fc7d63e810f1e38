//! Which path AWS's gateways take among those to one prefix.
//!
//! What AWS publishes, with the document's title beside each rule; prefix length comes
//! before all of it and is the kernel's. What the documents leave open is decided as RFC
//! 4271 does, and `docs/aws.md` says where.

use std::cmp::Reverse;

use super::{Candidate, Kind, at, drop_worse_med, take};
use crate::units::{Attachment, Community};

/// MED of a path without one over a VPN or a Connect attachment (Transit Gateway Guide,
/// "Route evaluation order").
const MED_OF_VPN: u32 = 100;

/// A customer's wish by community on a private or transit VIF; the higher is preferred
/// (Direct Connect User Guide, "Routing policies and BGP communities").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum LocalPreference {
    Low,
    /// No wish, and the location is another Region's.
    Elsewhere,
    Medium,
    High,
}

const LOW: Community = Community(7224 << 16 | 7100);
const MEDIUM: Community = Community(7224 << 16 | 7200);
const HIGH: Community = Community(7224 << 16 | 7300);

/// The tags exclude one another; of several the highest counts. None means medium over a
/// location of the traffic's own Region, and less over any other.
fn local_preference(candidate: &Candidate<'_>) -> LocalPreference {
    if candidate.attributes.has_community(HIGH) {
        LocalPreference::High
    } else if candidate.attributes.has_community(MEDIUM) {
        LocalPreference::Medium
    } else if candidate.attributes.has_community(LOW) {
        LocalPreference::Low
    } else if candidate.elsewhere {
        LocalPreference::Elsewhere
    } else {
        LocalPreference::Medium
    }
}

fn path_length(candidate: &Candidate<'_>) -> usize {
    candidate.attributes.as_path.length()
}

/// All those with the least `rank`.
fn least<R: Ord>(
    candidates: &[Candidate<'_>],
    among: Vec<usize>,
    rank: impl Fn(&Candidate<'_>) -> R,
) -> Vec<usize> {
    let of = |index: &usize| at(candidates, *index).map(&rank);
    let best = among.iter().filter_map(of).min();
    let mut left = among;
    left.retain(|index| of(index) == best);
    left
}

fn everyone(candidates: &[Candidate<'_>]) -> Vec<usize> {
    (0..candidates.len()).collect()
}

/// Local preference by community, then AS_PATH length, then MED among paths from one
/// neighbouring AS, then all that are left, whatever their ASNs.
pub(super) fn direct_connect(candidates: &[Candidate<'_>], multipath: usize) -> Vec<usize> {
    // A Direct Connect gateway's own, the prefixes allowed to a transit gateway, come first. At a
    // location a VIF's come before what its vgw knows by a VPN, whatever their communities.
    let left = least(candidates, everyone(candidates), |one| one.kind);
    direct_connect_among(candidates, left, multipath)
}

fn direct_connect_among(
    candidates: &[Candidate<'_>],
    among: Vec<usize>,
    multipath: usize,
) -> Vec<usize> {
    let mut left = least(candidates, among, |one| {
        (Reverse(local_preference(one)), path_length(one))
    });
    drop_worse_med(candidates, &mut left);
    take(candidates, left, multipath)
}

/// Direct Connect before static routes over a VPN before BGP over a VPN (Site-to-Site VPN
/// User Guide, "Route tables and route priority"); an AS_PATH cannot make up for that.
/// Then AS_PATH length, then MED among paths from one neighbouring AS. A tunnel that is
/// down is no candidate. Of VPNs one tunnel is used, never several.
pub(super) fn vgw(candidates: &[Candidate<'_>], multipath: usize) -> Vec<usize> {
    let class = |one: &Candidate<'_>| match (one.kind, one.attachment) {
        (Kind::Local, _) | (_, Some(Attachment::Vpc)) => 0,
        (_, Some(Attachment::DirectConnect)) => 1,
        (Kind::Static | Kind::Floating, _) => 2,
        (
            Kind::External | Kind::Internal,
            None
            | Some(
                Attachment::Connect
                | Attachment::PrivateIpVpn
                | Attachment::Vpn
                | Attachment::Peering,
            ),
        ) => 3,
    };
    let left = least(candidates, everyone(candidates), class);
    let first = left.first().and_then(|&index| at(candidates, index));
    if first.is_some_and(|one| class(one) == 1) {
        return direct_connect_among(candidates, left, multipath);
    }
    let mut left = least(candidates, left, path_length);
    drop_worse_med(candidates, &mut left);
    take(candidates, left, 1)
}

/// A route that somebody wrote before one that the vgw propagates. What the vgw has it
/// has chosen.
pub(super) fn vpc(candidates: &[Candidate<'_>]) -> Vec<usize> {
    let left = least(candidates, everyone(candidates), |one| one.kind);
    take(candidates, left, 1)
}

/// By attachment: static, VPC, Direct Connect gateway, Connect, private-IP VPN, VPN,
/// peering (Transit Gateway Guide, "Route evaluation order"). Then AS_PATH length, then
/// MED from whomever, then external before internal.
///
/// Several are used only of one attachment type and with the very same AS_PATH: Direct
/// Connect gateways and Connect always, VPNs if `vpn_ecmp`.
pub(super) fn tgw(candidates: &[Candidate<'_>], vpn_ecmp: bool, multipath: usize) -> Vec<usize> {
    let class = |one: &Candidate<'_>| match (one.kind, one.attachment) {
        (Kind::Local | Kind::Static | Kind::Floating, None) => None,
        (_, attachment) => Some(attachment),
    };
    let left = least(candidates, everyone(candidates), |one| {
        let med = one.attributes.med.unwrap_or(match one.attachment {
            Some(Attachment::Vpn | Attachment::PrivateIpVpn | Attachment::Connect) => MED_OF_VPN,
            None | Some(Attachment::Vpc | Attachment::DirectConnect | Attachment::Peering) => 0,
        });
        (class(one), path_length(one), med, one.kind)
    });
    let best = take(candidates, left.clone(), 1);
    let Some(best) = best.first().and_then(|&index| at(candidates, index)) else {
        return best;
    };
    let several = match (best.kind, best.attachment) {
        (Kind::External, Some(Attachment::DirectConnect | Attachment::Connect)) => true,
        (Kind::External, Some(Attachment::Vpn | Attachment::PrivateIpVpn)) => vpn_ecmp,
        _ => false,
    };
    let alike = left
        .into_iter()
        .filter(|&index| {
            at(candidates, index)
                .is_some_and(|one| one.attributes.as_path == best.attributes.as_path)
        })
        .collect();
    take(candidates, alike, if several { multipath } else { 1 })
}
