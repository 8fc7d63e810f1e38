//! Every way in which a result may be wrong that a reader must be able to rely on: its name, its
//! weight, and what to do about it.

use super::lab::{self, CUT, Sim, ms};
use crate::{
    lab::model::KNOWN_DEFECT,
    results::{
        event::EventKind,
        measure::{Quality, RunInput, measure},
    },
    units::Span,
};

fn quality(change: impl Fn(&mut Quality)) -> RunInput {
    let mut input = lab::clean_silent_cut(false);
    change(&mut input.quality);
    input
}

/// Two packets lost, right behind the cut.
fn two_lost() -> RunInput {
    let mut input = lab::run(false);
    for id in [0, 1] {
        lab::flow(&mut input, id, |at| match (0.0..2.0).contains(&at) {
            true => Sim::Cut,
            false => Sim::Prod,
        });
    }
    input
}

fn limited(limit: Span) -> RunInput {
    let mut input = lab::clean_silent_cut(false);
    input.expectations[0].outage_max = Some(limit);
    input
}

/// No packet lost, and a limit shorter than the time between two packets.
fn unseen() -> RunInput {
    let mut input = limited(Span::from_nanos(900_000));
    for id in [0, 1] {
        input.flows.retain(|flow| flow.id != id);
        lab::flow(&mut input, id, |_| Sim::Prod);
    }
    input
}

fn bfd_down_at_the_cut() -> RunInput {
    let mut input = lab::clean_silent_cut(false);
    lab::bfd(&mut input, CUT - ms(10.0), "dc1", "Down");
    input
}

fn with_defect() -> RunInput {
    let mut input = lab::clean_silent_cut(false);
    let note = format!(
        "{KNOWN_DEFECT}FRR 10.4.1: late; install another release, or name this one with the number"
    );
    input.notes.push(note);
    input
}

/// What the engine says while it happens.
fn said(code: &str, untrusted: bool) -> RunInput {
    let mut input = lab::clean_silent_cut(false);
    let kind = EventKind::Warning {
        code: code.to_owned(),
        text: "said; free the host".to_owned(),
        untrusted,
    };
    lab::at(&mut input, CUT + ms(20.0), kind);
    input
}

#[test]
fn every_way_to_be_wrong_has_a_name_a_weight_and_advice() {
    let cases = [
        (
            quality(|q| q.wire_late_p99_us = Some(1_400.0)),
            "host-overload",
            false,
            "stop other work",
        ),
        (
            quality(|q| q.wire_late_max_us = Some(600e3)),
            "host-overload",
            true,
            "stop other work",
        ),
        (
            quality(|q| q.cpu_waited = Some(0.72)),
            "host-overload",
            false,
            "stop other work",
        ),
        (
            quality(|q| q.pacing_p99_us = Some(600.0)),
            "pacing-late",
            false,
            "lower the probes' rate",
        ),
        (
            quality(|q| q.capture_drops = 3),
            "capture-drops",
            false,
            "free the host",
        ),
        (
            quality(|q| q.clock_step_ns = 5_000_000),
            "clock-step",
            true,
            "stop whatever sets the clock",
        ),
        (
            with_defect(),
            "known-defect",
            false,
            "install another release",
        ),
        (bfd_down_at_the_cut(), "bfd-not-up", true, "wait for BFD"),
        (unseen(), "sampling-coarse", true, "raise the probe's rate"),
        (
            limited(Span::from_nanos(742_500_000)),
            "sampling-coarse",
            false,
            "raise the probe's rate",
        ),
        (
            two_lost(),
            "outage-below-resolution",
            false,
            "raise the probe's rate",
        ),
        (
            said("relay-behind", true),
            "relay-behind",
            true,
            "free the host",
        ),
    ];
    for (input, code, untrusted, advice) in cases {
        let result = measure(&input);
        let found = result.warnings.iter().find(|w| w.code == code);
        let found = found.unwrap_or_else(|| panic!("{code}: {:?}", result.warnings));
        assert_eq!(found.untrusted, untrusted, "{found:?}");
        assert!(found.text.contains(advice), "{found:?}");
        // What invalidates a number makes an expectation of it not measured, and not met.
        if untrusted {
            assert!(!result.trusted && !result.succeeded(), "{code}");
            let of_it = &result.expect[0];
            assert_eq!(of_it.met, None, "{code}: {of_it:?}");
        }
    }
}
