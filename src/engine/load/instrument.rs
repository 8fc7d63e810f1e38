//! Starting and stopping all loads of a lab.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use anyhow::{Context as _, anyhow};

use super::{
    tcp::{self, TcpLoad},
    udp::{self, UdpLoad},
};
use crate::{
    lab::{model::Transport, plan::LoadPlan},
    os::{clock, netns::NetnsFd},
    results::event::{LoadLog, LoadSent, MonoNs},
    units::{NodeName, Span},
};

/// From its beginning on a load is not looked at for this long: TCP starts slowly.
pub const WARM_UP: Span = Span::from_secs(1);
/// How long packets in flight may take at the end.
const DRAIN_NS: u64 = 300_000_000;

/// Loads that run. Dropping it stops them.
#[derive(Debug)]
pub struct Loads {
    plans: Vec<LoadPlan>,
    began: MonoNs,
    stop_sending: Arc<AtomicBool>,
    stop_receiving: Arc<AtomicBool>,
    tcp: Option<JoinHandle<std::io::Result<Vec<LoadSent>>>>,
    udp: Option<UdpThreads>,
}

/// The threads of all UDP loads.
#[derive(Debug)]
struct UdpThreads {
    sender: JoinHandle<Vec<udp::Sent>>,
    receiver: JoinHandle<std::io::Result<Vec<udp::Heard>>>,
}

impl Loads {
    /// Connects every TCP stream and opens every UDP socket, then begins to send.
    ///
    /// # Errors
    /// A load names an unknown node, a socket cannot be opened, the kernel has no such congestion
    /// control, or a connection does not come about within five seconds.
    pub fn start(plans: &[LoadPlan], netns: &BTreeMap<NodeName, NetnsFd>) -> anyhow::Result<Self> {
        let (mut tcp, mut udp) = (Vec::new(), Vec::new());
        for plan in plans {
            let what = || format!("load {} ({} → {})", plan.load, plan.from, plan.to);
            let ends = [&plan.from, &plan.to].map(|node| {
                netns
                    .get(node)
                    .with_context(|| format!("no namespace is called {node}"))
            });
            let [from, to] = ends;
            let ends = [from.with_context(what)?, to.with_context(what)?];
            match &plan.transport {
                Transport::Tcp { .. } => tcp.push(TcpLoad::open(plan, ends).with_context(what)?),
                Transport::Udp { .. } => udp.push(UdpLoad::open(plan, ends).with_context(what)?),
            }
        }
        let mut loads = Self {
            plans: plans.to_vec(),
            began: clock::mono_ns(),
            stop_sending: Arc::default(),
            stop_receiving: Arc::default(),
            tcp: None,
            udp: None,
        };
        let began = loads.began;
        if !tcp.is_empty() {
            let stop = Arc::clone(&loads.stop_sending);
            loads.tcp = Some(spawn("load-tcp", move || tcp::run(tcp, began, &stop))?);
        }
        if !udp.is_empty() {
            let (senders, receivers): (Vec<_>, Vec<_>) =
                udp.into_iter().map(UdpLoad::split).unzip();
            let stop = Arc::clone(&loads.stop_receiving);
            let receiver = spawn("load-receiver", move || {
                udp::receive(&receivers, began, &stop)
            })?;
            let stop = Arc::clone(&loads.stop_sending);
            let sender = spawn("load-sender", move || udp::send(&senders, began, &stop))?;
            loads.udp = Some(UdpThreads { sender, receiver });
        }
        Ok(loads)
    }

    /// When they began.
    pub fn began(&self) -> MonoNs {
        self.began
    }

    /// Stops them and hands over what they left behind, in the order of the plan.
    ///
    /// # Errors
    /// A thread panicked, or could not receive.
    pub fn finish(mut self) -> anyhow::Result<Vec<LoadLog>> {
        self.stop_sending.store(true, Ordering::Release);
        let ended = clock::mono_ns();
        let panicked = |_| anyhow!("a load's thread panicked");
        let mut tcp = match self.tcp.take() {
            Some(thread) => thread.join().map_err(panicked)?.context("TCP load")?,
            None => Vec::new(),
        }
        .into_iter();
        let mut udp = Vec::new().into_iter();
        if let Some(UdpThreads { sender, receiver }) = self.udp.take() {
            let sent = sender.join().map_err(panicked)?;
            clock::sleep_until(ended + DRAIN_NS);
            self.stop_receiving.store(true, Ordering::Release);
            let heard = receiver.join().map_err(panicked)?.context("UDP load")?;
            let each = sent.into_iter().zip(heard);
            let each: Vec<LoadSent> = each
                .map(|(sent, heard)| udp::joined(sent, heard, ended))
                .collect();
            udp = each.into_iter();
        }
        let logs = self.plans.iter().map(|plan| {
            let sent = match plan.transport {
                Transport::Tcp { .. } => tcp.next(),
                Transport::Udp { .. } => udp.next(),
            };
            Ok(LoadLog {
                load: plan.load.to_string(),
                from: plan.from.to_string(),
                to: plan.to.to_string(),
                began: self.began,
                settled: self.began + WARM_UP.as_nanos(),
                ended,
                sampling_ns: plan.sampling.as_nanos(),
                sent: sent.with_context(|| format!("load {} left nothing", plan.load))?,
            })
        });
        logs.collect()
    }
}

impl Drop for Loads {
    fn drop(&mut self) {
        self.stop_sending.store(true, Ordering::Release);
        self.stop_receiving.store(true, Ordering::Release);
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> anyhow::Result<JoinHandle<T>> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .with_context(|| format!("starting {name}"))
}
