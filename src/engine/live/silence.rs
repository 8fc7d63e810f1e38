//! Why a node's daemon does not answer, as far as the lab itself knows: so that
//! nobody waits for it in vain, and what is wrong is said in the user's words.

use std::{io, time::Duration};

use super::{Live, daemons::Daemon};
use crate::{
    engine::daemon::NoAnswer,
    lab::{model::Fault, plan::DaemonPlan},
    units::NodeName,
};

/// It would make sense, but not while things are as they are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Conflict(pub String);

/// A daemon that runs, and does not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unresponsive(pub String);

/// Why a daemon is silent. Labels are those of the faults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Silence {
    /// All of its node is dead.
    Dead { label: String },
    /// It was killed.
    Killed { label: String },
    /// It was frozen.
    Frozen { label: String },
    /// It has ended, and no fault did it.
    Ended,
}

impl Silence {
    /// In a word.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Dead { .. } => "node is dead",
            Self::Killed { .. } => "killed",
            Self::Frozen { .. } => "frozen",
            Self::Ended => "ended by itself",
        }
    }

    /// The same to somebody who wants something of it, with the way out.
    pub(super) fn conflict(&self, node: &NodeName) -> Conflict {
        Conflict(match self {
            Self::Dead { label } => {
                format!("{node} is dead; restore it first: backhoe restore {label}")
            }
            Self::Killed { label } => {
                format!("{node}'s daemon was killed; restore it first: backhoe restore {label}")
            }
            Self::Frozen { label } => {
                format!("{node}'s daemon is frozen; restore it first: backhoe restore {label}")
            }
            Self::Ended => format!(
                "{node}'s daemon has ended by itself (backhoe logs {node} says why); \
                 `backhoe cut {node} --how kill` and `backhoe restore {node}` start it again"
            ),
        })
    }
}

impl Live {
    /// Asks something of the daemon of `node`; one that does not answer is told from one that
    /// fails.
    pub(super) fn asked<T>(
        &self,
        node: &NodeName,
        ask: impl FnOnce(&Daemon) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let daemon = self.daemon(node)?;
        ask(&daemon).map_err(|error| match stopped(node, &daemon) {
            Some(stopped) => stopped.into(),
            None if gives_no_answer(&error) => Unresponsive(format!("{node}: {error:#}")).into(),
            None => error,
        })
    }

    /// Why the daemon of `node` cannot answer; `None` where nothing is known against
    /// it, or where none runs.
    pub(super) fn silence(&self, node: &NodeName) -> Option<Silence> {
        let faults = self.faults();
        let by = |hits: &dyn Fn(&Fault) -> bool| {
            faults
                .iter()
                .find(|(_, applied)| hits(&applied.fault))
                .map(|(label, _)| label.clone())
        };
        let daemon = self.plan().node(node.as_str()).map(|plan| &plan.daemon);
        // The IKE daemon of a tunnel dies with the router whose tunnel it is.
        let machine = match daemon {
            Some(DaemonPlan::Charon(charon)) => &charon.node,
            _ => node,
        };
        let killed = Fault::Kill { node: node.clone() };
        let frozen = Fault::Freeze { node: node.clone() };
        if let Some(label) = by(&|fault| fault.is_death_of(machine)) {
            return Some(Silence::Dead { label });
        }
        let replaced = |fault: &Fault| matches!(fault, Fault::Maintenance { endpoint, .. } if endpoint == node);
        if let Some(label) = by(&|fault| *fault == killed || replaced(fault)) {
            return Some(Silence::Killed { label });
        }
        if let Some(label) = by(&|fault| *fault == frozen) {
            return Some(Silence::Frozen { label });
        }
        let has_daemon = daemon.is_some_and(|daemon| *daemon != DaemonPlan::None);
        (has_daemon && !self.runs(node)).then_some(Silence::Ended)
    }

    /// Whether a node's daemon is there, and none of its processes has ended.
    pub(super) fn runs(&self, node: &NodeName) -> bool {
        self.daemon(node).is_ok_and(|daemon| {
            let mut processes = daemon.processes().into_iter();
            processes.all(|process| matches!(process.ended_within(Duration::ZERO), Ok(false)))
        })
    }
}

/// What is to be said of a daemon that somebody else has stopped: a fault of the lab would be
/// known by its label.
pub(super) fn stopped(node: &NodeName, daemon: &Daemon) -> Option<Unresponsive> {
    let programs = daemon.programs();
    let (program, process) = programs.iter().find(|(_, process)| process.is_stopped())?;
    Some(Unresponsive(format!(
        "{program} of {node} does not answer: it is stopped, and no fault of the lab did that; \
         to let it go on: backhoe exec {node} -- kill -CONT {}",
        process.pid()
    )))
}

/// Whether nothing came, rather than something that cannot be used.
fn gives_no_answer(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let silent = |error: &io::Error| {
            matches!(
                error.kind(),
                io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock
            )
        };
        cause.is::<NoAnswer>() || cause.downcast_ref::<io::Error>().is_some_and(silent)
    })
}
