//! `sweep.json`. Fields are only ever added.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::results::suite::Shard;

/// Version of the document.
pub const FORMAT: u32 = 1;

/// A lab of which one thing after the other failed, or one part of such a sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sweep {
    /// Version of this format.
    pub format: u32,
    /// backhoe's version.
    pub version: String,
    /// The host's name.
    pub host: String,
    /// The lab's name.
    pub lab: String,
    /// The lab file, as it was given.
    pub file: String,
    /// Its SHA-256.
    pub file_sha256: String,
    /// When it began, CLOCK_REALTIME, nanoseconds since 1970.
    pub began_realtime_ns: u64,
    /// Wall time.
    pub seconds: f64,
    /// Timers ran this many times faster than the lab file says (`--fast`); absent: as it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timers_scaled: Option<u32>,
    /// How many things fail together at most: 1 or 2.
    pub depth: u8,
    /// In which manners: `silent`, `carrier`.
    pub how: Vec<String>,
    /// Which part of the experiments this is; absent: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// Experiments that are to be made, all parts together; what is so by symmetry is none.
    pub selected: usize,
    /// SHA-256 of the lab file, the experiments and their limits: by it parts know each other.
    pub selection: String,
    /// Labs that were built.
    pub labs_built: usize,
    /// Why a lab was given up and another one built, each time.
    #[serde(default)]
    pub rebuilt: Vec<String>,
    /// It was interrupted: experiments are missing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// The flows, in the order of every experiment's cells.
    pub flows: Vec<SweptFlow>,
    /// What the drawing says of each probe.
    pub drawing: Vec<Weakness>,
    /// What every reader should know.
    pub notes: Vec<String>,
    /// What was not tried, and why.
    pub left_out: Vec<LeftOut>,
    /// In the order of the selection.
    pub experiments: Vec<Experiment>,
    /// Single failures, none of an end of a flow or of what AWS keeps redundant, by which a flow
    /// was lost until repaired.
    pub single_points: Vec<String>,
    /// Where experiment and drawing do not agree, and what else is worth looking at.
    pub findings: Vec<Finding>,
    /// Cells in which experiment and drawing agree.
    pub agreeing: usize,
    /// Cells in which they could be compared.
    pub compared: usize,
    /// The lab file's `survives`.
    pub expect: Vec<Survives>,
    /// Where it was written.
    pub out_dir: String,
}

/// One direction of a probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SweptFlow {
    /// The probe.
    pub probe: String,
    /// Sender.
    pub from: String,
    /// Receiver.
    pub to: String,
}

/// What the drawing alone says of a probe's flows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Weakness {
    /// The probe.
    pub probe: String,
    /// A smallest set of nodes and links whose failure leaves no way, by Menger's theorem; what
    /// AWS keeps redundant is never one of them. Absent: nothing else parts the two ends.
    pub min_cut: Option<Vec<String>>,
    /// Single things, tags among them, whose failure leaves no way.
    pub single_points: Vec<String>,
    /// The same of what AWS runs one of, and keeps redundant.
    pub managed: Vec<String>,
    /// Things whose failure takes an end of the flow itself.
    pub ends: Vec<String>,
    /// Pairs of things, tags among them, that leave no way together, where neither does alone.
    pub pairs: Vec<[String; 2]>,
}

/// Something that was not tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeftOut {
    /// What.
    pub what: String,
    /// Why.
    pub why: String,
}

/// What failed together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Experiment {
    /// Its place in the selection, from 0; of one that was not made, of that which stands for it.
    pub index: usize,
    /// What failed, in words: `c1`, `node east-1 + location WEST`.
    pub failure: String,
    /// Each of it.
    pub parts: Vec<Part>,
    /// `silent` or `carrier`.
    pub manner: String,
    /// All of it is AWS's, one by its nature, and kept redundant by AWS: no single point of
    /// failure of what a customer orders.
    pub managed: bool,
    /// What had not come back by then was lost until repaired.
    pub within_ms: f64,
    /// What became of it.
    pub outcome: Outcome,
    /// Why nothing was measured, or why it is not trusted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
    /// It was not made: by the lab's symmetry it is as the experiment of this place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_as: Option<usize>,
    /// One for each flow; none where nothing was measured.
    pub cells: Vec<Cell>,
    /// Wall time.
    pub seconds: f64,
    /// Where its evidence is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out_dir: Option<String>,
}

/// One thing that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Part {
    /// `link`, `lag`, `node`, `daemon`, `location`, `provider` or `site`.
    pub what: String,
    /// Its name, or the tag's value.
    pub name: String,
    /// The cut's word: `silent`, `carrier`, `node`, `kill`.
    pub how: String,
}

/// What became of an experiment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was measured.
    Measured,
    /// It was measured, but something says that the numbers cannot be trusted.
    Untrusted,
    /// It came to no result.
    Failed,
}

/// What the drawing says of one flow and one failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Drawn {
    /// A physical way is left.
    Survivable,
    /// None is left.
    Cut,
    /// The failure takes an end of the flow itself.
    End,
}

/// What became of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Not one packet was lost.
    Survived,
    /// It was gone for a while.
    Outage,
    /// It had not come back when the failure was repaired.
    Lost,
}

/// One flow through one failure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cell {
    /// What the drawing says.
    pub drawn: Drawn,
    /// What was measured.
    pub fate: Fate,
    /// How long it was gone; of a lost flow, until it was repaired.
    pub outage_ms: f64,
    /// Its error bar; of none, the longest that could have passed unseen.
    pub plus_minus_ms: f64,
    /// Packets lost.
    pub lost: u64,
    /// The sessions (else links) that carried it before.
    pub path_before: Option<String>,
    /// The sessions (else links) that carried it afterwards; absent where nothing did.
    pub via: Option<String>,
    /// Packets lost when the failure was repaired.
    pub lost_on_restore: u64,
    /// Of an outage, what it waited for; of a lost flow, what was missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Something that a reader should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// What kind of thing.
    pub kind: FindingKind,
    /// What failed.
    pub failure: String,
    /// `silent` or `carrier`.
    pub manner: String,
    /// The flow, as `probe: from → to`.
    pub flow: String,
    /// In words.
    pub text: String,
}

/// What kind of thing a finding is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A way was left, and traffic did not take it: routing knows less than the drawing.
    WayLeftButLost,
    /// No way was left, and traffic arrived: the drawing knows less than routing.
    CutButSurvived,
}

/// What a lab file wants of a sweep, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Survives {
    /// Line of the lab file.
    pub line: u32,
    /// And column, from 1.
    pub column: u32,
    /// How many things may fail together: 1 or 2.
    pub failures: u8,
    /// And how long traffic may be gone; absent: as long as it comes back.
    pub within_ms: Option<f64>,
    /// Names that may take the traffic with them.
    pub except: Vec<String>,
    /// All that in words.
    pub text: String,
    /// Null: not measured, which counts as missed.
    pub met: Option<bool>,
    /// What was missed or not measured, a line each.
    pub measured: Vec<String>,
}

impl Sweep {
    /// The documented exit code: 4 where an expectation was missed.
    pub fn exit_code(&self) -> u8 {
        match self.expect.iter().all(|one| one.met == Some(true)) {
            true => 0,
            false => 4,
        }
    }
}
