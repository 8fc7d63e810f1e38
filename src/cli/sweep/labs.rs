//! The labs in which a sweep's experiments are made: each takes the next experiment as long as it
//! is afterwards what it was before; where one gives up, another is built for the rest.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::ExitStatus,
    thread::{self, JoinHandle},
};

use super::{
    super::{
        Exit,
        interrupt::{self, Interrupts},
        progress::Progress,
        together,
    },
    args::SweepArgs,
    origin,
    prepare::{Prepared, Trial},
};
use crate::{
    engine::{
        capture::Capture,
        deal::Dealer,
        init::{self, Goal, LaunchSpec, Mode, RunOptions, TOPOLOGY},
        scenario::{Failure, Phase},
    },
    lab::plan::Plan,
    os::clock,
    results::{
        event::{Event, EventKind},
        measure::{RunResult, trial_directory},
        sweep::{Cell, Drawn, Experiment, Fate, Outcome, cells},
    },
    units::LabName,
};

/// Between looks at what the labs have finished.
const LOOK_NS: u64 = 100_000_000;
/// An experiment that came to nothing, or to nothing that can be trusted, is made again so often.
const AGAIN: u32 = 1;
/// Labs that end one after the other without an experiment: no further one will do better.
const BARREN: u32 = 2;

/// What was made of a sweep.
#[derive(Default)]
pub(super) struct Done {
    pub(super) experiments: Vec<Experiment>,
    pub(super) labs: usize,
    pub(super) rebuilt: Vec<String>,
}

/// The names that the labs of a sweep may have.
pub(super) fn names(lab: &LabName, jobs: u32) -> Result<Vec<LabName>, Exit> {
    (1..=jobs).map(|place| name(lab, (place, jobs))).collect()
}

fn name(lab: &LabName, (place, jobs): (u32, u32)) -> Result<LabName, Exit> {
    match jobs {
        1 => Ok(lab.clone()),
        _ => together::name(lab, place),
    }
}

/// Makes all experiments; on an error, and when interrupted, those that were made until then.
pub(super) fn all(
    args: &SweepArgs,
    (prepared, mine): (&Prepared, Vec<&Trial>),
    out_dir: &Path,
    interrupts: &Interrupts,
) -> Result<Done, (Exit, Done)> {
    let mut labs = match Labs::lay(args, (prepared, mine), out_dir, interrupts) {
        Ok(labs) => labs,
        Err(error) => return Err((error, Done::default())),
    };
    let ended = labs.work();
    labs.progress.done();
    let done = labs.conclude();
    match ended {
        Ok(()) => Ok(done),
        Err(error) => Err((error, done)),
    }
}

/// One of the labs.
struct Lab {
    /// Among those at once, from 1.
    place: u32,
    /// Among all that there were, from 1: by it the deal knows it.
    number: u32,
    directory: PathBuf,
    thread: JoinHandle<anyhow::Result<ExitStatus>>,
    seen: BTreeSet<u32>,
    stopping: bool,
}

struct Labs<'a> {
    args: &'a SweepArgs,
    prepared: &'a Prepared,
    /// Those that are made, and behind them those that are as one of them.
    mine: Vec<&'a Trial>,
    /// How many are made.
    asked: u32,
    /// Those that looked as another and are made all the same, once that is known.
    promoted: Option<BTreeSet<u32>>,
    out_dir: &'a Path,
    interrupts: &'a Interrupts,
    seed: u64,
    allowed: u32,
    dealer: Dealer,
    labs: Vec<Lab>,
    begun: u32,
    barren: u32,
    /// By number, from 1.
    experiments: BTreeMap<u32, Experiment>,
    tries: BTreeMap<u32, u32>,
    rebuilt: Vec<String>,
    failure: Option<Exit>,
    progress: Progress,
    started: u64,
}

