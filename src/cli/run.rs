//! `backhoe run`: the main job.

use std::{
    collections::BTreeSet,
    fs, io,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::{
    Exit,
    args::RunArgs,
    bench_dir::KeptBench,
    interrupt::{self, Interrupts},
    load, ls, output,
    progress::Progress,
    resume::{self, Resumed},
    together,
    told::Told,
};
use crate::{
    engine::{
        api::{self, Client},
        init::{self, Goal, LaunchError, LaunchSpec, Mode, Origin, RunOptions, TOPOLOGY},
    },
    lab::{
        graph::{self, Format},
        model::StepKind,
        plan::Plan,
    },
    os::clock,
    results::{
        event::{Event, EventKind, FileRecord, sha256},
        measure::{Terms, Warning},
    },
    units::LabName,
};

/// A series of trials that is to be measured.
pub(super) struct Series {
    pub(super) lab: LabName,
    pub(super) terms: Terms,
    pub(super) out_dir: PathBuf,
    pub(super) origin: Origin,
}

/// What is known of a run that comes to no result.
#[derive(Debug, Default)]
pub(super) struct SoFar {
    lab: Option<LabName>,
    out_dir: Option<PathBuf>,
    warnings: Vec<Warning>,
}

pub(super) fn run(args: &RunArgs) -> Result<(), Exit> {
    let mut so_far = SoFar {
        lab: args.name.clone(),
        ..SoFar::default()
    };
    let ended = experiment(args, &mut so_far);
    match ended {
        Err(exit) if args.output.json && exit.error().is_some() => {
            exit.say();
            print_failure(&exit, &so_far)?;
            Err(Exit::Status(exit.code()))
        }
        other => other,
    }
}

/// The document of a run without a result: the fields of one that everybody reads, and why.
pub(super) fn print_failure(exit: &Exit, so_far: &SoFar) -> Result<(), Exit> {
    output::json(&serde_json::json!({
        "lab": so_far.lab,
        "trusted": false,
        "error": exit.error(),
        "warnings": so_far.warnings,
        "outages": [],
        "out_dir": so_far.out_dir,
    }))
}

fn experiment(args: &RunArgs, so_far: &mut SoFar) -> Result<(), Exit> {
    let command_started = Some(clock::mono_ns());
    let interrupts = Interrupts::catch()?;
    let (plan, _, model) = load::plan_and_lab(&args.lab, args.name.as_ref(), args.fast.fast)?;
    let lab = plan.lab.clone();
    let cuts = plan
        .scenario
        .iter()
        .any(|step| matches!(step, StepKind::Fault { .. }));
    so_far.lab = Some(lab.clone());
    if args.jobs.is_some_and(|jobs| jobs > 1) && args.series().is_none() && !args.resume {
        let why = "--jobs is of a series of trials: say how many with --trials, or until when with --until";
        return Err(Exit::Usage(why.to_owned()));
    }
    must_be_free(&lab)?;
    let text = fs::read(&args.lab)?;
    let mut origin = origin(&args.lab, &text, &plan)?;
    let mut terms = Terms {
        trials: args.series().unwrap_or(1),
        until_ci: args.until,
        seed: args.seed.unwrap_or_else(clock::real_ns),
    };
    let mut at_once = args
        .jobs
        .filter(|&jobs| jobs > 1)
        .map(|jobs| (jobs, BTreeSet::new()));
    let out_dir = match args.out.as_deref().filter(|_| args.resume) {
        None => out_dir(args.out.as_deref(), &lab)?,
        Some(out) => match resume::take_up(args, out, (&text, &lab, &mut origin))? {
            Resumed::Done(told) => return tell(&told, args.output.json),
            Resumed::Further(out_dir, asked) => {
                let (done, all) = (origin.trials_before, asked.trials);
                output::talk(&format!("resumed after trial {done} of {all}"));
                terms = asked;
                out_dir
            }
            Resumed::Together(out_dir, asked, (jobs, done)) => {
                let (n, all) = (done.len(), asked.trials);
                output::talk(&format!("resumed with {n} of {all} trials done"));
                terms = asked;
                at_once = Some((jobs, done));
                out_dir
            }
        },
    };
    fs::write(out_dir.join(&origin.lab_file.path), text)?;
    so_far.out_dir = Some(out_dir.clone());
    if let Some(model) = model {
        let picture = graph::render(&model, Format::Svg);
        fs::write(out_dir.join(TOPOLOGY), picture).context(TOPOLOGY)?;
    }
    if let Some((jobs, done)) = &at_once {
        let series = Series {
            lab,
            terms,
            out_dir,
            origin,
        };
        return together::measure(args, series, (*jobs, done), &interrupts);
    }
    if let Some((first, _)) = &args.dealt {
        origin.trials_before = first - 1;
    }
    let spec = LaunchSpec {
        plan,
        out_dir: out_dir.clone(),
        mode: Mode::Foreground,
        options: RunOptions {
            sweep: Vec::new(),
            goal: Goal::Scenario,
            trials: terms.trials,
            until_ci: terms.until_ci,
            seed: terms.seed,
            wire: args.wire.into(),
            capture: args.capture(terms.trials > 1),
            command_started,
            origin: Some(origin),
            phase: args.phase.into(),
            dealt: args.dealt.as_ref().map(|(_, dealt)| dealt.clone()),
        },
    };
    let series = terms.trials > 1;
    let launched = match init::launch(&spec, |pid| interrupts.lab(pid)) {
        Ok(launched) => launched,
        Err(error) => {
            let exit = interrupt::no_lab(&interrupts, error);
            discard(&out_dir);
            return Err(load::launch_failed(&args.lab, exit));
        }
    };
    let failure = follow(lab, (args.output.json, cuts), &mut so_far.warnings);
    let status = launched.wait()?;
    if let Some(caught) = interrupts.caught() {
        return Err(interrupted(caught, &out_dir, (args.output.json, series))?);
    }
    if args.dealt.is_some() {
        // Who deals tells of all of it.
        return failure.map_or(Ok(()), |why| Err(Exit::Failed(why)));
    }
    let text = match (failure, fs::read_to_string(out_dir.join("result.json"))) {
        (None, Ok(text)) => text,
        (None, Err(error)) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        (failure, _) => {
            output::talk(&format!("run directory: {}", ls::present(&out_dir)));
            let ended = || format!("the lab ended early ({status})");
            return Err(Exit::Failed(failure.unwrap_or_else(ended)));
        }
    };
    let told = Told::read(&text, series)?;
    if !args.output.json {
        told.print()?;
        output::talk(&format!("run directory: {}", out_dir.display()));
    } else {
        output::data(&text)?;
    }
    verdict(&told)
}

/// What a lab file and its plan are known by.
fn origin(path: &Path, text: &[u8], plan: &Plan) -> Result<Origin, Exit> {
    let plan = serde_json::to_vec(plan).context("the plan")?;
    let copy = match path.extension() {
        Some(extension) if extension == "json" => "plan.json",
        _ => "lab.yaml",
    };
    Ok(Origin {
        lab_file: FileRecord::of(copy.to_owned(), text),
        plan_sha256: sha256(&plan),
        earlier: Vec::new(),
        trials_before: 0,
    })
}

pub(super) fn tell(told: &Told, json: bool) -> Result<(), Exit> {
    match json {
        true => told.print_json()?,
        false => told.print()?,
    }
    verdict(told)
}

fn verdict(told: &Told) -> Result<(), Exit> {
    match told.succeeded() {
        true => Ok(()),
        // The report has said why.
        false => Err(Exit::Status(4)),
    }
}

/// Tells what was measured until a signal came, where anything was; how the command ends.
pub(super) fn interrupted(
    caught: Exit,
    out_dir: &Path,
    (json, series): (bool, bool),
) -> Result<Exit, Exit> {
    let journal = ls::present(&out_dir.join("journal.jsonl"));
    output::talk(&format!(
        "the lab is down; what was seen until then: {journal}"
    ));
    // Without it nothing was measured yet, or the lab had to be killed.
    let Ok(text) = fs::read_to_string(out_dir.join("result.json")) else {
        return Ok(caught);
    };
    if !json {
        Told::read(&text, series)?.print()?;
        return Ok(caught);
    }
    let mut document: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&text).context("result.json")?;
    let error = serde_json::to_value(caught.error()).context("the answer")?;
    document.insert("error".to_owned(), error);
    document.insert("out_dir".to_owned(), out_dir.to_string_lossy().into());
    output::json(&document)?;
    Ok(Exit::Status(caught.code()))
}

