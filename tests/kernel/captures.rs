//! What the captures of a run hold against what its wires counted.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test names the blocks and options it expects"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use backhoe::{
    results::event::WireFlowLog,
    units::{PROBE_MAGIC, ProbeHeader},
};
use pcap_file::pcapng::{
    Block, PcapNgReader,
    blocks::{
        enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption},
        interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption},
    },
};

/// Link, sender and flow.
type Key = (String, String, u16);

/// Numbers of probes that are not marked as dropped, and of those that are.
type Seen = [BTreeSet<u32>; 2];

/// What a run's captures hold.
#[derive(Debug, Default)]
struct Held {
    /// Of each run of probes.
    probes: BTreeMap<u64, BTreeMap<Key, Seen>>,
    last_run: u64,
    last_at: u64,
    comments: BTreeSet<String>,
    /// Messages of BGP that are whole.
    bgp: usize,
}

/// Every run below `dir`: each probe that entered a wire is in its capture, each that a wire
/// dropped is marked, and fault and recovery are comments; of a lab that is routed, detection and restore, too,
/// and BGP is whole.
pub(super) fn account_for_every_probe(dir: &Path, is_routed: bool) {
    let runs = run_directories(dir);
    assert!(!runs.is_empty(), "no run below {}", dir.display());
    for run in runs {
        let held = read(&run.join("captures"));
        let wires = fs::read(run.join("wires.json")).unwrap();
        let wires: Vec<WireFlowLog> = serde_json::from_slice(&wires).unwrap();
        let mut counted = BTreeMap::<Key, Seen>::new();
        for wire in wires {
            let all = |ranges: &[(u32, u32)]| -> BTreeSet<u32> {
                ranges.iter().flat_map(|&(a, b)| a..=b).collect()
            };
            let key = (wire.link, wire.from, wire.flow);
            let of = counted.entry(key).or_default();
            of[0].extend(all(&wire.carried));
            for ranges in [&wire.cut, &wire.loss, &wire.queue] {
                of[1].extend(all(ranges));
            }
        }
        let captured = &held.probes[&held.last_run];
        let keys = |of: &BTreeMap<Key, Seen>| of.keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(captured), keys(&counted));
        for (key, seen) in captured {
            assert_eq!(*seen, counted[key], "{key:?}");
        }
        let said = |what: &str| held.comments.iter().any(|comment| comment.contains(what));
        for what in [" applied to ", ": recovered: "] {
            assert!(said(what), "{what}: {:?}", held.comments);
        }
        for what in [" restored (", ": detected: "] {
            assert_eq!(said(what), is_routed, "{what}: {:?}", held.comments);
        }
        assert_eq!(held.bgp > 0, is_routed);
    }
}

fn run_directories(dir: &Path) -> Vec<PathBuf> {
    if dir.join("wires.json").exists() {
        return vec![dir.to_path_buf()];
    }
    let entries = fs::read_dir(dir).unwrap().flatten();
    let directories = entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir());
    directories
        .flat_map(|path| run_directories(&path))
        .collect()
}

fn read(captures: &Path) -> Held {
    let mut held = Held::default();
    for entry in fs::read_dir(captures).unwrap().flatten() {
        let path = entry.path();
        let link = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let file = fs::read(&path).unwrap();
        let mut reader = PcapNgReader::new(&file[..]).unwrap();
        let mut senders = Vec::new();
        let mut before = 0;
        while let Some(block) = reader.next_block() {
            match block.unwrap() {
                Block::InterfaceDescription(interface) => senders.push(sender(&interface)),
                Block::EnhancedPacket(packet) => {
                    let at = packet.timestamp.as_nanos() as u64;
                    assert!(before <= at, "{link}: not in order");
                    before = at;
                    let sender = &senders[packet.interface_id as usize];
                    held.take((&link, sender), at, &packet);
                }
                other => panic!("{other:?}"),
            }
        }
    }
    held
}

impl Held {
    fn take(&mut self, (link, sender): (&str, &str), at: u64, packet: &EnhancedPacketBlock<'_>) {
        let mut dropped = false;
        for option in &packet.options {
            if let EnhancedPacketOption::Comment(text) = option {
                dropped |= text.starts_with("dropped: ");
                self.comments.insert(text.to_string());
            }
        }
        let found = |what: &[u8]| packet.data.windows(what.len()).position(|w| w == what);
        if packet.data.len() == packet.original_len as usize && found(&[0xff; 16]).is_some() {
            self.bgp += 1;
        }
        let Some(start) = found(&PROBE_MAGIC) else {
            return;
        };
        // Behind IPv4 and UDP; an ICMP error that quotes a probe is none.
        let network = start - 28;
        if network != 0 && packet.data[network - 2..network] != [8, 0] {
            return;
        }
        let header = ProbeHeader::decode(&packet.data[start..]).unwrap();
        let key = (link.to_owned(), sender.to_owned(), header.flow);
        let of = self
            .probes
            .entry(header.run)
            .or_default()
            .entry(key)
            .or_default();
        of[usize::from(dropped)].insert(header.seq);
        if at >= self.last_at {
            (self.last_at, self.last_run) = (at, header.run);
        }
    }
}

/// Of `circuit: dc1→east`, `dc1`.
fn sender(interface: &InterfaceDescriptionBlock<'_>) -> String {
    let name = interface.options.iter().find_map(|option| match option {
        InterfaceDescriptionOption::IfName(name) => Some(name.to_string()),
        _ => None,
    });
    let name = name.unwrap();
    let (_, ends) = name.split_once(": ").unwrap();
    ends.split_once('→').unwrap().0.to_owned()
}
