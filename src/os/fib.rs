//! The kernel's forwarding table as a routing daemon writes it: nexthop objects
//! shared by all routes that use them, acknowledged, in batches.
//!
//! On carrier loss the kernel removes an interface's nexthop objects and every
//! route on them, says nothing about it and never puts them back. Whoever
//! watches interfaces tells [`Fib::forget_interface`], and installs again.

use std::{collections::BTreeMap, io, net::IpAddr};

use ipnet::IpNet;

use super::netlink::{Messages, Refusal, RouteSocket};

mod message;
mod objects;
mod sweep;

pub use message::RT_TABLE_MAIN;
use objects::{Object, Objects};

/// The routes' protocol (RTPROT_BGP).
pub const PROTOCOL_BGP: u8 = 186;
/// The routes' metric: above that of connected and static routes, so that these win.
pub const METRIC: u32 = 20;
/// Requests in one datagram: their answers have to fit the default receive buffer.
const BATCH: usize = 96;

/// One change. Each replaces what stood for the same prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Forward to these gateways over these interfaces (by index); more than one
    /// is equal-cost multipath, none is the same as [`Change::Remove`].
    Install(IpNet, Vec<(IpAddr, u32)>),
    /// Drop what no more specific route takes.
    Blackhole(IpNet),
    /// Take the prefix away; fine if it is gone already.
    Remove(IpNet),
}

impl Change {
    /// The destination concerned.
    pub const fn prefix(&self) -> IpNet {
        match self {
            Self::Install(prefix, _) | Self::Blackhole(prefix) | Self::Remove(prefix) => *prefix,
        }
    }
}

/// Why a change did not happen.
#[derive(Debug, thiserror::Error)]
pub enum FibError {
    /// The kernel refused the route or one of its next hops.
    #[error("the kernel refused {prefix} ({explanation}): {source}")]
    Refused {
        /// The destination.
        prefix: IpNet,
        /// The kernel's own words, if any.
        explanation: String,
        /// The errno.
        source: io::Error,
    },
    /// The socket failed; what became of the change is unknown.
    #[error("the route socket failed: {0}")]
    Socket(#[from] io::Error),
}

/// The routes of one routing daemon in one network namespace.
#[derive(Debug)]
pub struct Fib {
    socket: RouteSocket,
    /// Where its routes go.
    table: u8,
    objects: Objects,
    /// The nexthop object of each route in the kernel; none for a blackhole.
    routes: BTreeMap<IpNet, Option<u32>>,
}

impl Fib {
    /// Opens a table of the calling thread's network namespace and removes what an earlier
    /// daemon of ours left behind.
    ///
    /// # Errors
    /// When no route socket can be had or the tables cannot be read.
    pub fn open(table: u8) -> io::Result<Self> {
        let mut socket = RouteSocket::open(0)?;
        sweep::sweep(&mut socket, table)?;
        Ok(Self {
            socket,
            table,
            objects: Objects::of(table),
            routes: BTreeMap::new(),
        })
    }

    /// Forwards `prefix` to gateways, each with its interface's index.
    ///
    /// # Errors
    /// See [`FibError`]; the route that stood before, if any, still does.
    pub fn install(&mut self, prefix: IpNet, next_hops: &[(IpAddr, u32)]) -> Result<(), FibError> {
        self.apply_one(Change::Install(prefix, next_hops.to_vec()))
    }

    /// Drops packets to `prefix` that no more specific route takes.
    ///
    /// # Errors
    /// See [`FibError`].
    pub fn blackhole(&mut self, prefix: IpNet) -> Result<(), FibError> {
        self.apply_one(Change::Blackhole(prefix))
    }

    /// Takes `prefix` away; fine if it is gone already.
    ///
    /// # Errors
    /// See [`FibError`].
    pub fn remove(&mut self, prefix: IpNet) -> Result<(), FibError> {
        self.apply_one(Change::Remove(prefix))
    }

    /// Makes changes in order, many to a datagram. Answers in the same order; a
    /// refused change does not stop the ones after it, and leaves what stood before.
    ///
    /// # Errors
    /// The outer error is the socket's.
    pub fn apply(&mut self, changes: &[Change]) -> Result<Vec<Result<(), FibError>>, FibError> {
        let mut outcomes = Vec::with_capacity(changes.len());
        for batch in changes.chunks(BATCH) {
            outcomes.extend(self.apply_batch(batch, Stale::Recreate)?);
        }
        Ok(outcomes)
    }

    /// The interface lost its carrier or is gone: its nexthop objects and routes
    /// have vanished from the kernel. Returns the prefixes that were lost.
    pub fn forget_interface(&mut self, ifindex: u32) -> Vec<IpNet> {
        let gone = self.objects.forget_interface(ifindex);
        let lost: Vec<IpNet> = self
            .routes
            .iter()
            .filter(|(_, object)| object.is_some_and(|id| gone.contains(&id)))
            .map(|(prefix, _)| *prefix)
            .collect();
        for prefix in &lost {
            self.routes.remove(prefix);
        }
        lost
    }

    /// How many routes this value has put into the kernel.
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    fn apply_one(&mut self, change: Change) -> Result<(), FibError> {
        self.apply(&[change])?.pop().unwrap_or(Ok(()))
    }

