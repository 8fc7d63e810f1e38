//! Two series of trials, and the variants of a bench, on a terminal and in Markdown.

use super::{Style, terminal::Page, trials, words};
use crate::{
    results::measure::{
        BenchResult, Comparison, Distribution, Effect, Ended, Judgement, Limit, Transition, Variant,
    },
    units::seed_text,
};

/// Columns of a plot.
const PLOT: usize = 48;

/// A comparison, with a final newline; `limit` is what slower means.
pub fn comparison(
    names: [&str; 2],
    comparison: &Comparison,
    limit: Option<Limit>,
    style: Style,
) -> String {
    let mut page = Page::new(style, several(&comparison.effects));
    for (label, name) in ["baseline", "compared"].into_iter().zip(names) {
        page.row(label, name);
    }
    page.gap();
    page.columns(&table(comparison, page.several));
    for (whose, names) in [
        ("the baseline", &comparison.only_baseline),
        ("what is compared", &comparison.only_other),
    ] {
        if !names.is_empty() {
            page.wrapped("warning", &format!("only in {whose}: {}", names.join("; ")));
        }
    }
    page.gap();
    page.wrapped("result", &verdict(comparison, limit));
    page.text
}

/// The same as Markdown.
pub fn comparison_markdown(
    names: [&str; 2],
    comparison: &Comparison,
    limit: Option<Limit>,
) -> String {
    let [baseline, compared] = names;
    format!(
        "Baseline: {baseline}. Compared: {compared}.\n\n{}\n{}.\n",
        markdown_table(&table(comparison, several(&comparison.effects))),
        verdict(comparison, limit)
    )
}

fn several(effects: &[Effect]) -> bool {
    let mut all = effects.iter();
    let first = all.next();
    all.any(|effect| first.is_some_and(|first| effect.probe != first.probe))
}

