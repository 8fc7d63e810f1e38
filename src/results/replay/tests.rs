use std::collections::BTreeMap;

use super::*;
use crate::results::{
    event::{
        Benched, Benching, FlowRecord, LoadLog, LoadSent, MonoNs, Pause, SeriesEnd, read_journal,
        sha256,
    },
    measure::{
        BenchTerms, Terms,
        tests::{
            lab::{self, START},
            load,
        },
        trial_directory,
    },
    report,
};

const SECOND: MonoNs = 1_000_000_000;

fn planned(trials: u32, first_trial: u32) -> Planned {
    let input = load::loaded();
    Planned {
        terms: Terms {
            trials,
            until_ci: None,
            seed: 7,
        },
        first_trial,
        lab_file: FileRecord::of("lab.yaml".to_owned(), b"lab: x"),
        plan_sha256: sha256(b"{}"),
        wire: "auto".to_owned(),
        topology: input.topology,
        isolated: input.isolated,
        expectations: input.expectations,
        tcp: BTreeMap::new(),
        load_expectations: input.load_expectations,
        notes: input.notes,
    }
}

/// A run directory as it grows: the journal, the files, and what the run itself measured.
#[derive(Default)]
struct Directory {
    journal: String,
    sitting: Vec<Event>,
    first_began: MonoNs,
    files: BTreeMap<String, Vec<u8>>,
    results: Vec<RunResult>,
}

impl Directory {
    fn say(&mut self, event: Event) {
        self.journal += &serde_json::to_string(&event).unwrap();
        self.journal.push('\n');
        self.sitting.push(event);
    }

    /// A new start of the command, with all that comes before the first probe.
    fn begin(&mut self, trials: u32) {
        self.sitting.clear();
        self.first_began = START - SECOND / 2;
        let first_trial = self.results.len() as u32 + 1;
        let planned = planned(trials, first_trial);
        let early = lab::clean_silent_cut(false).events;
        let first = self.first_began;
        for event in early.into_iter().filter(|e| e.at < first) {
            let is_first = matches!(event.kind, EventKind::RunStarted { .. });
            self.say(event.clone());
            if is_first {
                self.say(Event {
                    at: event.at,
                    kind: EventKind::Planned(Box::new(planned.clone())),
                });
            }
        }
        assert!(matches!(self.sitting[1].kind, EventKind::Planned(_)));
    }

    /// One trial, so much later than the fixture's.
    fn trial(&mut self, later: MonoNs, (series, outcome): (bool, &str)) {
        let mut input = load::loaded();
        input.events.retain(|event| {
            event.at >= START - SECOND / 2 && !matches!(event.kind, EventKind::RunFinished { .. })
        });
        // What a float needs all its digits for.
        input.quality.pacing_p99_us = Some(0.1 + 0.2 + later as f64 / 7e9);
        for event in std::mem::take(&mut input.events) {
            self.say(shifted(event, later));
        }
        input.load.iter_mut().for_each(|log| shift(log, later));
        for flow in &mut input.flows {
            flow.sent.iter_mut().flatten().for_each(|at| *at += later);
            flow.received.iter_mut().for_each(|a| a.at += later);
            flow.sort();
        }
        let last = self.sitting.iter().map(|event| event.at).max().unwrap();
        self.say(Event {
            at: last,
            kind: EventKind::Progress {
                stage: MEASURED.to_owned(),
                done: 1,
                total: 1,
                waiting: Vec::new(),
            },
        });
        let (number, began) = (self.results.len() as u32 + 1, self.first_began + later);
        let all = self.sitting.clone();
        input.events = match series {
            true => of_trial(all, self.first_began, began),
            false => all,
        };
        input.events.push(Event {
            at: last,
            kind: EventKind::RunFinished {
                outcome: outcome.to_owned(),
            },
        });
        // Comes while the files are written, and is no part of the measurement.
        self.say(Event {
            at: last + 5,
            kind: EventKind::Warning {
                code: "clock-step".to_owned(),
                text: "too late".to_owned(),
                untrusted: true,
            },
        });
        let directory = if series {
            trial_directory(number)
        } else {
            String::new()
        };
        let record = self.recorded(&input, (number, directory, began, last, outcome));
        self.say(Event {
            at: last + 9,
            kind: EventKind::TrialRecorded(Box::new(record)),
        });
        self.results.push(measure(&input));
    }

