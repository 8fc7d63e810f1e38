//! `backhoe run --jobs`: the trials of one series, dealt to several labs at once. Each lab is a
//! process of its own with a journal of its own; the series' journal says which there are. As soon
//! as a trial says that the host did not keep time, one lab fewer goes on.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    thread::{self, JoinHandle},
};

use anyhow::Context as _;

use super::{
    Exit,
    args::{PhaseArg, RunArgs},
    child,
    interrupt::Interrupts,
    output,
    progress::Progress,
    report::Kept,
    run::{self, Series},
    told::Told,
};
use crate::{
    engine::{deal::Dealer, wire::WireChoice},
    os::{clock, host},
    results::{
        event::{Dealing, Event, EventKind, SeriesEnd},
        measure::{Ended, RunResult, is_precise, largest_median},
        replay::Replayed,
        report,
    },
    units::LabName,
};

/// Between looks at what the labs have finished.
const LOOK_NS: u64 = 200_000_000;
/// Where the numbers taken are, below the run's directory.
pub(super) const DEAL: &str = "deal";
/// Where the labs are.
pub(super) const LABS: &str = "labs";

/// Warnings of a trial by which the host does not keep time.
const STRAINED: [&str; 7] = [
    "host-overload",
    "pacing-late",
    "probe-pacing",
    "probe-drops",
    "relay-behind",
    "wire-unseen",
    "tunnel-overflow",
];
/// The same of a lab's own calibration, which all of its trials repeat.
const STRAINED_AT_FIRST: [&str; 2] = ["instrument-loss", "instrument-late"];

/// Measures the trials that are not `done`, by so many labs at once, and tells of all of them.
pub(super) fn measure(
    args: &RunArgs,
    series: Series,
    (jobs, done): (u32, &BTreeSet<u32>),
    interrupts: &Interrupts,
) -> Result<(), Exit> {
    let mut table = Table::lay(args, series, (jobs, done))?;
    let ended = table.deal(interrupts);
    table.conclude(ended, interrupts)
}

/// One of the labs.
struct Lab {
    /// Its place among those at once, from 1.
    place: u32,
    directory: String,
    log: PathBuf,
    thread: JoinHandle<Result<u8, Exit>>,
    seen: BTreeSet<u32>,
    /// It was told to end after the trial it is at.
    stopping: bool,
    /// So many of its next trials say nothing: another lab still ran in them.
    spared: u32,
}

/// The series as it grows.
struct Table<'a> {
    args: &'a RunArgs,
    series: Series,
    /// How many labs may run at once.
    allowed: u32,
    dealer: Dealer,
    journal: File,
    labs: Vec<Lab>,
    /// Directories of labs so far, earlier sittings' included.
    begun: usize,
    /// Trials that are over, those of earlier sittings included.
    results: BTreeMap<u32, RunResult>,
    measured: usize,
    failure: Option<(u8, String)>,
    precise: bool,
    progress: Progress,
    started: u64,
}

impl<'a> Table<'a> {
    fn lay(
        args: &'a RunArgs,
        series: Series,
        (jobs, done): (u32, &BTreeSet<u32>),
    ) -> Result<Self, Exit> {
        let terms = series.terms;
        let left = (1..=terms.trials).filter(|number| !done.contains(number));
        let at_once = jobs.min(u32::try_from(left.count()).unwrap_or(jobs));
        for place in 1..=at_once {
            run::must_be_free(&name(&series.lab, place)?)?;
        }
        let out = &series.out_dir;
        let journal = out.join("journal.jsonl");
        let is_new = !journal.exists();
        let mut results = BTreeMap::new();
        if !is_new {
            whole_lines(&journal)?;
            let kept = Kept::open(out)?;
            for &number in done {
                let trial = kept.replay.trial(number, &mut kept.reader())?;
                results.insert(number, trial);
            }
        }
        let file = OpenOptions::new().append(true).create(true).open(&journal);
        let begun =
            fs::read_dir(out.join(LABS)).map_or(0, |all| all.flatten().filter(is_dir).count());
        let mut table = Self {
            args,
            allowed: at_once,
            dealer: Dealer::lay_out(out.join(DEAL), terms.trials, done.iter().copied())?,
            journal: file.with_context(|| journal.display().to_string())?,
            labs: Vec::new(),
            begun,
            results,
            measured: 0,
            failure: None,
            precise: false,
            progress: Progress::new(args.output.json, true),
            started: clock::mono_ns(),
            series,
        };
        table.say(table.started_now())?;
        let origin = &table.series.origin;
        let dealing = Dealing {
            terms,
            jobs,
            lab_file: origin.lab_file.clone(),
            plan_sha256: origin.plan_sha256.clone(),
            wire: WireChoice::from(args.wire).word().to_owned(),
        };
        table.say(EventKind::Dealing(Box::new(dealing)))?;
        Ok(table)
    }