fn table(comparison: &Comparison, several: bool) -> Vec<Vec<String>> {
    let head = [
        "outage, ms",
        "step",
        "baseline",
        "compared",
        "difference (95 % CI)",
        "longer in",
        "slower?",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for effect in &comparison.effects {
        let judged = effect.judgement.map_or("", |judgement| match judgement {
            Judgement::Slower => "SLOWER",
            Judgement::NotSlower => "no",
            Judgement::Undecided => "undecided",
        });
        rows.push(vec![
            words::direction(several, &effect.probe, [&effect.from, &effect.to]),
            step(&effect.label, effect.transition),
            format!("{:.0}", effect.baseline.median_ms),
            format!("{:.0}", effect.other.median_ms),
            difference(effect),
            share(effect.longer),
            judged.to_owned(),
        ]);
    }
    rows
}

fn step(label: &str, transition: Transition) -> String {
    match transition {
        Transition::Initial => label.to_owned(),
        Transition::Reversion => format!("restore {label}"),
    }
}

/// `-622 (-660 to -580)`.
pub(super) fn difference(effect: &Effect) -> String {
    let text = signed(effect.difference_ms);
    match effect.difference_ci95_ms {
        Some((low, high)) => format!("{text} ({} to {})", signed(low), signed(high)),
        None => text,
    }
}

fn signed(ms: f64) -> String {
    // A zero has no sign.
    let rounded = ms.round() + 0.0;
    match rounded == 0.0 {
        true => "0".to_owned(),
        false => format!("{rounded:+.0}"),
    }
}

fn share(of_one: f64) -> String {
    format!("{:.0} %", of_one * 100.0)
}

pub(super) fn verdict(comparison: &Comparison, limit: Option<Limit>) -> String {
    if comparison.effects.is_empty() {
        return "nothing to compare: there is no outage that both sides have measured and that can be trusted"
            .to_owned();
    }
    let Some(limit) = limit else {
        return "compared; --slower-than LIMIT judges".to_owned();
    };
    if comparison.has(Judgement::Slower) {
        format!("slower than the baseline by more than {limit}")
    } else if comparison.has(Judgement::Undecided) {
        let few = comparison
            .effects
            .iter()
            .any(|effect| effect.difference_ci95_ms.is_none());
        let why = match few {
            true => "fewer than five trials on a side say nothing",
            false => "the interval reaches over the limit; more trials would tell",
        };
        format!(
            "not shown to be slower than the baseline by more than {limit}; nor the opposite: {why}"
        )
    } else {
        format!("not slower than the baseline by more than {limit}")
    }
}

/// All variants of a bench beside each other, with a final newline.
pub fn bench(result: &BenchResult, style: Style) -> String {
    let several = result
        .variants
        .first()
        .is_some_and(|first| trials::several(&first.series));
    let mut page = Page::new(style, several);
    page.row("lab", &result.asked.lab_file);
    page.wrapped("trials", &asked(result));
    for (label, transition) in steps(result) {
        page.gap();
        match transition {
            Transition::Initial => page.row(label, "outages, ms"),
            Transition::Reversion => page.row("restored", &format!("{label}: outages, ms")),
        }
        for flow in flows(result, (label, transition)) {
            let found = found(result, flow);
            if several || flows(result, (label, transition)).len() > 1 {
                page.row(
                    "",
                    &words::direction(several, &flow.probe, [&flow.from, &flow.to]),
                );
            }
            page.columns(&rows(&found));
            page.gap();
            for line in plot(&found) {
                page.line(&line);
            }
            page.gap();
        }
    }
    for text in failings(result).into_iter().chain(findings(result)) {
        page.wrapped("warning", &text);
    }
    page.text
}

/// The same as Markdown.
pub fn bench_markdown(result: &BenchResult) -> String {
    let several = result
        .variants
        .first()
        .is_some_and(|first| trials::several(&first.series));
    let mut out = format!("## {}\n\n{}.\n", result.asked.lab_file, asked(result));
    for step_of in steps(result) {
        for flow in flows(result, step_of) {
            let found = found(result, flow);
            let name = words::direction(several, &flow.probe, [&flow.from, &flow.to]);
            let (label, transition) = step_of;
            out += &format!(
                "\n### {}: {name}, outages in ms\n\n{}\n```\n{}\n```\n",
                step(label, transition),
                markdown_table(&rows(&found)),
                plot(&found).join("\n")
            );
        }
    }
    for text in failings(result).into_iter().chain(findings(result)) {
        out += &format!("\n- {text}");
    }
    out
}

fn asked(result: &BenchResult) -> String {
    let asked = &result.asked;
    let mut text = format!(
        "{} of each variant, in {} turns in random order; seed {}",
        asked.trials,
        asked.blocks,
        seed_text(asked.seed)
    );
    text += &ended(result);
    text
}

/// Why there are no more trials, and in how many sittings they were measured; of a bench that was
/// completed in one go nothing.
pub(super) fn ended(result: &BenchResult) -> String {
    let mut text = match &result.ended {
        Ended::Completed | Ended::Precise => String::new(),
        Ended::Interrupted => "; interrupted".to_owned(),
        Ended::Running => "; still running".to_owned(),
        Ended::Failed(why) => format!("; then: {why}"),
    };
    if !result.sittings.is_empty() {
        text += &format!("; in {} sittings", result.sittings.len());
    }
    text
}

pub(super) fn failings(result: &BenchResult) -> Vec<String> {
    let fails = result.variants.iter().filter_map(|variant| {
        let all = &variant.series.trials;
        let bad = all.iter().filter(|trial| !trial.succeeded).count();
        let untrusted = all.iter().filter(|trial| !trial.trusted).count();
        (bad > 0).then(|| {
            format!(
                "{}: {bad} of {} trials did not succeed, {untrusted} of them untrusted and left out; {}/result.json says why",
                variant.name,
                all.len(),
                variant.directory
            )
        })
    });
    fails.collect()
}

/// What the series of a variant shows that none of its trials does by itself.
fn findings(result: &BenchResult) -> Vec<String> {
    const FINDINGS: [&str; 2] = ["detection-disagrees", "slow-trial"];
    let each = result.variants.iter().flat_map(|variant| {
        let all = variant.series.warnings.iter();
        let found = all.filter(|warning| FINDINGS.contains(&warning.code.as_str()));
        found.map(|w| format!("{}: {}: {}", variant.name, w.code, w.text))
    });
    each.collect()
}

/// Steps with something to tell, in the order in which the trials met them.
pub(super) fn steps(result: &BenchResult) -> Vec<(&str, Transition)> {
    let mut all = Vec::new();
    for series in result.variants.iter().map(|variant| &variant.series) {
        for outage in series.trials.iter().flat_map(|trial| &trial.outages) {
            let step = (outage.label.as_str(), outage.transition);
            let told = |d: &Distribution| (d.label.as_str(), d.transition) == step;
            if !all.contains(&step) && series.worth_telling().any(told) {
                all.push(step);
            }
        }
    }
    all
}

/// The flows of a step that any variant tells of.
pub(super) fn flows<'a>(
    result: &'a BenchResult,
    (label, transition): (&str, Transition),
) -> Vec<&'a Distribution> {
    let mut all: Vec<&Distribution> = Vec::new();
    for series in result.variants.iter().map(|variant| &variant.series) {
        for d in series.worth_telling() {
            let here = d.label == label && d.transition == transition;
            if here && !all.iter().any(|known| same(known, d)) {
                all.push(d);
            }
        }
    }
    all
}

