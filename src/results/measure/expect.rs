//! The lab file's expectations against what was measured.

use super::{
    input::{Expectation, Transition},
    result::{AlertResult, ExpectResult, Outage},
    topology::Map,
};

/// Whether the file says that what `outage` hit does not come back before the transition ends.
pub(super) fn is_to_stay_away(expectations: &[Expectation], outage: &Outage) -> bool {
    expectations
        .iter()
        .any(|e| concerns(e, outage) && e.recovered == Some(false))
}

fn is_raised(expectation: &Expectation, alert: &AlertResult) -> bool {
    let of_probe = alert
        .probe
        .as_ref()
        .is_none_or(|probe| *probe == expectation.probe);
    of_probe && alert.label == expectation.label && alert.transition == expectation.transition
}

fn concerns(expectation: &Expectation, outage: &Outage) -> bool {
    outage.probe == expectation.probe
        && outage.label == expectation.label
        && outage.transition == expectation.transition
}

/// Judges one line; every flow of its probe must satisfy it. But traffic does not come back
/// where one way of two does not.
pub(super) fn judge(
    expectation: &Expectation,
    (outages, alerts): (&[Outage], &[AlertResult]),
    map: &Map<'_>,
) -> ExpectResult {
    let raised: Vec<&AlertResult> = alerts
        .iter()
        .filter(|alert| is_raised(expectation, alert))
        .collect();
    let concerned: Vec<&Outage> = outages
        .iter()
        .filter(|o| concerns(expectation, o))
        .collect();
    let (met, measured) = if concerned.is_empty() {
        let what = match expectation.transition {
            Transition::Initial => "did not happen",
            Transition::Reversion => "was not restored",
        };
        (None, format!("not measured: {} {what}", expectation.label))
    } else {
        let verdicts = concerned.iter().map(|o| judge_one(expectation, o, map));
        let mut met = if expectation.recovered == Some(false) {
            verdicts.reduce(either).flatten()
        } else {
            verdicts.reduce(both).flatten()
        };
        let mut texts: Vec<String> = concerned.iter().map(|o| describe(o)).collect();
        if let Some(wanted) = expectation.alert {
            met = both(met, Some(raised.iter().any(|alert| alert.alert == wanted)));
            let words: Vec<&str> = raised.iter().map(|alert| alert.alert.word()).collect();
            texts.push(match words.is_empty() {
                true => "no alert".to_owned(),
                false => format!("alert {}", words.join(", ")),
            });
        }
        (met, texts.join("; "))
    };
    ExpectResult {
        line: expectation.line,
        text: expectation.text.clone(),
        met,
        measured,
    }
}

/// One flow missing its mark decides; one unmeasured leaves the line unmeasured.
fn both(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (None, _) | (_, None) => None,
        (Some(true), Some(true)) => Some(true),
    }
}

/// One flow that stays away decides; one unmeasured leaves the line unmeasured.
fn either(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (None, _) | (_, None) => None,
        (Some(false), Some(false)) => Some(false),
    }
}

fn judge_one(expectation: &Expectation, outage: &Outage, map: &Map<'_>) -> Option<bool> {
    if !outage.trusted {
        return None;
    }
    let short_enough = expectation.outage_max.map(|max| {
        if outage.duration_ms > max.as_millis_f64() {
            Some(false)
        } else {
            // What was lost so far fits, but the end was not seen.
            outage.recovered.then_some(true)
        }
    });
    let as_many = expectation.lost.map(|lost| match outage.lost.cmp(&lost) {
        std::cmp::Ordering::Greater => Some(false),
        _ if !outage.recovered => None,
        order => Some(order.is_eq()),
    });
    let via = expectation
        .via
        .as_deref()
        .map(|via| (!outage.hops_after.is_empty()).then(|| map.goes_via(&outage.hops_after, via)));
    let recovered = expectation
        .recovered
        .map(|recovered| Some(outage.recovered == recovered));
    [short_enough, as_many, via, recovered]
        .into_iter()
        .flatten()
        .fold(Some(true), both)
}

fn describe(outage: &Outage) -> String {
    let bound = if outage.recovered { "" } else { "at least " };
    let via = outage.path_after.as_deref().unwrap_or("no path seen");
    let doubt = if outage.trusted { "" } else { " (not trusted)" };
    format!(
        "{} → {}: {bound}{} lost, {:.0} ± {:.0} ms, via {via}{doubt}",
        outage.from, outage.to, outage.lost, outage.duration_ms, outage.resolution_ms
    )
}
