//! A run measured again from its journal and the files that the journal names. Nothing else is
//! read, so a run that was killed is told as far as it got.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "looks for the few kinds it needs; a new kind is nothing to it"
)]

mod bench;

use std::collections::BTreeMap;

pub use bench::BenchReplay;

use super::{
    event::{
        Dealing, Event, EventKind, FileRecord, FlowLog, MEASURED, Planned, Recorded, WireFlowLog,
    },
    measure::{
        Ended, RunInput, RunResult, Sitting, Terms, TrialsResult, WarningTally, is_precise,
        measure, of_trial, summarise,
    },
};

/// Why a journal gives no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// Nothing in it.
    #[error("the journal is empty: the run was killed before anything happened")]
    Empty,
    /// No scenario was run, or by a version that did not write down what one needs.
    #[error(
        "nothing was measured in it: it is of a lab that stayed up (`backhoe up`), of a run that \
         was killed while its lab was built, or of an older backhoe"
    )]
    NotMeasured,
    /// Killed before the first trial was over.
    #[error("it ends before the first trial did: {0}")]
    NoTrial(String),
    /// A file that the journal names cannot be read or is another one.
    #[error("{0}")]
    File(String),
}

/// Reads a file below the run's directory.
pub type Read<'a> = dyn FnMut(&str) -> Result<Vec<u8>, String> + 'a;

/// What a run comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Replayed {
    /// A single run.
    Run(Box<RunResult>),
    /// A series of trials.
    Series(Box<TrialsResult>),
}

/// A journal, taken apart.
#[derive(Debug)]
pub struct Replay {
    sittings: Vec<SittingLog>,
    /// Trials that are over, by their number: the sitting, and where in it the record is.
    trials: BTreeMap<u32, (usize, usize)>,
    /// Somebody still writes it.
    running: bool,
    /// The series' own journal, where several labs measured it.
    together: Option<Together>,
}

/// What the journal of a series says that several labs measured, each with a journal of its own.
#[derive(Debug)]
struct Together {
    lab: String,
    dealing: Box<Dealing>,
    events: Vec<Event>,
}

/// What one start of the command left.
#[derive(Debug)]
struct SittingLog {
    events: Vec<Event>,
    planned: Box<Planned>,
    /// Where its files are, below the run's directory: empty, but for one of several labs.
    directory: String,
}

impl Replay {
    /// Takes a journal apart.
    ///
    /// # Errors
    /// It is of no scenario.
    pub fn new(events: Vec<Event>) -> Result<Self, ReplayError> {
        if events.is_empty() {
            return Err(ReplayError::Empty);
        }
        let mut sittings: Vec<SittingLog> = Vec::new();
        for events in by_sitting(events) {
            let planned = events.iter().find_map(|event| match &event.kind {
                EventKind::Planned(planned) => Some(planned.clone()),
                _ => None,
            });
            // One that was killed before has left nothing.
            if let Some(planned) = planned {
                sittings.push(SittingLog {
                    events,
                    planned,
                    directory: String::new(),
                });
            }
        }
        if sittings.is_empty() {
            return Err(ReplayError::NotMeasured);
        }
        let mut trials = BTreeMap::new();
        for (which, sitting) in sittings.iter().enumerate() {
            // What a later sitting took up again counts no more.
            trials.retain(|number, _| *number < sitting.planned.first_trial);
            for (at, event) in sitting.events.iter().enumerate() {
                if let EventKind::TrialRecorded(record) = &event.kind {
                    trials.insert(record.trial, (which, at));
                }
            }
        }
        Ok(Self {
            sittings,
            trials,
            running: false,
            together: None,
        })
    }

    /// The same as whoever still writes the journal would tell it now: the journal alone cannot
    /// say whether it was cut short or only has no end yet.
    #[must_use]
    pub fn still_running(mut self, running: bool) -> Self {
        self.running = running;
        self
    }

    /// The lab of the latest sitting.
    pub fn lab(&self) -> Option<String> {
        let together = self.together.as_ref().map(|together| together.lab.clone());
        together.or_else(|| Some(lab_of(&self.sittings.last()?.events)))
    }

    /// Where the journals are of the labs that measured the series of this journal together.
    /// Empty: it is a journal of one lab.
    pub fn labs(events: &[Event]) -> Vec<&str> {
        let begun = events.iter().filter_map(|event| match &event.kind {
            EventKind::LabBegun { directory } => Some(directory.as_str()),
            _ => None,
        });
        begun.collect()
    }

