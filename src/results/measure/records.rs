//! Packet records as a table: a row for every packet a flow sent, with what became of it on
//! its way.

use std::collections::BTreeMap;

use super::{
    caps,
    flow::{Fate, FlowView},
    input::RunInput,
    result::Hop,
    topology::Map,
};
use crate::results::event::{FlowLog, MonoNs};

/// The packets of one flow.
#[derive(Debug, Clone, PartialEq)]
pub struct PacketTable {
    /// The probe.
    pub probe: String,
    /// Sending host.
    pub sender: String,
    /// Receiving host.
    pub receiver: String,
    /// By sequence number; copies of a packet behind it, in the order of their arrival.
    pub rows: Vec<PacketRow>,
}

/// One packet, or one further copy of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PacketRow {
    /// Sequence number.
    pub seq: u32,
    /// When it was sent; `None`: the sender's kernel refused it.
    pub sent: Option<MonoNs>,
    /// When it arrived.
    pub received: Option<MonoNs>,
    /// TTL or hop limit on arrival.
    pub ttl: Option<u8>,
    /// The links and tunnels that carried it, in order: `circuit, backbone`. Of a lost packet,
    /// how far it came.
    pub via: Option<String>,
    /// What became of it.
    pub verdict: PacketVerdict,
    /// The link or tunnel that dropped it.
    pub dropped_by: Option<String>,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketVerdict {
    /// It arrived.
    Delivered,
    /// A further copy of one that had arrived.
    Duplicate,
    /// The sender's kernel refused it.
    Unsent,
    /// A wire dropped it, because it was cut or was to drop so many.
    Cut,
    /// A wire's full queue had no room for it.
    Queue,
    /// Declared random loss took it.
    Loss,
    /// It did not arrive, and no wire dropped it: a node did, or nobody knows.
    Lost,
}

impl PacketVerdict {
    /// The word in the records.
    pub fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Duplicate => "duplicate",
            Self::Unsent => "unsent",
            Self::Cut => "cut",
            Self::Queue => "queue",
            Self::Loss => "loss",
            Self::Lost => "lost",
        }
    }
}

/// The packets of every flow of a run.
pub fn packet_tables(input: &RunInput) -> impl Iterator<Item = PacketTable> {
    let wires = caps::booked_wires(input);
    let map = Map::new(&input.topology);
    input
        .flows
        .iter()
        .map(move |log| table(&FlowView::new(log, &wires, &map), &map))
}

fn table(view: &FlowView<'_>, map: &Map<'_>) -> PacketTable {
    let log = view.log;
    let mut copies = copies(log);
    let mut ways = Ways::new(view, map);
    let mut rows = Vec::with_capacity(log.sent.len());
    for seq in view.seqs() {
        let row = ways.row(seq);
        let further = copies.remove(&seq).unwrap_or_default();
        let copies = further.into_iter().map(|(at, ttl)| PacketRow {
            received: Some(at),
            ttl: Some(ttl),
            via: None,
            verdict: PacketVerdict::Duplicate,
            ..row.clone()
        });
        let copies: Vec<_> = copies.collect();
        rows.push(row);
        rows.extend(copies);
    }
    PacketTable {
        probe: log.probe.clone(),
        sender: log.from.clone(),
        receiver: log.to.clone(),
        rows,
    }
}

/// Arrivals of each number but its first.
fn copies(log: &FlowLog) -> BTreeMap<u32, Vec<(MonoNs, u8)>> {
    let mut arrived = vec![false; log.sent.len()];
    let mut copies = BTreeMap::<u32, Vec<_>>::new();
    for arrival in &log.received {
        match arrived.get_mut(arrival.seq as usize) {
            Some(true) => {
                let of = copies.entry(arrival.seq).or_default();
                of.push((arrival.at, arrival.ttl));
            }
            Some(before) => *before = true,
            None => {}
        }
    }
    copies
}

/// The ways of a flow's packets in words, each made once.
struct Ways<'a> {
    view: &'a FlowView<'a>,
    map: &'a Map<'a>,
    /// Of each path on which packets were delivered.
    whole: Vec<Option<String>>,
    /// Of each set of wires that carried what was lost.
    partial: BTreeMap<Vec<usize>, Option<String>>,
}

impl<'a> Ways<'a> {
    fn new(view: &'a FlowView<'a>, map: &'a Map<'a>) -> Self {
        Self {
            view,
            map,
            whole: view.paths.iter().map(|path| words(path)).collect(),
            partial: BTreeMap::new(),
        }
    }

