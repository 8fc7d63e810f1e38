//! What makes a result untrustworthy, and what that does to expectations.

use super::lab::{self, CUT, Sim, ms};
use crate::results::{
    event::{Event, EventKind},
    measure::*,
};

fn warning<'a>(result: &'a RunResult, code: &str) -> Option<&'a Warning> {
    result.warnings.iter().find(|w| w.code == code)
}

#[test]
fn an_untrusted_result_and_a_missed_wait_are_no_success_without_any_expectation_either() {
    let mut input = lab::clean_silent_cut(false);
    input.expectations.clear();
    assert!(measure(&input).succeeded());
    let mut late = input.clone();
    let missed = EventKind::WaitMissed {
        what: "app: recovered".to_owned(),
        within_ms: 500.0,
    };
    lab::at(&mut late, CUT + ms(500.0), missed);
    let result = measure(&late);
    assert!(result.trusted && !result.succeeded());
    assert_eq!(result.waits_missed[0].what, "app: recovered");
    input.quality.clock_step_ns = 5_000_000;
    let result = measure(&input);
    assert!(!result.trusted && !result.succeeded());
}

fn untrusted(input: &RunInput, code: &str) {
    let result = measure(input);
    assert!(
        warning(&result, code).is_some_and(|w| w.untrusted),
        "{code}: {:?}",
        result.warnings
    );
    assert!(!result.trusted);
    assert_eq!(result.expect[0].met, None, "{code}");
    assert!(result.expectations_missed() > 0);
}

fn only_warned(input: &RunInput, code: &str) {
    let result = measure(input);
    assert!(
        warning(&result, code).is_some_and(|w| !w.untrusted),
        "{code}: {:?}",
        result.warnings
    );
    assert!(result.trusted, "{:?}", result.warnings);
    assert_eq!(result.expectations_missed(), 0, "{code}");
}

#[test]
fn loss_before_the_fault_spoils_the_outage() {
    let mut input = lab::run(false);
    lab::flow(&mut input, 0, |ms| {
        if (-500.0..-495.0).contains(&ms) {
            Sim::Queue
        } else {
            lab::forth(ms, 742)
        }
    });
    lab::flow(&mut input, 1, |ms| lab::forth(ms, 811));
    untrusted(&input, "not-lossless-before");
    let result = measure(&input);
    assert_eq!((result.steady[0].lost, result.outages[0].lost), (5, 742));
    // The other direction was quiet and stays trusted by itself.
    assert!(!result.outages[0].trusted && result.outages[1].trusted);
}

#[test]
fn wires_that_count_otherwise_spoil_the_flow() {
    let mut fewer = lab::clean_silent_cut(false);
    let circuit = fewer
        .wires
        .iter_mut()
        .find(|w| w.link == "circuit" && w.flow == 0)
        .unwrap();
    circuit.cut[0].1 -= 5;
    untrusted(&fewer, "wire-disagrees");
    let result = measure(&fewer);
    assert_eq!(
        (
            result.outages[0].wire_dropped,
            result.outages[0].wire_agrees
        ),
        (737, false)
    );
    assert_eq!(result.flows[0].unaccounted, 5);

    let mut more = lab::clean_silent_cut(false);
    let circuit = more
        .wires
        .iter_mut()
        .find(|w| w.link == "circuit" && w.flow == 0)
        .unwrap();
    circuit.cut.push((4000, 4001));
    untrusted(&more, "wire-disagrees");
    assert_eq!(measure(&more).flows[0].contradicted, 2);

    let mut receiver = lab::clean_silent_cut(false);
    receiver.flows[0]
        .received
        .retain(|a| a.seq != 100 && a.seq != 3500);
    untrusted(&receiver, "wire-disagrees");
}