    /// Puts the journals of several labs together that measured one series: its own, and theirs
    /// with the directories they are in, in the order in which they began. `None`: it is of no
    /// such series.
    pub fn together(events: Vec<Event>, labs: Vec<(String, Self)>) -> Option<Self> {
        let dealing = events.iter().rev().find_map(|event| match &event.kind {
            EventKind::Dealing(dealing) => Some(dealing.clone()),
            _ => None,
        })?;
        let lab = lab_of(&events);
        let mut all = Self {
            sittings: Vec::new(),
            trials: BTreeMap::new(),
            running: false,
            together: Some(Together {
                lab,
                dealing,
                events,
            }),
        };
        for (directory, one) in labs {
            let before = all.sittings.len();
            let sittings = one.sittings.into_iter();
            all.sittings.extend(sittings.map(|sitting| SittingLog {
                directory: directory.clone(),
                ..sitting
            }));
            // What was run again counts in place of what was cut short.
            let trials = one.trials.into_iter();
            all.trials
                .extend(trials.map(|(number, (which, at))| (number, (before + which, at))));
        }
        Some(all)
    }

    /// What several labs measure together; `None`: there is one lab.
    pub fn dealing(&self) -> Option<&Dealing> {
        self.together.as_ref().map(|together| &*together.dealing)
    }

    /// The terms of the whole.
    fn terms(&self) -> Option<Terms> {
        let together = self.dealing().map(|dealing| dealing.terms);
        together.or_else(|| self.planned().map(|planned| planned.terms))
    }

    /// Whether trial `number` ran to its own end.
    pub fn is_finished(&self, number: u32) -> bool {
        let record = self.record(number);
        record.is_some_and(|record| record.outcome == "completed")
    }

    /// What the latest sitting was to measure.
    pub fn planned(&self) -> Option<&Planned> {
        self.sittings.last().map(|sitting| &*sitting.planned)
    }

    /// Whether it is a series of trials.
    pub fn is_series(&self) -> bool {
        self.together.is_some()
            || self
                .planned()
                .is_some_and(|planned| planned.terms.trials > 1)
    }

