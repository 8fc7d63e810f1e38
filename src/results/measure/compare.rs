//! Two series of trials side by side: by how much one is slower, and how sure that is.

use std::{collections::BTreeMap, fmt, str::FromStr};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    input::Transition,
    stats,
    trials::{Distribution, TrialsResult},
};
use crate::units::Span;

/// Resamples behind each interval.
const ROUNDS: usize = 2000;
/// Fewer trials than this on either side make no interval.
const FEWEST: usize = 5;

/// Version of what `compare --json` prints. 1 had no number.
const FORMAT: u32 = 2;

/// What is still no slowdown: a share of the baseline's median, or a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Of the baseline's median, in millionths; 100 % is as long again.
    Share(u64),
    /// The same for every outage.
    Time(Span),
}

impl Limit {
    /// In milliseconds, for a baseline with this median.
    fn ms(self, median_ms: f64) -> f64 {
        match self {
            Self::Share(millionths) => median_ms * millionths as f64 / 1e6,
            Self::Time(time) => time.as_nanos() as f64 / 1e6,
        }
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        /// A thousand times as long.
        const MOST_PERCENT: f64 = 100_000.0;
        let text = text.trim();
        if text.starts_with('-') {
            return Err(
                "a slowdown that is allowed is not negative: `0%` allows none; to see whether B is \
                 faster, exchange A and B"
                    .to_owned(),
            );
        }
        let Some(percent) = text.strip_suffix('%') else {
            let time = text.parse().map(Self::Time);
            return time
                .map_err(|_| "write a percentage or a time, such as `10%` or `50ms`".to_owned());
        };
        match percent.trim().parse::<f64>() {
            Ok(percent) if (0.0..=MOST_PERCENT).contains(&percent) => {
                Ok(Self::Share((percent * 1e4).round() as u64))
            }
            Ok(_) => Err("a share of the baseline's median is 0% to 100000%".to_owned()),
            Err(_) => Err("write a percentage or a time, such as `10%` or `50ms`".to_owned()),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(millionths) => write!(f, "{}%", *millionths as f64 / 1e4),
            Self::Time(time) => time.fmt(f),
        }
    }
}

/// What can be said of a slowdown by more than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// All of the interval lies above the limit.
    Slower,
    /// None of it does.
    NotSlower,
    /// The limit lies within the interval, or there are too few trials for one.
    Undecided,
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    /// Trials that count.
    pub trials: usize,
    /// Their median outage.
    pub median_ms: f64,
    /// What detected the failure, as negotiated: `300 ms x 3`.
    pub timers: Option<String>,
    /// The median of when it was detected.
    pub detected_ms: Option<f64>,
}

/// How one flow's outages in one transition differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Effect {
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
    /// What it is compared with.
    pub baseline: Side,
    /// What is compared.
    pub other: Side,
    /// The other's median minus the baseline's: positive is slower.
    pub difference_ms: f64,
    /// Bootstrap 95 % interval of that; absent: fewer than five trials on a side.
    pub difference_ci95_ms: Option<(f64, f64)>,
    /// How often a trial of the other lasts longer than one of the baseline, equals counted half
    /// (Vargha and Delaney's A): 0.5 is no difference, 1 is always.
    pub longer: f64,
    /// Bootstrap 95 % interval of that.
    pub longer_ci95: Option<(f64, f64)>,
    /// Whether it is slower by more than the limit; absent: no limit was set.
    pub judgement: Option<Judgement>,
}

/// All that two series have in common, and what only one of them has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// Every flow and transition that both have, in the baseline's order.
    pub effects: Vec<Effect>,
    /// Flows and transitions of the baseline alone: `web: app → db, cut`.
    pub only_baseline: Vec<String>,
    /// Of the other alone.
    pub only_other: Vec<String>,
}

