//! What each kind of fault must be reported as.

use proptest::prelude::*;

use super::lab::{self, CUT, Sim, ms};
use crate::{
    lab::model::Bounds,
    results::{event::EventKind, measure::*},
    units::Span,
};

fn outages(result: &RunResult) -> [&Outage; 4] {
    let all: Vec<&Outage> = result.outages.iter().collect();
    all.try_into().unwrap()
}

fn near(measured: Option<f64>, expected: f64) -> bool {
    measured.is_some_and(|m| (m - expected).abs() < 0.3)
}

fn codes(result: &RunResult) -> Vec<&str> {
    let mut codes: Vec<&str> = result.warnings.iter().map(|w| w.code.as_str()).collect();
    codes.dedup();
    codes
}

#[test]
fn a_silent_cut_is_told_with_each_directions_own_critical_path() {
    for v6 in [false, true] {
        let result = measure(&lab::clean_silent_cut(v6));
        assert_eq!(codes(&result), ["modelled", "stand-in"]);
        assert!(result.trusted);
        let [forth, back, forth_again, back_again] = outages(&result);
        assert_eq!((forth.lost, back.lost), (742, 811));
        assert_eq!((forth.duration_ms, back.duration_ms), (742.0, 811.0));
        assert_eq!(forth.path_before.as_deref(), Some("prod"));
        assert_eq!(forth.path_after.as_deref(), Some("backup.1"));
        assert_eq!((forth.wire_dropped, forth.wire_agrees), (742, true));
        assert_eq!(forth.pivot.as_deref(), Some("dc1"));
        assert_eq!(back.pivot.as_deref(), Some("vgw"));
        assert!(near(forth.phases_ms.detected, 739.8));
        assert_eq!(forth.phases_ms.updated, None);
        assert!(near(forth.phases_ms.fib, 740.6));
        assert!(near(forth.phases_ms.recovered, 742.2));
        assert!(near(back.phases_ms.detected, 808.6));
        assert!(near(back.phases_ms.updated, 809.3));
        assert!(near(back.phases_ms.fib, 809.9));
        assert!(near(back.phases_ms.recovered, 811.2));
        let steps = |o: &Outage| -> Vec<String> {
            o.critical_path
                .iter()
                .map(|s| format!("{} {}", s.node, s.what))
                .collect()
        };
        assert_eq!(
            steps(forth),
            ["dc1 BFD down", "dc1 FIB", "app first delivered send"]
        );
        assert_eq!(
            steps(back),
            [
                "east BFD down",
                "east withdrawn",
                "vgw FIB",
                "db first delivered send"
            ]
        );
        assert_eq!((forth.modelled, back.modelled), (false, true));
        let predicted = forth.predicted.as_ref().unwrap();
        assert_eq!((predicted.min_ms, predicted.max_ms), (600.0, 904.0));
        assert!(near(forth.additive_backup_delay_ms, 9.1));
        assert_eq!((forth_again.lost, back_again.lost), (0, 0));
        assert_eq!(forth_again.path_after.as_deref(), Some("prod"));
        assert_eq!(result.expectations_missed(), 0, "{:?}", result.expect);
    }
}

#[test]
fn a_shorter_path_overtakes_packets_and_the_count_is_expected() {
    let result = measure(&lab::clean_silent_cut(false));
    let [_, _, forth, back] = outages(&result);
    for outage in [forth, back] {
        assert_eq!((outage.reordered, outage.reordered_expected), (9, 9));
        assert!(near(outage.path_changed_ms, 1400.2));
        assert_eq!(outage.phases_ms.recovered, outage.path_changed_ms);
    }
    assert!(near(forth.phases_ms.detected, 1200.0));
    assert!(near(forth.phases_ms.updated, 1398.0));
    assert!(near(forth.phases_ms.fib, 1399.5));
    let transition = &result.transitions[1];
    assert!(near(transition.bfd_up_ms, 1200.0) && near(transition.bgp_up_ms, 1390.0));
}