    /// Numbers of the trials that are over, ascending.
    pub fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        self.trials.keys().copied()
    }

    /// How many trials ran to their own end, from the first on without a gap: a series is taken
    /// up again after them.
    pub fn finished(&self) -> u32 {
        let whole = (1..)
            .zip(self.trials.keys())
            .take_while(|(n, number)| n == *number && self.is_finished(**number));
        u32::try_from(whole.count()).unwrap_or(u32::MAX)
    }

    /// What a trial left behind.
    pub fn record(&self, number: u32) -> Option<&Recorded> {
        let (which, at) = *self.trials.get(&number)?;
        match &self.sittings.get(which)?.events.get(at)?.kind {
            EventKind::TrialRecorded(record) => Some(record),
            _ => None,
        }
    }

    /// Everything that trial `number` is measured from.
    ///
    /// # Errors
    /// There is no such trial, or a file of it is missing, changed or none of its kind.
    pub fn input(&self, number: u32, read: &mut Read<'_>) -> Result<RunInput, ReplayError> {
        let (which, at) = *self
            .trials
            .get(&number)
            .ok_or_else(|| ReplayError::NoTrial(format!("trial {number} is not in it")))?;
        let (Some(sitting), Some(record)) = (self.sittings.get(which), self.record(number)) else {
            return Err(ReplayError::NotMeasured);
        };
        let planned = &sitting.planned;
        let read = &mut |name: &str| read(&sitting.below(name));
        let mut flows = Vec::new();
        for flow in &record.flows {
            let table = checked(&flow.packets, read)?;
            let table = String::from_utf8_lossy(&table);
            let wrong = |error| ReplayError::File(format!("{}: {error}", flow.packets.path));
            flows.push(FlowLog::read(flow, &table).map_err(wrong)?);
        }
        let wires = checked(&record.wires, read)?;
        let wires: Vec<WireFlowLog> = serde_json::from_slice(&wires)
            .map_err(|error| ReplayError::File(format!("{}: {error}", record.wires.path)))?;
        Ok(RunInput {
            lab: lab_of(&sitting.events),
            events: sitting.events_of(record, at),
            flows,
            wires,
            topology: planned.topology.clone(),
            node_drops: record.node_drops.clone(),
            tunnel_drops: record.tunnel_drops.clone(),
            isolated: planned.isolated.clone(),
            expectations: planned.expectations.clone(),
            load: match &record.load {
                None => Vec::new(),
                Some(file) => {
                    let text = checked(file, read)?;
                    serde_json::from_slice(&text)
                        .map_err(|error| ReplayError::File(format!("{}: {error}", file.path)))?
                }
            },
            load_expectations: planned.load_expectations.clone(),
            quality: record.quality.clone(),
            notes: planned.notes.clone(),
        })
    }

    /// Measures a trial again.
    ///
    /// # Errors
    /// As for [`Self::input`].
    pub fn trial(&self, number: u32, read: &mut Read<'_>) -> Result<RunResult, ReplayError> {
        Ok(measure(&self.input(number, read)?))
    }

    /// Measures every trial that is over again, in order.
    ///
    /// # Errors
    /// No trial is over, or a file of one is missing or changed.
    pub fn all(&self, read: &mut Read<'_>) -> Result<Vec<RunResult>, ReplayError> {
        if self.trials.is_empty() {
            return Err(ReplayError::NoTrial(self.last_words()));
        }
        self.numbers()
            .map(|number| self.trial(number, read))
            .collect()
    }

    /// The series that its trials make.
    ///
    /// # Errors
    /// It is of no scenario.
    pub fn series(&self, trials: &[RunResult]) -> Result<TrialsResult, ReplayError> {
        let terms = self.terms().ok_or(ReplayError::NotMeasured)?;
        let ended = self.ended(trials, terms);
        let all = summarise(trials, terms, ended).measured_in(self.sittings());
        let Some(together) = &self.together else {
            return Ok(all);
        };
        let places = self.trials.iter().filter_map(|(number, (which, _))| {
            let directory = &self.record(*number)?.directory;
            Some((*number, self.sittings.get(*which)?.below(directory)))
        });
        let mut all = all.placed(&places.collect::<Vec<_>>());
        all.lab.clone_from(&together.lab);
        all.jobs = Some(together.dealing.jobs);
        all.warnings.extend(together.warnings(trials.len()));
        Ok(all)
    }

    /// Measures all of it again.
    ///
    /// # Errors
    /// As for [`Self::all`].
    pub fn result(&self, read: &mut Read<'_>) -> Result<Replayed, ReplayError> {
        let mut results = self.all(read)?;
        if self.is_series() {
            return Ok(Replayed::Series(Box::new(self.series(&results)?)));
        }
        let last = results.pop().ok_or(ReplayError::NotMeasured)?;
        Ok(Replayed::Run(Box::new(last)))
    }

    /// Why there are no more trials; a journal that does not say was cut short.
    fn ended(&self, results: &[RunResult], terms: Terms) -> Ended {
        let together = self.together.as_ref().map(Together::latest);
        let events = together.or_else(|| Some(self.sittings.last()?.events.as_slice()));
        let said = events.and_then(|events| {
            events.iter().rev().find_map(|event| match &event.kind {
                EventKind::SeriesEnded(end) => Some(end.ended.clone()),
                _ => None,
            })
        });
        said.unwrap_or_else(|| {
            if results.len() >= terms.trials as usize {
                return Ended::Completed;
            }
            match is_precise(results, terms) {
                true => Ended::Precise,
                false if self.running => Ended::Running,
                false => Ended::Interrupted,
            }
        })
    }

    /// The sittings that have trials.
    pub fn sittings(&self) -> Vec<Sitting> {
        if let Some(together) = &self.together {
            return together.sittings(self);
        }
        let each = self.sittings.iter().enumerate();
        each.filter_map(|(which, sitting)| {
            let mut mine = self.trials.iter().filter(|(_, (of, _))| *of == which);
            let first = *mine.next()?.0;
            let last = mine.next_back().map_or(first, |(number, _)| *number);
            described(&sitting.events, (first, last))
        })
        .collect()
    }

    /// What the run was last seen to do.
    fn last_words(&self) -> String {
        let events = self.sittings.last().map(|sitting| &sitting.events);
        let failed = events.and_then(|events| {
            events.iter().rev().find_map(|event| match &event.kind {
                EventKind::Warning { code, text, .. } if code == "run-failed" => Some(text.clone()),
                _ => None,
            })
        });
        failed.unwrap_or_else(|| {
            let why = match self.running {
                true => "the run is still going on",
                false => "the run was ended from outside",
            };
            why.to_owned()
        })
    }
}

