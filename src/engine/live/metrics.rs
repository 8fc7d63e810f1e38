//! What AWS's metrics are derived from: the wires' counters, light at AWS's end, AWS's sessions
//! and the counters of AWS's interfaces. Nothing is asked of any daemon.

use std::collections::BTreeMap;

use super::Live;
use crate::{
    engine::{board::Item, wire::LinkCounters},
    lab::plan::{Medium, SessionPlan},
    os::device_counters::{self, Traffic},
    units::NodeName,
};

/// What one series says at one moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measure {
    /// A state: 1 is well.
    State(bool),
    /// Bytes since the lab began, told as bits a second.
    Bits(u64),
    /// Packets since the lab began, told a second.
    Packets(u64),
    /// Bytes since the lab began, told as they are.
    Bytes(u64),
}

/// A metric's name and dimensions, as AWS calls them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    /// AWS's name.
    pub name: &'static str,
    /// Its dimensions.
    pub dimensions: Vec<(&'static str, String)>,
}

/// All series at one moment.
pub type Reading = BTreeMap<Series, Measure>;

impl Live {
    /// What every link's directions have carried since the lab began.
    pub fn counters(&self) -> Vec<LinkCounters> {
        let wire = self.wire.as_ref();
        wire.map(|wire| wire.counters()).unwrap_or_default()
    }

    /// Every metric that AWS would have of this lab; `counters` as [`Self::counters`] gives them.
    pub fn reading(&self, counters: &[LinkCounters]) -> Reading {
        let mut reading = Reading::new();
        let mut tables: BTreeMap<&NodeName, String> = BTreeMap::new();
        for (node, holder) in self.holders() {
            // A node that has died counts nothing more.
            if let Ok(table) = device_counters::table(holder.pid()) {
                tables.insert(node, table);
            }
        }
        let traffic = |node: &NodeName, interface: &str| {
            let table = tables.get(node)?;
            device_counters::traffic(table, interface)
        };
        for session in &self.plan().sessions {
            let aws = &session.ends[1];
            let seen = traffic(&aws.node, aws.interface.as_str());
            let is_up = self.is_established(session);
            match &session.over {
                Medium::Link(over) if session.kind.ends_with("-vif") => {
                    let vif = |connection: &str| {
                        vec![
                            ("ConnectionId", connection.to_owned()),
                            ("VirtualInterfaceId", session.session.to_string()),
                        ]
                    };
                    rates(&mut reading, VIF, &vif(over.as_str()), seen);
                    put(
                        &mut reading,
                        "VirtualInterfaceBgpStatus",
                        vif(over.as_str()),
                        Measure::State(is_up),
                    );
                    for link in self.plan().links_of(over) {
                        self.connection(&mut reading, link.as_str(), aws.node.as_str(), counters);
                    }
                }
                Medium::Tunnel(_) if session.kind == "vpn" => {
                    self.tunnel(&mut reading, session, is_up, seen);
                }
                Medium::Link(_) | Medium::Tunnel(_) => {}
            }
        }
        reading
    }

    fn connection(&self, reading: &mut Reading, link: &str, aws: &str, counters: &[LinkCounters]) {
        let dimensions = vec![("ConnectionId", link.to_owned())];
        let has_light = !self.board().is_dark(link, aws);
        put(
            reading,
            "ConnectionState",
            dimensions.clone(),
            Measure::State(has_light),
        );
        let mut seen = Traffic::default();
        for one in counters.iter().filter(|one| one.link == link) {
            if one.from == aws {
                (seen.tx_bytes, seen.tx_packets) = (one.stats.offered_bytes, one.stats.offered);
            } else {
                (seen.rx_bytes, seen.rx_packets) = (one.stats.delivered_bytes, one.stats.delivered);
            }
        }
        rates(reading, CONNECTION, &dimensions, Some(seen));
    }

    fn tunnel(
        &self,
        reading: &mut Reading,
        session: &SessionPlan,
        is_up: bool,
        seen: Option<Traffic>,
    ) {
        let name = session.over.name();
        let mut tunnels = self.plan().tunnels.iter();
        let Some(plan) = tunnels.find(|tunnel| tunnel.tunnel.as_str() == name) else {
            return;
        };
        let number = name
            .rsplit_once('.')
            .filter(|(_, n)| n.parse::<u8>().is_ok());
        let dimensions = vec![
            ("TunnelIpAddress", plan.ends[1].outer.ip().to_string()),
            ("VpnId", number.map_or(name, |(vpn, _)| vpn).to_owned()),
        ];
        put(
            reading,
            "TunnelState",
            dimensions.clone(),
            Measure::State(is_up),
        );
        if let Some(seen) = seen {
            put(
                reading,
                "TunnelDataIn",
                dimensions.clone(),
                Measure::Bytes(seen.rx_bytes),
            );
            put(
                reading,
                "TunnelDataOut",
                dimensions,
                Measure::Bytes(seen.tx_bytes),
            );
        }
    }

    /// Whether BGP is Established at AWS's end.
    fn is_established(&self, session: &SessionPlan) -> bool {
        let item = Item::Bgp {
            session: session.session.to_string(),
            node: session.ends[1].node.to_string(),
        };
        self.board().missing(&[item].into()).is_empty()
    }
}

/// Names of bits out and in, packets out and in.
type Names = [&'static str; 4];

const CONNECTION: Names = [
    "ConnectionBpsEgress",
    "ConnectionBpsIngress",
    "ConnectionPpsEgress",
    "ConnectionPpsIngress",
];
const VIF: Names = [
    "VirtualInterfaceBpsEgress",
    "VirtualInterfaceBpsIngress",
    "VirtualInterfacePpsEgress",
    "VirtualInterfacePpsIngress",
];

fn rates(
    reading: &mut Reading,
    names: Names,
    dimensions: &[(&'static str, String)],
    seen: Option<Traffic>,
) {
    let Some(seen) = seen else {
        return;
    };
    let values = [
        Measure::Bits(seen.tx_bytes),
        Measure::Bits(seen.rx_bytes),
        Measure::Packets(seen.tx_packets),
        Measure::Packets(seen.rx_packets),
    ];
    for (name, value) in names.into_iter().zip(values) {
        put(reading, name, dimensions.to_vec(), value);
    }
}

fn put(
    reading: &mut Reading,
    name: &'static str,
    dimensions: Vec<(&'static str, String)>,
    value: Measure,
) {
    reading.insert(Series { name, dimensions }, value);
}