    fn row(&mut self, seq: u32) -> PacketRow {
        let (view, map) = (self.view, self.map);
        let mut row = PacketRow {
            seq,
            sent: view.sent_at(seq),
            received: None,
            ttl: None,
            via: None,
            verdict: PacketVerdict::Unsent,
            dropped_by: None,
        };
        match view.fate(seq) {
            None | Some(Fate::Unsent) => {}
            Some(Fate::Delivered { at, ttl, path }) => {
                row.received = Some(at);
                row.ttl = Some(ttl);
                row.via = self.whole.get(path).cloned().flatten();
                row.verdict = PacketVerdict::Delivered;
            }
            Some(Fate::Lost | Fate::Crowded | Fate::LostDeclared) => {
                let passed = view.passed(seq).collect();
                let partial = self.partial.entry(passed);
                row.via = partial
                    .or_insert_with(|| words(&view.hops(seq, map)))
                    .clone();
                let dropper = view.dropper(seq);
                row.verdict = dropper.map_or(PacketVerdict::Lost, |(verdict, _)| verdict);
                row.dropped_by = dropper.map(|(_, link)| link.to_owned());
            }
        }
        row
    }
}

/// A path's links; `None` where no wire carried anything.
fn words(path: &[Hop]) -> Option<String> {
    let links: Vec<_> = path.iter().map(|hop| hop.link.as_str()).collect();
    (!links.is_empty()).then(|| links.join(", "))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::results::{
        event::{Arrival, WireFlowLog},
        measure::{DeclaredShape, LinkInput, Topology},
    };

    /// A flow over two links of which a packet each was delivered, delivered twice, refused,
    /// cut on the second link, lost on the first, and lost by a node between them.
    pub(in crate::results) fn run() -> RunInput {
        let wire = |link: &str, [from, to]: [&str; 2], carried: &[(u32, u32)]| WireFlowLog {
            link: link.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            flow: 3,
            vlan: None,
            carried: carried.to_vec(),
            cut: Vec::new(),
            loss: Vec::new(),
            queue: Vec::new(),
        };
        let mut far = wire("far", ["b", "c"], &[(0, 1)]);
        far.cut = vec![(3, 3)];
        let mut near = wire("near", ["a", "b"], &[(0, 1), (3, 3), (5, 5)]);
        near.loss = vec![(4, 4)];
        let link = |name: &str, ends: [&str; 2]| LinkInput {
            name: name.to_owned(),
            ends: ends.map(str::to_owned),
            role: "wire".to_owned(),
            declared: [DeclaredShape::default(); 2],
        };
        let arrival = |seq, at, ttl| Arrival { seq, at, ttl };
        RunInput {
            lab: "table".to_owned(),
            events: Vec::new(),
            flows: vec![FlowLog {
                id: 3,
                probe: "app".to_owned(),
                from: "a".to_owned(),
                to: "c".to_owned(),
                rate: 1000,
                size: 200,
                sent: vec![Some(10), Some(20), None, Some(40), Some(50), Some(60)],
                received: vec![arrival(0, 15, 62), arrival(1, 25, 62), arrival(1, 26, 61)],
                turns: Vec::new(),
            }],
            wires: vec![far, near],
            topology: Topology {
                links: vec![link("near", ["a", "b"]), link("far", ["b", "c"])],
                ..Topology::default()
            },
            node_drops: BTreeMap::new(),
            tunnel_drops: Vec::new(),
            isolated: BTreeMap::new(),
            load: Vec::new(),
            load_expectations: Vec::new(),
            expectations: Vec::new(),
            quality: crate::results::measure::Quality::default(),
            notes: Vec::new(),
        }
    }

    #[test]
    fn every_packet_has_a_row_that_says_what_became_of_it() {
        let tables: Vec<_> = packet_tables(&run()).collect();
        let [table] = &tables[..] else {
            panic!("{tables:?}")
        };
        let told: Vec<_> = table
            .rows
            .iter()
            .map(|row| {
                (
                    row.seq,
                    row.sent,
                    row.received,
                    row.via.as_deref(),
                    row.verdict.word(),
                    row.dropped_by.as_deref(),
                )
            })
            .collect();
        assert_eq!(
            told,
            [
                (0, Some(10), Some(15), Some("near, far"), "delivered", None),
                (1, Some(20), Some(25), Some("near, far"), "delivered", None),
                (1, Some(20), Some(26), None, "duplicate", None),
                (2, None, None, None, "unsent", None),
                (3, Some(40), None, Some("near"), "cut", Some("far")),
                (4, Some(50), None, None, "loss", Some("near")),
                (5, Some(60), None, Some("near"), "lost", None),
            ]
        );
    }
}
