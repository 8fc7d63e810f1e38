//! The lab's scenario on a thread of its own, and what is written of it.

use std::{
    path::Path,
    sync::{Arc, mpsc::Sender},
    time::Duration,
};

use anyhow::Context as _;

use super::log::Log;
use crate::{
    engine::{
        api::Request,
        deal::Deal,
        init::{Origin, RunDir, TOPOLOGY},
        live::Live,
        scenario::{Bench, Failure, Options, Phase, Stop, topology},
    },
    os::clock,
    results::{
        event::{
            Event, EventKind, FileRecord, FlowLog, FlowRecord, MEASURED, MonoNs, Recorded,
            SeriesEnd,
        },
        measure::{
            AlertResult, Ended, RunInput, RunResult, Sitting, Stuck, Terms, is_precise,
            largest_median, measure, obstacles, of_trial, summarise, trial_directory,
        },
        report,
    },
};

/// The page for a browser.
const PAGE: &str = "report.html";

/// `stage` of the progress after which nothing more is taken into account of why a run failed.
const EXPLAINED: &str = "explained";

/// How long a lab may take to converge.
pub(super) const CONVERGE_WITHIN: Duration = Duration::from_secs(60);

const SECOND_NS: MonoNs = 1_000_000_000;

/// What a scenario needs.
pub(super) struct Work {
    pub(super) live: Arc<Live>,
    pub(super) log: Arc<Log>,
    pub(super) terms: Terms,
    /// When the command was started.
    pub(super) command_started: MonoNs,
    /// What it is run from.
    pub(super) origin: Option<Origin>,
    /// When within the timers' intervals cuts come.
    pub(super) phase: Phase,
    /// Of a series that several labs measure: what is left of it.
    pub(super) deal: Option<Deal>,
    /// Experiments in place of the scenario.
    pub(super) sweep: Vec<Failure>,
}

/// Starts the scenario; its end, once everything is written, is a request like any other.
pub(super) fn start(work: Work, ask: Sender<Request>) -> std::io::Result<Arc<Stop>> {
    let stop = Arc::<Stop>::default();
    let asked = Arc::clone(&stop);
    std::thread::Builder::new()
        .name("scenario".to_owned())
        .spawn(move || {
            let ended = match work.terms.trials {
                _ if !work.sweep.is_empty() => work.sweep(&asked),
                0 | 1 if work.deal.is_none() => work.once(&asked),
                _ => work.series(&asked),
            };
            // A supervisor that has gone has taken the lab with it.
            let _ = ask.send(Request::ScenarioEnded(ended));
            // The processes this thread has restarted live as long as it does.
            loop {
                std::thread::park();
            }
        })?;
    Ok(stop)
}

impl Work {
    fn once(&self, stop: &Stop) -> anyhow::Result<()> {
        let explained = |error| self.explained(error);
        let bench = Bench::begin(&self.live, &self.options(), stop).map_err(explained)?;
        let began = clock::mono_ns();
        let input = bench.trial(1).map_err(explained)?;
        self.conclude(input, |all| all, &Moment::only(began, outcome(stop)))?;
        Ok(())
    }

    /// Why nothing came of it, with what was seen that explains it.
    fn explained(&self, error: anyhow::Error) -> anyhow::Error {
        let last = Event {
            at: clock::mono_ns(),
            kind: EventKind::Progress {
                stage: EXPLAINED.to_owned(),
                done: 1,
                total: 1,
                waiting: Vec::new(),
            },
        };
        self.live.sink().at(last.at, last.kind.clone());
        let plan = self.live.plan();
        let flows = plan.measured_flows().map(|flow| Stuck {
            from: flow.from.to_string(),
            to: flow.to.to_string(),
            destination: flow.destination,
        });
        let flows: Vec<Stuck> = flows.collect();
        let causes = obstacles(&self.log.through(&last), &topology(plan), &flows);
        let mut text = format!("{error:#}");
        for cause in causes {
            text += &format!("\n  cause: {}", cause.text);
        }
        anyhow::Error::msg(text)
    }