    /// New objects first, then routes, then whatever nobody uses any more.
    fn apply_batch(
        &mut self,
        changes: &[Change],
        stale: Stale,
    ) -> Result<Vec<Result<(), FibError>>, FibError> {
        let mut fresh = Vec::new();
        let targets: Vec<Target> = changes
            .iter()
            .map(|change| self.target(change, &mut fresh))
            .collect();
        let failed = self.create(&fresh)?;

        let table = self.table;
        let mut routes = Messages::default();
        for (change, target) in changes.iter().zip(&targets) {
            match target {
                Target::Object(id) => {
                    message::route(&mut routes, table, &change.prefix(), Some(*id))
                }
                Target::Blackhole => message::route(&mut routes, table, &change.prefix(), None),
                Target::Nothing => message::remove_route(&mut routes, table, &change.prefix()),
            }
        }
        let answers = self.socket.acknowledged(&routes)?;

        let mut outcomes = Vec::with_capacity(changes.len());
        let mut again = Vec::new();
        for (index, (target, answer)) in targets.into_iter().zip(answers).enumerate() {
            let Some((change, later)) = changes.get(index..).and_then(<[Change]>::split_first)
            else {
                break;
            };
            let prefix = change.prefix();
            let outcome = self.commit(prefix, target, answer).map_err(|refusal| {
                let members = target
                    .object()
                    .map_or_else(Vec::new, |id| self.objects.members(id));
                let old = |id: &u32| fresh.iter().all(|(fresh, _)| fresh != id);
                let superseded = later.iter().any(|change| change.prefix() == prefix);
                if refusal.errno == libc::EINVAL && members.iter().any(old) && !superseded {
                    again.push((
                        index,
                        members.iter().copied().filter(old).collect::<Vec<_>>(),
                    ));
                }
                let cause = members.iter().find_map(|member| failed.get(member));
                refused(prefix, cause.unwrap_or(&refusal))
            });
            outcomes.push(outcome);
        }
        for id in failed.keys() {
            self.objects.forget(*id);
        }
        // An object that vanished unheard of is refused as invalid: make it anew, once.
        let again = if stale == Stale::Recreate {
            again
        } else {
            Vec::new()
        };
        for (index, objects) in again {
            for id in objects {
                self.objects.forget(id);
            }
            if let (Some(change), Some(outcome)) = (changes.get(index), outcomes.get_mut(index)) {
                let change = std::slice::from_ref(change);
                *outcome = self
                    .apply_batch(change, Stale::GiveUp)?
                    .pop()
                    .unwrap_or(Ok(()));
            }
        }
        self.delete_unused()?;
        Ok(outcomes)
    }

    /// Finds or books the object a change needs; new ones are added to `fresh` in
    /// the order in which they have to be created.
    fn target(&mut self, change: &Change, fresh: &mut Vec<(u32, Object)>) -> Target {
        let next_hops = match change {
            Change::Install(_, next_hops) if !next_hops.is_empty() => next_hops,
            Change::Blackhole(_) => return Target::Blackhole,
            Change::Install(..) | Change::Remove(_) => return Target::Nothing,
        };
        let mut members: Vec<u32> = next_hops
            .iter()
            .map(|&(gateway, ifindex)| {
                self.objects
                    .find_or_add(Object::Single { gateway, ifindex }, fresh)
            })
            .collect();
        members.sort_unstable();
        members.dedup();
        Target::Object(match *members {
            [only] => only,
            _ => self.objects.find_or_add(Object::Group(members), fresh),
        })
    }

    /// Creates objects in order; returns those the kernel refused.
    fn create(&mut self, fresh: &[(u32, Object)]) -> io::Result<BTreeMap<u32, Refusal>> {
        let mut failed = BTreeMap::new();
        for batch in fresh.chunks(BATCH) {
            let mut requests = Messages::default();
            for (id, object) in batch {
                message::nexthop(&mut requests, *id, object);
            }
            let answers = self.socket.acknowledged(&requests)?;
            for ((id, _), answer) in batch.iter().zip(answers) {
                if let Err(refusal) = answer {
                    failed.insert(*id, refusal);
                }
            }
        }
        Ok(failed)
    }

    /// Books what the kernel did to one route.
    fn commit(
        &mut self,
        prefix: IpNet,
        target: Target,
        answer: Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let absent = |errno| matches!(errno, libc::ESRCH | libc::ENOENT | libc::ENODEV);
        match answer {
            Err(refusal) if target != Target::Nothing || !absent(refusal.errno) => {
                return Err(refusal);
            }
            Ok(()) | Err(_) => {}
        }
        let before = match target {
            Target::Object(id) => {
                self.objects.hold(id);
                self.routes.insert(prefix, Some(id))
            }
            Target::Blackhole => self.routes.insert(prefix, None),
            Target::Nothing => self.routes.remove(&prefix),
        };
        if let Some(Some(id)) = before {
            self.objects.let_go(id);
        }
        Ok(())
    }

    fn delete_unused(&mut self) -> io::Result<()> {
        let unused = self.objects.take_unused();
        for batch in unused.chunks(BATCH) {
            let mut requests = Messages::default();
            for id in batch {
                message::remove_nexthop(&mut requests, *id);
            }
            for (id, answer) in batch.iter().zip(self.socket.acknowledged(&requests)?) {
                if let Err(Refusal { errno, text }) = answer
                    && errno != libc::ENOENT
                {
                    tracing::warn!(id, errno, text, "the kernel keeps an unused nexthop object");
                }
            }
        }
        Ok(())
    }
}

/// What a route is to lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Object(u32),
    Blackhole,
    Nothing,
}

impl Target {
    fn object(self) -> Option<u32> {
        match self {
            Self::Object(id) => Some(id),
            Self::Blackhole | Self::Nothing => None,
        }
    }
}

/// What to do about a route refused although its object should exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stale {
    Recreate,
    GiveUp,
}

fn refused(prefix: IpNet, refusal: &Refusal) -> FibError {
    FibError::Refused {
        prefix,
        explanation: refusal.text.clone(),
        source: io::Error::from_raw_os_error(refusal.errno),
    }
}
