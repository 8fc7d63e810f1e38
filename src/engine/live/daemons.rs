//! The routing daemons of a lab, whatever they are.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Write},
    net::IpAddr,
    path::Path,
    sync::{Arc, PoisonError},
    time::Duration,
};

use anyhow::{Context, bail};

use super::Live;
use crate::{
    engine::daemon::{
        Embedded, NodeView, RouteView, Service,
        bird::{Bird, BirdInstall, BirdStart},
        frr::{Frr, FrrInstall, FrrStart},
        load_firewall,
        strongswan::{Charon, CharonStart},
    },
    lab::plan::{DaemonPlan, FIREWALL, NodePlan, Plan},
    os::process::PidFd,
    results::event::EventKind,
    units::{NodeName, SessionName},
};

/// Where the nodes' configurations are, in the run's directory.
const CONFIG: &str = "config";

/// What the NOTIFICATION of a shut-down session says (RFC 9003).
const SHUTDOWN: &str = "backhoe: bgp-shutdown";

/// A node's running daemon.
#[derive(Debug)]
pub(super) enum Daemon {
    /// Our own speaker.
    Embedded(Embedded),
    /// FRR.
    Frr(Frr),
    /// BIRD.
    Bird(Bird),
    /// strongSwan, at one end of one tunnel.
    Charon(Charon),
    /// What a host serves.
    Service(Service),
}

/// All of them, by node. Shared, so that nobody who waits for the answer of one
/// keeps the others from being used.
#[derive(Debug, Default)]
pub(super) struct Daemons(BTreeMap<NodeName, Arc<Daemon>>);

/// What a daemon is to do, with everything prepared that takes time.
pub(super) type Order<'a> = Box<dyn FnOnce() -> anyhow::Result<()> + 'a>;

impl Daemons {
    /// Starts every IKE daemon.
    pub(super) fn charons(live: &Live) -> anyhow::Result<Self> {
        charons(live, None).map(Self)
    }

    /// Starts every node's routing daemon beside the IKE daemons.
    pub(super) fn start(live: &Live, charons: Self) -> anyhow::Result<Self> {
        let Self(mut running) = charons;
        for node in &live.plan().nodes {
            if let (true, Some(holder)) = (
                node.files.contains_key(FIREWALL),
                live.holders.get(&node.name),
            ) {
                load_firewall(&node.name, holder)?;
            }
        }
        let (frr, rest): (Vec<&NodePlan>, Vec<&NodePlan>) = live
            .plan()
            .nodes
            .iter()
            .partition(|node| matches!(node.daemon, DaemonPlan::Frr { .. }));
        for node in rest.into_iter().chain(frr) {
            if let Some(daemon) = start(live, node)? {
                running.insert(node.name.clone(), Arc::new(daemon));
            }
        }
        for node in &live.plan().nodes {
            keep(live, node)?;
        }
        Ok(Self(running))
    }

    pub(super) fn get(&self, node: &NodeName) -> anyhow::Result<Arc<Daemon>> {
        self.0
            .get(node)
            .cloned()
            .with_context(|| format!("no daemon runs at {node}"))
    }

    /// All of them, by node.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&NodeName, &Arc<Daemon>)> {
        self.0.iter()
    }

    /// Starts the daemon of `node` anew after it was killed. The others can be asked
    /// meanwhile.
    pub(super) fn restart(live: &Live, node: &NodeName) -> anyhow::Result<()> {
        let plan = live
            .plan()
            .node(node.as_str())
            .with_context(|| format!("no node {node}"))?;
        let daemons = || live.daemons.lock().unwrap_or_else(PoisonError::into_inner);
        let old = daemons().0.remove(node);
        // What is left of the old one must be gone before the new one binds its sockets.
        if let Some(old) = old {
            old.retire();
            for process in old.processes() {
                let _ = process.kill();
                let _ = process.ended_within(Duration::from_secs(2));
            }
        }
        let charons = charons(live, Some(node))?;
        daemons().0.extend(charons);
        if let Some(daemon) = start(live, plan)? {
            daemons().0.insert(node.clone(), Arc::new(daemon));
        }
        Ok(())
    }
}

impl Daemon {
    /// Its processes.
    pub(super) fn processes(&self) -> Vec<&PidFd> {
        match self {
            Self::Embedded(speaker) => vec![speaker.process()],
            Self::Frr(frr) => frr.processes().iter().map(|(_, process)| process).collect(),
            Self::Bird(bird) => vec![bird.process()],
            Self::Charon(charon) => vec![charon.process()],
            Self::Service(service) => vec![service.process()],
        }
    }

    /// Its release, as it says itself. Our own is backhoe's.
    fn version(&self) -> anyhow::Result<String> {
        Ok(match self {
            Self::Embedded(_) | Self::Service(_) => crate::VERSION.to_owned(),
            Self::Frr(frr) => frr.version()?,
            Self::Bird(bird) => bird.version()?,
            Self::Charon(charon) => charon.version()?,
        })
    }