/// The session inside AWS is modelled, so what its BFD decided is too, without any news.
#[test]
fn what_awss_own_bfd_noticed_is_modelled() {
    let mut input = lab::run(false);
    lab::without_faults(&mut input);
    lab::fault(&mut input, "cut", "silent", "backbone", CUT);
    lab::flow(&mut input, 0, |ms| lab::forth(ms, 742));
    lab::flow(&mut input, 1, |ms| lab::forth(ms, 811));
    let down = EventKind::Bfd {
        session: "prod-inside".to_owned(),
        node: "vgw".to_owned(),
        state: "Down".to_owned(),
        diagnostic: None,
        detect_us: None,
    };
    lab::at(&mut input, CUT + ms(799.8), down);
    let app = lab::net(false, "10.0.0.0/15", "2001:db8:1::/48");
    lab::fib(&mut input, CUT + ms(809.9), "vgw", app, "backup.1");
    let result = measure(&input);
    let back = &result.outages[1];
    assert!(near(back.phases_ms.detected, 799.8));
    assert!(back.modelled);
}

#[test]
fn packets_on_their_way_to_the_cut_are_the_cuts() {
    let mut input = lab::run(false);
    lab::flow(&mut input, 0, |ms| {
        if (-1.0..742.0).contains(&ms) {
            Sim::Cut
        } else {
            lab::forth(ms, 742)
        }
    });
    lab::flow(&mut input, 1, |ms| {
        if (-4.0..811.0).contains(&ms) {
            Sim::Cut
        } else {
            lab::forth(ms, 811)
        }
    });
    lab::forth_story(&mut input, false);
    lab::back_story(&mut input, false);
    let result = measure(&input);
    let [forth, back, ..] = outages(&result);
    assert_eq!((forth.lost, back.lost), (743, 815));
    assert_eq!(back.loss_periods.len(), 1);
    assert!(near(Some(back.loss_periods[0].start_ms), -3.8));
    assert_eq!(
        (result.steady[1].lost, back.wire_dropped, back.wire_agrees),
        (0, 815, true)
    );
    assert!(result.trusted, "{:?}", result.warnings);
}

#[test]
fn a_node_without_light_drops_what_no_wire_ever_saw() {
    let mut input = lab::run(false);
    lab::without_faults(&mut input);
    lab::fault(&mut input, "cut", "carrier", "circuit", CUT);
    let fate = |ms: f64, lost: f64| match ms {
        ms if ms < 0.0 => Sim::Prod,
        ms if ms < lost => Sim::Vanished,
        _ => Sim::Backup,
    };
    lab::flow(&mut input, 0, |ms| fate(ms, 72.0));
    lab::flow(&mut input, 1, |ms| {
        if ms < 0.0 {
            Sim::Prod
        } else if ms < 122.0 {
            Sim::Cut
        } else {
            Sim::Backup
        }
    });
    let down = |node: &str| EventKind::Carrier {
        node: node.to_owned(),
        dev: "eth1".to_owned(),
        link: Some("circuit".to_owned()),
        up: false,
    };
    lab::at(&mut input, CUT + ms(0.2), down("dc1"));
    lab::fib(
        &mut input,
        CUT + ms(71.0),
        "dc1",
        lab::net(false, "172.31.0.0/16", ""),
        "backup.1",
    );
    let result = measure(&input);
    let forth = &result.outages[0];
    assert_eq!(
        (forth.lost, forth.wire_dropped, forth.node_dropped),
        (72, 0, 72)
    );
    assert!(forth.wire_agrees && result.trusted, "{:?}", result.warnings);
    assert!(near(forth.phases_ms.detected, 0.2) && near(forth.phases_ms.fib, 71.0));
    assert_eq!(forth.predicted, None);
    let back = &result.outages[1];
    assert_eq!(
        (back.lost, back.wire_dropped, back.node_dropped),
        (122, 122, 0)
    );
}

#[test]
fn a_one_way_cut_can_move_the_healthy_direction_without_loss() {
    let mut input = lab::run(false);
    lab::flow(&mut input, 0, |ms| {
        if (0.0..740.0).contains(&ms) {
            Sim::Prod
        } else {
            lab::forth(ms, 740)
        }
    });
    lab::flow(&mut input, 1, |ms| lab::forth(ms, 811));
    lab::forth_story(&mut input, false);
    lab::back_story(&mut input, false);
    let result = measure(&input);
    let forth = &result.outages[0];
    assert_eq!(
        (forth.lost, forth.path_changed, forth.recovered),
        (0, true, true)
    );
    assert!(near(forth.path_changed_ms, 740.2));
    assert!(near(forth.phases_ms.detected, 739.8));
    assert!(moved_without_loss(forth) && forth.trusted);
    assert_eq!(forth.reordered_expected, 0);
}

