//! Many runs of one scenario as distributions.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    findings,
    goodness::{Goodness, goodness},
    input::Transition,
    load_series::{self, LoadSummary},
    looks,
    parts::{self, PhaseSums},
    result::{Outage, Prediction, RESULT_FORMAT, RunResult, Warning},
    stats,
    versions::{DaemonVersion, all_daemons},
};
use crate::{
    results::event::{Event, EventKind, MonoNs},
    units::{Percent, seed_as_text},
};

/// One flow's outage in one transition, over all trusted trials.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Distribution {
    /// The probe.
    pub probe: String,
    /// Sender.
    pub from: String,
    /// Receiver.
    pub to: String,
    /// The step's label.
    pub label: String,
    /// Fault or restore.
    pub transition: Transition,
    /// Trials measured and trusted.
    pub trials: usize,
    /// Trials left out: untrusted, not recovered, or begun on another path than the others.
    pub left_out: usize,
    /// Outages of all trials in order, milliseconds: outliers stay visible.
    pub durations_ms: Vec<f64>,
    /// Smallest.
    pub min_ms: f64,
    /// Median.
    pub median_ms: f64,
    /// 95 % interval of the median, between two order statistics; absent where there are too few
    /// trials for one, which without `--until` are fewer than six. With `--until` it holds although
    /// the series ended because it was narrow.
    pub median_ci95_ms: Option<(f64, f64)>,
    /// 90th percentile.
    pub p90_ms: f64,
    /// 95th percentile.
    pub p95_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// Largest.
    pub max_ms: f64,
    /// What it waited for goes through a part of AWS that is modelled.
    #[serde(default)]
    pub modelled: bool,
    /// When the failure was noticed, in the same trials' order where that was seen.
    pub detected_ms: Vec<f64>,
    /// What the timers predict for that; absent where trials differ in it.
    pub predicted: Option<Prediction>,
    /// How the two fit.
    pub goodness: Option<Goodness>,
    /// What each phase took, and whether they add up to the outage.
    #[serde(default)]
    pub phases: Option<PhaseSums>,
}

/// What was asked of a series of trials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Terms {
    /// How many at most.
    pub trials: u32,
    /// Stop at the first look at which half of every median's 95 % interval is no larger than this
    /// share of it.
    #[schemars(with = "Option<String>")]
    pub until_ci: Option<Percent>,
    /// Seed of everything random.
    #[serde(with = "seed_as_text")]
    #[schemars(with = "String")]
    pub seed: u64,
}

/// Why a series of trials ended, if it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "why", content = "text")]
pub enum Ended {
    /// All were run.
    Completed,
    /// The medians were known well enough.
    Precise,
    /// From outside.
    Interrupted,
    /// It has not: there will be more.
    Running,
    /// A trial could not be run.
    Failed(String),
}

/// One start of the command, of several in which a series was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sitting {
    /// Its first trial.
    pub first_trial: u32,
    /// Its last.
    pub last_trial: u32,
    /// When it began, CLOCK_REALTIME, nanoseconds.
    pub began_realtime_ns: u64,
    /// backhoe's version.
    pub version: String,
    /// Kernel release.
    pub kernel: String,
}

/// `result.json` of a series of trials.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrialsResult {
    /// Version of this format.
    pub format: u32,
    /// The lab's name.
    pub lab: String,
    /// backhoe's version.
    pub version: Option<String>,
    /// Kernel release.
    pub kernel: Option<String>,
    /// The daemons that ran in any trial, with their releases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub daemons: Vec<DaemonVersion>,
    /// Timers ran this many times faster than the lab file says (`--fast`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timers_scaled: Option<u32>,
    /// What was asked.
    pub asked: Terms,
    /// So many labs were to measure at once; absent: one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<u32>,
    /// After how many trials it was looked whether the medians are known well enough; absent: it
    /// was not asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub looks: Vec<u32>,
    /// The level of each median's interval by itself, with which those of all looks hold together
    /// at 95 %.
    #[serde(default = "of_one_look")]
    pub interval_level: f64,
    /// Why there are no more.
    pub ended: Ended,
    /// Absent: it was measured in one go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sittings: Vec<Sitting>,
    /// Each of them, in order.
    pub trials: Vec<Trial>,
    /// How they may be wrong: each warning once, by how many trials it was given.
    #[serde(default)]
    pub warnings: Vec<WarningTally>,
    /// Every flow and transition, over the trusted trials.
    pub distributions: Vec<Distribution>,
    /// Background load, phase by phase, over the trials whose figures are the lab's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub load: Vec<LoadSummary>,
    /// The lab file's expectations, over all trials.
    pub expect: Vec<ExpectTally>,
}