impl Comparison {
    /// Whether any outage is judged so.
    pub fn has(&self, judgement: Judgement) -> bool {
        let mut all = self.effects.iter();
        all.any(|effect| effect.judgement == Some(judgement))
    }

    /// What it comes to, where it is judged by a limit and where it is not.
    pub fn verdict(&self, judged: bool) -> Verdict {
        if self.effects.is_empty() {
            Verdict::NothingToCompare
        } else if !judged {
            Verdict::NotJudged
        } else if self.has(Judgement::Slower) {
            Verdict::Slower
        } else if self.has(Judgement::Undecided) {
            Verdict::Undecided
        } else {
            Verdict::NotSlower
        }
    }
}

/// What a comparison comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// No outage was measured, trusted, on both sides.
    NothingToCompare,
    /// No limit was set.
    NotJudged,
    /// At least one outage is slower by more than the limit.
    Slower,
    /// None is, but of at least one it could not be told.
    Undecided,
    /// None is.
    NotSlower,
}

/// What `compare --json` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Compared {
    /// Version of this format.
    pub format: u32,
    /// Where the baseline is, as it was named.
    pub baseline: String,
    /// Where what is compared with it is.
    pub compared: String,
    /// What is still no slowdown: `10%` of the baseline's median, or `50ms`; null: nothing was judged.
    pub slower_than: Option<String>,
    /// What it comes to.
    pub verdict: Verdict,
    /// The outages.
    #[serde(flatten)]
    pub comparison: Comparison,
}

impl Compared {
    /// The comparison of what is at these places, by this limit.
    pub fn new(
        [baseline, compared]: [&str; 2],
        comparison: Comparison,
        limit: Option<Limit>,
    ) -> Self {
        Self {
            format: FORMAT,
            baseline: baseline.to_owned(),
            compared: compared.to_owned(),
            slower_than: limit.map(|limit| limit.to_string()),
            verdict: comparison.verdict(limit.is_some()),
            comparison,
        }
    }
}

type Key<'a> = (&'a str, Transition, &'a str, &'a str, &'a str);

fn key(d: &Distribution) -> Key<'_> {
    (&d.label, d.transition, &d.probe, &d.from, &d.to)
}

fn name(d: &Distribution) -> String {
    let what = match d.transition {
        Transition::Initial => "",
        Transition::Reversion => "restore of ",
    };
    format!("{}: {} → {}, {what}{}", d.probe, d.from, d.to, d.label)
}

/// Compares `other` with `baseline`, outage by outage. The seed makes the intervals repeatable.
pub fn compare(
    baseline: &TrialsResult,
    other: &TrialsResult,
    limit: Option<Limit>,
    seed: u64,
) -> Comparison {
    let theirs: BTreeMap<Key<'_>, &Distribution> =
        other.distributions.iter().map(|d| (key(d), d)).collect();
    let ours: BTreeMap<Key<'_>, &Distribution> =
        baseline.distributions.iter().map(|d| (key(d), d)).collect();
    let mut comparison = Comparison::default();
    for d in &baseline.distributions {
        match theirs.get(&key(d)) {
            Some(other) => comparison.effects.push(effect(d, other, limit, seed)),
            None => comparison.only_baseline.push(name(d)),
        }
    }
    let alone = other
        .distributions
        .iter()
        .filter(|d| !ours.contains_key(&key(d)));
    comparison.only_other = alone.map(name).collect();
    comparison
}

fn side(d: &Distribution) -> Side {
    Side {
        trials: d.trials,
        median_ms: d.median_ms,
        timers: d.predicted.as_ref().map(|p| p.timers.clone()),
        detected_ms: stats::quantile(&stats::sorted(d.detected_ms.clone()), 0.5),
    }
}

