//! `backhoe sweep`: every link, node, daemon and tag fails, one by one or two together, and the
//! matrix of what that did to every flow is held against what the drawing says.

mod args;
mod labs;
mod prepare;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::{Exit, interrupt::Interrupts, load, output, run};
use crate::{
    lab::graph::{self, Format},
    os::{clock, host},
    results::{
        event::{FileRecord, sha256},
        report,
        sweep::{self, FORMAT, Sweep},
    },
};
use prepare::Prepared;

pub(super) use args::{SWEEP_HELP, SweepArgs};

/// The matrix, for machines, in the directory of a sweep.
pub(super) const DOCUMENT: &str = "sweep.json";

pub(super) fn run(args: &SweepArgs) -> Result<(), Exit> {
    let began = (clock::mono_ns(), clock::real_ns());
    let interrupts = Interrupts::catch()?;
    let prepared = prepare::prepare(args)?;
    let mut sweep = blank(args, &prepared, began.1);
    let mine = prepared.of_shard(args.shard);
    if args.list {
        return list(&sweep, &mine, args.output.json);
    }
    for name in labs::names(&prepared.plan.lab, args.jobs)? {
        run::must_be_free(&name)?;
    }
    let out_dir = run::out_dir_of_a_bench(args.out.as_deref(), &prepared.plan.lab)?;
    fs::write(out_dir.join("lab.yaml"), &prepared.text)?;
    let picture = graph::render(&prepared.lab, Format::Svg);
    fs::write(out_dir.join(crate::engine::init::TOPOLOGY), &picture)?;
    let swept = labs::all(args, (&prepared, mine), &out_dir, &interrupts);
    let (ended, done) = match swept {
        Ok(done) => (Ok(()), done),
        Err((error, done)) => (Err(error), done),
    };
    if done.experiments.is_empty() {
        run::discard(&out_dir);
        return Err(interrupts.caught().unwrap_or_else(|| {
            ended
                .err()
                .unwrap_or_else(|| Exit::Failed("no experiment was made".to_owned()))
        }));
    }
    sweep.labs_built = done.labs;
    sweep.rebuilt = done.rebuilt;
    sweep.experiments = done.experiments;
    sweep.interrupted = interrupts.caught().is_some() || ended.is_err();
    sweep.seconds = clock::mono_ns().saturating_sub(began.0) as f64 / 1e9;
    sweep.out_dir = out_dir.display().to_string();
    sweep::conclude(&mut sweep);
    write(&sweep, &out_dir, Some(&picture))?;
    tell(&sweep, args.output.json)?;
    if !args.output.json {
        output::talk(&format!("sweep directory: {}", out_dir.display()));
    }
    if let Some(caught) = interrupts.caught() {
        return Err(Exit::Status(caught.code()));
    }
    ended?;
    verdict(&sweep)
}

fn blank(args: &SweepArgs, prepared: &Prepared, began_realtime_ns: u64) -> Sweep {
    Sweep {
        format: FORMAT,
        version: crate::VERSION.to_owned(),
        host: host::name(),
        lab: prepared.lab.name.to_string(),
        file: args.lab.display().to_string(),
        file_sha256: sha256(prepared.text.as_bytes()),
        began_realtime_ns,
        seconds: 0.0,
        timers_scaled: prepared.plan.timers_scaled,
        depth: args.depth,
        how: args
            .manners()
            .iter()
            .map(|how| how.word().to_owned())
            .collect(),
        shard: args.shard,
        selected: prepared.trials.len(),
        selection: prepared.selection(),
        labs_built: 0,
        rebuilt: Vec::new(),
        interrupted: false,
        flows: prepared.flows.clone(),
        drawing: prepared.drawing.clone(),
        notes: prepared.notes.clone(),
        left_out: prepared.left_out.clone(),
        experiments: Vec::new(),
        single_points: Vec::new(),
        findings: Vec::new(),
        agreeing: 0,
        compared: 0,
        expect: prepared.survives.clone(),
        out_dir: String::new(),
    }
}

