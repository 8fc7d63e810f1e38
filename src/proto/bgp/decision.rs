//! The decision process among the usable paths to one prefix (RFC 4271 §9.1.2).

use std::cmp::{Ordering, Reverse};
use std::net::{IpAddr, Ipv4Addr};

use super::wire::Attributes;
use crate::units::{Attachment, RouteChoice};

mod aws;

/// LOCAL_PREF of a route that says nothing of it.
pub const LOCAL_PREF_DEFAULT: u32 = 100;

/// Where a path came from; the lower is preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Originated here.
    Local,
    /// A static route.
    Static,
    /// From an external peer.
    External,
    /// From an internal peer.
    Internal,
    /// A floating static route: one of a higher administrative distance than BGP's.
    Floating,
}

/// A path with everything its rank depends on.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Its attributes after import policy.
    pub attributes: &'a Attributes,
    /// Its kind.
    pub kind: Kind,
    /// How it is attached to a gateway of AWS's.
    pub attachment: Option<Attachment>,
    /// Whether it is over a location of another Region than the traffic's.
    pub elsewhere: bool,
    /// The peer's BGP Identifier.
    pub router_id: Ipv4Addr,
    /// The peer's address.
    pub address: IpAddr,
}

impl Candidate<'_> {
    /// Degree of preference.
    pub fn local_pref(&self) -> u32 {
        self.attributes.local_pref.unwrap_or(LOCAL_PREF_DEFAULT)
    }

    /// A missing MED counts as zero (§9.1.2.2 c).
    fn med(&self) -> u32 {
        self.attributes.med.unwrap_or(0)
    }

    /// RFC 4456 §9: a reflected route counts as its originator's.
    fn originator(&self) -> Ipv4Addr {
        self.attributes.originator_id.unwrap_or(self.router_id)
    }

    /// Local first, then degree of preference, then steps a and b.
    fn rank(&self) -> impl Ord + use<> {
        let class = match self.kind {
            // What is originated or static here has no say of any peer's.
            Kind::Local => 0,
            Kind::Static => 1,
            Kind::External | Kind::Internal => 2,
            Kind::Floating => 3,
        };
        (
            class,
            Reverse(self.local_pref()),
            self.attributes.as_path.length(),
            self.attributes.origin,
        )
    }

    /// Steps f and g; then the list of clusters has no say, for we reflect nothing.
    fn tie_break(&self, other: &Self) -> Ordering {
        (
            self.originator(),
            self.attributes.cluster_list.len(),
            self.address,
        )
            .cmp(&(
                other.originator(),
                other.attributes.cluster_list.len(),
                other.address,
            ))
    }
}

/// The indices of the paths to use, best first: the best one and up to
/// `multipath - 1` that are as good by the rules of `choice`. Paths that share a
/// next hop with a better one add nothing and are left out.
pub fn choose(choice: RouteChoice, candidates: &[Candidate<'_>], multipath: usize) -> Vec<usize> {
    match choice {
        RouteChoice::Standard => select(candidates, multipath),
        RouteChoice::Vgw => aws::vgw(candidates, multipath),
        RouteChoice::DirectConnect => aws::direct_connect(candidates, multipath),
        RouteChoice::Vpc => aws::vpc(candidates),
        RouteChoice::Tgw { vpn_ecmp } => aws::tgw(candidates, vpn_ecmp, multipath),
    }
}

/// [`choose`] by RFC 4271: as good through step e.
pub fn select(candidates: &[Candidate<'_>], multipath: usize) -> Vec<usize> {
    if candidates.len() < 2 {
        return (0..candidates.len()).collect();
    }
    let Some(best_rank) = candidates.iter().map(Candidate::rank).min() else {
        return Vec::new();
    };
    let mut left: Vec<usize> = (0..candidates.len())
        .filter(|&index| at(candidates, index).is_some_and(|one| one.rank() == best_rank))
        .collect();
    drop_worse_med(candidates, &mut left);
    // Step d: external before internal. Step e, the interior cost, is equal:
    // every usable next hop is connected.
    let kind = |index: &usize| at(candidates, *index).map(|one| one.kind);
    let best_kind = left.iter().filter_map(kind).min();
    left.retain(|index| kind(index) == best_kind);
    take(candidates, left, multipath)
}

/// The first of the equally good ones by the tie break, each next hop once.
fn take(candidates: &[Candidate<'_>], mut left: Vec<usize>, multipath: usize) -> Vec<usize> {
    left.sort_by(|&a, &b| match (at(candidates, a), at(candidates, b)) {
        (Some(a), Some(b)) => a.tie_break(b),
        _ => Ordering::Equal,
    });
    let mut used: Vec<usize> = Vec::with_capacity(multipath.max(1));
    for index in left {
        let next_hop = |index: usize| at(candidates, index).map(|one| one.attributes.next_hop);
        if !used.iter().any(|&other| next_hop(other) == next_hop(index)) {
            used.push(index);
        }
        if used.len() >= multipath.max(1) {
            break;
        }
    }
    used
}

/// Step c: MED counts only among paths from the same neighbouring AS, so a path
/// falls when one of its own group is better.
fn drop_worse_med(candidates: &[Candidate<'_>], left: &mut Vec<usize>) {
    let group = |index: usize| {
        at(candidates, index).map(|one| (one.attributes.as_path.neighbour(), one.med()))
    };
    let before: Vec<_> = left.iter().filter_map(|&index| group(index)).collect();
    left.retain(|&index| {
        group(index).is_none_or(|(neighbour, med)| {
            !before
                .iter()
                .any(|&(other, lower)| other == neighbour && lower < med)
        })
    });
}

fn at<'c, 'a>(candidates: &'c [Candidate<'a>], index: usize) -> Option<&'c Candidate<'a>> {
    candidates.get(index)
}

#[cfg(test)]
mod tests;
