//! Faults and their undoing: single operations between two readings of the clock.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context, bail};

use super::{Live, daemons::Daemon};
use crate::{
    engine::wire::{Bracket, TapConfig, Wire},
    lab::{
        op::{Netns, Op},
        plan::{DaemonPlan, FaultPlan, ShapePlan, TunnelBy, TunnelPlan, WirePlan},
    },
    os::{clock, kernel::Kernel, process::PidFd},
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
    pub fault: FaultPlan,
    /// When it was applied.
    pub at: Bracket,
}

impl Live {
    /// Applies a fault under a label by which it can be restored.
    ///
    /// # Errors
    /// A label in use, or an operation that failed.
    pub fn apply(&self, label: &str, fault: &FaultPlan) -> anyhow::Result<Bracket> {
        if lock(&self.applied).faults.contains_key(label) {
            bail!("a fault named `{label}` is already in force; restore it first");
        }
        lock(&self.applied).applying += 1;
        let performed = self.perform(fault);
        if performed.is_err() {
            lock(&self.applied).applying -= 1;
        }
        let at = performed?;
        self.sink().at(
            at.before,
            EventKind::FaultApplied {
                label: label.to_owned(),
                fault: fault.name().to_owned(),
                target: fault.target().to_owned(),
                before: at.before,
                after: at.after,
            },
        );
        let mut applied = lock(&self.applied);
        applied.applying -= 1;
        // A numbered drop ends by itself: there is nothing to restore.
        if !matches!(fault, FaultPlan::DropNumbered { .. }) {
            let fault = fault.clone();
            let fault = AppliedFault { fault, at };
            applied.faults.insert(label.to_owned(), fault);
        }
        Ok(at)
    }