fn of_one_look() -> f64 {
    0.95
}

/// One trial in brief; all of it is in its own `result.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trial {
    /// From 1.
    pub number: u32,
    /// Its directory below the run's.
    pub directory: String,
    /// No warning makes its numbers untrustworthy.
    pub trusted: bool,
    /// Trusted, every wait and every expectation met.
    pub succeeded: bool,
    /// How it may be wrong; what holds for every trial of the lab is in each.
    pub warnings: Vec<Warning>,
    /// Its outages.
    pub outages: Vec<TrialOutage>,
}

/// An outage in brief.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrialOutage {
    /// The probe.
    pub probe: String,
    /// Sender.
    pub from: String,
    /// Receiver.
    pub to: String,
    /// The step's label.
    pub label: String,
    /// Fault or restore.
    pub transition: Transition,
    /// How long traffic was gone.
    pub duration_ms: f64,
    /// Packets lost.
    pub lost: u64,
    /// Whether it came back.
    pub recovered: bool,
    /// Whether the number can be trusted.
    pub trusted: bool,
    /// When the failure was noticed.
    pub detected_ms: Option<f64>,
}

/// One warning over all trials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WarningTally {
    /// Stable name, kebab-case.
    pub code: String,
    /// What, as the first trial that has it says it.
    pub text: String,
    /// Whether it makes numbers untrustworthy.
    pub untrusted: bool,
    /// How many trials have it.
    pub trials: usize,
}

/// One expectation over all trials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExpectTally {
    /// Line of the lab file.
    pub line: u32,
    /// In words.
    pub text: String,
    /// Trials that met it.
    pub met: usize,
    /// Trials that did not.
    pub missed: usize,
    /// Trials in which it could not be measured.
    pub not_measured: usize,
    /// The first miss: trial, and what was measured.
    pub first_miss: Option<(u32, String)>,
}

impl TrialsResult {
    /// Whether this is what was wanted: every trial that was asked for, and nothing missed in
    /// any of them.
    pub fn succeeded(&self) -> bool {
        let enough = matches!(self.ended, Ended::Completed | Ended::Precise);
        enough && !self.trials.is_empty() && self.trials.iter().all(|trial| trial.succeeded)
    }

    /// The same as measured in these sittings, which are those that have trials.
    #[must_use]
    pub fn measured_in(mut self, sittings: Vec<Sitting>) -> Self {
        if sittings.len() > 1 {
            self.sittings = sittings;
        }
        self
    }

    /// The same with its trials' own numbers and directories, in order: of a series that several
    /// labs measured, or of which some trials are missing.
    #[must_use]
    pub fn placed(mut self, places: &[(u32, String)]) -> Self {
        for expect in &mut self.expect {
            if let Some((number, _)) = &mut expect.first_miss
                && let Some((own, _)) = places.get(*number as usize - 1)
            {
                *number = *own;
            }
        }
        for (trial, (number, directory)) in self.trials.iter_mut().zip(places) {
            trial.number = *number;
            trial.directory.clone_from(directory);
        }
        self
    }

    /// The distributions in which something was lost, or else of every fault.
    pub fn worth_telling(&self) -> impl Iterator<Item = &Distribution> {
        let told = |d: &&Distribution| d.transition == Transition::Initial || d.max_ms > 0.0;
        self.distributions.iter().filter(told)
    }
}