    /// Trial after trial; each is written before the next begins.
    fn series(&self, stop: &Stop) -> anyhow::Result<()> {
        let mut trials = self.earlier().context("the trials of earlier sittings")?;
        let before = trials.len();
        let bench = Bench::begin(&self.live, &self.options(), stop)?;
        let first = clock::mono_ns();
        let mut number = self.origin.as_ref().map_or(0, |o| o.trials_before) + 1;
        let ended = loop {
            if trials.len() > before {
                self.live.begin_captures(&trial_directory(number));
            }
            match self.trial(&bench, (number, first), stop) {
                Ok(result) => trials.push(result),
                // What was done before it stands.
                Err(error) if trials.len() == before => return Err(error),
                Err(error) => break Ended::Failed(format!("trial {number}: {error:#}")),
            }
            self.tell_trial(number, &trials, (before, first));
            if stop.is_asked() {
                break Ended::Interrupted;
            }
            match self.next_after(number)? {
                Some(next) => number = next,
                None => break Ended::Completed,
            }
            if is_precise(&trials, self.terms) {
                break Ended::Precise;
            }
            match bench.reset() {
                Ok(()) => {}
                Err(_) if stop.is_asked() => break Ended::Interrupted,
                Err(error) => {
                    break Ended::Failed(format!("after trial {number}: {error:#}"));
                }
            }
        };
        if let Ended::Failed(why) = &ended {
            self.live.sink().warn("trials-ended", why, false);
        }
        let ended_by = SeriesEnd {
            ended: ended.clone(),
        };
        self.live.sink().now(EventKind::SeriesEnded(ended_by));
        if self.deal.is_some() {
            // Who deals tells of all of it.
            return Ok(());
        }
        let sittings = self.sittings(before as u32 + 1, trials.len() as u32);
        let all = summarise(&trials, self.terms, ended).measured_in(sittings);
        let text = report::json(&all).context("writing result.json")?;
        self.live.run_dir().write("result.json", text.as_bytes())?;
        let page = report::html_of_series(&all, &trials, self.picture().as_deref());
        self.live.run_dir().write(PAGE, page.as_bytes())?;
        Ok(())
    }

    /// The number of the trial after trial `number`; `None`: there is none for this lab.
    fn next_after(&self, number: u32) -> anyhow::Result<Option<u32>> {
        match &self.deal {
            Some(deal) => deal.next(self.terms.trials).context("the deal of trials"),
            None => Ok((number < self.terms.trials).then_some(number + 1)),
        }
    }

    /// The lab's picture, where there is one.
    fn picture(&self) -> Option<String> {
        let svg = self.live.run_dir().read(TOPOLOGY).ok()?;
        String::from_utf8(svg).ok()
    }

    /// What earlier sittings measured; the command has made sure that it is there.
    fn earlier(&self) -> anyhow::Result<Vec<RunResult>> {
        if self.deal.is_some() {
            return Ok(Vec::new());
        }
        let before = self.origin.as_ref().map_or(0, |o| o.trials_before);
        let each = (1..=before).map(|number| {
            let path = Path::new(&trial_directory(number)).join("result.json");
            let text = self.live.run_dir().read(&path);
            let text = text.with_context(|| path.display().to_string())?;
            serde_json::from_slice(&text).with_context(|| path.display().to_string())
        });
        each.collect()
    }

    /// This one after those before it.
    fn sittings(&self, first_trial: u32, last_trial: u32) -> Vec<Sitting> {
        let earlier = self.origin.as_ref().map(|origin| origin.earlier.clone());
        let mut all = earlier.unwrap_or_default();
        let started = self.log.find(|kind| {
            let EventKind::RunStarted {
                version,
                kernel,
                realtime_ns,
                ..
            } = kind
            else {
                return None;
            };
            Some(Sitting {
                first_trial,
                last_trial,
                began_realtime_ns: *realtime_ns,
                version: version.clone(),
                kernel: kernel.clone(),
            })
        });
        all.extend(started);
        all
    }

