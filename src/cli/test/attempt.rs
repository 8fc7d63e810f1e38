//! One run of one lab, in a process of its own.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    super::{
        Exit,
        child::{self, CAUSE, Ended},
        interrupt::Interrupts,
    },
    find::Candidate,
};
use crate::{
    os::clock,
    results::{
        measure::{Outage, RunResult},
        report,
        suite::{Reason, Shortfall, shortfalls},
    },
};

/// What came of it.
pub(super) struct Ran {
    pub(super) outcome: Outcome,
    /// What its faults cost, in a line.
    pub(super) cost: String,
    pub(super) why: Vec<String>,
    pub(super) shortfalls: Vec<Shortfall>,
    pub(super) chain: Vec<String>,
    pub(super) outages: Vec<Outage>,
    pub(super) timers_scaled: Option<u32>,
    pub(super) seconds: f64,
    pub(super) directory: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    /// The host lacks something after all.
    Lacking,
    Failed(Reason),
}

/// Runs a lab; its report and what it said go to `LABEL.log`. Not longer than `timeout`.
pub(super) fn run(
    candidate: &Candidate,
    out_dir: &Path,
    timeout: Duration,
    interrupts: &Interrupts,
) -> Result<Ran, Exit> {
    let started = clock::mono_ns();
    let directory = out_dir.join(&candidate.label);
    let log = out_dir.join(format!("{}.log", candidate.label));
    let file = fs::canonicalize(&candidate.path)?;
    let mut args: Vec<OsString> = vec!["run".into(), file.into()];
    args.extend(["--out".into(), directory.clone().into()]);
    if candidate.fast {
        args.push("--fast".into());
    }
    let ended = child::run_within(args, &log, timeout, interrupts)?;
    let result = fs::read_to_string(directory.join("result.json"))
        .ok()
        .and_then(|text| serde_json::from_str::<RunResult>(&text).ok());
    let column = |line| candidate.columns.get(&line).copied();
    let found = result.as_ref().map(|result| shortfalls(result, column));
    let mut found = found.unwrap_or_default();
    let outcome = match (ended, &result) {
        (Ended::TimedOut, _) => Outcome::Failed(Reason::Timeout),
        (Ended::Status(0), Some(_)) => Outcome::Passed,
        (Ended::Status(4), Some(_)) => Outcome::Failed(reason(&found)),
        (Ended::Status(3), None) => Outcome::Lacking,
        (Ended::Status(_), _) => Outcome::Failed(match child::causes(&log).is_empty() {
            true => Reason::NoResult,
            false => Reason::NotConverged,
        }),
    };
    let why = match (outcome, &result) {
        (Outcome::Passed, _) => Vec::new(),
        (Outcome::Failed(Reason::Timeout), _) => {
            // What was cut short has missed what it had not come to.
            found.clear();
            let said = child::last_line(&log);
            vec![
                format!(
                    "ended after {} s, as --timeout says; it said last: {said}",
                    timeout.as_secs_f64()
                ),
                format!("all of it: {}", log.display()),
            ]
        }
        (Outcome::Failed(Reason::NotConverged), _) => {
            let said = child::last_words(&log).into_iter();
            said.filter(|line| !line.contains(CAUSE)).collect()
        }
        (Outcome::Failed(Reason::NoResult) | Outcome::Lacking, _) | (_, None) => {
            child::last_words(&log)
        }
        (Outcome::Failed(_), Some(result)) => report::shortfalls(result),
    };
    let chain = match (outcome, &result) {
        (Outcome::Failed(Reason::NotConverged), _) => child::causes(&log),
        (Outcome::Failed(_), Some(result)) => report::chain(result),
        _ => Vec::new(),
    };
    Ok(Ran {
        outcome,
        cost: result.as_ref().map(report::headline).unwrap_or_default(),
        why,
        shortfalls: found,
        chain,
        timers_scaled: result.as_ref().and_then(|result| result.timers_scaled),
        outages: result.map(|result| result.outages).unwrap_or_default(),
        seconds: clock::mono_ns().saturating_sub(started) as f64 / 1e9,
        directory,
    })
}

/// A number that is not trusted makes what it says of an expectation worth nothing.
fn reason(found: &[Shortfall]) -> Reason {
    let has = |reason| found.iter().any(|shortfall| shortfall.reason == reason);
    if has(Reason::Untrusted) {
        Reason::Untrusted
    } else if has(Reason::Expectation) {
        Reason::Expectation
    } else {
        Reason::Wait
    }
}

/// Sets a run aside under a name that says which attempt it was: the next one needs its own.
pub(super) fn set_aside(directory: &Path, number: u32) -> Result<PathBuf, Exit> {
    let aside = |path: &Path, ending: &str| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.strip_suffix(ending).unwrap_or(&name);
        path.with_file_name(format!("{name}.attempt-{number}{ending}"))
    };
    let to = aside(directory, "");
    let mut log = directory.as_os_str().to_owned();
    log.push(".log");
    let log = PathBuf::from(log);
    if to.exists() {
        fs::remove_dir_all(&to)?;
    }
    // A run that came to nothing has left no directory.
    if directory.exists() {
        fs::rename(directory, &to)?;
    }
    fs::rename(&log, aside(&log, ".log"))?;
    Ok(to)
}
