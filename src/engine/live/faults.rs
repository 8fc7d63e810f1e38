//! Faults and their undoing: single operations between two readings of the clock.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context, bail};

use super::{
    Live,
    daemons::{Daemon, Daemons, Order},
    silence::{self, Conflict, Silence},
};
use crate::{
    engine::wire::{Bracket, TapConfig, Wire},
    lab::{
        model::{Fault, How, Shape},
        op::{Netns, Op},
        plan::{DaemonPlan, Plan, SessionPlan, TunnelBy, TunnelPlan, WirePlan},
    },
    os::{
        clock,
        kernel::{Linux, is_gone},
        process::PidFd,
    },
    results::event::EventKind,
    units::{LinkName, NodeName, SessionName},
};

/// Which faults are in force.
#[derive(Debug, Default)]
pub(super) struct Applied {
    faults: BTreeMap<String, AppliedFault>,
    /// Faults that are being applied: their victims end before they are in force.
    applying: usize,
    restored: bool,
}

/// A fault in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppliedFault {
    /// The fault.
    pub fault: Fault,
    /// When it was applied.
    pub at: Bracket,
}

impl Live {
    /// Applies a fault under a label by which it can be restored: all of it, or
    /// nothing.
    ///
    /// # Errors
    /// A [`Conflict`] with what is in force, or an operation that failed.
    pub fn apply(&self, label: &str, fault: &Fault) -> anyhow::Result<Bracket> {
        if lock(&self.applied).faults.contains_key(label) {
            let text = format!("a fault named `{label}` is already in force; restore it first");
            return Err(Conflict(text).into());
        }
        self.must_fit(fault)?;
        lock(&self.applied).applying += 1;
        let performed = self.perform(fault);
        let performed = performed.map_err(|error| self.take_back(label, fault, error));
        if performed.is_err() {
            lock(&self.applied).applying -= 1;
        }
        let at = performed?;
        let (links, nodes) = hits_of(fault);
        self.sink().at(
            at.before,
            EventKind::FaultApplied {
                label: label.to_owned(),
                fault: fault.name().to_owned(),
                target: fault.target(),
                links,
                nodes,
                before: at.before,
                after: at.after,
            },
        );
        // A numbered drop ends by itself: there is nothing to restore.
        if !matches!(fault, Fault::DropNumbered { .. }) {
            self.keep(label, fault, at);
        }
        let done = if let Fault::Maintenance { node, endpoint, .. } = fault {
            self.replace(node, endpoint)
        } else {
            Ok(at)
        };
        lock(&self.applied).applying -= 1;
        done
    }

    fn keep(&self, label: &str, fault: &Fault, at: Bracket) {
        let applied = AppliedFault {
            fault: fault.clone(),
            at,
        };
        lock(&self.applied).faults.insert(label.to_owned(), applied);
    }

    /// What can be known to be in the way, before anything is touched.
    fn must_fit(&self, fault: &Fault) -> anyhow::Result<()> {
        for link in links_of(self.plan(), fault) {
            self.wire_plan(link)?;
        }
        let (node, is_kill) = match fault {
            Fault::Kill { node } => (node, true),
            Fault::Freeze { node } | Fault::BgpShutdown { node, .. } => (node, false),
            Fault::Maintenance { node, endpoint, .. } => {
                if let Some(silence) = self.silence(endpoint) {
                    return Err(silence.conflict(endpoint).into());
                }
                (node, false)
            }
            Fault::NodeDeath { node, .. } => return self.must_live(node),
            Fault::Tagged { nodes, .. } => {
                return nodes.iter().try_for_each(|node| self.must_live(node));
            }
            Fault::Silent { .. }
            | Fault::Carrier { .. }
            | Fault::DropNumbered { .. }
            | Fault::Degrade { .. } => return Ok(()),
        };
        match self.silence(node) {
            None => {
                let daemon = self.daemon(node)?;
                let is_asked =
                    matches!(fault, Fault::BgpShutdown { .. } | Fault::Maintenance { .. });
                match silence::stopped(node, &daemon).filter(|_| is_asked) {
                    Some(stopped) => Err(stopped.into()),
                    None => Ok(()),
                }
            }
            // To kill what has ended by itself makes it restorable.
            Some(Silence::Ended) if is_kill => Ok(()),
            Some(silence) => Err(silence.conflict(node).into()),
        }
    }