    fn trial(
        &self,
        bench: &Bench<'_>,
        (number, first_began): (u32, MonoNs),
        stop: &Stop,
    ) -> anyhow::Result<RunResult> {
        let began = clock::mono_ns();
        let input = bench.trial(number)?;
        self.conclude_trial(input, number, [first_began, began], stop)
    }

    /// The same of one among several that began at the second instant; the first is when the
    /// first of them began.
    pub(super) fn conclude_trial(
        &self,
        input: RunInput,
        number: u32,
        [first_began, began]: [MonoNs; 2],
        stop: &Stop,
    ) -> anyhow::Result<RunResult> {
        let moment = Moment {
            trial: number,
            directory: trial_directory(number),
            first_began,
            began,
            outcome: outcome(stop),
        };
        let own = |all| of_trial(all, first_began, began);
        self.conclude(input, own, &moment)
    }

    fn tell_trial(&self, trial: u32, trials: &[RunResult], (before, first): (usize, MonoNs)) {
        let passed = clock::mono_ns().saturating_sub(first) as f64 / 1e9;
        let each = passed / trials.len().saturating_sub(before).max(1) as f64;
        let left = f64::from(self.terms.trials) - f64::from(trial);
        let alone = self.terms.until_ci.is_none() && self.deal.is_none();
        self.live.sink().now(EventKind::TrialFinished {
            trial,
            of: self.terms.trials,
            succeeded: trials.last().is_some_and(RunResult::succeeded),
            median_ms: largest_median(trials),
            left_s: (alone && left > 0.0).then_some(each * left),
        });
    }

    pub(super) fn options(&self) -> Options {
        Options {
            seed: self.terms.seed,
            command_started: self.command_started,
            converge_within: CONVERGE_WITHIN,
            phase: self.phase,
        }
    }

    /// Measures what was seen of a trial, with the events of it that `own` picks, and writes it
    /// below its directory. What it is measured from comes first: from then on the trial is one
    /// that a killed run has finished.
    pub(super) fn conclude(
        &self,
        mut input: RunInput,
        own: impl FnOnce(Vec<Event>) -> Vec<Event>,
        moment: &Moment,
    ) -> anyhow::Result<RunResult> {
        let live = &*self.live;
        live.warn_of_esp_losses();
        let captured = live.end_captures();
        let last = Event {
            at: clock::mono_ns(),
            kind: EventKind::Progress {
                stage: MEASURED.to_owned(),
                done: 1,
                total: 1,
                waiting: Vec::new(),
            },
        };
        live.sink().at(last.at, last.kind.clone());
        input.events = own(self.log.through(&last));
        // The journal says so when all is written; what is written here knows it already.
        input.events.push(Event {
            at: last.at,
            kind: EventKind::RunFinished {
                outcome: moment.outcome.to_owned(),
            },
        });
        input.flows.iter_mut().for_each(FlowLog::sort);
        let record = record(live.run_dir(), &input, (moment, last.at))?;
        let path = Path::new(&moment.directory).join("packets.parquet");
        let table = live.run_dir().create(path)?;
        report::parquet(&input, moment.trial, table).context("writing packets.parquet")?;
        live.sink().now(EventKind::TrialRecorded(Box::new(record)));
        let result = measure(&input);
        // What lasted was told when it was so.
        for alert in result
            .alerts
            .iter()
            .filter(|one| !is_told(one, &input.events))
        {
            tell(live, alert);
        }
        let text = report::json(&result).context("writing result.json")?;
        let path = Path::new(&moment.directory).join("result.json");
        live.run_dir().write(path, text.as_bytes())?;
        let page = report::html(&input, &result, self.picture().as_deref());
        let path = Path::new(&moment.directory).join(PAGE);
        live.run_dir().write(path, page.as_bytes())?;
        live.finish_captures(&captured, &result, &input.wires);
        Ok(result)
    }
}

