//! The order in which a lab rises.

use std::collections::BTreeMap;

use anyhow::Context as _;

use super::holder::{self, Rising};
use crate::{
    engine::{
        init::{Guardian, RunDir, Timings},
        sink::EventSink,
    },
    lab::{
        op::{Netns, Op},
        plan::Plan,
    },
    os::{
        clock,
        kernel::Linux,
        netns::{MountNsFd, NetnsFd},
        process::{self, PidFd},
    },
    units::NodeName,
};

/// Where `ip netns` looks for names, inside the lab's own mounts.
const NETNS_DIR: &str = "/run/netns";
/// Descriptors a node costs: namespace, socket, holder, and its daemons' logs.
const FILES_PER_NODE: usize = 16;

/// A lab that stands: what every engine part is handed.
#[derive(Debug)]
pub struct Lab {
    /// What was built.
    pub plan: Plan,
    /// Every node and host.
    pub nodes: BTreeMap<NodeName, NodeHandle>,
    /// The kernel, with its sockets open: faults are one system call away.
    pub kernel: Linux,
    /// Where observations go.
    pub sink: EventSink,
    /// Where files go.
    pub run_dir: RunDir,
    /// The way to realtime scheduling.
    pub guardian: Guardian,
}

/// A node that stands.
#[derive(Debug)]
pub struct NodeHandle {
    /// The process that keeps its mount and UTS namespaces; programs enter through it.
    pub holder: PidFd,
    /// Its network namespace.
    pub netns: NetnsFd,
}

impl Lab {
    /// The hidden namespace where links are shaped and cut, if the plan has one.
    pub fn wire(&self) -> Option<&NetnsFd> {
        self.kernel.netns(&Netns::Wire)
    }
}

/// Builds the lab. The calling process must have one thread; `template` is the
/// mount namespace its nodes' ones are copied from, without any named namespace in it.
///
/// # Errors
/// The operation the kernel refused, or the node that could not be set up.
pub fn build(
    plan: Plan,
    template: &MountNsFd,
    (sink, run_dir, guardian): (EventSink, RunDir, Guardian),
    timings: &mut Timings,
) -> anyhow::Result<Lab> {
    process::raise_file_limit(plan.nodes.len() * FILES_PER_NODE + 256)
        .context("the limit of open files")?;
    let mut kernel = Linux::new(NETNS_DIR).context("netlink")?;
    let begin = clock::mono_ns();
    let first = plan
        .ops
        .iter()
        .take_while(|op| matches!(op, Op::AddNetns { .. }))
        .count();
    let (namespaces, rest) = plan.ops.split_at(first);
    kernel.apply(namespaces)?;
    let named = clock::mono_ns();
    // The nodes settle on the other core while the links are made here.
    let mut rising = Vec::with_capacity(plan.nodes.len());
    for node in &plan.nodes {
        let netns = kernel
            .netns(&Netns::Node(node.name.clone()))
            .with_context(|| format!("the plan makes no namespace for {}", node.name))?
            .try_clone()?;
        let started = holder::start(node, template, &netns)
            .with_context(|| format!("cannot start node {}", node.name))?;
        rising.push((&node.name, netns, started));
    }
    kernel.apply(rest)?;
    let linked = clock::mono_ns();
    let nodes = settled(rising)?;
    let end = clock::mono_ns();
    timings.namespaces_ms = ms(begin, named);
    timings.links_ms = ms(named, linked);
    timings.nodes_ms = ms(linked, end);
    Ok(Lab {
        nodes,
        plan,
        kernel,
        sink,
        run_dir,
        guardian,
    })
}

fn settled(
    rising: Vec<(&NodeName, NetnsFd, Rising)>,
) -> anyhow::Result<BTreeMap<NodeName, NodeHandle>> {
    let mut nodes = BTreeMap::new();
    for (name, netns, started) in rising {
        let holder = started.settled().with_context(|| format!("node {name}"))?;
        nodes.insert(name.clone(), NodeHandle { holder, netns });
    }
    Ok(nodes)
}

fn ms(from: u64, to: u64) -> f64 {
    to.saturating_sub(from) as f64 / 1e6
}