/// What would be tried, and what the drawing says of it.
fn list(sweep: &Sweep, mine: &[&prepare::Trial], json: bool) -> Result<(), Exit> {
    if json {
        let all: Vec<serde_json::Value> = mine
            .iter()
            .map(|trial| {
                let one = &trial.experiment;
                serde_json::json!({
                    "index": one.index, "failure": one.failure, "parts": one.parts,
                    "manner": one.manner, "managed": one.managed, "within_ms": one.within_ms,
                })
            })
            .collect();
        return output::json(&serde_json::json!({
            "lab": sweep.lab, "drawing": sweep.drawing, "experiments": all,
            "left_out": sweep.left_out, "notes": sweep.notes,
        }));
    }
    output::data(&sweep::drawn(sweep))?;
    let width = mine
        .iter()
        .map(|one| one.experiment.failure.chars().count())
        .max();
    let width = width.unwrap_or_default();
    for trial in mine {
        let one = &trial.experiment;
        let of = mine.iter().map(|other| &other.experiment);
        let of = one.same_as.and_then(|of_index| {
            of.clone()
                .find(|other| other.index == of_index && other.same_as.is_none())
        });
        let like = of.map_or_else(String::new, |of| format!(", as {} by symmetry", of.failure));
        let limit = report::span(one.within_ms) + &like;
        output::data(&format!(
            "{:<width$}  {:<7}  within {limit}",
            one.failure, one.manner
        ))?;
    }
    let left_out = sweep
        .left_out
        .iter()
        .map(|one| format!("not tried: {}: {}\n", one.what, one.why));
    let rest: String = left_out.collect();
    match rest.is_empty() {
        true => Ok(()),
        false => output::data(&rest),
    }
}

/// Writes the three forms of a sweep; the page with a picture of the lab, where there is one.
pub(super) fn write(sweep: &Sweep, out_dir: &Path, picture: Option<&str>) -> Result<(), Exit> {
    let text = serde_json::to_vec_pretty(sweep).context("the sweep")?;
    fs::write(out_dir.join(DOCUMENT), text).context(DOCUMENT)?;
    fs::write(out_dir.join("sweep.md"), sweep::markdown(sweep)).context("sweep.md")?;
    let page = report::html_of_sweep(sweep, picture);
    fs::write(out_dir.join("report.html"), page).context("report.html")?;
    Ok(())
}

pub(super) fn tell(sweep: &Sweep, json: bool) -> Result<(), Exit> {
    match json {
        true => output::json(sweep),
        false => output::data(&sweep::text(sweep)),
    }
}

pub(super) fn verdict(sweep: &Sweep) -> Result<(), Exit> {
    match sweep.exit_code() {
        0 => Ok(()),
        code => Err(Exit::Status(code)),
    }
}

/// Whether a directory, or a file, is a sweep's: its document.
pub(super) fn document(given: &Path) -> Option<PathBuf> {
    let path = match given.is_dir() {
        true => given.join(DOCUMENT),
        false => given.to_path_buf(),
    };
    let is_ours = path.file_name().is_some_and(|name| name == DOCUMENT);
    (is_ours && path.exists()).then_some(path)
}

/// The shards of a sweep as one.
pub(super) fn merge(
    paths: &[(String, PathBuf)],
    out: Option<&Path>,
    json: bool,
) -> Result<(), Exit> {
    let mut parts = Vec::new();
    for (name, path) in paths {
        let refused = |error: &dyn std::fmt::Display| {
            Exit::Usage(format!(
                "{}: {error}; give the directories that `sweep --shard k/n --out DIR` wrote",
                path.display()
            ))
        };
        let text = fs::read_to_string(path).map_err(|error| refused(&error))?;
        let part: Sweep = serde_json::from_str(&text).map_err(|error| refused(&error))?;
        parts.push((name.clone(), part));
    }
    let mut whole = sweep::merge(parts).map_err(|error| Exit::Usage(error.to_string()))?;
    let names: Vec<&str> = paths.iter().map(|(name, _)| name.as_str()).collect();
    whole.out_dir = names.join(", ");
    sweep::conclude(&mut whole);
    if let Some(out) = out {
        let name = crate::units::LabName::new("sweep").map_err(|error| Exit::Bug(error.into()))?;
        let out = run::out_dir_of_several(Some(out), &name)?;
        whole.out_dir = out.display().to_string();
        let picture = paths.first().and_then(|(_, path)| {
            fs::read_to_string(path.with_file_name(crate::engine::init::TOPOLOGY)).ok()
        });
        write(&whole, &out, picture.as_deref())?;
    }
    tell(&whole, json)?;
    verdict(&whole)
}

/// What a lab of a sweep is known by.
fn origin(prepared: &Prepared) -> Result<crate::engine::init::Origin, Exit> {
    let plan = serde_json::to_vec(&prepared.plan).context("the plan")?;
    Ok(crate::engine::init::Origin {
        lab_file: FileRecord::of("lab.yaml".to_owned(), prepared.text.as_bytes()),
        plan_sha256: sha256(&plan),
        earlier: Vec::new(),
        trials_before: 0,
    })
}

/// The lab that a command names, with its text.
fn read(args: &SweepArgs) -> Result<(crate::lab::model::Lab, String), Exit> {
    let loaded = load::read(&args.lab)?;
    loaded.print();
    let Some(lab) = &loaded.checked.lab else {
        return Err(loaded.refused());
    };
    let mut lab = lab.clone();
    if args.fast.fast {
        lab = load::scaled(&loaded.file, &lab)?;
    }
    if let Some(name) = &args.name {
        lab.name = name.clone();
    }
    Ok((lab, loaded.text))
}
