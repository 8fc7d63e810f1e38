//! A table told again, with its beginning and its end marked (RFC 7313).

use std::time::Instant;

use super::super::sim::{net, peer_config};
use super::super::{Action, ConnId, Origin, PeerId, Speaker, SpeakerEvent};
use super::{Established, dual_homed, epoch};
use crate::proto::bgp::wire::{
    AsPath, Attributes, Framer, MESSAGE_BYTES_MAX, MessageType, Open, Refresh, Restart,
    decode_refresh, encode_announce, encode_end_of_rib, encode_keepalive, encode_refresh,
};
use crate::units::{Family, fixture};

const V4: Family = Family::Ipv4Unicast;
const CONN: ConnId = ConnId::incoming(0);

/// A speaker and a peer whose every message the test writes.
struct Bench {
    speaker: Speaker,
    now: Instant,
}

impl Bench {
    fn new(restart: Option<Restart>) -> Self {
        let now = epoch();
        let mut config = fixture::speaker("n", 65001, "1.1.1.1", Vec::new());
        config
            .peers
            .push(peer_config("s0", "10.0.0.1", "10.0.0.2", 65002));
        let mut speaker = Speaker::new(config, 1, now);
        speaker.start(now);
        speaker.handle_connected(CONN, PeerId(0), Origin::Incoming, now);
        let open = Open::ours(fixture::asn(65002), 90, [2, 2, 2, 2].into(), &[V4], restart);
        let mut bench = Self { speaker, now };
        bench.hear(&open.encode());
        bench.hear(&encode_keepalive());
        assert_eq!(bench.speaker.status(now).peers[0].state, Established);
        bench
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.speaker.handle_data(CONN, bytes, self.now);
    }

    fn announce(&mut self, prefixes: &[&str]) {
        let attributes = Attributes {
            as_path: AsPath::sequence([65002]),
            ..Attributes::local("10.0.0.2".parse().unwrap())
        };
        let prefixes: Vec<_> = prefixes.iter().map(|prefix| net(prefix)).collect();
        let mut bytes = Vec::new();
        encode_announce(&attributes, &prefixes, true, MESSAGE_BYTES_MAX, &mut bytes).unwrap();
        self.hear(&bytes);
    }

    fn end_of_rib(&mut self) {
        let mut bytes = Vec::new();
        encode_end_of_rib(V4, &mut bytes);
        self.hear(&bytes);
    }

    fn mark(&mut self, refresh: Refresh) {
        self.hear(&encode_refresh(refresh, V4));
    }

    fn held(&self) -> Vec<String> {
        let status = self.speaker.status(self.now);
        let rows = status.rib.iter();
        rows.map(|row| row.prefix.to_string()).collect()
    }

    fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.speaker.poll_action()).collect()
    }
}

/// A withdrawal that was lost on the way is made up for, and not before the end.
#[test]
fn what_does_not_come_again_goes_with_the_end_of_the_refresh() {
    let mut bench = Bench::new(None);
    bench.announce(&["192.0.2.0/24", "198.51.100.0/24"]);
    bench.end_of_rib();
    bench.mark(Refresh::Begin);
    bench.announce(&["198.51.100.0/24"]);
    assert_eq!(bench.held(), ["192.0.2.0/24", "198.51.100.0/24"]);
    // End-of-RIB is of another time, and ends no refresh.
    bench.end_of_rib();
    assert_eq!(bench.held(), ["192.0.2.0/24", "198.51.100.0/24"]);
    bench.mark(Refresh::End);
    assert_eq!(bench.held(), ["198.51.100.0/24"]);
    // An end without a beginning says nothing.
    bench.mark(Refresh::End);
    assert_eq!(bench.held(), ["198.51.100.0/24"]);
}

/// A second beginning starts over.
#[test]
fn a_refresh_that_begins_again_counts_from_there() {
    let mut bench = Bench::new(None);
    bench.announce(&["192.0.2.0/24"]);
    bench.mark(Refresh::Begin);
    bench.announce(&["192.0.2.0/24"]);
    bench.mark(Refresh::Begin);
    bench.mark(Refresh::End);
    assert_eq!(bench.held(), <[&str; 0]>::default());
}

/// What is stale for a restart is no business of a refresh.
#[test]
fn a_peer_that_sends_end_of_rib_is_not_refreshed_before_it() {
    let restart = Restart {
        restarting: false,
        time_s: 120,
        families: vec![(V4, false)],
    };
    let mut bench = Bench::new(Some(restart));
    bench.announce(&["192.0.2.0/24"]);
    bench.mark(Refresh::Begin);
    bench.mark(Refresh::End);
    assert_eq!(bench.held(), ["192.0.2.0/24"]);
    let told = |action: &Action| matches!(action, Action::Event(SpeakerEvent::Warning { text, .. }) if text.contains("RFC 7313"));
    assert!(bench.actions().iter().any(told));
    bench.end_of_rib();
    bench.mark(Refresh::Begin);
    bench.mark(Refresh::End);
    assert_eq!(bench.held(), <[&str; 0]>::default());
}

#[test]
fn a_marker_of_the_wrong_length_ends_the_session() {
    let mut bench = Bench::new(None);
    bench.actions();
    let mut message = encode_refresh(Refresh::Begin, V4);
    message.push(0);
    message[17] += 1;
    bench.hear(&message);
    let sent = bench.actions().into_iter().find_map(|action| match action {
        Action::Send { bytes, .. } => Some(bytes),
        Action::Connect { .. } | Action::Close { .. } | Action::Fib { .. } | Action::Event(_) => {
            None
        }
    });
    let sent = sent.expect("a NOTIFICATION");
    assert_eq!(sent[18..21], [MessageType::Notification as u8, 7, 1]);
    assert_eq!(sent[21..], message);
}

/// Between two speakers of ours: asked for, begun, told, ended, in this order.
#[test]
fn a_refresh_is_marked() {
    let mut sim = dual_homed().start(3);
    sim.run_ms(2_000);
    sim.take_log(1);
    sim.call(0, |speaker, now| speaker.refresh_peer(PeerId(0), V4, now));
    sim.run_ms(100);
    assert_eq!(sim.status(1).peers[0].messages_in.route_refresh, 1);
    assert_eq!(sim.status(1).peers[0].messages_out.route_refresh, 2);
    assert_eq!(sim.status(0).peers[0].messages_in.route_refresh, 2);

    // And what they are, from the bytes of one that is asked by hand.
    let mut bench = Bench::new(None);
    bench.actions();
    bench.mark(Refresh::Request);
    let mut framer = Framer::default();
    for action in bench.actions() {
        if let Action::Send { bytes, .. } = action {
            framer.push(&bytes);
        }
    }
    let mut said = Vec::new();
    while let Some(frame) = framer.next_frame().unwrap() {
        if frame.kind == MessageType::RouteRefresh {
            said.push(decode_refresh(frame.body, true).unwrap());
        }
    }
    let expected = [Refresh::Begin, Refresh::End].map(|one| Some((one, V4)));
    assert_eq!(said, expected);
}