/// Folds trials into the document of their series.
pub fn summarise(trials: &[RunResult], terms: Terms, ended: Ended) -> TrialsResult {
    let first = trials.first();
    let folded = folded(trials, looks::level(terms));
    let found = findings::of_series(folded.iter().map(|(d, of)| (d, of.as_slice())));
    TrialsResult {
        format: RESULT_FORMAT,
        lab: first.map(|run| run.lab.clone()).unwrap_or_default(),
        version: first.and_then(|run| run.version.clone()),
        kernel: first.and_then(|run| run.kernel.clone()),
        daemons: all_daemons(trials.iter().flat_map(|run| &run.daemons)),
        timers_scaled: first.and_then(|run| run.timers_scaled),
        asked: terms,
        jobs: None,
        looks: match terms.until_ci {
            Some(_) => looks::schedule(terms.trials),
            None => Vec::new(),
        },
        interval_level: looks::level(terms),
        ended,
        sittings: Vec::new(),
        trials: (1..).zip(trials).map(|(n, run)| trial(n, run)).collect(),
        warnings: found.into_iter().chain(warnings(trials)).collect(),
        distributions: folded.into_iter().map(|(d, _)| d).collect(),
        load: load_series::of_series(trials),
        expect: tallies(trials),
    }
}

/// The directory of a trial, below its run's.
pub fn trial_directory(number: u32) -> String {
    format!("trials/{number:04}")
}

fn trial(number: u32, run: &RunResult) -> Trial {
    let outage = |o: &Outage| TrialOutage {
        probe: o.probe.clone(),
        from: o.from.clone(),
        to: o.to.clone(),
        label: o.label.clone(),
        transition: o.transition,
        duration_ms: o.duration_ms,
        lost: o.lost,
        recovered: o.recovered,
        trusted: o.trusted,
        detected_ms: o.phases_ms.detected,
    };
    Trial {
        number,
        directory: trial_directory(number),
        trusted: run.trusted,
        succeeded: run.succeeded(),
        warnings: run.warnings.clone(),
        outages: run.outages.iter().map(outage).collect(),
    }
}

/// Figures in a warning's text differ from trial to trial; what several things are warned of in
/// one trial is told apart by the text.
fn warnings(trials: &[RunResult]) -> Vec<WarningTally> {
    let mut all: Vec<WarningTally> = Vec::new();
    for run in trials {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for warning in &run.warnings {
            let nth = seen.entry(&warning.code).or_default();
            let mut known = all.iter_mut().filter(|known| known.code == warning.code);
            match known.nth(*nth) {
                Some(known) => {
                    known.trials += 1;
                    known.untrusted |= warning.untrusted;
                }
                None => all.push(WarningTally {
                    code: warning.code.clone(),
                    text: warning.text.clone(),
                    untrusted: warning.untrusted,
                    trials: 1,
                }),
            }
            *nth += 1;
        }
    }
    all
}

fn tallies(trials: &[RunResult]) -> Vec<ExpectTally> {
    let Some(first) = trials.first() else {
        return Vec::new();
    };
    let tally = |(index, expect): (usize, &super::result::ExpectResult)| {
        let all = || trials.iter().filter_map(|run| run.expect.get(index));
        let count = |met: Option<bool>| all().filter(|e| e.met == met).count();
        let miss = (1..).zip(all()).find(|(_, e)| e.met != Some(true));
        ExpectTally {
            line: expect.line,
            text: expect.text.clone(),
            met: count(Some(true)),
            missed: count(Some(false)),
            not_measured: count(None),
            first_miss: miss.map(|(number, e)| (number, e.measured.clone())),
        }
    };
    first.expect.iter().enumerate().map(tally).collect()
}

/// Folds trials into distributions, ordered by label, transition, probe and direction. Only
/// trusted and recovered outages that began on the usual path count; the others are counted
/// apart. The medians' intervals are each of this level.
pub fn distributions(trials: &[RunResult], level: f64) -> Vec<Distribution> {
    let all = folded(trials, level).into_iter();
    all.map(|(distribution, _)| distribution).collect()
}

