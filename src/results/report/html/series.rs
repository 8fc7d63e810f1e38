//! The page of a series of trials.

use serde::Serialize;

use super::{
    gantt, load,
    markup::Markup,
    page, parts, sums,
    table::{Cell, Column, Table},
    traffic::rounded,
};
use crate::results::{
    measure::{
        Distribution, Ended, Outage, Phases, RunResult, Transition, TrialOutage, TrialsResult,
        predicted_curve, quantile, sorted,
    },
    report::{
        trials::{looked, several},
        words,
    },
};

/// More directions than this are told by the worst of them, and the table.
const TILES: usize = 6;
/// Values further from the middle half than this many times its width are outliers (Tukey).
const FENCE: f64 = 1.5;

/// What the page's script draws.
#[derive(Debug, Serialize)]
struct Charts {
    kind: &'static str,
    distributions: Vec<Chart>,
}

/// One flow in one transition.
#[derive(Debug, Serialize)]
struct Chart {
    name: String,
    /// Outages of trials that count, ascending.
    outages_ms: Vec<f64>,
    /// When they were detected, ascending.
    detected_ms: Vec<f64>,
    /// What the timers predict for that: milliseconds and probability.
    predicted: Option<Vec<(f64, f64)>>,
    /// Every trial: its number, its outage, and 0: counted, 1: an outlier, 2: left out.
    values: Vec<(u32, f64, u8)>,
    /// Of every trial the ends of its phases, absolute; a phase that was not seen ends where the
    /// one before does.
    phases: Vec<(u32, [f64; 4])>,
}

/// A self-contained page about many runs of one scenario, as [`html`](super::html) is of one.
/// `trials` are the trials in order, `picture` the lab as an SVG.
pub fn html_of_series(
    result: &TrialsResult,
    trials: &[RunResult],
    picture: Option<&str>,
) -> String {
    let mut body = Markup::default();
    header(result, trials, &mut body);
    body.raw("<main>\n");
    let told: Vec<(usize, &Distribution)> = worth_telling(result);
    let several = several(result);
    verdict(result, &told, several, &mut body);
    expectations(result, &mut body);
    warnings(result, &mut body);
    parts::picture(picture, &mut body);
    let charts = Charts {
        kind: "series",
        distributions: told
            .iter()
            .map(|(_, d)| chart(d, result, trials, name(several, d)))
            .collect(),
    };
    distributions(&told, &charts, several, &mut body);
    load::of_series(result, &mut body);
    trial_table(result, several, &mut body);
    body.raw("</main>\n");
    parts::footer(&mut body);
    let data = serde_json::to_string(&charts).unwrap_or_default();
    page::write(&format!("{}: backhoe trials", result.lab), &body, &data)
}

fn worth_telling(result: &TrialsResult) -> Vec<(usize, &Distribution)> {
    let told = |d: &Distribution| d.transition == Transition::Initial || d.max_ms > 0.0;
    let all = result.distributions.iter().enumerate();
    all.filter(|(_, d)| told(d)).collect()
}

/// `app → db, cut`.
fn name(several: bool, d: &Distribution) -> String {
    let flow = words::direction(several, &d.probe, [&d.from, &d.to]);
    match d.transition {
        Transition::Initial => format!("{flow}, {}", d.label),
        Transition::Reversion => format!("{flow}, restore of {}", d.label),
    }
}

fn header(result: &TrialsResult, trials: &[RunResult], page: &mut Markup) {
    parts::header(&result.lab, "a series of trials", page);
    page.raw("<dl class=\"facts\">\n");
    let first = trials.first().and_then(|run| run.transitions.first());
    if let Some(ns) = first.and_then(|t| t.realtime_ns) {
        page.fact("date", &words::date(ns));
    }
    parts::releases(
        result.version.as_deref(),
        (result.kernel.as_deref(), &result.daemons),
        Some(result.asked.seed),
        result.timers_scaled,
        page,
    );
    let done = result.trials.len();
    let mut told = format!("{done} of {}", result.asked.trials);
    match &result.ended {
        Ended::Completed => {}
        Ended::Precise => told = format!("{done}: every median is known well enough"),
        Ended::Interrupted => told += ", interrupted",
        Ended::Running => told += ", still running",
        Ended::Failed(why) => told += &format!(", then: {why}"),
    }
    page.fact("trials", &told);
    if let Some(looked) = looked(result) {
        page.fact("looks", &looked);
    }
    let mut faults: Vec<String> = Vec::new();
    for t in trials
        .first()
        .map(|run| run.transitions.as_slice())
        .unwrap_or_default()
    {
        if t.transition == Transition::Initial {
            faults.push(format!("{}: {}, {}", t.label, t.target, t.fault));
        }
    }
    page.fact("faults, as applied", &faults.join("; "));
    page.raw("</dl>\n</header>\n");
}

