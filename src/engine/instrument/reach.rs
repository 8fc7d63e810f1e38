//! Which wires can be measured from end to end, between which addresses, and why
//! others cannot.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use ipnet::{IpNet, Ipv4Net};

use crate::{
    lab::{
        op::{Netns, Op},
        plan::{Plan, WireEnd, WirePlan},
    },
    units::{LinkName, NodeName},
};

/// The lab file's word for a node that has a bridge and no address.
const SWITCH: &str = "switch";

/// A wire whose two ends have addresses of one family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reach<'a> {
    pub(super) wire: &'a WirePlan,
    pub(super) addresses: [IpAddr; 2],
}

/// An address that a switch has only while its links are measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Loan {
    pub(super) switch: NodeName,
    /// The bridge's ifindex.
    pub(super) bridge: u32,
    pub(super) address: Ipv4Net,
}

/// What can be measured, what that takes, and what cannot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Survey<'a> {
    pub(super) reaches: Vec<Reach<'a>>,
    pub(super) loans: Vec<Loan>,
    pub(super) unmeasured: Vec<(LinkName, String)>,
}

pub(super) fn survey(plan: &Plan) -> Survey<'_> {
    let own = own_addresses(plan);
    let loans = loans(plan, &own);
    let mut found = Survey {
        loans: loans
            .values()
            .filter_map(|loan| loan.clone().ok())
            .collect(),
        ..Survey::default()
    };
    for wire in &plan.wires {
        let lag = plan.lags.iter().find(|lag| lag.links.contains(&wire.link));
        let ends = match lag {
            Some(lag) => Err(format!(
                "it is in the LAG {}, whose addresses are no one link's",
                lag.lag
            )),
            None => in_vrf(plan, wire).map_or_else(|| ends(wire, &own, &loans), Err),
        };
        match ends {
            Ok(addresses) => found.reaches.push(Reach { wire, addresses }),
            Err(why) => found.unmeasured.push((wire.link.clone(), why)),
        }
    }
    found
}

/// Why an end that is in a VRF cannot be measured from: the instrument's sockets are
/// in the main table.
fn in_vrf(plan: &Plan, wire: &WirePlan) -> Option<String> {
    let vlans = plan.ops.iter().filter_map(|op| {
        if let Op::AddVlan {
            netns: Netns::Node(node),
            name,
            parent,
            ..
        } = op
        {
            Some((node, name, parent))
        } else {
            None
        }
    });
    let tagged: Vec<_> = vlans.collect();
    wire.ends.iter().find_map(|end| {
        let own = tagged
            .iter()
            .filter(|(node, _, parent)| **node == end.node && **parent == end.node_if);
        let mut devs = own.map(|(_, name, _)| *name).chain([&end.node_if]);
        let vrf = devs.find_map(|dev| plan.vrf_of(&end.node, dev.as_str()))?;
        Some(format!("it is in the VRF {vrf} of {}", end.node))
    })
}

type Own<'a> = BTreeMap<(&'a NodeName, &'a str), Vec<IpNet>>;
type Loans = BTreeMap<NodeName, Result<Loan, String>>;

fn ends(wire: &WirePlan, own: &Own<'_>, loans: &Loans) -> Result<[IpAddr; 2], String> {
    let of = |end: &WireEnd| -> Result<Vec<IpAddr>, String> {
        match loans.get(&end.node) {
            Some(Ok(loan)) => Ok(vec![loan.address.addr().into()]),
            Some(Err(why)) => Err(why.clone()),
            None => Ok(own
                .get(&(&end.node, end.node_if.as_str()))
                .into_iter()
                .flatten()
                .map(IpNet::addr)
                .collect()),
        }
    };
    let (a, b) = (of(&wire.ends[0])?, of(&wire.ends[1])?);
    a.iter()
        .find_map(|&a| {
            let same = b.iter().find(|b| b.is_ipv4() == a.is_ipv4())?;
            Some([a, *same])
        })
        .ok_or_else(|| "its ends have no addresses of one family".to_owned())
}

