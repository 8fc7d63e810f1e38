use std::{num::NonZeroU8, sync::mpsc::Receiver};

use ipnet::IpNet;
use proptest::prelude::*;

use crate::{
    engine::sink::EventSink,
    proto::bfd,
    results::event::{Event, EventKind},
};

use super::{
    Passage, Watcher, bgp, ethernet, network,
    stream::{Segment, Stream},
};

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xff; 16];
    bytes.extend_from_slice(&(19 + body.len() as u16).to_be_bytes());
    bytes.push(kind);
    bytes.extend_from_slice(body);
    bytes
}

/// An IPv4 packet in an Ethernet frame, tagged with VLAN 101 when asked.
fn frame(protocol: u8, segment: &[u8], tagged: bool) -> Vec<u8> {
    let mut bytes = vec![2; 12];
    if tagged {
        bytes.extend([0x81, 0, 0, 101]);
    }
    bytes.extend([0x08, 0x00, 0x45, 0]);
    bytes.extend((20 + segment.len() as u16).to_be_bytes());
    bytes.extend([0, 0, 0x40, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    bytes.extend_from_slice(segment);
    // Ethernet pads short frames; the padding is no payload.
    bytes.resize(bytes.len().max(60), 0);
    bytes
}

fn tcp(sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x9c, 0x40, 0, 179];
    bytes.extend(sequence.to_be_bytes());
    bytes.extend([0, 0, 0, 0, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    bytes.extend_from_slice(payload);
    bytes
}

fn udp(to: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xc0, 0x00];
    bytes.extend(to.to_be_bytes());
    bytes.extend((8 + payload.len() as u16).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend_from_slice(payload);
    bytes
}

fn watcher() -> (Watcher, Receiver<Event>) {
    let (sink, events) = EventSink::pair();
    (Watcher::new("circuit", "a", "b", sink), events)
}

fn show(watcher: &mut Watcher, frame: &[u8], at: u64, dropped: bool) {
    let seen = ethernet(frame, 0).unwrap();
    watcher.see(&seen, Passage { at, dropped });
}

/// Name, announced, withdrawn, code, dropped.
type Told = (String, Vec<IpNet>, Vec<IpNet>, Option<(u8, u8)>, bool);

fn bgp_events(events: &Receiver<Event>) -> Vec<Told> {
    events
        .try_iter()
        .map(|event| {
            let EventKind::WireBgp {
                vlan,
                message,
                announced,
                withdrawn,
                code,
                dropped,
                link,
                from,
                to,
            } = event.kind
            else {
                panic!("{event:?}")
            };
            assert_eq!(
                (link.as_str(), from.as_str(), to.as_str()),
                ("circuit", "a", "b")
            );
            assert!(vlan.is_none_or(|tag| tag == 101), "{vlan:?}");
            (message, announced, withdrawn, code, dropped)
        })
        .collect()
}

fn nets(texts: &[&str]) -> Vec<IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// Withdraws 10.1.0.0/16, announces 10.2.0.0/15 and 2001:db8::/32, withdraws 2001:db8:1::/48.
fn rich_update() -> Vec<u8> {
    let mut body = vec![0, 3, 16, 10, 1];
    let mut attributes = vec![0x40, 1, 1, 0];
    attributes.extend([0x80, 14, 26, 0, 2, 1, 16]);
    attributes.extend([0xfd; 16]);
    attributes.extend([0, 32, 0x20, 0x01, 0x0d, 0xb8]);
    attributes.extend([0x90, 15, 0, 10, 0, 2, 1, 48, 0x20, 0x01, 0x0d, 0xb8, 0, 1]);
    body.extend((attributes.len() as u16).to_be_bytes());
    body.extend(attributes);
    body.extend([15, 10, 2]);
    message(2, &body)
}

#[test]
fn a_conversation_is_told_message_by_message() {
    let (mut watcher, events) = watcher();
    let mut sequence = 1_000u32;
    show(&mut watcher, &frame(6, &tcp(999, 2, &[]), false), 1, false);
    let keepalive = message(4, &[]);
    let everything = [
        message(1, &[4; 10]),
        keepalive.clone(),
        rich_update(),
        keepalive,
        message(5, &[0, 1, 0, 1]),
        message(3, &[6, 4]),
    ];
    for part in everything.concat().chunks(37) {
        let frame = frame(6, &tcp(sequence, 0x10, part), true);
        // A retransmission of each: counted once.
        show(&mut watcher, &frame, 2, false);
        show(&mut watcher, &frame, 3, false);
        sequence += part.len() as u32;
    }
    let plain = |name: &str| (name.to_owned(), vec![], vec![], None, false);
    assert_eq!(
        bgp_events(&events),
        [
            plain("OPEN"),
            plain("KEEPALIVE"),
            (
                "UPDATE".to_owned(),
                nets(&["10.2.0.0/15", "2001:db8::/32"]),
                nets(&["10.1.0.0/16", "2001:db8:1::/48"]),
                None,
                false
            ),
            plain("ROUTE-REFRESH"),
            (
                "NOTIFICATION".to_owned(),
                vec![],
                vec![],
                Some((6, 4)),
                false
            ),
        ]
    );
}

#[test]
fn what_the_wire_drops_is_told_once_and_again_when_it_passes() {
    let (mut watcher, events) = watcher();
    show(&mut watcher, &frame(6, &tcp(0, 2, &[]), false), 1, false);
    let notification = frame(6, &tcp(1, 0x18, &message(3, &[4, 0])), false);
    show(&mut watcher, &notification, 2, true);
    show(&mut watcher, &notification, 3, true);
    show(&mut watcher, &notification, 4, false);
    show(&mut watcher, &notification, 5, false);
    let dropped: Vec<bool> = bgp_events(&events).into_iter().map(|told| told.4).collect();
    assert_eq!(dropped, [true, false]);
}

#[test]
fn a_connection_joined_in_the_middle_is_read_from_the_next_message() {
    let (mut watcher, events) = watcher();
    let mut bytes = vec![7, 0xff, 0xff, 9];
    bytes.extend(message(3, &[6, 2]));
    show(
        &mut watcher,
        &frame(6, &tcp(77, 0x18, &bytes), false),
        1,
        false,
    );
    assert_eq!(bgp_events(&events).len(), 1);
}

#[test]
fn a_hole_that_is_never_filled_is_given_up() {
    let mut stream = Stream::default();
    stream.open(0);
    let update = message(5, &[0, 1, 0, 1]);
    let length = update.len() as u32;
    let mut count = 0;
    for (n, at) in [
        (1, 0),
        (2, 1_000_000_000),
        (3, 6_000_000_000),
        (4, 6_000_000_001),
    ] {
        let segment = Segment {
            at,
            sequence: 1 + n * length,
            payload: &update,
            length,
        };
        stream.pass(segment, &mut |_| count += 1);
        assert_eq!(count, if at < 6_000_000_000 { 0 } else { n });
    }
}

#[test]
fn path_identifiers_are_recognised() {
    let body = [0, 0, 0, 0, 0, 0, 0, 1, 8, 10, 0, 0, 0, 2, 16, 172, 16];
    let told = bgp::read(&message(2, &body)).unwrap();
    assert_eq!(told.announced, nets(&["10.0.0.0/8", "172.16.0.0/16"]));
    let told = bgp::read(&message(2, &[0, 0, 0, 0, 0])).unwrap();
    assert_eq!(told.announced, nets(&["0.0.0.0/0"]));
}

fn control(state: bfd::State, diag: bfd::Diag) -> Vec<u8> {
    let packet = bfd::Packet {
        diag,
        state,
        poll: false,
        final_: false,
        control_plane_independent: false,
        demand: false,
        multiplier: NonZeroU8::new(3).unwrap(),
        my_discriminator: std::num::NonZeroU32::MIN,
        your_discriminator: 2,
        desired_min_tx_us: 300_000,
        required_min_rx_us: 300_000,
        required_min_echo_rx_us: 0,
    };
    frame(17, &udp(3784, &packet.encode()), true)
}

#[test]
fn bfd_is_told_first_and_on_change() {
    let (mut watcher, events) = watcher();
    let up = control(bfd::State::Up, bfd::Diag::NoDiagnostic);
    let down = control(bfd::State::Down, bfd::Diag::ControlDetectionTimeExpired);
    for (at, frame, dropped) in [
        (1, &up, false),
        (2, &up, false),
        (3, &up, true),
        (4, &down, true),
        (5, &down, true),
        (6, &up, false),
    ] {
        show(&mut watcher, frame, at, dropped);
    }
    let told: Vec<_> = events
        .try_iter()
        .map(|event| {
            let EventKind::WireBfd {
                vlan: Some(101),
                state,
                diagnostic,
                dropped,
                ..
            } = event.kind
            else {
                panic!("{event:?}")
            };
            (event.at, state, diagnostic, dropped)
        })
        .collect();
    let none = "no diagnostic".to_owned();
    let expired = "control detection time expired".to_owned();
    assert_eq!(
        told,
        [
            (1, "Up".to_owned(), none.clone(), false),
            (4, "Down".to_owned(), expired, true),
            (6, "Up".to_owned(), none, false),
        ]
    );
}

/// Messages cut at will; each segment may come twice, late or be dropped first.
fn deliveries() -> impl Strategy<Value = (Vec<Vec<u8>>, Vec<(usize, u8)>, u32)> {
    let body = proptest::collection::vec(any::<u8>(), 0..200);
    let messages = proptest::collection::vec((1..=5u8, body), 1..20).prop_map(|all| {
        all.iter()
            .map(|(kind, body)| message(*kind, body))
            .collect()
    });
    let cuts = proptest::collection::vec((1..300usize, 0..5u8), 1..60);
    (messages, cuts, any::<u32>())
}

proptest! {
    #[test]
    fn every_message_comes_out_once_and_in_order((messages, cuts, first) in deliveries()) {
        let bytes: Vec<u8> = messages.concat();
        let mut stream = Stream::default();
        stream.open(first);
        let mut segments = Vec::new();
        let (mut from, mut cuts) = (0, cuts.iter().cycle());
        while from < bytes.len() {
            let &(length, fate) = cuts.next().unwrap();
            let to = bytes.len().min(from + length);
            segments.push((from..to, fate));
            from = to;
        }
        // Fate 1 comes after its successor, 2 twice, 3 once dropped before.
        for n in 1..segments.len() {
            if segments[n - 1].1 == 1 {
                segments[n - 1].1 = 0;
                segments.swap(n - 1, n);
            }
        }
        let mut out: Vec<Vec<u8>> = Vec::new();
        for (range, fate) in segments {
            let segment = Segment {
                at: 0,
                sequence: first.wrapping_add(1 + range.start as u32),
                payload: &bytes[range.clone()],
                length: range.len() as u32,
            };
            if fate == 3 {
                stream.dropped(segment, &mut |_| {});
            }
            for _ in 0..if fate == 2 { 2 } else { 1 } {
                stream.pass(segment, &mut |message| out.push(message.to_vec()));
            }
        }
        prop_assert_eq!(out, messages);
    }

    #[test]
    fn arbitrary_bytes_are_harmless(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        prefix in 0..4usize,
        dropped: bool,
        lie in any::<u16>(),
    ) {
        let (mut watcher, _events) = watcher();
        // Ever deeper into plausible headers.
        let frames = [
            bytes.clone(),
            frame(6, &bytes, true),
            frame(6, &tcp(1, 0x10, &[message(2, &bytes), bytes.clone()].concat()), false),
            frame(17, &udp(3784, &bytes), false),
        ];
        let mut frame = frames[prefix].clone();
        if prefix > 0 && lie % 3 == 0 {
            frame[16..18].copy_from_slice(&lie.to_be_bytes());
        }
        for _ in 0..2 {
            for kind in [0x0800, 0x86dd] {
                if let Some(seen) = network(&frame, kind, 0) {
                    watcher.see(&seen, Passage { at: 1, dropped });
                }
            }
            if let Some(seen) = ethernet(&frame, 0) {
                watcher.see(&seen, Passage { at: 1, dropped });
            }
        }
        let _ = bgp::read(&bytes);
        let mut stream = Stream::default();
        stream.pass(
            Segment { at: 0, sequence: lie.into(), payload: &bytes, length: lie.into() },
            &mut |_| {},
        );
    }
}