/// The same, each with the outages that count.
fn folded(trials: &[RunResult], level: f64) -> Vec<(Distribution, Vec<&Outage>)> {
    let groups = grouped(trials).into_iter();
    let each = groups.filter_map(|outages| Some((fold(&outages, level)?, counted(&outages))));
    each.collect()
}

/// The largest median of any flow's outage after a fault, milliseconds.
pub fn largest_median(trials: &[RunResult]) -> Option<f64> {
    let groups = grouped(trials).into_iter();
    let faults = groups.filter(|outages| {
        let first = outages.first();
        first.is_some_and(|o| o.transition == Transition::Initial)
    });
    let medians = faults.filter_map(|outages| {
        let durations = counted(&outages).into_iter().map(|o| o.duration_ms);
        stats::quantile(&stats::sorted(durations.collect()), 0.5)
    });
    medians.max_by(f64::total_cmp)
}

/// The outages of each flow in each transition.
fn grouped(trials: &[RunResult]) -> Vec<Vec<&Outage>> {
    let mut groups: BTreeMap<_, Vec<&Outage>> = BTreeMap::new();
    for outage in trials.iter().flat_map(|t| &t.outages) {
        let key = (
            outage.label.as_str(),
            outage.transition,
            outage.probe.as_str(),
            outage.from.as_str(),
            outage.to.as_str(),
        );
        groups.entry(key).or_default().push(outage);
    }
    groups.into_values().collect()
}

/// Those of a flow that say what was to be measured.
fn counted<'a>(outages: &[&'a Outage]) -> Vec<&'a Outage> {
    let usual = usual_path(outages);
    let counts = |o: &&&Outage| o.trusted && o.recovered && o.path_before.as_deref() == usual;
    outages.iter().filter(counts).copied().collect()
}

fn fold(outages: &[&Outage], level: f64) -> Option<Distribution> {
    let first = outages.first()?;
    let counted = counted(outages);
    let durations_ms: Vec<f64> = counted.iter().map(|o| o.duration_ms).collect();
    let sorted = stats::sorted(durations_ms.clone());
    let at = |q| stats::quantile(&sorted, q);
    let noticed = counted.iter().filter_map(|o| o.phases_ms.detected);
    let detected_ms: Vec<f64> = noticed.collect();
    let predicted = predicted(&counted);
    Some(Distribution {
        probe: first.probe.clone(),
        from: first.from.clone(),
        to: first.to.clone(),
        label: first.label.clone(),
        transition: first.transition,
        trials: sorted.len(),
        left_out: outages.len() - sorted.len(),
        min_ms: at(0.0)?,
        median_ms: at(0.5)?,
        median_ci95_ms: looks::median_interval(&sorted, level),
        p90_ms: at(0.9)?,
        p95_ms: at(0.95)?,
        p99_ms: at(0.99)?,
        max_ms: at(1.0)?,
        durations_ms,
        modelled: counted.iter().any(|o| o.modelled),
        goodness: predicted.and_then(|p| goodness(&detected_ms, p)),
        predicted: predicted.cloned(),
        phases: parts::sums(&counted),
        detected_ms,
    })
}

/// The path on which most trials began; trials whose lab was not yet what it had been are told
/// from the others by it.
fn usual_path<'a>(outages: &[&'a Outage]) -> Option<&'a str> {
    let mut counts: BTreeMap<Option<&str>, usize> = BTreeMap::new();
    for outage in outages {
        *counts.entry(outage.path_before.as_deref()).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, n)| *n)?.0
}

/// What all of them were predicted, where that is one and the same.
fn predicted<'a>(outages: &[&'a Outage]) -> Option<&'a Prediction> {
    let mut all = outages.iter().map(|o| o.predicted.as_ref());
    let first = all.next()??;
    all.all(|other| other == Some(first)).then_some(first)
}

