#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test names the blocks and options it expects"
)]

use pcap_file::pcapng::{
    Block, PcapNgReader,
    blocks::{
        enhanced_packet::EnhancedPacketOption, interface_description::InterfaceDescriptionOption,
        section_header::SectionHeaderOption,
    },
};

use super::*;
use crate::{results::event::WireFlowLog, units::ProbeHeader};

const START: u64 = 1_700_000_000_000_000_000;
const OFFSET: i64 = 1_699_999_999_000_000_000;
const RUN: u64 = 77;

fn link() -> Link {
    Link {
        name: "circuit".to_owned(),
        ends: ["dc1".to_owned(), "east".to_owned()],
        kind: LinkKind::Ethernet,
    }
}

fn probe(run: u64, seq: u32) -> Vec<u8> {
    let mut bytes = vec![1; 42 + 60];
    bytes[12..14].copy_from_slice(&[8, 0]);
    let header = ProbeHeader {
        run,
        flow: 3,
        seq,
        sent_ns: 5,
    };
    assert!(header.encode(&mut bytes[42..]));
    bytes
}

fn packet(direction: usize, at_ms: u64, bytes: &[u8]) -> Packet<'_> {
    Packet {
        direction,
        at: START + at_ms * 1_000_000 + 1,
        bytes,
        length: bytes.len() as u32 + 100,
        verdict: Verdict::Passed,
        missed: 0,
    }
}

fn written() -> Vec<u8> {
    let mut file = CaptureFile::begin(Vec::new(), &link(), "lab x").unwrap();
    let probes: Vec<_> = (0..4).map(|seq| probe(RUN, seq)).collect();
    file.packet(&packet(0, 10, &probes[0])).unwrap();
    // The other ring is read later.
    file.packet(&packet(0, 20, &probes[1])).unwrap();
    let late = Packet {
        missed: 3,
        ..packet(1, 15, b"an odd length")
    };
    file.packet(&late).unwrap();
    let cut = Packet {
        verdict: Verdict::Cut,
        ..packet(0, 30, &probes[2])
    };
    file.packet(&cut).unwrap();
    file.packet(&packet(0, 40, &probe(RUN + 1, 3))).unwrap();
    file.packet(&packet(0, 50, &probes[3])).unwrap();
    // An error message quotes it.
    let quote = [&probes[3][..42], &[0; 28], &probes[3][42..]].concat();
    file.packet(&packet(0, 60, &quote)).unwrap();
    std::mem::take(file.get_mut())
}

/// Section comment, interface names, and of each packet: interface, milliseconds, bytes,
/// length, flags, missed, comments.
type Read = (String, Vec<String>, Vec<Row>);
type Row = (u32, u64, usize, u32, u32, u64, Vec<String>);

fn read(file: &[u8]) -> Read {
    let mut reader = PcapNgReader::new(file).unwrap();
    let about = reader
        .section()
        .options
        .iter()
        .find_map(|option| match option {
            SectionHeaderOption::Comment(text) => Some(text.to_string()),
            _ => None,
        });
    let (mut names, mut rows) = (Vec::new(), Vec::new());
    while let Some(block) = reader.next_block() {
        match block.unwrap() {
            Block::InterfaceDescription(interface) => {
                let name = interface.options.iter().find_map(|option| match option {
                    InterfaceDescriptionOption::IfName(name) => Some(name.to_string()),
                    _ => None,
                });
                names.push(name.unwrap());
            }
            Block::EnhancedPacket(packet) => {
                let (mut flags, mut missed, mut comments) = (0, 0, Vec::new());
                for option in &packet.options {
                    match option {
                        EnhancedPacketOption::Flags(bits) => flags = *bits,
                        EnhancedPacketOption::DropCount(count) => missed = *count,
                        EnhancedPacketOption::Comment(text) => comments.push(text.to_string()),
                        other => panic!("{other:?}"),
                    }
                }
                let at = packet.timestamp.as_nanos() as u64 - START;
                assert_eq!(at % 1_000_000, 1, "not a nanosecond is lost");
                rows.push((
                    packet.interface_id,
                    at / 1_000_000,
                    packet.data.len(),
                    packet.original_len,
                    flags,
                    missed,
                    comments,
                ));
            }
            other => panic!("{other:?}"),
        }
    }
    (about.unwrap(), names, rows)
}

fn row(interface: u32, at: u64, bytes: usize, missed: u64, comments: &[&str]) -> Row {
    let comments = comments.iter().map(|&text| text.to_owned()).collect();
    let flags = if interface == 0 { 2 } else { 1 };
    (
        interface,
        at,
        bytes,
        bytes as u32 + 100,
        flags,
        missed,
        comments,
    )
}

#[test]
fn a_capture_is_whole_whenever_it_ends() {
    let (about, names, rows) = read(&written());
    assert_eq!(about, "lab x");
    assert_eq!(names, ["circuit: dc1→east", "circuit: east→dc1"]);
    assert_eq!(
        rows,
        [
            row(0, 10, 102, 0, &[]),
            row(0, 20, 102, 0, &[]),
            row(1, 15, 13, 3, &[]),
            row(0, 30, 102, 0, &["dropped: the link was cut"]),
            row(0, 40, 102, 0, &[]),
            row(0, 50, 102, 0, &[]),
            row(0, 60, 130, 0, &[]),
        ]
    );
}

#[test]
fn a_finished_capture_tells_the_run() {
    let wires = [WireFlowLog {
        link: "circuit".to_owned(),
        from: "dc1".to_owned(),
        to: "east".to_owned(),
        flow: 3,
        vlan: None,
        carried: vec![(0, 1)],
        cut: vec![(2, 2)],
        loss: vec![(3, 3)],
        queue: Vec::new(),
    }];
    let since = (START as i64 - OFFSET) as u64;
    let note = |at_ms: u64, text: &str| Note {
        at: since + at_ms * 1_000_000 + 1,
        text: text.to_owned(),
    };
    let notes = [
        note(1, "first"),
        note(28, "cut: silent applied to circuit"),
        note(900, "recovered"),
    ];
    let additions = Additions {
        about: "lab x, whole",
        notes: &notes,
        offset: OFFSET,
        ends: &link().ends,
        wires: &wires,
        run: RUN,
    };
    let mut file = written();
    let finished = finish(&file, &additions).unwrap();
    let (about, names, rows) = read(&finished);
    assert_eq!(about, "lab x, whole");
    assert_eq!(names, ["circuit: dc1→east", "circuit: east→dc1"]);
    let expected = [
        row(0, 10, 102, 0, &["first [9.000 ms before this packet]"]),
        row(1, 15, 13, 3, &[]),
        row(0, 20, 102, 0, &[]),
        row(
            0,
            30,
            102,
            0,
            &[
                "dropped: the link was cut",
                "cut: silent applied to circuit [2.000 ms before this packet]",
            ],
        ),
        // Of another run's probes this one's wires know nothing.
        row(0, 40, 102, 0, &[]),
        row(0, 50, 102, 0, &["dropped: declared loss"]),
        row(0, 60, 130, 0, &["recovered [840.000 ms after this packet]"]),
    ];
    assert_eq!(rows, expected);
    // Cut off in the middle of its last packet.
    file.truncate(file.len() - 7);
    let (_, _, rows) = read(&finish(&file, &additions).unwrap());
    assert_eq!(rows[..5], expected[..5]);
    assert_eq!(rows.len(), 6);
    assert!(finish(b"no capture", &additions).is_err());
}
