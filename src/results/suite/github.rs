//! What GitHub Actions shows: annotations at lines of files, and a job's summary.

use std::fmt::Write;

use super::{Case, Suite, Verdict};
use crate::results::{
    measure::{Outage, Transition},
    report,
};

/// A bar of this many characters is the longest outage of the table.
const BAR: f64 = 20.0;
/// GitHub cuts a job's summary off at 1 MiB: failures beyond this many are told in the table only.
const TOLD: usize = 50;

/// Workflow commands, a line each: an error at each expectation that was missed, a warning for
/// each flaky lab. GitHub wants paths from the repository's root: `file` makes them.
pub fn annotations(suite: &Suite, file: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    for case in &suite.labs {
        let path = file(&case.file);
        let command = |level: &str, place: (Option<u32>, Option<u32>), said: &str| {
            let mut at = format!("file={}", property(&path));
            if let Some(line) = place.0 {
                at += &format!(",line={line}");
            }
            if let Some(column) = place.1 {
                at += &format!(",col={column}");
            }
            let title = property(&format!("{}: {}", case.lab, word(case)));
            format!("::{level} {at},title={title}::{}\n", message(said))
        };
        match case.verdict {
            Verdict::Pass | Verdict::Skip => {}
            Verdict::Flaky => {
                let why = case.attempts.iter().find(|attempt| !attempt.crowded);
                let why = why.and_then(|attempt| attempt.why.first());
                let said = why.map_or("", String::as_str);
                out += &command(
                    "warning",
                    (None, None),
                    &format!("passed at last; before: {said}"),
                );
            }
            Verdict::Fail if case.shortfalls.is_empty() => {
                out += &command("error", (None, None), &case.why.join("\n"));
            }
            Verdict::Fail => {
                for shortfall in &case.shortfalls {
                    let measured = shortfall.measured.join("\n");
                    let chain = case.chain.join("\n");
                    let said = format!("expected {}\n{measured}\n{chain}", shortfall.expected);
                    out += &command("error", (shortfall.line, shortfall.column), said.trim_end());
                }
            }
        }
    }
    out
}

fn word(case: &Case) -> &'static str {
    match (case.verdict, case.reason) {
        (Verdict::Flaky, _) => "flaky",
        (_, Some(reason)) => reason.word(),
        (_, None) => "failed",
    }
}

/// A workflow command's message ends at the line.
fn message(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// And a property also at a comma or a colon.
fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

/// A table with a bar for each lab's longest outage, and what is known of each failure.
pub fn summary(suite: &Suite) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write(suite, &mut out);
    out
}

fn write(suite: &Suite, out: &mut String) -> std::fmt::Result {
    let mark = if suite.failed > 0 { "❌" } else { "✅" };
    writeln!(
        out,
        "## {mark} backhoe: {} passed{}, {} failed, {} skipped\n",
        suite.passed,
        match suite.flaky {
            0 => String::new(),
            n => format!(" ({n} flaky)"),
        },
        suite.failed,
        suite.skipped
    )?;
    let longest = |case: &Case| worst(case).map_or(0.0, |outage| outage.duration_ms);
    let scale = suite.labs.iter().map(longest).fold(0.0, f64::max);
    writeln!(
        out,
        "| | lab | time | longest outage | |\n|---|---|---:|---:|---|"
    )?;
    for case in &suite.labs {
        let mark = match case.verdict {
            Verdict::Pass => "✅",
            Verdict::Flaky => "⚠️ flaky",
            Verdict::Fail => "❌",
            Verdict::Skip => "⏭️",
        };
        let outage = worst(case).map_or_else(String::new, report::outage_words);
        let bar = bar(longest(case), scale);
        let lab = report::markdown_escape(&case.lab);
        let time = match case.verdict {
            Verdict::Skip => String::new(),
            Verdict::Pass | Verdict::Flaky | Verdict::Fail => format!("{:.1} s", case.seconds),
        };
        writeln!(out, "| {mark} | {lab} | {time} | {outage} | `{bar}` |")?;
    }
    let failed = suite
        .labs
        .iter()
        .filter(|case| case.verdict == Verdict::Fail);
    for case in failed.take(TOLD) {
        writeln!(out, "\n### {}\n", report::markdown_escape(&case.lab))?;
        // A fence longer than any that a daemon's log may hold.
        writeln!(out, "``````text\n{}\n``````", super::lines(case, 0))?;
        if let Some(plot) = timeline(case) {
            writeln!(out, "\n{plot}")?;
        }
    }
    Ok(())
}

/// The longest outage that a fault, not its restore, made.
fn worst(case: &Case) -> Option<&Outage> {
    let initial = case
        .outages
        .iter()
        .filter(|o| o.transition == Transition::Initial);
    initial.max_by(|a, b| a.duration_ms.total_cmp(&b.duration_ms))
}

/// Blocks and an eighth of one.
fn bar(value: f64, scale: f64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if scale <= 0.0 {
        return " ".to_owned();
    }
    let eighths = (value / scale * BAR * 8.0).round().max(0.0) as usize;
    let part = EIGHTHS.get(eighths % 8).copied().unwrap_or_default();
    let bar = "█".repeat(eighths / 8) + part;
    if bar.is_empty() { " ".to_owned() } else { bar }
}

/// The phases of its longest outage, in Mermaid, one after the other.
fn timeline(case: &Case) -> Option<String> {
    let outage = worst(case)?;
    let parts = outage.parts.as_ref()?;
    let phases = [
        ("detection", Some(parts.detection_ms)),
        ("news on its way", parts.news_ms),
        ("FIB", parts.fib_ms),
        ("first packet", Some(parts.first_packet_ms)),
    ];
    let mut out = format!(
        "```mermaid\ngantt\n  title {} to {}: {} ms\n  dateFormat x\n  axisFormat %S.%L s\n",
        plain(&outage.from),
        plain(&outage.to),
        outage.duration_ms.round()
    );
    let mut at = 0.0_f64;
    for (name, ms) in phases {
        let ms = ms.unwrap_or(0.0).max(0.0);
        if ms >= 0.5 {
            let (from, to) = (at.round(), (at + ms).round());
            let _ = writeln!(out, "  {name} {ms:.1} ms :{from}, {to}");
        }
        at += ms;
    }
    out += "```";
    Some(out)
}

/// What ends a title in Mermaid is left out.
fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, ':' | ';' | '#' | ','))
        .collect()
}
