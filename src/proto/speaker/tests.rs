use std::time::Duration;

use super::SessionState::{Established, Idle};
use super::sim::{Builder, Step, net};
use super::{FibChange, SpeakerEvent};
use crate::units::{Community, Family, Match, Policy, PrefixMatch, Rule, Set, Span, Verdict};

mod graceful;
mod refresh;
mod topology;

fn rule(matches: Vec<Match>, set: Vec<Set>) -> Rule {
    Rule {
        matches,
        verdict: Verdict::Accept,
        set,
    }
}

/// A site with two ways to a cloud: `prod` (link 0) is preferred on both ends,
/// `backup` (link 1) has a longer delay.
fn dual_homed() -> Builder {
    let mut lab = Builder::new();
    let site = lab.node(65001);
    let cloud = lab.node(64512);
    lab.originate(site, "10.0.0.0/8");
    lab.originate(cloud, "172.31.0.0/16");
    lab.link(site, cloud, 5);
    lab.link(site, cloud, 14);
    for node in [site, cloud] {
        let prefer = |preference| Policy {
            rules: vec![rule(vec![], vec![Set::LocalPref(preference)])],
        };
        lab.peer(node, 0).import = prefer(200);
        lab.peer(node, 1).import = prefer(100);
    }
    lab
}

#[test]
fn sessions_come_up_and_routes_follow() {
    let mut sim = dual_homed().start(1);
    sim.run_ms(2_000);
    for node in [0, 1] {
        for link in [0, 1] {
            assert_eq!(
                sim.state(node, link),
                Established,
                "node {node} link {link}"
            );
        }
    }
    assert_eq!(
        sim.via(0, "172.31.0.0/16"),
        Some(vec!["10.0.0.2".parse().unwrap()])
    );
    assert_eq!(
        sim.via(1, "10.0.0.0/8"),
        Some(vec!["10.0.0.1".parse().unwrap()])
    );
    let best = sim.best(0, "172.31.0.0/16").unwrap();
    assert_eq!((best.as_path.as_str(), best.local_pref), ("64512", 200));
    let ends = |event: &&SpeakerEvent| matches!(event, SpeakerEvent::EndOfRib { .. });
    assert_eq!(sim.events(0).filter(ends).count(), 2);
}

/// RFC 4271 §6.5: silence is noticed when the hold time has passed since the
/// last message, so between hold − keepalive and hold after the cut.
#[test]
fn a_silent_cut_is_noticed_by_the_hold_timer_and_reverts() {
    let mut sim = dual_homed().start(2);
    sim.run_ms(20_000);
    sim.cut(0);
    let cut = sim.now;
    sim.run_ms(10_000);
    for (node, prefix, gateway) in [
        (0, "172.31.0.0/16", "10.0.1.2"),
        (1, "10.0.0.0/8", "10.0.1.1"),
    ] {
        assert_eq!(sim.via(node, prefix), Some(vec![gateway.parse().unwrap()]));
        let down = |event: &SpeakerEvent| matches!(event, SpeakerEvent::SessionDown { reason, .. } if reason.contains("hold"));
        let after = sim.when(node, down).unwrap() - cut;
        assert!((5_900..=9_100).contains(&after.as_millis()), "{after:?}");
    }
    sim.restore(0);
    sim.run_ms(3_000);
    assert_eq!(sim.state(0, 0), Established);
    assert_eq!(
        sim.via(0, "172.31.0.0/16"),
        Some(vec!["10.0.0.2".parse().unwrap()])
    );
    assert_eq!(
        sim.via(1, "10.0.0.0/8"),
        Some(vec!["10.0.0.1".parse().unwrap()])
    );
    assert_eq!(sim.status(0).peers[0].flaps, 1);
}