    fn must_live(&self, node: &NodeName) -> anyhow::Result<()> {
        match self.silence(node) {
            Some(dead @ Silence::Dead { .. }) => Err(dead.conflict(node).into()),
            _ => Ok(()),
        }
    }

    /// Undoes what a fault did before it failed with `error`. Where that fails too the
    /// fault stays under its label, so that it can be restored.
    fn take_back(&self, label: &str, fault: &Fault, error: anyhow::Error) -> anyhow::Error {
        let (what, target) = (fault.name(), fault.target());
        let now = clock::mono_ns();
        let text = match self.undo(label, fault) {
            Ok(_) => format!("{what} of {target} failed, and what it did was undone"),
            Err(undoing) => {
                self.keep(
                    label,
                    fault,
                    Bracket {
                        before: now,
                        after: now,
                    },
                );
                format!(
                    "{what} of {target} failed, and so did undoing it ({undoing:#}); \
                     try that again: backhoe restore {label}"
                )
            }
        };
        let sentence = format!("{text}: {error:#}");
        self.sink().warn("fault-failed", sentence, true);
        error.context(text)
    }

    /// Undoes the fault with this label.
    ///
    /// # Errors
    /// An unknown label, or an operation that failed; the fault is then still in force.
    pub fn restore(&self, label: &str) -> anyhow::Result<Bracket> {
        let applied = lock(&self.applied).faults.get(label).cloned();
        let Some(AppliedFault { fault, .. }) = applied else {
            bail!("no fault named `{label}` is in force");
        };
        let at = self.undo(label, &fault)?;
        let (links, nodes) = hits_of(&fault);
        self.sink().at(
            at.before,
            EventKind::FaultRestored {
                label: label.to_owned(),
                fault: fault.name().to_owned(),
                target: fault.target(),
                links,
                nodes,
                before: at.before,
                after: at.after,
            },
        );
        let mut applied = lock(&self.applied);
        applied.faults.remove(label);
        applied.restored = true;
        Ok(at)
    }

    /// The faults in force, by label.
    pub fn faults(&self) -> BTreeMap<String, AppliedFault> {
        lock(&self.applied).faults.clone()
    }

    /// Whether any fault has been restored yet.
    pub fn has_restored(&self) -> bool {
        lock(&self.applied).restored
    }

    /// Begins anew: what was restored has left no trace.
    pub fn forget_faults(&self) {
        lock(&self.applied).restored = false;
    }

    /// Whether any fault is, or has been, in force, or is just being applied.
    pub fn is_disturbed(&self) -> bool {
        let applied = lock(&self.applied);
        applied.applying > 0 || applied.restored || !applied.faults.is_empty()
    }

    fn perform(&self, fault: &Fault) -> anyhow::Result<Bracket> {
        match fault {
            Fault::Silent { link, from: None } => {
                self.wires()?.silence_many(self.plan().links_of(link))
            }
            Fault::Silent { link, from } => self.wires()?.silence(link, from.as_ref()),
            Fault::Carrier { link, at } => self.darken(self.plan().links_of(link), at.as_ref()),
            Fault::DropNumbered { link, packets } => self.wires()?.drop_numbered(link, *packets),
            Fault::Degrade { link, shape } => self.wires()?.reshape(link, shape),
            Fault::BgpShutdown { session, node } => {
                self.sessions(&self.plan().sessions_of(session.as_str()), node, false)
            }
            Fault::Maintenance { tunnel, node, .. } => self.announce(tunnel, node, true),
            Fault::Kill { node } => self.signal(&self.daemons_of(node)?, Signal::Kill),
            Fault::Freeze { node } => self.signal(&self.daemons_of(node)?, Signal::Freeze),
            Fault::NodeDeath { node, links } => self.die(std::slice::from_ref(node), links),
            Fault::Tagged {
                how, links, nodes, ..
            } => match how {
                How::Carrier => self.darken(links, None),
                How::Node => self.die(nodes, links),
                How::Silent
                | How::OneWay
                | How::BgpShutdown
                | How::Maintenance
                | How::Kill
                | How::Freeze => self.wires()?.silence_many(links),
            },
        }
    }