/// Whether a series asked for until its medians are known ends with these trials: it is looked
/// after them, and the median of every outage that lost something is known well enough.
pub fn is_precise(trials: &[RunResult], terms: Terms) -> bool {
    let Some(share) = terms.until_ci else {
        return false;
    };
    let done = u32::try_from(trials.len()).unwrap_or(u32::MAX);
    if !looks::schedule(terms.trials).contains(&done) {
        return false;
    }
    let share = f64::from(share.millionths()) / 1e6;
    let narrow = |d: &Distribution| {
        let half = |(low, high): (f64, f64)| (high - low) / 2.0;
        d.max_ms <= 0.0
            || d.median_ci95_ms
                .is_some_and(|ci| half(ci) <= share * d.median_ms)
    };
    let faults: Vec<Distribution> = distributions(trials, looks::level(terms))
        .into_iter()
        .filter(|d| d.transition == Transition::Initial)
        .collect();
    !faults.is_empty() && faults.iter().all(narrow)
}

/// The journal as it concerns the trial that began at `begun`, the first one having begun at
/// `first`: how the lab came up, what state everything was in, and the trial itself; not what
/// was done and said in earlier trials.
pub fn of_trial(mut events: Vec<Event>, first: MonoNs, begun: MonoNs) -> Vec<Event> {
    let standing = standing(&events, begun);
    events.retain(|event| {
        let of_another = (first..begun).contains(&event.at);
        let is_alert = matches!(event.kind, EventKind::Alert { .. });
        let stands = is_alert && standing.contains(&event.at);
        !(of_another && belongs_to_one(&event.kind)) || stands
    });
    events
}

/// When the alerts were raised that stand at `begun`: nobody raises them again.
fn standing(events: &[Event], begun: MonoNs) -> BTreeSet<MonoNs> {
    let mut raised: BTreeMap<_, MonoNs> = BTreeMap::new();
    let mut before: Vec<&Event> = events.iter().filter(|event| event.at < begun).collect();
    before.sort_by_key(|event| event.at);
    for event in before {
        let EventKind::Alert {
            alert,
            state,
            about,
            probe,
            ..
        } = &event.kind
        else {
            continue;
        };
        let key = (alert, about, probe);
        match state.as_str() {
            "raised" => raised.insert(key, event.at),
            _ => raised.remove(&key),
        };
    }
    raised.into_values().collect()
}

