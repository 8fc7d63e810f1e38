//! The thread that writes.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    path::PathBuf,
    sync::mpsc::{Receiver, Sender, TryRecvError},
};

use crate::{
    engine::init::RunDir,
    results::capture::{CaptureFile, Link, Packet, Verdict},
};

use super::recorder::Header;

/// What packets other than control may take in one file, bytes.
pub(super) const LIMIT: u64 = 32 << 20;

/// What the thread is told, by whoever sees packets and whoever keeps the run.
#[derive(Debug)]
pub(super) enum Message {
    /// Two more directions: those of a link. One that was there before goes on.
    Link(Link),
    /// Packets, each behind its [`Header`].
    Packets(Vec<u8>),
    /// So many of a direction are missing at the end.
    Missed(u32, u32),
    /// From now on packets go into this directory; until then nowhere.
    Begin(PathBuf),
    /// The files are to be closed.
    End(Sender<Vec<Captured>>),
}

/// A capture that has been written.
#[derive(Debug)]
pub(in crate::engine) struct Captured {
    pub(in crate::engine) link: Link,
    /// In the run's directory.
    pub(in crate::engine) path: PathBuf,
    /// Packets that nobody had a buffer for.
    pub(in crate::engine) missed: u64,
    /// Packets beyond the limit.
    pub(in crate::engine) left_out: u64,
    /// Why it ended early.
    pub(in crate::engine) broken: Option<String>,
}

/// Everything the thread owns.
pub(super) struct Writer {
    pub(super) run_dir: RunDir,
    /// The sections' comment.
    pub(super) about: String,
    /// Wall time less the run's clock, nanoseconds.
    pub(super) offset: i64,
    /// Where buffers go back to.
    pub(super) back: Sender<Vec<u8>>,
    pub(super) directory: Option<PathBuf>,
    /// The link and side of each direction.
    pub(super) directions: Vec<(usize, usize)>,
    pub(super) links: Vec<Tally>,
}

/// A link and its file, once it has one.
pub(super) struct Tally {
    link: Link,
    file: Option<CaptureFile<BufWriter<File>>>,
    path: PathBuf,
    /// Bytes of packets other than control.
    size: u64,
    missed: u64,
    left_out: u64,
    broken: Option<String>,
}

impl Writer {
    /// Until everybody who tells is gone.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        loop {
            let message = match messages.try_recv() {
                Ok(message) => message,
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) => {
                    // What has passed should be on disk even if the whole lab is killed the
                    // next moment.
                    self.flush();
                    let Ok(message) = messages.recv() else {
                        return;
                    };
                    message
                }
            };
            self.obey(message);
        }
    }

    fn obey(&mut self, message: Message) {
        match message {
            Message::Link(link) => self.add(link),
            Message::Packets(mut buffer) => {
                self.write(&buffer);
                buffer.clear();
                // A recorder that has gone needs no buffers.
                let _ = self.back.send(buffer);
            }
            Message::Missed(direction, missed) => {
                if let Some((tally, _)) = self.tally(direction) {
                    tally.missed += u64::from(missed);
                }
            }
            Message::Begin(directory) => self.directory = Some(directory),
            Message::End(reply) => {
                self.directory = None;
                let ended = self.links.iter_mut().filter_map(Tally::end).collect();
                // Whoever asked may have given up.
                let _ = reply.send(ended);
            }
        }
    }

    fn add(&mut self, link: Link) {
        let known = self.links.iter().position(|tally| tally.link == link);
        let at = known.unwrap_or(self.links.len());
        if known.is_none() {
            self.links.push(Tally {
                link,
                file: None,
                path: PathBuf::new(),
                size: 0,
                missed: 0,
                left_out: 0,
                broken: None,
            });
        }
        self.directions.extend([(at, 0), (at, 1)]);
    }

    fn tally(&mut self, direction: u32) -> Option<(&mut Tally, usize)> {
        self.directory.as_ref()?;
        let &(link, side) = self.directions.get(direction as usize)?;
        Some((self.links.get_mut(link)?, side))
    }

    fn write(&mut self, buffer: &[u8]) {
        let Some(directory) = &self.directory else {
            return;
        };
        let mut rest = buffer;
        while let Some((header, bytes, after)) = Header::take(rest) {
            rest = after;
            let place = self.directions.get(header.direction as usize);
            let Some(&(link, side)) = place else {
                continue;
            };
            let Some(tally) = self.links.get_mut(link) else {
                continue;
            };
            tally.missed += u64::from(header.missed);
            if tally.broken.is_some() {
                continue;
            }
            if tally.file.is_none() {
                let path = directory.join(format!("{}.pcapng", tally.link.name));
                let opened = self
                    .run_dir
                    .create(&path)
                    .map_err(|error| error.to_string());
                let begun = opened.and_then(|file| {
                    CaptureFile::begin(BufWriter::new(file), &tally.link, &self.about)
                        .map_err(|error| error.to_string())
                });
                tally.path = path;
                match begun {
                    Ok(file) => tally.file = Some(file),
                    Err(error) => tally.broken = Some(error),
                }
            }
            let packet = Packet {
                direction: side,
                at: header.at.saturating_add_signed(self.offset),
                bytes,
                length: header.length,
                verdict: verdict(header.verdict),
                missed: u64::from(header.missed),
            };
            tally.add(&packet, header.control);
        }
    }

    fn flush(&mut self) {
        for tally in &mut self.links {
            let Some(file) = &mut tally.file else {
                continue;
            };
            if let Err(error) = file.get_mut().flush() {
                tally.broken = Some(error.to_string());
                tally.file = None;
            }
        }
    }
}

