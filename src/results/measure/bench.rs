//! One lab in several variants: what each of them costs.

use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha12Rng;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    compare::{Comparison, compare},
    trials::{Ended, TrialsResult},
};
use crate::units::seed_as_text;

/// Version of the document.
const FORMAT: u32 = 1;

/// A key of the lab file and the values it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Varied {
    /// `sessions.prod.bfd`.
    pub key: String,
    /// As they were given, in order.
    pub values: Vec<String>,
}

/// What was asked of a bench.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BenchTerms {
    /// The lab file.
    pub lab_file: String,
    /// What was varied; the variants are all combinations, the last key's values changing fastest.
    pub vary: Vec<Varied>,
    /// Trials of each variant.
    pub trials: u32,
    /// Blocks they were run in; in each block every variant has its turn, in random order.
    pub blocks: u32,
    /// Seed of everything random.
    #[serde(with = "seed_as_text")]
    #[schemars(with = "String")]
    pub seed: u64,
}

/// One turn of a variant: its lab is built, measures some trials, and is taken down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BenchTurn {
    /// The block it is in, from 1.
    pub block: u32,
    /// Which variant, from 0.
    pub variant: usize,
    /// Its trials.
    pub trials: u32,
    /// Their seed.
    pub seed: u64,
}

impl BenchTurn {
    /// Where its journal and all else of it is, below the directory of its variant.
    pub fn directory(&self, of_variant: &str) -> String {
        format!("{of_variant}/turn-{:02}", self.block)
    }
}

impl BenchTerms {
    /// All turns of so many variants, in the order in which they are taken: what was asked and
    /// the seed say all of it, so that a bench can be gone on with where it was left.
    pub fn turns(&self, variants: usize) -> Vec<BenchTurn> {
        let mut random = ChaCha12Rng::seed_from_u64(self.seed);
        let mut all = Vec::new();
        for block in 1..=self.blocks {
            // What does not divide evenly goes to the first blocks.
            let more = u32::from(block <= self.trials % self.blocks);
            let trials = self.trials / self.blocks + more;
            let mut order: Vec<usize> = (0..variants).collect();
            order.shuffle(&mut random);
            all.extend(order.into_iter().map(|variant| BenchTurn {
                block,
                variant,
                trials,
                seed: random.random(),
            }));
        }
        all
    }
}

/// One start of the command, of several in which a bench was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BenchSitting {
    /// When it began, CLOCK_REALTIME, nanoseconds.
    pub began_realtime_ns: u64,
    /// backhoe's version.
    pub version: String,
    /// Kernel release.
    pub kernel: String,
}

/// One of the variants.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Variant {
    /// `bfd=50ms/3 daemon=frr`.
    pub name: String,
    /// Its lab file, below the bench's directory.
    pub file: String,
    /// Where its series' `result.json` and its trials are.
    pub directory: String,
    /// All its trials.
    pub series: TrialsResult,
    /// Beside the first variant; absent for that one.
    pub effect: Option<Comparison>,
}

/// `bench.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BenchResult {
    /// Version of this format.
    pub format: u32,
    /// What was asked.
    #[serde(flatten)]
    pub asked: BenchTerms,
    /// Whether a signal ended it early.
    pub interrupted: bool,
    /// Why there are no more trials.
    pub ended: Ended,
    /// Absent: it was measured in one go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sittings: Vec<BenchSitting>,
    /// Every variant that has a trial; the first is what the others are compared with.
    pub variants: Vec<Variant>,
}

impl BenchResult {
    /// Compares every variant with the first.
    pub fn new(asked: BenchTerms, ended: Ended, mut variants: Vec<Variant>) -> Self {
        if let Some((first, others)) = variants.split_first_mut() {
            for other in others {
                let effect = compare(&first.series, &other.series, None, asked.seed);
                other.effect = Some(effect);
            }
        }
        Self {
            format: FORMAT,
            asked,
            interrupted: ended == Ended::Interrupted,
            ended,
            sittings: Vec::new(),
            variants,
        }
    }

    /// The same as measured in these sittings.
    #[must_use]
    pub fn measured_in(mut self, sittings: Vec<BenchSitting>) -> Self {
        if sittings.len() > 1 {
            self.sittings = sittings;
        }
        self
    }

    /// Whether every trial of every variant succeeded.
    pub fn succeeded(&self) -> bool {
        let mut all = self.variants.iter();
        self.ended == Ended::Completed && all.all(|variant| variant.series.succeeded())
    }
}

/// `sessions.prod.bfd=50ms/3` as `bfd=50ms/3`, unless two keys end alike.
pub fn variant_name(chosen: &[(&str, &str)]) -> String {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let short = |key: &str| {
        let alike = chosen.iter().filter(|(other, _)| last(other) == last(key));
        match alike.count() {
            1 => last(key),
            _ => key.to_owned(),
        }
    };
    let parts = chosen
        .iter()
        .map(|(key, value)| format!("{}={value}", short(key)));
    parts.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variant_has_a_turn_in_each_block_and_the_seed_says_when() {
        let asked = |seed| BenchTerms {
            lab_file: "lab.yaml".to_owned(),
            vary: Vec::new(),
            trials: 7,
            blocks: 3,
            seed,
        };
        let turns = asked(7).turns(4);
        assert_eq!(turns, asked(7).turns(4));
        assert_ne!(turns, asked(8).turns(4));
        for variant in 0..4 {
            let own = turns.iter().filter(|turn| turn.variant == variant);
            let own: Vec<(u32, u32)> = own.map(|turn| (turn.block, turn.trials)).collect();
            assert_eq!(own, [(1, 3), (2, 2), (3, 2)]);
        }
        let order = |block| {
            let own = turns.iter().filter(move |turn| turn.block == block);
            own.map(|turn| turn.variant).collect::<Vec<_>>()
        };
        assert!(order(1) != order(2) || order(2) != order(3), "{turns:?}");
        assert_eq!(turns[0].directory("02"), "02/turn-01");
    }

    #[test]
    fn a_variant_is_named_by_what_differs() {
        assert_eq!(
            variant_name(&[("sessions.prod.bfd", "50ms/3"), ("nodes.dc1.daemon", "frr")]),
            "bfd=50ms/3 daemon=frr"
        );
        assert_eq!(
            variant_name(&[("sessions.a.bfd", "50ms/3"), ("sessions.b.bfd", "unset")]),
            "sessions.a.bfd=50ms/3 sessions.b.bfd=unset"
        );
    }
}
