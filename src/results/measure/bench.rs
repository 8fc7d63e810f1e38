//! One lab in several variants: what each of them costs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    compare::{Comparison, compare},
    trials::TrialsResult,
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
    /// Every variant that has a trial; the first is what the others are compared with.
    pub variants: Vec<Variant>,
}

impl BenchResult {
    /// Compares every variant with the first.
    pub fn new(asked: BenchTerms, interrupted: bool, mut variants: Vec<Variant>) -> Self {
        if let Some((first, others)) = variants.split_first_mut() {
            for other in others {
                let effect = compare(&first.series, &other.series, None, asked.seed);
                other.effect = Some(effect);
            }
        }
        Self {
            format: FORMAT,
            asked,
            interrupted,
            variants,
        }
    }

    /// Whether every trial of every variant succeeded.
    pub fn succeeded(&self) -> bool {
        let mut all = self.variants.iter();
        !self.interrupted && all.all(|variant| variant.series.succeeded())
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