impl<'a> Labs<'a> {
    fn lay(
        args: &'a SweepArgs,
        (prepared, mine): (&'a Prepared, Vec<&'a Trial>),
        out_dir: &'a Path,
        interrupts: &'a Interrupts,
    ) -> Result<Self, Exit> {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let all = number(mine.len());
        let asked = number(mine.iter().filter(|trial| trial.stands.is_none()).count());
        Ok(Self {
            args,
            prepared,
            allowed: args.jobs.min(asked.max(1)),
            dealer: Dealer::lay_out(out_dir.join(together::DEAL), all, asked + 1..=all)?,
            asked,
            promoted: None,
            mine,
            out_dir,
            interrupts,
            seed: args.seed.unwrap_or_else(clock::real_ns),
            labs: Vec::new(),
            begun: 0,
            barren: 0,
            experiments: BTreeMap::new(),
            tries: BTreeMap::new(),
            rebuilt: Vec::new(),
            failure: None,
            progress: Progress::new(args.output.json, true),
            started: clock::mono_ns(),
        })
    }

    fn work(&mut self) -> Result<(), Exit> {
        loop {
            self.look()?;
            self.reap()?;
            while self.may_begin() {
                self.begin()?;
            }
            if self.labs.is_empty() {
                return self.failure.take().map_or(Ok(()), Err);
            }
            clock::sleep_until(clock::mono_ns() + LOOK_NS);
        }
    }

    fn may_begin(&self) -> bool {
        self.interrupts.caught().is_none()
            && self.failure.is_none()
            && self.labs.len() < self.allowed as usize
            && self.dealer.has_more()
    }

    fn begin(&mut self) -> Result<(), Exit> {
        let taken = |place: &u32| self.labs.iter().any(|lab| lab.place == *place);
        let place = (1..).find(|place| !taken(place)).unwrap_or(1);
        self.begun += 1;
        let directory = self
            .out_dir
            .join(format!("{}/{:02}", together::LABS, self.begun));
        fs::create_dir_all(&directory)?;
        for file in ["lab.yaml", TOPOLOGY] {
            fs::copy(self.out_dir.join(file), directory.join(file))?;
        }
        let plan = Plan {
            lab: name(&self.prepared.plan.lab, (place, self.args.jobs))?,
            ..self.prepared.plan.clone()
        };
        let failures: Vec<Failure> = self
            .mine
            .iter()
            .map(|trial| trial.failure.clone())
            .collect();
        let spec = LaunchSpec {
            plan,
            out_dir: directory.clone(),
            mode: Mode::Foreground,
            options: RunOptions {
                goal: Goal::Scenario,
                trials: u32::try_from(failures.len()).unwrap_or(u32::MAX),
                until_ci: None,
                seed: self.seed,
                wire: self.args.wire.into(),
                capture: Capture::Off,
                command_started: Some(clock::mono_ns()),
                origin: Some(origin(self.prepared)?),
                phase: Phase::Random,
                dealt: Some(self.dealer.told(self.begun)),
                sweep: failures,
            },
        };
        let interrupts = self.interrupts.clone();
        // The lab dies with the thread that launched it.
        let thread = thread::Builder::new()
            .name(format!("lab-{place}"))
            .spawn(move || {
                let launched = init::launch(&spec, |pid| interrupts.lab(pid))?;
                Ok(launched.wait()?)
            })?;
        self.labs.push(Lab {
            place,
            number: self.begun,
            directory,
            thread,
            seen: BTreeSet::new(),
            stopping: false,
        });
        self.tell();
        Ok(())
    }

    /// Takes note of the experiments that are over since.
    fn look(&mut self) -> Result<(), Exit> {
        let mut news = Vec::new();
        for (at, lab) in self.labs.iter().enumerate() {
            for number in self.dealer.taken_by(lab.number)? {
                if lab.seen.contains(&number) {
                    continue;
                }
                let directory = lab.directory.join(trial_directory(number));
                // What is being written is looked at again.
                let text = fs::read_to_string(directory.join("result.json"));
                let result = text.ok().and_then(|text| serde_json::from_str(&text).ok());
                news.extend(result.map(|result: RunResult| (at, number, directory, result)));
            }
        }
        for (at, number, directory, result) in news {
            self.note(at, (number, &directory), &result)?;
        }
        Ok(())
    }

