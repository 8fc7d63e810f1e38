use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use super::{ConnId, Origin, Output, Peer, Settings, State};
use crate::proto::bgp::wire::{
    Capability, HEADER_BYTES, MESSAGE_BYTES_MAX, MessageType, Notification, Open, Refresh,
    encode_end_of_rib, encode_keepalive, encode_refresh,
};
use crate::units::{Asn, Family};

mod collision;

const IN: ConnId = ConnId::incoming(1);

#[expect(
    clippy::disallowed_methods,
    reason = "the virtual clock needs an epoch"
)]
fn epoch() -> Instant {
    Instant::now()
}

fn number(asn: u32) -> Asn {
    Asn::new(asn).expect("a number")
}

fn settings() -> Settings {
    Settings {
        asn: number(65001),
        router_id: Ipv4Addr::new(1, 1, 1, 1),
        remote_asn: number(65002),
        families: vec![Family::Ipv4Unicast],
        hold: Duration::from_secs(90),
        keepalive: Duration::from_secs(30),
        connect_retry: Duration::from_secs(5),
        passive: false,
        restart_time: None,
    }
}

/// The peer's OPEN, from the given router-id.
fn open_from(last: u8) -> Open {
    let id = Ipv4Addr::new(1, 1, 1, last);
    Open::ours(number(65002), 90, id, &[Family::Ipv4Unicast], None)
}

/// The connection an output asks for.
fn wanted(output: &Output) -> Option<ConnId> {
    if let Output::Connect(conn) = output {
        Some(*conn)
    } else {
        None
    }
}

struct Bench {
    peer: Peer,
    now: Instant,
}

impl Bench {
    fn new(settings: Settings) -> Self {
        let now = epoch();
        let mut peer = Peer::new(settings, 7, 0);
        peer.start(now);
        Self { peer, now }
    }

    /// The number of the connection that is asked for.
    fn connecting(&mut self) -> ConnId {
        let outputs = self.peer.take_outputs();
        let wanted = outputs.iter().find_map(wanted);
        wanted.unwrap_or_else(|| panic!("no connect in {outputs:?}"))
    }

    fn feed(&mut self, conn: ConnId, bytes: &[u8]) {
        self.peer.handle_data(conn, bytes, self.now);
    }

    /// Connects and exchanges messages up to the state.
    fn reach(state: State) -> (Self, ConnId) {
        let mut bench = Self::new(settings());
        let conn = bench.connecting();
        if state >= State::OpenSent {
            bench
                .peer
                .handle_connected(conn, Origin::Outgoing, bench.now);
        }
        if state >= State::OpenConfirm {
            bench.feed(conn, &open_from(2).encode());
        }
        if state >= State::Established {
            bench.feed(conn, &encode_keepalive());
        }
        assert_eq!(bench.peer.state(), state);
        bench.peer.take_outputs();
        (bench, conn)
    }

    fn advance(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some((at, _)) = self.peer.poll_timeout().filter(|&(at, _)| at <= until) {
            self.now = at;
            self.peer.handle_timeout(at);
        }
        self.now = until;
    }

    /// The NOTIFICATION sent on a connection, which then is closed.
    fn notified(&mut self, conn: ConnId) -> Option<(u8, u8)> {
        let outputs = self.peer.take_outputs();
        let sent = outputs.iter().find_map(|output| {
            let Output::Send(to, MessageType::Notification, bytes) = output else {
                return None;
            };
            let sent = Notification::decode(&bytes[HEADER_BYTES..]);
            sent.filter(|_| *to == conn)
        });
        let closed = |output: &Output| matches!(output, Output::Close(to) if *to == conn);
        assert_eq!(sent.is_some(), outputs.iter().any(closed), "{outputs:?}");
        sent.map(|notification| (notification.code, notification.subcode))
    }
}