#[test]
fn a_node_without_a_route_explains_what_it_dropped() {
    let mut input = lab::run(false);
    let fate = |ms: f64| match ms {
        ms if (742.0..780.0).contains(&ms) => Sim::Vanished,
        ms => lab::forth(ms, 742),
    };
    lab::flow(&mut input, 0, fate);
    lab::flow(&mut input, 1, |ms| lab::forth(ms, 811));
    let db = lab::net(false, "172.31.0.0/16", "");
    untrusted(&input, "wire-disagrees");
    lab::fib(&mut input, CUT + ms(741.0), "dc1", db, "");
    lab::fib(&mut input, CUT + ms(779.5), "dc1", db, "backup.1");
    let result = measure(&input);
    assert_eq!(
        (result.outages[0].lost, result.outages[0].node_dropped),
        (780, 38)
    );
    assert!(result.trusted, "{:?}", result.warnings);
}

#[test]
fn late_news_of_a_lost_route_explain_what_the_node_itself_counted() {
    let told = |counted: u64| {
        let mut input = lab::run(false);
        lab::flow(&mut input, 0, |ms| match ms {
            ms if (742.0..780.0).contains(&ms) => Sim::Vanished,
            ms => lab::forth(ms, 742),
        });
        lab::flow(&mut input, 1, |ms| lab::forth(ms, 811));
        let db = lab::net(false, "172.31.0.0/16", "");
        lab::fib(&mut input, CUT + ms(900.0), "dc1", db, "");
        lab::fib(&mut input, CUT + ms(901.0), "dc1", db, "backup.1");
        let drops = NodeDrops {
            no_route: counted,
            ..NodeDrops::default()
        };
        input.node_drops.insert("dc1".to_owned(), drops);
        input
    };
    let result = measure(&told(38));
    assert_eq!(result.outages[0].node_dropped, 38);
    assert!(result.trusted, "{:?}", result.warnings);
    untrusted(&told(37), "wire-disagrees");
}

/// A packet that was held up may be in flight at the cut although it left earlier than the slowest
/// that arrived took.
#[test]
fn packets_in_flight_at_a_cut_are_its_own_where_delays_scatter() {
    let told = |held_up_ns: u64| {
        let mut input = lab::run(false);
        // The usual delay is 5.1 ms.
        lab::flow(&mut input, 0, |ms| match ms {
            ms if (-7.0..0.0).contains(&ms) => Sim::Cut,
            ms => lab::forth(ms, 742),
        });
        lab::flow(&mut input, 1, |ms| lab::forth(ms, 811));
        for arrival in input.flows[0].received.iter_mut().step_by(10) {
            arrival.at += held_up_ns;
        }
        measure(&input)
    };
    assert!(warning(&told(0), "not-lossless-before").is_some());
    let result = told(1_500_000);
    assert!(
        warning(&result, "not-lossless-before").is_none(),
        "{:?}",
        result.warnings
    );
}

/// What vanished between the two ends of a tunnel whose ends counted no drop is nobody's.
#[test]
fn a_tunnels_own_count_explains_what_vanished_in_it_and_no_more() {
    let told = |count: u64, cause: DropCause| {
        let mut input = lab::run(false);
        lab::flow(&mut input, 0, |ms| match ms {
            // Long after the takeover, between one tunnel's ends.
            ms if (1600.0..1627.0).contains(&ms) => Sim::Swallowed,
            ms => lab::forth(ms, 742),
        });
        lab::flow(&mut input, 1, |ms| lab::forth(ms, 811));
        if count > 0 {
            input.tunnel_drops.push(TunnelDrops {
                tunnel: "backup.1".to_owned(),
                node: "vgw".to_owned(),
                reason: "no session".to_owned(),
                count,
                cause,
            });
        }
        input
    };
    untrusted(&told(0, DropCause::Tunnel), "wire-disagrees");
    untrusted(&told(26, DropCause::Tunnel), "wire-disagrees");
    let result = measure(&told(27, DropCause::Tunnel));
    assert!(result.trusted, "{:?}", result.warnings);
    let said = result.warnings.iter().find(|w| w.code == "tunnel-drops");
    assert_eq!(
        said.unwrap().text,
        "27 packets dropped by tunnel `backup.1` at vgw: no session"
    );
    // The host's own doing is named, and the run still not to be trusted.
    let hosts = told(27, DropCause::Host);
    untrusted(&hosts, "tunnel-overflow");
    let result = measure(&hosts);
    assert!(!result.warnings.iter().any(|w| w.code == "wire-disagrees"));
}

