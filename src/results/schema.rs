//! JSON Schemas (draft 2020-12) of the documents that results are, made from the types that
//! write them. What they describe is what is written: a field that is always there is required,
//! one that they do not know is allowed, since fields are only ever added.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Value, json};

use super::measure::{BenchResult, Compared, RunResult, TrialsResult};

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
}

impl Document {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Result, Self::Trials, Self::Bench, Self::Compare];

    /// Its name: of its schema, and of that one's file in `docs/schema`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Result => "result",
            Self::Trials => "trials",
            Self::Bench => "bench",
            Self::Compare => "compare",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Result => "backhoe result: one run",
            Self::Trials => "backhoe result: a series of trials",
            Self::Bench => "backhoe bench",
            Self::Compare => "backhoe compare",
        }
    }

    /// Its schema.
    pub fn schema(self) -> Value {
        let mut schema = match self {
            Self::Result => of::<RunResult>(),
            Self::Trials => of::<TrialsResult>(),
            Self::Bench => of::<BenchResult>(),
            Self::Compare => of::<Compared>(),
        };
        if let Value::Object(map) = &mut schema {
            map.insert("title".to_owned(), json!(self.title()));
        }
        schema
    }
}

fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

#[cfg(test)]
mod tests;
