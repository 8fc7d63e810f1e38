//! JSON Schemas (draft 2020-12) of the documents that results are, made from the types that
//! write them. What they describe is what is written: a field that is always there is required,
//! one that they do not know is allowed, since fields are only ever added.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Value, json};

use super::{
    event::Event,
    measure::{BenchResult, Compared, RunResult, TrialsResult},
    suite::Suite,
    sweep::Sweep,
};

/// A document of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// `result.json` of a run.
    Result,
    /// `result.json` of a series of trials.
    Trials,
    /// `bench.json`.
    Bench,
    /// What `compare --json` prints.
    Compare,
    /// `sweep.json`.
    Sweep,
    /// `test.json`.
    Test,
    /// A line of `journal.jsonl`.
    Journal,
}

impl Document {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Result,
        Self::Trials,
        Self::Bench,
        Self::Compare,
        Self::Sweep,
        Self::Test,
        Self::Journal,
    ];

    /// Its name: of its schema, and of that one's file in `docs/schema`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Result => "result",
            Self::Trials => "trials",
            Self::Bench => "bench",
            Self::Compare => "compare",
            Self::Sweep => "sweep",
            Self::Test => "test",
            Self::Journal => "journal",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Result => "backhoe result: one run",
            Self::Trials => "backhoe result: a series of trials",
            Self::Bench => "backhoe bench",
            Self::Compare => "backhoe compare",
            Self::Sweep => "backhoe sweep",
            Self::Test => "backhoe test: labs against their expectations",
            Self::Journal => "backhoe journal: one line of it",
        }
    }

    /// Its schema.
    pub fn schema(self) -> Value {
        let title = self.title();
        match self {
            Self::Result => of::<RunResult>(title),
            Self::Trials => of::<TrialsResult>(title),
            Self::Bench => of::<BenchResult>(title),
            Self::Compare => of::<Compared>(title),
            Self::Sweep => of::<Sweep>(title),
            Self::Test => of::<Suite>(title),
            Self::Journal => of::<Event>(title),
        }
    }
}

/// The schema of a type's documents; other rooms have some as well.
pub fn of<T: JsonSchema>(title: &str) -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let generator = settings.into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    if let Value::Object(map) = &mut schema {
        map.insert("title".to_owned(), json!(title));
    }
    schema
}

#[cfg(test)]
mod strict;
#[cfg(test)]
pub(super) mod tests;
