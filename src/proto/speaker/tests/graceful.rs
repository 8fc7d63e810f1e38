//! Graceful restart: what is kept, and for how long (RFC 4724).

use proptest::prelude::*;

use super::{Builder, Established, Span, SpeakerEvent, Step, dual_homed};
use crate::proto::speaker::sim::Sim;

const CLOUD: &str = "172.31.0.0/16";
const SITE: &str = "10.0.0.0/8";
/// Seconds that both ends ask for.
const RESTART: u64 = 12;

/// The dual-homed site with graceful restart on its preferred way.
fn graceful() -> Builder {
    let mut lab = dual_homed();
    for node in [0, 1] {
        lab.peer(node, 0).graceful_restart = Some(Span::from_secs(RESTART));
    }
    lab
}

fn gateway(sim: &Sim, node: usize, prefix: &str) -> Option<String> {
    Some(sim.via(node, prefix)?.first()?.to_string())
}

fn forwarding_changes(sim: &mut Sim, node: usize) -> usize {
    let log = sim.take_log(node);
    log.iter()
        .filter(|step| matches!(step, Step::Fib(_)))
        .count()
}

/// AWS advises against both at once; this is why.
#[test]
fn bfd_finds_a_dead_path_and_its_routes_stay_until_the_restart_time_is_over() {
    let mut sim = graceful().start(1);
    sim.run_ms(2_000);
    sim.bfd(0, true);
    sim.cut(0);
    sim.run_ms(900);
    sim.bfd(0, false);
    assert_ne!(sim.state(0, 0), Established);
    sim.run_ms(RESTART * 1000 - 1);
    assert_eq!(gateway(&sim, 0, CLOUD).as_deref(), Some("10.0.0.2"));
    assert_eq!(gateway(&sim, 1, SITE).as_deref(), Some("10.0.0.1"));
    assert_eq!(sim.status(0).peers[0].accepted, 1);
    sim.run_ms(1);
    assert_eq!(gateway(&sim, 0, CLOUD).as_deref(), Some("10.0.1.2"));
    assert_eq!(gateway(&sim, 1, SITE).as_deref(), Some("10.0.1.1"));
    assert_eq!(sim.status(0).peers[0].accepted, 0);
    let said = |event: &SpeakerEvent| matches!(event, SpeakerEvent::Warning { text, .. } if text.contains("keeps 1 route of"));
    assert!(sim.when(0, said).is_some());
}

#[test]
fn a_connection_that_fails_and_comes_back_moves_no_packet() {
    let mut sim = graceful().start(2);
    sim.run_ms(2_000);
    for node in [0, 1] {
        sim.take_log(node);
    }
    sim.reset(0);
    assert_ne!(sim.state(0, 0), Established);
    sim.run_ms(3_000);
    assert_eq!(sim.state(0, 0), Established);
    // Long after the time is over the routes are there, for they came again.
    sim.run_ms(RESTART * 1000);
    for node in [0, 1] {
        assert_eq!(forwarding_changes(&mut sim, node), 0);
        assert_eq!(sim.status(node).peers[0].accepted, 1);
    }
}

/// RFC 4724 §5: what the peer said, or we say, ends the session for good.
#[test]
fn a_notification_ends_everything_at_once() {
    let mut sim = graceful().start(3);
    sim.run_ms(2_000);
    let peer = sim.peer_at(1, 0);
    sim.call(1, |speaker, now| speaker.stop_peer(peer, None, now));
    sim.run_ms(10);
    assert_eq!(gateway(&sim, 0, CLOUD).as_deref(), Some("10.0.1.2"));
    assert_eq!(gateway(&sim, 1, SITE).as_deref(), Some("10.0.1.1"));

    // A silent peer is sent one when its hold time is over.
    let mut sim = graceful().start(4);
    sim.run_ms(2_000);
    sim.cut(0);
    sim.run_ms(9_100);
    assert_eq!(gateway(&sim, 0, CLOUD).as_deref(), Some("10.0.1.2"));
}

/// Shut down while its peer is awaited: nobody is awaited any more.
#[test]
fn shutting_a_session_down_forgets_what_was_kept() {
    let mut sim = graceful().start(5);
    sim.run_ms(2_000);
    sim.cut(0);
    sim.reset(0);
    assert_eq!(gateway(&sim, 0, CLOUD).as_deref(), Some("10.0.0.2"));
    let peer = sim.peer_at(0, 0);
    sim.call(0, |speaker, now| speaker.stop_peer(peer, None, now));
    assert_eq!(gateway(&sim, 0, CLOUD).as_deref(), Some("10.0.1.2"));
}

