//! Overruns and steps of the clock, which say when they were.

use super::lab::{self, CUT, ms};
use crate::results::{event::EventKind, measure::*};

fn warned(input: &mut RunInput, when: u64, code: &str, text: &str) {
    let kind = EventKind::Warning {
        code: code.to_owned(),
        text: text.to_owned(),
        untrusted: code == "clock-step",
    };
    lab::at(input, when, kind);
}

fn texts(input: &RunInput, code: &str) -> Vec<String> {
    let all = measure(input).warnings;
    let of = all.into_iter().filter(|w| w.code == code);
    of.map(|w| w.text).collect()
}

#[test]
fn an_overrun_says_at_which_node_and_when() {
    let mut input = lab::clean_silent_cut(false);
    warned(
        &mut input,
        CUT + ms(412.3),
        "fib-watch-overrun",
        "dc1: missed",
    );
    let wanted = ["dc1: missed (412.3 ms after cut)"];
    assert_eq!(texts(&input, "fib-watch-overrun"), wanted);
    // One burst is one occurrence.
    warned(
        &mut input,
        CUT + ms(600.0),
        "fib-watch-overrun",
        "dc1: missed",
    );
    assert_eq!(texts(&input, "fib-watch-overrun"), wanted);
    warned(
        &mut input,
        CUT - ms(9_000.0),
        "fib-watch-overrun",
        "dc1: missed",
    );
    let wanted = ["dc1: missed (2 times, first before the first fault)"];
    assert_eq!(texts(&input, "fib-watch-overrun"), wanted);
    warned(
        &mut input,
        CUT + ms(1.0),
        "fib-watch-overrun",
        "vgw: missed",
    );
    assert_eq!(texts(&input, "fib-watch-overrun").len(), 2);
    assert!(measure(&input).trusted);
}

#[test]
fn a_step_of_the_clock_says_when_and_spoils_the_run() {
    let mut input = lab::clean_silent_cut(false);
    let text = "the wall clock was stepped by +5.0 ms";
    // Relay and receiver look at different moments.
    warned(&mut input, CUT + ms(300.0), "clock-step", text);
    warned(&mut input, CUT + ms(360.0), "clock-step", text);
    input.quality.clock_step_ns = 5_000_000;
    let wanted = ["the wall clock was stepped by +5.0 ms (300.0 ms after cut)"];
    assert_eq!(texts(&input, "clock-step"), wanted);
    assert!(!measure(&input).trusted);
}
