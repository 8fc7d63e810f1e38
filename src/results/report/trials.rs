//! A series of trials on a terminal: how the outages are distributed, and how that fits the
//! timers.

use super::{load, terminal::Page, versions, words};
use crate::{
    lab::model::scaled_words,
    results::{
        measure::{
            Distribution, Ended, ExpectTally, Goodness, Transition, TrialsResult, quantile,
            range_covers, sorted,
        },
        report::Style,
    },
    units::seed_text,
};

/// Trials that did not succeed are named up to this many.
const NAMED: usize = 8;

/// The whole report, with a final newline.
pub fn trials(result: &TrialsResult, style: Style) -> String {
    let mut page = Page::new(style, several(result));
    if let Some(factor) = result.timers_scaled {
        page.line(&scaled_words(factor));
    }
    page.row("trials", &how_many(result));
    if let Some(others) = versions::foreign(&result.daemons) {
        page.wrapped("", &format!("with {others}"));
    }
    if let Some(sittings) = sittings(result) {
        page.wrapped("", &format!("in {sittings}"));
    }
    if let Some(looked) = looked(result) {
        page.wrapped("", &looked);
    }
    for (index, label) in labels(result).into_iter().enumerate() {
        let of: Vec<&Distribution> = result
            .worth_telling()
            .filter(|d| (d.label.as_str(), d.transition) == label)
            .collect();
        if of.is_empty() {
            continue;
        }
        if index > 0 {
            page.gap();
        }
        distributions(label, &of, &mut page);
    }
    if result.worth_telling().any(|d| d.modelled) {
        page.line("  * AWS-internal part modelled; AWS publishes no figure");
    }
    load::terminal_of_trials(result, &mut page);
    page.gap();
    conclude(result, &mut page);
    for w in &result.warnings {
        let weight = if w.untrusted { "untrusted" } else { "warning" };
        let several = match w.trials == result.trials.len() {
            true => String::new(),
            false => format!(" (in {} of {} trials)", w.trials, result.trials.len()),
        };
        page.wrapped(weight, &format!("{}: {}{several}", w.code, w.text));
    }
    page.text
}

/// The transitions in the order in which the first trial met them.
fn labels(result: &TrialsResult) -> Vec<(&str, Transition)> {
    let mut all = Vec::new();
    for outage in result.trials.iter().flat_map(|trial| &trial.outages) {
        let label = (outage.label.as_str(), outage.transition);
        if !all.contains(&label) {
            all.push(label);
        }
    }
    all
}

pub(super) fn several(result: &TrialsResult) -> bool {
    let mut all = result.distributions.iter();
    let first = all.next();
    all.any(|d| first.is_some_and(|first| d.probe != first.probe))
}

pub(super) fn how_many(result: &TrialsResult) -> String {
    let done = result.trials.len();
    let mut text = format!("{done} of {}", result.asked.trials);
    if result.ended == Ended::Precise {
        text = format!("{done}: every median is known well enough");
    }
    if let Ended::Failed(why) = &result.ended {
        text += &format!(", then: {why}");
    }
    match result.ended {
        Ended::Interrupted => text += ", interrupted",
        Ended::Running => text += ", still running",
        Ended::Completed | Ended::Precise | Ended::Failed(_) => {}
    }
    if let Some(jobs) = result.jobs {
        text += &format!(", by {jobs} labs at once");
    }
    let trusted = result.trials.iter().filter(|trial| trial.trusted).count();
    format!(
        "{text}; {trusted} trusted; seed {}",
        seed_text(result.asked.seed)
    )
}

