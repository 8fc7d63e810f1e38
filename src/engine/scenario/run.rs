//! The order of an experiment.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Context, bail};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;

use super::{
    collect::{self, HostShares},
    lock,
    phase::{self, Phase},
    steady,
    stop::Stop,
    watch::{flows_of, pass, until_delivering},
};
use crate::{
    engine::{
        board, instrument,
        live::Live,
        load::{Loads, WARM_UP},
        probe::{self, Probes},
    },
    lab::{
        model::{ExpectAfter, Fault, StepKind},
        plan::FlowPlan,
    },
    os::{
        clock,
        pressure::{self, Ticks},
    },
    results::{
        event::{EventKind, MonoNs},
        measure::{FORWARDING_DELAY_THRESHOLD, RunInput, SUSTAINED_CONVERGENCE_VALIDATION},
    },
};

/// How an experiment is run.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Everything random derives from it.
    pub seed: u64,
    /// When the command was started, for the times the user feels.
    pub command_started: MonoNs,
    /// How long sessions may take to come up.
    pub converge_within: Duration,
    /// When within the timers' intervals cuts come.
    pub phase: Phase,
}

const MS: u64 = 1_000_000;
/// How long steady state may take to come about.
const STEADY_WITHIN_NS: u64 = 20_000 * MS;
/// An unbroken run of deliveries this long is a recovery.
pub(super) const RECOVERED_NS: u64 = 100 * MS;
/// How long background load is measured before the first step, at least.
const LOADED_BEFORE_NS: u64 = 1_000 * MS;
/// How long a recovery is watched before the next step.
pub(super) const SUSTAINED_NS: u64 = SUSTAINED_CONVERGENCE_VALIDATION.as_nanos();
/// `stage` of the progress that names flows whose traffic is still lost when a wait for it begins
/// that no step of the scenario asked for.
pub const LAST_LOOK: &str = "last-look";
/// Longest wait for packets in flight at the end.
pub(super) const DRAIN: Duration = Duration::from_nanos(FORWARDING_DELAY_THRESHOLD.as_nanos());
/// The same when somebody waits for the end.
pub(super) const DRAIN_ASKED: Duration = Duration::from_millis(300);
/// How often it is looked whether there is still hope for what is awaited.
const LOOK: Duration = Duration::from_secs(1);
/// How long all that is awaited has had no hope when nobody waits any longer.
const HOPELESS: Duration = Duration::from_secs(8);
/// Packets of the instrument's own calibration, both ways together.
const CALIBRATION: u32 = 1_000;

/// A lab whose scenario is run: once, or again and again.
pub struct Bench<'a> {
    pub(super) live: &'a Live,
    pub(super) stop: &'a Stop,
    pub(super) seed: u64,
    pub(super) converge_within: Duration,
    phase: Phase,
}

impl<'a> Bench<'a> {
    /// Waits until the lab has converged.
    ///
    /// # Errors
    /// It does not, or a part of the engine failed.
    pub fn begin(live: &'a Live, options: &Options, stop: &'a Stop) -> anyhow::Result<Self> {
        converge(live, options)?;
        Ok(Self {
            live,
            stop,
            seed: options.seed,
            converge_within: options.converge_within,
            phase: options.phase,
        })
    }

    /// Runs the scenario and returns everything that was seen of it but the journal.
    /// Once `stop` is asked for, that is what was seen until then. What trial `number`, from 1,
    /// draws depends on the seed and on that number alone, not on the trials before it.
    ///
    /// # Errors
    /// Traffic is not delivered before the first fault, or a part of the engine failed.
    pub fn trial(&self, number: u32) -> anyhow::Result<RunInput> {
        let mut rng = ChaCha12Rng::seed_from_u64(self.seed);
        rng.set_stream(u64::from(number.saturating_sub(1)));
        let stopped = &|| self.stop.is_asked();
        let missed = self.live.capture_drops();
        let probes = steady::probes(self.live, &mut rng, stopped)?;
        let load = self.load(stopped)?;
        let drops = || self.live.dropped_by_nodes();
        let (plan, netns) = (self.live.plan(), self.live.namespaces());
        instrument::try_sizes(plan, netns, self.live.sink(), &drops)?;
        self.live.tell_standing();
        self.stop.measuring();
        let waiting = Waiting::begin();
        let mut experiment = Experiment {
            probes,
            live: self.live,
            rng: &mut rng,
            phase: self.phase,
            converge_within: self.converge_within,
            stopped,
            last_change: clock::mono_ns(),
        };
        for step in &self.live.plan().scenario {
            if stopped() {
                break;
            }
            experiment.step(step)?;
        }
        experiment.settle();
        let load = load.map(Loads::finish).transpose()?.unwrap_or_default();
        experiment.probes.stop_sending()?;
        experiment
            .probes
            .drain(if stopped() { DRAIN_ASKED } else { DRAIN });
        let (flows, quality) = experiment.probes.finish()?;
        let mut input = collect::input(self.live, (flows, load), &quality, waiting.shares());
        input.quality.capture_drops = input.quality.capture_drops.saturating_sub(missed);
        Ok(input)
    }