    /// Ends nodes, all at one instant: SIGKILL alone would let the kernel send FINs, and
    /// a dead node sends nothing.
    fn die(&self, nodes: &[NodeName], links: &[LinkName]) -> anyhow::Result<Bracket> {
        let mut all = Vec::new();
        for node in nodes {
            all.extend(self.daemons_of(node)?);
            all.extend(self.tunnels.processes_of(node));
            for endpoint in self.endpoints_of(node) {
                all.extend(self.daemons_of(endpoint)?);
            }
        }
        let at = self.wires()?.silence_many(links)?;
        self.signal(&all, Signal::Kill)?;
        nodes.iter().try_for_each(|node| self.tunnels.bury(node))?;
        Ok(at)
    }

    /// Undoes a fault, as far as no other in force has the same effect.
    fn undo(&self, label: &str, fault: &Fault) -> anyhow::Result<Bracket> {
        match fault {
            Fault::Silent { link, from } => {
                self.open(label, self.plan().links_of(link), from.as_ref())
            }
            Fault::Carrier { link, at } => {
                self.relight(label, self.plan().links_of(link), at.as_ref())
            }
            Fault::DropNumbered { link, .. } => self.wires()?.drop_numbered(link, 0),
            Fault::Degrade { link, .. } => {
                let shape: [Shape; 2] = self.wire_plan(link)?.shape.clone();
                self.wires()?.reshape(link, &shape)
            }
            Fault::BgpShutdown { session, node } => match self.silence(node) {
                // Nobody remembers it; whoever starts next does not know it.
                Some(Silence::Killed { .. } | Silence::Dead { .. } | Silence::Ended) => {
                    bracketed(|| Ok(()))
                }
                Some(frozen @ Silence::Frozen { .. }) => Err(frozen.conflict(node).into()),
                None => self.sessions(&self.no_longer_shut(label, session, node), node, true),
            },
            Fault::Maintenance {
                tunnel,
                node,
                endpoint,
            } => {
                let at = bracketed(|| self.revive(label, endpoint))?;
                // A gateway that has died meanwhile knows nothing of it any more.
                if self.silence(node).is_none() {
                    self.announce(tunnel, node, false)?;
                }
                Ok(at)
            }
            Fault::Kill { node } => bracketed(|| self.revive(label, node)),
            Fault::Freeze { node } => self.signal(&self.daemons_of(node)?, Signal::Thaw),
            Fault::NodeDeath { node, links } => {
                let at = self.open(label, links, None)?;
                self.revive(label, node)?;
                Ok(at)
            }
            Fault::Tagged {
                how: How::Carrier,
                links,
                ..
            } => self.relight(label, links, None),
            Fault::Tagged { links, nodes, .. } => {
                let at = self.open(label, links, None)?;
                nodes.iter().try_for_each(|node| self.revive(label, node))?;
                Ok(at)
            }
        }
    }

    /// Lets packets pass again, except those that another fault silences.
    fn open(
        &self,
        label: &str,
        links: &[LinkName],
        from: Option<&NodeName>,
    ) -> anyhow::Result<Bracket> {
        let wire = self.wires()?;
        let mut whole = Vec::new();
        let mut halves = Vec::new();
        for link in links {
            let ends = self.wire_plan(link)?.ends.iter().map(|end| &end.node);
            let free: Vec<&NodeName> = ends
                .filter(|end| from.is_none_or(|from| from == *end))
                .filter(|end| !self.is_silenced(label, link, end))
                .collect();
            match free.as_slice() {
                [_, _] => whole.push(link.clone()),
                some => halves.extend(some.iter().map(|end| (link, *end))),
            }
        }
        let mut done = Vec::new();
        if !whole.is_empty() {
            done.push(wire.restore_many(&whole)?);
        }
        for (link, end) in halves {
            done.push(wire.restore(link, Some(end))?);
        }
        match (done.first(), done.last()) {
            (Some(first), Some(last)) => Ok(Bracket {
                before: first.before,
                after: last.after,
            }),
            _ => bracketed(|| Ok(())),
        }
    }