fn distributions((label, transition): (&str, Transition), of: &[&Distribution], page: &mut Page) {
    match transition {
        Transition::Initial => page.row(label, "outages, ms"),
        Transition::Reversion => page.row("restored", &format!("{label}: outages, ms")),
    }
    let head = [
        "probe",
        "trials",
        "min",
        "median (95 % CI)",
        "p90",
        "p95",
        "p99",
        "max",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(of.iter().map(|d| row(d, page.several)));
    page.columns(&rows);
    let mut told: Vec<(Vec<String>, String)> = Vec::new();
    for d in of {
        let name = words::direction(page.several, &d.probe, [&d.from, &d.to]);
        let left_out = (d.left_out > 0).then(|| {
            let n = d.left_out;
            format!("{n} left out: not trusted, not recovered, or begun on another path")
        });
        let more = left_out.into_iter().chain(few(d));
        for text in more.chain(timers(d)).chain(phases(d)) {
            // Flows that waited for the same detection are told together.
            match told.iter_mut().find(|(_, known)| *known == text) {
                Some((names, _)) => names.push(name.clone()),
                None => told.push((vec![name.clone()], text)),
            }
        }
    }
    for (names, text) in told {
        page.wrapped("", &format!("{}  {text}", names.join(", ")));
    }
}

pub(super) fn row(d: &Distribution, several: bool) -> Vec<String> {
    let ms = |value: f64| format!("{value:.0}");
    let median = match d.median_ci95_ms {
        // Of one trial, or of trials that were all alike, there is no interval to show.
        Some((low, high)) if ms(low) != ms(high) => {
            format!("{} ({}-{})", ms(d.median_ms), ms(low), ms(high))
        }
        Some(_) | None => ms(d.median_ms),
    };
    let modelled = if d.modelled { " *" } else { "" };
    let name = words::direction(several, &d.probe, [&d.from, &d.to]);
    let mut row = vec![
        format!("{name}{modelled}"),
        d.trials.to_string(),
        ms(d.min_ms),
        median,
    ];
    row.extend([d.p90_ms, d.p95_ms, d.p99_ms, d.max_ms].map(ms));
    row
}

/// Why there is no interval of the median: how often what was measured holds it at all.
pub(super) fn few(d: &Distribution) -> Option<String> {
    if d.median_ci95_ms.is_some() || d.trials == 0 {
        return None;
    }
    Some(match d.trials {
        1 => "one trial has no interval".to_owned(),
        n => format!(
            "{n} trials are too few for a 95 % interval: the median is between min and max in {:.1} %",
            100.0 * range_covers(n)
        ),
    })
}

/// `the medians were looked at after 10, 15 and 22 trials; 95 % intervals hold at all looks`, of a
/// series that ends when they are known.
pub(super) fn looked(result: &TrialsResult) -> Option<String> {
    let first = result.looks.first()?;
    Some(format!(
        "medians are looked at after {first} trials, then after half as many again, {} looks at most; their 95 % intervals hold at all of them together ({:.2} % each)",
        result.looks.len(),
        100.0 * result.interval_level
    ))
}

/// `2 sittings: 1-7 on 2026-11-22 at 01:02 UTC, 8-20 on 2026-11-23 at 10:00 UTC`, where it was not
/// measured in one go.
pub(super) fn sittings(result: &TrialsResult) -> Option<String> {
    let first = result.sittings.first()?;
    let each = result.sittings.iter().map(|sitting| {
        let (from, to) = (sitting.first_trial, sitting.last_trial);
        let trials = match from == to {
            true => from.to_string(),
            false => format!("{from}-{to}"),
        };
        let mut text = format!("{trials} on {}", words::date(sitting.began_realtime_ns));
        if sitting.version != first.version {
            text += &format!(" by backhoe {}", sitting.version);
        }
        if sitting.kernel != first.kernel {
            text += &format!(" on Linux {}", sitting.kernel);
        }
        text
    });
    let each: Vec<String> = each.collect();
    Some(format!("{} sittings: {}", each.len(), each.join(", ")))
}

/// `detected after 608-899 ms, median 771; 300 ms x 3 predicts 600-904, median 773: agrees
/// (p = 0.41)`.
pub(super) fn timers(d: &Distribution) -> Option<String> {
    let predicted = d.predicted.as_ref()?;
    let min = d.detected_ms.iter().copied().min_by(f64::total_cmp)?;
    let max = d.detected_ms.iter().copied().max_by(f64::total_cmp)?;
    let mut text = format!(
        "detected after {}; {} predicts {}",
        words::range(min.round(), max.round()),
        predicted.timers,
        words::range(predicted.min_ms, predicted.max_ms)
    );
    if let Some(fit) = &d.goodness {
        text += &format!(", median {:.0}: {}", fit.model_median_ms, verdict(fit));
    } else if let Some(model) = predicted.quantiles {
        // Not every daemon jitters its keepalives, so this is shown and not judged.
        let measured = sorted(d.detected_ms.clone());
        let beside = [
            (0.05, model.p5_ms),
            (0.5, model.p50_ms),
            (0.95, model.p95_ms),
        ];
        let beside = beside.into_iter().filter_map(|(q, predicted)| {
            let measured = quantile(&measured, q)?;
            Some(format!("{} % {measured:.0} ({predicted:.0})", q * 100.0))
        });
        let beside: Vec<String> = beside.collect();
        text += &format!("; measured (predicted): {} ms", beside.join(", "));
    }
    Some(text)
}

/// `phases, medians: detection 771, news 0.4, FIB 0.6, first packet 0.5 ms; their sum and the
/// outage differ by 0.2 (median), 0.9 (p99) ms: they add up`.
pub(super) fn phases(d: &Distribution) -> Option<String> {
    let sums = d.phases.as_ref()?;
    let each = [
        ("detection", Some(sums.detection_ms)),
        ("news", sums.news_ms),
        ("FIB", sums.fib_ms),
        ("first packet", Some(sums.first_packet_ms)),
    ];
    let each = each
        .into_iter()
        .filter_map(|(name, ms)| Some(format!("{name} {:.1}", ms?)));
    let each: Vec<String> = each.collect();
    let verdict = match sums.add_up {
        true => "they add up",
        false => "they DO NOT ADD UP",
    };
    let unseen = match sums.unseen {
        0 => String::new(),
        n => format!("; not seen in {n} of {}", n + sums.trials),
    };
    Some(format!(
        "phases, medians: {} ms; their sum and the outage differ by {:.1} (median), {:.1} (p99) ms: {verdict}{unseen}",
        each.join(", "),
        sums.difference_median_ms,
        sums.difference_p99_ms
    ))
}

fn verdict(fit: &Goodness) -> String {
    let mut text = match (fit.agrees, fit.p_value) {
        (Some(agrees), Some(p)) => {
            let word = if agrees { "agrees" } else { "DISAGREES" };
            let p = if p < 0.001 {
                "p < 0.001".to_owned()
            } else {
                format!("p = {p:.3}")
            };
            format!("{word} ({p}, Kolmogorov-Smirnov)")
        }
        _ => "too few trials for a verdict".to_owned(),
    };
    if fit.outside > 0 {
        text += &format!("; {} outside what the timers allow", fit.outside);
    }
    text
}

fn conclude(result: &TrialsResult, page: &mut Page) {
    for tally in &result.expect {
        page.wrapped("expect", &expect(tally, result.trials.len()));
    }
    let bad: Vec<String> = result
        .trials
        .iter()
        .filter(|trial| !trial.succeeded)
        .map(|trial| {
            let codes = trial.warnings.iter().filter(|w| w.untrusted);
            let codes: Vec<&str> = codes.map(|w| w.code.as_str()).collect();
            match codes.is_empty() {
                true => trial.number.to_string(),
                false => format!("{} ({})", trial.number, codes.join(", ")),
            }
        })
        .collect();
    let good = result.succeeded();
    if bad.is_empty() {
        page.row("result", &page.paint("every trial succeeded", good));
        return;
    }
    let more = bad.len().saturating_sub(NAMED);
    let mut text = bad.iter().take(NAMED).cloned().collect::<Vec<_>>();
    if more > 0 {
        text.push(format!("and {more} more"));
    }
    let count = format!("{} of {}", bad.len(), result.trials.len());
    page.wrapped(
        "result",
        &format!("{count} did not succeed: {}", text.join(", ")),
    );
}

pub(super) fn expect(tally: &ExpectTally, trials: usize) -> String {
    let mut text = format!(
        "line {}, {}: met in {} of {trials}",
        tally.line, tally.text, tally.met
    );
    if tally.not_measured > 0 {
        text += &format!(", not measured in {}", tally.not_measured);
    }
    if let Some((number, measured)) = &tally.first_miss {
        text += &format!("; trial {number}: {measured}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::measure::{RunResult, Terms, measure, summarise, tests::lab};

    fn result(n: u32, ended: Ended) -> TrialsResult {
        let mut runs: Vec<RunResult> = (0..n)
            .map(|n| {
                let mut run = measure(&lab::clean_silent_cut(false));
                for outage in &mut run.outages {
                    outage.duration_ms += f64::from(n);
                }
                run
            })
            .collect();
        if let Some(run) = runs.get_mut(1) {
            run.outages[0].recovered = false;
            run.expect[0].met = Some(false);
            "1,200 ms".clone_into(&mut run.expect[0].measured);
        }
        let terms = Terms {
            trials: 5,
            until_ci: None,
            seed: 0x2a,
        };
        summarise(&runs, terms, ended)
    }

    const PLAIN: Style = Style {
        colour: false,
        width: 100,
    };

    #[test]
    fn five_trials_one_of_which_missed() {
        insta::assert_snapshot!(trials(&result(5, Ended::Completed), PLAIN));
    }

    #[test]
    fn a_series_that_could_not_go_on() {
        let why = "after trial 2: after 60 s still waiting for prod: BGP at dc1".to_owned();
        insta::assert_snapshot!(trials(&result(2, Ended::Failed(why)), PLAIN));
    }
}