pub(super) fn same(a: &Distribution, b: &Distribution) -> bool {
    let key = |d: &Distribution| {
        let names = [&d.label, &d.probe, &d.from, &d.to].map(Clone::clone);
        (names, d.transition)
    };
    key(a) == key(b)
}

/// What each variant measured of a flow in a step.
fn found<'a>(
    result: &'a BenchResult,
    flow: &Distribution,
) -> Vec<(&'a Variant, Option<&'a Distribution>, Option<&'a Effect>)> {
    let of = |variant: &'a Variant| {
        let mut all = variant.series.distributions.iter();
        let effects = variant.effect.iter().flat_map(|c| &c.effects);
        let effect = effects.into_iter().find(|e| {
            e.label == flow.label
                && e.transition == flow.transition
                && [&e.probe, &e.from, &e.to] == [&flow.probe, &flow.from, &flow.to]
        });
        (variant, all.find(|d| same(d, flow)), effect)
    };
    result.variants.iter().map(of).collect()
}

type Found<'a> = (&'a Variant, Option<&'a Distribution>, Option<&'a Effect>);

fn rows(found: &[Found<'_>]) -> Vec<Vec<String>> {
    let head = [
        "variant",
        "timers",
        "trials",
        "min",
        "median (95 % CI)",
        "p95",
        "max",
        "beside the first (95 % CI)",
        "longer in",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for (variant, d, effect) in found {
        let Some(d) = d else {
            rows.push(vec![variant.name.clone(), "not measured".to_owned()]);
            continue;
        };
        let ms = |value: f64| format!("{value:.0}");
        let median = match d.median_ci95_ms {
            Some((low, high)) => format!("{} ({}-{})", ms(d.median_ms), ms(low), ms(high)),
            None => ms(d.median_ms),
        };
        rows.push(vec![
            variant.name.clone(),
            d.predicted
                .as_ref()
                .map_or_else(String::new, |p| p.timers.clone()),
            d.trials.to_string(),
            ms(d.min_ms),
            median,
            ms(d.p95_ms),
            ms(d.max_ms),
            effect.map_or_else(String::new, difference),
            effect.map_or_else(String::new, |effect| share(effect.longer)),
        ]);
    }
    rows
}

/// A histogram of each variant on one axis.
fn plot(found: &[Found<'_>]) -> Vec<String> {
    const LEVELS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let measured: Vec<(&str, &[f64])> = found
        .iter()
        .filter_map(|(variant, d, _)| {
            Some((variant.name.as_str(), d.as_ref()?.durations_ms.as_slice()))
        })
        .collect();
    let all = || {
        measured
            .iter()
            .flat_map(|(_, values)| values.iter().copied())
    };
    let (Some(min), Some(max)) = (all().min_by(f64::total_cmp), all().max_by(f64::total_cmp))
    else {
        return Vec::new();
    };
    let width = measured.iter().map(|(name, _)| name.chars().count()).max();
    let width = width.unwrap_or_default();
    let step = (max - min).max(1.0) / PLOT as f64;
    let mut lines = Vec::new();
    for (name, values) in &measured {
        let mut bins = [0_usize; PLOT];
        for value in *values {
            let at = (((value - min) / step) as usize).min(PLOT - 1);
            if let Some(bin) = bins.get_mut(at) {
                *bin += 1;
            }
        }
        let most = bins.iter().copied().max().unwrap_or_default().max(1);
        let bar = |&count: &usize| {
            // One trial is always to be seen.
            let level = (count * (LEVELS.len() - 1)).div_ceil(most);
            LEVELS.get(level).copied().unwrap_or(' ')
        };
        let bars: String = bins.iter().map(bar).collect();
        lines.push(format!("  {name:<width$}  {bars}").trim_end().to_owned());
    }
    let (left, right) = (format!("{min:.0}"), format!("{max:.0} ms"));
    let gap = PLOT.saturating_sub(left.chars().count() + right.chars().count());
    lines.push(format!("  {:width$}  {left}{}{right}", "", " ".repeat(gap)));
    lines
}

fn markdown_table(rows: &[Vec<String>]) -> String {
    let line = |row: &Vec<String>| {
        let cells = row.iter().map(|cell| cell.replace('|', "\\|"));
        format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
    };
    let columns = rows.first().map_or(0, Vec::len);
    let mut out = String::new();
    for (index, row) in rows.iter().enumerate() {
        let mut row = row.clone();
        row.resize(columns, String::new());
        out += &line(&row);
        if index == 0 {
            out += &format!("|---{}|\n", "|---:".repeat(columns.saturating_sub(1)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::measure::{
        BenchTerms, Terms, TrialsResult, Varied, compare, measure, summarise, tests::lab,
    };

    const PLAIN: Style = Style {
        colour: false,
        width: 100,
    };

    fn series(n: u32, longer: f64) -> TrialsResult {
        let run = measure(&lab::clean_silent_cut(false));
        let runs: Vec<_> = (0..n)
            .map(|i| {
                let mut run = run.clone();
                for outage in &mut run.outages {
                    outage.duration_ms = outage.duration_ms * longer + f64::from(i * i);
                }
                run
            })
            .collect();
        let terms = Terms {
            trials: n,
            until_ci: None,
            seed: 1,
        };
        summarise(&runs, terms, Ended::Completed)
    }

    #[test]
    fn two_series() {
        let (a, b) = (series(10, 1.0), series(10, 1.5));
        let limit = Some("10%".parse().unwrap());
        let found = compare(&a, &b, limit, 1);
        insta::assert_snapshot!(comparison(["runs/a", "runs/b"], &found, limit, PLAIN));
        insta::assert_snapshot!(comparison_markdown(["runs/a", "runs/b"], &found, limit));
        let found = compare(&a, &series(2, 1.0), limit, 1);
        assert_eq!(
            verdict(&found, limit),
            "not shown to be slower than the baseline by more than 10%; nor the opposite: \
             fewer than five trials on a side say nothing"
        );
        assert_eq!(
            verdict(&compare(&a, &a, None, 1), None),
            "compared; --slower-than LIMIT judges"
        );
    }

    #[test]
    fn a_bench() {
        let variant = |name: &str, number: u32, series| Variant {
            name: name.to_owned(),
            file: format!("{number:02}.yaml"),
            directory: format!("{number:02}"),
            series,
            effect: None,
        };
        let asked = BenchTerms {
            lab_file: "labs/two-routers.yaml".to_owned(),
            vary: vec![Varied {
                key: "sessions.prod.bfd".to_owned(),
                values: vec!["300ms/3".to_owned(), "50ms/3".to_owned()],
            }],
            trials: 10,
            blocks: 5,
            seed: 0x2a,
        };
        let variants = vec![
            variant("bfd=300ms/3", 1, series(10, 1.0)),
            variant("bfd=50ms/3", 2, series(10, 0.2)),
        ];
        let result = BenchResult::new(asked, Ended::Completed, variants);
        insta::assert_snapshot!(bench(&result, PLAIN));
        insta::assert_snapshot!(bench_markdown(&result));
    }
}