/// What is beyond a tunnel's cap is loss and no outage: every fourth packet for a second, long
/// after the takeover. A cap that counted fewer explains no more than that.
#[test]
fn what_is_beyond_a_tunnels_cap_is_loss_and_no_outage() {
    let told = |count: u64| {
        let mut input = lab::run(false);
        lab::flow(&mut input, 0, |ms| match ms {
            ms if (1600.0..2600.0).contains(&ms) && (ms as u64).is_multiple_of(4) => Sim::Swallowed,
            ms => lab::forth(ms, 742),
        });
        lab::flow(&mut input, 1, |ms| lab::forth(ms, 811));
        input.tunnel_drops.push(TunnelDrops {
            tunnel: "backup.1".to_owned(),
            node: "vgw".to_owned(),
            reason: "over its cap of 5 Mbit/s".to_owned(),
            count,
            cause: DropCause::Cap,
        });
        input
    };
    let result = measure(&told(253));
    assert!(result.trusted, "{:?}", result.warnings);
    let outage = &result.outages[0];
    assert_eq!((outage.queue_dropped, outage.lost), (250, 742 + 250));
    assert!((outage.duration_ms - 742.0).abs() < 1e-6);
    let said = warning(&result, "tunnel-cap").unwrap();
    assert_eq!(
        said.text,
        "253 packets dropped by tunnel `backup.1` at vgw: over its cap of 5 Mbit/s"
    );
    untrusted(&told(249), "wire-disagrees");
    // Of the other direction it explains nothing.
    let mut other = told(253);
    other.tunnel_drops[0].node = "dc1".to_owned();
    untrusted(&other, "wire-disagrees");
}

/// Members of a LAG that finds its partner again leave one aggregate before they are in the
/// other.
#[test]
fn a_lag_that_changes_explains_what_its_node_had_no_member_for() {
    let told = |counted: u64, node: &str| {
        let mut input = lab::run(false);
        lab::flow(&mut input, 0, |ms| match ms {
            ms if (742.0..1052.0).contains(&ms) => Sim::Vanished,
            ms => lab::forth(ms, 742),
        });
        lab::flow(&mut input, 1, |ms| lab::forth(ms, 811));
        let lacp = EventKind::Lacp {
            node: node.to_owned(),
            dev: "circuit".to_owned(),
            link: Some("circuit".to_owned()),
            up: true,
        };
        lab::at(&mut input, CUT + ms(1052.0), lacp);
        let drops = NodeDrops {
            no_member: counted,
            ..NodeDrops::default()
        };
        input.node_drops.insert("dc1".to_owned(), drops);
        input
    };
    let result = measure(&told(310, "dc1"));
    assert_eq!(result.outages[0].node_dropped, 310);
    assert!(result.trusted, "{:?}", result.warnings);
    untrusted(&told(309, "dc1"), "wire-disagrees");
    // Another node's LAG explains nothing.
    untrusted(&told(310, "isp"), "wire-disagrees");
}

