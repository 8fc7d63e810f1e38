//! Interruptions, the mechanism that noticed, and ways before the first fault.

use super::lab::{self, Sim};
use crate::{
    lab::model::{Further, Mechanism},
    results::measure::*,
    units::SessionName,
};

/// What comes of a run's first expectation when it says this and nothing else.
fn judged(input: &mut RunInput, further: Further) -> (Option<bool>, String) {
    input.expectations.truncate(1);
    let one = &mut input.expectations[0];
    (one.outage_max, one.lost, one.via) = (None, None, None);
    one.further = further;
    let result = measure(input);
    (result.expect[0].met, result.expect[0].measured.clone())
}

/// The same before the first fault.
fn at_start(
    input: &mut RunInput,
    via: Option<&str>,
    never: Option<&str>,
) -> (Option<bool>, String) {
    input.expectations.truncate(1);
    let one = &mut input.expectations[0];
    (one.outage_max, one.lost) = (None, None);
    one.label = "start".to_owned();
    one.via = via.map(str::to_owned);
    one.further.never_via = never.map(|name| SessionName::new(name).unwrap());
    let result = measure(input);
    (result.expect[0].met, result.expect[0].measured.clone())
}

/// The cut, with the first flow's packets as they are told.
fn run_with(fate: impl Fn(f64) -> Sim) -> RunInput {
    let mut input = lab::run(false);
    lab::flow(&mut input, 0, fate);
    lab::flow(&mut input, 1, |ms| lab::forth(ms, 811));
    lab::forth_story(&mut input, false);
    lab::back_story(&mut input, false);
    lab::reversion_story(&mut input, false);
    input
}

fn at_most(interruptions: u32) -> Further {
    Further {
        interruptions: Some(interruptions),
        ..Further::default()
    }
}

fn by(mechanism: Mechanism) -> Further {
    Further {
        detected_by: Some(mechanism),
        ..Further::default()
    }
}

#[test]
fn what_hardly_came_through_between_is_one_interruption() {
    let mut input = lab::clean_silent_cut(false);
    let (met, said) = judged(&mut input, at_most(1));
    assert_eq!(met, Some(true), "{said}");
    assert!(said.contains("via backup.1, 1 interruption;"), "{said}");
    assert_eq!(judged(&mut input, at_most(0)).0, Some(false));
    // Delivered for 50 ms, and lost again.
    let once_more = |ms: f64| match ms {
        ms if (792.0..900.0).contains(&ms) => Sim::Cut,
        ms => lab::forth(ms, 742),
    };
    let mut input = run_with(once_more);
    assert_eq!(judged(&mut input, at_most(1)).0, Some(true));
    // And for 200.
    let again = |ms: f64| match ms {
        ms if (942.0..1100.0).contains(&ms) => Sim::Cut,
        ms => lab::forth(ms, 742),
    };
    let mut input = run_with(again);
    let (met, said) = judged(&mut input, at_most(1));
    assert_eq!(met, Some(false), "{said}");
    assert!(said.contains("2 interruptions"), "{said}");
}

#[test]
fn the_mechanism_is_what_the_first_node_noticed_by() {
    let mut input = lab::clean_silent_cut(false);
    let (met, said) = judged(&mut input, by(Mechanism::Bfd));
    assert_eq!(met, Some(true), "{said}");
    assert!(said.contains("detected by bfd"), "{said}");
    for other in [Mechanism::HoldTimer, Mechanism::Carrier] {
        assert_eq!(judged(&mut input, by(other)).0, Some(false));
    }
    // Nobody was seen to notice.
    input
        .events
        .retain(|event| !format!("{:?}", event.kind).contains("Bfd"));
    let (met, said) = judged(&mut input, by(Mechanism::Bfd));
    assert_ne!(met, Some(true), "{said}");
}

#[test]
fn a_single_packet_over_the_backup_is_one_too_many() {
    let mut input = lab::clean_silent_cut(false);
    let (met, said) = at_start(&mut input, Some("prod"), Some("backup"));
    assert_eq!(met, Some(true), "{said}");
    assert!(said.contains("2000 via prod"), "{said}");
    assert_eq!(at_start(&mut input, Some("backup"), None).0, Some(false));
    assert_eq!(at_start(&mut input, None, Some("prod")).0, Some(false));
    let astray = |ms: f64| match ms {
        ms if (-1000.0..-999.0).contains(&ms) => Sim::Backup,
        ms => lab::forth(ms, 742),
    };
    let mut input = run_with(astray);
    let (met, said) = at_start(&mut input, None, Some("backup"));
    assert!(said.contains(", 1 via backup.1"), "{said}");
    assert_eq!(met, Some(false), "{said}");
    assert_eq!(at_start(&mut input, Some("prod"), None).0, Some(false));
}
