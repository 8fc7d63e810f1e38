//! Reports of synthetic runs, as a user would read them.

use super::*;
use crate::results::{
    event::{Event, EventKind},
    measure::{
        RunInput, measure,
        tests::{
            lab::{self, CUT, Sim, ms},
            load,
        },
    },
};

fn plain(input: &RunInput) -> String {
    let style = Style {
        colour: false,
        width: 100,
    };
    terminal(&measure(input), style)
}

fn run_of(fault: &str, fate: impl Fn(f64) -> Sim + Copy) -> RunInput {
    let mut input = lab::run(false);
    lab::without_faults(&mut input);
    lab::fault(&mut input, "cut", fault, "circuit", CUT);
    input.expectations.truncate(1);
    lab::flow(&mut input, 0, fate);
    lab::flow(&mut input, 1, fate);
    input
}

#[test]
fn a_silent_cut() {
    insta::assert_snapshot!(plain(&lab::clean_silent_cut(false)));
}

#[test]
fn a_silent_cut_of_ipv6() {
    assert_eq!(
        plain(&lab::clean_silent_cut(true)),
        plain(&lab::clean_silent_cut(false))
    );
}

#[test]
fn a_carrier_cut() {
    let mut input = run_of("carrier", |ms| match ms {
        ms if ms < 0.0 => Sim::Prod,
        ms if ms < 72.0 => Sim::Vanished,
        _ => Sim::Backup,
    });
    for (node, at) in [("dc1", 0.2), ("east", 0.3)] {
        let down = EventKind::Carrier {
            node: node.to_owned(),
            dev: "eth1".to_owned(),
            link: Some("circuit".to_owned()),
            up: false,
        };
        lab::at(&mut input, CUT + ms(at), down);
    }
    let app = lab::net(false, "10.0.0.0/15", "");
    let db = lab::net(false, "172.31.0.0/16", "");
    lab::fib(&mut input, CUT + ms(71.4), "dc1", db, "backup.1");
    lab::update(
        &mut input,
        CUT + ms(60.0),
        ("backbone", "east", "vgw"),
        app,
        false,
    );
    lab::fib(&mut input, CUT + ms(61.0), "vgw", app, "");
    lab::fib(&mut input, CUT + ms(71.5), "vgw", app, "backup.1");
    lab::fib(&mut input, CUT + ms(0.4), "vgw", app, "");
    insta::assert_snapshot!(plain(&input));
}

#[test]
fn a_one_way_cut_moves_the_healthy_direction_without_loss() {
    let mut input = lab::run(false);
    lab::without_faults(&mut input);
    lab::fault(&mut input, "cut", "one-way", "circuit", CUT);
    lab::flow(&mut input, 0, |ms| {
        if ms < 740.0 { Sim::Prod } else { Sim::Backup }
    });
    lab::flow(&mut input, 1, |ms| {
        if ms < 0.0 {
            Sim::Prod
        } else if ms < 811.0 {
            Sim::Cut
        } else {
            Sim::Backup
        }
    });
    lab::forth_story(&mut input, false);
    lab::back_story(&mut input, false);
    insta::assert_snapshot!(plain(&input));
}

#[test]
fn an_outage_that_does_not_end() {
    let mut input = run_of("silent", |ms| if ms < 0.0 { Sim::Prod } else { Sim::Cut });
    let missed = EventKind::WaitMissed {
        what: "app: recovered".to_owned(),
        within_ms: 5_000.0,
    };
    lab::at(&mut input, CUT + ms(5_000.0), missed);
    insta::assert_snapshot!(plain(&input));
}

#[test]
fn a_flap() {
    let input = run_of("flap", |ms| {
        if (0.0..50.0).contains(&ms) || (200.0..260.0).contains(&ms) {
            Sim::Cut
        } else {
            Sim::Prod
        }
    });
    insta::assert_snapshot!(plain(&input));
}

#[test]
fn thirty_seven_numbered_drops() {
    let input = run_of("drop", |ms| {
        if (0.0..37.0).contains(&ms) {
            Sim::Cut
        } else {
            Sim::Prod
        }
    });
    insta::assert_snapshot!(plain(&input));
}

#[test]
fn loss_before_the_fault() {
    let mut input = run_of("silent", |ms| match ms {
        ms if (-500.0..-495.0).contains(&ms) => Sim::Queue,
        ms if (300.0..320.0).contains(&ms) => Sim::Unsent,
        ms if ms < 0.0 => Sim::Prod,
        ms if ms < 742.0 => Sim::Cut,
        _ => Sim::Backup,
    });
    lab::forth_story(&mut input, false);
    insta::assert_snapshot!(plain(&input));
}