    /// Starts the lab's background load, if it has any, and lets it become steady.
    fn load(&self, stopped: &dyn Fn() -> bool) -> anyhow::Result<Option<Loads>> {
        let plans = &self.live.plan().load;
        if plans.is_empty() {
            return Ok(None);
        }
        let load = Loads::start(plans, self.live.namespaces())?;
        pass(WARM_UP.as_nanos() + LOADED_BEFORE_NS, stopped);
        Ok(Some(load))
    }

    /// Makes the lab what it was before the last trial: undoes what faults are in force, and
    /// waits for every session.
    ///
    /// # Errors
    /// A fault could not be undone, or something did not come up again.
    pub fn reset(&self) -> anyhow::Result<()> {
        for label in self.live.faults().into_keys() {
            self.live
                .restore(&label)
                .with_context(|| format!("restoring {label}"))?;
        }
        let wanted = board::wanted(self.live.plan());
        let progress = await_sessions(self.live, &wanted, ("reversion", self.converge_within))?;
        if !progress.is_complete() {
            bail!(
                "after {} s still waiting for {}",
                self.converge_within.as_secs(),
                self.live.board().obstacles(&wanted).join(", ")
            );
        }
        self.live.forget_faults();
        Ok(())
    }
}

/// Waits for what is `wanted`, and tells of it meanwhile.
pub(super) fn await_sessions(
    live: &Live,
    wanted: &BTreeSet<board::Item>,
    (stage, within): (&str, Duration),
) -> anyhow::Result<board::Progress> {
    live.board().wait(wanted, within, |progress| {
        tell_progress(live, stage, (wanted.len(), progress));
    })
}

fn tell_progress(live: &Live, stage: &str, (total, progress): (usize, &board::Progress)) {
    live.sink().now(EventKind::Progress {
        stage: stage.to_owned(),
        done: progress.up,
        total,
        waiting: progress.waiting.clone(),
    });
}

/// The same, but not longer than there is hope.
fn await_hopeful(
    live: &Live,
    wanted: &BTreeSet<board::Item>,
    (stage, within): (&str, Duration),
) -> anyhow::Result<board::Progress> {
    let began = clock::now();
    let mut hopeless_since = None;
    let mut told = None;
    loop {
        let left = within.saturating_sub(began.elapsed());
        let progress = live.board().wait(wanted, left.min(LOOK), |progress| {
            if told.as_ref() != Some(progress) {
                tell_progress(live, stage, (wanted.len(), progress));
                told = Some(progress.clone());
            }
        })?;
        if left.is_zero() || progress.is_complete() {
            return Ok(progress);
        }
        let mut missing = live.board().missing(wanted).into_keys();
        if !missing.all(|item| live.board().is_hopeless(&item)) {
            hopeless_since = None;
        } else if hopeless_since.get_or_insert_with(clock::now).elapsed() >= HOPELESS {
            return Ok(progress);
        }
    }
}

/// What has been waiting for a processor, and whether there was one, since it began.
pub(super) struct Waiting {
    at: MonoNs,
    waited_us: Option<u64>,
    ticks: Option<Ticks>,
}

impl Waiting {
    pub(super) fn begin() -> Self {
        Self {
            at: clock::mono_ns(),
            waited_us: pressure::cpu_waited_us(),
            ticks: Ticks::now(),
        }
    }

