//! `backhoe test`: every lab's scenario against its `expect:`.

mod args;
mod attempt;
mod filter;
mod find;
mod keep;
mod means;
mod schedule;
mod told;

use std::{fs, path::Path};

use anyhow::Context as _;

use super::{Exit, interrupt::Interrupts, output, progress::Progress, run};
use crate::{
    os::{clock, host},
    results::{
        event::sha256,
        suite::{self, Case, FORMAT, Suite},
    },
    units::LabName,
};
use find::Candidate;
use schedule::Rules;

pub(super) use args::{MERGE_HELP, MergeArgs, TEST_HELP, TestArgs};
pub(super) use told::{Forms, document};

pub(super) fn run(args: &TestArgs) -> Result<(), Exit> {
    let began = (clock::mono_ns(), clock::real_ns());
    let interrupts = Interrupts::catch()?;
    let all = find::candidates(&find::files(&args.paths)?, args.fast.fast)?;
    let selected = selected(&all, args)?;
    let mine: Vec<(usize, &Candidate)> = selected
        .iter()
        .enumerate()
        .filter(|(index, _)| args.shard.is_none_or(|shard| shard.has(*index)))
        .map(|(index, candidate)| (index, *candidate))
        .collect();
    if args.list {
        return list(&mine, args.output.json);
    }
    args.forms.try_out()?;
    let name = LabName::new("test").map_err(|error| Exit::Bug(error.into()))?;
    let out_dir = run::out_dir_of_several(args.out.as_deref(), &name)?;
    // What an earlier test left there would pass for this one's.
    let _ = fs::remove_file(document(&out_dir));
    let rules = Rules {
        out_dir: &out_dir,
        timeout: args.timeout.as_duration(),
        retries: args.retries,
        keep: args.keep,
        keep_bytes: args.keep_size.get(),
    };
    let mut told = Told::new(args, &mine);
    let mut means = means::Means::of_host(args.jobs);
    let cases = schedule::all(&mine, &rules, &mut means, &interrupts, &mut told);
    told.progress.done();
    let mut suite = Suite {
        format: FORMAT,
        version: crate::VERSION.to_owned(),
        host: host::name(),
        began_realtime_ns: began.1,
        passed: 0,
        flaky: 0,
        failed: 0,
        skipped: 0,
        seconds: clock::mono_ns().saturating_sub(began.0) as f64 / 1e9,
        shard: args.shard,
        selected: selected.len(),
        selection: selection(&selected),
        out_dir: out_dir.display().to_string(),
        labs: cases?,
    };
    suite.count();
    write_document(&suite, &out_dir)?;
    if let Some(caught) = interrupts.caught() {
        return Err(caught);
    }
    tell(&suite, &args.forms, args.output.json)?;
    verdict(&suite, args.no_skip)
}

/// The labs that are meant, those of other shards among them.
fn selected<'c>(all: &'c [Candidate], args: &TestArgs) -> Result<Vec<&'c Candidate>, Exit> {
    let takes = |candidate: &Candidate| {
        let path = candidate.path.to_string_lossy();
        let seen = filter::Seen {
            name: &candidate.label,
            path: &path,
        };
        args.filter.is_empty() || args.filter.iter().any(|filter| filter.takes(seen))
    };
    let selected: Vec<&Candidate> = all.iter().filter(|candidate| takes(candidate)).collect();
    if selected.is_empty() {
        let n = all.len();
        return Err(Exit::Usage(format!(
            "no lab is left of {n}: see their names with `--list` and without --filter"
        )));
    }
    Ok(selected)
}

fn selection(selected: &[&Candidate]) -> String {
    let mut text = String::new();
    for candidate in selected {
        text += &format!("{} {}\n", candidate.sha256, candidate.label);
    }
    sha256(text.as_bytes())
}

fn list(labs: &[(usize, &Candidate)], json: bool) -> Result<(), Exit> {
    if json {
        let labs: Vec<serde_json::Value> = labs
            .iter()
            .map(|(index, candidate)| {
                serde_json::json!({
                    "index": index,
                    "lab": candidate.label,
                    "file": candidate.path,
                    "skipped_for": candidate.lacks,
                })
            })
            .collect();
        return output::json(&serde_json::json!({ "labs": labs }));
    }
    let width = labs.iter().map(|(_, c)| c.label.chars().count()).max();
    let width = width.unwrap_or_default();
    let lines: Vec<String> = labs
        .iter()
        .map(|(_, candidate)| {
            let lacks = if candidate.lacks.is_some() {
                "  (cannot run here)"
            } else {
                ""
            };
            let file = candidate.path.display();
            format!("{:<width$}  {file}{lacks}", candidate.label)
        })
        .collect();
    // A shard of a small selection may be empty.
    if lines.is_empty() {
        Ok(())
    } else {
        output::data(&lines.join("\n"))
    }
}

fn write_document(suite: &Suite, out_dir: &Path) -> Result<(), Exit> {
    let text = serde_json::to_vec_pretty(suite).context("the verdicts")?;
    fs::write(document(out_dir), text).context("test.json")?;
    Ok(())
}

/// Says what a suite came to, in all forms that are wanted; its lines have been printed.
pub(super) fn tell(suite: &Suite, forms: &Forms, json: bool) -> Result<(), Exit> {
    forms.write(suite)?;
    match json {
        true => output::json(suite),
        false => output::data(&suite::conclusion(suite)),
    }
}

pub(super) fn verdict(suite: &Suite, no_skip: bool) -> Result<(), Exit> {
    match suite.exit_code(no_skip) {
        0 => Ok(()),
        code => Err(Exit::Status(code)),
    }
}

/// A line for each verdict as it comes, and what runs meanwhile.
struct Told {
    progress: Progress,
    json: bool,
    width: usize,
    done: usize,
    all: usize,
}

impl Told {
    fn new(args: &TestArgs, labs: &[(usize, &Candidate)]) -> Self {
        let width = labs.iter().map(|(_, c)| c.label.chars().count()).max();
        Self {
            progress: Progress::new(args.output.json, false),
            json: args.output.json,
            width: width.unwrap_or_default(),
            done: 0,
            all: labs.len(),
        }
    }
}

impl schedule::Told for Told {
    fn running(&mut self, labels: &[&str]) {
        if labels.is_empty() {
            return;
        }
        let first = self.done + 1;
        let all = self.all;
        self.progress
            .say(format!("{first}/{all} {}", labels.join(", ")), false);
    }

    fn done(&mut self, case: &Case) -> Result<(), Exit> {
        self.done += 1;
        if self.json {
            return Ok(());
        }
        let lines = suite::lines(case, self.width);
        self.progress.suspended(|| output::data(&lines))
    }
}