    /// What the journal calls it.
    const fn program(&self) -> &'static str {
        match self {
            Self::Embedded(_) => "speaker",
            Self::Frr(_) => "frr",
            Self::Bird(_) => "bird",
            Self::Charon(_) => "charon",
            Self::Service(_) => "service",
        }
    }

    /// Tells the journal that it runs. One that does not say which release it is runs all the
    /// same.
    fn tell_started(&self, node: &NodeName, detail: Option<String>, live: &Live) {
        live.sink().now(EventKind::Daemon {
            node: node.to_string(),
            program: self.program().to_owned(),
            state: "started".to_owned(),
            detail,
            version: self.version().ok(),
        });
    }

    /// The same with their names.
    pub(super) fn programs(&self) -> Vec<(String, &PidFd)> {
        match self {
            Self::Embedded(speaker) => vec![("speaker".to_owned(), speaker.process())],
            Self::Frr(frr) => frr
                .processes()
                .iter()
                .map(|(name, process)| (name.clone(), process))
                .collect(),
            Self::Bird(bird) => vec![("bird".to_owned(), bird.process())],
            Self::Charon(charon) => vec![("charon".to_owned(), charon.process())],
            Self::Service(service) => vec![("service".to_owned(), service.process())],
        }
    }

    /// strongSwan, if that is what it is.
    pub(super) fn charon(&self) -> Option<&Charon> {
        match self {
            Self::Charon(charon) => Some(charon),
            Self::Embedded(_) | Self::Frr(_) | Self::Bird(_) | Self::Service(_) => None,
        }
    }

    /// Says no more, whoever still holds it.
    fn retire(&self) {
        match self {
            // Its reports end with its process.
            Self::Embedded(_) | Self::Service(_) => {}
            Self::Frr(frr) => frr.retire(),
            Self::Bird(bird) => bird.retire(),
            Self::Charon(charon) => charon.retire(),
        }
    }

    /// What it says of its sessions.
    pub(super) fn view(&self) -> anyhow::Result<NodeView> {
        match self {
            Self::Embedded(speaker) => speaker.view(),
            Self::Frr(frr) => frr.view(),
            Self::Bird(bird) => bird.view(),
            Self::Charon(charon) => {
                charon.status()?;
                Ok(NodeView::default())
            }
            // It has no sessions, and says what it sees by itself.
            Self::Service(_) => Ok(NodeView::default()),
        }
    }

    /// Its routes.
    pub(super) fn rib(&self) -> anyhow::Result<Vec<RouteView>> {
        match self {
            Self::Embedded(speaker) => {
                let rib = speaker.status()?.speaker.rib;
                Ok(rib.iter().map(RouteView::from).collect())
            }
            Self::Frr(frr) => frr.rib(),
            Self::Bird(bird) => bird.rib(),
            Self::Charon(_) => bail!("strongSwan has no routes"),
            Self::Service(_) => bail!("a host's service has no routes"),
        }
    }

    /// Ends a session with a NOTIFICATION and keeps it down, or lets it come up
    /// again, once the order is given.
    pub(super) fn session<'a>(
        &'a self,
        session: &'a SessionName,
        peer: IpAddr,
        up: bool,
    ) -> anyhow::Result<Order<'a>> {
        Ok(match self {
            Self::Embedded(speaker) if up => Box::new(|| speaker.start_session(session)),
            Self::Embedded(speaker) => Box::new(|| speaker.stop_session(session, SHUTDOWN)),
            Self::Frr(frr) => {
                let mut vty = frr.terminal("bgpd")?;
                for command in ["configure terminal", &router_bgp(frr)?] {
                    vty.ask(command)?;
                }
                let no = if up { "no " } else { "" };
                Box::new(move || {
                    vty.ask(&format!("{no}neighbor {peer} shutdown"))?;
                    Ok(())
                })
            }
            Self::Bird(bird) => {
                let mut control = bird.control()?;
                let command = bird.switch(peer, up, SHUTDOWN)?;
                Box::new(move || {
                    control.ask(&command)?;
                    Ok(())
                })
            }
            Self::Charon(_) => bail!("strongSwan speaks no BGP"),
            Self::Service(_) => bail!("a host's service speaks no BGP"),
        })
    }
}

/// The line that leads to the configuration of the BGP instance.
fn router_bgp(frr: &Frr) -> anyhow::Result<String> {
    let instance = frr.command("bgpd", "show bgp summary json")?;
    let summary: BTreeMap<String, serde_json::Value> = serde_json::from_str(&instance)?;
    let Some(asn) = summary
        .values()
        .find_map(|family| family.get("as")?.as_u64())
    else {
        bail!("bgpd has no BGP instance");
    };
    Ok(format!("router bgp {asn}"))
}

/// Keeps what the node's programs were given, beside what came of it: every file at its
/// path in the node, but for a private key of the user's own.
fn keep(live: &Live, node: &NodePlan) -> anyhow::Result<()> {
    for (path, text) in &node.files {
        if node.own_key(path).is_some() {
            continue;
        }
        let name = format!("{CONFIG}/{}/{}", node.name, path.trim_start_matches('/'));
        let mut file = live.run_dir().create(&name)?;
        file.write_all(text.as_bytes())
            .with_context(|| format!("writing {name}"))?;
    }
    Ok(())
}

