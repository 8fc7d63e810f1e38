//! A series of trials whose cuts are at random instants, and one whose cutter is in step with BFD:
//! through the whole measurement, from packets to the verdict.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::lab::{self, CUT, ms};
use crate::results::measure::{
    Distribution, Ended, RunResult, Terms, TrialsResult, WarningTally, distributions, measure,
    summarise,
};

const TRIALS: u32 = 40;

/// What a series finds of the direction whose BFD noticed after these times, milliseconds.
fn series(detected: impl Iterator<Item = f64>) -> Distribution {
    let trials = trials(detected.map(|after| (after, 1.2)));
    let all = distributions(&trials, 0.95).into_iter();
    let mut forth = all.filter(|d| d.label == "cut" && d.from == "app");
    forth.next().unwrap()
}

/// Trials of which BFD noticed after so long, and traffic was back so much later.
fn trials(each: impl Iterator<Item = (f64, f64)>) -> Vec<RunResult> {
    let trial = |(after, rest): (f64, f64)| -> RunResult {
        let mut input = lab::run(false);
        let lost = (after + rest).round() as u32;
        lab::flow(&mut input, 0, |at| lab::forth(at, lost));
        lab::flow(&mut input, 1, |at| lab::forth(at, lost));
        let db = lab::net(false, "172.31.0.0/16", "2001:db8:2::/48");
        lab::bfd(&mut input, CUT + ms(after), "dc1", "Down");
        lab::fib(&mut input, CUT + ms(after + 0.5), "dc1", db, "backup.1");
        lab::reversion_story(&mut input, false);
        measure(&input)
    };
    each.map(trial).collect()
}

/// Packets leave every 225 to 300 ms; the cut finds the last one at some age.
fn at_random(random: &mut ChaCha8Rng) -> f64 {
    let cut = random.random_range(10_000.0..20_000.0);
    let mut last = 0.0;
    loop {
        let next = last + random.random_range(225.0..300.0);
        if next > cut {
            return last + 900.0 + 4.0 - cut;
        }
        last = next;
    }
}

#[test]
fn a_cutter_in_step_with_bfd_is_caught_and_a_random_one_is_not() {
    let mut random = ChaCha8Rng::seed_from_u64(20_261_122);
    let fair = series((0..TRIALS).map(|_| at_random(&mut random)));
    let fit = fair.goodness.unwrap();
    assert_eq!((fit.agrees, fit.outside), (Some(true), 0), "{fit:?}");

    // Always 60 to 80 ms after a packet: each detection is in range, all of them are not the model's.
    let locked = series((0..TRIALS).map(|n| 904.0 - 60.0 - f64::from(n) / 2.0));
    let fit = locked.goodness.unwrap();
    assert_eq!((fit.agrees, fit.outside), (Some(false), 0), "{fit:?}");

    for series in [&fair.phases, &locked.phases] {
        let sums = series.unwrap();
        assert_eq!((sums.trials, sums.unseen), (TRIALS as usize, 0));
        assert!(sums.add_up, "{sums:?}");
    }
}

fn summarised(trials: &[RunResult]) -> TrialsResult {
    let terms = Terms {
        trials: trials.len() as u32,
        until_ci: None,
        seed: 7,
    };
    summarise(trials, terms, Ended::Completed)
}

fn warned<'a>(all: &'a TrialsResult, code: &str) -> Vec<&'a WarningTally> {
    let warnings = all.warnings.iter();
    warnings.filter(|warning| warning.code == code).collect()
}

#[test]
fn detection_that_disagrees_with_its_timers_is_a_warning_of_the_series() {
    let mut random = ChaCha8Rng::seed_from_u64(20_261_122);
    let fair = summarised(&trials((0..TRIALS).map(|_| (at_random(&mut random), 1.2))));
    assert_eq!(
        warned(&fair, "detection-disagrees"),
        [] as [&WarningTally; 0]
    );
    assert_eq!(warned(&fair, "slow-trial"), [] as [&WarningTally; 0]);
    let locked = |n: u32| (904.0 - 60.0 - f64::from(n) / 2.0, 1.2);
    let locked = summarised(&trials((0..TRIALS).map(locked)));
    let warned = warned(&locked, "detection-disagrees");
    let [one] = &warned[..] else {
        panic!("{:?}", locked.warnings);
    };
    assert!(
        one.text.contains("app → db, cut") && one.text.contains("p < 0.001"),
        "{}",
        one.text
    );
    assert!(!one.untrusted && one.trials == TRIALS as usize);
    // It is told; whether a lab's expectations are met is another question.
    assert_eq!(locked.succeeded(), fair.succeeded());
}

#[test]
fn what_no_phase_explains_is_named_in_the_trial_and_in_the_series() {
    let late = |n: u32| (700.0, if n == 7 { 326.0 } else { 1.2 });
    let trials = trials((0..10).map(late));
    let found = trials[7].outages[0].unexplained.as_ref().unwrap();
    assert!((found.ms - 325.5).abs() < 2.0, "{found:?}");
    assert_eq!(found.after, "dc1 FIB");
    assert_eq!(found.meanwhile, None);
    let codes = |run: &RunResult| -> Vec<String> {
        run.warnings
            .iter()
            .map(|warning| warning.code.clone())
            .collect()
    };
    assert!(codes(&trials[7]).contains(&"unexplained".to_owned()));
    assert!(!codes(&trials[6]).contains(&"unexplained".to_owned()));
    let all = summarised(&trials);
    let slow = warned(&all, "slow-trial");
    let text = &slow
        .iter()
        .find(|w| w.text.contains("app → db, cut"))
        .unwrap()
        .text;
    assert!(
        text.contains("1 of 10 trials") && text.contains("the longest, 1026 ms"),
        "{text}"
    );
    assert!(text.contains("first packet through took 32"), "{text}");
}