    fn note(
        &mut self,
        at: usize,
        (number, directory): (u32, &Path),
        result: &RunResult,
    ) -> Result<(), Exit> {
        let is_first = self.labs.get_mut(at).is_some_and(|lab| {
            lab.seen.insert(number);
            lab.seen.len() == 1
        });
        // What was cut short has lost what it had not come to.
        if result.outcome.as_deref() == Some("interrupted") {
            return Ok(());
        }
        self.barren = 0;
        let settling = self.labs.iter().any(|lab| lab.stopping);
        let strain = together::strain(result, is_first);
        if !strain.is_empty() && self.labs.len() > 1 && !settling {
            self.fewer(&strain)?;
        }
        let Some(trial) = self.mine.get(number as usize - 1).copied() else {
            return Ok(());
        };
        let measured = cells(result, &self.prepared.flows, |probe| trial.drawn(probe));
        let untrusted = result.warnings.iter().filter(|warning| warning.untrusted);
        let why: Vec<String> = untrusted
            .map(|one| format!("{}: {}", one.code, one.text))
            .collect();
        let outcome = match (&measured, result.trusted) {
            (None, _) => Outcome::Failed,
            (Some(_), false) => Outcome::Untrusted,
            (Some(_), true) => Outcome::Measured,
        };
        if outcome != Outcome::Measured && self.again(number)? {
            // Whoever makes it again writes it anew.
            fs::remove_file(directory.join("result.json"))?;
            if let Some(lab) = self.labs.get_mut(at) {
                lab.seen.remove(&number);
            }
            return Ok(());
        }
        if self.promoted.is_none()
            && let Some(steady) = &measured
        {
            self.promote(steady)?;
        }
        let watched = result
            .transitions
            .iter()
            .map(|one| one.watched_ms)
            .sum::<f64>();
        let below = directory.strip_prefix(self.out_dir).unwrap_or(directory);
        let experiment = Experiment {
            same_as: None,
            out_dir: Some(below.display().to_string()),
            outcome,
            why,
            cells: measured.unwrap_or_default(),
            seconds: watched / 1e3,
            ..trial.experiment.clone()
        };
        self.experiments.insert(number, experiment);
        self.tell();
        Ok(())
    }

    /// Has those made as well of which steady traffic shows that they are not as another.
    fn promote(&mut self, steady: &[Cell]) -> Result<(), Exit> {
        let mut promoted = BTreeSet::new();
        for (number, trial) in (1..).zip(&self.mine) {
            if !trial.is_borne_out(steady, &self.prepared.flows) {
                self.dealer.give_back(number)?;
                promoted.insert(number);
            }
        }
        self.promoted = Some(promoted);
        Ok(())
    }

    /// Whether an experiment may be made once more.
    fn again(&mut self, number: u32) -> Result<bool, Exit> {
        let tries = self.tries.entry(number).or_default();
        *tries += 1;
        let again = *tries <= AGAIN && self.interrupts.caught().is_none();
        if again {
            self.dealer.give_back(number)?;
        }
        Ok(again)
    }

    /// One lab fewer goes on.
    fn fewer(&mut self, why: &[&str]) -> Result<(), Exit> {
        let before = self.labs.len();
        let Some(lab) = self.labs.iter_mut().max_by_key(|lab| lab.place) else {
            return Ok(());
        };
        lab.stopping = true;
        self.dealer.stop_lab(lab.number)?;
        self.allowed = u32::try_from(before.saturating_sub(1)).unwrap_or(1).max(1);
        let text = format!(
            "{} labs at a time in place of {before}: the host does not keep time with more ({})",
            self.allowed,
            why.join(", ")
        );
        self.progress.say(text.clone(), true);
        self.rebuilt.push(text);
        Ok(())
    }

    /// Takes leave of labs that have ended.
    fn reap(&mut self) -> Result<(), Exit> {
        while let Some(at) = self.labs.iter().position(|lab| lab.thread.is_finished()) {
            // What it finished last.
            self.look()?;
            let lab = self.labs.swap_remove(at);
            let launched = match lab.thread.join() {
                Ok(launched) => launched,
                Err(_) => Err(anyhow::anyhow!("the thread of a lab panicked")),
            };
            if self.interrupts.caught().is_some() {
                continue;
            }
            let why = match launched {
                Err(error) if self.failure.is_none() => {
                    self.failure = Some(interrupt::no_lab(self.interrupts, error));
                    self.dealer.stop()?;
                    continue;
                }
                Err(_) => continue,
                Ok(_) => why_it_ended(&lab.directory.join("journal.jsonl")),
            };
            self.left(&lab.seen, lab.number, why)?;
        }
        Ok(())
    }

