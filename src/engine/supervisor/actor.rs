//! What changes the lab, one request after the other, against the one truth. What
//! only looks at it is answered beside that: see [`Reader`](super::reader::Reader).

use std::{
    sync::{Arc, mpsc::Receiver},
    thread::JoinHandle,
};

use serde_json::Value;

use super::{log::Log, scenario};
use crate::{
    engine::{
        api::{Refusal, Request, Server},
        init::{Goal, Timings},
        live::{Conflict, Live},
    },
    os::process::{Exit, Watcher},
    results::{
        event::{EventKind, MonoNs},
        measure::RunInput,
    },
    units::NodeName,
};

/// The supervisor at work.
pub(super) struct Supervisor {
    pub(super) live: Arc<Live>,
    pub(super) facts: Arc<Facts>,
    pub(super) requests: Receiver<Request>,
    pub(super) server: Server,
    pub(super) journal: JoinHandle<std::io::Result<()>>,
    pub(super) log: Arc<Log>,
    /// Notices the end of holders, and of every program it is given; ends when dropped.
    pub(super) _children: Watcher,
}

/// What does not change while the lab is up.
pub(super) struct Facts {
    pub(super) outer_pid: u32,
    pub(super) init_pid: i32,
    pub(super) out_dir: String,
    pub(super) up_since: MonoNs,
    pub(super) timings: Timings,
    pub(super) goal: Goal,
}

impl Supervisor {
    /// Serves until somebody ends the lab; the value is its exit status.
    pub(super) fn serve(self) -> u8 {
        while let Ok(request) = self.requests.recv() {
            match request {
                Request::Down(reply) => {
                    let answer = Ok(Value::Null);
                    return self.end("completed", 0, || {
                        // Whoever asked may be gone by now.
                        let _ = reply.send(answer);
                    });
                }
                Request::Interrupted => return self.end("interrupted", 0, || ()),
                Request::HolderEnded(node, exit) => {
                    self.live.sink().warn(
                        "node-lost",
                        format!("the process that holds node {node} ended ({exit}); without it the lab is not what was asked for"),
                        true,
                    );
                    return self.end("failed", 1, || ());
                }
                Request::ScenarioEnded(ended) => {
                    let (outcome, status) = self.concluded(*ended);
                    return self.end(outcome, status, || ());
                }
                Request::ProgramEnded {
                    node,
                    program,
                    exit,
                } => {
                    self.program_ended(&node, &program, exit);
                }
                // A reply that cannot be sent belongs to a client that hung up.
                Request::Fault(ask, reply) => drop(reply.send(self.fault(&ask))),
                Request::Cut(ask, reply) => drop(reply.send(self.cut(&ask))),
                Request::Restore(ask, reply) => drop(reply.send(self.restore(&ask))),
            }
        }
        1
    }

    /// Measures and writes; the outcome's word and the lab's exit status.
    fn concluded(&self, ended: anyhow::Result<RunInput>) -> (&'static str, u8) {
        let done = ended.and_then(|input| scenario::conclude(input, &self.live, &self.log));
        match done {
            Ok(()) => ("completed", 0),
            Err(error) => {
                self.live
                    .sink()
                    .warn("run-failed", format!("{error:#}"), true);
                ("failed", 1)
            }
        }
    }

    /// A program that ends on its own leaves a lab that is not what was asked for;
    /// before convergence there is then nothing to wait for.
    fn program_ended(&self, node: &NodeName, program: &str, exit: Exit) {
        self.live.sink().now(EventKind::Daemon {
            node: node.to_string(),
            program: program.to_owned(),
            state: "exited".to_owned(),
            detail: Some(exit.to_string()),
        });
        if !self.live.is_disturbed() {
            let text = format!(
                "{program} of {node} ended by itself ({exit}); see logs/{node}.{program}.log"
            );
            self.live.sink().warn("program-ended", &text, true);
            self.live.board().fail(text);
        }
    }

    /// While the scenario runs, the lab is its own.
    pub(super) fn idle(&self) -> Result<(), Refusal> {
        match self.facts.goal {
            Goal::StayUp => Ok(()),
            Goal::Scenario => Err(Refusal::Conflict(format!(
                "the scenario of {} is running, and a fault by hand would spoil its measurement; \
                 wait for its end, or bring the lab up for that: backhoe up",
                self.live.plan().lab
            ))),
        }
    }

    /// Writes the journal's last line, answers, and leaves the rest to the kernel:
    /// with this process PID 1 ends, and with that everything.
    fn end(self, outcome: &str, status: u8, answer: impl FnOnce()) -> u8 {
        self.live.sink().now(EventKind::RunFinished {
            outcome: outcome.to_owned(),
        });
        let written = self.journal.join();
        answer();
        self.server.stop();
        match written {
            Ok(Ok(())) => status,
            // The journal is what a run is for; without it, it has failed.
            Ok(Err(_)) | Err(_) => status.max(1),
        }
    }
}

/// What the lab could not do, as an answer: its state is in the way, or it failed.
pub(super) fn refused(error: anyhow::Error) -> Refusal {
    match error.downcast::<Conflict>() {
        Ok(Conflict(text)) => Refusal::Conflict(text),
        Err(error) => Refusal::Failed(format!("{error:#}")),
    }
}