/// RFC 5882 §10.2, RFC 9384.
#[test]
fn bfd_down_switches_at_once_and_only_once_it_was_up() {
    let mut sim = dual_homed().start(3);
    sim.run_ms(2_000);
    // BFD that never came up says nothing about the path.
    sim.bfd(0, false);
    assert_eq!(sim.state(0, 0), Established);
    sim.bfd(0, true);
    sim.cut(0);
    sim.run_ms(900);
    sim.bfd(0, false);
    assert_eq!(
        sim.via(0, "172.31.0.0/16"),
        Some(vec!["10.0.1.2".parse().unwrap()])
    );
    assert_eq!(
        sim.via(1, "10.0.0.0/8"),
        Some(vec!["10.0.1.1".parse().unwrap()])
    );
    let reason = sim.status(0).peers[0].last_error.clone();
    assert_eq!(reason.as_deref(), Some("BFD down"));
    sim.restore(0);
    sim.run_ms(3_000);
    assert_eq!(
        sim.via(1, "10.0.0.0/8"),
        Some(vec!["10.0.0.1".parse().unwrap()])
    );
}

#[test]
fn carrier_loss_ends_an_external_session_at_once_and_routes_come_back() {
    let mut sim = dual_homed().start(4);
    sim.run_ms(2_000);
    sim.take_log(0);
    sim.carrier(0, 0, false);
    assert_eq!(sim.state(0, 0), Idle);
    assert_eq!(
        sim.via(0, "172.31.0.0/16"),
        Some(vec!["10.0.1.2".parse().unwrap()])
    );
    sim.run_ms(5_000);
    assert_eq!(sim.state(0, 0), Idle);
    sim.carrier(0, 0, true);
    sim.run_ms(1_000);
    assert_eq!(sim.state(0, 0), Established);
    assert_eq!(
        sim.via(0, "172.31.0.0/16"),
        Some(vec!["10.0.0.2".parse().unwrap()])
    );
}

/// The kernel must forward before a peer is told to send.
#[test]
fn forwarding_changes_precede_the_updates_that_depend_on_them() {
    let mut lab = Builder::new();
    let (a, b, c) = (lab.node(65001), lab.node(65002), lab.node(65003));
    lab.originate(a, "192.0.2.0/24");
    lab.link(a, b, 1);
    lab.link(b, c, 1);
    let mut sim = lab.start(5);
    sim.run_ms(3_000);
    sim.take_log(b);
    sim.call(a, |speaker, now| {
        speaker.stop_peer(super::PeerId(0), Some("maintenance"), now)
    });
    sim.run_ms(100);
    let log = sim.take_log(b);
    let removed = Step::Fib(FibChange::Remove {
        prefix: net("192.0.2.0/24"),
    });
    let fib = log.iter().position(|step| *step == removed).unwrap();
    let send = log
        .iter()
        .position(|step| matches!(step, Step::Send(_)))
        .unwrap();
    assert!(fib < send, "{log:?}");
    assert_eq!(sim.best(c, "192.0.2.0/24"), None);
    let reason = sim.status(b).peers[0].last_error.clone().unwrap();
    assert!(reason.contains("maintenance"), "{reason}");
    // The stopped end refuses until it is started again.
    sim.run_ms(5_000);
    assert_eq!(sim.state(a, 0), Idle);
    sim.call(a, |speaker, now| speaker.start_peer(super::PeerId(0), now));
    sim.run_ms(2_000);
    assert_eq!(sim.state(a, 0), Established);
    assert!(sim.best(c, "192.0.2.0/24").is_some());
}

/// RFC 4271 §6.8: whatever the timing, one connection is left, and soon.
#[test]
fn simultaneous_opens_collide_and_one_survives() {
    for delay in [0, 1, 7, 40] {
        for seed in 0..40 {
            let mut lab = Builder::new();
            let (a, b) = (lab.node(65001), lab.node(65002));
            lab.link(a, b, delay);
            let mut sim = lab.start(seed);
            sim.run_ms(2_000);
            assert_eq!(sim.state(a, 0), Established, "delay {delay} seed {seed}");
            assert_eq!(sim.state(b, 0), Established, "delay {delay} seed {seed}");
            sim.run_ms(30_000);
            assert_eq!(sim.status(a).peers[0].flaps, 0, "delay {delay} seed {seed}");
        }
    }
}

