//! A series of trials as Markdown, for a pull request or a job summary.

use std::fmt::Write;

use super::{load, markdown::escape, trials as text, words};
use crate::{
    lab::model::scaled_words,
    results::measure::{Distribution, Transition, TrialsResult},
};

/// A table of distributions, the expectations and the warnings.
pub fn trials_markdown(result: &TrialsResult) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write(result, &mut out);
    out
}

fn write(result: &TrialsResult, out: &mut String) -> std::fmt::Result {
    writeln!(out, "## {}\n", escape(&result.lab))?;
    writeln!(out, "Trials: {}.\n", escape(&text::how_many(result)))?;
    if let Some(sittings) = text::sittings(result) {
        writeln!(out, "Measured in {}.\n", escape(&sittings))?;
    }
    if let Some(looked) = text::looked(result) {
        writeln!(out, "The {}.\n", escape(&looked))?;
    }
    if let Some(factor) = result.timers_scaled {
        writeln!(out, "**{}**.\n", scaled_words(factor))?;
    }
    let several = text::several(result);
    let told: Vec<&Distribution> = result.worth_telling().collect();
    if !told.is_empty() {
        writeln!(
            out,
            "| step | probe | trials | min | median (95 % CI) | p90 | p95 | p99 | max |"
        )?;
        writeln!(out, "|---|---|---:|---:|---:|---:|---:|---:|---:|")?;
    }
    for d in &told {
        let step = match d.transition {
            Transition::Initial => d.label.clone(),
            Transition::Reversion => format!("restore {}", d.label),
        };
        let cells: Vec<String> = text::row(d, several).iter().map(|c| escape(c)).collect();
        writeln!(out, "| {} | {} |", escape(&step), cells.join(" | "))?;
    }
    if !told.is_empty() {
        writeln!(out, "\nOutages in milliseconds.")?;
    }
    if told.iter().any(|d| d.modelled) {
        writeln!(
            out,
            "\n\\* AWS-internal part modelled; AWS publishes no figure."
        )?;
    }
    writeln!(out)?;
    for d in &told {
        let name = words::direction(several, &d.probe, [&d.from, &d.to]);
        let few = text::few(d).into_iter();
        for told in few.chain(text::timers(d)).chain(text::phases(d)) {
            writeln!(out, "- {}: {}", escape(&name), escape(&told))?;
        }
    }
    load::markdown_of_trials(result, out)?;
    if !result.expect.is_empty() {
        writeln!(out, "\n### Expectations\n")?;
    }
    for tally in &result.expect {
        let line = text::expect(tally, result.trials.len());
        writeln!(out, "- {}", escape(&line))?;
    }
    if !result.warnings.is_empty() {
        writeln!(out, "\n### How this may be wrong\n")?;
    }
    for w in &result.warnings {
        let weight = if w.untrusted { " (untrusted)" } else { "" };
        let (n, all) = (w.trials, result.trials.len());
        let of = format!("{n} of {all} trials");
        writeln!(out, "- `{}`{weight}, {of}: {}", w.code, escape(&w.text))?;
    }
    Ok(())
}
