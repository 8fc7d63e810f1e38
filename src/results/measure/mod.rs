//! What a run means: loss, outages, paths, phases, and how far to trust them.
//!
//! Adopts the terms of RFC 6412, 6413, 3357, 4737 and 5481. One host and one clock, so one-way
//! delays need no synchronisation. Loss is counted in sequence numbers, which neither jitter nor
//! a late scheduler can change; times come from the journal and are never invented: what was
//! not seen is null.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a fold over events names the few kinds it reads; a new kind is nothing to it"
)]

mod account;
mod alarm;
mod alerts;
mod bar;
mod bench;
mod calibration;
mod caps;
mod causes;
mod compare;
mod dropped;
mod expect;
mod findings;
mod flow;
mod further;
mod goodness;
mod input;
mod load;
mod load_expect;
mod load_path;
mod load_series;
mod looks;
mod names;
mod outage;
mod parts;
mod phases;
mod placed;
mod predict;
mod quality;
mod records;
mod residue;
mod result;
mod rfc;
mod run;
mod settling;
mod stats;
mod topology;
mod trials;
mod versions;
mod ways;
mod window;

#[cfg(test)]
pub(in crate::results) mod tests;

#[cfg(test)]
pub(in crate::results) use records::tests::run as table_of_all_verdicts;

pub use alarm::{FlowSeen, Sight, Standing, Watch, Way, way};
pub use bar::with_bar;
pub use bench::{BenchResult, BenchSitting, BenchTerms, BenchTurn, Variant, Varied, variant_name};
pub use causes::{Cause, Stuck, obstacles};
pub use compare::{Compared, Comparison, Effect, Judgement, Limit, Side, Verdict, compare};
pub use goodness::{Goodness, predicted_curve};
pub use input::*;
pub use load::{LoadInputs, LoadPhase, LoadResult, LoadTimeline, Rfc6349, UdpPhase};
pub use load_path::Bottleneck;
pub use load_series::{LoadRange, LoadSummary};
pub use looks::range_covers;
pub use parts::PhaseSums;
pub use predict::detection;
pub use records::{PacketRow, PacketTable, PacketVerdict, packet_tables};
pub use residue::Unexplained;
pub use result::*;
pub use rfc::{
    Benchmarks, BfdTimers, Configuration, FORWARDING_DELAY_THRESHOLD, Inputs, Rfc6412,
    SUSTAINED_CONVERGENCE_VALIDATION, SessionTimers, Spread,
};
pub use run::{measure, moved_without_loss};
pub use settling::Settling;
pub use stats::{quantile, sorted};
pub use trials::{
    Distribution, Ended, ExpectTally, Sitting, Terms, Trial, TrialOutage, TrialsResult,
    WarningTally, distributions, is_precise, largest_median, of_trial, summarise, trial_directory,
};
pub use versions::{DaemonVersion, all_daemons};
