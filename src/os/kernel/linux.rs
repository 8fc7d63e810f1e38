//! The kernel this process runs on.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use netns_rs::{Env, NetNs};
use nix::net::if_::if_nametoindex;

use super::{
    OpError,
    message::{self, Bonding, Message},
    socket::RouteSocket,
    sysctl,
};
use crate::{
    lab::op::{Netns, Op},
    os::{
        netns::NetnsFd,
        nftables::{self, Clamp},
    },
    units::{Bytes, IfName},
};

const LOOPBACK: u32 = 1;

/// Applies operations over netlink. Holds one open socket for every namespace, so
/// that a single operation later is one system call each way.
///
/// Its operations briefly move the calling thread into the namespaces they touch.
pub struct Linux {
    directory: PathBuf,
    home: NetnsFd,
    hub: RouteSocket,
    spaces: BTreeMap<Netns, Space>,
}

struct Space {
    fd: NetnsFd,
    socket: RouteSocket,
    links: BTreeMap<IfName, u32>,
}

#[derive(PartialEq, Eq)]
enum Stage {
    Namespaces,
    Veths,
    Inside,
}

impl std::fmt::Debug for Linux {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Linux")
            .field("directory", &self.directory)
            .field("spaces", &self.spaces.keys())
            .finish_non_exhaustive()
    }
}

impl Linux {
    /// A kernel without namespaces yet. Those that come will be named in
    /// `directory` (`/run/netns` of the lab's own mount namespace), where
    /// `ip netns` looks for them.
    pub fn new(directory: impl Into<PathBuf>) -> io::Result<Self> {
        Ok(Self {
            directory: directory.into(),
            home: NetnsFd::current()?,
            hub: RouteSocket::open()?,
            spaces: BTreeMap::new(),
        })
    }

    /// Applies `ops`. Operations in different namespaces may be regrouped between
    /// two creations of namespaces or links; within a namespace the order is kept.
    ///
    /// # Errors
    /// The first operation that was refused, with the kernel's own words. What
    /// came before it has been done, and some of what came after it may have been.
    pub fn apply(&mut self, ops: &[Op]) -> Result<(), OpError> {
        for run in ops.chunk_by(|a, b| stage(a) == stage(b)) {
            match run.first().map(stage) {
                Some(Stage::Namespaces) => {
                    for op in run {
                        self.add_netns(op.netns())
                            .map_err(|source| OpError::new(op, source))?;
                    }
                }
                Some(Stage::Veths) => self.add_veths(run)?,
                Some(Stage::Inside) => self.inside(run)?,
                None => {}
            }
        }
        Ok(())
    }

    /// Takes charge of a namespace that somebody else has made.
    pub fn adopt(&mut self, netns: Netns, fd: NetnsFd) -> io::Result<()> {
        let socket = fd.visit(&self.home, RouteSocket::open)?;
        let space = Space {
            fd,
            socket,
            links: BTreeMap::new(),
        };
        self.spaces.insert(netns, space);
        Ok(())
    }

    /// A namespace made earlier.
    pub fn netns(&self, netns: &Netns) -> Option<&NetnsFd> {
        self.spaces.get(netns).map(|space| &space.fd)
    }

    fn add_netns(&mut self, netns: &Netns) -> io::Result<()> {
        let name = match netns {
            Netns::Node(node) => node.as_str(),
            // No node is called so: names begin with a letter or digit.
            Netns::Wire => "_wire",
        };
        let made = NetNs::new_with_env(name, Directory(&self.directory)).map_err(other)?;
        self.adopt(netns.clone(), NetnsFd::open(made.path())?)
    }

