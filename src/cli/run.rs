//! `backhoe run`: the main job.

use std::{
    fs, io,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::{
    Exit,
    args::RunArgs,
    interrupt::{self, Interrupts},
    load, output,
    progress::Progress,
};
use crate::{
    engine::{
        api::{self, Client},
        init::{self, Goal, LaunchError, LaunchSpec, Mode, RunOptions},
    },
    os::clock,
    results::{
        event::{Event, EventKind},
        measure::RunResult,
        report,
    },
    units::LabName,
};

pub(super) fn run(args: &RunArgs) -> Result<(), Exit> {
    let command_started = Some(clock::mono_ns());
    let interrupts = Interrupts::catch()?;
    let (plan, _) = load::plan(&args.lab, args.name.as_ref())?;
    let lab = plan.lab.clone();
    must_be_free(&lab)?;
    let out_dir = out_dir(args.out.as_deref(), &lab)?;
    let seed = args.seed.unwrap_or_else(clock::real_ns);
    let spec = LaunchSpec {
        plan,
        out_dir: out_dir.clone(),
        mode: Mode::Foreground,
        options: RunOptions {
            goal: Goal::Scenario,
            seed,
            wire: args.wire.into(),
            command_started,
        },
    };
    let launched = match init::launch(&spec, |pid| interrupts.lab(pid)) {
        Ok(launched) => launched,
        Err(error) => return Err(interrupt::no_lab(&interrupts, error)),
    };
    let failure = follow(lab, args.json);
    let status = launched.wait()?;
    if let Some(caught) = interrupts.caught() {
        output::talk(&format!(
            "the lab is down; what was seen until then: {}",
            out_dir.join("journal.jsonl").display()
        ));
        return Err(caught);
    }
    if let Some(failure) = failure {
        return Err(failed(failure, &out_dir));
    }
    let path = out_dir.join("result.json");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(failed(format!("the lab ended early ({status})"), &out_dir));
        }
        Err(error) => return Err(error.into()),
    };
    if args.json {
        output::data(&text)?;
    }
    let result: RunResult = serde_json::from_str(&text).context("result.json")?;
    if !args.json {
        output::data(&report::terminal(
            &result,
            report::Style {
                colour: output::colour(),
                width: 100,
            },
        ))?;
        output::talk(&format!("run directory: {}", out_dir.display()));
    }
    if result.expectations_missed() > 0 {
        Err(Exit::Missed)
    } else {
        Ok(())
    }
}

/// Shows progress until the lab has ended; the reason when it failed.
fn follow(lab: LabName, quiet: bool) -> Option<String> {
    let mut progress = Progress::new(quiet);
    let mut failure = None;
    // A lab that is already gone has left its result behind, or its absence.
    let _ = Client::new(lab).events(|line| {
        if let Ok(event) = serde_json::from_str::<Event>(line) {
            progress.event(&event);
            if let EventKind::Warning { code, text, .. } = &event.kind
                && code == "run-failed"
            {
                failure = Some(text.clone());
            }
        }
        ControlFlow::Continue(())
    });
    progress.done();
    failure
}

fn failed(text: String, out_dir: &Path) -> Exit {
    output::talk(&format!(
        "backhoe: {text}\nrun directory: {}",
        out_dir.display()
    ));
    Exit::Missed
}

/// A name can be up once. Said before anything is built, and before a directory is made for it.
pub(super) fn must_be_free(lab: &LabName) -> Result<(), Exit> {
    if api::list()?.contains(lab) {
        return Err(no_lab(LaunchError::Taken(lab.clone()).into()));
    }
    Ok(())
}

/// Why there is no lab, as an exit code.
pub(super) fn no_lab(error: anyhow::Error) -> Exit {
    match error.downcast_ref::<LaunchError>() {
        Some(taken @ LaunchError::Taken(_)) => Exit::Usage(taken.to_string()),
        Some(LaunchError::Host(lack)) => Exit::Host(lack.clone()),
        Some(LaunchError::Failed(_)) | None => Exit::Bug(error),
    }
}

/// The run's directory, made before anything is built, so that a bad path costs nothing.
pub(super) fn out_dir(given: Option<&Path>, lab: &LabName) -> Result<PathBuf, Exit> {
    let path = given.map_or_else(
        || PathBuf::from("runs").join(format!("{lab}-{}", clock::real_ns() / 1_000_000)),
        Path::to_path_buf,
    );
    fs::create_dir_all(&path)
        .map_err(|error| Exit::Usage(format!("cannot create {}: {error}", path.display())))?;
    // What an earlier run left there would pass for this one's.
    for name in ["journal.jsonl", "result.json", "wires.json"] {
        forget(fs::remove_file(path.join(name)))?;
    }
    for name in ["packets", "logs", "config"] {
        forget(fs::remove_dir_all(path.join(name)))?;
    }
    // An absolute path means the same to every process of the lab.
    Ok(fs::canonicalize(&path)?)
}

fn forget(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| match error.kind() == io::ErrorKind::NotFound {
        true => Ok(()),
        false => Err(error),
    })
}
