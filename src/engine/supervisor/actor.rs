//! What changes the lab, one request after the other, against the one truth. What
//! only looks at it is answered beside that: see [`Reader`](super::reader::Reader).

use std::{
    sync::{Arc, mpsc::Receiver},
    thread::JoinHandle,
};

use serde_json::Value;

use crate::{
    engine::{
        api::{Refusal, Reply, Request, Server},
        init::{Goal, Timings},
        live::{Conflict, Live, Unresponsive},
        scenario::Stop,
    },
    os::process::{Exit, Watcher},
    results::event::{EventKind, MonoNs},
    units::NodeName,
};

/// The supervisor at work.
pub(super) struct Supervisor {
    pub(super) live: Arc<Live>,
    pub(super) facts: Arc<Facts>,
    /// The way to end the scenario, where one runs.
    pub(super) scenario: Option<Arc<Stop>>,
    pub(super) requests: Receiver<Request>,
    pub(super) server: Server,
    pub(super) journal: JoinHandle<std::io::Result<()>>,
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
        // Whoever hears of the end of a run that was cut short.
        let mut waiting: Option<Vec<Reply<Value>>> = None;
        while let Ok(request) = self.requests.recv() {
            match request {
                Request::Down(reply) => {
                    if self.cut_short() {
                        waiting = Some(vec![reply]);
                        continue;
                    }
                    let cut_short = waiting.is_some();
                    let replies = waiting.into_iter().flatten().chain([reply]).collect();
                    let outcome = if cut_short {
                        "interrupted"
                    } else {
                        "completed"
                    };
                    return self.end(outcome, 0, || answer(replies));
                }
                Request::Interrupted => {
                    if self.cut_short() {
                        waiting = Some(Vec::new());
                        continue;
                    }
                    let replies = waiting.unwrap_or_default();
                    return self.end("interrupted", 0, || answer(replies));
                }
                Request::HolderEnded(node, exit) => {
                    self.live.sink().warn(
                        "node-lost",
                        format!("the process that holds node {node} ended ({exit}); without it the lab is not what was asked for"),
                        true,
                    );
                    return self.end("failed", 1, || ());
                }
                Request::ScenarioEnded(ended) => {
                    let (outcome, status) = self.concluded(ended, waiting.is_some());
                    return self.end(outcome, status, || answer(waiting.unwrap_or_default()));
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

    /// Asks the scenario to end now, and everybody who waits to give up. Whether there will
    /// be something to measure; it comes as [`Request::ScenarioEnded`]. Whoever asks a second
    /// time does not want to wait for it.
    fn cut_short(&self) -> bool {
        let worth_waiting = self.scenario.as_ref().is_some_and(|stop| stop.ask());
        if worth_waiting {
            self.live.board().fail("interrupted");
        }
        worth_waiting
    }

    /// The outcome's word and the lab's exit status.
    fn concluded(&self, ended: anyhow::Result<()>, cut_short: bool) -> (&'static str, u8) {
        let error = match ended {
            Ok(()) if cut_short => return ("interrupted", 0),
            Ok(()) => return ("completed", 0),
            Err(error) => error,
        };
        self.live
            .sink()
            .warn("run-failed", format!("{error:#}"), true);
        match cut_short {
            true => ("interrupted", 0),
            false => ("failed", 1),
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
            version: None,
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

/// Tells those who asked for the end that it has come. They may be gone by now.
fn answer(replies: Vec<Reply<Value>>) {
    for reply in replies {
        let _ = reply.send(Ok(Value::Null));
    }
}

/// What the lab could not do, as an answer: its state is in the way, a daemon is silent, or
/// it failed.
pub(super) fn refused(error: anyhow::Error) -> Refusal {
    if error.downcast_ref::<Unresponsive>().is_some() {
        return Refusal::Unresponsive(format!("{error:#}"));
    }
    match error.downcast::<Conflict>() {
        Ok(Conflict(text)) => Refusal::Conflict(text),
        Err(error) => Refusal::Failed(format!("{error:#}")),
    }
}
