//! `backhoe report`: what a run measured, again, from what it left behind.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::{
    Exit,
    args::ReportArgs,
    bench_dir::{self, JOURNAL, KeptBench},
    output,
    told::Told,
};
use crate::{
    engine::api::{self, Client},
    results::{
        event::read_journal,
        measure::measure,
        replay::{Replay, ReplayError, Replayed},
        report,
    },
};

pub(super) fn run(args: &ReportArgs) -> Result<(), Exit> {
    if let Some(bench) = KeptBench::open(&args.run)? {
        return of_bench(args, &bench);
    }
    if !args.run.join(JOURNAL).exists()
        && let Some((bench, variant)) = KeptBench::of_variant(&args.run)?
    {
        return of_variant(args, &bench, &variant);
    }
    let kept = Kept::open(&args.run)?;
    if let Some(number) = args.trial
        && kept.replay.record(number).is_none()
    {
        let last = kept.replay.numbers().last().unwrap_or_default();
        return Err(Exit::Usage(format!(
            "trial {number} is not in the journal: its trials are 1 to {last}"
        )));
    }
    if args.write {
        kept.write()?;
    }
    if args.html {
        return output::data(&kept.page(args.trial)?);
    }
    let told = match args.trial {
        None => Told::from(kept.replay.result(&mut kept.reader())?),
        Some(number) => Told::Run(Box::new(kept.replay.trial(number, &mut kept.reader())?)),
    };
    if args.otg {
        told.print_otg()
    } else if args.output.json {
        told.print_json()
    } else if args.markdown {
        told.print_markdown()
    } else {
        told.print()
    }
}

/// All of a bench.
fn of_bench(args: &ReportArgs, bench: &KeptBench) -> Result<(), Exit> {
    if args.trial.is_some() || args.otg {
        let run = args.run.display();
        return Err(Exit::Usage(format!(
            "{run} is of a bench: --trial and --otg are of a run; name a turn of a variant, such as {run}/01/turn-01"
        )));
    }
    let result = match args.write {
        true => bench.write()?,
        false => bench.result()?,
    };
    match args.html {
        true => output::data(&bench.page(&result)),
        false => bench_dir::print(&result, (args.output.json, args.markdown)),
    }
}

/// The series of one variant, which several runs measured.
fn of_variant(args: &ReportArgs, bench: &KeptBench, variant: &str) -> Result<(), Exit> {
    if args.trial.is_some() || args.otg || args.html || args.write {
        let run = args.run.display();
        return Err(Exit::Usage(format!(
            "{run} is a variant of a bench: --trial, --otg, --html and --write are of a run or of the whole bench; name one of its turns, such as {run}/turn-01"
        )));
    }
    let (series, _) = bench.variant(variant)?;
    let told = Told::Series(Box::new(series));
    match args.output.json {
        true => told.print_json(),
        false if args.markdown => told.print_markdown(),
        false => told.print(),
    }
}

impl From<ReplayError> for Exit {
    fn from(error: ReplayError) -> Self {
        match error {
            ReplayError::Empty | ReplayError::NotMeasured => Self::Usage(error.to_string()),
            ReplayError::NoTrial(_) | ReplayError::File(_) => Self::Failed(error.to_string()),
        }
    }
}

/// A run's directory, with its journal.
pub(super) struct Kept {
    /// The journal, taken apart.
    pub(super) replay: Replay,
    directory: PathBuf,
}

