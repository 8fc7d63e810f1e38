//! What the instrument's own calibration says of a result.

use super::lab::{self, CUT, START, Sim};
use crate::{
    results::{event::EventKind, measure::*},
    units::Span,
};

fn warned(input: &RunInput, code: &str) -> Option<bool> {
    let result = measure(input);
    let found = result.warnings.iter().find(|w| w.code == code);
    found.map(|w| w.untrusted)
}

fn calibrated(lost: u64, delay_p99_us: f64) -> RunInput {
    let mut input = lab::clean_silent_cut(false);
    let kind = EventKind::Calibrated {
        sent: 1000,
        lost,
        pacing_p99_us: 40.0,
        delay_p50_us: 20.0,
        delay_p99_us,
    };
    lab::at(&mut input, START - 3_900_000_000, kind);
    input
}

#[test]
fn an_instrument_that_loses_packets_of_its_own_cannot_be_trusted() {
    let lossy = calibrated(1, 25.0);
    assert_eq!(warned(&lossy, "instrument-loss"), Some(true));
    assert_eq!(measure(&lossy).expect[0].met, None);
    assert_eq!(warned(&calibrated(0, 25.0), "instrument-loss"), None);
}

#[test]
fn an_instrument_that_is_late_is_warned_of() {
    assert_eq!(
        warned(&calibrated(0, 1_300.0), "instrument-late"),
        Some(false)
    );
    assert_eq!(warned(&calibrated(0, 900.0), "instrument-late"), None);
}

#[test]
fn a_link_off_its_declared_delay_is_named() {
    let measured = |delay_p50_us: f64| {
        let mut input = lab::clean_silent_cut(false);
        let kind = EventKind::LinkMeasured {
            link: "edge".to_owned(),
            from: "isp".to_owned(),
            to: "vgw".to_owned(),
            declared_delay_us: 2_000.0,
            delay_p50_us,
            delay_p99_us: 4_000.0,
            declared_rate_bps: None,
            rate_bps: None,
            rate_plus_minus_bps: None,
        };
        lab::at(&mut input, START - 3_000_000_000, kind);
        input
    };
    assert_eq!(warned(&measured(3_200.0), "link-off"), Some(false));
    assert_eq!(warned(&measured(3_000.0), "link-off"), None);
}

#[test]
fn a_limit_finer_than_the_gap_between_probes_is_not_measured() {
    let limited = |micros: u64| {
        let mut input = lab::clean_silent_cut(false);
        input.expectations[0].outage_max = Some(Span::from_micros(micros));
        input
    };
    // Whatever hides between two packets, 742 ms are beyond it.
    assert_eq!(warned(&limited(900), "sampling-coarse"), None);
    assert_eq!(measure(&limited(900)).expect[0].met, Some(false));
    let mut nothing_lost = limited(900);
    for id in [0, 1] {
        nothing_lost.flows.retain(|flow| flow.id != id);
        lab::flow(&mut nothing_lost, id, |_| Sim::Prod);
    }
    assert_eq!(warned(&nothing_lost, "sampling-coarse"), Some(true));
    assert_eq!(measure(&nothing_lost).expect[0].met, None);
    // 742 and 811 were lost at 1000 a second.
    assert_eq!(warned(&limited(811_500), "sampling-coarse"), Some(false));
    assert_eq!(measure(&limited(811_500)).expect[0].met, Some(true));
    assert_eq!(warned(&limited(1_200_000), "sampling-coarse"), None);
}

#[test]
fn packets_sent_late_around_the_loss_widen_the_error_bar_by_as_much() {
    let mut input = lab::clean_silent_cut(false);
    let exact = measure(&input).outages[0].clone();
    assert!((exact.resolution_ms - 1.0).abs() < 1e-6, "{exact:?}");
    let end = exact.loss_periods[0].end as usize;
    // The first to get through left 5 ms late, and so did those behind it.
    let flow = &mut input.flows[0];
    for sent in flow.sent.iter_mut().skip(end + 1).take(6).flatten() {
        *sent += 5_000_000;
    }
    let late = measure(&input).outages[0].clone();
    assert_eq!(late.lost, exact.lost);
    assert!((late.resolution_ms - 6.0).abs() < 1e-6, "{late:?}");
}

/// A sender that has to wait while everything is dropped loses nothing and notices nothing: the bar
/// of the outage that was not seen is as long as the pause.
#[test]
fn a_pause_of_the_sender_that_hides_an_outage_is_its_error_bar() {
    let mut input = lab::run(false);
    for id in [0, 1] {
        lab::flow(&mut input, id, |_| Sim::Prod);
    }
    let exact = measure(&input).outages[0].clone();
    assert_eq!(exact.lost, 0);
    assert!((exact.resolution_ms - 1.0).abs() < 1e-6, "{exact:?}");
    // What was due in the 8 ms from the fault on left behind them.
    for sent in input.flows[0].sent.iter_mut().flatten() {
        if (CUT..CUT + 8_000_000).contains(sent) {
            *sent = CUT + 8_000_000;
        }
    }
    let paused = measure(&input).outages[0].clone();
    assert_eq!(paused.lost, 0);
    assert!(paused.resolution_ms > 8.0, "{paused:?}");
}