    /// What a lab took and did not bring to an end is for another.
    fn left(&mut self, seen: &BTreeSet<u32>, lab: u32, why: Option<String>) -> Result<(), Exit> {
        let taken = self.dealer.taken_by(lab)?;
        let said = why
            .clone()
            .unwrap_or_else(|| "its lab ended early".to_owned());
        for number in taken.difference(seen).copied() {
            if !self.again(number)?
                && let Some(trial) = self.mine.get(number as usize - 1)
            {
                let experiment = Experiment {
                    outcome: Outcome::Failed,
                    same_as: None,
                    why: vec![said.clone()],
                    ..trial.experiment.clone()
                };
                self.experiments.insert(number, experiment);
            }
        }
        if seen.is_empty() {
            self.barren += 1;
        }
        if let Some(why) = &why {
            let last = seen
                .last()
                .and_then(|number| self.mine.get(*number as usize - 1));
            let after = last.map_or_else(String::new, |trial| {
                format!("after {}: ", trial.experiment.failure)
            });
            let text = format!("{after}{why}");
            self.progress
                .say(format!("a lab is given up: {text}"), true);
            self.rebuilt.push(text);
        }
        let goes_on = self.barren < BARREN || !self.dealer.has_more();
        if !goes_on && self.failure.is_none() {
            self.failure = Some(Exit::Failed(said));
        }
        Ok(())
    }

    fn tell(&mut self) {
        let promoted = self.promoted.as_ref().map_or(0, BTreeSet::len);
        let (done, all) = (self.experiments.len(), self.asked as usize + promoted);
        let labs = match self.labs.len() {
            1 => "1 lab".to_owned(),
            n => format!("{n} labs at once"),
        };
        let mut text = format!("experiment {done} of {all}; {labs}");
        if done > 0 && done < all {
            let passed = clock::mono_ns().saturating_sub(self.started) as f64 / 1e9;
            let left = passed / done as f64 * (all - done) as f64;
            text += &format!("; about {left:.0} s to go");
        }
        self.progress.say(text, false);
    }

    fn conclude(self) -> Done {
        for experiment in self.experiments.values() {
            // What cannot be removed is in nobody's way.
            let _ = prune(self.out_dir, experiment);
        }
        let mut experiments: Vec<Experiment> = self.experiments.values().cloned().collect();
        let promoted = self.promoted.unwrap_or_default();
        for (number, trial) in (1..).zip(&self.mine) {
            let Some((of, _)) = trial
                .stands
                .as_ref()
                .filter(|_| !promoted.contains(&number))
            else {
                continue;
            };
            let mut made = self.experiments.values();
            let stands_for_it = |one: &&Experiment| one.index == *of && one.same_as.is_none();
            if let Some(measured) = made.find(stands_for_it) {
                experiments.push(trial.mirrored(measured, &self.prepared.flows));
            }
        }
        experiments.sort_by_key(|one| (one.index, one.same_as));
        // What is left of it says nothing any more.
        let _ = self.dealer.clear();
        Done {
            experiments,
            labs: self.begun as usize,
            rebuilt: self.rebuilt,
        }
    }
}

/// Leaves everything of an experiment that lost more than its own end, or of which nothing can be
/// said; of the others the result.
fn prune(out_dir: &Path, experiment: &Experiment) -> std::io::Result<()> {
    let lost = |cell: &Cell| cell.fate == Fate::Lost && cell.drawn != Drawn::End;
    let is_of_use = experiment.outcome != Outcome::Measured || experiment.cells.iter().any(lost);
    let Some(directory) = experiment.out_dir.as_ref().filter(|_| !is_of_use) else {
        return Ok(());
    };
    for entry in fs::read_dir(out_dir.join(directory))?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            fs::remove_dir_all(path)?;
        } else if entry.file_name() != "result.json" {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// What a lab's journal says of its early end.
fn why_it_ended(journal: &Path) -> Option<String> {
    let text = fs::read_to_string(journal).ok()?;
    text.lines().rev().find_map(|line| {
        let event: Event = serde_json::from_str(line).ok()?;
        let EventKind::Warning { code, text, .. } = event.kind else {
            return None;
        };
        (code == "trials-ended" || code == "run-failed").then_some(text)
    })
}