impl Together {
    /// What the latest start of the command left.
    fn latest(&self) -> &[Event] {
        let is_start = |event: &Event| matches!(event.kind, EventKind::RunStarted { .. });
        let start = self.events.iter().rposition(is_start).unwrap_or(0);
        self.events.get(start..).unwrap_or_default()
    }

    /// What was said of the series as a whole: of all its `trials`.
    fn warnings(&self, trials: usize) -> Vec<WarningTally> {
        let said = self.events.iter().filter_map(|event| match &event.kind {
            EventKind::Warning {
                code,
                text,
                untrusted,
            } => Some(WarningTally {
                code: code.clone(),
                text: text.clone(),
                untrusted: *untrusted,
                trials,
            }),
            _ => None,
        });
        said.collect()
    }

    /// Each start of the command, with the first and the last of the trials that count of it.
    fn sittings(&self, all: &Replay) -> Vec<Sitting> {
        let each = by_sitting(self.events.clone()).into_iter();
        let told = each.filter_map(|events| {
            let labs = Replay::labs(&events);
            let is_of_it = |which: usize| {
                let sitting = all.sittings.get(which);
                sitting.is_some_and(|sitting| labs.contains(&sitting.directory.as_str()))
            };
            let mut mine = all.trials.iter().filter(|(_, (which, _))| is_of_it(*which));
            let first = *mine.next()?.0;
            let last = mine.next_back().map_or(first, |(number, _)| *number);
            described(&events, (first, last))
        });
        told.collect()
    }
}

impl SittingLog {
    /// The path of something of its own, below the run's directory.
    fn below(&self, name: &str) -> String {
        match self.directory.as_str() {
            "" => name.to_owned(),
            directory => format!("{directory}/{name}"),
        }
    }

    /// The journal as the measurement of the trial, whose record is event `at`, saw it.
    fn events_of(&self, record: &Recorded, at: usize) -> Vec<Event> {
        let before = self.events.get(..at).unwrap_or_default();
        let end = before.iter().rposition(|event| {
            event.at == record.ended
                && matches!(&event.kind, EventKind::Progress { stage, .. } if stage == MEASURED)
        });
        let until = end.map_or(before.len(), |end| end + 1);
        let own = before.get(..until).unwrap_or_default().to_vec();
        let mut own = match self.planned.terms.trials {
            0 | 1 => own,
            _ => of_trial(own, record.first_began, record.began),
        };
        // The journal says so when all is written; the measurement knew it already.
        own.push(Event {
            at: record.ended,
            kind: EventKind::RunFinished {
                outcome: record.outcome.clone(),
            },
        });
        own
    }
}

fn lab_of(events: &[Event]) -> String {
    let lab = events.iter().find_map(|event| match &event.kind {
        EventKind::RunStarted { lab, .. } => Some(lab.clone()),
        _ => None,
    });
    lab.unwrap_or_default()
}

/// The start of the command that these events are of, with its first and its last trial.
fn described(events: &[Event], trials: (u32, u32)) -> Option<Sitting> {
    events.iter().find_map(|event| match &event.kind {
        EventKind::RunStarted {
            version,
            kernel,
            realtime_ns,
            ..
        } => Some(Sitting {
            first_trial: trials.0,
            last_trial: trials.1,
            began_realtime_ns: *realtime_ns,
            version: version.clone(),
            kernel: kernel.clone(),
        }),
        _ => None,
    })
}

/// The events of each start of the command. Clocks of different ones do not compare: the host may
/// have been booted between them.
fn by_sitting(events: Vec<Event>) -> Vec<Vec<Event>> {
    let mut all: Vec<Vec<Event>> = Vec::new();
    for event in events {
        match all.last_mut() {
            Some(last) if !matches!(event.kind, EventKind::RunStarted { .. }) => last.push(event),
            _ => all.push(vec![event]),
        }
    }
    all
}

fn checked(file: &FileRecord, read: &mut Read<'_>) -> Result<Vec<u8>, ReplayError> {
    let contents = read(&file.path).map_err(ReplayError::File)?;
    file.check(&contents).map_err(ReplayError::File)?;
    Ok(contents)
}

#[cfg(test)]
mod tests;
