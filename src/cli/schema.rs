//! `backhoe schema`.

use clap::{Args, ValueEnum};

use super::{Exit, args::Output, output};
use crate::{engine::api::status_schema, lab::spec, results::schema::Document};

#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// Of which document
    #[arg(value_enum, default_value_t = SchemaOf::Lab)]
    of: SchemaOf,
    #[command(flatten)]
    pub(super) output: Output,
}

/// A document that has a schema.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum SchemaOf {
    /// A lab file
    Lab,
    /// `result.json` of one run, which `run --json` and `report --json` print as well
    Result,
    /// `result.json` of a series of trials
    Trials,
    /// `bench.json`
    Bench,
    /// What `compare --json` prints
    Compare,
    /// `sweep.json`, which `sweep --json` prints as well
    Sweep,
    /// `test.json`, which `test --json` and `merge --json` print as well
    Test,
    /// What `status --json` prints
    Status,
    /// A line of `journal.jsonl`
    Journal,
}

pub(super) fn run(args: &SchemaArgs) -> Result<(), Exit> {
    output::json(&match args.of {
        SchemaOf::Lab => spec::schema(),
        SchemaOf::Result => Document::Result.schema(),
        SchemaOf::Trials => Document::Trials.schema(),
        SchemaOf::Bench => Document::Bench.schema(),
        SchemaOf::Compare => Document::Compare.schema(),
        SchemaOf::Sweep => Document::Sweep.schema(),
        SchemaOf::Test => Document::Test.schema(),
        SchemaOf::Status => status_schema(),
        SchemaOf::Journal => Document::Journal.schema(),
    })
}
