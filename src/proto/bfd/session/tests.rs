use proptest::prelude::*;

use super::*;

mod pair;

use pair::Pair;

const MS: Duration = Duration::from_millis(1);

fn config(tx_ms: u32, rx_ms: u32, multiplier: u8) -> SessionConfig {
    let us = |ms: u32| NonZeroU32::new(ms * 1000).unwrap();
    SessionConfig::new(us(tx_ms), us(rx_ms), NonZeroU8::new(multiplier).unwrap())
}

/// A packet of a peer with discriminator 2 that knows ours to be 1.
fn packet(state: State) -> Packet {
    Packet {
        diag: Diag::NoDiagnostic,
        state,
        poll: false,
        final_: false,
        control_plane_independent: false,
        demand: false,
        multiplier: NonZeroU8::new(3).unwrap(),
        my_discriminator: NonZeroU32::new(2).unwrap(),
        your_discriminator: 1,
        desired_min_tx_us: 300_000,
        required_min_rx_us: 300_000,
        required_min_echo_rx_us: 0,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "any instant will do as the origin"
)]
fn origin() -> Instant {
    Instant::now()
}

fn session(config: SessionConfig, now: Instant) -> Session {
    Session::new(config, NonZeroU32::new(1).unwrap(), 7, now)
}

/// A session brought into `state` by received packets only.
fn session_in(state: State, now: Instant) -> Session {
    let mut session = session(config(300, 300, 3), now);
    match state {
        State::AdminDown => session.admin_down(),
        State::Down => {}
        State::Init => session.handle_packet(&packet(State::Down), now).unwrap(),
        State::Up => session.handle_packet(&packet(State::Init), now).unwrap(),
    }
    assert_eq!(session.state(), state);
    session
}

fn drain(session: &mut Session, now: Instant) -> Vec<Packet> {
    std::iter::from_fn(|| session.poll_transmit(now)).collect()
}

#[test]
fn every_pair_of_states_leads_where_the_rfc_says() {
    use State::{AdminDown, Down, Init, Up};
    let table = [
        // ours, theirs, next, diagnostic if it changed
        (AdminDown, AdminDown, AdminDown, None),
        (AdminDown, Down, AdminDown, None),
        (AdminDown, Init, AdminDown, None),
        (AdminDown, Up, AdminDown, None),
        (Down, AdminDown, Down, None),
        (Down, Down, Init, Some(Diag::NoDiagnostic)),
        (Down, Init, Up, Some(Diag::NoDiagnostic)),
        (Down, Up, Down, None),
        (
            Init,
            AdminDown,
            Down,
            Some(Diag::NeighborSignaledSessionDown),
        ),
        (Init, Down, Init, None),
        (Init, Init, Up, Some(Diag::NoDiagnostic)),
        (Init, Up, Up, Some(Diag::NoDiagnostic)),
        (Up, AdminDown, Down, Some(Diag::NeighborSignaledSessionDown)),
        (Up, Down, Down, Some(Diag::NeighborSignaledSessionDown)),
        (Up, Init, Up, None),
        (Up, Up, Up, None),
    ];
    let now = origin();
    for (ours, theirs, next, diag) in table {
        let mut session = session_in(ours, now);
        while session.poll_event().is_some() {}
        let accepted = session.handle_packet(&packet(theirs), now);
        assert_eq!(accepted.is_ok(), ours != AdminDown, "{ours} hears {theirs}");
        assert_eq!(session.state(), next, "{ours} hears {theirs}");
        let events: Vec<_> = std::iter::from_fn(|| session.poll_event()).collect();
        assert_eq!(
            events.iter().map(|e| (e.state, e.diag)).collect::<Vec<_>>(),
            diag.map(|diag| (next, diag))
                .into_iter()
                .collect::<Vec<_>>(),
            "{ours} hears {theirs}"
        );
    }
}