fn verdict(
    result: &TrialsResult,
    told: &[(usize, &Distribution)],
    several: bool,
    page: &mut Markup,
) {
    page.raw("<section aria-labelledby=\"verdict\">\n<h2 id=\"verdict\">Verdict</h2>\n<p class=\"badges\">");
    let all = result.trials.len();
    let good = result.trials.iter().filter(|t| t.succeeded).count();
    let trusted = result.trials.iter().filter(|t| t.trusted).count();
    let text = format!("{good} of {all} trials succeeded");
    parts::badge(result.succeeded(), [&text, &text], page);
    let text = format!("{trusted} of {all} trusted");
    parts::badge(trusted == all, [&text, &text], page);
    for (_, d) in told {
        if let Some(agrees) = d.goodness.as_ref().and_then(|g| g.agrees) {
            let name = name(several, d);
            let [yes, no] = ["detection as predicted", "detection NOT as predicted"];
            let [yes, no] = [yes, no].map(|text| format!("{name}: {text}"));
            parts::badge(agrees, [&yes, &no], page);
        }
    }
    page.raw("</p>\n<div class=\"tiles\">\n");
    let faults = told
        .iter()
        .filter(|(_, d)| d.transition == Transition::Initial);
    let mut faults: Vec<&Distribution> = faults.map(|(_, d)| *d).collect();
    if faults.len() > TILES {
        faults.sort_by(|a, b| b.median_ms.total_cmp(&a.median_ms));
        faults.truncate(TILES);
    }
    for d in faults {
        page.raw("<div class=\"tile\"><p class=\"what\">")
            .text(&name(several, d));
        page.raw("</p><p class=\"figure\">")
            .text(&format!("{:.0} ms", d.median_ms));
        page.raw(" <span class=\"dim\">median");
        page.raw(if d.modelled { " *" } else { "" })
            .raw("</span></p><p class=\"dim\">");
        match d.median_ci95_ms {
            Some((low, high)) => page.text(&format!("95 % interval {low:.0}-{high:.0}; ")),
            None => page.text("too few trials for an interval; "),
        };
        page.text(&format!(
            "range {:.0}-{:.0}, p95 {:.0}",
            d.min_ms, d.max_ms, d.p95_ms
        ));
        page.raw("</p></div>\n");
    }
    page.raw("</div>\n");
    if told.iter().any(|(_, d)| d.modelled) {
        page.raw("<p class=\"dim\">* goes through a part of AWS that is modelled; AWS publishes no figure.</p>\n");
    }
    page.raw("</section>\n");
}

fn expectations(result: &TrialsResult, page: &mut Markup) {
    const COLUMNS: &[Column] = &[
        Column::numbers("line").of("line"),
        Column::words("expectation").of("text"),
        Column::numbers("met").of("met"),
        Column::numbers("missed").of("missed"),
        Column::numbers("not measured").of("not_measured"),
        Column::words("first miss"),
    ];
    let mut table = Table::new(
        "Expectations of the lab file, in trials",
        "/expect",
        COLUMNS,
    );
    for (index, e) in result.expect.iter().enumerate() {
        let miss = e.first_miss.as_ref();
        let miss = miss.map_or_else(|| "–".to_owned(), |(n, text)| format!("trial {n}: {text}"));
        let counts = [e.met, e.missed, e.not_measured].map(|n| Cell::count(n as u64));
        let mut cells = vec![Cell::count(u64::from(e.line)), Cell::text(&e.text)];
        cells.extend(counts);
        cells.push(Cell::text(miss));
        table.row(index, cells);
    }
    if table.is_empty() {
        return;
    }
    page.raw(
        "<section aria-labelledby=\"expectations\">\n<h2 id=\"expectations\">Expectations</h2>\n",
    );
    table.write(page);
    page.raw("</section>\n");
}

fn warnings(result: &TrialsResult, page: &mut Markup) {
    let all = result.trials.len();
    let told = result.warnings.iter().map(|w| {
        let text = match w.trials == all {
            true => w.text.clone(),
            false => format!("{} (in {} of {all} trials)", w.text, w.trials),
        };
        (w.code.as_str(), text, w.untrusted)
    });
    parts::told_warnings(told, page);
}

fn is_of(d: &Distribution, o: &TrialOutage) -> bool {
    (&d.probe, &d.from, &d.to, &d.label, d.transition)
        == (&o.probe, &o.from, &o.to, &o.label, o.transition)
}