#[test]
fn an_outage_that_does_not_end_is_a_lower_bound() {
    let mut input = lab::run(false);
    lab::without_faults(&mut input);
    lab::fault(&mut input, "cut", "silent", "circuit", CUT);
    for id in [0, 1] {
        lab::flow(
            &mut input,
            id,
            |ms| if ms < 0.0 { Sim::Prod } else { Sim::Cut },
        );
    }
    let result = measure(&input);
    let forth = &result.outages[0];
    assert_eq!(
        (forth.lost, forth.recovered, forth.path_after.as_deref()),
        (6000, false, None)
    );
    assert_eq!(forth.phases_ms, Phases::default());
    assert!(codes(&result).contains(&"not-recovered"));
    assert_eq!(result.expect[0].met, Some(false));
    assert_eq!(result.expect[1].met, None);
    assert_eq!(result.expectations_missed(), 2);
}

#[test]
fn what_returned_with_the_circuit_belongs_to_the_transition_it_was_sent_in() {
    let mut input = lab::run(false);
    for id in [0, 1] {
        lab::flow(&mut input, id, |ms| {
            if (0.0..3100.0).contains(&ms) {
                Sim::Cut
            } else {
                Sim::Prod
            }
        });
    }
    let result = measure(&input);
    let [initial, _, reversion, _] = outages(&result);
    assert_eq!((initial.lost, initial.recovered), (3000, false));
    assert_eq!((reversion.lost, reversion.recovered), (100, true));
    assert_eq!(reversion.path_after.as_deref(), Some("prod"));
    assert!(near(reversion.phases_ms.recovered, 100.2));
}

/// A cut elsewhere makes AWS end the session: the path itself was never hit.
#[test]
fn a_session_that_a_limit_ends_is_named_with_its_reason() {
    let mut input = lab::run(false);
    lab::without_faults(&mut input);
    lab::fault(&mut input, "cut", "silent", "uplink", CUT);
    for (node, after, reason) in [
        ("east", 351.0, "more than 100 prefixes"),
        (
            "dc1",
            356.0,
            "received Maximum Number of Prefixes Reached (6/1)",
        ),
    ] {
        let kind = EventKind::Session {
            session: "prod".to_owned(),
            node: node.to_owned(),
            state: "Idle".to_owned(),
            reason: Some(reason.to_owned()),
        };
        lab::at(&mut input, CUT + ms(after), kind);
    }
    let gone = |ms: f64| if ms < 352.0 { Sim::Prod } else { Sim::Vanished };
    lab::flow(&mut input, 0, gone);
    lab::flow(&mut input, 1, gone);
    let result = measure(&input);
    for outage in &result.outages {
        assert!(!outage.recovered);
        let [only] = outage.critical_path.as_slice() else {
            panic!("{:?}", outage.critical_path)
        };
        assert_eq!(
            (only.node.as_str(), only.what.as_str()),
            ("east", "ended prod: more than 100 prefixes")
        );
        assert!((only.at_ms - 351.0).abs() < 0.1, "{}", only.at_ms);
    }
    assert_eq!(result.outages.len(), 2);
}