#[test]
fn a_packet_for_another_discriminator_changes_nothing() {
    let now = origin();
    let mut session = session_in(State::Up, now);
    let before = session.status();
    let stray = Packet {
        your_discriminator: 99,
        ..packet(State::Down)
    };
    assert_eq!(
        session.handle_packet(&stray, now),
        Err(Discard::UnknownDiscriminator(99))
    );
    let after = session.status();
    assert_eq!(after.counters.discarded, 1);
    assert_eq!(
        SessionStatus {
            counters: before.counters,
            ..after
        },
        before
    );
}

#[test]
fn a_poll_is_answered_at_once_and_does_not_shift_the_transmit_timer() {
    let now = origin();
    let mut session = session_in(State::Up, now);
    drain(&mut session, now);
    let (deadline, why) = session.poll_timeout().unwrap();
    assert_eq!(why, "bfd transmit");
    for step in 1..10u32 {
        let at = now + MS * step;
        let poll = Packet {
            poll: true,
            ..packet(State::Up)
        };
        session.handle_packet(&poll, at).unwrap();
        let sent = drain(&mut session, at);
        assert_eq!(sent.len(), 1);
        assert!(sent[0].final_ && !sent[0].poll);
    }
    assert_eq!(session.poll_timeout().unwrap().0, deadline);
}

#[test]
fn received_packets_never_rearm_the_transmit_timer() {
    let mut now = origin();
    let start = now;
    let mut session = session_in(State::Up, now);
    session
        .handle_packet(
            &Packet {
                final_: true,
                ..packet(State::Up)
            },
            now,
        )
        .unwrap();
    drain(&mut session, now);
    let mut sent = 0;
    // A peer that sends every millisecond for six seconds.
    while now < start + Duration::from_secs(6) {
        now += MS;
        session.handle_packet(&packet(State::Up), now).unwrap();
        sent += drain(&mut session, now).len();
    }
    assert!((20..=27).contains(&sent), "{sent} packets in 6 s at 300 ms");
}

#[test]
fn a_session_that_is_not_up_sends_no_faster_than_once_a_second() {
    let mut now = origin();
    let mut session = session(config(10, 10, 3), now);
    let mut sent = Vec::new();
    for _ in 0..10 {
        for packet in drain(&mut session, now) {
            assert_eq!(packet.desired_min_tx_us, 1_000_000);
            assert_eq!(packet.your_discriminator, 0);
            sent.push(now);
        }
        now = session.poll_timeout().unwrap().0;
    }
    for gap in sent.windows(2).map(|pair| pair[1] - pair[0]) {
        assert!((750 * MS..=1000 * MS).contains(&gap), "{gap:?}");
    }
}

#[test]
fn jitter_spans_its_range_and_is_tighter_with_a_multiplier_of_one() {
    for (multiplier, most_ms) in [(3, 100), (1, 90)] {
        let mut now = origin();
        let mut session = session(config(1000, 1000, multiplier), now);
        let mut gaps = Vec::new();
        drain(&mut session, now);
        for _ in 0..2000 {
            let at = session.poll_timeout().unwrap().0;
            assert_eq!(drain(&mut session, at).len(), 1);
            gaps.push((at - now).as_micros() as f64 / 1000.0);
            now = at;
        }
        let (least, most) = gaps
            .iter()
            .fold((f64::MAX, 0f64), |(a, b), &g| (a.min(g), b.max(g)));
        let top = f64::from(most_ms) * 10.0;
        assert!((750.0..755.0).contains(&least), "{least}");
        assert!((top - 5.0..=top).contains(&most), "{most}");
    }
}

#[test]
fn silence_brings_the_session_down_at_the_detection_time_and_forgets_the_peer() {
    let now = origin();
    let mut session = session_in(State::Up, now);
    assert_eq!(session.status().negotiated.detection, 900 * MS);
    session.handle_timeout(now + 900 * MS - Duration::from_nanos(1));
    assert_eq!(session.state(), State::Up);
    session.handle_timeout(now + 900 * MS);
    let status = session.status();
    assert_eq!(status.state, State::Down);
    assert_eq!(status.diag, Diag::ControlDetectionTimeExpired);
    assert_eq!(status.remote_discriminator, None);
    assert_eq!((status.counters.ups, status.counters.downs), (1, 1));
    let sent = drain(&mut session, now + 900 * MS);
    assert_eq!(sent.len(), 1, "the change is told at once");
    assert_eq!(sent[0].desired_min_tx_us, 1_000_000);
}