    /// Undoes the fault with this label.
    ///
    /// # Errors
    /// An unknown label, or an operation that failed.
    pub fn restore(&self, label: &str) -> anyhow::Result<Bracket> {
        let applied = lock(&self.applied).faults.get(label).cloned();
        let Some(AppliedFault { fault, .. }) = applied else {
            bail!("no fault named `{label}` is in force");
        };
        let at = self.undo(&fault)?;
        self.sink().at(
            at.before,
            EventKind::FaultRestored {
                label: label.to_owned(),
                fault: fault.name().to_owned(),
                target: fault.target().to_owned(),
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

    /// Whether any fault is, or has been, in force, or is just being applied.
    pub fn is_disturbed(&self) -> bool {
        let applied = lock(&self.applied);
        applied.applying > 0 || applied.restored || !applied.faults.is_empty()
    }

    fn perform(&self, fault: &FaultPlan) -> anyhow::Result<Bracket> {
        match fault {
            FaultPlan::Silent { link, from } => match self.members(link) {
                Some(links) => self.wires()?.silence_many(links),
                None => self.wires()?.silence(link, from.as_ref()),
            },
            FaultPlan::Carrier { link, at } => self.carrier(link, at.as_ref(), false),
            FaultPlan::DropNumbered { link, packets } => {
                self.wires()?.drop_numbered(link, *packets)
            }
            FaultPlan::Degrade { link, shape } => self.wires()?.reshape(link, shape),
            FaultPlan::BgpShutdown { session, node } => self.session(session, node, false),
            FaultPlan::Kill { node } => self.signal(&self.daemons_of(node)?, Signal::Kill),
            FaultPlan::Freeze { node } => self.signal(&self.daemons_of(node)?, Signal::Freeze),
            FaultPlan::NodeDeath { node, links } => {
                // SIGKILL alone would let the kernel send FINs; a dead node sends nothing.
                let mut all = self.daemons_of(node).unwrap_or_default();
                all.extend(self.tunnels.processes_of(node));
                for endpoint in self.endpoints_of(node) {
                    all.extend(self.daemons_of(endpoint)?);
                }
                let at = self.wires()?.silence_many(links)?;
                self.signal(&all, Signal::Kill)?;
                self.tunnels.bury(node)?;
                Ok(at)
            }
        }
    }

    fn undo(&self, fault: &FaultPlan) -> anyhow::Result<Bracket> {
        match fault {
            FaultPlan::Silent { link, from } => match self.members(link) {
                Some(links) => self.wires()?.restore_many(links),
                None => self.wires()?.restore(link, from.as_ref()),
            },
            FaultPlan::Carrier { link, at } => self.carrier(link, at.as_ref(), true),
            FaultPlan::DropNumbered { link, .. } => self.wires()?.drop_numbered(link, 0),
            FaultPlan::Degrade { link, .. } => {
                let shape: [ShapePlan; 2] = self.wire_plan(link)?.shape.clone();
                self.wires()?.reshape(link, &shape)
            }
            FaultPlan::BgpShutdown { session, node } => self.session(session, node, true),
            FaultPlan::Kill { node } => bracketed(|| self.restart(node)),
            FaultPlan::Freeze { node } => self.signal(&self.daemons_of(node)?, Signal::Thaw),
            FaultPlan::NodeDeath { node, links } => {
                let at = self.wires()?.restore_many(links)?;
                self.restart(node)?;
                Ok(at)
            }
        }
    }

    /// The links of a LAG.
    fn members(&self, name: &LinkName) -> Option<&[LinkName]> {
        let lag = self.plan().lags.iter().find(|lag| lag.lag == *name)?;
        Some(&lag.links)
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
    fn carrier(&self, link: &LinkName, at: Option<&NodeName>, up: bool) -> anyhow::Result<Bracket> {
        let links = self.plan().links_of(link);
        let plans = links.iter().map(|link| self.wire_plan(link));
        let plans = plans.collect::<anyhow::Result<Vec<_>>>()?;
        let ops: Vec<Op> = plans
            .iter()
            .flat_map(|plan| &plan.ends)
            .filter(|end| at.is_none_or(|node| end.node == *node))
            .map(|end| {
                let (netns, dev) = (Netns::Wire, end.wire_if.clone());
                if up {
                    Op::SetUp { netns, dev }
                } else {
                    Op::SetDown { netns, dev }
                }
            })
            .collect();
        let wire = self.wires()?;
        let mut kernel = self.kernel.lock().unwrap_or_else(PoisonError::into_inner);
        bracketed(|| {
            if up {
                kernel.apply(&ops)?;
                links.iter().try_for_each(|link| wire.relight(link))
            } else {
                links.iter().try_for_each(|link| wire.darken(link))?;
                Ok(kernel.apply(&ops)?)
            }
        })
    }

    fn session(&self, session: &SessionName, node: &NodeName, up: bool) -> anyhow::Result<Bracket> {
        let peer = self
            .plan()
            .sessions
            .iter()
            .find(|plan| plan.session == *session)
            .and_then(|plan| plan.ends.iter().find(|end| end.node != *node))
            .with_context(|| format!("no session {session}"))?;
        let daemon = self.daemon(node)?;
        bracketed(daemon.session(session, peer.address, up)?)
    }

    /// The daemon of a node. Nothing stays locked while it is asked.
    pub(super) fn daemon(&self, node: &NodeName) -> anyhow::Result<Arc<Daemon>> {
        lock(&self.daemons).get(node)
    }

    /// The processes of a node's routing daemon. Its tunnels are not among them:
    /// they stand for a kernel's.
    fn daemons_of(&self, node: &NodeName) -> anyhow::Result<Vec<PidFd>> {
        let daemon = self.daemon(node)?;
        Ok(daemon
            .processes()
            .into_iter()
            .map(PidFd::try_clone)
            .collect::<std::io::Result<_>>()?)
    }

    fn signal(&self, processes: &[PidFd], signal: Signal) -> anyhow::Result<Bracket> {
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

    fn restart(&self, node: &NodeName) -> anyhow::Result<()> {
        if self.tunnels.restart(node, &self.holders, self.run_dir())? {
            let made = |tunnel: &TunnelPlan| tunnel.by == TunnelBy::Wireguard;
            let tunnels = || self.plan().tunnels.iter().filter(|tunnel| made(tunnel));
            self.tap(|tap| tap.node == *node && tunnels().any(|t| t.tunnel.as_str() == tap.name))?;
        }
        for endpoint in self.endpoints_of(node) {
            let ended = |process: &PidFd| process.ended_within(std::time::Duration::ZERO);
            if self
                .daemons_of(endpoint)?
                .iter()
                .any(|p| ended(p).unwrap_or(true))
            {
                self.restart(endpoint)?;
            }
        }
        lock(&self.daemons).restart(self, node)?;
        let daemon = self.plan().nodes.iter().find(|plan| plan.name == *node);
        if let Some(DaemonPlan::Charon(charon)) = daemon.map(|plan| &plan.daemon) {
            let new =
                |tap: &TapConfig| tap.name == charon.tunnel.as_str() && tap.node == charon.node;
            self.tap(new)?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Signal {
    Kill,
    Freeze,
    Thaw,
}

fn bracketed(operation: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<Bracket> {
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
