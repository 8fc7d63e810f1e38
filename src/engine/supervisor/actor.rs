//! One request after the other, against the one truth.

use std::{
    fs,
    io::ErrorKind,
    sync::{Arc, mpsc::Receiver},
    thread::JoinHandle,
};

use serde_json::Value;

use super::{log::Log, scenario};
use crate::{
    engine::{
        api::{NodeInfo, Phase, Refusal, Request, Server, Status, Summary},
        board,
        init::{Goal, Timings},
        live::Live,
    },
    lab::plan::{DaemonPlan, NodePlan},
    os::process::{Exit, PidFd, Watcher},
    results::{
        event::{EventKind, MonoNs},
        measure::RunInput,
    },
    units::{NodeName, nearest},
};

/// Where the logs of a node's programs are, in the run's directory: `NODE.PROGRAM.log`.
pub(super) const LOGS: &str = "logs";

/// The supervisor at work.
pub(super) struct Supervisor {
    pub(super) live: Arc<Live>,
    pub(super) facts: Facts,
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
                other @ (Request::Summary(_)
                | Request::Status(_)
                | Request::Node(..)
                | Request::Logs(..)
                | Request::Inspect { .. }
                | Request::Fault(..)
                | Request::Cut(..)
                | Request::Restore(..)
                | Request::Run(..)) => self.answer(other),
            }
        }
        1
    }

    fn answer(&self, request: Request) {
        // A reply that cannot be sent belongs to a client that hung up.
        match request {
            Request::Summary(reply) => drop(reply.send(Ok(self.summary()))),
            Request::Status(reply) => drop(reply.send(Ok(self.status()))),
            Request::Node(node, reply) => drop(reply.send(self.node(&node))),
            Request::Logs(node, reply) => drop(reply.send(self.logs(&node))),
            Request::Inspect { node, what, reply } => {
                let answer = self
                    .holder(&node)
                    .and_then(|(node, _)| self.inspect(node.as_str(), &what));
                drop(reply.send(answer));
            }
            Request::Fault(ask, reply) => drop(reply.send(self.fault(&ask))),
            Request::Cut(ask, reply) => drop(reply.send(self.cut(&ask))),
            Request::Restore(ask, reply) => drop(reply.send(self.restore(&ask))),
            Request::Run(_, reply) => drop(reply.send(Err(Refusal::NotImplemented(
                "a lab that is up does not run its scenario; `backhoe run` does".to_owned(),
            )))),
            Request::Down(_)
            | Request::Interrupted
            | Request::HolderEnded(..)
            | Request::ProgramEnded { .. }
            | Request::ScenarioEnded(_) => {}
        }
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
        if self.live.faults().is_empty() && !self.live.has_restored() {
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

    fn phase(&self) -> Phase {
        match self.facts.goal {
            Goal::StayUp => Phase::Up,
            Goal::Scenario => Phase::Running,
        }
    }

    fn summary(&self) -> Summary {
        let plan = self.live.plan();
        Summary {
            lab: plan.lab.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            phase: self.phase(),
            nodes: plan.nodes.len(),
            outer_pid: self.facts.outer_pid,
            init_pid: self.facts.init_pid,
            out_dir: self.facts.out_dir.clone(),
            up_since: self.facts.up_since,
        }
    }

    fn status(&self) -> Status {
        let mut state = self.live.status();
        for link in &mut state.links {
            link.measured = self.log.measured(&link.link, &link.from);
        }
        let wanted = board::wanted(self.live.plan());
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            phase: self.phase(),
            outer_pid: self.facts.outer_pid,
            init_pid: self.facts.init_pid,
            out_dir: self.facts.out_dir.clone(),
            up_since: self.facts.up_since,
            timings: self.facts.timings,
            waiting: self.live.board().progress(&wanted).waiting,
            state,
        }
    }

    fn inspect(&self, node: &str, what: &str) -> Result<Value, Refusal> {
        if !Live::INSPECTABLE.contains(&what) {
            return Err(Refusal::NotFound(format!(
                "nothing of a node is called `{what}`; there are {}",
                Live::INSPECTABLE.join(", ")
            )));
        }
        let plan = self.live.plan().nodes.iter();
        let silent =
            |plan: &NodePlan| plan.name.as_str() == node && plan.daemon == DaemonPlan::None;
        if what != "fib" && plan.into_iter().any(silent) {
            return Err(Refusal::Wrong(format!(
                "{node} runs no routing daemon, so it has no {what}; its fib can be seen"
            )));
        }
        self.live.inspect(node, what).map_err(refused)
    }

    /// The node that `said` means, by its own name or as a host behind its node (`dc1.app`),
    /// and the process that holds it.
    fn holder(&self, said: &str) -> Result<(&NodeName, &PidFd), Refusal> {
        let behind = |name: &NodeName| {
            let mut plans = self.live.plan().nodes.iter();
            plans
                .find(|plan| plan.name == *name)
                .and_then(|plan| plan.behind.as_ref())
                .is_some_and(|at| format!("{at}.{name}") == said)
        };
        self.live
            .holders()
            .find(|(name, _)| name.as_str() == said)
            .or_else(|| self.live.holders().find(|(name, _)| behind(name)))
            .ok_or_else(|| self.no_node(said))
    }

    fn node(&self, said: &str) -> Result<NodeInfo, Refusal> {
        let (name, holder) = self.holder(said)?;
        Ok(NodeInfo {
            name: name.to_string(),
            pid: holder.pid(),
        })
    }

    fn logs(&self, said: &str) -> Result<String, Refusal> {
        let (node, _) = self.holder(said)?;
        let dir = &self.facts.out_dir;
        if self.live.run_dir().is_deleted() {
            return Err(Refusal::NotFound(format!(
                "the logs of {node} are gone: {dir} was deleted while the lab was up"
            )));
        }
        let mut names = Vec::new();
        match fs::read_dir(self.live.run_dir().path().join(LOGS)) {
            Ok(entries) => names.extend(
                entries
                    .flatten()
                    .filter_map(|entry| entry.file_name().into_string().ok())
                    .filter(|name| belongs(name, node.as_str())),
            ),
            // Without programs there never was one.
            Err(error) if error.kind() == ErrorKind::NotFound && !self.logs_expected(node) => {}
            Err(error) => {
                return Err(Refusal::NotFound(format!(
                    "the logs of {node} cannot be read: {dir}/{LOGS}: {error}"
                )));
            }
        }
        names.sort();
        let mut text = String::new();
        for name in names {
            let log = self
                .live
                .run_dir()
                .read(format!("{LOGS}/{name}"))
                .map_err(|error| Refusal::Failed(format!("{name}: {error}")))?;
            text.push_str(&format!("==> {name} <==\n"));
            text.push_str(&String::from_utf8_lossy(&log));
        }
        Ok(text)
    }

    /// Whether `node` runs a program that has a log.
    fn logs_expected(&self, node: &NodeName) -> bool {
        let plan = self.live.plan();
        let mut tunnels = plan.tunnels.iter().flat_map(|tunnel| &tunnel.ends);
        let mut nodes = plan.nodes.iter();
        tunnels.any(|end| end.node == *node)
            || nodes.any(|plan| plan.name == *node && plan.daemon != DaemonPlan::None)
    }

    fn no_node(&self, node: &str) -> Refusal {
        let names: Vec<&str> = self.live.holders().map(|(name, _)| name.as_str()).collect();
        let hint = match nearest(node, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", names.join(", ")),
        };
        Refusal::NotFound(format!("no node `{node}`; {hint}"))
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

pub(super) fn refused(error: anyhow::Error) -> Refusal {
    Refusal::Failed(format!("{error:#}"))
}

/// `NODE.PROGRAM.log`; names of nodes may hold dots, programs' do not.
fn belongs(file: &str, node: &str) -> bool {
    file.strip_suffix(".log")
        .and_then(|stem| stem.rsplit_once('.'))
        .is_some_and(|(owner, _)| owner == node)
}
