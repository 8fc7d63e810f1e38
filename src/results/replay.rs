//! A run measured again from its journal and the files that the journal names. Nothing else is
//! read, so a run that was killed is told as far as it got.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "looks for the few kinds it needs; a new kind is nothing to it"
)]

use std::collections::BTreeMap;

use super::{
    event::{Event, EventKind, FileRecord, FlowLog, MEASURED, Planned, Recorded, WireFlowLog},
    measure::{
        Ended, RunInput, RunResult, Sitting, TrialsResult, is_precise, measure, of_trial, summarise,
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
}

/// What one start of the command left.
#[derive(Debug)]
struct SittingLog {
    events: Vec<Event>,
    planned: Box<Planned>,
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
                sittings.push(SittingLog { events, planned });
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
        self.sittings.last().map(SittingLog::lab)
    }

    /// What the latest sitting was to measure.
    pub fn planned(&self) -> Option<&Planned> {
        self.sittings.last().map(|sitting| &*sitting.planned)
    }

    /// Whether it is a series of trials.
    pub fn is_series(&self) -> bool {
        self.planned()
            .is_some_and(|planned| planned.terms.trials > 1)
    }

    /// Numbers of the trials that are over, ascending.
    pub fn numbers(&self) -> impl Iterator<Item = u32> + '_ {
        self.trials.keys().copied()
    }

    /// How many trials ran to their own end, from the first on without a gap: a series is taken
    /// up again after them.
    pub fn finished(&self) -> u32 {
        let whole = (1..).zip(self.trials.keys()).take_while(|(n, number)| {
            n == *number
                && self
                    .record(**number)
                    .is_some_and(|r| r.outcome == "completed")
        });
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
            lab: sitting.lab(),
            events: sitting.events_of(record, at),
            flows,
            wires,
            topology: planned.topology.clone(),
            node_drops: record.node_drops.clone(),
            tunnel_drops: record.tunnel_drops.clone(),
            isolated: planned.isolated.clone(),
            expectations: planned.expectations.clone(),
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
        let planned = self.planned().ok_or(ReplayError::NotMeasured)?;
        let ended = self.ended(trials, planned);
        Ok(summarise(trials, planned.terms, ended).measured_in(self.sittings()))
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
    fn ended(&self, results: &[RunResult], planned: &Planned) -> Ended {
        let said = self.sittings.last().and_then(|sitting| {
            sitting
                .events
                .iter()
                .rev()
                .find_map(|event| match &event.kind {
                    EventKind::SeriesEnded(end) => Some(end.ended.clone()),
                    _ => None,
                })
        });
        let terms = planned.terms;
        said.unwrap_or_else(|| {
            if results.len() >= terms.trials as usize {
                return Ended::Completed;
            }
            match terms.until_ci {
                Some(share) if is_precise(results, share, terms.seed) => Ended::Precise,
                _ if self.running => Ended::Running,
                _ => Ended::Interrupted,
            }
        })
    }

    /// The sittings that have trials.
    pub fn sittings(&self) -> Vec<Sitting> {
        let each = self.sittings.iter().enumerate();
        each.filter_map(|(which, sitting)| {
            let mut mine = self.trials.iter().filter(|(_, (of, _))| *of == which);
            let first = *mine.next()?.0;
            let last = mine.next_back().map_or(first, |(number, _)| *number);
            sitting.described((first, last))
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

impl SittingLog {
    fn lab(&self) -> String {
        let lab = self.events.iter().find_map(|event| match &event.kind {
            EventKind::RunStarted { lab, .. } => Some(lab.clone()),
            _ => None,
        });
        lab.unwrap_or_default()
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

    fn described(&self, trials: (u32, u32)) -> Option<Sitting> {
        self.events.iter().find_map(|event| match &event.kind {
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