    fn started_now(&self) -> EventKind {
        EventKind::RunStarted {
            lab: self.series.lab.to_string(),
            version: crate::VERSION.to_owned(),
            kernel: host::release(),
            seed: self.series.terms.seed,
            realtime_ns: clock::real_ns(),
            uid: crate::os::userns::Owner::current().uid,
            command_started: Some(self.started),
            timers_scaled: None,
        }
    }

    fn say(&mut self, kind: EventKind) -> Result<(), Exit> {
        let event = Event {
            at: clock::mono_ns(),
            kind,
        };
        let mut line = serde_json::to_vec(&event).context("the journal")?;
        line.push(b'\n');
        Ok(self.journal.write_all(&line).context("the journal")?)
    }

    /// Lets labs measure until no trial is left.
    fn deal(&mut self, interrupts: &Interrupts) -> Result<(), Exit> {
        loop {
            self.look()?;
            self.reap()?;
            while interrupts.caught().is_none() && self.may_begin() {
                let Some(number) = self.dealer.take()? else {
                    break;
                };
                self.begin(number, interrupts)?;
            }
            if self.labs.is_empty() {
                return Ok(());
            }
            clock::sleep_until(clock::mono_ns() + LOOK_NS);
        }
    }

    fn may_begin(&self) -> bool {
        self.labs.len() < self.allowed as usize && self.failure.is_none() && !self.precise
    }

    fn begin(&mut self, number: u32, interrupts: &Interrupts) -> Result<(), Exit> {
        let taken = |place: &u32| self.labs.iter().any(|lab| lab.place == *place);
        let place = (1..).find(|place| !taken(place)).unwrap_or(1);
        self.begun += 1;
        let directory = format!("{LABS}/{:02}", self.begun);
        let out = self.series.out_dir.join(&directory);
        fs::create_dir_all(&out)?;
        let log = self.series.out_dir.join(format!("{directory}.log"));
        self.say(EventKind::LabBegun {
            directory: directory.clone(),
        })?;
        let arguments = self.arguments((number, place), &out)?;
        let (kept, interrupts) = (log.clone(), interrupts.clone());
        // The child dies with the thread that began it.
        let thread = thread::Builder::new()
            .name(format!("lab-{place}"))
            .spawn(move || child::run(arguments, &kept, &interrupts))?;
        self.labs.push(Lab {
            place,
            directory,
            log,
            thread,
            seen: BTreeSet::new(),
            stopping: false,
            spared: 0,
        });
        Ok(())
    }

    fn arguments(&self, (number, place): (u32, u32), out: &Path) -> Result<Vec<OsString>, Exit> {
        let terms = self.series.terms;
        let dealt = self.dealer.told(place);
        let mut dealing = OsString::from(format!("{number}:{place}:"));
        dealing.push(&dealt.directory);
        let mut all: Vec<OsString> = vec!["run".into(), fs::canonicalize(&self.args.lab)?.into()];
        let name = name(&self.series.lab, place)?;
        all.extend(["--name".into(), name.to_string().into()]);
        all.extend(["--out".into(), out.into()]);
        all.extend(["--trials".into(), terms.trials.to_string().into()]);
        all.extend(["--seed".into(), terms.seed.to_string().into()]);
        all.extend(["--wire".into(), self.args.wire.word().into()]);
        all.extend(["--dealt".into(), dealing]);
        if let Some(capture) = self.args.capture {
            all.extend(["--capture".into(), capture.word().into()]);
        }
        if self.args.phase == PhaseArg::BehindBfd {
            all.extend(["--phase".into(), "behind-bfd".into()]);
        }
        if self.args.fast.fast {
            all.push("--fast".into());
        }
        Ok(all)
    }

