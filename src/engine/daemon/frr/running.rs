//! A node's FRR while it runs: start in order, each step an observed condition;
//! then a thread that asks its terminals and reports every change.

use std::{
    collections::BTreeMap,
    fs::File,
    net::IpAddr,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

use super::{FrrInstall, Vty, VtyError, log::Log, rib, start, view};
use crate::{
    engine::{
        daemon::{
            NodeView, RouteView,
            asker::Asker,
            release,
            starting::{root_of, run_to_end, wait_for},
        },
        sink::EventSink,
    },
    os::process::{PidFd, Spawn},
    units::{NodeName, SessionName},
};

/// What is needed to start a node's FRR.
#[derive(Debug)]
pub struct FrrStart {
    /// The node.
    pub node: NodeName,
    /// Its holder, through which programs enter.
    pub holder: PidFd,
    /// What is started.
    pub install: FrrInstall,
    /// Which daemons beside zebra.
    pub daemons: Vec<String>,
    /// Which session each peer's address belongs to.
    pub sessions: BTreeMap<IpAddr, SessionName>,
}

/// A running FRR.
#[derive(Debug)]
pub struct Frr {
    root: PathBuf,
    processes: Vec<(String, PidFd)>,
    sessions: BTreeMap<IpAddr, SessionName>,
    asker: Asker,
}

impl Frr {
    /// Starts every daemon, loads the configuration, and begins to report.
    /// `log` opens a log file by name.
    ///
    /// # Errors
    /// A daemon that exits or is not ready in time, or a configuration that FRR
    /// refuses, with FRR's own words and its line.
    pub fn start(
        plan: &FrrStart,
        log: &dyn Fn(&str) -> std::io::Result<File>,
        sink: EventSink,
    ) -> anyhow::Result<Self> {
        let root = root_of(&plan.holder);
        forget_sockets(&root)?;
        let mut told = Log::from_here(&root);
        let mut processes = Vec::new();
        for program in start::programs(&plan.install.daemons, &plan.daemons) {
            let process = Spawn::new(&program.path)
                .node(plan.holder.try_clone()?)
                .args(&program.args)
                .log(log(&program.name)?)?
                .spawn()
                .with_context(|| format!("{}: starting {}", plan.node, program.name))?;
            let is_zebra = program.name == "zebra";
            processes.push((program.name, process));
            if is_zebra {
                // The others look for it once, and come back only seconds later.
                wait_for_sockets(&root, &["run/frr/zserv.api".to_owned()], &processes)
                    .with_context(|| format!("FRR of {}", plan.node))?;
            }
        }
        let sockets: Vec<String> = processes
            .iter()
            .map(|(name, _)| start::ready_socket(name))
            .collect();
        wait_for_sockets(&root, &sockets, &processes)
            .and_then(|()| wait_for_clients(&root, &plan.daemons, &processes))
            .with_context(|| format!("FRR of {}", plan.node))?;
        load(plan)?;
        let asker = Asker::spawn(
            plan.node.clone(),
            plan.sessions.clone(),
            {
                let root = root.clone();
                let with_bfd = plan.daemons.iter().any(|daemon| daemon == "bfdd");
                move || ask(&root, with_bfd)
            },
            move || told.changes(),
            sink,
        )?;
        Ok(Self {
            root,
            processes,
            sessions: plan.sessions.clone(),
            asker,
        })
    }

    /// Its processes by name.
    pub fn processes(&self) -> &[(String, PidFd)] {
        &self.processes
    }

    /// What the daemons say now.
    pub fn view(&self) -> anyhow::Result<NodeView> {
        let with_bfd = self.processes.iter().any(|(name, _)| name == "bfdd");
        ask(&self.root, with_bfd)
    }

    /// Its release, as zebra says itself.
    ///
    /// # Errors
    /// It does not answer, or not with a release.
    pub fn version(&self) -> anyhow::Result<String> {
        let said = self.command("zebra", "show version")?;
        let word = release(&said, "FRRouting");
        word.with_context(|| format!("no release in `{}`", said.trim()))
    }

    /// The routes of both families, best path of each prefix first.
    pub fn rib(&self) -> anyhow::Result<Vec<RouteView>> {
        let mut routes = Vec::new();
        for family in ["ipv4", "ipv6"] {
            let text = self.command("bgpd", &format!("show bgp {family} unicast json"))?;
            routes.extend(rib(&text, &self.sessions)?);
        }
        Ok(routes)
    }

    /// Reports nothing more: another FRR of this node is about to take its place.
    pub fn retire(&self) {
        self.asker.retire();
    }

    /// A terminal of a daemon.
    ///
    /// # Errors
    /// The daemon does not answer.
    pub fn terminal(&self, daemon: &str) -> Result<Vty, VtyError> {
        Vty::connect(&self.root, daemon)
    }

    /// Runs a command on a daemon's terminal.
    pub fn command(&self, daemon: &str, command: &str) -> anyhow::Result<String> {
        Ok(self.terminal(daemon)?.ask(command)?)
    }
}

/// Removes the sockets that a killed FRR has left. Their presence is what readiness is
/// read off, and a daemon that finds zebra's with nobody behind it comes back after 10 s.
fn forget_sockets(root: &Path) -> anyhow::Result<()> {
    let dir = root.join("run/frr");
    let context = || format!("clearing {}", dir.display());
    if !dir.is_dir() {
        return Ok(());
    }
    for entry in std::fs::read_dir(&dir).with_context(context)? {
        let entry = entry.with_context(context)?;
        if entry.file_type().with_context(context)?.is_socket() {
            std::fs::remove_file(entry.path()).with_context(context)?;
        }
    }
    Ok(())
}

/// Loads the configuration; FRR prints the lines it refuses.
fn load(plan: &FrrStart) -> anyhow::Result<()> {
    let boot = start::boot_command(&plan.install.vtysh);
    let loaded = run_to_end(&plan.holder, &boot.path, &boot.args)
        .with_context(|| format!("{}: starting vtysh", plan.node))?;
    let Err(text) = loaded else {
        return Ok(());
    };
    let refused: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("line ") || line.contains('%'))
        .collect();
    bail!(
        "FRR refuses the configuration of {} (/etc/frr/frr.conf):\n  {}",
        plan.node,
        if refused.is_empty() {
            text.trim().to_owned()
        } else {
            refused.join("\n  ")
        }
    )
}