/// RFC 4271 §8.2.2 with the subcodes of RFC 6608: every message in every state.
#[test]
fn every_message_in_every_state() {
    let mut update = Vec::new();
    encode_end_of_rib(Family::Ipv4Unicast, &mut update);
    let messages = [
        ("open", open_from(2).encode()),
        ("update", update),
        ("keepalive", encode_keepalive()),
        (
            "refresh",
            encode_refresh(Refresh::Request, Family::Ipv4Unicast),
        ),
    ];
    let (sent, confirm, up) = (State::OpenSent, State::OpenConfirm, State::Established);
    type Outcome = Result<State, (u8, u8)>;
    let expected: [(State, [Outcome; 4]); 3] = [
        (sent, [Ok(confirm), Err((5, 1)), Err((5, 1)), Err((5, 1))]),
        (confirm, [Err((5, 2)), Err((5, 2)), Ok(up), Err((5, 2))]),
        (up, [Err((5, 3)), Ok(up), Ok(up), Ok(up)]),
    ];
    for (state, row) in expected {
        for ((name, message), outcome) in messages.iter().zip(row) {
            let (mut bench, conn) = Bench::reach(state);
            bench.feed(conn, message);
            match outcome {
                Ok(next) => {
                    assert_eq!(bench.peer.state(), next, "{name} in {state}");
                    assert_eq!(bench.notified(conn), None, "{name} in {state}");
                }
                Err(code) => {
                    assert_eq!(bench.notified(conn), Some(code), "{name} in {state}");
                    assert_eq!(bench.peer.state(), State::Active, "{name} in {state}");
                }
            }
        }
        // A NOTIFICATION is never answered.
        let (mut bench, conn) = Bench::reach(state);
        bench.feed(conn, &Notification::new(6, 4).encode());
        let outputs = bench.peer.take_outputs();
        let sends = |output: &Output| matches!(output, Output::Send(..));
        assert!(!outputs.iter().any(sends), "{outputs:?}");
        assert_eq!(bench.peer.state(), State::Active);
    }
}

/// RFC 4271 §6.2, RFC 6286 §2.2, RFC 7607, RFC 5492.
#[test]
fn opens_are_judged() {
    let change = |act: fn(&mut Open)| {
        let mut open = open_from(2);
        act(&mut open);
        open
    };
    let cases: [(&str, Open, (u8, u8)); 7] = [
        (
            "other AS",
            change(|open| open.capabilities = vec![Capability::FourOctetAs(1)]),
            (2, 2),
        ),
        (
            "AS 0",
            change(|open| open.capabilities = vec![Capability::FourOctetAs(0)]),
            (2, 2),
        ),
        (
            "other two-octet AS",
            change(|open| {
                open.capabilities.clear();
                open.my_as = 9;
            }),
            (2, 2),
        ),
        (
            "id 0",
            change(|open| open.router_id = Ipv4Addr::UNSPECIFIED),
            (2, 3),
        ),
        ("hold 1", change(|open| open.hold_s = 1), (2, 6)),
        ("hold 2", change(|open| open.hold_s = 2), (2, 6)),
        (
            "no common family",
            change(|open| open.capabilities[0] = Capability::Multiprotocol(Family::Ipv6Unicast)),
            (2, 7),
        ),
    ];
    for (name, open, code) in cases {
        let (mut bench, conn) = Bench::reach(State::OpenSent);
        bench.feed(conn, &open.encode());
        assert_eq!(bench.notified(conn), Some(code), "{name}");
    }
    // An external peer may share our identifier (RFC 6286 §2.1), an internal one not.
    let (mut bench, conn) = Bench::reach(State::OpenSent);
    bench.feed(conn, &open_from(1).encode());
    assert_eq!(bench.peer.state(), State::OpenConfirm);
    let mut bench = Bench::new(Settings {
        remote_asn: number(65001),
        ..settings()
    });
    let conn = bench.connecting();
    bench
        .peer
        .handle_connected(conn, Origin::Outgoing, bench.now);
    let id = Ipv4Addr::new(1, 1, 1, 1);
    bench.feed(
        conn,
        &Open::ours(number(65001), 90, id, &[Family::Ipv4Unicast], None).encode(),
    );
    assert_eq!(bench.notified(conn), Some((2, 3)));
}

