//! What the command hands to the lab's first process.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{
    engine::{
        capture::Capture,
        deal::Dealt,
        scenario::{Failure, Phase},
        wire::WireChoice,
    },
    lab::plan::Plan,
    results::{
        event::{FileRecord, MonoNs},
        measure::{Sitting, Terms},
    },
    units::Percent,
};

/// Everything a lab needs to know to come to life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LaunchSpec {
    /// The lab.
    pub plan: Plan,
    /// An existing directory for the journal, logs and results.
    pub out_dir: PathBuf,
    /// Whose death the lab shares.
    pub mode: Mode,
    /// How it is run.
    pub options: RunOptions,
}

/// Whether the lab outlives the command that launched it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// It dies with the command.
    Foreground,
    /// It stays up until told otherwise; output goes to `lab.log` in the run directory.
    Background,
}

/// What the lab does once built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunOptions {
    /// Stay up, or run the scenario and end.
    pub goal: Goal,
    /// The seed of everything random.
    pub seed: u64,
    /// How often the scenario is run, at most.
    #[serde(default = "once")]
    pub trials: u32,
    /// Run it no more once every median is known to this share.
    #[serde(default)]
    pub until_ci: Option<Percent>,
    /// Which backend carries the links.
    #[serde(default)]
    pub wire: WireChoice,
    /// What is captured of the links.
    #[serde(default)]
    pub capture: Capture,
    /// When the command was started.
    pub command_started: Option<MonoNs>,
    /// Of a scenario: what its journal says it was run from.
    #[serde(default)]
    pub origin: Option<Origin>,
    /// When within the timers' intervals cuts come.
    #[serde(default)]
    pub phase: Phase,
    /// Other labs measure trials of the same series: which are left for this one.
    #[serde(default)]
    pub dealt: Option<Dealt>,
    /// Experiments in place of the scenario, by the numbers that are dealt, from 1.
    #[serde(default)]
    pub sweep: Vec<Failure>,
}

/// What a scenario is run from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// The lab file, and its copy in the run's directory.
    pub lab_file: FileRecord,
    /// SHA-256 of the plan, in JSON.
    pub plan_sha256: String,
    /// Earlier sittings of the same series that have trials.
    pub earlier: Vec<Sitting>,
    /// Trials of them, or of other labs; this sitting begins with the next.
    pub trials_before: u32,
}

fn once() -> u32 {
    1
}

impl RunOptions {
    /// What was asked of the scenario.
    pub fn terms(&self) -> Terms {
        Terms {
            trials: self.trials,
            until_ci: self.until_ci,
            seed: self.seed,
        }
    }

    /// Trials of earlier sittings, or of other labs.
    pub fn trials_before(&self) -> u32 {
        self.origin
            .as_ref()
            .map_or(0, |origin| origin.trials_before)
    }
}

/// The lab's purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// Be there until `down`.
    StayUp,
    /// Run the scenario, then end.
    Scenario,
}