    /// Light that comes back brings no silenced packets.
    fn silence_again(&self, label: &str, links: &[LinkName]) -> anyhow::Result<()> {
        for link in links {
            for end in &self.wire_plan(link)?.ends {
                if self.is_silenced(label, link, &end.node) {
                    self.wires()?.silence(link, Some(&end.node))?;
                }
            }
        }
        Ok(())
    }

    /// Whether a fault other than `label` takes what `from` sends over `link`.
    fn is_silenced(&self, label: &str, link: &LinkName, from: &NodeName) -> bool {
        self.others(label).any(|fault| match fault {
            Fault::Silent {
                link: cut,
                from: sender,
            } => {
                self.plan().links_of(&cut).contains(link)
                    && sender.is_none_or(|sender| sender == *from)
            }
            Fault::NodeDeath { links, .. } => links.contains(link),
            Fault::Tagged { how, links, .. } => how != How::Carrier && links.contains(link),
            Fault::Carrier { .. }
            | Fault::DropNumbered { .. }
            | Fault::Degrade { .. }
            | Fault::BgpShutdown { .. }
            | Fault::Maintenance { .. }
            | Fault::Kill { .. }
            | Fault::Freeze { .. } => false,
        })
    }

    /// Whether a fault other than `label` keeps the light from `end` of `link`.
    fn is_dark(&self, label: &str, link: &LinkName, end: &NodeName) -> bool {
        self.others(label).any(|fault| match fault {
            Fault::Carrier { link: cut, at } => {
                self.plan().links_of(&cut).contains(link) && at.is_none_or(|at| at == *end)
            }
            Fault::Tagged {
                how: How::Carrier,
                links,
                ..
            } => links.contains(link),
            Fault::Silent { .. }
            | Fault::DropNumbered { .. }
            | Fault::BgpShutdown { .. }
            | Fault::Maintenance { .. }
            | Fault::Kill { .. }
            | Fault::Freeze { .. }
            | Fault::NodeDeath { .. }
            | Fault::Degrade { .. }
            | Fault::Tagged { .. } => false,
        })
    }

    /// The faults in force but for the one with this label.
    fn others(&self, label: &str) -> impl Iterator<Item = Fault> {
        let faults = self.faults().into_iter();
        faults
            .filter(move |(other, _)| other != label)
            .map(|(_, applied)| applied.fault)
    }

    /// Starts again what was killed at a node, unless another fault keeps it dead.
    fn revive(&self, label: &str, node: &NodeName) -> anyhow::Result<()> {
        let others: Vec<Fault> = self.others(label).collect();
        let is = |wanted: &Fault| others.contains(wanted);
        if others.iter().any(|other| other.is_death_of(node)) {
            return Ok(());
        }
        self.restart_tunnels(node)?;
        if is(&Fault::Kill { node: node.clone() }) {
            return Ok(());
        }
        self.restart(node)?;
        if is(&Fault::Freeze { node: node.clone() }) {
            self.signal(&self.daemons_of(node)?, Signal::Freeze)?;
        }
        Ok(())
    }

    fn wires(&self) -> anyhow::Result<&Wire> {
        self.wire.as_ref().context("this lab has no wire to cut")
    }

    fn wire_plan(&self, link: &LinkName) -> anyhow::Result<&WirePlan> {
        self.plan()
            .wires
            .iter()
            .find(|wire| wire.link == *link)
            .with_context(|| format!("link {link} does not run through the wire"))
    }