/// Two probes between the same hosts: only their names tell their rows apart.
fn two_probes() -> RunInput {
    let mut input = lab::clean_silent_cut(false);
    let first = (input.flows.clone(), input.wires.clone());
    for flow in &mut input.flows {
        flow.probe = "web".to_owned();
        flow.id += 2;
    }
    for wire in &mut input.wires {
        wire.flow += 2;
    }
    let mut topology = input.topology.flows.clone();
    for flow in &mut topology {
        flow.flow += 2;
    }
    input.topology.flows.extend(topology);
    input.flows.splice(0..0, first.0);
    input.wires.extend(first.1);
    input
}

#[test]
fn two_probes_between_the_same_hosts_are_told_apart() {
    insta::assert_snapshot!(plain(&two_probes()));
}

#[test]
fn markdown_of_two_probes() {
    insta::assert_snapshot!(markdown(&measure(&two_probes())));
}

#[test]
fn a_cut_without_probes_claims_nothing_about_them() {
    let mut input = lab::clean_silent_cut(false);
    input.flows.clear();
    input.wires.clear();
    input.expectations.clear();
    insta::assert_snapshot!(plain(&input));
    assert!(!markdown(&measure(&input)).contains("| probe |"));
}

#[test]
fn background_load_by_phase() {
    insta::assert_snapshot!(plain(&load::loaded()));
}

#[test]
fn markdown_of_background_load() {
    insta::assert_snapshot!(markdown(&measure(&load::loaded())));
}

#[test]
fn markdown_of_a_silent_cut() {
    insta::assert_snapshot!(markdown(&measure(&lab::clean_silent_cut(false))));
}

#[test]
fn colour_says_nothing_that_words_do_not() {
    let result = measure(&lab::clean_silent_cut(false));
    let coloured = terminal(
        &result,
        Style {
            colour: true,
            width: 100,
        },
    );
    assert!(coloured.contains("\x1b["));
    let mut stripped = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once("\x1b[") {
        stripped.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    stripped.push_str(rest);
    assert_eq!(
        stripped,
        terminal(
            &result,
            Style {
                colour: false,
                width: 100
            }
        )
    );
}

#[test]
fn an_empty_run_is_a_short_report() {
    let mut input = lab::run(false);
    input.events.clear();
    input.topology.tunnels.clear();
    input.topology.sessions.clear();
    input.expectations.clear();
    assert_eq!(
        plain(&input),
        "result     trusted; one trial, no distribution\n"
    );
}

#[test]
fn a_rate_has_its_spread_and_a_link_that_was_not_measured_its_reason() {
    let mut input = lab::run(false);
    let at = input.events[0].at;
    let mut also = |kind| input.events.push(Event { at, kind });
    also(EventKind::LinkMeasured {
        link: "port".to_owned(),
        from: "app".to_owned(),
        to: "s1".to_owned(),
        declared_delay_us: 1000.0,
        delay_p50_us: 1020.0,
        delay_p99_us: 1100.0,
        declared_rate_bps: Some(100_000_000),
        rate_bps: Some(99_400_000),
        rate_plus_minus_bps: Some(350_000),
    });
    also(EventKind::LinkUnmeasured {
        link: "v6".to_owned(),
        why: "switch s2 has no address".to_owned(),
    });
    let text = plain(&input);
    assert!(
        text.contains("port 1 → 1.02 ms 100 → 99.4 ± 0.35 Mbit/s"),
        "{text}"
    );
    assert!(
        text.contains("\n           v6 not measured: switch s2 has no address\n"),
        "{text}"
    );
}

#[test]
fn json_ends_in_a_newline_and_reads_back() {
    let result = measure(&lab::clean_silent_cut(false));
    let text = json(&result).unwrap();
    assert!(text.ends_with("}\n"));
    assert_eq!(
        serde_json::from_str::<crate::results::measure::RunResult>(&text).unwrap(),
        result
    );
}

#[test]
fn a_share_has_no_decimals_but_near_the_whole() {
    let shares = [0.0, 0.504, 0.9892, 0.9904, 0.997_2, 0.999_99, 1.0, 1.2];
    let shown = shares.map(words::share);
    let expected = [
        "0 %", "50 %", "99 %", "99 %", "99.7 %", "99.9 %", "100 %", "100 %",
    ];
    assert_eq!(shown, expected);
}