/// Packets that reach a node which never knew their way: its own counter tells, and the
/// report who and why. What hands nothing on for others does for its own hosts, by the table
/// that is theirs.
#[test]
fn a_node_without_any_way_is_named() {
    let told = |(sim, node): (Sim, &str), counted: u64, table: Option<&str>| {
        let mut input = lab::run(false);
        lab::flow(&mut input, 0, |ms| match ms {
            ms if (742.0..780.0).contains(&ms) => sim,
            ms => lab::forth(ms, 742),
        });
        lab::flow(&mut input, 1, |ms| lab::forth(ms, 811));
        let drops = NodeDrops {
            no_route: counted,
            ..NodeDrops::default()
        };
        input.node_drops.insert(node.to_owned(), drops);
        input.topology.hosts[0].table = table.map(str::to_owned);
        input.topology.no_transit.push(node.to_owned());
        input
    };
    let own = (Sim::Vanished, "dc1");
    let others = (Sim::Refused, "east");
    for (place, table) in [
        (own, None),
        (own, Some("private")),
        (others, Some("private")),
    ] {
        let result = measure(&told(place, 38, table));
        assert!(result.trusted, "{:?}", result.warnings);
        let is_own = place.1 == "dc1";
        let expected = NoWay {
            node: place.1.to_owned(),
            no_transit: !is_own,
            table: table.filter(|_| is_own).map(str::to_owned),
            too_large: false,
            dropped: 38,
        };
        assert_eq!(result.outages[0].no_way, [expected]);
    }
    untrusted(&told(own, 37, None), "wire-disagrees");
}

/// And those that its way on is too narrow for.
#[test]
fn a_node_that_refuses_large_packets_is_named() {
    let told = |counted: u64| {
        let mut input = lab::run(false);
        lab::flow(&mut input, 0, |ms| match ms {
            ms if (742.0..780.0).contains(&ms) => Sim::Vanished,
            ms => lab::forth(ms, 742),
        });
        lab::flow(&mut input, 1, |ms| lab::forth(ms, 811));
        let drops = NodeDrops {
            too_large: counted,
            ..NodeDrops::default()
        };
        input.node_drops.insert("dc1".to_owned(), drops);
        input
    };
    let result = measure(&told(38));
    assert!(result.trusted, "{:?}", result.warnings);
    let [no_way] = result.outages[0].no_way.as_slice() else {
        panic!("one node: {:?}", result.outages[0].no_way);
    };
    assert_eq!((no_way.node.as_str(), no_way.dropped), ("dc1", 38));
    assert!(no_way.too_large && !no_way.no_transit);
    untrusted(&told(37), "wire-disagrees");
}

#[test]
fn a_lags_end_that_does_not_collect_yet_explains_what_came_too_early() {
    let told = |sender: &str, sender_up: f64| {
        let mut input = lab::run(false);
        lab::flow(&mut input, 0, |ms| match ms {
            ms if (742.0..960.0).contains(&ms) => Sim::Refused,
            ms => lab::forth(ms, 742),
        });
        lab::flow(&mut input, 1, |ms| lab::forth(ms, 811));
        let mut lacp = |at: f64, node: &str, up: bool| {
            let (dev, link) = ("c1".to_owned(), Some("circuit".to_owned()));
            let node = node.to_owned();
            lab::at(
                &mut input,
                CUT + ms(at),
                EventKind::Lacp {
                    node,
                    dev,
                    link,
                    up,
                },
            );
        };
        lacp(1.0, "dc1", false);
        lacp(2.0, "east", false);
        lacp(sender_up, sender, true);
        lacp(970.0, "east", true);
        input
    };
    let result = measure(&told("dc1", 741.0));
    assert_eq!(result.outages[0].node_dropped, 218);
    assert!(result.trusted, "{:?}", result.warnings);
    // The end that sends was not ready either, or is another.
    untrusted(&told("dc1", 960.0), "wire-disagrees");
    untrusted(&told("isp", 741.0), "wire-disagrees");
}