    pub(super) fn shares(&self) -> HostShares {
        let ticks = self.ticks.zip(Ticks::now());
        HostShares {
            waited: self.waited(),
            stolen: ticks.map(|(before, now)| now.stolen_since(before)),
        }
    }

    /// Share of the time since then, where the kernel counts it.
    fn waited(&self) -> Option<f64> {
        let waited = pressure::cpu_waited_us()?.saturating_sub(self.waited_us?);
        let passed = clock::mono_ns().saturating_sub(self.at);
        Some((waited as f64 * 1e3 / passed.max(1) as f64).min(1.0))
    }
}

/// Waits for every session, and measures the instrument and the links meanwhile.
///
/// # Errors
/// What is still missing at the deadline, or a part of the engine that failed.
pub fn converge(live: &Live, options: &Options) -> anyhow::Result<()> {
    let wanted = board::wanted(live.plan());
    let sink = live.sink();
    std::thread::scope(|scope| {
        let instrument = scope.spawn(|| -> anyhow::Result<()> {
            if let Some(pair) = live.bare_pair() {
                probe::calibrate(&pair, CALIBRATION, 1_000, sink)
                    .context("calibrating the instrument")?;
            }
            instrument::measure_links(live.plan(), live.namespaces(), sink)
        });
        let began = clock::now();
        let within = ("converge", options.converge_within);
        let progress = await_hopeful(live, &wanted, within)?;
        if !progress.is_complete() {
            live.tell_standing();
            bail!(
                "not converged after {:.0} s; still waiting for {}",
                began.elapsed().as_secs_f64(),
                live.board().obstacles(&wanted).join(", ")
            );
        }
        let count = |keep: fn(&board::Item) -> bool| wanted.iter().filter(|i| keep(i)).count() / 2;
        sink.now(EventKind::Converged {
            ms: clock::mono_ns().saturating_sub(options.command_started) as f64 / 1e6,
            bgp: count(|item| matches!(item, board::Item::Bgp { .. })),
            bfd: count(|item| matches!(item, board::Item::Bfd { .. })),
            tunnels: count(|item| matches!(item, board::Item::Tunnel { .. })),
        });
        match instrument.join() {
            Ok(measured) => measured,
            Err(_) => bail!("the instrument's thread panicked"),
        }
    })?;
    live.has_converged();
    Ok(())
}

struct Experiment<'a> {
    live: &'a Live,
    probes: Probes,
    rng: &'a mut ChaCha12Rng,
    phase: Phase,
    converge_within: Duration,
    stopped: &'a (dyn Fn() -> bool + Sync),
    /// When the latest fault or restore was complete.
    last_change: MonoNs,
}