    /// Light is lost when the wire's end goes down; all ends in one batch.
    fn darken(&self, links: &[LinkName], at: Option<&NodeName>) -> anyhow::Result<Bracket> {
        let mut ops = Vec::new();
        for link in links {
            let ends = self.wire_plan(link)?.ends.iter();
            let ends = ends.filter(|end| at.is_none_or(|node| end.node == *node));
            ops.extend(ends.map(|end| Op::SetDown {
                netns: Netns::Wire,
                dev: end.wire_if.clone(),
            }));
        }
        let wire = self.wires()?;
        let mut kernel = self.kernel.lock().unwrap_or_else(PoisonError::into_inner);
        bracketed(|| {
            links.iter().try_for_each(|link| wire.darken(link))?;
            Ok(kernel.apply(&ops)?)
        })
    }

    /// Undoes [`darken`](Self::darken), but where another fault keeps the light away.
    fn relight(
        &self,
        label: &str,
        links: &[LinkName],
        at: Option<&NodeName>,
    ) -> anyhow::Result<Bracket> {
        let mut ops = Vec::new();
        let mut whole = Vec::new();
        for link in links {
            let ends = &self.wire_plan(link)?.ends;
            let lit = ends
                .iter()
                .filter(|end| !self.is_dark(label, link, &end.node));
            let mut count = 0;
            for end in lit {
                count += 1;
                if at.is_none_or(|node| end.node == *node) {
                    ops.push(Op::SetUp {
                        netns: Netns::Wire,
                        dev: end.wire_if.clone(),
                    });
                }
            }
            if count == ends.len() {
                whole.push(link.clone());
            }
        }
        let wire = self.wires()?;
        let done = {
            let mut kernel = self.kernel.lock().unwrap_or_else(PoisonError::into_inner);
            bracketed(|| {
                light(&mut kernel, &ops)?;
                whole.iter().try_for_each(|link| wire.relight(link))
            })?
        };
        self.silence_again(label, &whole)?;
        Ok(done)
    }

    /// Of what a fault has shut down at a node, what no other than `label` keeps down.
    fn no_longer_shut(
        &self,
        label: &str,
        session: &SessionName,
        node: &NodeName,
    ) -> Vec<&SessionPlan> {
        let others: Vec<Fault> = self.others(label).collect();
        let is_kept = |plan: &&SessionPlan| {
            others.iter().any(|other| match other {
                Fault::BgpShutdown {
                    session: shut,
                    node: at,
                } => at == node && self.plan().sessions_of(shut.as_str()).contains(plan),
                Fault::Silent { .. }
                | Fault::Carrier { .. }
                | Fault::DropNumbered { .. }
                | Fault::Degrade { .. }
                | Fault::Maintenance { .. }
                | Fault::Kill { .. }
                | Fault::Freeze { .. }
                | Fault::NodeDeath { .. }
                | Fault::Tagged { .. } => false,
            })
        };
        let mut sessions = self.plan().sessions_of(session.as_str());
        sessions.retain(|plan| !is_kept(plan));
        sessions
    }

    fn sessions(
        &self,
        sessions: &[&SessionPlan],
        node: &NodeName,
        up: bool,
    ) -> anyhow::Result<Bracket> {
        self.asked(node, |daemon| {
            let mut orders: Vec<Order<'_>> = Vec::new();
            for plan in sessions {
                let mut ends = plan.ends.iter();
                let peer = ends
                    .find(|end| end.node != *node)
                    .with_context(|| format!("session {} has no peer", plan.session))?;
                orders.push(daemon.session(&plan.session, peer.address, up)?);
            }
            bracketed(|| orders.into_iter().try_for_each(|order| order()))
        })
    }

    /// The daemon of a node. Nothing stays locked while it is asked.
    pub(super) fn daemon(&self, node: &NodeName) -> anyhow::Result<Arc<Daemon>> {
        lock(&self.daemons).get(node)
    }

    /// The processes of a node's routing daemon, none where none runs. Its tunnels
    /// are not among them: they stand for a kernel's.
    pub(super) fn daemons_of(&self, node: &NodeName) -> anyhow::Result<Vec<PidFd>> {
        let Ok(daemon) = self.daemon(node) else {
            return Ok(Vec::new());
        };
        Ok(daemon
            .processes()
            .into_iter()
            .map(PidFd::try_clone)
            .collect::<std::io::Result<_>>()?)
    }

