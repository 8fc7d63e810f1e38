//! What travels: JSON bodies, the same in the client, the server and the web view.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    engine::{init::Timings, live::LabStatus},
    lab::model::Fault,
    results::{event::MonoNs, schema},
};

/// `GET /v1/status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// What is not up at this moment; empty: converged.
    pub waiting: Vec<String>,
    /// Nodes, links, sessions and tunnels.
    pub state: LabStatus,
}

/// JSON Schema of [`Status`], which `status --json` prints.
pub fn status_schema() -> serde_json::Value {
    schema::of::<Status>("backhoe status: a lab that is up")
}

/// `GET /v1/lab`: what is known without asking any daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The lab.
    pub lab: String,
    /// backhoe's version.
    pub version: String,
    /// What it is doing.
    pub phase: Phase,
    /// Timers run this many times faster than the lab file says (`--fast`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timers_scaled: Option<u32>,
    /// Nodes, hosts included.
    pub nodes: usize,
    /// Pid of the outer process, as the host numbers it.
    pub outer_pid: u32,
    /// Pid of the lab's PID 1, as the host numbers it: the way in for `exec`.
    pub init_pid: i32,
    /// Where the journal and logs are.
    pub out_dir: String,
    /// When the lab stood, on CLOCK_MONOTONIC.
    pub up_since: MonoNs,
}

/// What a lab is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    pub fault: Fault,
}

/// `POST /v1/cut`: a fault in the words of a scenario's `cut` step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CutRequest {
    /// A link, a session or a node.
    pub target: String,
    /// The taxonomy's word; left out, what is usual for the target.
    pub how: Option<String>,
    /// For `one-way`: the end whose packets vanish.
    pub from: Option<String>,
    /// For `carrier` and `bgp-shutdown`: the end at which it happens.
    pub at: Option<String>,
    /// What `restore` will call it; left out, the target's name.
    pub label: Option<String>,
}

/// `POST /v1/restore`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoreRequest {
    /// The fault's label, or the name of what it hit.
    pub label: Option<String>,
    /// Every fault in force.
    #[serde(default)]
    pub all: bool,
}

/// A fault that was applied, or undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultDone {
    /// Its label.
    pub label: String,
    /// The taxonomy's word.
    pub fault: String,
    /// What it hits.
    pub target: String,
    /// Clock just before the operation.
    pub before: MonoNs,
    /// Clock just after it.
    pub after: MonoNs,
}

/// The body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: ErrorInfo,
}

/// Why there is no other answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorInfo {
    /// A stable word: `wrong`, `not-found`, `conflict`, `unresponsive` or `failed`.
    pub kind: String,
    /// In a sentence.
    pub message: String,
}