/// RFC 4271 §6.8: the connection opened by the higher identifier stays (§6.8),
/// the higher AS when they are equal (RFC 6286 §2.3); whichever OPEN is first.
#[test]
fn collisions_keep_the_connection_of_the_higher_speaker() {
    for (remote_id, keep) in [
        (0, Origin::Outgoing),
        (1, Origin::Incoming),
        (2, Origin::Incoming),
    ] {
        for outgoing_first in [true, false] {
            let mut bench = Bench::new(settings());
            let out = bench.connecting();
            bench
                .peer
                .handle_connected(out, Origin::Outgoing, bench.now);
            bench.peer.handle_connected(IN, Origin::Incoming, bench.now);
            let open = open_from(remote_id).encode();
            let order = if outgoing_first { [out, IN] } else { [IN, out] };
            bench.peer.take_outputs();
            bench.feed(order[0], &open);
            let (kept, lost) = match keep {
                Origin::Outgoing => (out, IN),
                Origin::Incoming => (IN, out),
            };
            assert_eq!(bench.notified(lost), Some((6, 7)), "id {remote_id}");
            assert!(bench.peer.owns(kept) && !bench.peer.owns(lost));
            if order[0] != kept {
                bench.feed(kept, &open);
            }
            bench.feed(kept, &encode_keepalive());
            assert_eq!(bench.peer.established_conn(), Some(kept));
        }
    }
}

/// A connection that our KEEPALIVE has accepted is left alone: the newcomer gets
/// no OPEN until that one has ended, and then is not asked to begin anew.
#[test]
fn a_newcomer_waits_for_a_connection_in_open_confirm() {
    for taken in [true, false] {
        let (mut bench, first) = Bench::reach(State::OpenConfirm);
        bench.peer.handle_connected(IN, Origin::Incoming, bench.now);
        bench.feed(IN, &open_from(2).encode());
        assert!(bench.peer.take_outputs().is_empty());
        if taken {
            bench.feed(first, &encode_keepalive());
            assert_eq!(bench.notified(IN), Some((6, 7)));
            assert_eq!(bench.peer.established_conn(), Some(first));
        } else {
            bench.feed(first, &Notification::new(6, 7).encode());
            bench.feed(IN, &encode_keepalive());
            assert_eq!(bench.peer.established_conn(), Some(IN));
        }
    }
}

/// What a newcomer may send while it waits for our OPEN is bounded: its own OPEN and a
/// NOTIFICATION, each at most a message long (RFC 4271 §4.1).
#[test]
fn a_newcomer_that_waits_cannot_send_without_end() {
    let (mut bench, first) = Bench::reach(State::OpenConfirm);
    bench.peer.handle_connected(IN, Origin::Incoming, bench.now);
    for _ in 0..2 {
        bench.feed(IN, &[0xff; MESSAGE_BYTES_MAX]);
        assert!(bench.peer.take_outputs().is_empty());
    }
    bench.feed(IN, &[0xff]);
    assert_eq!(bench.notified(IN), Some((5, 0)));
    assert!(!bench.peer.owns(IN));
    // Whoever it waited for goes on.
    bench.feed(first, &encode_keepalive());
    assert_eq!(bench.peer.established_conn(), Some(first));
}

/// RFC 4271 §6.8: an established session closes the newcomer, whoever is higher.
#[test]
fn an_established_session_survives_a_newcomer() {
    let (mut bench, conn) = Bench::reach(State::Established);
    bench.peer.handle_connected(IN, Origin::Incoming, bench.now);
    assert_eq!(bench.notified(IN), Some((6, 7)));
    assert_eq!(bench.peer.established_conn(), Some(conn));

    let mut bench = Bench::new(settings());
    let out = bench.connecting();
    bench.peer.handle_connected(IN, Origin::Incoming, bench.now);
    bench.feed(IN, &open_from(2).encode());
    bench.feed(IN, &encode_keepalive());
    assert_eq!(bench.peer.established_conn(), Some(IN));
    bench.peer.take_outputs();
    // The pending connect was given up; should it succeed after all, it is closed.
    bench
        .peer
        .handle_connected(out, Origin::Outgoing, bench.now);
    let outputs = bench.peer.take_outputs();
    assert!(
        matches!(outputs.as_slice(), [Output::Close(conn)] if *conn == out),
        "{outputs:?}"
    );
}