    pub(super) fn signal(&self, processes: &[PidFd], signal: Signal) -> anyhow::Result<Bracket> {
        bracketed(|| {
            for process in processes {
                match signal {
                    Signal::Kill => process.kill()?,
                    Signal::Freeze => process.stop()?,
                    Signal::Thaw => process.cont()?,
                }
            }
            Ok(())
        })
    }

    /// The namespaces of the IKE daemons of a router's IPsec tunnels.
    fn endpoints_of(&self, node: &NodeName) -> impl Iterator<Item = &NodeName> {
        let nodes = self.plan().nodes.iter();
        nodes
            .filter(move |endpoint| {
                matches!(&endpoint.daemon, DaemonPlan::Charon(plan) if plan.node == *node)
            })
            .map(|endpoint| &endpoint.name)
    }

    /// Starts the tunnel ends of a node that have ended.
    fn restart_tunnels(&self, node: &NodeName) -> anyhow::Result<()> {
        if self.tunnels.restart(node, &self.holders, self.run_dir())? {
            let made = |tunnel: &TunnelPlan| tunnel.by == TunnelBy::Wireguard;
            let tunnels = || self.plan().tunnels.iter().filter(|tunnel| made(tunnel));
            self.tap(|tap| tap.node == *node && tunnels().any(|t| t.tunnel.as_str() == tap.name))?;
        }
        for endpoint in self.endpoints_of(node) {
            if !self.runs(endpoint) {
                self.restart(endpoint)?;
            }
        }
        Ok(())
    }

    /// Starts a node's daemon anew.
    fn restart(&self, node: &NodeName) -> anyhow::Result<()> {
        Daemons::restart(self, node)?;
        let plan = self.plan().node(node.as_str());
        if let Some(DaemonPlan::Charon(charon)) = plan.map(|plan| &plan.daemon) {
            let new =
                |tap: &TapConfig| tap.name == charon.tunnel.as_str() && tap.node == charon.node;
            self.tap(new)?;
        }
        Ok(())
    }
}

/// Gives light back to every end that is there: one that is gone has none to be given back,
/// and keeps the others from theirs no more than the fault from being undone.
fn light(kernel: &mut Linux, ops: &[Op]) -> anyhow::Result<()> {
    if kernel.apply(ops).is_ok() {
        return Ok(());
    }
    let mut refused = None;
    for op in ops {
        match kernel.apply(std::slice::from_ref(op)) {
            Ok(()) => {}
            Err(error) if is_gone(&error.source) => {}
            Err(error) => refused = Some(error),
        }
    }
    refused.map_or(Ok(()), |error| Err(error.into()))
}

#[derive(Clone, Copy)]
pub(super) enum Signal {
    Kill,
    Freeze,
    Thaw,
}

/// The links through the wire that a fault touches.
fn links_of<'f>(plan: &'f Plan, fault: &'f Fault) -> &'f [LinkName] {
    match fault {
        Fault::Silent { link, .. }
        | Fault::Carrier { link, .. }
        | Fault::DropNumbered { link, .. }
        | Fault::Degrade { link, .. } => plan.links_of(link),
        Fault::NodeDeath { links, .. } | Fault::Tagged { links, .. } => links,
        Fault::BgpShutdown { .. }
        | Fault::Maintenance { .. }
        | Fault::Kill { .. }
        | Fault::Freeze { .. } => &[],
    }
}

/// What a tag names, as the journal tells it: of other faults the target says it.
fn hits_of(fault: &Fault) -> (Vec<String>, Vec<String>) {
    let Fault::Tagged { links, nodes, .. } = fault else {
        return (Vec::new(), Vec::new());
    };
    (
        links.iter().map(ToString::to_string).collect(),
        nodes.iter().map(ToString::to_string).collect(),
    )
}

pub(super) fn bracketed(operation: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Bracket> {
    let before = clock::mono_ns();
    operation()?;
    Ok(Bracket {
        before,
        after: clock::mono_ns(),
    })
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
