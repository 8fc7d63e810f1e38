//! The result as Markdown, for a pull request or a job summary.

use std::fmt::Write;

use super::{load, rfc, terminal::by_transition, why, words};
use crate::{
    lab::model::scaled_words,
    results::measure::{RunResult, Transition},
};

/// One table of outages, the critical paths, the expectations and the warnings.
pub fn markdown(result: &RunResult) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write(result, &mut out);
    out
}

fn write(result: &RunResult, out: &mut String) -> std::fmt::Result {
    writeln!(out, "## {}\n", escape(&result.lab))?;
    writeln!(out, "{}.\n", words::trust(result))?;
    if let Some(factor) = result.timers_scaled {
        writeln!(out, "**{}**.\n", scaled_words(factor))?;
    }
    let several = words::several(result);
    if !result.outages.is_empty() {
        writeln!(out, "| step | probe | lost | outage | path | delay |")?;
        writeln!(out, "|---|---|---:|---|---|---|")?;
    }
    for o in &result.outages {
        let step = match o.transition {
            Transition::Initial => format!("{} ({} {})", o.label, o.fault, o.target),
            Transition::Reversion => format!("restore {}", o.label),
        };
        writeln!(
            out,
            "| {} | {} | {} | {} {} | {} | {} |",
            escape(&step),
            escape(&words::flow(several, o)),
            words::count(o.lost),
            words::outage(o),
            escape(&words::marks(o)),
            escape(&words::path(o)),
            words::delay(o)
        )?;
    }
    if result.outages.iter().any(|o| o.modelled) {
        writeln!(
            out,
            "\n\\* AWS-internal part modelled; AWS publishes no figure."
        )?;
    }
    writeln!(out)?;
    for o in &result.outages {
        if let Some(path) = words::critical_path(o) {
            let what = match o.transition {
                Transition::Initial => "",
                Transition::Reversion => " (restore)",
            };
            writeln!(
                out,
                "- {}{what}: {}",
                escape(&words::flow(several, o)),
                escape(&path)
            )?;
        }
        if let Some(parts) = words::dns(o) {
            let flow = words::flow(several, o);
            writeln!(out, "- {}: {}", escape(&flow), escape(&parts))?;
        }
    }
    for o in &result.outages {
        if let Some(crowding) = words::crowding(o) {
            let name = escape(&words::flow(several, o));
            writeln!(out, "- {name}: queue full: {crowding}")?;
        }
    }
    for o in &result.outages {
        if let Some(predicted) = words::predicted(o) {
            let flow = escape(&words::flow(several, o));
            writeln!(out, "- {flow}: {}", escape(&predicted))?;
        }
    }
    for (transition, outages) in by_transition(result) {
        if let Some(benchmarks) = rfc::told(transition, &outages) {
            let restore = match transition.transition {
                Transition::Initial => "",
                Transition::Reversion => "restore ",
            };
            let label = escape(&transition.label);
            writeln!(out, "- {restore}{label}, RFC 6412: {benchmarks}")?;
        }
    }
    load::markdown(result, out)?;
    if !result.alerts.is_empty() {
        writeln!(out, "\n### Alerts\n")?;
    }
    for alert in &result.alerts {
        writeln!(out, "- {}", escape(&words::alert(alert)))?;
    }
    if let Some(why) = why::why(result) {
        writeln!(out, "\n{why}.")?;
    }
    if !result.expect.is_empty() {
        writeln!(out, "\n### Expectations: {}\n", words::met(result))?;
        for e in &result.expect {
            let verdict = words::verdict(e.met);
            writeln!(
                out,
                "- line {}, {}: **{verdict}** ({})",
                e.line,
                escape(&e.text),
                escape(&e.measured)
            )?;
        }
    }
    if !result.causes.is_empty() {
        writeln!(out, "\n### Causes\n")?;
    }
    for cause in &result.causes {
        writeln!(out, "- {}", escape(&cause.text))?;
    }
    if !result.warnings.is_empty() {
        writeln!(out, "\n### How this may be wrong\n")?;
        for w in &result.warnings {
            let weight = if w.untrusted { " (untrusted)" } else { "" };
            writeln!(out, "- `{}`{weight}: {}", w.code, escape(&w.text))?;
        }
    }
    Ok(())
}

/// Keeps names from ending a table cell or starting emphasis.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '|' | '*' | '_' | '<') {
            out.push('\\');
        }
        out.push(if c == '\n' { ' ' } else { c });
    }
    out
}