/// The same run, once told as the cut of a link and once as that of a tag that the link carries.
#[test]
fn a_cut_by_tag_is_explained_like_the_cut_of_what_carries_it() {
    for how in ["silent", "carrier"] {
        let told = |links: &[&str], target: &str| {
            let mut input = lab::clean_silent_cut(true);
            // Another session of the same two routers, whose BFD is faster by chance.
            let prod = &input.topology.sessions[0];
            let other = SessionInput {
                name: "other".to_owned(),
                over: "other".to_owned(),
                ..prod.clone()
            };
            input.topology.sessions.push(other);
            for (node, after) in [("dc1", 601.0), ("east", 602.0)] {
                let kind = EventKind::Bfd {
                    session: "other".to_owned(),
                    node: node.to_owned(),
                    state: "Down".to_owned(),
                    diagnostic: None,
                    detect_us: None,
                };
                lab::at(&mut input, CUT + ms(after), kind);
            }
            lab::without_faults(&mut input);
            lab::fault(&mut input, "cut", how, target, CUT);
            lab::restore(&mut input, "cut", how, target, lab::RESTORE);
            for event in &mut input.events {
                if let EventKind::FaultApplied { links: hit, .. }
                | EventKind::FaultRestored { links: hit, .. } = &mut event.kind
                {
                    *hit = links.iter().map(|link| (*link).to_owned()).collect();
                }
            }
            let mut result = measure(&input);
            for outage in &mut result.outages {
                assert_eq!(outage.target, target);
                outage.target.clear();
            }
            (result.outages, result.warnings)
        };
        let by_link = told(&[], "circuit");
        assert!(by_link.0.iter().any(|outage| outage.lost > 0));
        assert!(
            by_link
                .0
                .iter()
                .any(|outage| outage.phases_ms.detected.is_some())
        );
        assert_eq!(
            told(&["backbone", "circuit", "other"], "location:EAST"),
            by_link
        );
    }
}

/// Two faults 30 ms apart, restored 35 ms apart: each transition begins with the path
/// that packets took when it began, be that but 15 ms old, and not with the one before.
#[test]
fn overlapping_faults_restored_together_each_begin_where_the_last_left_off() {
    for (back_ms, one, two) in [
        (4400.0, ["backup.1", "backup.1"], ["backup.1", "prod"]),
        (3020.0, ["backup.1", "prod"], ["prod", "prod"]),
    ] {
        let mut input = lab::run(false);
        lab::without_faults(&mut input);
        lab::fault(&mut input, "one", "silent", "circuit", CUT);
        lab::fault(&mut input, "two", "silent", "backbone", CUT + ms(30.0));
        lab::restore(&mut input, "one", "silent", "circuit", lab::RESTORE);
        let last = lab::RESTORE + ms(35.0);
        lab::restore(&mut input, "two", "silent", "backbone", last);
        for id in [0, 1] {
            lab::flow(&mut input, id, |ms| match ms {
                ms if !(0.0..back_ms).contains(&ms) => Sim::Prod,
                ms if ms < 742.0 => Sim::Cut,
                _ => Sim::Backup,
            });
        }
        let result = measure(&input);
        let forth = result.outages.iter().filter(|outage| outage.flow == 0);
        let told: Vec<_> = forth
            .map(|outage| {
                let path = |path: &Option<String>| path.clone().unwrap_or_default();
                let paths = [path(&outage.path_before), path(&outage.path_after)];
                (outage.lost, outage.path_changed, paths)
            })
            .collect();
        let way = |lost, [before, after]: [&str; 2]| {
            // Nothing was delivered between the two cuts.
            let changed = !after.is_empty() && before != after;
            (lost, changed, [before.to_owned(), after.to_owned()])
        };
        let first = [way(30, ["prod", ""]), way(712, ["prod", "backup.1"])];
        assert_eq!(told[..2], first);
        assert_eq!(told[2..], [way(0, one), way(0, two)], "back {back_ms}");
    }
}

#[test]
fn a_flap_leaves_two_loss_periods() {
    let mut input = lab::run(false);
    let fate = |ms: f64| match ms {
        ms if (0.0..50.0).contains(&ms) || (200.0..260.0).contains(&ms) => Sim::Cut,
        _ => Sim::Prod,
    };
    lab::flow(&mut input, 0, fate);
    lab::flow(&mut input, 1, fate);
    let result = measure(&input);
    let forth = &result.outages[0];
    let lost: Vec<u64> = forth.loss_periods.iter().map(|p| p.lost).collect();
    assert_eq!((forth.lost, lost), (110, vec![50, 60]));
    assert_eq!(
        (forth.loss_periods[1].start, forth.loss_periods[1].end),
        (2200, 2259)
    );
    assert!(near(forth.phases_ms.recovered, 260.2) && !forth.path_changed);
}