#[test]
fn detection_uses_the_slower_of_our_rx_and_their_tx_times_their_multiplier() {
    let now = origin();
    for (rx_ms, tx_us, multiplier, want_ms) in [
        (300, 100_000, 3, 900),
        (50, 300_000, 5, 1500),
        (100, 100_000, 1, 100),
    ] {
        let mut session = session(config(300, rx_ms, 7), now);
        let heard = Packet {
            desired_min_tx_us: tx_us,
            multiplier: NonZeroU8::new(multiplier).unwrap(),
            ..packet(State::Init)
        };
        session.handle_packet(&heard, now).unwrap();
        assert_eq!(session.status().negotiated.detection, want_ms * MS);
    }
}

#[test]
fn a_slower_transmission_waits_for_the_final() {
    let now = origin();
    let mut session = session_in(State::Up, now);
    session
        .handle_packet(
            &Packet {
                final_: true,
                ..packet(State::Up)
            },
            now,
        )
        .unwrap();
    drain(&mut session, now);
    session.set_timers(config(700, 300, 3));
    let polled = drain(&mut session, now);
    assert_eq!(polled.len(), 1);
    assert!(polled[0].poll);
    assert_eq!(polled[0].desired_min_tx_us, 700_000);
    assert_eq!(session.status().negotiated.tx, 300 * MS);
    session
        .handle_packet(
            &Packet {
                final_: true,
                ..packet(State::Up)
            },
            now,
        )
        .unwrap();
    assert_eq!(session.status().negotiated.tx, 700 * MS);
}

#[test]
fn a_faster_reception_waits_for_the_final() {
    let now = origin();
    let mut session = session_in(State::Up, now);
    let peer = Packet {
        desired_min_tx_us: 10_000,
        ..packet(State::Up)
    };
    session
        .handle_packet(
            &Packet {
                final_: true,
                ..peer
            },
            now,
        )
        .unwrap();
    drain(&mut session, now);
    session.set_timers(config(300, 50, 3));
    assert_eq!(drain(&mut session, now)[0].required_min_rx_us, 50_000);
    assert_eq!(session.status().negotiated.detection, 900 * MS);
    session
        .handle_packet(
            &Packet {
                final_: true,
                ..peer
            },
            now,
        )
        .unwrap();
    assert_eq!(session.status().negotiated.detection, 150 * MS);
}

#[test]
fn a_change_during_a_poll_sequence_starts_another_after_it() {
    let now = origin();
    let mut session = session_in(State::Up, now);
    session
        .handle_packet(
            &Packet {
                final_: true,
                ..packet(State::Up)
            },
            now,
        )
        .unwrap();
    session.set_timers(config(700, 300, 3));
    session.set_timers(config(900, 300, 3));
    let answer = Packet {
        final_: true,
        ..packet(State::Up)
    };
    drain(&mut session, now);
    session.handle_packet(&answer, now).unwrap();
    assert_eq!(session.status().negotiated.tx, 300 * MS);
    assert!(drain(&mut session, now)[0].poll);
    session.handle_packet(&answer, now).unwrap();
    assert_eq!(session.status().negotiated.tx, 900 * MS);
}

#[test]
fn a_peer_in_demand_mode_silences_us_except_for_polls() {
    let now = origin();
    let mut session = session_in(State::Up, now);
    let peer = Packet {
        demand: true,
        final_: true,
        ..packet(State::Up)
    };
    session.handle_packet(&peer, now).unwrap();
    drain(&mut session, now);
    assert_eq!(session.poll_timeout().unwrap().1, "bfd detection time");
    session.set_timers(config(400, 300, 3));
    assert!(drain(&mut session, now)[0].poll);
    assert_eq!(session.poll_timeout().unwrap().1, "bfd transmit");
}

