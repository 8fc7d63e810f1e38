//! Which backend, and the contract of both.

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use crate::{
    engine::{
        capture::Recorder,
        relay::{self, Relay},
        sink::EventSink,
    },
    lab::model::Shape,
    os::{netns::NetnsFd, qdisc::Qdiscs},
    results::event::{MonoNs, WireFlowLog},
    units::{LinkName, NodeName},
};

use super::{Bracket, KernelWire, Lateness, LinkCounters, TapConfig, WireConfig, kernel};

/// Which backend carries a lab's links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WireChoice {
    /// The kernel where it can, else the relay.
    #[default]
    Auto,
    /// The relay.
    Relay,
    /// The kernel; an error where it cannot.
    Kernel,
}

impl WireChoice {
    /// As it is asked for on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Relay => "relay",
            Self::Kernel => "kernel",
        }
    }
}

/// The running backend. Dropping it ends what it does to the links.
#[derive(Debug)]
pub enum Wire {
    /// In user space.
    Relay(Relay),
    /// In the kernel.
    Kernel(KernelWire),
}

/// Starts a backend on every wire's ends, which must exist in `wire_ns`; they
/// may still be down. `numbered` says that exact numbers of packets will have to
/// be dropped, which only the relay can.
///
/// # Errors
/// The kernel was asked for and lacks something, or the backend could not be started.
pub fn start(
    config: WireConfig,
    wire_ns: &NetnsFd,
    (choice, numbered): (WireChoice, bool),
    sink: EventSink,
) -> anyhow::Result<Wire> {
    let in_kernel = match choice {
        WireChoice::Relay => false,
        WireChoice::Kernel if numbered => bail!(
            "the kernel's wire cannot drop a number of packets of each flow, which the scenario asks for; use the relay"
        ),
        WireChoice::Kernel => {
            let mut qdiscs = Qdiscs::open(wire_ns).context("traffic control")?;
            qdiscs
                .try_all()
                .context("this kernel cannot carry the wire (see: backhoe doctor)")?;
            true
        }
        WireChoice::Auto => {
            !numbered && Qdiscs::open(wire_ns).is_ok_and(|mut qdiscs| qdiscs.try_all().is_ok())
        }
    };
    if in_kernel {
        let wire = kernel::spawn(config, wire_ns, sink).context("starting the kernel's wire")?;
        Ok(Wire::Kernel(wire))
    } else {
        let relay = relay::spawn(config, wire_ns, sink).context("starting the relay")?;
        Ok(Wire::Relay(relay))
    }
}