/// As above, with the two ends starting at different instants: whatever the
/// offset, a session that comes up stays up.
#[test]
fn staggered_opens_settle_quickly() {
    let mut collisions = 0;
    for offset in 0..=100 {
        let mut lab = Builder::new();
        let (a, b) = (lab.node(65001), lab.node(65002));
        lab.link(a, b, 20);
        let mut sim = lab.start(offset);
        sim.run_ms(1_000);
        let peer = super::PeerId(0);
        for node in [a, b] {
            sim.call(node, |speaker, now| speaker.stop_peer(peer, None, now));
        }
        sim.run_ms(3_000);
        let (first, second) = if offset % 2 == 0 { (a, b) } else { (b, a) };
        sim.call(first, |speaker, now| speaker.start_peer(peer, now));
        sim.run_ms(offset);
        sim.call(second, |speaker, now| speaker.start_peer(peer, now));
        sim.run_ms(1_500);
        for node in [a, b] {
            assert_eq!(sim.state(node, 0), Established, "offset {offset}");
            assert_eq!(sim.status(node).peers[0].flaps, 1, "offset {offset}");
            let counters = sim.status(node).peers[0].messages_in;
            collisions += u64::from(counters.open > 2);
        }
    }
    assert!(collisions > 20, "{collisions} collisions are no test");
}

/// RFC 4486 Cease 1: down until somebody starts it.
#[test]
fn too_many_prefixes_stop_the_session_until_it_is_started() {
    let mut lab = Builder::new();
    let (a, b) = (lab.node(65001), lab.node(65002));
    for third in 0..5 {
        lab.originate(a, &format!("192.168.{third}.0/24"));
    }
    let link = lab.link(a, b, 1);
    lab.peer(b, link).max_prefix = Some(4);
    let mut sim = lab.start(6);
    sim.run_ms(10_000);
    assert_eq!(sim.state(b, 0), Idle);
    assert!(sim.fib(b).is_empty());
    let exceeded =
        |event: &&SpeakerEvent| matches!(event, SpeakerEvent::MaxPrefixExceeded { limit: 4, .. });
    assert_eq!(sim.events(b).filter(exceeded).count(), 1);
    sim.call(b, |speaker, now| speaker.start_peer(super::PeerId(0), now));
    sim.run_ms(2_000);
    assert_eq!(sim.events(b).filter(exceeded).count(), 2);
}

/// RFC 8212: without a policy nothing passes, in either direction.
#[test]
fn no_policy_means_no_routes() {
    let mut lab = Builder::new();
    let (a, b) = (lab.node(65001), lab.node(65002));
    lab.originate(a, "192.0.2.0/24");
    let link = lab.link(a, b, 1);
    lab.peer(b, link).import = Policy::default();
    let mut sim = lab.start(7);
    sim.run_ms(2_000);
    assert_eq!(sim.status(b).peers[0].received, 1);
    assert_eq!(sim.status(b).peers[0].accepted, 0);
    assert_eq!(sim.best(b, "192.0.2.0/24"), None);
}

/// A conditional summary comes and goes with what it summarises, as a
/// blackhole and as an advertisement.
#[test]
fn a_conditional_summary_follows_its_contributor() {
    let mut lab = Builder::new();
    let (site, edge, cloud) = (lab.node(65001), lab.node(65002), lab.node(65003));
    lab.originate(site, "10.20.1.0/24");
    lab.configs[edge].originate.push(crate::units::Origination {
        prefix: net("10.20.0.0/16"),
        blackhole: true,
        while_known: Some(net("10.20.0.0/16")),
    });
    lab.link(site, edge, 1);
    let link = lab.link(edge, cloud, 1);
    let only = PrefixMatch::exact(net("10.20.0.0/16"));
    lab.peer(edge, link).export = Policy {
        rules: vec![rule(vec![Match::Prefix(vec![only])], vec![])],
    };
    let mut sim = lab.start(8);
    sim.run_ms(3_000);
    assert_eq!(sim.via(edge, "10.20.0.0/16"), Some(vec![]));
    assert!(sim.best(cloud, "10.20.0.0/16").is_some());
    assert_eq!(sim.best(cloud, "10.20.1.0/24"), None);
    sim.carrier(edge, 0, false);
    sim.run_ms(100);
    assert_eq!(sim.via(edge, "10.20.0.0/16"), None);
    assert_eq!(sim.best(cloud, "10.20.0.0/16"), None);
    sim.carrier(edge, 0, true);
    sim.run_ms(2_000);
    assert_eq!(sim.via(edge, "10.20.0.0/16"), Some(vec![]));
    assert!(sim.best(cloud, "10.20.0.0/16").is_some());
}