#[test]
fn a_peer_that_asks_for_silence_and_dies_is_greeted_again() {
    let now = origin();
    let mut session = session_in(State::Init, now);
    drain(&mut session, now);
    let silent = Packet {
        required_min_rx_us: 0,
        ..packet(State::Down)
    };
    session.handle_packet(&silent, now).unwrap();
    let (deadline, why) = session.poll_timeout().unwrap();
    assert_eq!(why, "bfd detection time");
    session.handle_timeout(deadline);
    drain(&mut session, deadline);
    assert_eq!(session.poll_timeout().unwrap().1, "bfd transmit");
}

#[test]
fn admin_down_is_told_and_the_peer_does_not_call_it_a_failure_of_the_path() {
    let mut pair = Pair::new(origin(), config(50, 50, 3), config(50, 50, 3), 1);
    pair.run_until_up();
    pair.a.admin_down();
    pair.run(200 * MS);
    assert_eq!(pair.b.state(), State::Down);
    assert_eq!(pair.b.status().diag, Diag::NeighborSignaledSessionDown);
    assert_eq!(pair.b.status().remote_diag, Diag::AdministrativelyDown);
    pair.a.admin_up();
    pair.run_until_up();
}

#[test]
fn two_sessions_meet_and_agree_on_the_slower_interval() {
    let mut pair = Pair::new(origin(), config(50, 300, 3), config(100, 20, 5), 2);
    pair.run_until_up();
    pair.run(Duration::from_secs(2));
    let (a, b) = (pair.a.status().negotiated, pair.b.status().negotiated);
    assert_eq!((a.tx, a.rx, a.detection), (50 * MS, 300 * MS, 1500 * MS));
    assert_eq!((b.tx, b.rx, b.detection), (300 * MS, 50 * MS, 150 * MS));
    assert_eq!(pair.a.poll, Poll::Idle);
    assert_eq!(pair.b.poll, Poll::Idle);
}

#[test]
fn sessions_stay_up_at_one_interval_over_a_clean_path_for_ten_minutes() {
    let mut pair = Pair::new(origin(), config(10, 10, 3), config(10, 10, 3), 3);
    pair.delay = 4 * MS;
    pair.run_until_up();
    pair.run(Duration::from_secs(600));
    assert_eq!(
        pair.a.status().counters.downs + pair.b.status().counters.downs,
        0
    );
}

/// Whatever is still on its way when two sessions meet, and in whatever order: they come to rest.
#[test]
fn old_packets_do_not_keep_two_sessions_from_settling() {
    for seed in 0..300 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut pair = Pair::new(origin(), config(300, 300, 3), config(300, 300, 3), seed);
        pair.delay = 4 * MS;
        pair.run_until_up();
        for to_a in [true, false] {
            for _ in 0..rng.random_range(0..5) {
                let after = Duration::from_micros(rng.random_range(0..4_000));
                let state = [State::Down, State::Init, State::Up][rng.random_range(0..3)];
                let [mine, yours] = if to_a { [2, 1] } else { [1, 2] };
                let old = Packet {
                    poll: rng.random_bool(0.3),
                    my_discriminator: NonZeroU32::new(mine).unwrap(),
                    your_discriminator: yours,
                    ..packet(state)
                };
                pair.inject(after, to_a, &old);
            }
        }
        pair.run(Duration::from_secs(3));
        let downs = |pair: &Pair| [&pair.a, &pair.b].map(|end| end.status().counters.downs);
        let settled = downs(&pair);
        assert!(settled.iter().sum::<u64>() < 30, "{seed}: {settled:?}");
        pair.run(Duration::from_secs(3));
        assert_eq!(downs(&pair), settled, "{seed}");
        assert_eq!((pair.a.state(), pair.b.state()), (State::Up, State::Up));
    }
}