fn start(live: &Live, node: &NodePlan) -> anyhow::Result<Option<Daemon>> {
    let holder = || -> anyhow::Result<PidFd> {
        Ok(live
            .holders
            .get(&node.name)
            .with_context(|| format!("no node {}", node.name))?
            .try_clone()?)
    };
    let log = |program: &str| -> io::Result<File> {
        live.run_dir()
            .append(format!("logs/{}.{program}.log", node.name))
    };
    let daemon = match &node.daemon {
        // Endpoints have been started together.
        DaemonPlan::None | DaemonPlan::Charon(_) => return Ok(None),
        DaemonPlan::Embedded(config) => {
            let config = config_file(live, &node.name, "speaker", config)?;
            let speaker = Embedded::start(
                &node.name,
                holder()?,
                config,
                log("speaker")?,
                live.sink().clone(),
            )?;
            Daemon::Embedded(speaker)
        }
        DaemonPlan::Frr {
            daemons, install, ..
        } => {
            let install = install.as_deref().map(Path::new);
            let plan = FrrStart {
                node: node.name.clone(),
                holder: holder()?,
                install: FrrInstall::find(install).context("FRR is not installed")?,
                daemons: daemons.clone(),
                sessions: peers(live.plan(), &node.name),
            };
            Daemon::Frr(Frr::start(&plan, &log, live.sink().clone())?)
        }
        DaemonPlan::Bird { install, .. } => {
            let install = install.as_deref().map(Path::new);
            let found = BirdInstall::find(install).context("BIRD is not installed")?;
            let plan = BirdStart {
                node: node.name.clone(),
                holder: holder()?,
                program: found.program,
                sessions: peers(live.plan(), &node.name),
            };
            Daemon::Bird(Bird::start(&plan, log("bird")?, live.sink().clone())?)
        }
        DaemonPlan::Service(config) => {
            let config = config_file(live, &node.name, "service", config)?;
            let (log, sink) = (log("service")?, live.sink().clone());
            Daemon::Service(Service::start(&node.name, holder()?, config, log, sink)?)
        }
    };
    daemon.tell_started(&node.name, None, live);
    Ok(Some(daemon))
}

/// Writes a program's configuration among the run's files and opens it for the program.
fn config_file(
    live: &Live,
    node: &NodeName,
    program: &str,
    config: &impl serde::Serialize,
) -> anyhow::Result<File> {
    let name = format!("{CONFIG}/{node}/{program}.json");
    let file = live.run_dir().create(&name)?;
    serde_json::to_writer_pretty(&file, config)?;
    Ok(File::open(live.run_dir().path().join(&name))?)
}

/// Starts every charon, or that of one node. They load their plug-ins side by
/// side; those that begin do so when all others listen.
fn charons(
    live: &Live,
    only: Option<&NodeName>,
) -> anyhow::Result<BTreeMap<NodeName, Arc<Daemon>>> {
    let mut rising = Vec::new();
    for node in &live.plan().nodes {
        let DaemonPlan::Charon(plan) = &node.daemon else {
            continue;
        };
        if only.is_some_and(|only| *only != node.name) {
            continue;
        }
        let netns = |name: &NodeName| {
            let found = live.namespaces().get(name);
            found.with_context(|| format!("no node {name}"))
        };
        let start = CharonStart {
            endpoint: node.name.clone(),
            holder: live
                .holders
                .get(&node.name)
                .with_context(|| format!("no node {}", node.name))?
                .try_clone()?,
            netns: netns(&node.name)?.try_clone()?,
            router: netns(&plan.node)?.try_clone()?,
            plan: plan.clone(),
        };
        let log = live
            .run_dir()
            .append(format!("logs/{}.charon.log", node.name))?;
        rising.push((node.name.clone(), Charon::spawn(start, log)?));
    }
    // Who waits has loaded its configuration before the user's own may begin.
    rising.sort_by_key(|(_, charon)| charon.begins());
    let mut settled = BTreeMap::new();
    for (name, charon) in rising {
        let charon = charon.settled(live.sink().clone())?;
        let detail = charon.plan().backend.to_string();
        let charon = Daemon::Charon(charon);
        charon.tell_started(&name, Some(detail), live);
        settled.insert(name, charon);
    }
    for charon in settled.values().filter_map(Daemon::charon) {
        charon.begin()?;
    }
    let daemons = settled.into_iter();
    Ok(daemons
        .map(|(name, charon)| (name, Arc::new(charon)))
        .collect())
}

/// Which session each of a node's peers belongs to.
pub(super) fn peers(plan: &Plan, node: &NodeName) -> BTreeMap<IpAddr, SessionName> {
    plan.sessions
        .iter()
        .filter_map(|session| {
            let [a, b] = &session.ends;
            let peer = if a.node == *node {
                b
            } else if b.node == *node {
                a
            } else {
                return None;
            };
            Some((peer.address, session.session.clone()))
        })
        .collect()
}
