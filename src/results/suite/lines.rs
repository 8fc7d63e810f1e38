//! The suite on a terminal: a line each, and below a failure what is known of it.

use super::{Attempt, Case, Shortfall, Suite, Verdict};

/// `PASS  dx-vpn-backup    9.2 s  app → db 742 ± 1 ms, …`; below it why not, what was expected
/// beside what was measured, what the traffic waited for, and where everything is.
pub fn lines(case: &Case, width: usize) -> String {
    let word = match case.verdict {
        Verdict::Pass => "PASS",
        Verdict::Flaky => "FLAKY",
        Verdict::Fail => "FAIL",
        Verdict::Skip => "SKIP",
    };
    let time = match case.verdict {
        Verdict::Skip => String::new(),
        Verdict::Pass | Verdict::Flaky | Verdict::Fail => format!("{:.1} s", case.seconds),
    };
    let mut text = format!("{word:<5} {:<width$}  {time:>7}  {}", case.lab, case.cost);
    text.truncate(text.trim_end().len());
    for attempt in &case.attempts {
        text += &earlier(attempt);
    }
    match case.verdict {
        Verdict::Pass | Verdict::Flaky => {}
        Verdict::Skip => text.extend(case.why.iter().map(|why| format!("\n      {why}"))),
        Verdict::Fail => failure(case, &mut text),
    }
    text
}

fn earlier(attempt: &Attempt) -> String {
    let said = match attempt.crowded {
        true => "beside others, not trusted; again alone",
        false => "failed",
    };
    let why = attempt.why.first().map_or("", String::as_str);
    format!(
        "\n      attempt {}, {:.1} s: {said}: {why}",
        attempt.number, attempt.seconds
    )
}

fn failure(case: &Case, text: &mut String) {
    for shortfall in &case.shortfalls {
        text.push_str("\n      ");
        text.push_str(&place(&case.file, shortfall));
        let mut label = "measured";
        text.push_str(&format!("\n        expected  {}", shortfall.expected));
        for measured in &shortfall.measured {
            text.push_str(&format!("\n        {label:<8}  {measured}"));
            label = "";
        }
    }
    if case.shortfalls.is_empty() {
        text.extend(case.why.iter().map(|why| format!("\n      {why}")));
    }
    text.extend(case.chain.iter().map(|chain| format!("\n      {chain}")));
    if let Some(out_dir) = &case.out_dir {
        text.push_str(&format!("\n      artefacts: {out_dir}"));
    }
    if !case.left_out.is_empty() {
        let n = case.left_out.len();
        text.push_str(&format!(
            "; {n} too large to keep: {}",
            case.left_out.join(", ")
        ));
    }
}

/// `labs/mine.yaml:16:5: expectation`.
fn place(file: &str, shortfall: &Shortfall) -> String {
    let mut text = file.to_owned();
    for number in [shortfall.line, shortfall.column].into_iter().flatten() {
        text += &format!(":{number}");
    }
    format!("{text}: {}", shortfall.reason.word())
}

/// `12 labs in 96 s: 10 passed (1 flaky), 1 failed, 1 skipped; runs/test-…`.
pub fn conclusion(suite: &Suite) -> String {
    let all = suite.labs.len();
    let s = if all == 1 { "" } else { "s" };
    let flaky = match suite.flaky {
        0 => String::new(),
        n => format!(" ({n} flaky)"),
    };
    let shard = suite.shard.map_or_else(String::new, |shard| {
        format!("shard {shard} of {} labs: ", suite.selected)
    });
    let help = if suite.skipped > 0 {
        "\n`backhoe doctor` says what this host lacks and the command that adds it"
    } else {
        ""
    };
    format!(
        "\n{shard}{all} lab{s} in {:.0} s: {} passed{flaky}, {} failed, {} skipped; {}{help}",
        suite.seconds, suite.passed, suite.failed, suite.skipped, suite.out_dir
    )
}
