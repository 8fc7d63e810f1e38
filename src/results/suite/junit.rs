//! JUnit's XML, as Ant writes and Jenkins, GitLab and others read it.

use std::{collections::BTreeMap, fmt::Write};

use super::{Attempt, Case, Reason, Suite, Verdict};
use crate::results::report;

/// A suite for each directory of lab files, a case for each lab. What the lab missed is a
/// `failure`; a run that came to no trusted result is an `error`. Attempts of a flaky lab are
/// Surefire's `flakyFailure` and `flakyError`, those of one that failed to the end `rerunFailure`
/// and `rerunError`.
pub fn junit(suite: &Suite) -> String {
    let mut directories: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in &suite.labs {
        let directory = case
            .file
            .rsplit_once('/')
            .map_or(".", |(directory, _)| directory);
        directories.entry(directory).or_default().push(case);
    }
    let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    for (id, (directory, cases)) in directories.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write(suite, (id, directory, cases), &mut out);
    }
    out += "</testsuites>\n";
    out
}

fn write(
    suite: &Suite,
    (id, directory, cases): (usize, &str, &[&Case]),
    out: &mut String,
) -> std::fmt::Result {
    let count = |of: fn(&Case) -> bool| cases.iter().filter(|case| of(case)).count();
    let failures = count(|case| case.verdict == Verdict::Fail && !is_error(case));
    let errors = count(|case| case.verdict == Verdict::Fail && is_error(case));
    let skipped = count(|case| case.verdict == Verdict::Skip);
    let seconds: f64 = cases.iter().map(|case| case.seconds).sum();
    writeln!(
        out,
        "  <testsuite name={} package=\"backhoe\" id=\"{id}\" timestamp=\"{}\" hostname={} \
         tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\" \
         time=\"{seconds:.3}\">",
        attribute(directory),
        report::iso_8601(suite.began_realtime_ns),
        attribute(if suite.host.is_empty() {
            "localhost"
        } else {
            &suite.host
        }),
        cases.len()
    )?;
    let version = attribute(&suite.version);
    writeln!(
        out,
        "    <properties>\n      <property name=\"backhoe\" value={version}/>"
    )?;
    writeln!(out, "    </properties>")?;
    for case in cases {
        one(case, out)?;
    }
    writeln!(
        out,
        "    <system-out></system-out>\n    <system-err></system-err>"
    )?;
    writeln!(out, "  </testsuite>")
}

fn is_error(case: &Case) -> bool {
    !case.reason.is_some_and(Reason::is_measured)
}

fn one(case: &Case, out: &mut String) -> std::fmt::Result {
    let (name, file) = (attribute(&case.lab), attribute(&case.file));
    write!(
        out,
        "    <testcase name={name} classname={file} time=\"{:.3}\"",
        case.seconds
    )?;
    let told: Vec<&Attempt> = case.attempts.iter().filter(|a| !a.crowded).collect();
    if case.verdict == Verdict::Pass {
        return writeln!(out, "/>");
    }
    writeln!(out, ">")?;
    let reason = case.reason.map_or("failed", Reason::word);
    let first = attribute(case.why.first().map_or("", String::as_str));
    match case.verdict {
        Verdict::Pass | Verdict::Flaky => {}
        Verdict::Skip => writeln!(out, "      <skipped message={first}/>")?,
        Verdict::Fail => {
            let element = if is_error(case) { "error" } else { "failure" };
            let all = text(&super::lines(case, 0));
            writeln!(
                out,
                "      <{element} type=\"{reason}\" message={first}>{all}</{element}>"
            )?;
        }
    }
    let how = match case.verdict {
        Verdict::Flaky => "flaky",
        Verdict::Pass | Verdict::Fail | Verdict::Skip => "rerun",
    };
    for attempt in told {
        let kind = if attempt.reason.is_measured() {
            "Failure"
        } else {
            "Error"
        };
        let why = &attempt.why;
        let message = attribute(why.first().map_or("", String::as_str));
        writeln!(
            out,
            "      <{how}{kind} type=\"{}\" message={message}><stackTrace>{}</stackTrace></{how}{kind}>",
            attempt.reason.word(),
            text(&why.join("\n"))
        )?;
    }
    writeln!(out, "    </testcase>")
}

/// In quotes; what XML 1.0 has no way to write (most control characters) is left out.
fn attribute(value: &str) -> String {
    let escaped = text(value).replace('"', "&quot;");
    format!(
        "\"{}\"",
        escaped.replace('\n', "&#10;").replace('\t', "&#9;")
    )
}

fn text(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '\n' | '\t' => out.push(c),
            c if c < ' ' || matches!(c, '\u{FFFE}' | '\u{FFFF}') => {}
            c => out.push(c),
        }
    }
    out
}
