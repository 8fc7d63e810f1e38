//! Whether packets of a given size get through in one piece, before anything is cut.

use std::{collections::BTreeMap, net::SocketAddr};

use anyhow::Context as _;

use super::Namespaces;
use crate::{
    engine::sink::EventSink,
    lab::plan::{FlowPlan, Plan},
    os::{
        clock,
        udp_probe::{RecvBatch, RecvSocket, SendSocket, header_bytes, wait_readable},
    },
    results::{event::EventKind, measure::NodeDrops},
    units::{NodeName, PROBE_PORT_BASE},
};

/// Packets of each size, each way.
const PACKETS: u32 = 10;
/// No probe's, so that no wire counts them as one's.
const PORT: u16 = PROBE_PORT_BASE - 1;
/// How long the last of them may be on its way.
const PATIENCE_NS: u64 = 500_000_000;

/// What each node has dropped so far.
type Drops = BTreeMap<NodeName, NodeDrops>;

/// Tries each size that an expectation names, and tells what arrived.
///
/// # Errors
/// A socket that cannot be had.
pub fn try_sizes(
    plan: &Plan,
    netns: &Namespaces,
    sink: &EventSink,
    drops: &dyn Fn() -> Drops,
) -> anyhow::Result<()> {
    for expect in &plan.expect {
        let Some(mtu) = expect.further.mtu else {
            continue;
        };
        let of_probe = |flow: &&FlowPlan| flow.probe == expect.probe && flow.service.is_none();
        for flow in plan.flows.iter().filter(of_probe) {
            let before = drops();
            let (sent, arrived) = one(flow, mtu.get(), netns)
                .with_context(|| format!("packets of {mtu} from {} to {}", flow.from, flow.to))?;
            let too_large = drops().into_iter().filter(|(node, now)| {
                let before = before.get(node).copied().unwrap_or_default();
                now.too_large > before.too_large
            });
            sink.now(EventKind::Carried {
                probe: flow.probe.to_string(),
                from: flow.from.to_string(),
                to: flow.to.to_string(),
                size: mtu.get(),
                sent,
                arrived,
                too_large_at: too_large.map(|(node, _)| node.to_string()).collect(),
            });
        }
    }
    Ok(())
}

/// How many were sent, those that the sender's own kernel refused among them, and how many arrived.
fn one(flow: &FlowPlan, size: u64, netns: &Namespaces) -> anyhow::Result<(u32, u32)> {
    let at = |node: &NodeName| netns.get(node).with_context(|| format!("no node {node}"));
    let to = SocketAddr::new(flow.destination, PORT);
    let receiver = at(&flow.to)?.run(|| RecvSocket::open(to))?;
    let sender = at(&flow.from)?.run(|| SendSocket::open(flow.source, to, true))?;
    let length = usize::try_from(size)?.saturating_sub(header_bytes(flow.destination));
    let payload = vec![0_u8; length];
    for _ in 0..PACKETS {
        // A refusal is a packet that does not arrive, and is seen as such.
        let _ = sender.send(&payload);
    }
    let deadline = clock::mono_ns() + PATIENCE_NS;
    let mut batch = RecvBatch::default();
    let mut arrived = 0;
    while arrived < PACKETS && clock::mono_ns() < deadline {
        if !wait_readable(std::slice::from_ref(&receiver), 20)?.is_empty() {
            batch.receive(&receiver, |_| arrived += 1)?;
        }
    }
    Ok((PACKETS, arrived))
}