impl Wire {
    /// `relay` or `netem`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Relay(_) => "relay",
            Self::Kernel(_) => "netem",
        }
    }

    /// Packets sent on the link vanish from now on, both ways or only those
    /// from the node `from`. What has left arrives.
    ///
    /// # Errors
    /// The link is not wired, `from` is not one of its ends, or the backend failed.
    pub fn silence(&self, link: &LinkName, from: Option<&NodeName>) -> anyhow::Result<Bracket> {
        match self {
            Self::Relay(relay) => relay.silence(link, from),
            Self::Kernel(wire) => wire.silence(link, from),
        }
    }

    /// Undoes [`silence`](Self::silence), both ways or for one sender.
    ///
    /// # Errors
    /// As there.
    pub fn restore(&self, link: &LinkName, from: Option<&NodeName>) -> anyhow::Result<Bracket> {
        match self {
            Self::Relay(relay) => relay.restore(link, from),
            Self::Kernel(wire) => wire.restore(link, from),
        }
    }

    /// Packets sent on the link within this time vanish, both ways, by the relay's own clock.
    ///
    /// # Errors
    /// As [`silence`](Self::silence); and always in the kernel, where a cut is an operation
    /// that takes time.
    pub fn silence_between(&self, link: &LinkName, time: [MonoNs; 2]) -> anyhow::Result<()> {
        match self {
            Self::Relay(relay) => relay.silence_between(link, time),
            Self::Kernel(_) => bail!("link {link} is carried by the kernel, which times no cut"),
        }
    }

    /// Silences several links both ways with one operation.
    ///
    /// # Errors
    /// As [`silence`](Self::silence).
    pub fn silence_many(&self, links: &[LinkName]) -> anyhow::Result<Bracket> {
        match self {
            Self::Relay(relay) => relay.silence_many(links),
            Self::Kernel(wire) => wire.silence_many(links),
        }
    }

    /// Restores several links both ways with one operation.
    ///
    /// # Errors
    /// As [`silence`](Self::silence).
    pub fn restore_many(&self, links: &[LinkName]) -> anyhow::Result<Bracket> {
        match self {
            Self::Relay(relay) => relay.restore_many(links),
            Self::Kernel(wire) => wire.restore_many(links),
        }
    }

    /// Drops exactly the next `packets` probes of each flow in each direction.
    ///
    /// # Errors
    /// As [`silence`](Self::silence); and always in the kernel, which does not
    /// know one flow from another.
    pub fn drop_numbered(&self, link: &LinkName, packets: u32) -> anyhow::Result<Bracket> {
        match self {
            Self::Relay(relay) => relay.drop_numbered(link, packets),
            Self::Kernel(_) => bail!(
                "link {link} is carried by the kernel, which cannot drop a number of packets of each flow; bring the lab up with `--wire relay`"
            ),
        }
    }

    /// Changes what the link does to packets: from its first declared end to
    /// the second, and back. Also undoes itself, given the old shape.
    ///
    /// # Errors
    /// As [`silence`](Self::silence).
    pub fn reshape(&self, link: &LinkName, shapes: &[Shape; 2]) -> anyhow::Result<Bracket> {
        match self {
            Self::Relay(relay) => relay.reshape(link, shapes),
            Self::Kernel(wire) => wire.reshape(link, shapes),
        }
    }

    /// Prepares the loss of light at an end of the link: nothing more enters it.
    /// What is on its way the relay hands over at once; the kernel delivers as
    /// long as the light lasts, and loses the rest.
    ///
    /// # Errors
    /// As [`silence`](Self::silence).
    pub fn darken(&self, link: &LinkName) -> anyhow::Result<()> {
        match self {
            Self::Relay(relay) => relay.darken(link),
            Self::Kernel(wire) => wire.darken(link),
        }
    }

    /// Undoes [`darken`](Self::darken), after the light has come back.
    ///
    /// # Errors
    /// As [`silence`](Self::silence).
    pub fn relight(&self, link: &LinkName) -> anyhow::Result<()> {
        match self {
            Self::Relay(relay) => relay.restore(link, None).map(|_| ()),
            Self::Kernel(wire) => wire.relight(link),
        }
    }

    /// Also watches these tunnels from now on.
    ///
    /// # Errors
    /// An interface that is not there, or a dead backend.
    pub fn tap(&self, taps: &[TapConfig]) -> anyhow::Result<()> {
        match self {
            Self::Relay(relay) => relay.tap(taps),
            Self::Kernel(wire) => wire.tap(taps),
        }
    }

    /// Hands every packet that enters a link or a watched tunnel to `recorder` from now on.
    ///
    /// # Errors
    /// A dead backend.
    pub(in crate::engine) fn capture(&self, recorder: Recorder) -> anyhow::Result<()> {
        match self {
            Self::Relay(relay) => relay.capture(recorder),
            Self::Kernel(wire) => wire.capture(recorder),
        }
    }

    /// Hands over what has been recorded so far.
    pub(in crate::engine) fn flush_capture(&self) {
        match self {
            Self::Relay(relay) => relay.flush_capture(),
            Self::Kernel(wire) => wire.flush_capture(),
        }
    }

    /// What every direction has done so far; empty when the backend has died.
    pub fn counters(&self) -> Vec<LinkCounters> {
        match self {
            Self::Relay(relay) => relay.counters(),
            Self::Kernel(wire) => wire.counters(),
        }
    }

    /// Where every probe of the run ended, for each direction of each link and
    /// tunnel that saw any; empty when the backend has died.
    pub fn flow_logs(&self) -> Vec<WireFlowLog> {
        match self {
            Self::Relay(relay) => relay.flow_logs(),
            Self::Kernel(wire) => wire.flow_logs(),
        }
    }

    /// Forgets all probes and follows another probe run from now on.
    pub fn reset_flows(&self, run: u64) {
        match self {
            Self::Relay(relay) => relay.reset_flows(run),
            Self::Kernel(wire) => wire.reset_flows(run),
        }
    }

    /// How punctual releases have been: of the relay all that had to wait, of
    /// the kernel those of probes on links with a fixed delay and no rate.
    pub fn lateness(&self) -> Lateness {
        match self {
            Self::Relay(relay) => relay.lateness(),
            Self::Kernel(wire) => wire.lateness(),
        }
    }

    /// Whether the backend's thread is still there.
    pub fn is_alive(&self) -> bool {
        match self {
            Self::Relay(relay) => relay.is_alive(),
            Self::Kernel(wire) => wire.is_alive(),
        }
    }
}
