//! What the lab file expects of background load against what was measured.

use super::{
    expect::{both, within},
    input::{LoadExpectation, Transition},
    load::{LoadPhase, LoadResult},
    result::ExpectResult,
};
use crate::units::{Percent, Rate, Span};

/// Judges one line. What limited the load beside the lab makes it unmeasured.
pub(super) fn judge(expectation: &LoadExpectation, load: &[LoadResult]) -> ExpectResult {
    let (met, measured) = verdict(expectation, load);
    ExpectResult {
        line: expectation.line,
        text: expectation.text.clone(),
        met,
        measured,
    }
}

fn verdict(expectation: &LoadExpectation, load: &[LoadResult]) -> (Option<bool>, String) {
    let Some(load) = load.iter().find(|load| load.load == expectation.load) else {
        return (
            None,
            format!("not measured: {} did not run", expectation.load),
        );
    };
    let is_it = |phase: &&LoadPhase| {
        phase.label == expectation.label && phase.transition == expectation.transition
    };
    let Some(phase) = load.phases.iter().find(is_it) else {
        let what = match expectation.transition {
            Transition::Initial => "did not happen",
            Transition::Reversion => "was not restored",
        };
        return (None, format!("not measured: {} {what}", expectation.label));
    };
    let text = describe(expectation, phase);
    if let Some(why) = &load.limited_by {
        return (None, format!("not measured: {why} ({text})"));
    }
    if !load.trusted {
        return (None, format!("{text} (not trusted)"));
    }
    let loss = phase.udp.as_ref().and_then(|udp| udp.loss_at_end_percent);
    let share = |share: Percent| f64::from(share.millionths()) / 1e4;
    let verdicts = [
        expectation
            .throughput
            .map(|b| Some(within(phase.at_end_bps as f64, b, bps))),
        expectation
            .share
            .map(|b| Some(within(phase.share_of_before_percent?, b, share))),
        expectation
            .stall
            .map(|b| Some(within(phase.longest_stall_ms, b, Span::as_millis_f64))),
        expectation.loss.map(|b| Some(within(loss?, b, share))),
    ];
    let met = verdicts.into_iter().flatten().fold(Some(true), both);
    (met, text)
}

fn bps(rate: Rate) -> f64 {
    rate.bits_per_second() as f64
}

fn describe(expectation: &LoadExpectation, phase: &LoadPhase) -> String {
    let mut text = format!("{:.2} Mbit/s at the end", phase.at_end_bps as f64 / 1e6);
    if let Some(share) = phase.share_of_before_percent {
        text += &format!(", {share:.0} % of before");
    }
    text += &format!(", longest stall {:.0} ms", phase.longest_stall_ms);
    let loss = phase.udp.as_ref().and_then(|udp| udp.loss_at_end_percent);
    if let Some(loss) = loss.filter(|_| expectation.loss.is_some()) {
        text += &format!(", {loss:.2} % lost at the end");
    }
    text
}
