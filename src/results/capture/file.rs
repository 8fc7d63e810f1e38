//! A capture of one link: a section, an interface for each direction, packets.

use std::{borrow::Cow, io::Write, time::Duration};

/// Why a capture could not be written or read.
pub use pcap_file::PcapError as CaptureError;
use pcap_file::{
    DataLink, Endianness,
    pcapng::{
        PcapNgWriter,
        blocks::{
            enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption},
            interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption},
            section_header::{SectionHeaderBlock, SectionHeaderOption},
        },
    },
};

/// epb_flags (pcapng §4.3.1): the direction, seen from the first end of the link.
const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;
/// if_tsresol: 10^-9 s.
const NANOSECONDS: u8 = 9;

/// What its packets begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    /// An Ethernet header.
    Ethernet,
    /// An IP header: the inside of a tunnel.
    Ip,
}

/// The link of a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Its ends. Direction 0 is from the first to the second.
    pub ends: [String; 2],
    /// What its packets begin with.
    pub kind: LinkKind,
}

/// What the link did to a packet, as far as it was known when it was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing that is known.
    Passed,
    /// Dropped by a cut or a numbered drop.
    Cut,
    /// Dropped by declared random loss.
    Loss,
    /// Dropped by a full queue.
    Queue,
    /// Dropped by the instrument, which could not hold or send it.
    Overrun,
    /// It left with a bit turned over, as declared.
    Damaged,
}

impl Verdict {
    /// All of them; each has its place as its number.
    pub const ALL: [Self; 6] = [
        Self::Passed,
        Self::Cut,
        Self::Loss,
        Self::Queue,
        Self::Overrun,
        Self::Damaged,
    ];

    /// What Wireshark shows at the packet.
    pub fn comment(self) -> Option<&'static str> {
        match self {
            Self::Passed => None,
            Self::Cut => Some("dropped: the link was cut"),
            Self::Loss => Some("dropped: declared loss"),
            Self::Queue => Some("dropped: the queue was full"),
            Self::Overrun => Some("dropped: by the instrument itself"),
            Self::Damaged => Some("damaged: declared corruption"),
        }
    }
}

/// One packet as it enters the link.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// 0: from the link's first end; 1: from its second.
    pub direction: usize,
    /// When it entered, nanoseconds since 1970.
    pub at: u64,
    /// Its beginning.
    pub bytes: &'a [u8],
    /// How long all of it is.
    pub length: u32,
    /// What the link did to it.
    pub verdict: Verdict,
    /// Packets of this direction that are missing before it.
    pub missed: u64,
}

/// A capture being written.
pub struct CaptureFile<W: Write>(PcapNgWriter<W>);

impl<W: Write> CaptureFile<W> {
    /// Begins a capture; `about` becomes its comment.
    ///
    /// # Errors
    /// What `out` says.
    pub fn begin(out: W, link: &Link, about: &str) -> Result<Self, CaptureError> {
        let mut file = Self(PcapNgWriter::with_section_header(out, section(about))?);
        for interface in interfaces(link) {
            file.0.write_pcapng_block(interface)?;
        }
        Ok(file)
    }

    /// Adds a packet; returns the bytes it takes.
    ///
    /// # Errors
    /// What the file says.
    pub fn packet(&mut self, packet: &Packet<'_>) -> Result<usize, CaptureError> {
        let way = if packet.direction == 0 {
            OUTBOUND
        } else {
            INBOUND
        };
        let mut options = vec![EnhancedPacketOption::Flags(way)];
        if packet.missed > 0 {
            options.push(EnhancedPacketOption::DropCount(packet.missed));
        }
        let comment = packet.verdict.comment();
        options.extend(comment.map(|text| EnhancedPacketOption::Comment(Cow::Borrowed(text))));
        self.0.write_pcapng_block(EnhancedPacketBlock {
            interface_id: u32::from(packet.direction != 0),
            timestamp: Duration::from_nanos(packet.at),
            original_len: packet.length,
            data: Cow::Borrowed(packet.bytes),
            options,
        })
    }

    /// The file below.
    pub fn get_mut(&mut self) -> &mut W {
        self.0.get_mut()
    }
}

/// A section's header.
pub(super) fn section(about: &str) -> SectionHeaderBlock<'static> {
    let application = concat!("backhoe ", env!("BACKHOE_VERSION"));
    SectionHeaderBlock {
        endianness: Endianness::Little,
        options: vec![
            SectionHeaderOption::Comment(Cow::Owned(about.to_owned())),
            SectionHeaderOption::UserApplication(Cow::Borrowed(application)),
        ],
        ..SectionHeaderBlock::default()
    }
}

fn interfaces(link: &Link) -> [InterfaceDescriptionBlock<'static>; 2] {
    let linktype = match link.kind {
        LinkKind::Ethernet => DataLink::ETHERNET,
        LinkKind::Ip => DataLink::RAW,
    };
    let [a, b] = &link.ends;
    [(a, b), (b, a)].map(|(from, to)| InterfaceDescriptionBlock {
        linktype,
        snaplen: 0,
        options: vec![
            InterfaceDescriptionOption::IfName(Cow::Owned(format!("{}: {from}→{to}", link.name))),
            InterfaceDescriptionOption::IfDescription(Cow::Owned(format!(
                "what {from} sends on {}, as it enters",
                link.name
            ))),
            InterfaceDescriptionOption::IfTsResol(NANOSECONDS),
        ],
    })
}
