//! What can be typed behind `test` and `merge`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueHint};

use super::{
    super::args::{Fast, Output},
    filter::Filter,
    keep::Keep,
    told::Forms,
};
use crate::{
    results::suite::Shard,
    units::{Bytes, Span},
};

pub(in crate::cli) const TEST_HELP: &str = "\
Examples:
  backhoe test labs/
  backhoe test labs/ mine/ --filter 'vpn and not name(*-frr)' --list
  backhoe test labs/ --junit junit.xml --retries 2 --timeout 3m
  backhoe test labs/ --shard 1/4 --out shard-1      and 2/4 to 4/4 on other hosts; then:
  backhoe merge shard-* --junit junit.xml
  backhoe test labs/ --json | jq '.labs[] | select(.verdict == \"fail\")'

All files are checked before the first lab is built. Labs run beside each other where the host has
means for it; what is not trusted then is measured again alone. A lab that this host lacks something
for is skipped, and the line says what. --fast is for the labs that declare a factor; the others run
as they are. The verdicts are also in test.json in the directory of --out.

Exit code 4: a lab failed (one that is flaky has not); 3: none could run, or one was skipped under
--no-skip; 2: also when no lab is left by --filter.";

pub(in crate::cli) const MERGE_HELP: &str = "\
Examples:
  backhoe test labs/ --shard 1/2 --out one; backhoe test labs/ --shard 2/2 --out two
  backhoe merge one two --junit junit.xml
  backhoe merge shard-*/test.json --json
  backhoe merge sweep-1 sweep-2 --out sweep

The exit code is that of the whole. Shards that are missing, that are there twice, that ended early or
that are of other lab files are refused, with 2.";

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct TestArgs {
    /// Lab files, and directories: of these every lab (`*.yaml`, `*.yml`) in and below them
    #[arg(value_name = "PATH", value_hint = ValueHint::AnyPath, required = true)]
    pub(in crate::cli) paths: Vec<PathBuf>,
    /// Only labs that fit: a part of the name or path, `name(dx-*)`, `path(labs/slow/*)`, with
    /// `and`, `or`, `not` and parentheses; given again: also those
    #[arg(long, short, value_name = "EXPR")]
    pub(in crate::cli) filter: Vec<Filter>,
    /// Only print which labs would run
    #[arg(long)]
    pub(in crate::cli) list: bool,
    /// Labs that run at once [default: as many as this host has means for]
    #[arg(long, short, value_name = "N", value_parser = jobs)]
    pub(in crate::cli) jobs: Option<usize>,
    /// A lab that takes longer is ended, and has failed
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = timeout)]
    pub(in crate::cli) timeout: Span,
    /// Run a lab that fails up to so many times again; one that passes then is flaky
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=100))]
    pub(in crate::cli) retries: u32,
    /// Only this part of the labs: `1/4` to `4/4`, which `backhoe merge` puts together again
    #[arg(long, value_name = "K/N")]
    pub(in crate::cli) shard: Option<Shard>,
    /// Where each lab's run directory and report go [default: runs/test-TIME]
    #[arg(long, visible_alias = "artefacts", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(in crate::cli) out: Option<PathBuf>,
    /// Of which labs everything is kept: journal, captures, packets, logs, configurations
    #[arg(long, value_name = "WHICH", value_enum, default_value_t)]
    pub(in crate::cli) keep: Keep,
    /// And how much of each at most: the largest captures go first
    #[arg(long, value_name = "SIZE", default_value = "200MB")]
    pub(in crate::cli) keep_size: Bytes,
    /// A lab that cannot run on this host is a failure
    #[arg(long)]
    pub(in crate::cli) no_skip: bool,
    #[command(flatten)]
    pub(in crate::cli) forms: Forms,
    #[command(flatten)]
    pub(in crate::cli) fast: Fast,
    #[command(flatten)]
    pub(in crate::cli) output: Output,
}

fn jobs(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(jobs @ 1..=1000) => Ok(jobs),
        _ => Err("write a number from 1 to 1000".to_owned()),
    }
}

fn timeout(text: &str) -> Result<Span, String> {
    let span: Span = text.parse().map_err(|error| format!("{error}"))?;
    match span.as_millis() {
        0 => Err("no lab is done at once".to_owned()),
        _ => Ok(span),
    }
}

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct MergeArgs {
    /// The shards' directories (`test --shard k/n --out DIR`, or `sweep`), or their test.json or
    /// sweep.json
    #[arg(value_name = "SHARD", value_hint = ValueHint::AnyPath, required = true)]
    pub(in crate::cli) shards: Vec<PathBuf>,
    /// A lab that could not run is a failure
    #[arg(long)]
    pub(in crate::cli) no_skip: bool,
    /// Of a sweep: where sweep.json, sweep.md and report.html of the whole go
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(in crate::cli) out: Option<PathBuf>,
    #[command(flatten)]
    pub(in crate::cli) forms: Forms,
    #[command(flatten)]
    pub(in crate::cli) output: Output,
}