    fn recorded(
        &mut self,
        input: &RunInput,
        (trial, directory, began, ended, outcome): (u32, String, MonoNs, MonoNs, &str),
    ) -> Recorded {
        let at = |name: &str| {
            format!("{directory}/{name}")
                .trim_start_matches('/')
                .to_owned()
        };
        let mut flows = Vec::new();
        for flow in &input.flows {
            let path = at(&format!("packets/{}.{}.csv", flow.probe, flow.from));
            let table = flow.table().into_bytes();
            flows.push(FlowRecord::of(flow, path.clone(), &table));
            self.files.insert(path, table);
        }
        let wires = serde_json::to_vec(&input.wires).unwrap();
        let wires_file = FileRecord::of(at("wires.json"), &wires);
        self.files.insert(wires_file.path.clone(), wires);
        let load = serde_json::to_vec(&input.load).unwrap();
        let load_file = FileRecord::of(at("load.json"), &load);
        self.files.insert(load_file.path.clone(), load);
        let load_file = (!input.load.is_empty()).then_some(load_file);
        Recorded {
            trial,
            directory,
            first_began: self.first_began,
            began,
            ended,
            outcome: outcome.to_owned(),
            quality: input.quality.clone(),
            node_drops: input.node_drops.clone(),
            tunnel_drops: input.tunnel_drops.clone(),
            flows,
            wires: wires_file,
            load: load_file,
        }
    }

    fn replay(&self, journal: &str) -> Result<Replayed, ReplayError> {
        let read = |name: &str| {
            let file = self.files.get(name).cloned();
            file.ok_or_else(|| format!("{name}: no such file"))
        };
        Replay::new(read_journal(journal).unwrap())?.result(&mut { read })
    }
}

fn shift(load: &mut LoadLog, later: MonoNs) {
    for at in [&mut load.began, &mut load.settled, &mut load.ended] {
        *at += later;
    }
    let shift = |pause: &mut Pause| {
        pause.from += later;
        pause.to += later;
    };
    match &mut load.sent {
        LoadSent::Tcp { streams, .. } => {
            for stream in streams {
                stream.samples.iter_mut().for_each(|s| s.at += later);
                stream.pauses.iter_mut().for_each(shift);
            }
        }
        LoadSent::Udp { pauses, .. } => pauses.iter_mut().for_each(shift),
    }
}

fn shifted(mut event: Event, later: MonoNs) -> Event {
    event.at += later;
    if let EventKind::FaultApplied { before, after, .. }
    | EventKind::FaultRestored { before, after, .. } = &mut event.kind
    {
        *before += later;
        *after += later;
    }
    event
}

fn series(replayed: Replayed) -> TrialsResult {
    match replayed {
        Replayed::Series(series) => *series,
        Replayed::Run(run) => panic!("a single run: {run:?}"),
    }
}

#[test]
fn a_single_run_is_measured_again_to_the_last_digit() {
    let mut directory = Directory::default();
    directory.begin(1);
    directory.trial(0, (false, "completed"));
    let replayed = directory.replay(&directory.journal).unwrap();
    let Replayed::Run(run) = replayed else {
        panic!("{replayed:?}");
    };
    assert_eq!(*run, directory.results[0]);
    let text = |run| report::json(run).unwrap();
    assert_eq!(text(&*run), text(&directory.results[0]));
    assert!(run.trusted, "{:?}", run.warnings);
    assert_eq!(run.outages[0].lost, 742);
}

#[test]
fn a_journal_that_is_still_written_is_of_a_series_that_goes_on() {
    let mut directory = Directory::default();
    directory.begin(20);
    directory.trial(0, (true, "completed"));
    let replay = || Replay::new(read_journal(&directory.journal).unwrap()).unwrap();
    let ended = |replay: &Replay| {
        let mut read = |path: &str| Ok(directory.files[path].clone());
        series(replay.result(&mut read).unwrap()).ended
    };
    assert_eq!(ended(&replay().still_running(true)), Ended::Running);
    assert_eq!(ended(&replay().still_running(false)), Ended::Interrupted);
    assert_eq!(replay().lab().as_deref(), Some("dx-vpn-backup"));
}

