//! A series of trials whose cuts are at random instants, and one whose cutter is in step with BFD:
//! through the whole measurement, from packets to the verdict.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::lab::{self, CUT, ms};
use crate::results::measure::{Distribution, RunResult, distributions, measure};

const TRIALS: u32 = 40;

/// What a series finds of the direction whose BFD noticed after these times, milliseconds.
fn series(detected: impl Iterator<Item = f64>) -> Distribution {
    let trial = |after: f64| -> RunResult {
        let mut input = lab::run(false);
        let lost = (after + 1.2).round() as u32;
        lab::flow(&mut input, 0, |at| lab::forth(at, lost));
        lab::flow(&mut input, 1, |at| lab::forth(at, lost));
        let db = lab::net(false, "172.31.0.0/16", "2001:db8:2::/48");
        lab::bfd(&mut input, CUT + ms(after), "dc1", "Down");
        lab::fib(&mut input, CUT + ms(after + 0.5), "dc1", db, "backup.1");
        lab::reversion_story(&mut input, false);
        measure(&input)
    };
    let trials: Vec<RunResult> = detected.map(trial).collect();
    let all = distributions(&trials, 7).into_iter();
    let mut forth = all.filter(|d| d.label == "cut" && d.from == "app");
    forth.next().unwrap()
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