/// RFC 4271 §10: ConnectRetryTime is jittered, 75 to 100 %, and a pending
/// connect is given up and tried anew.
#[test]
fn a_connect_without_an_answer_is_tried_anew() {
    let mut bench = Bench::new(settings());
    let mut last = bench.now;
    let mut conn = bench.connecting();
    for _ in 0..50 {
        let (at, why) = bench.peer.poll_timeout().expect("a retry");
        assert_eq!(why, "connect retry");
        let wait = at - last;
        assert!((3_750..=5_000).contains(&wait.as_millis()), "{wait:?}");
        last = at;
        bench.peer.handle_timeout(at);
        let outputs = bench.peer.take_outputs();
        let gave_up = |output: &Output| matches!(output, Output::Close(old) if *old == conn);
        assert!(outputs.iter().any(gave_up), "{outputs:?}");
        conn = outputs.iter().find_map(wanted).expect("another attempt");
    }
}

/// However short ConnectRetryTime is, refused attempts are 100 ms apart.
#[test]
fn refused_attempts_never_spin() {
    let mut bench = Bench::new(Settings {
        connect_retry: Duration::ZERO,
        ..settings()
    });
    let start = bench.now;
    for _ in 0..20 {
        let conn = bench.connecting();
        bench.peer.handle_connect_failed(conn, bench.now);
        bench.advance(Duration::from_millis(100));
    }
    assert_eq!(bench.now - start, Duration::from_secs(2));
}

#[test]
fn a_passive_session_only_waits() {
    let mut bench = Bench::new(Settings {
        passive: true,
        ..settings()
    });
    assert!(bench.peer.take_outputs().is_empty());
    assert_eq!(bench.peer.poll_timeout(), None);
    assert_eq!(bench.peer.state(), State::Active);
    bench.peer.handle_connected(IN, Origin::Incoming, bench.now);
    bench.feed(IN, &open_from(2).encode());
    bench.feed(IN, &encode_keepalive());
    bench.peer.handle_closed(IN, bench.now);
    bench.peer.take_outputs();
    bench.advance(Duration::from_secs(3_600));
    assert!(bench.peer.take_outputs().is_empty());
}

/// RFC 4271 §6.5, §4.4: silence for the hold time ends the session with 4/0,
/// and we are never silent for longer than our keepalive interval.
#[test]
fn hold_and_keepalive_timers() {
    let (mut bench, conn) = Bench::reach(State::Established);
    bench.advance(Duration::from_millis(89_999));
    let outputs = bench.peer.take_outputs();
    let keepalive = |output: &&Output| matches!(output, Output::Send(_, MessageType::Keepalive, _));
    let sent = outputs.iter().filter(keepalive).count();
    assert!((3..=4).contains(&sent), "{sent}");
    assert_eq!(bench.peer.state(), State::Established);
    bench.advance(Duration::from_millis(1));
    assert_eq!(bench.notified(conn), Some((4, 0)));

    // Before the peer's OPEN the hold time is the "large value".
    let (mut bench, conn) = Bench::reach(State::OpenSent);
    bench.advance(Duration::from_secs(239));
    assert_eq!(bench.peer.state(), State::OpenSent);
    bench.advance(Duration::from_secs(1));
    assert_eq!(bench.notified(conn), Some((4, 0)));
}

#[test]
fn a_stopped_session_takes_no_connection() {
    let (mut bench, conn) = Bench::reach(State::Established);
    bench.peer.stop(&Notification::shutdown(Some("bye")));
    assert_eq!(bench.notified(conn), Some((6, 2)));
    assert_eq!(bench.peer.state(), State::Idle);
    bench.peer.handle_connected(IN, Origin::Incoming, bench.now);
    assert_eq!(bench.notified(IN), Some((6, 5)));
    assert_eq!(bench.peer.poll_timeout(), None);
    bench.peer.start(bench.now + Duration::from_secs(1));
    bench.connecting();
}

/// RFC 5882 §10.2: BFD down before Established, or never up, changes nothing.
#[test]
fn bfd_matters_only_to_an_established_session() {
    let (mut bench, conn) = Bench::reach(State::OpenConfirm);
    bench.peer.handle_bfd(true, bench.now);
    bench.peer.handle_bfd(false, bench.now);
    assert_eq!(bench.peer.state(), State::OpenConfirm);
    bench.feed(conn, &encode_keepalive());
    bench.peer.handle_bfd(false, bench.now);
    assert_eq!(bench.peer.state(), State::Established);
    bench.peer.take_outputs();
    bench.peer.handle_bfd(true, bench.now);
    bench.peer.handle_bfd(false, bench.now);
    assert_eq!(bench.notified(conn), Some((6, 10)));
}