#[test]
fn wherever_a_journal_ends_it_tells_the_trials_that_were_over() {
    let mut directory = Directory::default();
    directory.begin(20);
    let mut ends = Vec::new();
    for number in 0..3 {
        directory.trial(number * 20 * SECOND, (true, "completed"));
        ends.push(directory.journal.len());
    }
    // Also in the middle of a line, and of the last one that a trial needs.
    let cuts = (0..directory.journal.len()).step_by(997);
    let cuts = cuts.chain(ends.iter().flat_map(|&end| [end - 2, end, end + 1]));
    for cut in cuts.filter(|&cut| cut <= directory.journal.len()) {
        let over = ends.iter().filter(|&&end| end <= cut + 1).count();
        match directory.replay(&directory.journal[..cut]) {
            Ok(replayed) => {
                let told = series(replayed);
                assert_eq!(told.trials.len(), over, "cut at {cut}");
                assert_eq!((told.ended, told.asked.trials), (Ended::Interrupted, 20));
                let expected =
                    summarise(&directory.results[..over], told.asked, Ended::Interrupted);
                assert_eq!(told.distributions, expected.distributions);
            }
            Err(error) => {
                assert_eq!(over, 0, "cut at {cut}: {error}");
                assert!(!matches!(error, ReplayError::File(_)), "{error}");
            }
        }
    }
}

#[test]
fn sittings_are_one_series_and_what_was_cut_short_is_measured_again() {
    let mut directory = Directory::default();
    directory.begin(3);
    directory.trial(0, (true, "completed"));
    directory.trial(20 * SECOND, (true, "interrupted"));
    let replay = Replay::new(read_journal(&directory.journal).unwrap()).unwrap();
    assert_eq!((replay.numbers().count(), replay.finished()), (2, 1));

    // Trial 2 is run again, and its files take the place of the old ones.
    directory.results.truncate(1);
    directory.begin(3);
    directory.trial(0, (true, "completed"));
    directory.trial(20 * SECOND, (true, "completed"));
    let told = series(directory.replay(&directory.journal).unwrap());
    assert_eq!(told.ended, Ended::Completed);
    let of = |sitting: &Sitting| (sitting.first_trial, sitting.last_trial);
    let sittings: Vec<_> = told.sittings.iter().map(of).collect();
    assert_eq!(sittings, [(1, 1), (2, 3)]);
    let expected = summarise(&directory.results, told.asked, Ended::Completed);
    assert_eq!(told, expected.measured_in(told.sittings.clone()));
    let text = report::trials(
        &told,
        report::Style {
            colour: false,
            width: 100,
        },
    );
    assert!(text.contains("in 2 sittings: 1 on "), "{text}");

    // What the run said of its end is believed.
    let why = Ended::Failed("after trial 3: x".to_owned());
    directory.say(Event {
        at: 1,
        kind: EventKind::SeriesEnded(SeriesEnd { ended: why.clone() }),
    });
    let told = series(directory.replay(&directory.journal).unwrap());
    assert_eq!(told.ended, why);
}

#[test]
fn a_file_that_is_gone_or_was_changed_is_named() {
    let mut directory = Directory::default();
    directory.begin(1);
    directory.trial(0, (false, "completed"));
    let path = "packets/app.app.csv";
    let table = directory.files.get_mut(path).unwrap();
    let last = table.len() - 2;
    table[last] = b'9';
    let error = directory.replay(&directory.journal).unwrap_err();
    assert_eq!(
        error.to_string(),
        "packets/app.app.csv was changed since it was written"
    );
    directory.files.remove("wires.json");
    directory.files.get_mut(path).unwrap().pop();
    let error = directory.replay(&directory.journal).unwrap_err();
    assert!(error.to_string().contains("bytes, and had"), "{error}");
}

#[test]
fn a_journal_without_a_scenario_says_what_it_is() {
    let directory = Directory::default();
    assert_eq!(directory.replay("").unwrap_err(), ReplayError::Empty);
    let early: Vec<Event> = lab::clean_silent_cut(false).events;
    let error = Replay::new(early).unwrap_err();
    assert_eq!(error, ReplayError::NotMeasured);
}

#[test]
fn the_new_kinds_survive_the_journal() {
    let mut directory = Directory::default();
    directory.begin(5);
    directory.trial(0, (true, "completed"));
    let why = Ended::Failed("trial 2: x".to_owned());
    directory.say(Event {
        at: u64::MAX,
        kind: EventKind::SeriesEnded(SeriesEnd { ended: why }),
    });
    assert_eq!(read_journal(&directory.journal), Ok(directory.sitting));
}

/// A bench of two variants whose turns are in directories of their own.
struct BenchDirectory {
    events: Vec<Event>,
    turns: BTreeMap<String, Directory>,
}

