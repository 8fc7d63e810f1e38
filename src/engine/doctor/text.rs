//! Findings for reading.

use std::fmt::Write as _;

use super::{Finding, Verdict};

/// Where the words begin.
const INDENT: usize = 30;

/// One paragraph for each finding, then what the marks mean for this host.
pub fn text(kernel: &str, all: &[Finding]) -> String {
    let mut text = format!("kernel {kernel}\n");
    let shared = shared(all);
    for finding in all {
        let mark = match finding.verdict {
            Verdict::Good => "ok",
            Verdict::Fallback => "fallback",
            Verdict::Missing => "missing",
            Verdict::Fatal => "FATAL",
        };
        let mut line = |label: &str, words: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{label:INDENT$}{words}");
        };
        line(&format!("{mark:<10}{}", finding.what), &finding.found);
        line("", &finding.uses);
        if let Some(costs) = &finding.costs {
            line("", &format!("costs: {costs}"));
        }
        if let Some(command) = &finding.improve
            && !shared.iter().any(|(known, _)| known == command)
        {
            line("", &format!("improve: {command}"));
        }
    }
    for (command, names) in shared {
        let _ = writeln!(text, "{:INDENT$}{}", "improve", names.join(", "));
        let _ = writeln!(text, "{:INDENT$}{command}", "");
    }
    let count = |verdict| all.iter().filter(|f| f.verdict == verdict).count();
    let verdict = match (
        count(Verdict::Fatal),
        count(Verdict::Fallback),
        count(Verdict::Missing),
    ) {
        (0, 0, 0) => "labs run here, with the real thing everywhere".to_owned(),
        (0, fallback, missing) => format!(
            "labs run here; {fallback} stand-in{}, {missing} missing",
            if fallback == 1 { "" } else { "s" }
        ),
        (..) => "no lab runs here".to_owned(),
    };
    let _ = writeln!(text, "{verdict}");
    text
}

/// Commands that improve several findings, each with their names: said once, at the end.
fn shared(all: &[Finding]) -> Vec<(&str, Vec<&str>)> {
    let mut commands: Vec<(&str, Vec<&str>)> = Vec::new();
    for finding in all {
        let Some(command) = finding.improve.as_deref() else {
            continue;
        };
        match commands.iter_mut().find(|(known, _)| *known == command) {
            Some((_, names)) => names.push(&finding.what),
            None => commands.push((command, vec![&finding.what])),
        }
    }
    commands.retain(|(_, names)| names.len() > 1);
    commands
}
