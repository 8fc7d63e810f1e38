//! The directory of a bench: its journal, which says what was to be measured, and the run
//! directory of every turn.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::{Exit, output, report::Kept};
use crate::{
    engine::init::TOPOLOGY,
    os::{clock, host, userns::Owner},
    results::{
        event::{Benching, Event, EventKind, read_journal},
        measure::{BenchResult, RunResult, TrialsResult},
        replay::{BenchReplay, Replay, ReplayError},
        report,
    },
};

/// Its name in every run's directory, and in a bench's.
pub(super) const JOURNAL: &str = "journal.jsonl";

/// What a bench left behind.
pub(super) struct KeptBench {
    pub(super) replay: BenchReplay,
    pub(super) directory: PathBuf,
}

impl KeptBench {
    /// Opens a bench's directory, or its journal; `None`: it is none.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, Exit> {
        let (directory, journal) = match path.is_dir() {
            true => (path.to_owned(), path.join(JOURNAL)),
            false => (path.with_file_name(""), path.to_owned()),
        };
        let Ok(bytes) = fs::read(&journal) else {
            return Ok(None);
        };
        // A command that was killed may have left half a character.
        let text = String::from_utf8_lossy(&bytes);
        // The journal of a run is long, and read by somebody else.
        if !text.lines().take(2).any(|line| line.contains("benching")) {
            return Ok(None);
        }
        let Ok(events) = read_journal(&text) else {
            return Ok(None);
        };
        let turn = |below: &str| kept_turn(&directory.join(below));
        let Some(replay) = BenchReplay::new(events, turn)? else {
            return Ok(None);
        };
        let replay = replay.still_running(is_locked(&journal));
        Ok(Some(Self { replay, directory }))
    }

    /// Opens the bench of which `path` is a variant's directory, whose name comes with it.
    pub(super) fn of_variant(path: &Path) -> Result<Option<(Self, String)>, Exit> {
        let Ok(path) = fs::canonicalize(path) else {
            return Ok(None);
        };
        let (Some(above), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(None);
        };
        let name = name.to_string_lossy().into_owned();
        let Some(bench) = Self::open(above)? else {
            return Ok(None);
        };
        let mut variants = bench.replay.begun().variants.iter();
        let is_one = variants.any(|variant| variant.directory == name);
        Ok(is_one.then_some((bench, name)))
    }

    /// All of it, measured again.
    pub(super) fn result(&self) -> Result<BenchResult, ReplayError> {
        self.replay.result(&mut self.reader())
    }

    /// One variant, measured again.
    pub(super) fn variant(&self, directory: &str) -> Result<(TrialsResult, Vec<RunResult>), Exit> {
        let found = self.replay.variant(directory, &mut self.reader())?;
        found.ok_or_else(|| {
            let path = self.directory.join(directory);
            Exit::Usage(format!("{}: no trial of it is over", path.display()))
        })
    }

    /// The page of all of it.
    pub(super) fn page(&self, result: &BenchResult) -> String {
        let picture = fs::read_to_string(self.directory.join(TOPOLOGY)).ok();
        report::html_of_bench(result, picture.as_deref())
    }

    /// Writes every report of the bench, as `report` tells them.
    pub(super) fn write(&self) -> Result<BenchResult, Exit> {
        let result = self.result()?;
        for variant in &result.variants {
            let text = report::json(&variant.series).context("the series")?;
            let directory = self.directory.join(&variant.directory);
            fs::write(directory.join("result.json"), text)?;
        }
        let text = report::json(&result).context("the bench")?;
        fs::write(self.directory.join("bench.json"), text)?;
        fs::write(self.directory.join("report.html"), self.page(&result))?;
        Ok(result)
    }

    /// How many trials are done, of how many.
    pub(super) fn done(&self) -> (u32, u32) {
        let schedule = self.replay.schedule();
        let done = schedule.iter().map(|(turn, directory)| {
            let finished = self.replay.finished(directory);
            (finished.min(turn.trials), turn.trials)
        });
        done.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }

    /// `out/01 (bfd=300ms/3), out/02 (bfd=50ms/3)`.
    pub(super) fn variants(&self) -> String {
        let each = self.replay.begun().variants.iter().map(|variant| {
            let path = self.directory.join(&variant.directory);
            format!("{} ({})", path.display(), variant.name)
        });
        each.collect::<Vec<_>>().join(", ")
    }

    fn reader(&self) -> impl FnMut(&str) -> Result<Vec<u8>, String> {
        |name| {
            let path = self.directory.join(name);
            fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
        }
    }
}

/// What a turn left; nothing, if it was not begun, or was killed too soon.
fn kept_turn(directory: &Path) -> Result<Option<Replay>, Exit> {
    match directory.join(JOURNAL).exists() {
        true => Kept::replay_in(directory),
        false => Ok(None),
    }
}

/// Whether a bench holds the journal.
fn is_locked(journal: &Path) -> bool {
    let locked = File::open(journal).map(|file| file.try_lock_shared());
    matches!(locked, Ok(Err(TryLockError::WouldBlock)))
}

/// The journal of a bench that is measured now, by this process alone.
pub(super) struct BenchLog(File);

impl BenchLog {
    /// Opens or begins it.
    pub(super) fn open(directory: &Path) -> Result<Self, Exit> {
        let path = directory.join(JOURNAL);
        let shown = || path.display().to_string();
        let file = OpenOptions::new().append(true).create(true).open(&path);
        let file = file.with_context(shown)?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            let directory = directory.display();
            return Err(Exit::Usage(format!(
                "{directory}: another bench measures into it at this moment"
            )));
        }
        // A command that was killed may have left half a line.
        let text = fs::read(&path).with_context(shown)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n');
        file.set_len(whole.map_or(0, |at| at as u64 + 1))?;
        Ok(Self(file))
    }

    /// Says that a sitting begins, and of what.
    pub(super) fn begin(&mut self, benching: Benching) -> Result<(), Exit> {
        self.say(EventKind::RunStarted {
            lab: "bench".to_owned(),
            version: crate::VERSION.to_owned(),
            kernel: host::release(),
            seed: benching.terms.seed,
            realtime_ns: clock::real_ns(),
            uid: Owner::current().uid,
            command_started: None,
            timers_scaled: None,
        })?;
        self.say(EventKind::Benching(Box::new(benching)))
    }

    pub(super) fn say(&mut self, kind: EventKind) -> Result<(), Exit> {
        let event = Event {
            at: clock::mono_ns(),
            kind,
        };
        let mut line = serde_json::to_vec(&event).context("the journal")?;
        line.push(b'\n');
        Ok(self.0.write_all(&line).context("the journal")?)
    }
}

/// Prints a bench as `bench` and `report` do.
pub(super) fn print(result: &BenchResult, (json, markdown): (bool, bool)) -> Result<(), Exit> {
    if json {
        return output::data(&report::json(result).context("the bench")?);
    }
    if markdown {
        return output::data(&report::bench_markdown(result));
    }
    let style = report::Style {
        colour: output::colour(),
        width: 100,
    };
    output::data(&report::bench(result, style))
}