fn wait_for_sockets(
    root: &Path,
    sockets: &[String],
    processes: &[(String, PidFd)],
) -> anyhow::Result<()> {
    wait_for(&named(processes), || {
        let missing = sockets.iter().find(|socket| !root.join(socket).exists());
        missing.map_or(Ok(()), |socket| Err(format!("/{socket}")))
    })
}

/// BFD sessions asked for before bfdd has met zebra are lost, so each daemon
/// must be among zebra's clients first.
fn wait_for_clients(
    root: &Path,
    daemons: &[String],
    processes: &[(String, PidFd)],
) -> anyhow::Result<()> {
    let clients: Vec<&str> = daemons
        .iter()
        .filter_map(|daemon| daemon.strip_suffix('d'))
        .filter(|client| *client != "zebra")
        .collect();
    wait_for(&named(processes), || {
        let summary = Vty::connect(root, "zebra")
            .and_then(|mut zebra| zebra.ask("show zebra client summary"))
            .unwrap_or_default();
        let missing = clients.iter().find(|client| {
            !summary
                .lines()
                .any(|line| line.split_whitespace().next() == Some(client))
        });
        missing.map_or(Ok(()), |client| Err(format!("{client}d at zebra")))
    })
}

fn named(processes: &[(String, PidFd)]) -> Vec<(&str, &PidFd)> {
    processes
        .iter()
        .map(|(name, process)| (name.as_str(), process))
        .collect()
}

fn ask(root: &Path, with_bfd: bool) -> anyhow::Result<NodeView> {
    let neighbors = Vty::connect(root, "bgpd")?.ask("show bgp neighbors json")?;
    let bfd = if with_bfd {
        Vty::connect(root, "bfdd")?.ask("show bfd peers json")?
    } else {
        "[]".to_owned()
    };
    Ok(view(&neighbors, &bfd)?)
}