    fn add_veths(&mut self, ops: &[Op]) -> Result<(), OpError> {
        let mut messages = Vec::with_capacity(ops.len());
        for op in ops {
            if let Op::AddVeth { a, b, mtu } = op {
                let (Some(in_a), Some(in_b)) =
                    (self.spaces.get(&a.netns), self.spaces.get(&b.netns))
                else {
                    return Err(OpError::new(op, unknown()));
                };
                messages.push(message::add_veth((a, &in_a.fd), (b, &in_b.fd), bytes(*mtu)));
                for end in [a, b] {
                    if let Some(space) = self.spaces.get_mut(&end.netns) {
                        space.links.insert(end.name.clone(), end.index);
                    }
                }
            }
        }
        self.hub
            .request(messages)
            .map_err(|refused| blame(ops.iter(), refused.index, refused.source))
    }

    fn inside(&mut self, ops: &[Op]) -> Result<(), OpError> {
        let mut by_space: BTreeMap<&Netns, Vec<&Op>> = BTreeMap::new();
        for op in ops {
            by_space.entry(op.netns()).or_default().push(op);
        }
        for (netns, ops) in by_space {
            let Some(space) = self.spaces.get_mut(netns) else {
                return ops
                    .first()
                    .map_or(Ok(()), |op| Err(OpError::new(op, unknown())));
            };
            for run in ops.chunk_by(|a, b| means(a) == means(b)) {
                match run.first().map(|op| means(op)) {
                    Some(Means::Proc) => space.sysctls(&self.home, run)?,
                    Some(Means::Nftables) => space.filters(&self.home, run)?,
                    Some(Means::Route) => space.requests(&self.home, run)?,
                    None => {}
                }
            }
        }
        Ok(())
    }
}

impl Space {
    fn sysctls(&self, home: &NetnsFd, ops: &[&Op]) -> Result<(), OpError> {
        let mut refused = None;
        self.fd
            .visit(home, || {
                for op in ops {
                    if let Op::Sysctl { key, value, .. } = op
                        && let Err(source) = sysctl::write(key, value)
                    {
                        refused = Some(OpError::new(op, source));
                        break;
                    }
                }
                Ok(())
            })
            .map_err(|source| blame(ops.iter().copied(), 0, source))?;
        refused.map_or(Ok(()), Err)
    }

    fn filters(&self, home: &NetnsFd, ops: &[&Op]) -> Result<(), OpError> {
        for op in ops {
            if let Op::ClampMss { dev, ipv6, mss, .. } = op {
                let clamp = Clamp {
                    dev: dev.as_str(),
                    ipv6: *ipv6,
                    mss: *mss,
                };
                self.fd
                    .visit(home, || nftables::clamp_here(&clamp))
                    .map_err(|source| OpError::new(op, source))?;
            }
            if let Op::CapTunnel { dev, cap, .. } = op {
                self.fd
                    .visit(home, || nftables::cap_here(dev, *cap))
                    .map_err(|source| OpError::new(op, source))?;
            }
        }
        Ok(())
    }

    fn requests(&mut self, home: &NetnsFd, ops: &[&Op]) -> Result<(), OpError> {
        let mut messages = Vec::with_capacity(ops.len());
        for op in ops {
            messages.push(
                self.encode(home, op)
                    .map_err(|source| OpError::new(op, source))?,
            );
        }
        self.socket
            .request(messages)
            .map_err(|refused| blame(ops.iter().copied(), refused.index, refused.source))
    }