#[test]
fn a_node_whose_neighbour_does_not_answer_explains_what_it_dropped() {
    let neighbour = |node: &str, address: &str, reachable| EventKind::Neighbour {
        node: node.to_owned(),
        dev: "circuit".to_owned(),
        link: Some("circuit".to_owned()),
        address: address.parse().unwrap(),
        reachable,
    };
    let told = |node: &str, other_answers: bool| {
        let mut input = lab::run(false);
        lab::flow(&mut input, 0, |ms| match ms {
            ms if (300.0..742.0).contains(&ms) => Sim::Vanished,
            ms => lab::forth(ms, 742),
        });
        lab::flow(&mut input, 1, |ms| lab::forth(ms, 811));
        lab::at(
            &mut input,
            CUT + ms(299.0),
            neighbour(node, "10.0.0.1", false),
        );
        if other_answers {
            lab::at(
                &mut input,
                CUT + ms(320.0),
                neighbour(node, "10.0.0.9", true),
            );
        }
        input
    };
    for other_answers in [false, true] {
        let result = measure(&told("dc1", other_answers));
        let outage = &result.outages[0];
        assert_eq!((outage.lost, outage.wire_dropped), (742, 300));
        assert_eq!((outage.node_dropped, outage.wire_agrees), (442, true));
        let silent = SilentNeighbour {
            node: "dc1".to_owned(),
            address: "10.0.0.1".parse().unwrap(),
            dropped: 442,
        };
        assert_eq!(outage.silent_neighbours, [silent]);
        assert!(result.trusted, "{:?}", result.warnings);
    }
    // What another node's neighbour does explains nothing.
    untrusted(&told("isp", false), "wire-disagrees");
}

/// A route that comes back in a VRF is not the one that the main table lost.
#[test]
fn a_route_of_another_table_is_no_way_out() {
    for (vrf, trusted) in [(None, false), (Some("prod"), true)] {
        let mut input = lab::run(false);
        lab::flow(&mut input, 0, |ms| match ms {
            ms if (742.0..1000.0).contains(&ms) => Sim::Vanished,
            ms => lab::forth(ms, 742),
        });
        lab::flow(&mut input, 1, |ms| lab::forth(ms, 811));
        let db = lab::net(false, "172.31.0.0/16", "");
        lab::fib(&mut input, CUT + ms(741.0), "dc1", db, "");
        lab::fib(&mut input, CUT + ms(780.0), "dc1", db, "other");
        if let Some(Event {
            kind: EventKind::Fib { vrf: of, .. },
            ..
        }) = input.events.last_mut()
        {
            *of = vrf.map(str::to_owned);
        }
        let result = measure(&input);
        assert_eq!(result.trusted, trusted, "{vrf:?}: {:?}", result.warnings);
    }
}

#[test]
fn a_cut_below_a_tunnel_explains_what_vanished_inside_it() {
    let mut input = lab::run(false);
    lab::without_faults(&mut input);
    lab::fault(&mut input, "cut", "silent", "uplink", CUT);
    for id in [0, 1] {
        lab::flow(&mut input, id, |ms| match ms {
            ms if ms < 0.0 => Sim::Backup,
            ms if ms < 400.0 => Sim::Vanished,
            _ => Sim::Prod,
        });
    }
    let result = measure(&input);
    assert_eq!(
        (result.outages[0].lost, result.outages[0].node_dropped),
        (400, 400)
    );
    assert!(result.trusted, "{:?}", result.warnings);
}

#[test]
fn a_dead_end_explains_what_was_sent_into_its_tunnel() {
    let disagrees = |input: &RunInput| {
        let result = measure(input);
        assert!(warning(&result, "wire-disagrees").is_some_and(|w| w.untrusted));
    };
    let mut input = lab::run(false);
    lab::without_faults(&mut input);
    lab::fault(&mut input, "cut", "node", "dc1", CUT);
    for id in [0, 1] {
        // A wire knows probes in the clear; ciphertext it drops without knowing.
        lab::flow(&mut input, id, |ms| match ms {
            ms if ms < 0.0 => Sim::Prod,
            ms if ms < 800.0 || (id == 0 && ms < 1100.0) => Sim::Cut,
            ms if ms < 1100.0 => Sim::Vanished,
            _ => Sim::Prod,
        });
    }
    disagrees(&input);
    let app = lab::net(false, "10.0.0.0/15", "");
    lab::fib(&mut input, CUT + ms(795.0), "vgw", app, "backup");
    lab::fib(&mut input, CUT + ms(1101.0), "vgw", app, "backbone");
    let without = input.clone();
    lab::tunnel(&mut input, CUT + ms(1.0), "dc1", "down");
    let result = measure(&input);
    assert_eq!(
        (result.outages[1].lost, result.outages[1].node_dropped),
        (1100, 300)
    );
    assert!(result.trusted, "{:?}", result.warnings);
    // A tunnel with both ends alive explains nothing.
    disagrees(&without);
    lab::tunnel(&mut input, CUT + ms(900.0), "dc1", "up");
    disagrees(&input);
}