/// Equal paths share the load, and the loss of one leaves the other.
#[test]
fn equal_paths_are_used_together() {
    let mut lab = dual_homed();
    lab.configs[0].multipath = 2;
    for link in [0, 1] {
        lab.peer(0, link).import = Policy::accept_all();
    }
    let mut sim = lab.start(9);
    sim.run_ms(2_000);
    assert_eq!(sim.via(0, "172.31.0.0/16").unwrap().len(), 2);
    sim.carrier(0, 0, false);
    assert_eq!(
        sim.via(0, "172.31.0.0/16"),
        Some(vec!["10.0.1.2".parse().unwrap()])
    );
}

/// RFC 4760: IPv6 over an IPv4 session, with the next hop the configuration
/// names for it.
#[test]
fn ipv6_travels_over_ipv4() {
    let mut lab = Builder::new();
    let (a, b, c) = (lab.node(65001), lab.node(65002), lab.node(65003));
    lab.originate(a, "2001:db8:a::/48");
    lab.link(a, b, 1);
    lab.link(b, c, 1);
    let dual = vec![Family::Ipv4Unicast, Family::Ipv6Unicast];
    for (node, link, own) in [(a, 0, "::1"), (b, 0, "::2"), (b, 1, "::1"), (c, 1, "::2")] {
        let peer = lab.peer(node, link);
        peer.families.clone_from(&dual);
        peer.next_hop_other_family = Some(format!("2001:db8:{link}{own}").parse().unwrap());
    }
    // The last hop speaks IPv4 only.
    lab.peer(c, 1).families = vec![Family::Ipv4Unicast];
    let mut sim = lab.start(15);
    for node in [a, b, c] {
        for link in [0, 1] {
            sim.connect_subnet(node, link, &format!("2001:db8:{link}::/64"));
        }
    }
    sim.run_ms(2_000);
    let gateway = "2001:db8:0::1".parse().unwrap();
    assert_eq!(sim.via(b, "2001:db8:a::/48"), Some(vec![gateway]));
    assert_eq!(sim.best(c, "2001:db8:a::/48"), None);
    assert_eq!(sim.status(b).peers[1].families, [Family::Ipv4Unicast]);
}

/// A connected subnet needs no gateway, until its interface goes down.
#[test]
fn a_learned_route_waits_while_its_prefix_is_connected() {
    let mut lab = dual_homed();
    lab.originate(1, "192.168.9.0/24");
    let mut sim = lab.start(16);
    sim.connect_subnet(0, 1, "192.168.9.0/24");
    sim.run_ms(2_000);
    assert!(sim.best(0, "192.168.9.0/24").is_some());
    assert_eq!(sim.via(0, "192.168.9.0/24"), None);
    sim.carrier(0, 1, false);
    assert_eq!(
        sim.via(0, "192.168.9.0/24"),
        Some(vec!["10.0.0.2".parse().unwrap()])
    );
    sim.carrier(0, 1, true);
    assert_eq!(sim.via(0, "192.168.9.0/24"), None);
}

/// RFC 1997, RFC 4271 §5.1.4 and §5.1.5: what stays inside an AS.
#[test]
fn communities_med_and_preference_stop_at_the_border() {
    let mut lab = Builder::new();
    let (a, b, c) = (lab.node(65001), lab.node(65002), lab.node(65003));
    lab.originate(a, "192.0.2.0/24");
    lab.originate(a, "198.51.100.0/24");
    let first = lab.link(a, b, 1);
    lab.link(b, c, 1);
    let hidden = PrefixMatch::exact(net("198.51.100.0/24"));
    lab.peer(a, first).export = Policy {
        rules: vec![
            rule(
                vec![Match::Prefix(vec![hidden])],
                vec![Set::AddCommunity(Community::NO_EXPORT)],
            ),
            rule(
                vec![],
                vec![Set::Med(50), Set::Prepend(2), Set::LocalPref(7)],
            ),
        ],
    };
    let mut sim = lab.start(10);
    sim.run_ms(3_000);
    let at_b = sim.best(b, "192.0.2.0/24").unwrap();
    assert_eq!((at_b.med, at_b.local_pref), (Some(50), 100));
    assert_eq!(at_b.as_path, "65001 65001 65001");
    let at_c = sim.best(c, "192.0.2.0/24").unwrap();
    assert_eq!((at_c.med, at_c.local_pref), (None, 100));
    assert_eq!(at_c.as_path, "65002 65001 65001 65001");
    assert!(sim.best(b, "198.51.100.0/24").is_some());
    assert_eq!(sim.best(c, "198.51.100.0/24"), None);
}