#[test]
fn thirty_seven_numbered_drops_are_thirty_seven_and_no_path_change() {
    let mut input = lab::run(false);
    lab::without_faults(&mut input);
    lab::fault(&mut input, "cut", "drop", "circuit", CUT);
    for id in [0, 1] {
        lab::flow(&mut input, id, |ms| {
            if (0.0..37.0).contains(&ms) {
                Sim::Cut
            } else {
                Sim::Prod
            }
        });
    }
    let result = measure(&input);
    for outage in &result.outages {
        assert_eq!(
            (outage.lost, outage.wire_dropped, outage.path_changed),
            (37, 37, false)
        );
        assert_eq!(outage.duration_ms, 37.0);
        assert_eq!(
            (outage.phases_ms.detected, outage.phases_ms.fib),
            (None, None)
        );
    }
    assert!(result.trusted, "{:?}", result.warnings);
}

#[test]
fn unsent_packets_are_neither_sent_nor_lost_and_do_not_split_a_period() {
    let mut input = lab::run(false);
    let fate = |ms: f64| match ms {
        ms if (300.0..320.0).contains(&ms) => Sim::Unsent,
        ms => lab::forth(ms, 742),
    };
    lab::flow(&mut input, 0, fate);
    lab::flow(&mut input, 1, fate);
    let result = measure(&input);
    let forth = &result.outages[0];
    assert_eq!((forth.lost, forth.unsent, forth.sent), (722, 20, 2980));
    assert_eq!(forth.loss_periods.len(), 1);
    assert_eq!(forth.loss_periods[0].lost, 722);
    assert!(codes(&result).contains(&"unsent") && result.trusted);
}

#[test]
fn declared_loss_is_counted_apart_and_does_not_lengthen_an_outage() {
    let mut input = lab::run(false);
    let fate = |ms: f64| match ms {
        ms if (-100.0..-99.0).contains(&ms) || (300.0..301.0).contains(&ms) => Sim::Declared,
        ms if (2000.0..2001.0).contains(&ms) => Sim::Declared,
        ms => lab::forth(ms, 742),
    };
    lab::flow(&mut input, 0, fate);
    lab::flow(&mut input, 1, fate);
    let result = measure(&input);
    let forth = &result.outages[0];
    assert_eq!((forth.lost, forth.lost_declared), (741, 2));
    assert_eq!(
        (forth.loss_periods.len(), result.steady[0].lost_declared),
        (1, 1)
    );
    assert!(near(forth.phases_ms.recovered, 742.2));
    assert!(result.trusted, "{:?}", result.warnings);
}

#[test]
fn copies_are_duplicates_and_not_reordering() {
    let mut input = lab::run(false);
    for id in [0, 1] {
        lab::flow(&mut input, id, |ms| {
            if (10.0..15.0).contains(&ms) {
                Sim::Twice
            } else {
                Sim::Prod
            }
        });
    }
    let result = measure(&input);
    let forth = &result.outages[0];
    assert_eq!((forth.duplicated, forth.reordered, forth.lost), (5, 0, 0));
}

#[test]
fn a_shutdown_by_notification_is_detected_at_the_end_that_shut_down() {
    let mut input = lab::clean_silent_cut(false);
    input
        .events
        .retain(|e| e.at < CUT || e.at > CUT + ms(900.0));
    lab::fault(&mut input, "cut", "bgp-shutdown", "prod", CUT);
    let idle = |node: &str| EventKind::Session {
        session: "prod".to_owned(),
        node: node.to_owned(),
        state: "Idle".to_owned(),
        reason: None,
    };
    lab::at(&mut input, CUT + ms(736.0), idle("east"));
    let notification = EventKind::WireBgp {
        link: "circuit".to_owned(),
        vlan: None,
        from: "east".to_owned(),
        to: "dc1".to_owned(),
        message: "NOTIFICATION".to_owned(),
        announced: Vec::new(),
        withdrawn: Vec::new(),
        code: Some((6, 2)),
        dropped: false,
    };
    lab::at(&mut input, CUT + ms(737.0), notification);
    lab::at(&mut input, CUT + ms(737.5), idle("dc1"));
    lab::fib(
        &mut input,
        CUT + ms(740.6),
        "dc1",
        lab::net(false, "172.31.0.0/16", ""),
        "backup.1",
    );
    let result = measure(&input);
    let forth = &result.outages[0];
    assert!(
        near(forth.phases_ms.detected, 736.0),
        "{:?}",
        forth.phases_ms
    );
    assert!(near(forth.phases_ms.updated, 737.0));
    assert!(near(forth.phases_ms.fib, 740.6));
}