#[test]
fn the_instruments_own_faults_are_named() {
    let quality = |change: fn(&mut Quality)| {
        let mut input = lab::clean_silent_cut(false);
        change(&mut input.quality);
        input
    };
    only_warned(&quality(|q| q.realtime = false), "no-realtime");
    only_warned(&quality(|q| q.capture_drops = 3), "capture-drops");
    only_warned(&quality(|q| q.pacing_p99_us = Some(600.0)), "pacing-late");
    untrusted(&quality(|q| q.clock_step_ns = 5_000_000), "clock-step");
    let fine = measure(&lab::clean_silent_cut(false));
    for code in [
        "no-realtime",
        "capture-drops",
        "pacing-late",
        "clock-step",
        "host-overload",
    ] {
        assert_eq!(warning(&fine, code), None);
    }
}

/// Late links and waiting daemons are worth a word; a stall that can bring BFD
/// (300 ms x 3) down by itself spoils the result.
#[test]
fn a_busy_host_is_told_by_what_it_did() {
    let quality = |change: fn(&mut Quality)| {
        let mut input = lab::clean_silent_cut(false);
        change(&mut input.quality);
        input
    };
    let told = |input: &RunInput| warning(&measure(input), "host-overload").map(|w| w.text.clone());
    let late = quality(|q| q.wire_late_p99_us = Some(1_400.0));
    only_warned(&late, "host-overload");
    assert!(told(&late).is_some_and(|text| text.contains("1.4 ms late")));
    let waited = quality(|q| q.cpu_waited = Some(0.72));
    only_warned(&waited, "host-overload");
    assert!(told(&waited).is_some_and(|text| text.contains("72 % of the run")));
    untrusted(
        &quality(|q| q.wire_late_max_us = Some(600e3)),
        "host-overload",
    );

    let fine = |change: fn(&mut Quality)| assert_eq!(told(&quality(change)), None);
    fine(|q| q.wire_late_p99_us = Some(900.0));
    fine(|q| q.wire_late_max_us = Some(599e3));
    fine(|q| q.cpu_waited = Some(0.4));
    // What the hypervisor takes is told from what runs here; a little of it only beside other reasons.
    let stolen = quality(|q| q.cpu_stolen = Some(0.07));
    only_warned(&stolen, "host-overload");
    assert!(told(&stolen).is_some_and(|text| text.contains("7 % of the processors' time")));
    fine(|q| q.cpu_stolen = Some(0.03));
    let both = quality(|q| (q.cpu_waited, q.cpu_stolen) = (Some(0.72), Some(0.03)));
    assert!(told(&both).is_some_and(|text| text.contains("3 % of the processors' time")));
    assert!(told(&waited).is_some_and(|text| !text.contains("steal")));
    // Without BFD nothing reacts to a stall of that length.
    let mut slow = quality(|q| q.wire_late_max_us = Some(600e3));
    for session in &mut slow.topology.sessions {
        session.bfd = None;
    }
    assert_eq!(told(&slow), None);
}

#[test]
fn a_cut_before_bfd_is_up_measures_something_else() {
    let mut input = lab::clean_silent_cut(false);
    input.events.retain(|e| {
        !(e.at < CUT && matches!(&e.kind, EventKind::Bfd { node, .. } if node == "east"))
    });
    let result = measure(&input);
    assert_eq!(warning(&result, "bfd-not-up"), None);
    lab::bfd(&mut input, CUT - ms(10.0), "east", "Down");
    untrusted(&input, "bfd-not-up");
    input
        .events
        .retain(|e| !(e.at < CUT && matches!(&e.kind, EventKind::Bfd { .. })));
    untrusted(&input, "bfd-not-up");
}