fn belongs_to_one(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::FaultApplied { .. }
            | EventKind::FaultRestored { .. }
            | EventKind::WaitMet { .. }
            | EventKind::WaitMissed { .. }
            | EventKind::Alert { .. }
            | EventKind::Warning { .. }
            | EventKind::TrialFinished { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::{super::tests::lab, *};
    use crate::{
        lab::model::Alert,
        results::measure::{BEFORE, measure},
    };

    fn terms() -> Terms {
        Terms {
            trials: 3,
            until_ci: None,
            seed: 7,
        }
    }

    fn runs() -> Vec<RunResult> {
        (0..3)
            .map(|n| {
                let mut run = measure(&lab::clean_silent_cut(false));
                for outage in &mut run.outages {
                    outage.duration_ms += f64::from(n) * 10.0;
                }
                run
            })
            .collect()
    }

    #[test]
    fn trials_that_cannot_be_trusted_or_began_elsewhere_are_left_out() {
        let mut trials = runs();
        trials[1].outages[0].trusted = false;
        trials[2].outages[1].path_before = Some("backup".to_owned());
        let all = distributions(&trials, 0.95);
        let of = |from: &str| {
            let mut found = all.iter().filter(|d| d.from == from);
            found.next().unwrap()
        };
        assert_eq!((of("app").trials, of("app").left_out), (2, 1));
        assert_eq!((of("db").trials, of("db").left_out), (2, 1));
        assert_eq!((of("app").min_ms, of("app").max_ms), (742.0, 762.0));
        assert_eq!(of("app").median_ms, 752.0);
    }

    #[test]
    fn an_expectation_is_met_when_every_trial_meets_it() {
        let mut trials = runs();
        let all = summarise(&trials, terms(), Ended::Completed);
        assert!(all.succeeded());
        assert_eq!((all.expect[0].met, all.expect[0].missed), (3, 0));
        trials[1].expect[0].met = Some(false);
        let one = summarise(&trials, terms(), Ended::Completed);
        assert!(!one.succeeded());
        let tally = &one.expect[0];
        assert_eq!((tally.met, tally.missed, tally.not_measured), (2, 1, 0));
        assert_eq!(tally.first_miss.as_ref().map(|(n, _)| *n), Some(2));
        assert!(!summarise(&runs(), terms(), Ended::Interrupted).succeeded());
    }

    #[test]
    fn a_series_is_precise_at_a_look_at_which_its_medians_are_known() {
        let of = |n| -> Vec<RunResult> { runs().into_iter().cycle().take(n).collect() };
        let terms = |share: &str| Terms {
            trials: 20,
            until_ci: Some(share.parse().unwrap()),
            seed: 1,
        };
        // Outages of 742, 752 and 762 ms, of which ten have an interval of 742 to 762.
        assert!(is_precise(&of(10), terms("5%")));
        assert!(!is_precise(&of(10), terms("1%")));
        assert!(
            !is_precise(&of(9), terms("50%")),
            "there is no look after nine"
        );
        assert!(!is_precise(&of(11), terms("50%")));
        let unasked = Terms {
            until_ci: None,
            ..terms("5%")
        };
        assert!(!is_precise(&of(10), unasked));
        let all = summarise(&of(10), terms("5%"), Ended::Precise);
        assert_eq!(all.looks, [10, 15, 20]);
        assert!((all.interval_level - 0.9875).abs() < 1e-12);
        let few = summarise(&of(5), unasked, Ended::Completed);
        assert_eq!((few.looks.len(), few.interval_level), (0, 0.95));
        assert!(few.distributions.iter().all(|d| d.median_ci95_ms.is_none()));
    }

    #[test]
    fn a_trial_knows_the_state_it_began_in_and_none_of_the_faults_before() {
        let event = |at: MonoNs, kind: EventKind| Event { at, kind };
        let warning = |code: &str| EventKind::Warning {
            code: code.to_owned(),
            text: String::new(),
            untrusted: true,
        };
        let up = || EventKind::Bfd {
            session: "prod".to_owned(),
            node: "dc1".to_owned(),
            state: "Up".to_owned(),
            diagnostic: None,
            detect_us: None,
        };
        let all = vec![
            event(1, warning("no-realtime")),
            event(12, warning("stray")),
            event(13, up()),
            event(22, warning("clock-step")),
        ];
        let kept = of_trial(all, 10, 20);
        let at: Vec<MonoNs> = kept.iter().map(|event| event.at).collect();
        assert_eq!(at, [1, 13, 22]);
    }

    /// Of three alerts raised in the first trial one is cleared before the second begins, one is
    /// cleared and raised again, and one stands all the while.
    #[test]
    fn an_alert_that_stands_between_trials_stands_in_the_next() {
        let event = |at: MonoNs, state: &str, about: &str| Event {
            at,
            kind: EventKind::Alert {
                alert: Alert::LoadExceedsBackup.word().to_owned(),
                state: state.to_owned(),
                about: about.to_owned(),
                probe: None,
                metric: None,
                load_bps: Some(12_000_000),
                room_bps: Some(10_000_000),
            },
        };
        let all = vec![
            event(12, "raised", "over"),
            event(13, "raised", "again"),
            event(14, "raised", "standing"),
            event(15, "cleared", "over"),
            event(16, "cleared", "again"),
            event(17, "raised", "again"),
            event(25, "cleared", "standing"),
        ];
        let kept = of_trial(all, 10, 20);
        let at: Vec<MonoNs> = kept.iter().map(|event| event.at).collect();
        assert_eq!(at, [14, 17, 25]);
        // It was there when the trial's first packet was sent.
        let mut input = lab::clean_silent_cut(false);
        input.events.extend(kept);
        let start = EventKind::ProbesStarted { flows: 2, rate: 1 };
        lab::at(&mut input, lab::START, start);
        let result = measure(&input);
        let mut loads = result.alerts.iter();
        let one = loads.find(|one| one.about == "again").unwrap();
        assert_eq!((one.label.as_str(), one.raised_ms), (BEFORE, 0.0));
        assert_eq!(one.cleared_ns, None);
    }
}
