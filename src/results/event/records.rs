//! What the journal holds so that the whole result can be measured from it again: the lab as
//! far as a measurement must know it, and each trial's packet files by name, length and hash.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{FlowLog, MonoNs, Turn};
use crate::{
    lab::model::Isolated,
    results::measure::{
        BenchTerms, Ended, Expectation, LoadExpectation, NodeDrops, Quality, Terms, Topology,
        TunnelDrops,
    },
};

/// `stage` of the progress up to which the journal belongs to a trial's measurement.
pub const MEASURED: &str = "measured";

/// What one sitting of a run measures, and how often.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Planned {
    /// What was asked; a single run has one trial.
    pub terms: Terms,
    /// The number of this sitting's first trial: 1, unless an earlier one was taken up again.
    pub first_trial: u32,
    /// The lab file, as it was given.
    pub lab_file: FileRecord,
    /// SHA-256 of the plan made from it, in JSON.
    pub plan_sha256: String,
    /// What was asked to carry the links: `auto`, `relay` or `kernel`.
    pub wire: String,
    /// The lab as planned.
    pub topology: Topology,
    /// Probes whose packets must not arrive, with their lines in the file.
    pub isolated: BTreeMap<String, (u32, Isolated)>,
    /// What must hold.
    pub expectations: Vec<Expectation>,
    /// TCP's settings (sysctl) in the nodes, as far as the kernel shows them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tcp: BTreeMap<String, String>,
    /// What must hold of background load.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub load_expectations: Vec<LoadExpectation>,
    /// Sentences of the plan that every report repeats.
    pub notes: Vec<String>,
}

/// What several labs at once measure together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Dealing {
    /// What was asked of all of them.
    pub terms: Terms,
    /// How many labs at once, as asked.
    pub jobs: u32,
    /// The lab file, as it was given.
    pub lab_file: FileRecord,
    /// SHA-256 of the plan made from it, in JSON, under the lab's own name.
    pub plan_sha256: String,
    /// What was asked to carry the links.
    pub wire: String,
}

/// What a bench measures: variants of a lab, each in turns, with a journal for every turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Benching {
    /// What was asked of all of them.
    pub terms: BenchTerms,
    /// The lab file before anything in it was varied.
    pub lab_file: FileRecord,
    /// In the order of the result; the first is what the others are compared with.
    pub variants: Vec<Benched>,
    /// What was asked to carry the links.
    pub wire: String,
}

/// One of a bench's variants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Benched {
    /// `bfd=50ms/3 daemon=frr`.
    pub name: String,
    /// Where its turns are, below the bench's directory.
    pub directory: String,
    /// SHA-256 of the plan made from its lab file, in JSON.
    pub plan_sha256: String,
}

/// What a trial left behind, beside the journal's own events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recorded {
    /// Which, from 1.
    pub trial: u32,
    /// Where its files are, below the run's directory; empty for a single run.
    pub directory: String,
    /// When the sitting's first trial began.
    pub first_began: MonoNs,
    /// When it began.
    pub began: MonoNs,
    /// The journal belongs to it up to the progress [`MEASURED`] of this instant.
    pub ended: MonoNs,
    /// `completed` or `interrupted`.
    pub outcome: String,
    /// How well the instrument worked.
    pub quality: Quality,
    /// What nodes dropped meanwhile, by their own counters.
    pub node_drops: BTreeMap<String, NodeDrops>,
    /// What ends of tunnels dropped meanwhile, by their own counters.
    #[serde(default)]
    pub tunnel_drops: Vec<TunnelDrops>,
    /// Each probe flow.
    pub flows: Vec<FlowRecord>,
    /// What each wire saw of each flow: a list of [`WireFlowLog`](super::WireFlowLog) in JSON.
    pub wires: FileRecord,
    /// What background load left behind: a list of [`LoadLog`](super::LoadLog) in JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<FileRecord>,
}

/// A [`FlowLog`] but for its packets, which are in a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FlowRecord {
    /// The flow's number.
    pub id: u16,
    /// The probe.
    pub probe: String,
    /// Sending namespace.
    pub from: String,
    /// Receiving namespace.
    pub to: String,
    /// Packets a second.
    pub rate: u32,
    /// Bytes of the IP packet.
    pub size: u16,
    /// Sequence numbers used, from 0; arrivals of others are strays.
    pub numbered: u32,
    /// Which endpoint of a service, from which number on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<Turn>,
    /// The table of its packets.
    pub packets: FileRecord,
}

/// A file of the run's directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileRecord {
    /// Below the run's directory.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its contents, hexadecimal.
    pub sha256: String,
}

/// Why a series of trials ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SeriesEnd {
    /// Why there are no more.
    pub ended: Ended,
}

impl FileRecord {
    /// Describes a file with these contents.
    pub fn of(path: String, contents: &[u8]) -> Self {
        Self {
            path,
            bytes: contents.len() as u64,
            sha256: sha256(contents),
        }
    }

    /// Whether a file with these contents is the one described.
    ///
    /// # Errors
    /// How it differs.
    pub fn check(&self, contents: &[u8]) -> Result<(), String> {
        if contents.len() as u64 != self.bytes {
            return Err(format!(
                "{} has {} bytes, and had {} when it was written",
                self.path,
                contents.len(),
                self.bytes
            ));
        }
        if sha256(contents) != self.sha256 {
            return Err(format!("{} was changed since it was written", self.path));
        }
        Ok(())
    }
}

impl FlowRecord {
    /// Describes a flow whose table is in the file `path` with these contents.
    pub fn of(flow: &FlowLog, path: String, contents: &[u8]) -> Self {
        Self {
            id: flow.id,
            probe: flow.probe.clone(),
            from: flow.from.clone(),
            to: flow.to.clone(),
            rate: flow.rate,
            size: flow.size,
            numbered: u32::try_from(flow.sent.len()).unwrap_or(u32::MAX),
            turns: flow.turns.clone(),
            packets: FileRecord::of(path, contents),
        }
    }
}

/// The SHA-256 of `bytes`, hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