/// By interface; those of a tagged one are its parent's as well.
fn own_addresses(plan: &Plan) -> Own<'_> {
    let mut own = Own::new();
    let mut parents = BTreeMap::new();
    for op in &plan.ops {
        if let Op::AddVlan {
            netns: Netns::Node(node),
            name,
            parent,
            ..
        } = op
        {
            parents.insert((node, name.as_str()), parent.as_str());
        }
        if let Op::AddAddress {
            netns: Netns::Node(node),
            dev,
            address,
        } = op
        {
            let dev = dev.as_str();
            own.entry((node, dev)).or_default().push(*address);
            if let Some(&parent) = parents.get(&(node, dev)) {
                own.entry((node, parent)).or_default().push(*address);
            }
        }
    }
    own
}

/// For each switch a free address of its network, or why there is none.
fn loans(plan: &Plan, own: &Own<'_>) -> Loans {
    let mut taken: BTreeSet<Ipv4Addr> = own
        .values()
        .flatten()
        .filter_map(|net| match net {
            IpNet::V4(v4) => Some(v4.addr()),
            IpNet::V6(_) => None,
        })
        .collect();
    let mut loans = Loans::new();
    for switch in plan.nodes.iter().filter(|node| node.kind == SWITCH) {
        let Some(bridge) = bridge(plan, &switch.name) else {
            continue;
        };
        let loan = match network(plan, own, &switch.name) {
            None => Err(format!(
                "switch {} has no address, and no IPv4 network to take one from",
                switch.name
            )),
            Some(network) => match free(network, &taken) {
                Some(address) => {
                    taken.insert(address.addr());
                    Ok(Loan {
                        switch: switch.name.clone(),
                        bridge,
                        address,
                    })
                }
                None => Err(format!(
                    "switch {} has no address, and {network} has none left to measure from",
                    switch.name
                )),
            },
        };
        loans.insert(switch.name.clone(), loan);
    }
    loans
}

fn bridge(plan: &Plan, switch: &NodeName) -> Option<u32> {
    plan.ops.iter().find_map(|op| {
        if let Op::AddBridge {
            netns: Netns::Node(node),
            index,
            ..
        } = op
            && node == switch
        {
            Some(*index)
        } else {
            None
        }
    })
}

/// The IPv4 network of the nearest node with an address, over trunks where need be.
fn network(plan: &Plan, own: &Own<'_>, switch: &NodeName) -> Option<Ipv4Net> {
    let is_switch = |node: &NodeName| {
        let plan = plan.node(node.as_str());
        plan.is_some_and(|plan| plan.kind == SWITCH)
    };
    let mut segment = vec![switch.clone()];
    let mut next = 0;
    while let Some(here) = segment.get(next).cloned() {
        next += 1;
        let mine = plan
            .wires
            .iter()
            .filter(|wire| wire.ends.iter().any(|end| end.node == here));
        for end in mine.flat_map(|wire| &wire.ends) {
            let addresses = own.get(&(&end.node, end.node_if.as_str()));
            let v4 = addresses.into_iter().flatten().find_map(|net| match net {
                IpNet::V4(v4) => Some(v4.trunc()),
                IpNet::V6(_) => None,
            });
            if v4.is_some() {
                return v4;
            }
            if is_switch(&end.node) && !segment.contains(&end.node) {
                segment.push(end.node.clone());
            }
        }
    }
    None
}