/// RFC 4271 §9.2: internal peers form a mesh, for nobody passes on what an
/// internal peer said; and §5.1.3: the next hop stays unless told otherwise.
#[test]
fn internal_routes_are_not_passed_on_and_next_hop_self_makes_them_usable() {
    let mut lab = Builder::new();
    let outside = lab.node(65100);
    let border = lab.node(65001);
    let middle = lab.node(65001);
    let end = lab.node(65001);
    lab.originate(outside, "203.0.113.0/24");
    lab.link(outside, border, 1);
    let inner = lab.link(border, middle, 1);
    lab.link(middle, end, 1);
    let mut sim = lab.start(11);
    sim.run_ms(3_000);
    // The border's outer subnet is not connected at `middle`.
    let rib = sim.status(middle).rib;
    assert!(rib.iter().any(|route| !route.reachable && !route.best));
    assert_eq!(sim.via(middle, "203.0.113.0/24"), None);

    let mut lab = Builder::new();
    for number in [65100, 65001, 65001, 65001] {
        lab.node(number);
    }
    lab.originate(outside, "203.0.113.0/24");
    lab.link(outside, border, 1);
    lab.link(border, middle, 1);
    lab.link(middle, end, 1);
    lab.peer(border, inner).next_hop_self = true;
    let mut sim = lab.start(11);
    sim.run_ms(3_000);
    let best = sim.best(middle, "203.0.113.0/24").unwrap();
    assert_eq!(best.as_path, "65100");
    assert!(sim.via(middle, "203.0.113.0/24").is_some());
    assert_eq!(sim.best(end, "203.0.113.0/24"), None);
}

/// RFC 2918: the whole table again, and nothing changes by it.
#[test]
fn a_refresh_brings_the_whole_table_again() {
    let mut sim = dual_homed().start(12);
    sim.run_ms(2_000);
    let before = sim.status(0).peers[0].messages_in.update;
    sim.take_log(0);
    let family = Family::Ipv4Unicast;
    sim.call(0, |speaker, now| {
        speaker.refresh_peer(super::PeerId(0), family, now)
    });
    sim.run_ms(100);
    assert_eq!(sim.status(1).peers[0].messages_in.route_refresh, 1);
    assert!(sim.status(0).peers[0].messages_in.update > before);
    assert!(
        !sim.take_log(0)
            .iter()
            .any(|step| matches!(step, Step::Fib(_)))
    );
}

/// RFC 4271 §4.2: the lower offer wins at both ends, zero means no timers.
#[test]
fn timers_are_negotiated_to_the_lower() {
    let mut lab = dual_homed();
    lab.peer(0, 0).hold = Span::from_secs(90);
    lab.peer(0, 0).keepalive = Span::from_secs(30);
    lab.peer(1, 0).hold = Span::from_secs(30);
    lab.peer(1, 0).keepalive = Span::from_secs(10);
    lab.peer(0, 1).hold = Span::ZERO;
    let mut sim = lab.start(13);
    sim.run_ms(2_000);
    for node in [0, 1] {
        let peers = sim.status(node).peers;
        assert_eq!(peers[0].hold, Some(Span::from_secs(30)));
        assert_eq!(peers[0].keepalive, Some(Span::from_secs(10)));
        assert_eq!(peers[1].hold, Some(Span::ZERO));
    }
    sim.cut(1);
    sim.run(Duration::from_secs(3_600));
    assert_eq!(sim.state(0, 1), Established);
}

