//! The instrument before the experiment: every shaped link is measured against
//! its declaration, through the very wire the probes will cross.

mod delay;
mod rate;

use std::{collections::BTreeMap, net::IpAddr};

pub use delay::measure as measure_links;

use crate::{
    lab::{
        op::{Netns, Op},
        plan::{Plan, WireEnd, WirePlan},
    },
    os::netns::NetnsFd,
    units::NodeName,
};

/// The namespaces of the nodes.
pub type Namespaces = BTreeMap<NodeName, NetnsFd>;

/// A wire whose two ends have addresses of one family.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reach<'a> {
    wire: &'a WirePlan,
    addresses: [IpAddr; 2],
}

/// The wires that can be measured from end to end.
fn reaches(plan: &Plan) -> Vec<Reach<'_>> {
    plan.wires
        .iter()
        .filter_map(|wire| {
            let [a, b] = [&wire.ends[0], &wire.ends[1]].map(|end| addresses(plan, end));
            let pair = a.iter().find_map(|&a| {
                b.iter()
                    .find(|b| b.is_ipv4() == a.is_ipv4())
                    .map(|&b| [a, b])
            })?;
            Some(Reach {
                wire,
                addresses: pair,
            })
        })
        .collect()
}

fn addresses(plan: &Plan, end: &WireEnd) -> Vec<IpAddr> {
    let own = Netns::Node(end.node.clone());
    plan.ops
        .iter()
        .filter_map(|op| match op {
            Op::AddAddress {
                netns,
                dev,
                address,
            } if *netns == own && *dev == end.node_if => Some(address.addr()),
            Op::AddAddress { .. }
            | Op::AddNetns { .. }
            | Op::Sysctl { .. }
            | Op::AddVeth { .. }
            | Op::AddBridge { .. }
            | Op::SetMaster { .. }
            | Op::SetUp { .. }
            | Op::SetDown { .. }
            | Op::AddRoute { .. } => None,
        })
        .collect()
}