#[test]
fn phases_nobody_saw_are_null() {
    let mut input = lab::run(false);
    lab::flow(&mut input, 0, |ms| lab::forth(ms, 742));
    lab::flow(&mut input, 1, |ms| lab::forth(ms, 811));
    let result = measure(&input);
    let [forth, ..] = outages(&result);
    let phases = forth.phases_ms;
    assert_eq!(
        (phases.detected, phases.updated, phases.fib),
        (None, None, None)
    );
    assert!(near(phases.recovered, 742.2));
    assert_eq!((&forth.predicted, forth.detection_share), (&None, None));
}

#[test]
fn a_later_noise_in_the_fib_is_not_the_phase() {
    let mut input = lab::clean_silent_cut(false);
    let db = lab::net(false, "172.31.0.0/16", "");
    lab::fib(&mut input, CUT + ms(900.0), "dc1", db, "backup.1");
    lab::fib(
        &mut input,
        CUT + ms(100.0),
        "dc1",
        lab::net(false, "192.0.2.0/24", ""),
        "backup.1",
    );
    let result = measure(&input);
    assert!(near(result.outages[0].phases_ms.fib, 740.6));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn any_pattern_of_loss_is_reported_exactly(
        pattern in proptest::collection::vec((1u32..40, 1u32..30), 0..12)
    ) {
        // Runs of loss and of delivery in turn, from the cut on.
        let mut dropped = std::collections::BTreeSet::new();
        let mut truth = Vec::new();
        let mut seq = 2000;
        for (lost, delivered) in pattern {
            truth.push((seq, seq + lost - 1, u64::from(lost)));
            dropped.extend(seq..seq + lost);
            seq += lost + delivered;
        }
        let mut input = lab::run(false);
        for id in [0, 1] {
            lab::flow(&mut input, id, |ms| {
                let seq = (ms + 2000.0).floor() as u32;
                if dropped.contains(&seq) { Sim::Cut } else { Sim::Prod }
            });
        }
        let result = measure(&input);
        for outage in &result.outages[..2] {
            let periods: Vec<_> = outage.loss_periods.iter().map(|p| (p.start, p.end, p.lost)).collect();
            prop_assert_eq!(&periods, &truth);
            prop_assert_eq!(outage.lost, dropped.len() as u64);
            prop_assert_eq!(outage.duration_ms, dropped.len() as f64);
            prop_assert_eq!((outage.wire_dropped, outage.wire_agrees), (outage.lost, true));
        }
        for flow in &result.flows {
            prop_assert_eq!(flow.sent - flow.received, flow.wire_cut);
        }
        prop_assert!(result.trusted);
    }
}

/// Two VIFs share a circuit, and the other one's BFD, which is faster, notices first.
#[test]
fn what_another_vif_of_the_circuit_noticed_is_not_what_this_flow_waited_for() {
    let mut input = lab::clean_silent_cut(false);
    for wire in input.wires.iter_mut().filter(|w| w.link == "circuit") {
        wire.vlan = Some(101);
    }
    let of = |input: &mut RunInput, name: &str| {
        let mut sessions = input.topology.sessions.iter_mut();
        sessions.position(|s| s.name == name).unwrap()
    };
    let prod = of(&mut input, "prod");
    let mut other = input.topology.sessions[prod].clone();
    input.topology.sessions[prod].vlan = Some(101);
    (other.name, other.vlan) = ("other".to_owned(), Some(102));
    input.topology.sessions.push(other);
    let before = measure(&input);
    let says = |vlan: u16, from: &str, state: &str| EventKind::WireBfd {
        link: "circuit".to_owned(),
        vlan: Some(vlan),
        from: from.to_owned(),
        state: state.to_owned(),
        diagnostic: "no diagnostic".to_owned(),
        dropped: false,
    };
    for from in ["dc1", "east"] {
        lab::at(&mut input, lab::START, says(102, from, "Up"));
        lab::at(&mut input, CUT + ms(500.0), says(102, from, "Down"));
    }
    let after = measure(&input);
    let detected = |result: &RunResult| -> Vec<Option<f64>> {
        let outages = result.outages.iter();
        outages.map(|o| o.phases_ms.detected).collect()
    };
    assert_eq!(detected(&before), detected(&after));
    assert!(detected(&after)[0].is_some_and(|ms| ms > 700.0));
    // Before the cut it was seen up by its own packets, not by its neighbour's.
    let warned = |result: &RunResult| result.warnings.iter().any(|w| w.code == "bfd-not-up");
    assert!(warned(&before) && !warned(&after), "{:?}", after.warnings);
    // Its own packets do tell.
    lab::at(&mut input, CUT + ms(510.0), says(101, "dc1", "Down"));
    assert!(detected(&measure(&input))[0].is_some_and(|ms| ms < 511.0));
}