fn effect(a: &Distribution, b: &Distribution, limit: Option<Limit>, seed: u64) -> Effect {
    let intervals = intervals([&a.durations_ms, &b.durations_ms], seed);
    let difference_ci95_ms = intervals.map(|(difference, _)| difference);
    let allowed = limit.map(|limit| limit.ms(a.median_ms));
    let judgement = allowed.map(|allowed| match difference_ci95_ms {
        Some((low, _)) if low > allowed => Judgement::Slower,
        Some((_, high)) if high <= allowed => Judgement::NotSlower,
        _ => Judgement::Undecided,
    });
    Effect {
        probe: a.probe.clone(),
        from: a.from.clone(),
        to: a.to.clone(),
        label: a.label.clone(),
        transition: a.transition,
        baseline: side(a),
        other: side(b),
        difference_ms: b.median_ms - a.median_ms,
        difference_ci95_ms,
        longer: longer(
            &stats::sorted(a.durations_ms.clone()),
            &stats::sorted(b.durations_ms.clone()),
        ),
        longer_ci95: intervals.map(|(_, longer)| longer),
        judgement,
    }
}

/// How often a value of `b` is larger than one of `a`, equals counted half; both ascending.
fn longer(a: &[f64], b: &[f64]) -> f64 {
    let (mut below, mut upto) = (0, 0);
    let mut sum = 0.0;
    for value in b {
        while a.get(below).is_some_and(|other| other < value) {
            below += 1;
        }
        upto = upto.max(below);
        while a.get(upto).is_some_and(|other| other <= value) {
            upto += 1;
        }
        sum += below as f64 + (upto - below) as f64 / 2.0;
    }
    sum / (a.len().max(1) * b.len().max(1)) as f64
}

