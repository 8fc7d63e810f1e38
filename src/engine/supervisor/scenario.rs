//! The lab's scenario on a thread of its own, and what is written of it.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    sync::{Arc, mpsc::Sender},
    time::Duration,
};

use anyhow::Context as _;

use super::log::Log;
use crate::{
    engine::{
        api::Request,
        init::RunDir,
        live::Live,
        scenario::{Bench, Options, Stop},
    },
    lab::model::Alert,
    os::clock,
    results::{
        event::{Event, EventKind, FlowLog, MonoNs},
        measure::{
            AlertResult, Ended, RunInput, RunResult, Terms, is_precise, largest_median, measure,
            of_trial, summarise, trial_directory,
        },
        report,
    },
};

/// How long a lab may take to converge.
pub(super) const CONVERGE_WITHIN: Duration = Duration::from_secs(60);

/// What a scenario needs.
pub(super) struct Work {
    pub(super) live: Arc<Live>,
    pub(super) log: Arc<Log>,
    pub(super) terms: Terms,
    /// When the command was started.
    pub(super) command_started: MonoNs,
}

/// Starts the scenario; its end, once everything is written, is a request like any other.
pub(super) fn start(work: Work, ask: Sender<Request>) -> std::io::Result<Arc<Stop>> {
    let stop = Arc::<Stop>::default();
    let asked = Arc::clone(&stop);
    std::thread::Builder::new()
        .name("scenario".to_owned())
        .spawn(move || {
            let ended = match work.terms.trials {
                0 | 1 => work.once(&asked),
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
        let mut bench = Bench::begin(&self.live, &self.options(), stop)?;
        let input = bench.trial()?;
        self.conclude(input, |all| all, (1, "", outcome(stop)))?;
        Ok(())
    }

    /// Trial after trial; each is written before the next begins.
    fn series(&self, stop: &Stop) -> anyhow::Result<()> {
        let mut bench = Bench::begin(&self.live, &self.options(), stop)?;
        let first = clock::mono_ns();
        let mut trials = Vec::new();
        let ended = loop {
            let number = trials.len() as u32 + 1;
            let begun = clock::mono_ns();
            match self.trial(&mut bench, (number, first, begun), stop) {
                Ok(result) => trials.push(result),
                // What was done before it stands.
                Err(error) if trials.is_empty() => return Err(error),
                Err(error) => break Ended::Failed(format!("trial {number}: {error:#}")),
            }
            self.tell_trial(&trials, first);
            if stop.is_asked() {
                break Ended::Interrupted;
            }
            if number >= self.terms.trials {
                break Ended::Completed;
            }
            let share = self.terms.until_ci;
            if share.is_some_and(|share| is_precise(&trials, share, self.terms.seed)) {
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
        let file = self.live.run_dir().create("result.json");
        let all = summarise(&trials, self.terms, ended);
        serde_json::to_writer_pretty(BufWriter::new(file.context("result.json")?), &all)
            .context("writing result.json")
    }

    fn trial(
        &self,
        bench: &mut Bench<'_>,
        (number, first, begun): (u32, MonoNs, MonoNs),
        stop: &Stop,
    ) -> anyhow::Result<RunResult> {
        let input = bench.trial()?;
        let directory = trial_directory(number);
        let own = |all| of_trial(all, first, begun);
        self.conclude(input, own, (number, &directory, outcome(stop)))
    }

    fn tell_trial(&self, trials: &[RunResult], first: MonoNs) {
        let passed = clock::mono_ns().saturating_sub(first) as f64 / 1e9;
        let left = f64::from(self.terms.trials) / trials.len().max(1) as f64 - 1.0;
        self.live.sink().now(EventKind::TrialFinished {
            trial: trials.len() as u32,
            of: self.terms.trials,
            succeeded: trials.last().is_some_and(RunResult::succeeded),
            median_ms: largest_median(trials),
            left_s: (self.terms.until_ci.is_none() && left > 0.0).then_some(passed * left),
        });
    }

    fn options(&self) -> Options {
        Options {
            seed: self.terms.seed,
            command_started: self.command_started,
            converge_within: CONVERGE_WITHIN,
        }
    }

    /// Measures what was seen of trial `trial`, which ended with `outcome`, with the events of it
    /// that `own` picks, and writes it below `directory`.
    fn conclude(
        &self,
        mut input: RunInput,
        own: impl FnOnce(Vec<Event>) -> Vec<Event>,
        (trial, directory, outcome): (u32, &str, &str),
    ) -> anyhow::Result<RunResult> {
        let live = &*self.live;
        let within = Path::new(directory);
        live.warn_of_esp_losses();
        let last = Event {
            at: clock::mono_ns(),
            kind: EventKind::Progress {
                stage: "measured".to_owned(),
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
                outcome: outcome.to_owned(),
            },
        });
        packets(&input.flows, (live.run_dir(), within)).context("writing the packet records")?;
        let table = live.run_dir().create(within.join("packets.parquet"))?;
        report::parquet(&input, trial, table).context("writing packets.parquet")?;
        let wires = live.run_dir().create(within.join("wires.json"))?;
        serde_json::to_writer(BufWriter::new(wires), &input.wires).context("writing wires.json")?;
        let result = measure(&input);
        // The load was told when it was measured.
        let found = result.alerts.iter();
        for alert in found.filter(|alert| alert.alert != Alert::LoadExceedsBackup) {
            tell(live, alert);
        }
        let file = live.run_dir().create(within.join("result.json"));
        let file = file.context("result.json")?;
        serde_json::to_writer_pretty(BufWriter::new(file), &result)
            .context("writing result.json")?;
        Ok(result)
    }
}

/// How a trial that has just ended has ended.
fn outcome(stop: &Stop) -> &'static str {
    match stop.is_asked() {
        true => "interrupted",
        false => "completed",
    }
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

/// One table a flow: every sequence number, when it left, every arrival.
fn packets(flows: &[FlowLog], (run_dir, within): (&RunDir, &Path)) -> std::io::Result<()> {
    for flow in flows {
        let name = format!("packets/{}.{}.csv", flow.probe, flow.from);
        let mut out = BufWriter::<File>::new(run_dir.create(within.join(name))?);
        writeln!(out, "seq,sent_ns,received_ns,ttl")?;
        let mut arrivals: Vec<_> = flow.received.iter().collect();
        arrivals.sort_by_key(|arrival| (arrival.seq, arrival.at));
        let mut arrivals = arrivals.into_iter().peekable();
        for (seq, sent) in (0_u32..).zip(&flow.sent) {
            let sent = sent.map(|ns| ns.to_string()).unwrap_or_default();
            let mut arrived = false;
            while let Some(arrival) = arrivals.next_if(|arrival| arrival.seq == seq) {
                writeln!(out, "{seq},{sent},{},{}", arrival.at, arrival.ttl)?;
                arrived = true;
            }
            if !arrived {
                writeln!(out, "{seq},{sent},,")?;
            }
        }
        out.flush()?;
    }
    Ok(())
}