fn chart(d: &Distribution, result: &TrialsResult, trials: &[RunResult], name: String) -> Chart {
    let outages = sorted(d.durations_ms.iter().copied().map(rounded).collect());
    let [low, high] = [0.25, 0.75].map(|q| quantile(&outages, q).unwrap_or_default());
    let fence = FENCE * (high - low);
    let usual = (low - fence)..=(high + fence);
    let values = result.trials.iter().flat_map(|trial| {
        let own = trial.outages.iter().filter(|o| is_of(d, o));
        own.map(|o| {
            // A trial that began on another path is left out as well.
            let counted = o.trusted && o.recovered && d.durations_ms.contains(&o.duration_ms);
            let class = match (counted, usual.contains(&o.duration_ms)) {
                (false, _) => 2,
                (true, true) => 0,
                (true, false) => 1,
            };
            (trial.number, rounded(o.duration_ms), class)
        })
    });
    let mut values: Vec<(u32, f64, u8)> = values.collect();
    values.sort_by(|a, b| a.1.total_cmp(&b.1));
    let same = |o: &&Outage| {
        (&d.probe, &d.from, &d.to, &d.label, d.transition)
            == (&o.probe, &o.from, &o.to, &o.label, o.transition)
    };
    let phases = (1..).zip(trials).filter_map(|(number, run)| {
        let outage = run.outages.iter().find(same)?;
        Some((number, ends(&outage.phases_ms)))
    });
    Chart {
        name,
        detected_ms: sorted(d.detected_ms.iter().copied().map(rounded).collect()),
        predicted: d.predicted.as_ref().and_then(predicted_curve).map(|curve| {
            let point = |(ms, p): (f64, f64)| (rounded(ms), (p * 1e4).round() / 1e4);
            curve.into_iter().map(point).collect()
        }),
        outages_ms: outages,
        values,
        phases: phases.collect(),
    }
}

fn ends(phases: &Phases) -> [f64; 4] {
    let bars = gantt::phases(phases);
    let mut last = 0.0;
    gantt::PHASES.map(|(class, _)| {
        if let Some((.., end)) = bars.iter().find(|(of, ..)| *of == class) {
            last = rounded(*end);
        }
        last
    })
}

fn distributions(
    told: &[(usize, &Distribution)],
    charts: &Charts,
    several: bool,
    page: &mut Markup,
) {
    if told.is_empty() {
        return;
    }
    page.raw("<section aria-labelledby=\"distributions\">\n<h2 id=\"distributions\">Distributions</h2>\n");
    table(told, several, page);
    sums::of_series(told, several, page);
    fits(told, several, page);
    parts::hint(page);
    for (index, ((_, d), chart)) in told.iter().zip(&charts.distributions).enumerate() {
        page.element("h3", &chart.name);
        if d.max_ms > 0.0 {
            let ecdf = match &d.predicted {
                Some(p) => format!(
                    "{}: share of trials whose outage, and its detection, took at most so long; {} predicts detection",
                    chart.name, p.timers
                ),
                None => format!(
                    "{}: share of trials whose outage took at most so long",
                    chart.name
                ),
            };
            parts::chart("ecdf", index, &ecdf, page);
        }
        let count = |class| chart.values.iter().filter(|v| v.2 == class).count();
        let strip = format!(
            "{}: every trial, and how many there are in each interval; {} counted, outliers of them {} (more than 1.5 interquartile ranges off); {} left out: not trusted, not recovered, or begun on another path",
            chart.name,
            count(0) + count(1),
            count(1),
            count(2)
        );
        parts::chart("strip", index, &strip, page);
        if chart.phases.iter().any(|(_, ends)| ends[3] > 0.0) {
            let told = format!(
                "{}: what each trial waited for, phase upon phase",
                chart.name
            );
            parts::chart("phases", index, &told, page);
        }
    }
    page.raw("</section>\n");
}

fn table(told: &[(usize, &Distribution)], several: bool, page: &mut Markup) {
    const COLUMNS: &[Column] = &[
        Column::words("direction"),
        Column::words("step").of("label"),
        Column::words("transition").of("transition"),
        Column::numbers("trials").of("trials"),
        Column::numbers("left out").of("left_out"),
        Column::numbers("min, ms").of("min_ms"),
        Column::numbers("median, ms").of("median_ms"),
        Column::numbers("95 % from").of("median_ci95_ms/0"),
        Column::numbers("to").of("median_ci95_ms/1"),
        Column::numbers("p90").of("p90_ms"),
        Column::numbers("p95").of("p95_ms"),
        Column::numbers("p99").of("p99_ms"),
        Column::numbers("max, ms").of("max_ms"),
    ];
    let mut table = Table::new(
        "Outages over all trials that count, milliseconds",
        "/distributions",
        COLUMNS,
    );
    for (index, d) in told {
        let ci = d.median_ci95_ms;
        let mut cells = vec![
            Cell::text(words::direction(several, &d.probe, [&d.from, &d.to])),
            Cell::text(&d.label),
            Cell::text(parts::transition(d.transition)),
            Cell::count(d.trials as u64),
            Cell::count(d.left_out as u64),
        ];
        let numbers = [
            Some(d.min_ms),
            Some(d.median_ms),
            ci.map(|ci| ci.0),
            ci.map(|ci| ci.1),
            Some(d.p90_ms),
            Some(d.p95_ms),
            Some(d.p99_ms),
            Some(d.max_ms),
        ];
        cells.extend(numbers.map(|ms| Cell::number(ms, 1)));
        table.row(index, cells);
    }
    table.write(page);
}