#[test]
fn what_is_not_announced_again_goes_with_the_end_of_the_table() {
    let mut lab = Builder::new();
    let (a, b, c) = (lab.node(65001), lab.node(65002), lab.node(65003));
    lab.originate(b, "192.0.2.0/24");
    lab.originate(c, "198.51.100.0/24");
    let near = lab.link(a, b, 1);
    let far = lab.link(b, c, 1);
    for node in [a, b] {
        lab.peer(node, near).graceful_restart = Some(Span::from_secs(RESTART));
    }
    let mut sim = lab.start(6);
    sim.run_ms(3_000);
    sim.cut(near);
    sim.reset(near);
    let peer = sim.peer_at(c, far);
    sim.call(c, |speaker, now| speaker.stop_peer(peer, None, now));
    sim.run_ms(100);
    assert!(sim.via(a, "198.51.100.0/24").is_some());
    sim.restore(near);
    sim.run_ms(3_000);
    assert_eq!(sim.state(a, near), Established);
    assert_eq!(sim.via(a, "198.51.100.0/24"), None);
    assert!(sim.via(a, "192.0.2.0/24").is_some());
}

/// A peer that has lost its table says so, and nothing is sent into it (RFC 4724 §4.2).
#[test]
fn a_peer_that_has_not_gone_on_forwarding_is_left_at_once() {
    for silently in [false, true] {
        let lab = graceful();
        let config = lab.configs[1].clone();
        let mut sim = lab.start(7);
        sim.run_ms(2_000);
        sim.take_log(0);
        sim.respawn(1, config, silently);
        sim.run_ms(3_000);
        // Heard of by a FIN, or by the new connection alone, well before the hold time.
        assert_eq!(sim.state(0, 0), Established, "silently: {silently}");
        assert_eq!(gateway(&sim, 0, CLOUD).as_deref(), Some("10.0.0.2"));
        let changes = forwarding_changes(&mut sim, 0);
        assert!(changes >= 2, "left and taken again: {changes}");
    }
}

#[test]
fn one_end_that_has_no_graceful_restart_is_none() {
    let mut lab = graceful();
    lab.peer(1, 0).graceful_restart = None;
    let mut sim = lab.start(8);
    sim.run_ms(2_000);
    sim.cut(0);
    sim.reset(0);
    assert_eq!(gateway(&sim, 0, CLOUD).as_deref(), Some("10.0.1.2"));
    assert_eq!(gateway(&sim, 1, SITE).as_deref(), Some("10.0.1.1"));
}

#[derive(Debug, Clone, Copy)]
enum Trouble {
    Cut,
    Restore,
    Reset,
    Bfd(bool),
    Stop,
    Start,
    Run(u64),
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        Just(Trouble::Cut),
        Just(Trouble::Restore),
        Just(Trouble::Reset),
        any::<bool>().prop_map(Trouble::Bfd),
        Just(Trouble::Stop),
        Just(Trouble::Start),
        (1_u64..9_000).prop_map(Trouble::Run),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens: no packet is sent over a session that has been gone for longer than the
    /// restart time.
    #[test]
    fn stale_routes_are_gone_after_the_restart_time(
        seed in any::<u64>(), troubles in prop::collection::vec(trouble(), 1..24),
    ) {
        let mut sim = graceful().start(seed);
        sim.run_ms(2_000);
        sim.bfd(0, true);
        for trouble in troubles.into_iter().chain([Trouble::Cut, Trouble::Run(30_000)]) {
            let mut steps = 1;
            match trouble {
                Trouble::Cut => sim.cut(0),
                Trouble::Restore => sim.restore(0),
                Trouble::Reset => sim.reset(0),
                Trouble::Bfd(up) => sim.bfd(0, up),
                Trouble::Stop => {
                    let peer = sim.peer_at(1, 0);
                    sim.call(1, |speaker, now| speaker.stop_peer(peer, None, now));
                }
                Trouble::Start => {
                    let peer = sim.peer_at(1, 0);
                    sim.call(1, |speaker, now| speaker.start_peer(peer, now));
                }
                Trouble::Run(ms) => steps = ms / 250,
            }
            for _ in 0..steps {
                sim.run_ms(250);
                for (node, prefix, stale) in [(0, CLOUD, "10.0.0.2"), (1, SITE, "10.0.0.1")] {
                    let down = |event: &SpeakerEvent| matches!(event, SpeakerEvent::SessionDown { session, .. } if session.as_str() == "s0");
                    let since = sim.when(node, down).map(|at| sim.now - at);
                    let overdue = sim.state(node, 0) != Established
                        && since.is_some_and(|since| since.as_secs() >= RESTART);
                    if overdue {
                        prop_assert_ne!(gateway(&sim, node, prefix), Some(stale.to_owned()));
                        prop_assert_eq!(sim.status(node).peers[0].accepted, 0);
                    }
                }
            }
        }
    }
}
