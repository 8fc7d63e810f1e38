//! The pages of a bench, and of two series side by side: for each outage the distribution of every
//! variant, and how much it differs from the first.

use serde::Serialize;

use super::{
    markup::Markup,
    page, parts,
    table::{Cell, Column, Table},
    traffic::rounded,
};
use crate::results::{
    measure::{
        BenchResult, Comparison, Distribution, Effect, Judgement, Limit, Transition, TrialsResult,
        Variant, WarningTally, all_daemons, sorted,
    },
    report::{compare, trials::several, words},
};

/// What the page's script draws.
#[derive(Debug, Serialize)]
struct Charts {
    kind: &'static str,
    groups: Vec<Group>,
}

/// One flow in one transition.
#[derive(Debug, Serialize)]
struct Group {
    name: String,
    variants: Vec<Curve>,
}

/// What one variant measured of it.
#[derive(Debug, Serialize)]
struct Curve {
    name: String,
    /// Ascending.
    outages_ms: Vec<f64>,
}

/// One variant of one flow in one transition, with the places of its figures in the document.
struct Entry<'a> {
    name: &'a str,
    distribution: Option<(String, &'a Distribution)>,
    effect: Option<(String, &'a Effect)>,
}

/// A self-contained page about the variants of a lab. `picture` is the first of them as an SVG.
pub fn html_of_bench(result: &BenchResult, picture: Option<&str>) -> String {
    let mut body = Markup::default();
    bench_header(result, &mut body);
    body.raw("<main>\n");
    bench_verdict(result, &mut body);
    warnings(result, &mut body);
    parts::picture(picture, &mut body);
    let first = result.variants.first();
    let several = first.is_some_and(|first| several(&first.series));
    let mut charts = Charts {
        kind: "bench",
        groups: Vec::new(),
    };
    body.raw("<section aria-labelledby=\"variants\">\n<h2 id=\"variants\">Variants</h2>\n");
    parts::hint(&mut body);
    for step in compare::steps(result) {
        for flow in compare::flows(result, step) {
            let entries: Vec<Entry<'_>> = result
                .variants
                .iter()
                .enumerate()
                .map(|(v, variant)| {
                    let all = variant.series.distributions.iter().enumerate();
                    let effects = variant
                        .effect
                        .iter()
                        .flat_map(|c| c.effects.iter().enumerate());
                    Entry {
                        name: &variant.name,
                        distribution: all
                            .map(|(d, one)| (format!("{v}/series/distributions/{d}"), one))
                            .find(|(_, one)| compare::same(one, flow)),
                        effect: effects
                            .map(|(e, one)| (format!("{v}/effect/effects/{e}"), one))
                            .find(|(_, one)| is_of(one, flow)),
                    }
                })
                .collect();
            group(
                ("/variants", several),
                flow,
                &entries,
                &mut charts,
                &mut body,
            );
        }
    }
    body.raw("</section>\n</main>\n");
    parts::footer(&mut body);
    let data = serde_json::to_string(&charts).unwrap_or_default();
    let title = format!("{}: backhoe bench", result.asked.lab_file);
    page::write(&title, &body, &data)
}

/// A self-contained page about one series beside another, which is the baseline; `limit` is what
/// slower means.
pub fn html_of_comparison(
    names: [&str; 2],
    [baseline, compared]: [&TrialsResult; 2],
    comparison: &Comparison,
    limit: Option<Limit>,
) -> String {
    let mut body = Markup::default();
    parts::header(
        &format!("{} beside {}", names[1], names[0]),
        "two series",
        &mut body,
    );
    body.raw("<dl class=\"facts\">\n");
    for (term, name, series) in [
        ("baseline", names[0], baseline),
        ("compared", names[1], compared),
    ] {
        let text = format!(
            "{name}: lab {}, {} trials, backhoe {}, kernel {}",
            series.lab,
            series.trials.len(),
            series.version.as_deref().unwrap_or("–"),
            series.kernel.as_deref().unwrap_or("–")
        );
        body.fact(term, &text);
    }
    body.raw("</dl>\n</header>\n<main>\n");
    body.raw("<section aria-labelledby=\"verdict\">\n<h2 id=\"verdict\">Verdict</h2>\n<p class=\"badges\">");
    let verdict = compare::verdict(comparison, limit);
    match limit {
        Some(_) => parts::badge(
            !comparison.has(Judgement::Slower),
            [&verdict, &verdict],
            &mut body,
        ),
        None => drop(body.text(&verdict)),
    }
    body.raw("</p>\n");
    for (whose, names) in [
        ("the baseline", &comparison.only_baseline),
        ("what is compared", &comparison.only_other),
    ] {
        if !names.is_empty() {
            body.element("p", &format!("Only in {whose}: {}.", names.join("; ")));
        }
    }
    body.raw(
        "</section>\n<section aria-labelledby=\"variants\">\n<h2 id=\"variants\">Outages</h2>\n",
    );
    parts::hint(&mut body);
    let mut charts = Charts {
        kind: "bench",
        groups: Vec::new(),
    };
    let several = several(baseline);
    for (index, effect) in comparison.effects.iter().enumerate() {
        let sides = [("baseline", baseline), ("compared", compared)];
        let [before, after] = sides.map(|(side, series)| {
            let mut all = series.distributions.iter().enumerate();
            let (at, found) = all.find(|(_, d)| is_of(effect, d))?;
            Some((format!("{side}/distributions/{at}"), found))
        });
        let Some((_, flow)) = before else {
            continue;
        };
        let entries = [
            Entry {
                name: names[0],
                distribution: before,
                effect: None,
            },
            Entry {
                name: names[1],
                distribution: after,
                effect: Some((format!("effects/{index}"), effect)),
            },
        ];
        group(("", several), flow, &entries, &mut charts, &mut body);
    }
    body.raw("</section>\n</main>\n");
    parts::footer(&mut body);
    let data = serde_json::to_string(&charts).unwrap_or_default();
    page::write("backhoe compare", &body, &data)
}

fn is_of(effect: &Effect, d: &Distribution) -> bool {
    (&effect.label, effect.transition) == (&d.label, d.transition)
        && [&effect.probe, &effect.from, &effect.to] == [&d.probe, &d.from, &d.to]
}

/// How the result may be wrong: what is said of several variants in the same words, once.
fn warnings(result: &BenchResult, page: &mut Markup) {
    let mut told: Vec<(&WarningTally, Vec<String>)> = Vec::new();
    for variant in &result.variants {
        let all = variant.series.trials.len();
        for warning in &variant.series.warnings {
            let whose = match warning.trials == all {
                true => variant.name.clone(),
                false => format!("{} in {} of {all} trials", variant.name, warning.trials),
            };
            let same = |known: &&mut (&WarningTally, Vec<String>)| {
                let known = known.0;
                (&known.code, &known.text, known.untrusted)
                    == (&warning.code, &warning.text, warning.untrusted)
            };
            match told.iter_mut().find(same) {
                Some((_, names)) => names.push(whose),
                None => told.push((warning, vec![whose])),
            }
        }
    }
    let everywhere = |names: &[String]| {
        let plain = |(name, variant): (&String, &Variant)| *name == variant.name;
        names.len() == result.variants.len() && names.iter().zip(&result.variants).all(plain)
    };
    let told = told.iter().map(|(warning, names)| {
        let text = match everywhere(names) {
            true => warning.text.clone(),
            false => format!("{} ({})", warning.text, names.join("; ")),
        };
        (warning.code.as_str(), text, warning.untrusted)
    });
    parts::told_warnings(told, page);
}

fn bench_header(result: &BenchResult, page: &mut Markup) {
    let asked = &result.asked;
    parts::header(&asked.lab_file, "a lab in variants", page);
    page.raw("<dl class=\"facts\">\n");
    if let Some(first) = result.variants.first() {
        let series = &first.series;
        let all = result.variants.iter().flat_map(|v| &v.series.daemons);
        parts::releases(
            series.version.as_deref(),
            (series.kernel.as_deref(), &all_daemons(all)),
            Some(asked.seed),
            series.timers_scaled,
            page,
        );
    }
    let mut told = format!(
        "{} of each variant, in {} turns",
        asked.trials, asked.blocks
    );
    told += &compare::ended(result);
    page.fact("trials", &told);
    for varied in &asked.vary {
        let text = format!("{}: {}", varied.key, varied.values.join(", "));
        page.fact("varied", &text);
    }
    page.raw("</dl>\n</header>\n");
}

fn bench_verdict(result: &BenchResult, page: &mut Markup) {
    page.raw("<section aria-labelledby=\"verdict\">\n<h2 id=\"verdict\">Verdict</h2>\n<p class=\"badges\">");
    let all = || result.variants.iter().flat_map(|v| &v.series.trials);
    let good = all().filter(|trial| trial.succeeded).count();
    let text = format!("{good} of {} trials succeeded", all().count());
    parts::badge(result.succeeded(), [&text, &text], page);
    page.raw("</p>\n<p>The longest median outage of any direction after a fault.</p>\n<div class=\"tiles\">\n");
    for variant in &result.variants {
        let faults = variant.series.distributions.iter();
        let faults = faults.filter(|d| d.transition == Transition::Initial);
        let Some(worst) = faults.max_by(|a, b| a.median_ms.total_cmp(&b.median_ms)) else {
            continue;
        };
        page.raw("<div class=\"tile\"><p class=\"what\">")
            .text(&variant.name);
        page.raw("</p><p class=\"figure\">")
            .text(&format!("{:.0} ms", worst.median_ms));
        page.raw("</p><p class=\"dim\">");
        if let Some((low, high)) = worst.median_ci95_ms {
            page.text(&format!("95 % interval {low:.0}-{high:.0}; "));
        }
        page.text(&format!("range {:.0}-{:.0}", worst.min_ms, worst.max_ms));
        let effects = variant.effect.iter().flat_map(|c| &c.effects);
        if let Some(effect) = effects.into_iter().find(|effect| is_of(effect, worst)) {
            let text = format!("; {} ms beside the first", compare::difference(effect));
            page.text(&text);
        }
        page.raw("</p></div>\n");
    }
    page.raw("</div>\n");
    for text in compare::failings(result) {
        page.element("p", &text);
    }
    page.raw("</section>\n");
}

/// One flow in one transition. `of` is the list of the document that places count from.
fn group(
    (of, several): (&'static str, bool),
    flow: &Distribution,
    entries: &[Entry<'_>],
    charts: &mut Charts,
    page: &mut Markup,
) {
    let name = words::direction(several, &flow.probe, [&flow.from, &flow.to]);
    let name = match flow.transition {
        Transition::Initial => format!("{}: {name}", flow.label),
        Transition::Reversion => format!("restore of {}: {name}", flow.label),
    };
    page.element("h3", &name);
    let told =
        format!("{name}: share of trials whose outage took at most so long, of each variant");
    parts::chart("variants", charts.groups.len(), &told, page);
    let curve = |entry: &Entry<'_>| {
        let (_, d) = entry.distribution.as_ref()?;
        Some(Curve {
            name: entry.name.to_owned(),
            outages_ms: sorted(d.durations_ms.iter().copied().map(rounded).collect()),
        })
    };
    charts.groups.push(Group {
        variants: entries.iter().filter_map(curve).collect(),
        name,
    });
    forest(entries, page);
    let name = &charts
        .groups
        .last()
        .map(|group| group.name.clone())
        .unwrap_or_default();
    distributions((of, name), entries, page);
    effects((of, name), entries, page);
}

/// Differences from the first with their intervals, on one axis: HTML, so that it needs no script.
fn forest(entries: &[Entry<'_>], page: &mut Markup) {
    let of = |entry: &Entry<'_>| entry.effect.as_ref().map(|(_, effect)| (*effect).clone());
    let all: Vec<(&str, Effect)> = entries
        .iter()
        .filter_map(|e| Some((e.name, of(e)?)))
        .collect();
    let ends = all.iter().flat_map(|(_, e)| {
        let (low, high) = e
            .difference_ci95_ms
            .unwrap_or((e.difference_ms, e.difference_ms));
        [low, high, e.difference_ms]
    });
    // Zero is always to be seen.
    let (low, high) = ends.fold((0.0, 0.0), |(a, b): (f64, f64), ms| (a.min(ms), b.max(ms)));
    if all.is_empty() || high - low <= 0.0 {
        return;
    }
    let margin = (high - low) * 0.04;
    let (low, high) = (low - margin, high + margin);
    let share = |ms: f64| 100.0 * (ms - low) / (high - low);
    page.raw("<div class=\"gantt forest\">\n");
    for (name, effect) in &all {
        let told = format!("{} ms", compare::difference(effect));
        page.raw("<p class=\"lane\">").text(name);
        page.raw(" <span class=\"dim\">")
            .text(&told)
            .raw("</span></p>\n");
        page.raw("<div class=\"track\" role=\"img\" aria-label=\"");
        page.text(&format!("{told} beside the first")).raw("\">");
        if let Some((from, to)) = effect.difference_ci95_ms {
            page.raw("<i class=\"interval\" style=\"left:");
            page.text(&format!(
                "{:.3}%;width:{:.3}%",
                share(from),
                share(to) - share(from)
            ));
            page.raw("\"></i>");
        }
        for (class, ms) in [("zero", 0.0), ("estimate", effect.difference_ms)] {
            page.raw("<i class=\"").raw(class).raw("\" style=\"left:");
            page.text(&format!("{:.3}%", share(ms))).raw("\"></i>");
        }
        page.raw("</div>\n");
    }
    page.raw("<div class=\"ticks\" aria-hidden=\"true\">");
    let step = super::gantt::step(high - low);
    let first = (low / step).ceil();
    for tick in (0..)
        .map(|n| (first + f64::from(n)) * step)
        .take_while(|ms| *ms <= high)
    {
        page.raw("<span style=\"left:")
            .text(&format!("{:.3}%", share(tick)));
        page.raw("\">")
            .text(&words::short(tick + 0.0))
            .raw("</span>");
    }
    page.raw("</div>\n<ul class=\"legend\"><li><i class=\"estimate\"></i>difference of the medians</li><li><i class=\"interval\"></i>its 95 % interval</li><li>milliseconds more than the first</li></ul>\n</div>\n");
}

fn distributions((of, name): (&'static str, &str), entries: &[Entry<'_>], page: &mut Markup) {
    const COLUMNS: &[Column] = &[
        Column::words("variant"),
        Column::words("timers").of("predicted/timers"),
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
    let mut table = Table::new(format!("{name}: outages, milliseconds"), of, COLUMNS);
    for entry in entries {
        let Some((path, d)) = &entry.distribution else {
            continue;
        };
        let timers = d.predicted.as_ref().map_or("–", |p| p.timers.as_str());
        let mut cells = vec![
            Cell::text(entry.name),
            Cell::text(timers),
            Cell::count(d.trials as u64),
            Cell::count(d.left_out as u64),
        ];
        let ci = d.median_ci95_ms;
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
        table.row(path, cells);
    }
    table.write(page);
}

fn effects((of, name): (&'static str, &str), entries: &[Entry<'_>], page: &mut Markup) {
    const COLUMNS: &[Column] = &[
        Column::words("variant"),
        Column::numbers("difference, ms").of("difference_ms"),
        Column::numbers("95 % from").of("difference_ci95_ms/0"),
        Column::numbers("to").of("difference_ci95_ms/1"),
        Column::numbers("longer in, share").of("longer"),
        Column::numbers("95 % from").of("longer_ci95/0"),
        Column::numbers("to").of("longer_ci95/1"),
        Column::words("slower?"),
    ];
    let first = entries.first().map_or("the first", |entry| entry.name);
    let mut table = Table::new(format!("{name}: beside {first}"), of, COLUMNS);
    for entry in entries {
        let Some((path, e)) = &entry.effect else {
            continue;
        };
        let [difference, longer] = [e.difference_ci95_ms, e.longer_ci95];
        let judged = match e.judgement {
            Some(Judgement::Slower) => Cell::Verdict("slower".to_owned(), false),
            Some(Judgement::NotSlower) => Cell::Verdict("no".to_owned(), true),
            Some(Judgement::Undecided) => Cell::text("undecided"),
            None => Cell::text("–"),
        };
        table.row(
            path,
            [
                Cell::text(entry.name),
                Cell::number(e.difference_ms, 1),
                Cell::number(difference.map(|ci| ci.0), 1),
                Cell::number(difference.map(|ci| ci.1), 1),
                Cell::number(e.longer, 3),
                Cell::number(longer.map(|ci| ci.0), 3),
                Cell::number(longer.map(|ci| ci.1), 3),
                judged,
            ],
        );
    }
    table.write(page);
}