/// The last address of the network that nobody has.
fn free(network: Ipv4Net, taken: &BTreeSet<Ipv4Addr>) -> Option<Ipv4Net> {
    let (first, last) = (
        network.network().to_bits().checked_add(1)?,
        network.broadcast().to_bits().checked_sub(1)?,
    );
    (first..=last)
        .rev()
        .map(Ipv4Addr::from_bits)
        .find(|address| !taken.contains(address))
        .and_then(|address| Ipv4Net::new(address, network.prefix_len()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{
        plan::{HostFacts, plan},
        spec,
    };

    fn compile(text: &str) -> Plan {
        let checked = spec::check("lab.yaml", text, &|_| Err(String::new()));
        plan(&checked.lab.unwrap(), &HostFacts::default()).unwrap()
    }

    const SEGMENT: &str = "
nodes:
  s: { kind: switch }
  t: { kind: switch }
  h: { kind: host }
  g: { kind: host }
links:
  left:  { ends: [h, s], delay: 1ms, addresses: { h: 10.0.0.254/24 } }
  trunk: { ends: [s, t], delay: 2ms }
  right: { ends: [t, g], delay: 3ms, addresses: { g: 10.0.0.2/24 } }
";

    #[test]
    fn a_switch_borrows_the_last_free_address_of_its_network() {
        let plan = compile(SEGMENT);
        let found = survey(&plan);
        assert_eq!(found.unmeasured, []);
        let loans: Vec<String> = found
            .loans
            .iter()
            .map(|loan| format!("{} {}", loan.switch, loan.address))
            .collect();
        assert_eq!(loans, ["s 10.0.0.253/24", "t 10.0.0.252/24"]);
        let ends: Vec<String> = found
            .reaches
            .iter()
            .map(|r| format!("{} {} {}", r.wire.link, r.addresses[0], r.addresses[1]))
            .collect();
        assert_eq!(
            ends,
            [
                "left 10.0.0.254 10.0.0.253",
                "right 10.0.0.252 10.0.0.2",
                "trunk 10.0.0.253 10.0.0.252"
            ]
        );
    }

    #[test]
    fn a_full_network_and_an_ipv6_one_say_why_they_are_not_measured() {
        let full = compile(
            &SEGMENT
                .replace("10.0.0.254/24", "10.0.0.1/30")
                .replace("10.0.0.2/24", "10.0.0.2/30"),
        );
        let found = survey(&full);
        assert_eq!(found.reaches, []);
        assert_eq!(found.loans, []);
        assert_eq!(
            found.unmeasured[0],
            (
                LinkName::new("left").unwrap(),
                "switch s has no address, and 10.0.0.0/30 has none left to measure from".to_owned()
            )
        );
        let v6 = compile(
            &SEGMENT
                .replace("10.0.0.254/24", "'2001:db8::1/64'")
                .replace("10.0.0.2/24", "'2001:db8::2/64'"),
        );
        let found = survey(&v6);
        assert_eq!(found.unmeasured.len(), 3);
        assert_eq!(
            found.unmeasured[0].1,
            "switch s has no address, and no IPv4 network to take one from"
        );
    }

    #[test]
    fn a_circuit_is_measured_between_its_vifs_and_a_lags_link_not_at_all() {
        let full = HostFacts {
            vlan: true,
            bond: true,
            ..HostFacts::default()
        };
        let compile = |text: &str| {
            let checked = spec::check("lab.yaml", text, &|_| Err(String::new()));
            plan(&checked.lab.unwrap(), &full).unwrap()
        };
        let vifs = compile(include_str!("../../../labs/two-vifs.yaml"));
        let found = survey(&vifs);
        assert_eq!((found.reaches.len(), found.unmeasured), (2, vec![]));
        let lag = compile(include_str!("../../../labs/lag-member-cut.yaml"));
        let why: Vec<String> = survey(&lag).unmeasured.into_iter().map(|u| u.1).collect();
        let said = "it is in the LAG dx, whose addresses are no one link's";
        assert_eq!(why, [said, said]);
    }

    #[test]
    fn links_without_a_switch_need_no_loan() {
        let plan = compile(include_str!("../../../labs/dx-vpn-backup.yaml"));
        let found = survey(&plan);
        assert_eq!((found.loans, found.unmeasured), (vec![], vec![]));
        assert_eq!(found.reaches.len(), plan.wires.len());
    }
}
