//! A cutter in step with BFD, on purpose: it strikes right behind a packet, and so measures one
//! number again and again. What a series of such cuts looks like must be told from random ones.

use anyhow::{Context as _, bail};

use super::phase;
use crate::{
    engine::{
        live::Live,
        relay::{Transport, ethernet},
    },
    lab::{model::Fault, plan::SessionPlan},
    os::{
        clock,
        packet_ring::{Geometry, Ring},
        poller::Poller,
    },
};

/// Single-hop and multihop BFD control packets (RFC 5881, RFC 5883).
const BFD: [u16; 2] = [3784, 4784];
const RING: usize = 1 << 20;
/// How long a packet may take to come: intervals are at most some seconds.
const WITHIN_NS: u64 = 30_000_000_000;

/// Waits for the next BFD packet that the first end of the first session hit by `fault` sends.
///
/// # Errors
/// No session hit by it has BFD, or none of its packets comes.
pub(super) fn next_packet(
    live: &Live,
    fault: &Fault,
    stopped: &dyn Fn() -> bool,
) -> anyhow::Result<()> {
    let plan = live.plan();
    let hit =
        |session: &&SessionPlan| session.bfd.is_some() && phase::concerns(plan, session, fault);
    let session = plan.sessions.iter().find(hit);
    let session = session.context("no session with BFD is hit by this fault")?;
    let end = &session.ends[0];
    let namespaces = live.namespaces();
    let netns = namespaces
        .get(&end.node)
        .with_context(|| format!("no namespace is called {}", end.node))?;
    let mut ring = netns
        .run(|| Ring::open(end.interface.as_str(), Geometry::watch(RING)))
        .with_context(|| format!("watching {} in {}", end.interface, end.node))?;
    let mut poller = Poller::new()?;
    poller.add(&ring, 0)?;
    let deadline = clock::mono_ns() + WITHIN_NS;
    while clock::mono_ns() < deadline {
        if stopped() {
            return Ok(());
        }
        poller
            .wait(Some(clock::mono_ns() + 20_000_000))?
            .for_each(drop);
        while let Some(frame) = ring.next_frame() {
            let Some(seen) = ethernet(frame.bytes, 0) else {
                continue;
            };
            if let Transport::Udp { to, .. } = seen.transport
                && BFD.contains(&to)
                && seen.source == end.address
            {
                return Ok(());
            }
        }
    }
    bail!("{} has sent no BFD packet of {}", end.node, session.session)
}