impl Kept {
    /// What one of several labs left that measured together; nothing, if it was killed too soon.
    pub(super) fn replay_in(directory: &Path) -> Result<Option<Replay>, Exit> {
        let journal = directory.join(JOURNAL);
        let bytes = match fs::read(&journal) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Exit::Usage(format!("{}: {error}", journal.display()))),
        };
        let events = read_journal(&String::from_utf8_lossy(&bytes))
            .map_err(|error| Exit::Usage(format!("{}: {error}", journal.display())))?;
        Ok(Replay::new(events).ok())
    }

    /// Opens a run's directory, or the one that a journal is in.
    pub(super) fn open(path: &Path) -> Result<Self, Exit> {
        let (directory, journal) = match path.is_dir() {
            true => (path.to_owned(), path.join(JOURNAL)),
            false => {
                let parent = path.parent().unwrap_or_else(|| Path::new(""));
                (parent.to_owned(), path.to_owned())
            }
        };
        let shown = journal.display();
        let wrong = |why: String| Exit::Usage(format!("{shown}: {why}"));
        let bytes = fs::read(&journal).map_err(|error| {
            let hint = match error.kind() == io::ErrorKind::NotFound {
                true => "\n   = help: `backhoe run LAB` says at its end where its run directory is",
                false => "",
            };
            wrong(format!("cannot be read: {error}{hint}"))
        })?;
        // A run that was killed may have left half a character.
        let text = String::from_utf8_lossy(&bytes);
        let events = read_journal(&text).map_err(|error| wrong(error.to_string()))?;
        let mut labs = Vec::new();
        for lab in Replay::labs(&events) {
            labs.extend(Self::replay_in(&directory.join(lab))?.map(|one| (lab.to_owned(), one)));
        }
        let replay = match Replay::together(events.clone(), labs) {
            Some(replay) => Ok(replay),
            None => Replay::new(events),
        };
        let replay = replay.map_err(|error| wrong(error.to_string()))?;
        let running = is_written(&replay, &directory);
        Ok(Self {
            replay: replay.still_running(running),
            directory,
        })
    }

    /// Writes what `report` tells of it, in place of what the run wrote or could not write any more.
    fn write(&self) -> Result<(), Exit> {
        let text = match self.replay.result(&mut self.reader())? {
            Replayed::Run(run) => report::json(&*run),
            Replayed::Series(series) => report::json(&*series),
        };
        let text = text.context("the result")?;
        fs::write(self.directory.join("result.json"), text).context("result.json")?;
        let page = self.page(None)?;
        Ok(fs::write(self.directory.join("report.html"), page).context("report.html")?)
    }

    /// `report.html` of all of it, or of one trial.
    pub(super) fn page(&self, trial: Option<u32>) -> Result<String, Exit> {
        // Only the picture is not in the journal; a lab from a ready-made plan has none.
        let file = self.directory.join("topology.svg");
        let picture = fs::read_to_string(&file);
        if let Err(error) = &picture {
            let shown = file.display();
            output::talk(&format!(
                "the page has no picture of the lab: {shown}: {error}"
            ));
        }
        let picture = picture.ok();
        let number = match (trial, self.replay.is_series()) {
            (None, true) => {
                let trials = self.replay.all(&mut self.reader())?;
                let series = self.replay.series(&trials)?;
                return Ok(report::html_of_series(&series, &trials, picture.as_deref()));
            }
            (None, false) => 1,
            (Some(number), _) => number,
        };
        if self.replay.record(number).is_none() {
            // It says why there is none.
            self.replay.result(&mut self.reader())?;
        }
        let input = self.replay.input(number, &mut self.reader())?;
        Ok(report::html(&input, &measure(&input), picture.as_deref()))
    }

    /// Reads files that the journal names.
    pub(super) fn reader(&self) -> impl FnMut(&str) -> Result<Vec<u8>, String> {
        |name| {
            let path = self.directory.join(name);
            fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
        }
    }
}

/// Whether a lab that is up writes into the directory.
fn is_written(replay: &Replay, directory: &Path) -> bool {
    let (Some(name), Ok(directory)) = (replay.lab(), fs::canonicalize(directory)) else {
        return false;
    };
    // Without a list nothing is known to run.
    let labs = api::list().unwrap_or_default();
    let mut alike = labs
        .into_iter()
        .filter(|lab| lab.as_str().starts_with(&name));
    alike.any(|lab| {
        let summary = Client::new(lab).summary();
        summary.is_ok_and(|lab| Path::new(&lab.out_dir).starts_with(&directory))
    })
}