#[test]
fn running_sessions_change_their_timers_without_going_down() {
    let mut pair = Pair::new(origin(), config(50, 50, 3), config(50, 50, 3), 4);
    pair.delay = 20 * MS;
    pair.run_until_up();
    for (tx, rx) in [(500, 500), (10, 10), (10, 800), (300, 20), (50, 50)] {
        pair.a.set_timers(config(tx, rx, 3));
        pair.run(Duration::from_secs(3));
        assert_eq!(
            pair.a.status().negotiated.tx,
            Duration::from_millis(tx.max(50).into())
        );
        assert_eq!(
            pair.b.status().negotiated.tx,
            Duration::from_millis(rx.max(50).into())
        );
    }
    assert_eq!(
        pair.a.status().counters.downs + pair.b.status().counters.downs,
        0
    );
}

/// The model of a cut at a random instant: 600 to 900 ms, mean 768, p5 644, p95 887.
#[test]
fn detection_times_follow_the_model() {
    let mut times = Vec::new();
    for trial in 0..600u64 {
        let mut pair = Pair::new(origin(), config(300, 300, 3), config(300, 300, 3), trial);
        pair.delay = Duration::ZERO;
        pair.run_until_up();
        // Later than every Poll Sequence, at a phase no timer shares.
        pair.run(Duration::from_secs(3) + Duration::from_nanos(trial * 7_919_993 % 299_999_983));
        pair.cut = true;
        let cut = pair.now;
        while pair.a.state() == State::Up {
            pair.step();
        }
        times.push((pair.now - cut).as_micros() as f64 / 1000.0);
    }
    times.sort_by(f64::total_cmp);
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    let at = |share: f64| times[(share * times.len() as f64) as usize];
    assert!(
        times[0] >= 600.0 && times[times.len() - 1] <= 900.0,
        "{} {}",
        times[0],
        at(0.999)
    );
    assert!((763.0..773.0).contains(&mean), "mean {mean}");
    assert!((636.0..652.0).contains(&at(0.05)), "p5 {}", at(0.05));
    assert!((881.0..893.0).contains(&at(0.95)), "p95 {}", at(0.95));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Over any bad path sessions may flap, but once it heals they come Up and stay.
    #[test]
    fn sessions_recover_from_any_path(
        seed in any::<u64>(),
        loss in 0.0..1.0f64,
        delay_ms in 0..400u64,
        tx in 5..500u32,
        rx in 5..500u32,
        multiplier in 1..6u8,
    ) {
        let mut pair = Pair::new(origin(), config(tx, rx, multiplier), config(rx, 50, 3), seed);
        pair.loss = loss;
        pair.delay = Duration::from_millis(delay_ms);
        pair.run(Duration::from_secs(20));
        pair.loss = 0.0;
        pair.run_until_up();
        pair.run(Duration::from_secs(2));
        let downs = pair.a.counters.downs + pair.b.counters.downs;
        pair.run(Duration::from_secs(30));
        prop_assert_eq!(pair.a.counters.downs + pair.b.counters.downs, downs);
        prop_assert_eq!(pair.a.status().negotiated.tx, pair.b.status().negotiated.rx);
    }

    /// No sequence of packets and timeouts panics or silences the session for good.
    #[test]
    fn any_packets_at_any_time_are_survived(
        steps in proptest::collection::vec((any::<[u8; 24]>(), 0..3_000u64), 1..60),
    ) {
        let mut now = origin();
        let mut session = session(config(300, 300, 3), now);
        for (mut bytes, wait) in steps {
            now += Duration::from_millis(wait);
            bytes[0] = 0x20 | bytes[0] & 0x1F;
            bytes[1] &= 0xFA;
            bytes[3] = 24;
            bytes[8..12].copy_from_slice(&[0, 0, 0, 1]);
            if let Ok(packet) = Packet::decode(&bytes) {
                let _ = session.handle_packet(&packet, now);
            }
            session.handle_timeout(now);
            prop_assert!(drain(&mut session, now).len() <= 2);
            while session.poll_event().is_some() {}
            prop_assert!(session.poll_timeout().is_some());
        }
    }
}