/// Which trial it is, and when.
pub(super) struct Moment {
    pub(super) trial: u32,
    /// Below the run's.
    pub(super) directory: String,
    pub(super) first_began: MonoNs,
    pub(super) began: MonoNs,
    pub(super) outcome: &'static str,
}

impl Moment {
    /// Of a single run.
    fn only(began: MonoNs, outcome: &'static str) -> Self {
        Self {
            trial: 1,
            directory: String::new(),
            first_began: began,
            began,
            outcome,
        }
    }
}

/// Writes what a trial that `ended` is measured from, but for the journal.
fn record(
    run_dir: &RunDir,
    input: &RunInput,
    (moment, ended): (&Moment, MonoNs),
) -> anyhow::Result<Recorded> {
    let path = |name: &str| match moment.directory.as_str() {
        "" => name.to_owned(),
        directory => format!("{directory}/{name}"),
    };
    let mut flows = Vec::new();
    for flow in &input.flows {
        let path = path(&format!("packets/{}.{}.csv", flow.probe, flow.from));
        let table = flow.table();
        let record = FlowRecord::of(flow, path, table.as_bytes());
        run_dir.write(&record.packets.path, table.as_bytes())?;
        flows.push(record);
    }
    let wires = serde_json::to_vec(&input.wires).context("writing wires.json")?;
    let wires_file = FileRecord::of(path("wires.json"), &wires);
    run_dir.write(&wires_file.path, &wires)?;
    let load = match input.load.as_slice() {
        [] => None,
        load => {
            let load = serde_json::to_vec(load).context("writing load.json")?;
            let file = FileRecord::of(path("load.json"), &load);
            run_dir.write(&file.path, &load)?;
            Some(file)
        }
    };
    Ok(Recorded {
        trial: moment.trial,
        directory: moment.directory.clone(),
        first_began: moment.first_began,
        began: moment.began,
        ended,
        outcome: moment.outcome.to_owned(),
        quality: input.quality.clone(),
        node_drops: input.node_drops.clone(),
        tunnel_drops: input.tunnel_drops.clone(),
        flows,
        wires: wires_file,
        load,
    })
}

/// How a trial that has just ended has ended.
pub(super) fn outcome(stop: &Stop) -> &'static str {
    match stop.is_asked() {
        true => "interrupted",
        false => "completed",
    }
}

/// Whether the monitor told it while it was so.
fn is_told(found: &AlertResult, events: &[Event]) -> bool {
    let until = found.cleared_ns.unwrap_or(MonoNs::MAX);
    events.iter().any(|event| {
        let EventKind::Alert {
            alert,
            state,
            about,
            probe,
            ..
        } = &event.kind
        else {
            return false;
        };
        let same = match &found.probe {
            Some(_) => *probe == found.probe,
            None => *about == found.about,
        };
        // It looks every quarter of a second, and waits for half of one.
        let (early, late) = (SECOND_NS, 2 * SECOND_NS);
        let from = found.raised_ns.saturating_sub(early);
        alert == found.alert.word()
            && state == "raised"
            && same
            && (from..=until.saturating_add(late)).contains(&event.at)
    })
}

/// Puts an alert into the journal, at the times it was raised and cleared.
fn tell(live: &Live, alert: &AlertResult) {
    let said = |state: &str| EventKind::Alert {
        alert: alert.alert.word().to_owned(),
        state: state.to_owned(),
        about: alert.about.clone(),
        probe: alert.probe.clone(),
        metric: alert.metric.clone(),
        load_bps: None,
        room_bps: None,
    };
    live.sink().at(alert.raised_ns, said("raised"));
    if let Some(cleared) = alert.cleared_ns {
        live.sink().at(cleared, said("cleared"));
    }
}