    /// Takes note of the trials that are over since.
    fn look(&mut self) -> Result<(), Exit> {
        let mut news = Vec::new();
        for (index, lab) in self.labs.iter().enumerate() {
            let trials = self.series.out_dir.join(&lab.directory).join("trials");
            let Ok(trials) = fs::read_dir(trials) else {
                continue;
            };
            for trial in trials.flatten() {
                let name = trial.file_name();
                let Some(number) = name.to_str().and_then(|name| name.parse().ok()) else {
                    continue;
                };
                if lab.seen.contains(&number) {
                    continue;
                }
                // What is being written is looked at again.
                let text = fs::read_to_string(trial.path().join("result.json"));
                let result = text.ok().and_then(|text| serde_json::from_str(&text).ok());
                news.extend(result.map(|result: RunResult| (index, number, result)));
            }
        }
        for (index, number, result) in news {
            self.note(index, number, result)?;
        }
        Ok(())
    }

    fn note(&mut self, index: usize, number: u32, result: RunResult) -> Result<(), Exit> {
        let settling = self.labs.iter().any(|lab| lab.stopping);
        let mut why = Vec::new();
        if let Some(lab) = self.labs.get_mut(index) {
            let is_first = lab.seen.is_empty();
            lab.seen.insert(number);
            match lab.spared {
                0 if !settling => why = strain(&result, is_first),
                0 => {}
                _ => lab.spared -= 1,
            }
        }
        self.results.insert(number, result);
        self.measured += 1;
        if !why.is_empty() && self.labs.len() > 1 {
            self.fewer(number, &why)?;
        }
        let trials: Vec<RunResult> = self.results.values().cloned().collect();
        if is_precise(&trials, self.series.terms) {
            self.precise = true;
            self.dealer.stop()?;
        }
        self.tell(&trials);
        Ok(())
    }

    /// One lab fewer goes on.
    fn fewer(&mut self, number: u32, why: &[&str]) -> Result<(), Exit> {
        let before = self.labs.len();
        let Some(lab) = self.labs.iter_mut().max_by_key(|lab| lab.place) else {
            return Ok(());
        };
        lab.stopping = true;
        self.dealer.stop_lab(lab.place)?;
        self.allowed = before as u32 - 1;
        let labs = match self.allowed {
            1 => "1 lab".to_owned(),
            n => format!("{n} labs"),
        };
        let text = format!(
            "after trial {number} the series went on with {labs} at a time in place of {before}: the host does not keep time with more ({}); free the host, or ask for fewer with --jobs",
            why.join(", ")
        );
        self.progress.say(text.clone(), true);
        self.say(EventKind::Warning {
            code: "fewer-at-once".to_owned(),
            text,
            untrusted: false,
        })
    }

    fn tell(&mut self, trials: &[RunResult]) {
        let (done, all) = (trials.len(), self.series.terms.trials as usize);
        let labs = match self.labs.len() {
            1 => "1 lab".to_owned(),
            n => format!("{n} labs at once"),
        };
        let mut text = format!("trial {done} of {all}; {labs}");
        if let Some(ms) = largest_median(trials) {
            text += &format!("; median outage so far {ms:.0} ms");
        }
        if self.series.terms.until_ci.is_none() && done < all {
            let passed = clock::mono_ns().saturating_sub(self.started) as f64 / 1e9;
            let left = passed / self.measured.max(1) as f64 * (all - done) as f64;
            text += &format!("; about {left:.0} s to go");
        }
        self.progress.say(text, false);
    }

    /// Takes leave of labs that have ended.
    fn reap(&mut self) -> Result<(), Exit> {
        while let Some(index) = self.labs.iter().position(|lab| lab.thread.is_finished()) {
            // What it finished last.
            self.look()?;
            let lab = self.labs.swap_remove(index);
            let status = match lab.thread.join() {
                Ok(status) => status?,
                Err(_) => 1,
            };
            if status != 0 && self.failure.is_none() {
                self.failure = Some((status, child::last_words(&lab.log).join("\n  ")));
            }
            if lab.stopping {
                for other in &mut self.labs {
                    other.spared = 1;
                }
            }
        }
        Ok(())
    }