/// Equal seeds, equal histories.
#[test]
fn a_run_can_be_repeated() {
    let history = |seed| {
        let mut sim = dual_homed().start(seed);
        let start = sim.now;
        sim.run_ms(5_000);
        sim.cut(0);
        sim.run_ms(20_000);
        let up = sim.when(0, |event| matches!(event, SpeakerEvent::SessionDown { .. }));
        let counters = sim.status(0).peers[1].messages_out;
        (up.map(|at| at - start), counters)
    };
    assert_eq!(history(77), history(77));
}

#[test]
fn status_and_events_survive_serde() {
    let mut sim = dual_homed().start(14);
    sim.run_ms(2_000);
    let status = sim.status(0);
    let text = serde_json::to_string(&status).unwrap();
    assert!(text.contains("\"Established\""));
    assert_eq!(
        serde_json::from_str::<super::SpeakerStatus>(&text).unwrap(),
        status
    );
    for event in sim.events(0) {
        let text = serde_json::to_string(event).unwrap();
        assert_eq!(serde_json::from_str::<SpeakerEvent>(&text).unwrap(), *event);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the virtual clock needs an epoch"
)]
fn epoch() -> std::time::Instant {
    std::time::Instant::now()
}

mod hostile {
    use proptest::prelude::*;

    use super::super::sim::{Builder, peer_config};
    use super::super::{Action, ConnId, Origin, PeerId, Speaker};
    use super::epoch;
    use crate::proto::bgp::wire::{Open, encode_keepalive};
    use crate::units::{Family, fixture};

    fn framed(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut message = vec![0xFF; 16];
        message.extend_from_slice(&(19 + body.len() as u16).to_be_bytes());
        message.push(kind);
        message.extend_from_slice(body);
        message
    }

    proptest! {
        /// Whatever an established peer sends, nothing panics, and what the
        /// session says at the end is consistent.
        #[test]
        fn no_bytes_break_a_speaker(
            bodies in prop::collection::vec(
                (1_u8..=6, prop::collection::vec(any::<u8>(), 0..60)),
                1..8,
            ),
        ) {
            let now = epoch();
            let mut config = fixture::speaker("n", 65001, "1.1.1.1", Vec::new());
            config.peers.push(peer_config("s0", "10.0.0.1", "10.0.0.2", 65002));
            let mut speaker = Speaker::new(config, 1, now);
            speaker.start(now);
            let conn = ConnId::incoming(0);
            speaker.handle_connected(conn, PeerId(0), Origin::Incoming, now);
            let asn = fixture::asn(65002);
            let open = Open::ours(asn, 9, [2, 2, 2, 2].into(), &[Family::Ipv4Unicast], None);
            speaker.handle_data(conn, &open.encode(), now);
            speaker.handle_data(conn, &encode_keepalive(), now);
            prop_assert_eq!(speaker.status(now).peers[0].state, super::Established);
            for (kind, body) in bodies {
                speaker.handle_data(conn, &framed(kind, &body), now);
            }
            let closed = std::iter::from_fn(|| speaker.poll_action())
                .any(|action| matches!(action, Action::Close { conn: one } if one == conn));
            let status = speaker.status(now);
            prop_assert_eq!(closed, status.peers[0].state != super::Established);
            prop_assert!(!closed || status.rib.is_empty());
        }
    }

    /// Numbers that belong to nothing are ignored.
    #[test]
    fn strangers_are_ignored() {
        let mut sim = Builder::new();
        sim.node(65001);
        let config = sim.configs.remove(0);
        let now = epoch();
        let mut speaker = Speaker::new(config, 1, now);
        speaker.start(now);
        let (conn, peer) = (ConnId::incoming(9), PeerId(9));
        speaker.handle_data(conn, &[1, 2, 3], now);
        speaker.handle_closed(conn, now);
        speaker.handle_connect_failed(ConnId(5), now);
        speaker.handle_bfd(peer, false, now);
        speaker.stop_peer(peer, None, now);
        assert_eq!(speaker.poll_action(), None);
        speaker.handle_connected(conn, peer, Origin::Incoming, now);
        assert_eq!(speaker.poll_action(), Some(Action::Close { conn }));
    }
}
