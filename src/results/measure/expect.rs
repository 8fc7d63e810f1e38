//! The lab file's expectations against what was measured.

use std::collections::BTreeMap;

use super::{
    bar::with_bar,
    further,
    input::{BEFORE, Expectation, RunInput, Transition},
    result::{AlertResult, AtEnd, ExpectResult, Outage, Steady},
    settling::Settling,
    topology::Map,
};
use crate::{
    lab::model::{Bounds, Isolated},
    results::event::FlowLog,
    units::{Percent, Span},
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

pub(super) fn concerns(expectation: &Expectation, outage: &Outage) -> bool {
    outage.probe == expectation.probe
        && outage.label == expectation.label
        && outage.transition == expectation.transition
}

/// Judges one line; every flow of its probe must satisfy it. But traffic does not come back
/// where one way of two does not.
pub(super) fn judge(
    expectation: &Expectation,
    (steady, outages, alerts): (&[Steady], &[Outage], &[AlertResult]),
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
    let at_start: Vec<&Steady> = steady
        .iter()
        .filter(|one| expectation.label == BEFORE && one.probe == expectation.probe)
        .collect();
    let (mut met, mut texts) = if !at_start.is_empty() {
        let verdicts = at_start.iter().map(|one| {
            let mut same = outages.iter().filter(|o| o.flow == one.flow);
            let trusted = same.all(|o| o.trusted);
            judge_start(expectation, one, map).filter(|_| trusted)
        });
        (
            verdicts.reduce(both).flatten(),
            at_start
                .iter()
                .map(|one| describe_start(one) + &further::describe_taken(expectation, one))
                .collect(),
        )
    } else if concerned.is_empty() {
        let what = match expectation.transition {
            Transition::Initial => "did not happen",
            Transition::Reversion => "was not restored",
        };
        let text = format!("not measured: {} {what}", expectation.label);
        (None, vec![text])
    } else {
        let verdicts = concerned.iter().map(|o| judge_one(expectation, o, map));
        let met = if expectation.recovered == Some(false) {
            verdicts.reduce(either).flatten()
        } else {
            verdicts.reduce(both).flatten()
        };
        let texts = concerned.iter().map(|o| {
            describe(o) + &describe_end(expectation, o) + &further::describe(expectation, o)
        });
        (met, texts.collect())
    };
    if let Some(by) = expectation
        .further
        .detected_by
        .filter(|_| !concerned.is_empty())
    {
        met = both(met, further::detected_by(by, &concerned));
    }
    let happened = !(at_start.is_empty() && concerned.is_empty());
    if let Some(wanted) = expectation.alert.filter(|_| happened) {
        met = both(met, Some(raised.iter().any(|alert| alert.alert == wanted)));
        let words: Vec<&str> = raised.iter().map(|alert| alert.alert.word()).collect();
        texts.push(match words.is_empty() {
            true => "no alert".to_owned(),
            false => format!("alert {}", words.join(", ")),
        });
    }
    ExpectResult {
        line: expectation.line,
        text: expectation.text.clone(),
        met,
        measured: texts.join("; "),
    }
}

/// Whether what must not get through did not, from the first packet to the last; and where its
/// flows ended.
pub(super) fn isolated(
    input: &RunInput,
    ended: &BTreeMap<u16, String>,
) -> impl Iterator<Item = ExpectResult> {
    input.isolated.iter().map(|(probe, (line, isolated))| {
        // The first flow is from the first end to the second.
        let flows = input.flows.iter().filter(|flow| flow.probe == *probe);
        let flows = flows.zip(isolated.ways()).filter(|(_, of)| *of);
        let counts: Vec<(&FlowLog, usize, usize)> = flows
            .map(|(flow, _)| {
                (
                    flow,
                    flow.sent.iter().flatten().count(),
                    flow.received.len(),
                )
            })
            .collect();
        let texts = counts.iter().map(|(flow, sent, arrived)| {
            let (from, to) = (&flow.from, &flow.to);
            let ended = ended.get(&flow.id);
            let ended = ended.map_or_else(String::new, |ended| format!(", {ended}"));
            format!("{from} → {to}: {arrived} of {sent} arrived{ended}")
        });
        let none_arrived = counts.iter().all(|(.., arrived)| *arrived == 0);
        let all_tried = !counts.is_empty() && counts.iter().all(|(_, sent, _)| *sent > 0);
        ExpectResult {
            line: *line,
            text: match (isolated, counts.first()) {
                (Isolated::There | Isolated::Back, Some((flow, ..))) => {
                    format!("{probe}: no way to {}", flow.to)
                }
                _ => format!("{probe}: isolated"),
            },
            met: (all_tried || !none_arrived).then_some(none_arrived),
            measured: texts.collect::<Vec<_>>().join("; "),
        }
    })
}

/// One flow missing its mark decides; one unmeasured leaves the line unmeasured.
pub(super) fn both(a: Option<bool>, b: Option<bool>) -> Option<bool> {
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
        .chain(end_within(expectation, outage.at_end.as_ref()))
        .chain([further::interrupted(expectation, outage)])
        .flatten()
        .fold(Some(true), both)
}

/// What was so before the first fault.
fn judge_start(expectation: &Expectation, steady: &Steady, map: &Map<'_>) -> Option<bool> {
    let as_many = expectation.lost.map(|lost| Some(steady.lost == lost));
    std::iter::once(as_many)
        .chain(further::taken(expectation, steady, map))
        .chain([further::fits(expectation, steady).or_else(|| {
            // Expected, and never tried.
            expectation.further.mtu.map(|_| None)
        })])
        .chain(end_within(expectation, Some(&of_steady(steady))))
        .flatten()
        .fold(Some(true), both)
}

fn of_steady(steady: &Steady) -> AtEnd {
    AtEnd {
        window_ms: 0.0,
        settling: Settling::Unknown,
        sent: steady.sent,
        lost: steady.lost,
        delay: steady.delay,
    }
}

fn describe_start(steady: &Steady) -> String {
    let mut text = format!(
        "{} → {}: {} of {} lost",
        steady.from, steady.to, steady.lost, steady.sent
    );
    if let Some(delay) = steady.delay {
        text += &format!(", delay {:.1} ms (p99 {:.1})", delay.p50_ms, delay.p99_ms);
    }
    text
}

/// Whether loss and delay at the end of the transition are within their bounds; `None` where
/// nothing was sent, or arrived, to say so.
fn end_within(expectation: &Expectation, end: Option<&AtEnd>) -> [Option<Option<bool>>; 3] {
    let delay = end.and_then(|end| end.delay);
    let share = |share: Percent| f64::from(share.millionths()) / 1e4;
    [
        expectation
            .loss
            .map(|bounds| Some(within(end?.loss_percent(), bounds, share))),
        expectation
            .delay
            .map(|bounds| Some(within(delay?.p50_ms, bounds, Span::as_millis_f64))),
        expectation
            .delay_p99
            .map(|bounds| Some(within(delay?.p99_ms, bounds, Span::as_millis_f64))),
    ]
}

pub(super) fn within<T>(measured: f64, bounds: Bounds<T>, number: impl Fn(T) -> f64) -> bool {
    let Bounds { at_least, at_most } = bounds;
    let (least, most) = (at_least.map(&number), at_most.map(&number));
    least.is_none_or(|least| measured >= least) && most.is_none_or(|most| measured <= most)
}

/// Loss and delay at the end of the transition, if the expectation asks for them.
fn describe_end(expectation: &Expectation, outage: &Outage) -> String {
    let Some(end) = &outage.at_end else {
        return String::new();
    };
    let mut text = String::new();
    if expectation.loss.is_some() {
        text += &format!(", {:.2} % lost at the end", end.loss_percent());
    }
    let asked = expectation.delay.is_some() || expectation.delay_p99.is_some();
    if let Some(delay) = end.delay.filter(|_| asked) {
        text += &format!(", delay {:.1} ms (p99 {:.1})", delay.p50_ms, delay.p99_ms);
    }
    if let Some(doubt) = end.settling.doubt().filter(|_| !text.is_empty()) {
        text += &format!(" (not settled: {doubt})");
    }
    text
}

fn describe(outage: &Outage) -> String {
    let bound = if outage.recovered { "" } else { "at least " };
    let via = outage.path_after.as_deref().unwrap_or("no path seen");
    let doubt = if outage.trusted { "" } else { " (not trusted)" };
    format!(
        "{} → {}: {bound}{} lost, {} ms, via {via}{doubt}",
        outage.from,
        outage.to,
        outage.lost,
        with_bar(outage.duration_ms, outage.resolution_ms)
    )
}