impl BenchDirectory {
    fn new(terms: &BenchTerms) -> Self {
        let start = lab::clean_silent_cut(false).events.remove(0);
        assert!(matches!(start.kind, EventKind::RunStarted { .. }));
        let benched = |directory: &str| Benched {
            name: format!("variant={directory}"),
            directory: directory.to_owned(),
            plan_sha256: sha256(b"{}"),
        };
        let benching = Benching {
            terms: terms.clone(),
            lab_file: FileRecord::of("lab.yaml".to_owned(), b"lab: x"),
            variants: ["01", "02"].map(benched).to_vec(),
            wire: "auto".to_owned(),
        };
        let planned = Event {
            at: start.at,
            kind: EventKind::Benching(Box::new(benching)),
        };
        let events = vec![start, planned];
        let lines = events
            .iter()
            .map(|event| serde_json::to_string(event).unwrap() + "\n");
        assert_eq!(read_journal(&lines.collect::<String>()), Ok(events.clone()));
        Self {
            events,
            turns: BTreeMap::new(),
        }
    }

    fn measure(&mut self, directory: String, trials: u32) {
        let mut run = Directory::default();
        run.begin(trials);
        for number in 0..u64::from(trials) {
            run.trial(number * 20 * SECOND, (trials > 1, "completed"));
        }
        self.turns.insert(directory, run);
    }

    fn replay(&self) -> BenchReplay {
        let turn = |directory: &str| -> Result<Option<Replay>, ReplayError> {
            let kept = self.turns.get(directory);
            kept.map(|run| Replay::new(read_journal(&run.journal).unwrap()))
                .transpose()
        };
        BenchReplay::new(self.events.clone(), turn)
            .unwrap()
            .unwrap()
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        let mut each = self.turns.iter();
        let found = each.find_map(|(directory, run)| {
            let below = name.strip_prefix(directory)?.strip_prefix('/')?;
            run.files.get(below).cloned()
        });
        found.ok_or_else(|| format!("{name}: no such file"))
    }
}

#[test]
fn a_bench_is_told_from_the_journals_of_its_turns_as_far_as_it_got() {
    let terms = BenchTerms {
        lab_file: "lab.yaml".to_owned(),
        vary: Vec::new(),
        trials: 3,
        blocks: 2,
        seed: 7,
    };
    let mut bench = BenchDirectory::new(&terms);
    assert_eq!(BenchReplay::benching(&bench.events).unwrap().terms, terms);
    let schedule = bench.replay().schedule();
    let trials: Vec<u32> = schedule.iter().map(|(turn, _)| turn.trials).collect();
    assert_eq!(trials, [2, 2, 1, 1]);
    let nothing = bench.replay().result(&mut |name| bench.read(name));
    assert!(matches!(nothing, Err(ReplayError::NoTrial(_))));

    let [first @ .., (_, last)] = &schedule[..] else {
        panic!("{schedule:?}");
    };
    for (turn, directory) in first {
        bench.measure(directory.clone(), turn.trials);
    }
    let told = bench.replay().result(&mut |name| bench.read(name)).unwrap();
    assert!(told.interrupted && !told.succeeded());
    let series = told.variants.iter().map(|variant| &variant.series);
    let mut places: Vec<Vec<&str>> = Vec::new();
    for series in series {
        let all = series.trials.iter().map(|trial| trial.directory.as_str());
        places.push(all.collect());
    }
    let whole = usize::from(last.starts_with("01"));
    assert_eq!(places[1 - whole].len(), 2, "{places:?}");
    let of = ["01", "02"][whole];
    let expected = ["turn-01/trials/0001", "turn-01/trials/0002", "turn-02"];
    assert_eq!(places[whole], expected.map(|place| format!("{of}/{place}")));
    assert_eq!(told.variants[whole].series.ended, Ended::Completed);
    assert_eq!(told.variants[1 - whole].series.ended, Ended::Interrupted);
    assert_eq!(bench.replay().finished(last), 0);
    let running = bench.replay().still_running(true);
    let running = running.result(&mut |name| bench.read(name)).unwrap();
    assert_eq!(running.ended, Ended::Running);

    // A second sitting measures what was missing.
    let start = bench.events.clone();
    bench.events.extend(start);
    bench.measure(last.clone(), 1);
    let told = bench.replay().result(&mut |name| bench.read(name)).unwrap();
    assert_eq!(
        (told.ended.clone(), told.sittings.len()),
        (Ended::Completed, 2)
    );
    assert!(told.variants.iter().all(|v| v.series.trials.len() == 3));
    let one = bench.replay().variant("02", &mut |name| bench.read(name));
    let (series, runs) = one.unwrap().unwrap();
    assert_eq!((series, runs.len()), (told.variants[1].series.clone(), 3));
    let none = bench.replay().variant("03", &mut |name| bench.read(name));
    assert_eq!(none, Ok(None));
}