    fn conclude(mut self, dealt: Result<(), Exit>, interrupts: &Interrupts) -> Result<(), Exit> {
        self.progress.done();
        let out = self.series.out_dir.clone();
        let caught = interrupts.caught();
        let mut all = 1..=self.series.terms.trials;
        let is_whole = all.all(|number| self.results.contains_key(&number));
        let ended = match (&caught, &self.failure) {
            (Some(_), _) => Ended::Interrupted,
            (None, Some((_, why))) => Ended::Failed(why.clone()),
            (None, None) if self.precise => Ended::Precise,
            (None, None) if is_whole => Ended::Completed,
            (None, None) => Ended::Failed(self.why_not_all()),
        };
        let outcome = match &ended {
            Ended::Completed | Ended::Precise => "completed",
            Ended::Interrupted | Ended::Running => "interrupted",
            Ended::Failed(_) => "failed",
        };
        self.say(EventKind::SeriesEnded(SeriesEnd { ended }))?;
        self.say(EventKind::RunFinished {
            outcome: outcome.to_owned(),
        })?;
        dealt?;
        self.dealer.clear()?;
        if self.results.is_empty() {
            return Err(caught.unwrap_or_else(|| nothing(self.failure)));
        }
        let told = tell_again(&out)?;
        let json = self.args.output.json;
        if let Some(caught) = caught {
            return Err(run::interrupted(caught, &out, (json, true))?);
        }
        let verdict = run::tell(&told, json);
        if !json {
            output::talk(&format!("run directory: {}", out.display()));
        }
        verdict
    }

    /// A lab that could not go on has said so in its journal.
    fn why_not_all(&self) -> String {
        let mut all = (1..=self.begun).rev().filter_map(|n| {
            let journal = self
                .series
                .out_dir
                .join(format!("{LABS}/{n:02}/journal.jsonl"));
            let text = fs::read_to_string(journal).ok()?;
            let line = text
                .lines()
                .rev()
                .find(|line| line.contains("trials-ended"))?;
            let EventKind::Warning { text, .. } = serde_json::from_str::<Event>(line).ok()?.kind
            else {
                return None;
            };
            Some(text)
        });
        all.next()
            .unwrap_or_else(|| "a lab ended before its trial did".to_owned())
    }
}

/// The labs' names: the lab's own and its place.
pub(super) fn name(lab: &LabName, place: u32) -> Result<LabName, Exit> {
    LabName::new(format!("{lab}-{place}"))
        .map_err(|error| Exit::Usage(format!("--jobs: {error}; choose a shorter --name")))
}

fn is_dir(entry: &fs::DirEntry) -> bool {
    entry.file_type().is_ok_and(|kind| kind.is_dir())
}

/// A command that was killed may have left half a line.
fn whole_lines(journal: &Path) -> Result<(), Exit> {
    let text = fs::read(journal)?;
    let whole = text.iter().rposition(|byte| *byte == b'\n');
    let file = OpenOptions::new().write(true).open(journal)?;
    Ok(file.set_len(whole.map_or(0, |at| at as u64 + 1))?)
}

/// Why the host did not keep time in a trial.
pub(super) fn strain(result: &RunResult, is_first: bool) -> Vec<&'static str> {
    let said = |code: &&str| result.warnings.iter().any(|warning| warning.code == **code);
    let at_first = STRAINED_AT_FIRST.iter().filter(|_| is_first);
    STRAINED
        .iter()
        .chain(at_first)
        .copied()
        .filter(said)
        .collect()
}

/// How a series ends of which no trial came to a result.
fn nothing(failure: Option<(u8, String)>) -> Exit {
    match failure {
        Some((3, why)) => Exit::Host(why),
        Some((_, why)) => Exit::Failed(why),
        None => Exit::Failed("no trial came to a result".to_owned()),
    }
}

/// Writes what `backhoe report` says of the directory.
fn tell_again(out: &Path) -> Result<Told, Exit> {
    let kept = Kept::open(out)?;
    let replayed = kept.replay.result(&mut kept.reader())?;
    if let Replayed::Series(series) = &replayed {
        let text = report::json(&**series).context("the series")?;
        fs::write(out.join("result.json"), text).context("result.json")?;
    }
    fs::write(out.join("report.html"), kept.page(None)?).context("report.html")?;
    Ok(Told::from(replayed))
}