impl Experiment<'_> {
    fn step(&mut self, step: &StepKind) -> anyhow::Result<()> {
        match step {
            StepKind::Fault { label, fault } => self.fault(label, fault),
            StepKind::Restore { label } => self.restore(label),
            StepKind::WaitRecovered { probe, within } => {
                self.wait_recovered(probe, within.as_nanos());
                Ok(())
            }
            StepKind::Sleep(time) => {
                pass(time.as_nanos(), self.stopped);
                Ok(())
            }
        }
    }

    fn fault(&mut self, label: &str, fault: &Fault) -> anyhow::Result<()> {
        if self.live.faults().is_empty() && self.live.has_restored() {
            self.reconverge();
        }
        pass(
            phase::draw(self.live.plan(), fault, self.rng).as_nanos() as u64,
            self.stopped,
        );
        if self.phase == Phase::BehindBfd && !(self.stopped)() {
            self.live.sink().warn(
                "phase-locked",
                "cuts come right behind a BFD packet, as --phase behind-bfd asks, and not at random: what is measured is no sample of what an outage may be",
                false,
            );
            lock::next_packet(self.live, fault, self.stopped)?;
        }
        if (self.stopped)() {
            return Ok(());
        }
        let bracket = self
            .live
            .apply(label, fault)
            .with_context(|| format!("applying {} to {}", fault.name(), fault.target()))?;
        self.last_change = bracket.after;
        Ok(())
    }

    fn restore(&mut self, label: &str) -> anyhow::Result<()> {
        let bracket = self
            .live
            .restore(label)
            .with_context(|| format!("restoring {label}"))?;
        self.last_change = bracket.after;
        Ok(())
    }

    fn wait_recovered(&self, probe: &crate::units::ProbeName, within_ns: u64) {
        let flows: Vec<&FlowPlan> = flows_of(&self.live.plan().flows, Some(probe)).collect();
        let met = until_delivering(
            &self.probes,
            &flows,
            (self.last_change, RECOVERED_NS),
            self.last_change + within_ns,
            self.stopped,
        );
        if met.is_none() && (self.stopped)() {
            return;
        }
        let what = format!("{probe}: recovered");
        self.live.sink().now(match met {
            Some(at) => EventKind::WaitMet {
                what,
                ms: at.saturating_sub(self.last_change) as f64 / 1e6,
            },
            None => EventKind::WaitMissed {
                what,
                within_ms: within_ns as f64 / 1e6,
            },
        });
        if met.is_some() {
            pass(SUSTAINED_NS, self.stopped);
        }
    }

    /// After a restore: every session up again, then traffic as steady as before.
    fn reconverge(&self) {
        let mut wanted = board::wanted(self.live.plan());
        wanted.extend(board::wanted_of_probes(self.live.plan()));
        let sink = self.live.sink();
        let progress = await_sessions(self.live, &wanted, ("reversion", self.converge_within));
        match progress {
            _ if (self.stopped)() => return,
            Ok(progress) if !progress.is_complete() => sink.warn(
                "not-reconverged",
                format!(
                    "after the restore still down: {}",
                    progress.waiting.join(", ")
                ),
                false,
            ),
            Ok(_) => {}
            Err(error) => sink.warn("not-reconverged", format!("{error:#}"), false),
        }
        self.until_steady(clock::mono_ns());
    }

    /// The flows that are not said to stay away after a fault that is still in force.
    fn awaited(&self) -> Vec<&FlowPlan> {
        let faults = self.live.faults();
        let plan = self.live.plan();
        let away = |flow: &FlowPlan| {
            plan.expect.iter().any(|expect| {
                expect.recovered == Some(false)
                    && expect.probe == flow.probe
                    && matches!(&expect.after, ExpectAfter::Fault(label) if faults.contains_key(label))
            })
        };
        plan.measured_flows().filter(|flow| !away(flow)).collect()
    }

    /// Waits until all flows have delivered without a loss for a while, all sent after `after`.
    fn until_steady(&self, after: MonoNs) {
        let flows = self.awaited();
        if flows.is_empty() {
            pass(SUSTAINED_NS, self.stopped);
            return;
        }
        let lost = flows
            .iter()
            .filter(|flow| {
                let delivered = self.probes.recovered_since(flow.id, self.last_change, 3);
                delivered.is_none()
            })
            .map(|flow| format!("{} → {}", flow.from, flow.to));
        let waiting: Vec<String> = lost.collect();
        if !waiting.is_empty() {
            self.live.sink().now(EventKind::Progress {
                stage: LAST_LOOK.to_owned(),
                done: flows.len() - waiting.len(),
                total: flows.len(),
                waiting,
            });
        }
        let is_loaded = !self.live.plan().load.is_empty();
        // Load fills queues, and probes are among what they drop: a long unbroken run never comes.
        let unbroken = if is_loaded {
            RECOVERED_NS
        } else {
            SUSTAINED_NS
        };
        until_delivering(
            &self.probes,
            &flows,
            (after, unbroken),
            clock::mono_ns() + STEADY_WITHIN_NS,
            self.stopped,
        );
        if is_loaded {
            pass(SUSTAINED_NS, self.stopped);
        }
    }

    /// The end of the scenario: what was restored is watched until it is steady,
    /// what is still down until it has recovered for good or plainly will not.
    fn settle(&self) {
        if (self.stopped)() {
            return;
        }
        if self.live.faults().is_empty() {
            if self.live.has_restored() {
                self.reconverge();
            } else {
                pass(SUSTAINED_NS, self.stopped);
            }
        } else {
            self.until_steady(self.last_change);
        }
    }
}
