//! A bench measured again: from its own journal, and from that of every turn.

use std::collections::BTreeMap;

use super::{Read, Replay, ReplayError, by_sitting};
use crate::results::{
    event::{Benching, Event, EventKind},
    measure::{
        BenchResult, BenchSitting, BenchTurn, Ended, RunResult, Terms, TrialsResult, Variant,
        summarise,
    },
};

/// The journals of a bench, taken apart.
#[derive(Debug)]
pub struct BenchReplay {
    benching: Box<Benching>,
    events: Vec<Event>,
    /// By their directories, below the bench's.
    turns: BTreeMap<String, Replay>,
    /// Somebody still measures.
    running: bool,
}

/// The trials of a variant, each with its directory below the bench's.
type Placed = Vec<(String, RunResult)>;

impl BenchReplay {
    /// What a bench measures, if this journal is one's.
    pub fn benching(events: &[Event]) -> Option<&Benching> {
        events.iter().rev().find_map(|event| match &event.kind {
            EventKind::Benching(benching) => Some(&**benching),
            _ => None,
        })
    }

    /// Puts the journal of a bench and those of its turns together; `turn` has a turn's, by its
    /// directory, or nothing if it was not begun, or was killed too soon. `None`: it is no bench's.
    ///
    /// # Errors
    /// Those of `turn`.
    pub fn new<E>(
        events: Vec<Event>,
        mut turn: impl FnMut(&str) -> Result<Option<Replay>, E>,
    ) -> Result<Option<Self>, E> {
        let Some(benching) = Self::benching(&events).cloned() else {
            return Ok(None);
        };
        let mut bench = Self {
            benching: Box::new(benching),
            events,
            turns: BTreeMap::new(),
            running: false,
        };
        for (_, directory) in bench.schedule() {
            if let Some(replay) = turn(&directory)? {
                bench.turns.insert(directory, replay);
            }
        }
        Ok(Some(bench))
    }

    /// The same as whoever still measures would tell it now.
    #[must_use]
    pub fn still_running(mut self, running: bool) -> Self {
        self.running = running;
        self
    }

    /// What it was begun with.
    pub fn begun(&self) -> &Benching {
        &self.benching
    }

    /// All turns in order, with their directories below the bench's.
    pub fn schedule(&self) -> Vec<(BenchTurn, String)> {
        let variants = &self.benching.variants;
        let turns = self.benching.terms.turns(variants.len()).into_iter();
        turns
            .filter_map(|turn| {
                let variant = variants.get(turn.variant)?;
                let directory = turn.directory(&variant.directory);
                Some((turn, directory))
            })
            .collect()
    }

    /// How many trials of the turn in `directory` ran to their own end.
    pub fn finished(&self, directory: &str) -> u32 {
        self.turns.get(directory).map_or(0, Replay::finished)
    }

    /// Measures one variant again, by its directory: its series, and each trial of it. Nothing,
    /// if there is no such variant or no trial of it is over.
    ///
    /// # Errors
    /// A file of a trial is missing or changed.
    pub fn variant(
        &self,
        directory: &str,
        read: &mut Read<'_>,
    ) -> Result<Option<(TrialsResult, Vec<RunResult>)>, ReplayError> {
        let mut variants = self.benching.variants.iter();
        let Some(index) = variants.position(|variant| variant.directory == directory) else {
            return Ok(None);
        };
        let placed = self.trials(index, read)?;
        Ok((!placed.is_empty()).then(|| self.series(index, placed)))
    }

    /// Measures all of it again.
    ///
    /// # Errors
    /// No trial is over, or a file of one is missing or changed.
    pub fn result(&self, read: &mut Read<'_>) -> Result<BenchResult, ReplayError> {
        let mut variants = Vec::new();
        for (index, variant) in self.benching.variants.iter().enumerate() {
            let placed = self.trials(index, read)?;
            if placed.is_empty() {
                continue;
            }
            variants.push(Variant {
                name: variant.name.clone(),
                file: format!("{}.yaml", variant.directory),
                directory: variant.directory.clone(),
                series: self.series(index, placed).0,
                effect: None,
            });
        }
        if variants.is_empty() {
            return Err(ReplayError::NoTrial(
                "the bench was ended from outside".to_owned(),
            ));
        }
        let whole = variants.len() == self.benching.variants.len()
            && variants
                .iter()
                .all(|variant| variant.series.ended == Ended::Completed);
        let ended = match whole {
            true => Ended::Completed,
            false => self.ended(),
        };
        let asked = self.benching.terms.clone();
        Ok(BenchResult::new(asked, ended, variants).measured_in(self.sittings()))
    }

    fn trials(&self, variant: usize, read: &mut Read<'_>) -> Result<Placed, ReplayError> {
        let mut placed = Vec::new();
        for directory in self.turns_of(variant) {
            let Some(replay) = self.turns.get(&directory) else {
                continue;
            };
            let below = &mut |name: &str| read(&format!("{directory}/{name}"));
            for number in replay.numbers() {
                let within = replay.record(number).map(|record| &record.directory);
                let place = match within.filter(|within| !within.is_empty()) {
                    Some(within) => format!("{directory}/{within}"),
                    None => directory.clone(),
                };
                placed.push((place, replay.trial(number, below)?));
            }
        }
        Ok(placed)
    }

    /// The directories of a variant's turns, in order.
    fn turns_of(&self, variant: usize) -> impl Iterator<Item = String> {
        let mut own = self.schedule();
        own.retain(|(turn, _)| turn.variant == variant);
        own.sort_by_key(|(turn, _)| turn.block);
        own.into_iter().map(|(_, directory)| directory)
    }

    fn series(&self, variant: usize, placed: Placed) -> (TrialsResult, Vec<RunResult>) {
        let asked = &self.benching.terms;
        let terms = Terms {
            trials: asked.trials,
            until_ci: None,
            seed: asked.seed,
        };
        let (places, runs): (Vec<String>, Vec<RunResult>) = placed.into_iter().unzip();
        let turns = self.turns_of(variant);
        let finished: u32 = turns.map(|directory| self.finished(&directory)).sum();
        let ended = match finished >= asked.trials {
            true => Ended::Completed,
            false => self.ended(),
        };
        let places: Vec<(u32, String)> = (1..).zip(places).collect();
        let series = summarise(&runs, terms, ended).placed(&places);
        (series, runs)
    }

    /// Why trials are missing; a journal that does not say was cut short.
    fn ended(&self) -> Ended {
        let is_start = |event: &Event| matches!(event.kind, EventKind::RunStarted { .. });
        let start = self.events.iter().rposition(is_start).unwrap_or(0);
        let latest = self.events.get(start..).unwrap_or_default();
        let said = latest.iter().rev().find_map(|event| match &event.kind {
            EventKind::SeriesEnded(end) => Some(end.ended.clone()),
            _ => None,
        });
        said.unwrap_or(match self.running {
            true => Ended::Running,
            false => Ended::Interrupted,
        })
    }

    fn sittings(&self) -> Vec<BenchSitting> {
        let each = by_sitting(self.events.clone()).into_iter();
        let starts = each.filter_map(|events| match &events.first()?.kind {
            EventKind::RunStarted {
                version,
                kernel,
                realtime_ns,
                ..
            } => Some(BenchSitting {
                began_realtime_ns: *realtime_ns,
                version: version.clone(),
                kernel: kernel.clone(),
            }),
            _ => None,
        });
        starts.collect()
    }
}
