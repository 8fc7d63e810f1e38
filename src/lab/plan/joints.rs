//! Which interfaces of a plan are joined, and by what.

use std::collections::BTreeMap;

use super::types::Plan;
use crate::units::NodeName;

/// An interface at a node.
pub(super) type End<'p> = (&'p NodeName, &'p str);

impl Plan {
    /// Both ends of everything that carries packets between two nodes: VIFs with their VLAN, LAGs,
    /// tunnels, links.
    pub fn joints(&self) -> impl Iterator<Item = (Option<u16>, [End<'_>; 2])> {
        let vifs = self
            .sessions
            .iter()
            .filter(|session| session.vlan.is_some());
        let vifs = vifs.map(|session| {
            let ends = session.ends.each_ref();
            let ends = ends.map(|end| (&end.node, end.interface.as_str()));
            (session.vlan, ends)
        });
        let lags = self.lags.iter().map(|lag| {
            let ends = lag.ends.each_ref();
            (None, ends.map(|end| (&end.node, end.interface.as_str())))
        });
        let tunnels = self.tunnels.iter().map(|tunnel| {
            let ends = tunnel.ends.each_ref();
            (None, ends.map(|end| (&end.node, end.interface.as_str())))
        });
        let wires = self.wires.iter().map(|wire| {
            let ends = wire.ends.each_ref();
            (None, ends.map(|end| (&end.node, end.node_if.as_str())))
        });
        let direct = self.direct.iter().map(|link| {
            let ends = link.ends.each_ref();
            (
                None,
                ends.map(|(node, interface)| (node, interface.as_str())),
            )
        });
        vifs.chain(lags).chain(tunnels).chain(wires).chain(direct)
    }

    /// Which link, LAG or tunnel is behind each interface of `node`; of a VIF, what it is on.
    pub fn interfaces_of(&self, node: &NodeName) -> BTreeMap<String, String> {
        let wires = self.wires.iter().flat_map(|wire| {
            let name = wire.link.as_str();
            wire.ends
                .iter()
                .map(move |end| (&end.node, end.node_if.as_str(), name))
        });
        let tunnels = self.tunnels.iter().flat_map(|tunnel| {
            let name = tunnel.tunnel.as_str();
            tunnel
                .ends
                .iter()
                .map(move |end| (&end.node, end.interface.as_str(), name))
        });
        let lags = self.lags.iter().flat_map(|lag| {
            let name = lag.lag.as_str();
            lag.ends
                .iter()
                .map(move |end| (&end.node, end.interface.as_str(), name))
        });
        let vifs = self.sessions.iter().filter(|s| s.vlan.is_some());
        let vifs = vifs.flat_map(|session| {
            let name = session.over.name();
            session
                .ends
                .iter()
                .map(move |end| (&end.node, end.interface.as_str(), name))
        });
        let direct = self.direct.iter().flat_map(|link| {
            let name = link.link.as_str();
            link.ends
                .iter()
                .map(move |(node, dev)| (node, dev.as_str(), name))
        });
        wires
            .chain(tunnels)
            .chain(lags)
            .chain(vifs)
            .chain(direct)
            .filter(|(at, ..)| *at == node)
            .map(|(_, dev, link)| (dev.to_owned(), link.to_owned()))
            .collect()
    }
}