/// Bootstrap 95 % intervals of the medians' difference and of [`longer`].
fn intervals(series: [&[f64]; 2], seed: u64) -> Option<((f64, f64), (f64, f64))> {
    if series.iter().any(|values| values.len() < FEWEST) {
        return None;
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut resample = |values: &[f64]| {
        let drawn = (0..values.len())
            .filter_map(|_| values.get(random.random_range(0..values.len())).copied());
        stats::sorted(drawn.collect())
    };
    let (mut differences, mut longers) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let [a, b] = series.map(&mut resample);
        differences.push(stats::quantile(&b, 0.5)? - stats::quantile(&a, 0.5)?);
        longers.push(longer(&a, &b));
    }
    let middle = |estimates: Vec<f64>| {
        let sorted = stats::sorted(estimates);
        Some((
            stats::quantile(&sorted, 0.025)?,
            stats::quantile(&sorted, 0.975)?,
        ))
    };
    Some((middle(differences)?, middle(longers)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::measure::{Ended, Terms, measure, summarise, tests::lab};

    fn series(durations: impl IntoIterator<Item = f64>) -> TrialsResult {
        let run = measure(&lab::clean_silent_cut(false));
        let runs: Vec<_> = durations
            .into_iter()
            .map(|duration| {
                let mut run = run.clone();
                for outage in &mut run.outages {
                    outage.duration_ms = duration;
                }
                run
            })
            .collect();
        let terms = Terms {
            trials: runs.len() as u32,
            until_ci: None,
            seed: 1,
        };
        summarise(&runs, terms, Ended::Completed)
    }

    fn uniform(from: f64, to: f64, n: u32) -> impl Iterator<Item = f64> {
        (0..n).map(move |i| from + (to - from) * f64::from(i) / f64::from(n - 1))
    }

    fn judged(other: &TrialsResult, limit: &str) -> Option<Judgement> {
        let baseline = series(uniform(600.0, 900.0, 40));
        let comparison = compare(&baseline, other, Some(limit.parse().unwrap()), 7);
        comparison.effects[0].judgement
    }

    #[test]
    fn the_same_is_not_slower_and_twice_as_long_is() {
        let same = series(uniform(600.0, 900.0, 40));
        assert_eq!(judged(&same, "20%"), Some(Judgement::NotSlower));
        assert_eq!(judged(&same, "1ms"), Some(Judgement::Undecided));
        let twice = series(uniform(1200.0, 1800.0, 40));
        assert_eq!(judged(&twice, "20%"), Some(Judgement::Slower));
        assert_eq!(judged(&twice, "2s"), Some(Judgement::NotSlower));
        let few = series([5000.0, 5000.0]);
        assert_eq!(judged(&few, "20%"), Some(Judgement::Undecided));
    }

    #[test]
    fn an_effect_has_its_size_and_how_sure_it_is() {
        let a = series(uniform(600.0, 900.0, 40));
        let b = series(uniform(700.0, 1000.0, 40));
        let comparison = compare(&a, &b, None, 7);
        let effect = &comparison.effects[0];
        assert!((effect.difference_ms - 100.0).abs() < 1e-6);
        let (low, high) = effect.difference_ci95_ms.unwrap();
        assert!(low < 100.0 && 100.0 < high && low > 0.0 && high < 200.0);
        // Of two uniform spreads of 300 ms shifted by 100: 1 - (2/3)^2 / 2.
        assert!((effect.longer - 0.778).abs() < 0.02, "{}", effect.longer);
        let (low, high) = effect.longer_ci95.unwrap();
        assert!(0.5 < low && low < effect.longer && effect.longer < high);
        assert_eq!(effect.judgement, None);
    }

    #[test]
    fn a_limit_is_a_share_or_a_time_and_not_negative() {
        let limit = |text: &str| text.parse::<Limit>();
        assert_eq!(limit("200%"), Ok(Limit::Share(2_000_000)));
        assert_eq!(limit("200%").unwrap().ms(50.0), 100.0);
        assert_eq!(limit("0.5%").unwrap().to_string(), "0.5%");
        assert_eq!(limit("50ms").unwrap().ms(1.0), 50.0);
        assert!(limit("-5%").unwrap_err().contains("exchange A and B"));
        assert!(limit("-5ms").unwrap_err().contains("not negative"));
        for wrong in ["5", "NaN%", "1e9%", "%", "ten"] {
            assert!(limit(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_comparison_says_what_it_comes_to() {
        let baseline = series(uniform(600.0, 900.0, 40));
        let verdict = |other: &TrialsResult, limit: Option<&str>| {
            let limit = limit.map(|limit| limit.parse().unwrap());
            let compared = compare(&baseline, other, limit, 7);
            let compared = Compared::new(["a", "b"], compared, limit);
            assert_eq!((compared.format, compared.compared.as_str()), (2, "b"));
            compared.verdict
        };
        let twice = series(uniform(1200.0, 1800.0, 40));
        assert_eq!(verdict(&twice, None), Verdict::NotJudged);
        assert_eq!(verdict(&twice, Some("20%")), Verdict::Slower);
        assert_eq!(verdict(&twice, Some("300%")), Verdict::NotSlower);
        assert_eq!(verdict(&series([700.0]), Some("20%")), Verdict::Undecided);
        assert_eq!(verdict(&series([]), Some("20%")), Verdict::NothingToCompare);
    }

    #[test]
    fn equals_count_half() {
        assert_eq!(longer(&[1.0, 1.0], &[1.0, 1.0]), 0.5);
        assert_eq!(longer(&[1.0, 2.0], &[3.0]), 1.0);
        assert_eq!(longer(&[1.0, 2.0, 3.0], &[2.0, 2.0]), 0.5);
    }

    #[test]
    fn what_only_one_has_is_named() {
        let a = series(uniform(600.0, 900.0, 5));
        let mut b = a.clone();
        b.distributions.remove(0);
        let comparison = compare(&a, &b, None, 7);
        assert_eq!(comparison.only_baseline.len(), 1);
        assert_eq!(comparison.effects.len(), a.distributions.len() - 1);
        assert_eq!(
            compare(&b, &a, None, 7).only_other,
            comparison.only_baseline
        );
    }
}