    fn encode(&mut self, home: &NetnsFd, op: &Op) -> io::Result<Message> {
        Ok(match op {
            Op::AddBridge { name, index, .. } => {
                self.links.insert(name.clone(), *index);
                message::add_bridge(name.as_str(), *index)
            }
            Op::AddVlan {
                name,
                index,
                parent,
                id,
                mtu,
                ..
            } => {
                let parent = self.index(home, parent)?;
                self.links.insert(name.clone(), *index);
                message::add_vlan((name.as_str(), *index), parent, *id, bytes(*mtu))
            }
            Op::AddBond {
                name,
                index,
                mtu,
                lacp,
                min_links,
                hash,
                ..
            } => {
                self.links.insert(name.clone(), *index);
                let how = Bonding {
                    lacp: *lacp,
                    min_links: *min_links,
                    hash: *hash,
                };
                message::add_bond((name.as_str(), *index), bytes(*mtu), how)
            }
            Op::AddVrf {
                name, index, table, ..
            } => {
                self.links.insert(name.clone(), *index);
                message::add_vrf((name.as_str(), *index), *table)
            }
            Op::SetMaster { dev, master, .. } => {
                message::set_master(self.index(home, dev)?, self.index(home, master)?)
            }
            Op::AddAddress { dev, address, .. } => {
                message::add_address(self.index(home, dev)?, *address)
            }
            Op::SetUp { dev, .. } => message::set_up(self.index(home, dev)?),
            Op::SetDown { dev, .. } => message::set_down(self.index(home, dev)?),
            Op::AddRoute {
                prefix, to, table, ..
            } => message::add_route(*prefix, to, *table)?,
            Op::AddRule { dev, inbound, .. } => message::add_rule(dev.as_str(), *inbound),
            Op::AddNetns { .. }
            | Op::AddVeth { .. }
            | Op::Sysctl { .. }
            | Op::ClampMss { .. }
            | Op::CapTunnel { .. } => {
                return Err(io::Error::other("not a request to the route socket"));
            }
        })
    }

    /// Interfaces somebody else made (a tunnel's) are looked up and remembered.
    fn index(&mut self, home: &NetnsFd, dev: &IfName) -> io::Result<u32> {
        if dev.as_str() == "lo" {
            return Ok(LOOPBACK);
        }
        if let Some(&index) = self.links.get(dev) {
            return Ok(index);
        }
        let index = self.fd.visit(home, || Ok(if_nametoindex(dev.as_str())?))?;
        self.links.insert(dev.clone(), index);
        Ok(index)
    }
}

struct Directory<'a>(&'a Path);

impl Env for Directory<'_> {
    fn persist_dir(&self) -> PathBuf {
        self.0.to_owned()
    }
}

fn stage(op: &Op) -> Stage {
    match op {
        Op::AddNetns { .. } => Stage::Namespaces,
        Op::AddVeth { .. } => Stage::Veths,
        Op::Sysctl { .. }
        | Op::AddBridge { .. }
        | Op::AddVlan { .. }
        | Op::AddBond { .. }
        | Op::AddVrf { .. }
        | Op::SetMaster { .. }
        | Op::AddAddress { .. }
        | Op::SetUp { .. }
        | Op::SetDown { .. }
        | Op::ClampMss { .. }
        | Op::CapTunnel { .. }
        | Op::AddRule { .. }
        | Op::AddRoute { .. } => Stage::Inside,
    }
}

fn bytes(mtu: Bytes) -> u32 {
    u32::try_from(mtu.get()).unwrap_or(u32::MAX)
}

/// By what an operation inside a namespace is done.
#[derive(PartialEq, Eq)]
enum Means {
    Proc,
    Nftables,
    Route,
}

fn means(op: &Op) -> Means {
    match op {
        Op::Sysctl { .. } => Means::Proc,
        Op::ClampMss { .. } | Op::CapTunnel { .. } => Means::Nftables,
        Op::AddNetns { .. }
        | Op::AddVeth { .. }
        | Op::AddBridge { .. }
        | Op::AddVlan { .. }
        | Op::AddBond { .. }
        | Op::AddVrf { .. }
        | Op::SetMaster { .. }
        | Op::AddAddress { .. }
        | Op::SetUp { .. }
        | Op::SetDown { .. }
        | Op::AddRule { .. }
        | Op::AddRoute { .. } => Means::Route,
    }
}

fn blame<'a>(ops: impl ExactSizeIterator<Item = &'a Op>, at: usize, source: io::Error) -> OpError {
    let last = ops.len().saturating_sub(1);
    let mut ops = ops;
    match ops.nth(at.min(last)) {
        Some(op) => OpError::new(op, source),
        // Only reached with no operation at all, which sends nothing.
        None => OpError::new(&Op::AddNetns { netns: Netns::Wire }, source),
    }
}

fn unknown() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        "the namespace has not been created",
    )
}

fn other(error: netns_rs::Error) -> io::Error {
    io::Error::other(error)
}
