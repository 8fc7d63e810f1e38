//! What can be typed behind `sweep`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum, ValueHint};

use super::super::args::{Fast, Output, WireArg};
use crate::{
    lab::sweep::Manner,
    results::suite::Shard,
    units::{LabName, Span, parse_seed},
};

pub(in crate::cli) const SWEEP_HELP: &str = "\
Examples:
  backhoe sweep labs/single-dx.yaml
  backhoe sweep labs/dx-resiliency-maximum.yaml --jobs 2 --out sweep
  backhoe sweep lab.yaml --list                     what would be tried, and what the drawing says
  backhoe sweep lab.yaml --depth 2 --how silent     every pair, too
  backhoe sweep lab.yaml --shard 1/2 --out one      and 2/2 on another host; then:
  backhoe merge one two

The lab's own `scenario:` and `expect:` are left out; its probes are what is watched. First the drawing
alone is asked which failures leave a flow no way; then each is tried, from steady state until traffic
is back or --within is over, and repaired; the lab is used on while every session and every route is
again what it was. In --out DIR are sweep.json, sweep.md, report.html, and of each failure that lost
more than its own end everything that was seen.

Exit code 4: a `survives:` of the lab file's `expect:` was missed.";

#[derive(Debug, ClapArgs)]
pub(in crate::cli) struct SweepArgs {
    /// The lab file
    #[arg(value_name = "LAB", value_hint = ValueHint::FilePath)]
    pub(in crate::cli) lab: PathBuf,
    /// Sweep it under another name
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) name: Option<LabName>,
    /// How many things fail together at most: each alone, or every pair as well
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    pub(in crate::cli) depth: u8,
    /// In which manners: packets vanish, or the light goes out
    #[arg(long, value_name = "HOW", value_enum, value_delimiter = ',', default_values_t = [HowArg::Silent, HowArg::Carrier])]
    pub(in crate::cli) how: Vec<HowArg>,
    /// Traffic that has not come back by then is lost until repaired [default: half as long again
    /// as the slowest timer takes that can notice the failure, and 2 s]
    #[arg(long, value_name = "TIME", value_parser = within)]
    pub(in crate::cli) within: Option<Span>,
    /// Try each failure, also where the lab's symmetry says that it is as another
    #[arg(long)]
    pub(in crate::cli) no_symmetry: bool,
    /// Only print what would be tried, and what the drawing says of it
    #[arg(long)]
    pub(in crate::cli) list: bool,
    /// Sweep in so many labs at once, while the host keeps time with them; else in fewer
    #[arg(long, short, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(in crate::cli) jobs: u32,
    /// Only this part of the failures: `1/4` to `4/4`, which `backhoe merge` puts together again
    #[arg(long, value_name = "K/N")]
    pub(in crate::cli) shard: Option<Shard>,
    /// Where the matrix and the evidence go [default: runs/LAB-TIME]
    #[arg(long, visible_alias = "artefacts", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(in crate::cli) out: Option<PathBuf>,
    /// Seed of everything random: when within the timers' intervals each failure comes
    #[arg(long, value_name = "SEED", value_parser = parse_seed, allow_negative_numbers = true)]
    pub(in crate::cli) seed: Option<u64>,
    /// What carries the links
    #[arg(long, value_name = "BACKEND", value_enum, default_value_t)]
    pub(in crate::cli) wire: WireArg,
    #[command(flatten)]
    pub(in crate::cli) fast: Fast,
    #[command(flatten)]
    pub(in crate::cli) output: Output,
}

/// In which manner things fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum HowArg {
    /// Packets vanish and carrier stays up; nodes die, daemons are killed
    Silent,
    /// Loss of light, of what has light to lose
    Carrier,
}

impl SweepArgs {
    /// The manners that were asked for, each once.
    pub(super) fn manners(&self) -> Vec<Manner> {
        let is_asked = |manner: &Manner| {
            let how = match manner {
                Manner::Silent => HowArg::Silent,
                Manner::Carrier => HowArg::Carrier,
            };
            self.how.contains(&how)
        };
        Manner::ALL.into_iter().filter(is_asked).collect()
    }
}

fn within(text: &str) -> Result<Span, String> {
    let span: Span = text.parse().map_err(|error| format!("{error}"))?;
    match span.as_millis() {
        0 => Err("nothing comes back at once".to_owned()),
        _ => Ok(span),
    }
}
