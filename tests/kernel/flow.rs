//! A flow of probes by hand, over whatever carries a link.

use std::{
    net::{IpAddr, UdpSocket},
    sync::mpsc::Receiver,
    time::Duration,
};

use backhoe::{
    os::{clock, netns::NetnsFd},
    results::event::{Event, EventKind},
    units::ProbeHeader,
};

use super::common::await_some;

/// What every flow's packets say of their run.
pub(crate) const RUN: u64 = 7;
/// Bytes of a probe where its size does not matter.
const SIZE: usize = 100;
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Flow {
    pub(crate) id: u16,
    sender: UdpSocket,
    receiver: UdpSocket,
    pub(crate) sent: u32,
    /// Sequence number and one-way delay in nanoseconds.
    pub(crate) arrived: Vec<(u32, u64)>,
}

impl Flow {
    /// From one namespace's address to another's.
    pub(crate) fn open(from: (&NetnsFd, IpAddr), to: (&NetnsFd, IpAddr), id: u16) -> Self {
        let bound = |(namespace, address): (&NetnsFd, IpAddr)| {
            namespace
                .run(|| UdpSocket::bind((address, 0)))
                .expect("an address of this namespace")
        };
        let (sender, receiver) = (bound(from), bound(to));
        receiver.set_nonblocking(true).unwrap();
        sender.connect(receiver.local_addr().unwrap()).unwrap();
        Self {
            id,
            sender,
            receiver,
            sent: 0,
            arrived: Vec::new(),
        }
    }

    pub(crate) fn send(&mut self, count: u32, gap: Duration) {
        self.send_sized(count, SIZE, gap);
    }

    pub(crate) fn send_sized(&mut self, count: u32, size: usize, gap: Duration) {
        for _ in 0..count {
            let mut payload = vec![0; size];
            let header = ProbeHeader {
                run: RUN,
                flow: self.id,
                seq: self.sent,
                sent_ns: clock::mono_ns(),
            };
            assert!(header.encode(&mut payload));
            self.sender.send(&payload).unwrap();
            self.sent += 1;
            let until = header.sent_ns + gap.as_nanos() as u64;
            self.receive();
            while clock::mono_ns() < until {
                std::thread::sleep(Duration::from_micros(50));
                self.receive();
            }
        }
    }

    pub(crate) fn receive(&mut self) {
        let mut payload = [0; 2000];
        while let Ok(length) = self.receiver.recv(&mut payload) {
            let header = ProbeHeader::decode(&payload[..length]).unwrap();
            self.arrived
                .push((header.seq, clock::mono_ns() - header.sent_ns));
        }
    }

    pub(crate) fn await_arrived(&mut self, count: usize) {
        let (sent, id) = (self.sent, self.id);
        let what = format!("{count} of {sent} probes of flow {id}");
        await_some(&what, PATIENCE, || {
            self.receive();
            (self.arrived.len() >= count).then_some(())
        });
    }

    pub(crate) fn sequences(&self) -> Vec<u32> {
        self.arrived.iter().map(|&(sequence, _)| sequence).collect()
    }
}

/// Nothing is lost but what is declared: no ring overflowed.
pub(crate) fn assert_trusted(events: &Receiver<Event>) {
    for event in events.try_iter() {
        if let EventKind::Warning {
            untrusted, text, ..
        } = event.kind
        {
            assert!(!untrusted, "{text}");
        }
    }
}
