//! Which interface reaches a next hop (RFC 4271 §9.1.2.1).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;

use crate::units::IfName;

/// A network interface and the subnets it is connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: IfName,
    /// Whether it can carry packets: administratively up and with carrier.
    pub up: bool,
    /// Connected subnets, one for each address; host bits do not matter.
    pub prefixes: Vec<IpNet>,
}

/// What a new set of interfaces changed.
#[derive(Debug)]
pub(super) struct Change {
    /// Interfaces that went down or away.
    pub(super) down: BTreeSet<IfName>,
    /// Addresses whose answer changed.
    pub(super) next_hops: BTreeSet<IpAddr>,
    /// Connected subnets that came or went.
    pub(super) subnets: Vec<IpNet>,
}

/// Answers by the connected subnets of interfaces that are up, and remembers
/// whom it was asked about.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    interfaces: BTreeMap<IfName, Interface>,
    /// Subnets of the interfaces that are up.
    connected: BTreeSet<IpNet>,
    asked: BTreeMap<IpAddr, Option<IfName>>,
}

impl Resolver {
    /// The interface that reaches the address; the longest subnet decides.
    pub(super) fn resolve(&mut self, address: IpAddr) -> Option<&IfName> {
        let interfaces = &self.interfaces;
        self.asked
            .entry(address)
            .or_insert_with(|| look_up(interfaces, address))
            .as_ref()
    }

    /// What `resolve` would say, for an address it has been asked about.
    pub(super) fn resolved(&self, address: IpAddr) -> Option<&IfName> {
        self.asked.get(&address).and_then(Option::as_ref)
    }

    pub(super) fn is_up(&self, name: &IfName) -> bool {
        self.interfaces
            .get(name)
            .is_some_and(|interface| interface.up)
    }

    /// Replaces the set, and says what that changed.
    pub(super) fn replace(&mut self, interfaces: Vec<Interface>) -> Change {
        let old = std::mem::take(&mut self.interfaces);
        self.interfaces = interfaces
            .into_iter()
            .map(|interface| (interface.name.clone(), interface))
            .collect();
        let down = old
            .into_values()
            .filter(|before| before.up && !self.is_up(&before.name))
            .map(|before| before.name)
            .collect();
        let subnets = self.up().flat_map(|interface| &interface.prefixes);
        let connected: BTreeSet<IpNet> = subnets.map(IpNet::trunc).collect();
        let subnets = connected
            .symmetric_difference(&self.connected)
            .copied()
            .collect();
        self.connected = connected;
        let mut next_hops = BTreeSet::new();
        for (address, answer) in &mut self.asked {
            let now = look_up(&self.interfaces, *address);
            if now != *answer {
                *answer = now;
                next_hops.insert(*address);
            }
        }
        Change {
            down,
            next_hops,
            subnets,
        }
    }

    /// Whether the kernel reaches the prefix by itself.
    pub(super) fn is_connected(&self, prefix: &IpNet) -> bool {
        self.connected.contains(prefix)
    }

    /// Whether a connected subnet lies strictly inside `prefix`.
    pub(super) fn connected_inside(&self, prefix: &IpNet) -> bool {
        let inside =
            |subnet: &IpNet| subnet.prefix_len() > prefix.prefix_len() && prefix.contains(subnet);
        self.connected.iter().any(inside)
    }

    fn up(&self) -> impl Iterator<Item = &Interface> {
        self.interfaces.values().filter(|interface| interface.up)
    }
}

fn look_up(interfaces: &BTreeMap<IfName, Interface>, address: IpAddr) -> Option<IfName> {
    interfaces
        .values()
        .filter(|interface| interface.up)
        .flat_map(|interface| {
            interface
                .prefixes
                .iter()
                .map(move |net| (net, &interface.name))
        })
        .filter(|(net, _)| net.contains(&address))
        .max_by_key(|(net, _)| net.prefix_len())
        .map(|(_, name)| name.clone())
}
