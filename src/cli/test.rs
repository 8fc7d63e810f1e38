//! `backhoe test`: every lab's scenario against its `expect:`.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    Exit, args::TestArgs, child, interrupt::Interrupts, load, output, progress::Progress, run,
};
use crate::{
    os::clock,
    results::{
        measure::{Outage, RunResult},
        report,
    },
    units::LabName,
};

/// A lab file that can be read and built somewhere.
struct Candidate {
    path: PathBuf,
    /// Of the lab; unlike others' of the same command.
    label: String,
    /// It runs by its factor.
    fast: bool,
    /// Why it cannot run here.
    lacks: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Verdict {
    Pass,
    Fail,
    Skip,
}

/// What came of a lab.
#[derive(Serialize)]
struct Outcome {
    file: String,
    lab: String,
    verdict: Verdict,
    /// Timers ran this many times faster than its file says.
    #[serde(skip_serializing_if = "Option::is_none")]
    timers_scaled: Option<u32>,
    /// Wall time, from the command that ran it to its end.
    seconds: f64,
    /// What its faults cost, in a line.
    cost: String,
    /// Why it failed or was skipped.
    why: Vec<String>,
    outages: Vec<Outage>,
    out_dir: Option<PathBuf>,
}

#[derive(Serialize)]
struct Summary {
    passed: usize,
    failed: usize,
    skipped: usize,
    seconds: f64,
    out_dir: PathBuf,
    labs: Vec<Outcome>,
}

pub(super) fn run(args: &TestArgs) -> Result<(), Exit> {
    let started = clock::mono_ns();
    let interrupts = Interrupts::catch()?;
    let candidates = candidates(&files(&args.paths)?, args.fast.fast)?;
    let out_dir = run::out_dir(args.out.as_deref(), &LabName::new("test").map_err(broken)?)?;
    let width = candidates.iter().map(|c| c.label.chars().count()).max();
    let width = width.unwrap_or_default();
    let mut labs = Vec::new();
    for (index, candidate) in candidates.iter().enumerate() {
        let outcome = match &candidate.lacks {
            Some(why) => Outcome {
                why: why.clone(),
                ..Outcome::of(candidate, Verdict::Skip)
            },
            None => {
                let mut progress = Progress::new(args.output.json, false);
                let (number, all) = (index + 1, candidates.len());
                progress.say(format!("{number}/{all} {}", candidate.label), false);
                let outcome = one(candidate, &out_dir, &interrupts)?;
                progress.done();
                outcome
            }
        };
        if let Some(caught) = interrupts.caught() {
            return Err(caught);
        }
        if !args.output.json {
            output::data(&line(&outcome, width))?;
        }
        labs.push(outcome);
    }
    let count = |verdict| labs.iter().filter(|lab| lab.verdict == verdict).count();
    let summary = Summary {
        passed: count(Verdict::Pass),
        failed: count(Verdict::Fail),
        skipped: count(Verdict::Skip),
        seconds: seconds_since(started),
        out_dir,
        labs,
    };
    let verdict = summary.verdict(args.no_skip);
    if args.output.json {
        output::json(&summary)?;
    } else {
        output::data(&summary.line())?;
    }
    verdict
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> Exit {
    Exit::Bug(error.into())
}

fn seconds_since(mono_ns: u64) -> f64 {
    clock::mono_ns().saturating_sub(mono_ns) as f64 / 1e9
}

/// The files that were named, and those in the directories that were, in order.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Exit> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let refused =
            |error: io::Error| Exit::Usage(format!("{}: cannot be read: {error}", path.display()));
        let mut inside = Vec::new();
        for entry in fs::read_dir(path).map_err(refused)? {
            let file = entry.map_err(refused)?.path();
            let is_yaml = file
                .extension()
                .is_some_and(|extension| extension == "yaml" || extension == "yml");
            if is_yaml && file.is_file() {
                inside.push(file);
            }
        }
        if inside.is_empty() {
            let path = path.display();
            return Err(Exit::Usage(format!(
                "{path}: no lab files (*.yaml, *.yml) in this directory"
            )));
        }
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

/// Reads all files, so that a mistake in the last is known before the first lab is built.
fn candidates(files: &[PathBuf], fast: bool) -> Result<Vec<Candidate>, Exit> {
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut findings = Vec::new();
    let mut refused = Vec::new();
    for path in files {
        match candidate(path, fast) {
            Ok(candidate) => candidates.push(candidate),
            Err(exit) => {
                if let Exit::LabFile(_, found) = &exit {
                    // They have been printed where they were found.
                    findings.extend(found.iter().cloned());
                } else {
                    exit.say();
                }
                refused.push(path.display().to_string());
            }
        }
    }
    if refused.is_empty() {
        let labels: Vec<String> = candidates.iter().map(|c| c.label.clone()).collect();
        for (index, candidate) in candidates.iter_mut().enumerate() {
            if labels
                .iter()
                .filter(|label| **label == candidate.label)
                .count()
                > 1
            {
                candidate.label = format!("{}-{}", candidate.label, index + 1);
            }
        }
        return Ok(candidates);
    }
    let text = format!("nothing was built; refused: {}", refused.join(", "));
    Err(Exit::LabFile(text, findings))
}

fn candidate(path: &Path, fast: bool) -> Result<Candidate, Exit> {
    let loaded = load::read(path)?.at_fast(fast);
    loaded.print();
    let Some(lab) = &loaded.checked.lab else {
        return Err(loaded.refused());
    };
    let (label, fast) = (lab.name.to_string(), lab.scaled.is_some());
    let lacks = match load::on_host(&loaded) {
        Ok(()) => None,
        Err(Exit::Host(why)) => Some(lacks(&loaded.file, &why)),
        Err(other) => return Err(other),
    };
    Ok(Candidate {
        path: path.to_owned(),
        label,
        fast,
        lacks,
    })
}

/// What the host lacks, a line each. The file's name stands before it anyway.
fn lacks(file: &str, why: &str) -> Vec<String> {
    let prefix = format!("{file}: error: ");
    let found = why.lines().filter_map(|line| line.strip_prefix(&prefix));
    let found: Vec<String> = found.map(str::to_owned).collect();
    if found.is_empty() {
        return vec![why.to_owned()];
    }
    found
}

/// Runs a lab in a process of its own; its report and what it said go to `LABEL.log`.
fn one(candidate: &Candidate, out_dir: &Path, interrupts: &Interrupts) -> Result<Outcome, Exit> {
    let started = clock::mono_ns();
    let directory = out_dir.join(&candidate.label);
    let log = out_dir.join(format!("{}.log", candidate.label));
    let file = fs::canonicalize(&candidate.path)?;
    let mut args: Vec<OsString> = vec![
        "run".into(),
        file.into(),
        "--out".into(),
        directory.clone().into(),
    ];
    if candidate.fast {
        args.push("--fast".into());
    }
    let status = child::run(args, &log, interrupts)?;
    let result = fs::read_to_string(directory.join("result.json"))
        .ok()
        .and_then(|text| serde_json::from_str::<RunResult>(&text).ok());
    let (verdict, why) = match (status, &result) {
        (0, Some(_)) => (Verdict::Pass, Vec::new()),
        (4, Some(result)) => (Verdict::Fail, report::shortfalls(result)),
        (3, None) => (Verdict::Skip, child::last_words(&log)),
        _ => (Verdict::Fail, child::last_words(&log)),
    };
    Ok(Outcome {
        seconds: seconds_since(started),
        timers_scaled: result.as_ref().and_then(|result| result.timers_scaled),
        cost: result.as_ref().map(report::headline).unwrap_or_default(),
        why,
        outages: result.map(|result| result.outages).unwrap_or_default(),
        out_dir: Some(directory),
        ..Outcome::of(candidate, verdict)
    })
}

impl Outcome {
    fn of(candidate: &Candidate, verdict: Verdict) -> Self {
        Self {
            file: candidate.path.display().to_string(),
            lab: candidate.label.clone(),
            verdict,
            timers_scaled: None,
            seconds: 0.0,
            cost: String::new(),
            why: Vec::new(),
            outages: Vec::new(),
            out_dir: None,
        }
    }
}

/// `PASS  dx-vpn-backup    9.2 s  app → db 742 ± 1 ms, …`, and below it why not.
fn line(outcome: &Outcome, width: usize) -> String {
    let word = match outcome.verdict {
        Verdict::Pass => "PASS",
        Verdict::Fail => "FAIL",
        Verdict::Skip => "SKIP",
    };
    let time = match outcome.verdict {
        Verdict::Skip => String::new(),
        Verdict::Pass | Verdict::Fail => format!("{:.1} s", outcome.seconds),
    };
    let mut text = format!(
        "{word}  {:<width$}  {time:>7}  {}",
        outcome.lab, outcome.cost
    );
    text.truncate(text.trim_end().len());
    for why in &outcome.why {
        text += &format!("\n      {why}");
    }
    text
}

impl Summary {
    fn line(&self) -> String {
        let all = self.labs.len();
        let s = if all == 1 { "" } else { "s" };
        let help = if self.skipped > 0 {
            "\n`backhoe doctor` says what this host lacks and the command that adds it"
        } else {
            ""
        };
        format!(
            "\n{all} lab{s} in {:.0} s: {} passed, {} failed, {} skipped; {}{help}",
            self.seconds,
            self.passed,
            self.failed,
            self.skipped,
            self.out_dir.display()
        )
    }

    fn verdict(&self, no_skip: bool) -> Result<(), Exit> {
        if self.failed > 0 {
            Err(Exit::Status(4))
        } else if self.skipped > 0 && (no_skip || self.passed == 0) {
            Err(Exit::Status(3))
        } else {
            Ok(())
        }
    }
}