/// After the cut the way is another one, whose queue has no room for every tenth packet.
fn crowded() -> RunInput {
    let mut input = lab::run(false);
    for flow in [0, 1] {
        lab::flow(&mut input, flow, |ms| match ms {
            ms if (0.0..742.0).contains(&ms) => Sim::Cut,
            ms if (742.0..3000.0).contains(&ms) && (ms as u64).is_multiple_of(10) => Sim::Queue,
            ms if (742.0..3000.0).contains(&ms) => Sim::Backup,
            _ => Sim::Prod,
        });
    }
    lab::forth_story(&mut input, false);
    input
}

#[test]
fn what_a_full_queue_drops_is_loss_and_no_outage() {
    let result = measure(&crowded());
    let [forth, _, again, _] = &result.outages[..] else {
        panic!("{:?}", result.outages)
    };
    assert_eq!((forth.lost, forth.queue_dropped), (967, 225));
    assert!((forth.duration_ms - 742.0).abs() < 1e-9, "{forth:?}");
    assert!(forth.recovered && forth.wire_agrees && forth.path_changed);
    // The phases end with the cut's loss, not with the last the queue dropped.
    assert!(forth.phases_ms.recovered.unwrap() < 745.0, "{forth:?}");
    assert_eq!(forth.loss_periods.len(), 1);
    let end = forth.at_end.unwrap();
    assert!((end.loss_percent() - 10.0).abs() < 0.1, "{end:?}");
    assert_eq!((again.lost, again.at_end.unwrap().lost), (0, 0));
    assert!(result.trusted, "{:?}", result.warnings);
}

#[test]
fn expectations_hold_loss_and_delay_to_bounds() {
    let percent = |text: &str| text.parse().unwrap();
    let ms = Span::from_millis;
    let between = |low: &str, high: &str| Bounds {
        at_least: Some(percent(low)),
        at_most: Some(percent(high)),
    };
    let met = |change: &dyn Fn(&mut Expectation)| {
        let mut input = crowded();
        input.expectations.truncate(1);
        input.expectations[0].outage_max = None;
        change(&mut input.expectations[0]);
        let one = &measure(&input).expect[0];
        (one.met, one.measured.clone())
    };
    fn bounds<T>(at_least: Option<T>, at_most: Option<T>) -> Option<Bounds<T>> {
        Some(Bounds { at_least, at_most })
    }
    let (good, said) = met(&|e| e.loss = Some(between("9%", "11%")));
    assert_eq!(good, Some(true), "{said}");
    assert!(said.contains("10.00 % lost at the end"), "{said}");
    assert_eq!(
        met(&|e| e.loss = Some(between("11%", "20%"))).0,
        Some(false)
    );
    assert_eq!(met(&|e| e.loss = Some(between("1%", "9%"))).0, Some(false));
    let delay = |least, most| met(&move |e| e.delay = bounds(Some(ms(least)), Some(ms(most)))).0;
    assert_eq!((delay(14, 15), delay(15, 20)), (Some(true), Some(false)));
    assert_eq!(
        met(&|e| e.delay_p99 = bounds(None, Some(ms(14)))).0,
        Some(false)
    );
    // Before the first fault all was well.
    let start = |e: &mut Expectation| {
        e.label = BEFORE.to_owned();
        // That is of the traffic afterwards.
        e.via = None;
    };
    let quiet = |e: &mut Expectation| {
        start(e);
        (e.lost, e.loss) = (Some(0), bounds(None, Some(percent("0%"))));
        e.delay = bounds(Some(ms(5)), Some(ms(6)));
    };
    assert_eq!(met(&quiet).0, Some(true));
    let lossy = |e: &mut Expectation| {
        start(e);
        e.loss = bounds(Some(percent("1%")), None);
    };
    assert_eq!(met(&lossy).0, Some(false));
}