/// What the timers predict for detection, and whether it came so.
fn fits(told: &[(usize, &Distribution)], several: bool, page: &mut Markup) {
    const COLUMNS: &[Column] = &[
        Column::words("direction"),
        Column::words("timers").of("predicted/timers"),
        Column::numbers("predicted from, ms").of("predicted/min_ms"),
        Column::numbers("to, ms").of("predicted/max_ms"),
        Column::numbers("median").of("goodness/model_median_ms"),
        Column::numbers("measured median, ms"),
        Column::numbers("outside").of("goodness/outside"),
        Column::numbers("KS distance").of("goodness/ks"),
        Column::numbers("p").of("goodness/p_value"),
        Column::words("verdict"),
    ];
    let mut table = Table::new(
        "Detection against the timers' model (Kolmogorov-Smirnov at 0.001)",
        "/distributions",
        COLUMNS,
    );
    for (index, d) in told {
        let Some(p) = &d.predicted else {
            continue;
        };
        let fit = d.goodness.as_ref();
        let median = quantile(&sorted(d.detected_ms.clone()), 0.5);
        let verdict = match fit.map(|fit| fit.agrees) {
            Some(Some(agrees)) => Cell::Verdict(
                if agrees { "agrees" } else { "disagrees" }.to_owned(),
                agrees,
            ),
            Some(None) => Cell::text("too few trials"),
            None => Cell::text("no distribution is known"),
        };
        table.row(
            index,
            [
                Cell::text(name(several, d)),
                Cell::text(&p.timers),
                Cell::number(p.min_ms, 1),
                Cell::number(p.max_ms, 1),
                Cell::number(fit.map(|fit| fit.model_median_ms), 1),
                Cell::number(median, 1),
                fit.map_or_else(|| Cell::text("–"), |fit| Cell::count(fit.outside as u64)),
                Cell::number(fit.and_then(|fit| fit.ks), 4),
                Cell::number(fit.and_then(|fit| fit.p_value), 4),
                verdict,
            ],
        );
    }
    table.write(page);
}

/// Every outage of every trial.
fn trial_table(result: &TrialsResult, several: bool, page: &mut Markup) {
    const COLUMNS: &[Column] = &[
        Column::words("trial"),
        Column::words("direction"),
        Column::words("step").of("label"),
        Column::words("transition").of("transition"),
        Column::numbers("outage, ms").of("duration_ms"),
        Column::numbers("lost").of("lost"),
        Column::numbers("detected, ms").of("detected_ms"),
        Column::words("recovered").of("recovered"),
        Column::words("trusted").of("trusted"),
        Column::words("trial succeeded"),
        Column::words("untrusted because"),
    ];
    page.raw("<section aria-labelledby=\"trials\">\n<h2 id=\"trials\">Trials</h2>\n");
    page.raw("<p>Each trial's own page is in its directory beside this one. Restores without loss are not listed.</p>\n");
    let mut table = Table::new("Every trial", "/trials", COLUMNS);
    for (at, trial) in result.trials.iter().enumerate() {
        let doubts = trial.warnings.iter().filter(|w| w.untrusted);
        let doubts: Vec<&str> = doubts.map(|w| w.code.as_str()).collect();
        for (nth, o) in trial.outages.iter().enumerate() {
            if o.transition == Transition::Reversion && o.lost == 0 && o.recovered {
                continue;
            }
            table.row(
                format!("{at}/outages/{nth}"),
                [
                    Cell::Link(
                        format!("{}/report.html", trial.directory),
                        trial.number.to_string(),
                    ),
                    Cell::text(words::direction(several, &o.probe, [&o.from, &o.to])),
                    Cell::text(&o.label),
                    Cell::text(parts::transition(o.transition)),
                    Cell::number(o.duration_ms, 1).at_least(!o.recovered),
                    Cell::count(o.lost).at_least(!o.recovered),
                    Cell::number(o.detected_ms, 1),
                    Cell::yes(o.recovered),
                    Cell::yes(o.trusted),
                    Cell::yes(trial.succeeded),
                    Cell::text(doubts.join(", ")),
                ],
            );
        }
    }
    table.write(page);
    page.raw("</section>\n");
}
