//! A sweep as Markdown, for a pull request or a job summary.

use super::{
    model::Sweep,
    text::{conclusion, drawing, heads, row},
};
use crate::results::report::{markdown_escape as escape, verdict};

/// The matrix, what the drawing says, findings, expectations.
pub fn markdown(sweep: &Sweep) -> String {
    let mut out = format!("## {}: resilience sweep\n\n", escape(&sweep.lab));
    for line in conclusion(sweep).lines() {
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        out += &format!("- {}\n", escape(&line));
    }
    for one in &sweep.expect {
        out += &format!(
            "- line {}: {}: **{}**\n",
            one.line,
            escape(&one.text),
            verdict(one.met)
        );
        for line in &one.measured {
            out += &format!("  - {}\n", escape(line));
        }
    }
    out += "\n### What the drawing says\n\n";
    for weakness in &sweep.drawing {
        for line in drawing(weakness) {
            out += &format!("- {}: {}\n", escape(&weakness.probe), escape(&line));
        }
    }
    out += "\n### What was measured\n\n";
    let heads = heads(sweep);
    let columns = heads.len();
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    out += &line(heads.iter().map(|head| escape(head)).collect());
    out += &line(vec!["---".to_owned(); columns]);
    for experiment in &sweep.experiments {
        let mut cells = row(sweep, experiment);
        // What is as another says so beside its name.
        if let Some(same) = cells.get(columns).cloned()
            && let Some(first) = cells.first_mut()
        {
            *first += &format!(" ({same})");
        }
        cells.truncate(columns);
        out += &line(cells.iter().map(|cell| escape(cell)).collect());
    }
    if !sweep.findings.is_empty() {
        out += "\n### Findings\n\n";
    }
    for found in &sweep.findings {
        let (failure, manner) = (escape(&found.failure), &found.manner);
        out += &format!(
            "- **{failure}** ({manner}), {}: {}\n",
            escape(&found.flow),
            escape(&found.text)
        );
    }
    let left_out = sweep
        .left_out
        .iter()
        .map(|one| format!("{}: {}", one.what, one.why));
    for (title, lines) in [
        ("Not tried", left_out.collect::<Vec<_>>()),
        ("Rebuilt", sweep.rebuilt.clone()),
        ("Notes", sweep.notes.clone()),
    ] {
        if !lines.is_empty() {
            out += &format!("\n### {title}\n\n");
        }
        for line in lines {
            out += &format!("- {}\n", escape(&line));
        }
    }
    out
}
