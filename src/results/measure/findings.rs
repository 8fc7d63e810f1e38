//! What a series of trials shows that none of its trials does by itself.

use super::{
    input::Transition,
    result::{Outage, Parts},
    stats,
    trials::{Distribution, WarningTally},
};

/// What a trial takes beyond detection may be longer than twice the usual by this much.
const STRAGGLES_MS: f64 = 50.0;

/// The findings of every flow and transition, each with the outages of its trials that count.
pub(super) fn of_series<'a>(
    all: impl Iterator<Item = (&'a Distribution, &'a [&'a Outage])>,
) -> Vec<WarningTally> {
    let mut found = Vec::new();
    for (d, outages) in all {
        found.extend(disagreement(d));
        found.extend(stragglers(d, outages));
    }
    found
}

fn name(d: &Distribution) -> String {
    let step = match d.transition {
        Transition::Initial => d.label.clone(),
        Transition::Reversion => format!("restore of {}", d.label),
    };
    format!("{}: {} → {}, {step}", d.probe, d.from, d.to)
}

/// Detection that is not what its timers predict.
fn disagreement(d: &Distribution) -> Option<WarningTally> {
    let fit = d
        .goodness
        .as_ref()
        .filter(|fit| fit.agrees == Some(false))?;
    let predicted = d.predicted.as_ref()?;
    let median = stats::quantile(&stats::sorted(d.detected_ms.clone()), 0.5)?;
    let how = match fit.p_value.filter(|p| *p < 0.001) {
        Some(_) => "p < 0.001".to_owned(),
        None => "p is fine".to_owned(),
    };
    let text = format!(
        "{}: detection (median {median:.0} ms) is not distributed as {} predicts (median {:.0} ms): {how}, {} outside the range; \
         cuts may come in step with the timer, a daemon may time otherwise or add time of its own, or the host starves it: \
         look at the distribution in report.html, at the trials' detection times and at their warnings",
        name(d),
        predicted.timers,
        fit.model_median_ms,
        fit.outside
    );
    Some(WarningTally {
        code: "detection-disagrees".to_owned(),
        text,
        untrusted: false,
        trials: d.trials,
    })
}

/// Trials in which something else than detection took much longer than in the others.
fn stragglers(d: &Distribution, outages: &[&Outage]) -> Option<WarningTally> {
    let seen: Vec<(&Outage, &Parts)> = outages
        .iter()
        .filter_map(|o| Some((*o, o.parts.as_ref()?)))
        .collect();
    let rest = |o: &Outage, parts: &Parts| o.duration_ms - parts.detection_ms - parts.in_flight_ms;
    let usual = seen.iter().map(|(o, parts)| rest(o, parts));
    let usual = stats::quantile(&stats::sorted(usual.collect()), 0.5)?.max(0.0);
    let slow = seen
        .iter()
        .filter(|(o, parts)| rest(o, parts) > 2.0 * usual + STRAGGLES_MS);
    let count = slow.clone().count();
    let (worst, parts) = slow.max_by(|a, b| rest(a.0, a.1).total_cmp(&rest(b.0, b.1)))?;
    let (part, took) = longest(parts, rest(worst, parts));
    let see = match worst.unexplained {
        Some(_) => " (its warning `unexplained` says between what)",
        None => "",
    };
    let text = format!(
        "{}: {count} of {} trials took {STRAGGLES_MS:.0} ms and more longer than their detection and the usual rest ({usual:.1} ms) explain; \
         the longest, {:.0} ms, was noticed after {:.0} ms, and {part} took {took:.0} ms{see}: look at that trial's own report, its warnings and its journal",
        name(d),
        seen.len(),
        worst.duration_ms,
        parts.detection_ms,
    );
    Some(WarningTally {
        code: "slow-trial".to_owned(),
        text,
        untrusted: false,
        trials: count,
    })
}

/// The part of the rest that took most of it; what several interruptions lost is in none of them.
fn longest(parts: &Parts, rest: f64) -> (&'static str, f64) {
    let known = [
        (
            "the news on its way to the node that had to change",
            parts.news_ms.unwrap_or(0.0),
        ),
        ("that node changing its FIB", parts.fib_ms.unwrap_or(0.0)),
        (
            "what is between that and the first packet through",
            parts.first_packet_ms,
        ),
    ];
    let longest = known.into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
    let longest = longest.unwrap_or(("the rest", rest));
    match longest.1 >= rest / 2.0 {
        true => longest,
        false => ("loss apart from that wait", rest),
    }
}
