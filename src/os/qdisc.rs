//! Traffic control of one namespace, as a wire needs it: netem for delay, jitter
//! and loss, a token bucket for the rate, and matchall filters that hand what
//! enters one interface to another, or drop it (tc(8), tc-netem(8)).

mod distribution;
mod message;
mod statistics;
#[cfg(test)]
mod tests;

use std::{fmt, io};

use crate::{
    os::netns::NetnsFd,
    units::{Distribution, Span},
};

use super::netlink::RouteSocket;

pub use statistics::{LinkStatistics, Statistics};

/// One change of traffic control; interfaces go by their index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QdiscOp {
    /// A place for filters at the interface's entrance.
    AddEntrance {
        /// The interface.
        dev: u32,
    },
    /// Delay, jitter and loss for everything that leaves the interface.
    AddNetem {
        /// The interface.
        dev: u32,
        /// What it does.
        netem: Netem,
    },
    /// The same, changed: what is on its way arrives as it would have.
    ChangeNetem {
        /// The interface.
        dev: u32,
        /// What it does from now on.
        netem: Netem,
    },
    /// A rate with a queue, behind the netem, which must be there.
    AddRate {
        /// The interface.
        dev: u32,
        /// Rate and queue.
        bucket: Bucket,
    },
    /// The same, changed: what is queued stays queued.
    ChangeRate {
        /// The interface.
        dev: u32,
        /// Rate and queue from now on.
        bucket: Bucket,
    },
    /// What enters `dev` leaves by `to`.
    AddRedirect {
        /// Where frames enter.
        dev: u32,
        /// Where they leave.
        to: u32,
    },
    /// What enters `dev` vanishes, before any redirection.
    AddDrop {
        /// Where frames enter.
        dev: u32,
    },
    /// Undoes [`Self::AddDrop`].
    RemoveDrop {
        /// Where frames enter.
        dev: u32,
    },
}

impl fmt::Display for QdiscOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddEntrance { dev } => write!(f, "clsact on interface {dev}"),
            Self::AddNetem { dev, .. } => write!(f, "netem on interface {dev}"),
            Self::ChangeNetem { dev, .. } => write!(f, "change of netem on interface {dev}"),
            Self::AddRate { dev, .. } => write!(f, "tbf on interface {dev}"),
            Self::ChangeRate { dev, .. } => write!(f, "change of tbf on interface {dev}"),
            Self::AddRedirect { dev, to } => write!(f, "redirection from interface {dev} to {to}"),
            Self::AddDrop { dev } => write!(f, "drop at interface {dev}"),
            Self::RemoveDrop { dev } => write!(f, "end of the drop at interface {dev}"),
        }
    }
}

/// What netem does. Packets keep their order whatever the jitter, but for
/// those that `reorder` chooses. Shares are in the kernel's unit: `u32::MAX` is
/// all packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Netem {
    /// One-way delay.
    pub delay: Span,
    /// Variation around the delay.
    pub jitter: Span,
    /// How it lies around the delay.
    pub distribution: Distribution,
    /// What is lost.
    pub loss: NetemLoss,
    /// Share of packets that go twice.
    pub duplicate: u32,
    /// Share of packets of which one bit is turned over.
    pub corrupt: u32,
    /// Share of packets that take no delay and overtake.
    pub reorder: u32,
    /// Packets on their way at most; beyond it they are dropped.
    pub limit: u32,
    /// Seed of everything random; kernels before 6.6 ignore it.
    pub seed: u64,
}

/// What netem loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetemLoss {
    /// Each packet by itself: this share.
    Random(u32),
    /// In bursts: after a packet that got through one begins with probability
    /// `begin`, and after each lost one it ends with probability `end`.
    Gilbert {
        /// From good to bad.
        begin: u32,
        /// From bad to good.
        end: u32,
    },
}

impl Default for NetemLoss {
    fn default() -> Self {
        Self::Random(0)
    }
}

/// A token bucket with a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// Bytes a second.
    pub bytes_per_second: u64,
    /// Bytes that may go at once; at least one frame.
    pub burst: u32,
    /// Bytes that may wait.
    pub queue: u32,
}

/// A change that the kernel refused. What came before it has been done.
#[derive(Debug, thiserror::Error)]
#[error("{op}: {source}")]
pub struct QdiscError {
    /// What was asked.
    pub op: String,
    /// What the kernel said, in its own words where it had some.
    pub source: io::Error,
}

/// Traffic control of one namespace.
#[derive(Debug)]
pub struct Qdiscs {
    socket: RouteSocket,
}

impl Qdiscs {
    /// Opens in `netns`.
    pub fn open(netns: &NetnsFd) -> io::Result<Self> {
        netns.run(Self::open_here)
    }

    /// Opens in the calling thread's namespace.
    pub fn open_here() -> io::Result<Self> {
        Ok(Self {
            socket: RouteSocket::open(0)?,
        })
    }

    /// Applies all of `ops` in order with one system call; the kernel has done
    /// them when it returns.
    ///
    /// # Errors
    /// The first change that was refused. Later ones have been tried all the same.
    pub fn apply(&mut self, ops: &[QdiscOp]) -> Result<(), QdiscError> {
        let requests = message::requests(ops);
        let refused = |n: usize, source| QdiscError {
            op: ops.get(n).map(ToString::to_string).unwrap_or_default(),
            source,
        };
        let answers = self
            .socket
            .acknowledged(&requests)
            .map_err(|source| refused(0, source))?;
        for (n, answer) in answers.into_iter().enumerate() {
            if let Err(refusal) = answer {
                let source = io::Error::from_raw_os_error(refusal.errno);
                let source = if refusal.text.is_empty() {
                    source
                } else {
                    io::Error::new(source.kind(), format!("{} ({source})", refusal.text))
                };
                return Err(refused(n, source));
            }
        }
        Ok(())
    }

    /// What every interface and its queues have counted since they were made.
    pub fn statistics(&mut self) -> io::Result<Statistics> {
        statistics::read(&mut self.socket)
    }

    /// Tries everything a wire needs on `lo`, and takes it away again.
    ///
    /// # Errors
    /// What the kernel lacks.
    pub fn try_all(&mut self) -> Result<(), QdiscError> {
        const LO: u32 = 1;
        let netem = Netem {
            delay: Span::from_millis(1),
            limit: 1,
            ..Netem::default()
        };
        let bucket = Bucket {
            bytes_per_second: 1_000_000,
            burst: 65_536,
            queue: 65_536,
        };
        let tried = self.apply(&[
            QdiscOp::AddEntrance { dev: LO },
            QdiscOp::AddNetem { dev: LO, netem },
            QdiscOp::AddRate { dev: LO, bucket },
            QdiscOp::AddRedirect { dev: LO, to: LO },
            QdiscOp::AddDrop { dev: LO },
            QdiscOp::RemoveDrop { dev: LO },
        ]);
        // What was not made cannot be removed; both answers are expected.
        let _ = self.socket.acknowledged(&message::removals(LO));
        tried
    }
}
