//! What only looks at the lab. A daemon that is frozen takes seconds not to answer,
//! and neither a fault nor another look waits for that.

use std::{fs, io::ErrorKind, sync::Arc};

use serde_json::Value;

use super::{
    actor::{Facts, refused},
    log::Log,
    monitor::Monitor,
};
use crate::{
    engine::{
        api::{Look, NodeInfo, Phase, Refusal, Status, Summary},
        board,
        init::Goal,
        live::Live,
    },
    lab::plan::DaemonPlan,
    os::process::PidFd,
    units::{NodeName, nearest},
};

/// Where the logs of a node's programs are, in the run's directory: `NODE.PROGRAM.log`.
pub(super) const LOGS: &str = "logs";

/// Looks, and tells.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) live: Arc<Live>,
    pub(super) monitor: Arc<Monitor>,
    pub(super) facts: Arc<Facts>,
    pub(super) log: Arc<Log>,
}

impl Reader {
    /// Answers on a thread of its own. Without one (the host is out of them) the
    /// client hears that the lab does not answer.
    pub(super) fn answer(self, look: Look) {
        let _ = std::thread::Builder::new()
            .name("look".to_owned())
            .spawn(move || self.look(look));
    }

    fn look(&self, look: Look) {
        // A reply that cannot be sent belongs to a client that hung up.
        match look {
            Look::Summary(reply) => drop(reply.send(Ok(self.summary()))),
            Look::Status(reply) => drop(reply.send(Ok(self.status()))),
            Look::Metrics(reply) => drop(reply.send(Ok(self.monitor.metrics()))),
            Look::Node(node, reply) => drop(reply.send(self.node(&node))),
            Look::Logs(node, reply) => drop(reply.send(self.logs(&node))),
            Look::Inspect { node, what, reply } => {
                let answer = self
                    .holder(&node)
                    .and_then(|(node, _)| self.inspect(node.as_str(), &what));
                drop(reply.send(answer));
            }
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
            version: crate::VERSION.to_owned(),
            phase: self.phase(),
            timers_scaled: plan.timers_scaled,
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
        state.alerts = self.monitor.alerts();
        let wanted = board::wanted(self.live.plan());
        let missing = self.live.board().missing(&wanted);
        Status {
            version: crate::VERSION.to_owned(),
            phase: self.phase(),
            outer_pid: self.facts.outer_pid,
            init_pid: self.facts.init_pid,
            out_dir: self.facts.out_dir.clone(),
            up_since: self.facts.up_since,
            timings: self.facts.timings,
            waiting: state.waiting(&wanted, &missing),
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
        if what != "fib" && self.has_daemon(node) == Some(false) {
            return Err(Refusal::Wrong(format!(
                "{node} runs no routing daemon, so it has no {what}; its fib can be seen"
            )));
        }
        self.live.inspect(node, what).map_err(refused)
    }

    /// The node that `said` means, by its own name or as a host behind its node (`dc1.app`),
    /// and the process that holds it.
    fn holder(&self, said: &str) -> Result<(&NodeName, &PidFd), Refusal> {
        // What reports call `blue-web`, where there are several, the lab file has as `blue.web`.
        let behind = |name: &NodeName| {
            let plan = self.live.plan().node(name.as_str());
            plan.and_then(|plan| plan.behind.as_ref())
                .is_some_and(|at| is_host_at(said, at.as_str(), name.as_str()))
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
        tunnels.any(|end| end.node == *node) || self.has_daemon(node.as_str()) == Some(true)
    }

    /// Whether a daemon is planned at `node`, if there is such a node.
    fn has_daemon(&self, node: &str) -> Option<bool> {
        let plan = self.live.plan().node(node)?;
        Some(plan.daemon != DaemonPlan::None)
    }

    fn no_node(&self, node: &str) -> Refusal {
        let names: Vec<&str> = self.live.holders().map(|(name, _)| name.as_str()).collect();
        let alike: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| name.ends_with(&format!("-{node}")))
            .collect();
        let hint = match nearest(node, names.iter().copied()) {
            _ if alike.len() > 1 => format!("there are several: {}", alike.join(", ")),
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", names.join(", ")),
        };
        Refusal::NotFound(format!("no node `{node}`; {hint}"))
    }
}

/// Whether `said` means the host called `name` behind `at`.
fn is_host_at(said: &str, at: &str, name: &str) -> bool {
    let host = said
        .strip_prefix(at)
        .and_then(|rest| rest.strip_prefix('.'));
    host.is_some_and(|host| host == name || format!("{at}-{host}") == name)
}

/// `NODE.PROGRAM.log`; names of nodes may hold dots, programs' do not.
fn belongs(file: &str, node: &str) -> bool {
    file.strip_suffix(".log")
        .and_then(|stem| stem.rsplit_once('.'))
        .is_some_and(|(owner, _)| owner == node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_called_as_the_lab_file_has_it() {
        assert!(is_host_at("dc1.app", "dc1", "app"));
        // Where two nodes have a host of that name.
        assert!(is_host_at("blue.web", "blue", "blue-web"));
        assert!(!is_host_at("red.web", "blue", "blue-web"));
        assert!(!is_host_at("bluexweb", "blue", "blue-web"));
        assert!(!is_host_at("blue", "blue", "blue-web"));
    }
}