/// Shows progress until the lab has ended; the reason when it failed.
fn follow(
    lab: LabName,
    (plain, cuts): (bool, bool),
    warnings: &mut Vec<Warning>,
) -> Option<String> {
    let mut progress = Progress::new(plain, cuts);
    let mut failure = None;
    // A lab that is already gone has left its result behind, or its absence.
    let _ = Client::new(lab).events(|line| {
        if let Ok(event) = serde_json::from_str::<Event>(line) {
            progress.event(&event);
            if let EventKind::Warning {
                code,
                text,
                untrusted,
            } = event.kind
            {
                if code == "run-failed" {
                    failure = Some(text.clone());
                }
                warnings.push(Warning {
                    code,
                    text,
                    untrusted,
                    flow: None,
                });
            }
        }
        ControlFlow::Continue(())
    });
    progress.done();
    failure
}

/// A name can be up once. Said before anything is built, and before a directory is made for it.
pub(super) fn must_be_free(lab: &LabName) -> Result<(), Exit> {
    if api::list()?.contains(lab) {
        return Err(Exit::Usage(LaunchError::Taken(lab.clone()).to_string()));
    }
    Ok(())
}

/// The run's directory, made and tried before anything is built, so that a bad path
/// costs nothing.
///
/// # Errors
/// Nothing can be written there; or something is there that is not a single run's, which is
/// nobody's to take away.
pub(super) fn out_dir(given: Option<&Path>, lab: &LabName) -> Result<PathBuf, Exit> {
    let path = below(given, lab);
    tried(given, &path, || {
        is_free(&path)?;
        fresh(&path)
    })
}

