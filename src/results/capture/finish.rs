//! What is added to a capture once the run has been measured: an order by time, the faults and
//! phases as comments on the nearest packets, and the fate of probes that only showed later.

use std::{borrow::Cow, time::Duration};

use pcap_file::pcapng::{
    Block, PcapNgParser, PcapNgWriter,
    blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption},
};

use super::{
    file::{CaptureError, Verdict, section},
    notes::Note,
};
use crate::{
    results::event::WireFlowLog,
    units::{PROBE_MAGIC, ProbeHeader},
};

/// What is known after a run.
#[derive(Debug, Clone, Copy)]
pub struct Additions<'a> {
    /// The section's comment.
    pub about: &'a str,
    /// In the order of time.
    pub notes: &'a [Note],
    /// Wall time less the run's clock, nanoseconds.
    pub offset: i64,
    /// The link's two ends.
    pub ends: &'a [String; 2],
    /// What became of probes on this link.
    pub wires: &'a [WireFlowLog],
    /// The probes' run.
    pub run: u64,
}

/// The capture in `file` with all that is known after the run. What is cut off at its end is
/// left out.
///
/// # Errors
/// `file` is no capture of ours.
pub fn finish(file: &[u8], additions: &Additions<'_>) -> Result<Vec<u8>, CaptureError> {
    let (mut rest, mut parser) = PcapNgParser::new(file)?;
    let mut packets = Vec::new();
    let mut interfaces = Vec::new();
    while let Ok((after, block)) = parser.next_block(rest) {
        rest = after;
        match block {
            Block::EnhancedPacket(packet) => packets.push(packet),
            Block::InterfaceDescription(interface) => interfaces.push(interface),
            // Nothing else is written.
            Block::SectionHeader(_)
            | Block::Packet(_)
            | Block::SimplePacket(_)
            | Block::NameResolution(_)
            | Block::InterfaceStatistics(_)
            | Block::SystemdJournalExport(_)
            | Block::Unknown(_) => {}
        }
    }
    packets.sort_by_key(|packet| packet.timestamp);
    for packet in &mut packets {
        mark(packet, additions);
    }
    annotate(&mut packets, additions);
    let out = Vec::with_capacity(file.len() + 4096);
    let mut writer = PcapNgWriter::with_section_header(out, section(additions.about))?;
    for interface in interfaces {
        writer.write_pcapng_block(interface)?;
    }
    for packet in packets {
        writer.write_pcapng_block(packet)?;
    }
    Ok(writer.into_inner())
}

/// Says of a probe that the link dropped it, if nobody has.
fn mark(packet: &mut EnhancedPacketBlock<'_>, additions: &Additions<'_>) {
    let has_comment =
        |option: &EnhancedPacketOption<'_>| matches!(option, EnhancedPacketOption::Comment(_));
    if packet.options.iter().any(has_comment) {
        return;
    }
    let verdict = verdict(packet, additions).and_then(Verdict::comment);
    let comment = verdict.map(|text| EnhancedPacketOption::Comment(Cow::Borrowed(text)));
    packet.options.extend(comment);
}

fn verdict(packet: &EnhancedPacketBlock<'_>, additions: &Additions<'_>) -> Option<Verdict> {
    let probe = probe(&packet.data).filter(|probe| probe.run == additions.run)?;
    let from = additions.ends.get(packet.interface_id as usize)?;
    let mut wires = additions
        .wires
        .iter()
        .filter(|wire| wire.flow == probe.flow && wire.from == *from);
    wires.find_map(|wire| {
        let is_in = |ranges: &[(u32, u32)]| {
            let after = ranges.partition_point(|&(first, _)| first <= probe.seq);
            let last = after.checked_sub(1).and_then(|n| ranges.get(n));
            last.is_some_and(|&(_, last)| probe.seq <= last)
        };
        match () {
            // Of one that came by twice nobody knows which was dropped.
            () if is_in(&wire.carried) => None,
            () if is_in(&wire.cut) => Some(Verdict::Cut),
            () if is_in(&wire.loss) => Some(Verdict::Loss),
            () if is_in(&wire.queue) => Some(Verdict::Queue),
            () => None,
        }
    })
}

/// A probe, and not one that a router's error message quotes.
fn probe(bytes: &[u8]) -> Option<ProbeHeader> {
    let mut starts = bytes.windows(PROBE_MAGIC.len());
    let at = starts.position(|bytes| bytes == PROBE_MAGIC)?;
    let is_behind = |header: usize, kind: [u8; 2]| {
        let Some(start) = at.checked_sub(header + 8) else {
            return false;
        };
        let before = start.checked_sub(2).and_then(|from| bytes.get(from..start));
        start == 0 || before == Some(&kind)
    };
    if !is_behind(20, [0x08, 0]) && !is_behind(40, [0x86, 0xdd]) {
        return None;
    }
    ProbeHeader::decode(bytes.get(at..)?)
}

/// Each note becomes a comment of the packet nearest in time, with the distance.
fn annotate(packets: &mut [EnhancedPacketBlock<'_>], additions: &Additions<'_>) {
    for note in additions.notes {
        let at = Duration::from_nanos(note.at.saturating_add_signed(additions.offset));
        let after = packets.partition_point(|packet| packet.timestamp < at);
        let candidates = [after.checked_sub(1), Some(after)];
        let distance = |&n: &usize| {
            let packet = packets.get(n)?;
            Some(packet.timestamp.abs_diff(at))
        };
        let nearest = candidates
            .into_iter()
            .flatten()
            .filter(|n| *n < packets.len())
            .min_by_key(distance);
        let Some(packet) = nearest.and_then(|n| packets.get_mut(n)) else {
            return;
        };
        let away = packet.timestamp.abs_diff(at).as_nanos() as f64 / 1e6;
        let side = if packet.timestamp < at {
            "after"
        } else {
            "before"
        };
        let text = format!("{} [{away:.3} ms {side} this packet]", note.text);
        let comment = EnhancedPacketOption::Comment(Cow::Owned(text));
        packet.options.push(comment);
    }
}
