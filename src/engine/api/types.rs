//! What travels: JSON bodies, the same in the client, the server and the web view.

use serde::{Deserialize, Serialize};

use crate::{
    engine::{init::Timings, live::LabStatus},
    lab::plan::FaultPlan,
    results::event::MonoNs,
};

/// `GET /v1/status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// backhoe's version.
    pub version: String,
    /// What it is doing.
    pub phase: Phase,
    /// Pid of the outer process, as the host numbers it.
    pub outer_pid: u32,
    /// Pid of the lab's PID 1, as the host numbers it: the way in for `exec`.
    pub init_pid: i32,
    /// Where the journal and logs are, as the user named it.
    pub out_dir: String,
    /// When the lab stood, on CLOCK_MONOTONIC.
    pub up_since: MonoNs,
    /// Where the time of the bring-up went.
    pub timings: Timings,
    /// Nodes, links, sessions and tunnels.
    pub state: LabStatus,
}

/// What a lab is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It stands.
    Up,
    /// Its scenario runs.
    Running,
    /// It is being taken down.
    Ending,
}

/// `GET /v1/node/NODE`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeInfo {
    /// Its name.
    pub name: String,
    /// Pid of its holder, as the lab's PID namespace numbers it.
    pub pid: i32,
}

/// `POST /v1/fault`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRequest {
    /// What `restore` will call it.
    pub label: String,
    /// The fault.
    pub fault: FaultPlan,
}

/// `POST /v1/restore`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreRequest {
    /// The fault's label.
    pub label: String,
}

/// `POST /v1/run`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRequest {
    /// How many times the scenario runs.
    pub trials: u32,
}

/// The body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// Why, in a sentence.
    pub error: String,
}