#[test]
fn an_interrupted_run_is_not_trusted_and_the_engines_warnings_are_kept() {
    let mut input = lab::clean_silent_cut(false);
    for event in &mut input.events {
        if let EventKind::RunFinished { outcome } = &mut event.kind {
            *outcome = "interrupted".to_owned();
        }
    }
    untrusted(&input, "interrupted");

    let mut input = lab::clean_silent_cut(false);
    input.quality.realtime = false;
    let said = EventKind::Warning {
        code: "no-realtime".to_owned(),
        text: "as the engine saw it".to_owned(),
        untrusted: false,
    };
    lab::at(&mut input, CUT, said);
    let result = measure(&input);
    let all: Vec<_> = result
        .warnings
        .iter()
        .filter(|w| w.code == "no-realtime")
        .collect();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].text, "as the engine saw it");
}

#[test]
fn what_is_said_of_several_nodes_is_one_line() {
    let mut input = lab::clean_silent_cut(false);
    let said = |text: &str| EventKind::Warning {
        code: "bfd-not-realtime".to_owned(),
        text: text.to_owned(),
        untrusted: false,
    };
    for text in ["dc1: slow", "east: slow", "vgw: slower", "isp: slow"] {
        lab::at(&mut input, CUT, said(text));
    }
    let result = measure(&input);
    let all: Vec<&str> = result
        .warnings
        .iter()
        .filter(|w| w.code == "bfd-not-realtime")
        .map(|w| w.text.as_str())
        .collect();
    assert_eq!(all, ["dc1, east, isp: slow", "vgw: slower"]);
}

#[test]
fn phases_out_of_order_are_reported_as_seen_and_warned_about() {
    let mut input = lab::clean_silent_cut(false);
    for event in &mut input.events {
        if matches!(&event.kind, EventKind::WireBgp { link, .. } if link == "backbone")
            && event.at < CUT + ms(900.0)
        {
            event.at = CUT + ms(804.0);
        }
    }
    // East's BFD event now lies 4.6 ms after the withdrawal it caused: too far to be its cause.
    let result = measure(&input);
    assert_eq!(result.outages[1].phases_ms.detected, None);
    let mut input = lab::clean_silent_cut(false);
    lab::fib(
        &mut input,
        CUT + ms(742.5),
        "dc1",
        lab::net(false, "172.31.0.0/16", ""),
        "backup.1",
    );
    assert!(warning(&measure(&input), "phase-order").is_none());
}

#[test]
fn a_daemon_that_acts_before_its_wire_tells_so_had_noticed_by_then() {
    let mut input = lab::clean_silent_cut(false);
    for event in &mut input.events {
        let late = match &event.kind {
            EventKind::Bfd { node, .. } if node == "dc1" => CUT + ms(740.9),
            EventKind::Bfd { node, .. } if node == "east" => CUT + ms(809.5),
            _ => continue,
        };
        if event.at < CUT + ms(900.0) {
            event.at = late;
        }
    }
    let result = measure(&input);
    let [forth, back] = [&result.outages[0], &result.outages[1]].map(|o| &o.phases_ms);
    assert_eq!(forth.detected, forth.fib);
    assert_eq!(back.detected, back.updated);
    assert!(forth.detected.is_some() && back.detected.is_some());
    assert!(warning(&result, "phase-order").is_none());
}

#[test]
fn a_changed_ttl_on_an_unchanged_path_is_suspicious() {
    let mut input = lab::run(false);
    lab::flow(&mut input, 0, |_| Sim::Prod);
    lab::flow(&mut input, 1, |_| Sim::Prod);
    for arrival in &mut input.flows[0].received {
        if arrival.at > CUT {
            arrival.ttl = 60;
        }
    }
    assert!(warning(&measure(&input), "ttl-disagrees").is_some());
}

