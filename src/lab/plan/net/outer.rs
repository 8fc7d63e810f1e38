//! Outer addresses of VPNs over Direct Connect: they are routed there as any others, so they
//! come from ranges that somebody announces, and not from the lab's own pool.

use std::collections::BTreeMap;

use ipnet::{IpNet, Ipv4Net};

use super::{super::address::nth_v4, EndpointOf, PlanError, endpoints};
use crate::lab::model::{Kind, Lab, Session, SessionKind};

/// Addresses of the subnet in which a box and its router have one each.
const BLOCK: u32 = 4;

/// The subnet of an IKE daemon's box at the customer's: out of the session's `outer`, one
/// after the other.
pub(super) fn of_customer(endpoint: &EndpointOf<'_>) -> Option<Ipv4Net> {
    let outer = endpoint.session.ipsec()?.outer?;
    let number = u32::try_from(endpoint.number).ok()?.checked_sub(1)?;
    let IpNet::V4(first) = nth_v4(outer, number * BLOCK) else {
        return None;
    };
    let block = Ipv4Net::new(first.addr(), 30).ok()?;
    (endpoint.side == 0).then_some(block)
}

/// What of AWS's gets a subnet out of which range, by name: boxes of IKE daemons, and the
/// links of a tgw with a CIDR block to its Direct Connect gateways.
pub(super) fn of_aws(lab: &Lab) -> Result<BTreeMap<String, Ipv4Net>, PlanError> {
    let mut wanted = BTreeMap::new();
    for endpoint in endpoints(lab).filter(|endpoint| endpoint.side == 1) {
        if let Some(range) = range(lab, endpoint.session) {
            wanted.insert(endpoint.name?.to_string(), range);
        }
    }
    for (name, link) in &lab.links {
        let [a, b] = &link.ends;
        for (own, other) in [(a, b), (b, a)] {
            if let (
                Some(Kind::Tgw {
                    cidr: Some(cidr), ..
                }),
                true,
            ) = (
                lab.nodes.get(own).map(|node| &node.kind),
                lab.is_dxgw(other),
            ) {
                wanted.insert(name.to_string(), *cidr);
            }
        }
    }
    Ok(wanted)
}

/// Where AWS's end of a VPN over Direct Connect has its outer addresses: on a public VIF in
/// what AWS announces there, on a transit VIF in the tgw's CIDR block.
fn range(lab: &Lab, session: &Session) -> Option<Ipv4Net> {
    let SessionKind::Vpn(vpn) = &session.kind else {
        return None;
    };
    let kind = |name| lab.nodes.get(name).map(|node| &node.kind);
    match (kind(&vpn.beyond)?, kind(&session.ends[1])?) {
        (Kind::AwsPublic { prefixes, .. }, _) => prefixes.iter().find_map(|prefix| match prefix {
            IpNet::V4(v4) => Some(*v4),
            IpNet::V6(_) => None,
        }),
        (Kind::Dxgw { .. }, Kind::Tgw { cidr, .. }) => *cidr,
        _ => None,
    }
}
