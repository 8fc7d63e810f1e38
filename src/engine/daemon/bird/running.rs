//! A node's BIRD while it runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    net::IpAddr,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

use anyhow::Context;

use super::{
    Control, ControlError, Neighbor, control::SOCKET, gateways, kernels, neighbors, rib, view,
};
use crate::{
    engine::{
        daemon::{
            NodeView, RouteView,
            asker::Asker,
            release,
            starting::{root_of, wait_for},
        },
        sink::EventSink,
    },
    lab::plan::BIRD_CONF,
    os::process::{PidFd, Spawn},
    units::{NodeName, SessionName},
};

/// What is needed to start a node's BIRD.
#[derive(Debug)]
pub struct BirdStart {
    /// The node.
    pub node: NodeName,
    /// Its holder, through which programs enter.
    pub holder: PidFd,
    /// The program.
    pub program: PathBuf,
    /// Which session each peer's address belongs to.
    pub sessions: BTreeMap<IpAddr, SessionName>,
}

/// A running BIRD.
#[derive(Debug)]
pub struct Bird {
    root: PathBuf,
    process: PidFd,
    sessions: BTreeMap<IpAddr, SessionName>,
    /// The protocol of each peer. Names are the file's and do not change.
    protocols: BTreeMap<IpAddr, String>,
    asker: Asker,
}

impl Bird {
    /// Starts BIRD with the configuration that lies ready in the node, waits until
    /// it answers, and begins to report. It logs to `log`.
    ///
    /// # Errors
    /// BIRD exits, as with a configuration it refuses, or does not answer in time.
    pub fn start(plan: &BirdStart, log: File, sink: EventSink) -> anyhow::Result<Self> {
        let root = root_of(&plan.holder);
        let socket = format!("/{SOCKET}");
        // One that was killed has left its own.
        let _ = std::fs::remove_file(root.join(SOCKET));
        let process = Spawn::new(&plan.program)
            .node(plan.holder.try_clone()?)
            .args(["-f", "-c", BIRD_CONF, "-s", &socket])
            .log(log.try_clone()?)?
            .spawn()
            .with_context(|| format!("{}: starting {}", plan.node, plan.program.display()))?;
        let neighbors = ready(&root, &process)
            .with_context(|| format!("BIRD of {}{}", plan.node, last_words(&log)))?;
        let asker = Asker::spawn(
            plan.node.clone(),
            plan.sessions.clone(),
            {
                let root = root.clone();
                move || ask(&root)
            },
            Vec::new,
            sink,
        )?;
        Ok(Self {
            root,
            process,
            sessions: plan.sessions.clone(),
            protocols: neighbors
                .into_iter()
                .map(|neighbor| (neighbor.view.remote, neighbor.protocol))
                .collect(),
            asker,
        })
    }

    /// Its process.
    pub fn process(&self) -> &PidFd {
        &self.process
    }

    /// What it says now.
    ///
    /// # Errors
    /// It does not answer.
    pub fn view(&self) -> anyhow::Result<NodeView> {
        ask(&self.root)
    }

    /// Its release, as it says itself.
    ///
    /// # Errors
    /// It does not answer, or not with a release.
    pub fn version(&self) -> anyhow::Result<String> {
        let said = self.control()?.ask("show status")?;
        let mut words = said.iter().filter_map(|line| release(&line.text, "BIRD"));
        words.next().context("no release in its status")
    }

    /// The routes of both families, best path of each prefix first.
    ///
    /// # Errors
    /// It does not answer.
    pub fn rib(&self) -> anyhow::Result<Vec<RouteView>> {
        let mut control = self.control()?;
        let status = control.ask("show status")?;
        let protocols = control.ask("show protocols all")?;
        let mut forwarding = BTreeSet::new();
        for kernel in kernels(&protocols) {
            // Refused while that protocol is down.
            match control.ask(&format!("show route export '{kernel}'")) {
                Err(ControlError::Refused { .. }) => {}
                answer => forwarding.extend(gateways(&answer?)),
            }
        }
        let routes = control.ask("show route all")?;
        let neighbors = neighbors(&status, &protocols);
        Ok(rib(&routes, &forwarding, &neighbors, &self.sessions))
    }

    /// Reports nothing more: another BIRD of this node is about to take its place.
    pub fn retire(&self) {
        self.asker.retire();
    }

    /// A connection to its control socket.
    ///
    /// # Errors
    /// It does not answer.
    pub fn control(&self) -> Result<Control, ControlError> {
        Control::connect(&self.root)
    }

    /// The command that ends the session with this peer, with a NOTIFICATION that
    /// says `why` (RFC 9003), and keeps it down; or lets it come up again.
    ///
    /// # Errors
    /// The configuration has no such session.
    pub fn switch(&self, peer: IpAddr, up: bool, why: &str) -> anyhow::Result<String> {
        let protocol = self
            .protocols
            .get(&peer)
            .with_context(|| format!("BIRD has no BGP protocol towards {peer}"))?;
        Ok(if up {
            format!("enable '{protocol}'")
        } else {
            format!("disable '{protocol}' \"{why}\"")
        })
    }
}

/// What it wrote to its log last.
fn last_words(log: &File) -> String {
    // Ours is open for writing only.
    let text = std::fs::read(format!("/proc/self/fd/{}", log.as_raw_fd())).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let last = text.lines().rfind(|line| !line.trim().is_empty());
    last.map(|line| format!(" (it said: {line})"))
        .unwrap_or_default()
}

/// Waits until BIRD answers, and returns the sessions its configuration has.
fn ready(root: &Path, process: &PidFd) -> anyhow::Result<Vec<Neighbor>> {
    wait_for(&[("bird", process)], || {
        Control::connect(root)
            .and_then(|mut control| neighbors_of(&mut control))
            .map_err(|error| format!("its answer ({error})"))
    })
}

fn neighbors_of(control: &mut Control) -> Result<Vec<Neighbor>, ControlError> {
    let status = control.ask("show status")?;
    Ok(neighbors(&status, &control.ask("show protocols all")?))
}

fn ask(root: &Path) -> anyhow::Result<NodeView> {
    let mut control = Control::connect(root)?;
    let status = control.ask("show status")?;
    let protocols = control.ask("show protocols all")?;
    // Refused where the configuration has no BFD.
    let bfd = match control.ask("show bfd sessions") {
        Err(ControlError::Refused { .. }) => Vec::new(),
        answer => answer?,
    };
    Ok(view(&status, &protocols, &bfd))
}