#[test]
fn a_missed_expectation_says_what_was_measured() {
    let mut input = lab::clean_silent_cut(false);
    input.expectations[0].outage_max = Some(crate::units::Span::from_millis(800));
    let result = measure(&input);
    assert_eq!(result.expect[0].met, Some(false));
    assert!(
        result.expect[0].measured.contains("811 lost"),
        "{}",
        result.expect[0].measured
    );
    input.expectations[0].outage_max = None;
    input.expectations[0].via = Some("prod".to_owned());
    assert_eq!(measure(&input).expect[0].met, Some(false));
    input.expectations[0].label = "other".to_owned();
    assert_eq!(measure(&input).expect[0].met, None);
}

#[test]
fn what_is_not_to_come_back_is_no_surprise_when_it_stays_away() {
    let mut input = lab::run(false);
    lab::without_faults(&mut input);
    lab::fault(&mut input, "cut", "silent", "circuit", CUT);
    let gone = |ms: f64| if ms < 0.0 { Sim::Prod } else { Sim::Cut };
    lab::flow(&mut input, 0, gone);
    lab::flow(&mut input, 1, gone);
    input.expectations.truncate(1);
    let expect = |recovered| Expectation {
        outage_max: None,
        via: None,
        recovered: Some(recovered),
        ..input.expectations[0].clone()
    };
    let (stays, comes) = (expect(false), expect(true));
    input.expectations = vec![comes];
    let result = measure(&input);
    assert_eq!(result.expect[0].met, Some(false));
    assert!(warning(&result, "not-recovered").is_some());
    input.expectations = vec![stays.clone()];
    let result = measure(&input);
    assert_eq!(result.expect[0].met, Some(true));
    assert!(warning(&result, "not-recovered").is_none());
    // Questions without answers are no traffic that came back.
    let forth = |ms: f64| lab::forth(ms, 742);
    lab::flow(&mut input, 0, forth);
    assert_eq!(measure(&input).expect[0].met, Some(true));
    let mut back = lab::clean_silent_cut(false);
    back.expectations = vec![stays];
    assert_eq!(measure(&back).expect[0].met, Some(false));
}

#[test]
fn trials_become_a_distribution_of_the_trusted() {
    let run = |lost: u32| {
        let mut input = lab::run(false);
        lab::flow(&mut input, 0, |ms| lab::forth(ms, lost));
        lab::flow(&mut input, 1, |ms| lab::forth(ms, lost));
        measure(&input)
    };
    let mut trials: Vec<RunResult> = [610, 700, 750, 800, 890].map(run).into();
    let mut bad = run(100);
    bad.outages[0].trusted = false;
    trials.push(bad);
    let all = distributions(&trials, 0.95);
    let forth = all
        .iter()
        .find(|d| d.from == "app" && d.transition == Transition::Initial)
        .unwrap();
    assert_eq!((forth.trials, forth.left_out), (5, 1));
    assert_eq!(
        (forth.min_ms, forth.median_ms, forth.max_ms),
        (610.0, 750.0, 890.0)
    );
    assert_eq!(forth.median_ci95_ms, None, "five have none");
    trials.push(run(760));
    let all = distributions(&trials, 0.95);
    let mut forth = all.iter().filter(|d| d.from == "app");
    let six = forth.find(|d| d.transition == Transition::Initial).unwrap();
    assert_eq!(six.median_ci95_ms, Some((610.0, 890.0)));
}

#[test]
fn a_result_survives_json() {
    let result = measure(&lab::clean_silent_cut(false));
    let text = serde_json::to_string(&result).unwrap();
    assert_eq!(serde_json::from_str::<RunResult>(&text).unwrap(), result);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["outages"][0]["transition"], "initial");
    assert_eq!(
        value["outages"][0]["phases_ms"]["updated"],
        serde_json::Value::Null
    );
}