/// As [`out_dir`], in the place of a series of which no trial was finished.
pub(super) fn out_dir_anew(out: &Path, lab: &LabName) -> Result<PathBuf, Exit> {
    tried(Some(out), &below(Some(out), lab), || fresh(out))
}

/// A directory for the runs of a bench, each below it: new, or empty.
pub(super) fn out_dir_of_a_bench(given: Option<&Path>, name: &LabName) -> Result<PathBuf, Exit> {
    let path = below(given, name);
    tried(given, &path, || match is_empty(&path)? {
        true => writable(&path),
        false if KeptBench::open(&path).is_ok_and(|kept| kept.is_some()) => Err(io::Error::other(
            "it holds a bench: go on with it by --resume",
        )),
        false => Err(io::Error::other("it is not empty")),
    })
}

/// A directory for several runs, each below it; nothing in it is taken away.
pub(super) fn out_dir_of_several(given: Option<&Path>, name: &LabName) -> Result<PathBuf, Exit> {
    let path = below(given, name);
    tried(given, &path, || writable(&path))
}

fn below(given: Option<&Path>, lab: &LabName) -> PathBuf {
    given.map_or_else(
        || PathBuf::from("runs").join(format!("{lab}-{}", clock::real_ns() / 1_000_000)),
        Path::to_path_buf,
    )
}

fn tried(
    given: Option<&Path>,
    path: &Path,
    make: impl FnOnce() -> io::Result<PathBuf>,
) -> Result<PathBuf, Exit> {
    make().map_err(|error| {
        let hint = match given {
            Some(_) => "choose another with --out DIR",
            None => "the run's files go below the directory you are in unless you say --out DIR",
        };
        let path = path.display();
        Exit::Usage(format!("cannot write to {path}: {error}; {hint}"))
    })
}

/// Takes back a run's directory into which nothing but its lab was written, and `runs` with the last of them.
pub(super) fn discard(out_dir: &Path) {
    // Of a run that has a journal the lab file is a part.
    if !out_dir.join("journal.jsonl").exists() {
        for name in ["lab.yaml", "plan.json", TOPOLOGY] {
            let _ = fs::remove_file(out_dir.join(name));
        }
    }
    // Refused where there is something in it.
    if fs::remove_dir(out_dir).is_ok()
        && let Some(above) = out_dir.parent()
        && above.file_name().is_some_and(|name| name == "runs")
    {
        let _ = fs::remove_dir(above);
    }
}

/// Whether a run may have the directory: it is not there, it is empty, or it holds an earlier
/// single run, which the new one replaces.
fn is_free(path: &Path) -> io::Result<()> {
    let has = |name: &str| path.join(name).exists();
    if is_empty(path)? {
        return Ok(());
    }
    let of_a_run =
        has("journal.jsonl") || has("lab.yaml") && (has("plan.json") || has("result.json"));
    let in_the_way = match of_a_run {
        false => "it is not empty, and what is in it is no run's",
        true if has("trials") || has(together::LABS) || has(together::DEAL) => {
            "it holds a series of trials: go on with it by --resume, or remove it"
        }
        true => return Ok(()),
    };
    Err(io::Error::other(in_the_way))
}

/// Whether nothing is in a directory, if only because it is not there.
fn is_empty(path: &Path) -> io::Result<bool> {
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

fn fresh(path: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(path)?;
    // What an earlier run left there would pass for this one's.
    for name in [
        "journal.jsonl",
        "result.json",
        "packets.parquet",
        "report.html",
        "wires.json",
        "load.json",
        "lab.yaml",
        "plan.json",
        TOPOLOGY,
    ] {
        forget(fs::remove_file(path.join(name)))?;
    }
    for name in [
        "packets",
        "captures",
        "logs",
        "config",
        "trials",
        together::LABS,
        together::DEAL,
    ] {
        forget(fs::remove_dir_all(path.join(name)))?;
    }
    writable(path)
}

/// Makes the directory, and its path absolute.
fn writable(path: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(path)?;
    // Somebody else's directory can be there and yet take no file.
    let first = path.join(".backhoe-tries-to-write");
    fs::File::create(&first)?;
    fs::remove_file(&first)?;
    // An absolute path means the same to every process of the lab.
    fs::canonicalize(path)
}

fn forget(removed: io::Result<()>) -> io::Result<()> {
    removed.or_else(|error| match error.kind() == io::ErrorKind::NotFound {
        true => Ok(()),
        false => Err(error),
    })
}
