//! What the API asks of the supervisor, which owns the truth and answers in turn.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::oneshot;

use super::{
    metrics::Metrics,
    types::{CutRequest, FaultDone, FaultRequest, NodeInfo, RestoreRequest, Status, Summary},
};
use crate::{os::process::Exit, units::NodeName};

/// Where an answer goes.
pub type Reply<T> = oneshot::Sender<Result<T, Refusal>>;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// No such node, link, label: 404.
    NotFound(String),
    /// It makes no sense for this lab: 400.
    Wrong(String),
    /// It would make sense, but not while things are as they are: 409.
    Conflict(String),
    /// A daemon that was asked does not answer: 504.
    Unresponsive(String),
    /// It was tried and failed: 500.
    Failed(String),
}

impl Refusal {
    /// The same with words in front.
    pub fn with(self, words: &str) -> Self {
        let longer = |text: String| format!("{words}{text}");
        match self {
            Self::NotFound(text) => Self::NotFound(longer(text)),
            Self::Wrong(text) => Self::Wrong(longer(text)),
            Self::Conflict(text) => Self::Conflict(longer(text)),
            Self::Unresponsive(text) => Self::Unresponsive(longer(text)),
            Self::Failed(text) => Self::Failed(longer(text)),
        }
    }
}

/// A question that changes nothing, and is answered beside everything else.
#[derive(Debug)]
pub enum Look {
    /// What is known without asking any daemon.
    Summary(Reply<Summary>),
    /// How things stand.
    Status(Reply<Status>),
    /// AWS's metrics of the lab.
    Metrics(Reply<Metrics>),
    /// Who holds a node.
    Node(String, Reply<NodeInfo>),
    /// What a node's programs have logged.
    Logs(String, Reply<String>),
    /// Something of a node, read from its daemon or kernel.
    Inspect {
        /// The node.
        node: String,
        /// `routes`, `bgp`, `bfd`, …
        what: String,
        /// The answer.
        reply: Reply<Value>,
    },
}

/// Takes a question and sees to its answer; to be called from any thread.
pub type Looker = Arc<dyn Fn(Look) + Send + Sync>;

/// One thing to do for the supervisor.
#[derive(Debug)]
pub enum Request {
    /// Apply a fault.
    Fault(FaultRequest, Reply<FaultDone>),
    /// Apply a fault described in a scenario's words.
    Cut(CutRequest, Reply<FaultDone>),
    /// Undo one, or all.
    Restore(RestoreRequest, Reply<Vec<FaultDone>>),
    /// End the lab, as the user asked.
    Down(Reply<Value>),
    /// End the lab, as a signal asked.
    Interrupted,
    /// The scenario has ended and what was seen of it is written, or it failed.
    ScenarioEnded(anyhow::Result<()>),
    /// A program of a node has ended.
    ProgramEnded {
        /// The node.
        node: NodeName,
        /// The program.
        program: String,
        /// How.
        exit: Exit,
    },
    /// A node's holder has ended; without it the node is not what it was.
    HolderEnded(NodeName, Exit),
}
