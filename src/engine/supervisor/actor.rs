//! One request after the other, against the one truth.

use std::{fs, sync::mpsc::Receiver, thread::JoinHandle};

use serde_json::Value;

use crate::{
    engine::{
        api::{NodeInfo, NodeStatus, Phase, Refusal, Request, Server, Status},
        deploy::Lab,
        init::Timings,
    },
    lab::plan::DaemonPlan,
    os::process::Watcher,
    results::event::{EventKind, MonoNs},
};

/// Where the logs of a node's programs are, in the run's directory: `NODE.PROGRAM.log`.
pub(super) const LOGS: &str = "logs";

/// The supervisor at work.
pub(super) struct Supervisor {
    pub(super) lab: Lab,
    pub(super) facts: Facts,
    pub(super) requests: Receiver<Request>,
    pub(super) server: Server,
    pub(super) journal: JoinHandle<std::io::Result<()>>,
    /// Notices the end of holders, and of every program it is given; ends when dropped.
    pub(super) children: Watcher,
}

/// What does not change while the lab is up.
pub(super) struct Facts {
    pub(super) outer_pid: u32,
    pub(super) init_pid: i32,
    pub(super) out_dir: String,
    pub(super) up_since: MonoNs,
    pub(super) timings: Timings,
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
                    self.lab.sink.warn(
                        "node-lost",
                        format!("the process that holds node {node} ended ({exit}); without it the lab is not what was asked for"),
                        true,
                    );
                    return self.end("failed", 1, || ());
                }
                other => self.answer(other),
            }
        }
        1
    }

    fn answer(&self, request: Request) {
        // A reply that cannot be sent belongs to a client that hung up.
        match request {
            Request::Status(reply) => drop(reply.send(Ok(self.status()))),
            Request::Node(node, reply) => drop(reply.send(self.node(&node))),
            Request::Logs(node, reply) => drop(reply.send(self.logs(&node))),
            Request::Inspect { reply, .. } => drop(reply.send(Err(missing("inspect")))),
            Request::Fault(_, reply) => drop(reply.send(Err(missing("faults by hand")))),
            Request::Restore(_, reply) => drop(reply.send(Err(missing("restore by hand")))),
            Request::Run(_, reply) => drop(reply.send(Err(missing("running the scenario")))),
            Request::Down(_) | Request::Interrupted | Request::HolderEnded(..) => {}
        }
    }

    fn status(&self) -> Status {
        let plan = &self.lab.plan;
        let wired = plan.wires.iter().map(|wire| wire.link.to_string());
        let direct = plan.direct.iter().map(|direct| direct.link.to_string());
        Status {
            lab: plan.lab.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            phase: Phase::Up,
            outer_pid: self.facts.outer_pid,
            init_pid: self.facts.init_pid,
            out_dir: self.facts.out_dir.clone(),
            up_since: self.facts.up_since,
            timings: self.facts.timings,
            nodes: plan
                .nodes
                .iter()
                .map(|node| NodeStatus {
                    name: node.name.to_string(),
                    kind: node.kind.clone(),
                    behind: node.behind.as_ref().map(ToString::to_string),
                    daemon: daemon(&node.daemon).to_owned(),
                })
                .collect(),
            links: wired.chain(direct).collect(),
            tunnels: plan.tunnels.iter().map(|t| t.tunnel.to_string()).collect(),
            sessions: plan
                .sessions
                .iter()
                .map(|s| s.session.to_string())
                .collect(),
        }
    }

    fn node(&self, node: &str) -> Result<NodeInfo, Refusal> {
        let handle = self.lab.nodes.get(node).ok_or_else(|| self.no_node(node))?;
        Ok(NodeInfo {
            name: node.to_owned(),
            pid: handle.holder.pid(),
        })
    }

    fn logs(&self, node: &str) -> Result<String, Refusal> {
        if !self.lab.nodes.contains_key(node) {
            return Err(self.no_node(node));
        }
        let mut names = Vec::new();
        // No directory: no program has logged anything.
        if let Ok(entries) = fs::read_dir(self.lab.run_dir.path().join(LOGS)) {
            names.extend(
                entries
                    .flatten()
                    .filter_map(|entry| entry.file_name().into_string().ok())
                    .filter(|name| belongs(name, node)),
            );
        }
        names.sort();
        let mut text = String::new();
        for name in names {
            let log = self
                .lab
                .run_dir
                .read(format!("{LOGS}/{name}"))
                .map_err(|error| Refusal::Failed(format!("{name}: {error}")))?;
            text.push_str(&format!("==> {name} <==\n"));
            text.push_str(&String::from_utf8_lossy(&log));
        }
        Ok(text)
    }

    fn no_node(&self, node: &str) -> Refusal {
        let names: Vec<&str> = self.lab.nodes.keys().map(AsRef::as_ref).collect();
        Refusal::NotFound(format!("no node `{node}`; there are {}", names.join(", ")))
    }

    /// Writes the journal's last line, answers, and leaves the rest to the kernel:
    /// with this process PID 1 ends, and with that everything.
    fn end(self, outcome: &str, status: u8, answer: impl FnOnce()) -> u8 {
        self.lab.sink.now(EventKind::RunFinished {
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

fn missing(what: &str) -> Refusal {
    Refusal::NotImplemented(format!("{what} is not part of this version"))
}

/// `NODE.PROGRAM.log`; names of nodes may hold dots, programs' do not.
fn belongs(file: &str, node: &str) -> bool {
    file.strip_suffix(".log")
        .and_then(|stem| stem.rsplit_once('.'))
        .is_some_and(|(owner, _)| owner == node)
}

fn daemon(daemon: &DaemonPlan) -> &'static str {
    match daemon {
        DaemonPlan::None => "none",
        DaemonPlan::Embedded(_) => "embedded",
        DaemonPlan::Frr { .. } => "frr",
    }
}