impl Tally {
    fn add(&mut self, packet: &Packet<'_>, control: bool) {
        if !control && self.size >= LIMIT {
            self.left_out += 1;
            return;
        }
        let Some(file) = &mut self.file else {
            return;
        };
        match file.packet(packet) {
            Ok(bytes) if !control => self.size += bytes as u64,
            Ok(_) => {}
            Err(error) => {
                self.broken = Some(error.to_string());
                self.file = None;
            }
        }
    }

    /// Closes the file, if there was one.
    fn end(&mut self) -> Option<Captured> {
        if self.path.as_os_str().is_empty() {
            return None;
        }
        if let Some(mut file) = self.file.take()
            && let Err(error) = file.get_mut().flush()
        {
            self.broken = Some(error.to_string());
        }
        self.size = 0;
        Some(Captured {
            link: self.link.clone(),
            path: std::mem::take(&mut self.path),
            missed: std::mem::take(&mut self.missed),
            left_out: std::mem::take(&mut self.left_out),
            broken: self.broken.take(),
        })
    }
}

fn verdict(place: u8) -> Verdict {
    let place = usize::from(place);
    Verdict::ALL.get(place).copied().unwrap_or(Verdict::Passed)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::{
        engine::capture::{Capture, Glimpse, Recorder},
        os::packet_ring::VlanTag,
        results::capture::LinkKind,
    };

    fn glimpse(at: u64, bytes: &[u8]) -> Glimpse<'_> {
        Glimpse {
            at,
            bytes,
            vlan: None,
            verdict: Verdict::Cut,
        }
    }

    fn link() -> Link {
        Link {
            name: "l".to_owned(),
            ends: ["a".to_owned(), "b".to_owned()],
            kind: LinkKind::Ethernet,
        }
    }

    /// A UDP packet to a port that no control protocol has.
    fn traffic(length: usize) -> Vec<u8> {
        let mut frame = vec![2; 12];
        frame.extend([8, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17]);
        frame.resize(length, 9);
        frame
    }

    #[test]
    fn what_is_recorded_is_written_and_what_is_not_is_counted() {
        let directory = tempfile::tempdir().unwrap();
        let (to, messages) = channel();
        let (mut recorder, back) = Recorder::new(Capture::All, to.clone());
        assert_eq!(recorder.open(link), 0);
        let arp = [[7; 12].as_slice(), &[8, 6], &[1; 1_000]].concat();
        recorder.see(0, &glimpse(1_000, &arp));
        let tagged = Glimpse {
            vlan: Some(VlanTag {
                tpid: 0x8100,
                tci: 101,
            }),
            ..glimpse(2_000, &arp)
        };
        recorder.see(1, &tagged);
        let data = traffic(900);
        // Nobody gives buffers back: 32 of them are soon full.
        let shown = 32 * ((256 << 10) / (Header::LENGTH + 128));
        for n in 0..shown as u64 + 500 {
            recorder.see(0, &glimpse(3_000 + n, &data));
        }
        recorder.flush();
        let (reply, answer) = channel();
        to.send(Message::End(reply)).unwrap();
        drop((to, recorder));
        let writer = Writer {
            run_dir: RunDir::open(directory.path()).unwrap(),
            about: "x".to_owned(),
            offset: 5,
            back,
            directory: Some(PathBuf::from("captures")),
            directions: Vec::new(),
            links: Vec::new(),
        };
        writer.run(&messages);
        let captured = answer.recv().unwrap();
        let [one] = &captured[..] else {
            panic!("{captured:?}")
        };
        assert!(one.broken.is_none() && one.left_out == 0);
        assert_eq!(one.path, PathBuf::from("captures/l.pcapng"));
        let file = std::fs::read(directory.path().join(&one.path)).unwrap();
        let mut reader = pcap_file::pcapng::PcapNgReader::new(&file[..]).unwrap();
        let mut packets = Vec::new();
        while let Some(block) = reader.next_block() {
            if let pcap_file::pcapng::Block::EnhancedPacket(packet) = block.unwrap() {
                let at = packet.timestamp.as_nanos() as u64;
                packets.push((at, packet.data.to_vec(), packet.original_len));
            }
        }
        assert_eq!(packets[0], (1_005, arp.clone(), 1_014), "control is whole");
        let whole = [&arp[..12], &[0x81, 0, 0, 101], &arp[12..]].concat();
        assert_eq!(packets[1], (2_005, whole, 1_018), "the tag is back");
        assert_eq!(packets[2], (3_005, data[..128].to_vec(), 900));
        let recorded = packets.len() as u64 - 2;
        assert_eq!(recorded + one.missed, shown as u64 + 500);
        assert!(one.missed >= 500, "{}", one.missed);
    }

    #[test]
    fn control_alone_leaves_traffic_out() {
        let (to, messages) = channel();
        let (mut recorder, _back) = Recorder::new(Capture::Control, to);
        recorder.open(link);
        recorder.see(0, &glimpse(1, &traffic(900)));
        recorder.flush();
        drop(recorder);
        let told: Vec<_> = messages.iter().collect();
        assert!(matches!(&told[..], [Message::Link(_)]), "{told:?}");
    }
}
