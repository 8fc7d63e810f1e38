//! Traffic before the first fault: probes that have flowed without loss.

use anyhow::bail;
use rand::{Rng, RngExt};

use super::watch::until_delivering;
use crate::{
    engine::{
        board,
        live::Live,
        probe::{ProbeConfig, Probes},
    },
    lab::plan::FlowPlan,
    os::clock,
    results::{event::EventKind, measure::DropCause},
};

/// Loss-free time before the first fault.
const STEADY_NS: u64 = 1_000_000_000;
/// How long steady state may take to come about.
const WITHIN_NS: u64 = 20_000_000_000;
/// How often probes are begun anew because some were lost at first.
const BEGINNINGS: usize = 3;

/// Starts the probes and waits until none has been lost for a while. A daemon may
/// announce its routes only after its sessions are up; packets lost to that are no
/// part of the experiment, so the count begins anew.
///
/// # Errors
/// Traffic does not become steady in time.
pub(super) fn probes(
    live: &Live,
    rng: &mut impl Rng,
    stopped: &dyn Fn() -> bool,
) -> anyhow::Result<Probes> {
    let mut beginnings = 1;
    loop {
        let run: u64 = rng.random();
        live.begin_counting(run);
        let config = ProbeConfig {
            flows: &live.plan().flows,
            run,
            netns: live.namespaces(),
        };
        let probes = Probes::start(&config, live.sink().clone())?;
        wait(live, &probes, stopped)?;
        let (sent, lost) = counts(live, &probes);
        if lost == 0 || beginnings == BEGINNINGS || stopped() {
            live.sink().now(EventKind::Steady { sent, lost });
            return Ok(probes);
        }
        probes.finish()?;
        beginnings += 1;
    }
}

fn wait(live: &Live, probes: &Probes, stopped: &dyn Fn() -> bool) -> anyhow::Result<()> {
    let flows: Vec<&FlowPlan> = live.plan().measured_flows().collect();
    let now = clock::mono_ns();
    let met = until_delivering(probes, &flows, (now, STEADY_NS), now + WITHIN_NS, stopped);
    if met.is_some() || stopped() {
        return Ok(());
    }
    let mut why = String::new();
    for flow in flows {
        let Some(counts) = probes.flow(flow.id) else {
            continue;
        };
        let sent = counts.highest_seq.map_or(0, |seq| u64::from(seq) + 1);
        let way = format!("{} → {}", flow.from, flow.to);
        if counts.received == 0 {
            why += &format!("; nothing gets through {way}");
        } else if counts.received * 100 < sent * 99 {
            let received = counts.received;
            why += &format!("; of {sent} packets {received} got through {way}");
        }
    }
    let over: Vec<String> = live
        .dropped_by_tunnels()
        .into_iter()
        .filter(|drops| drops.cause == DropCause::Cap && drops.count > 0)
        .map(|drops| {
            format!(
                "tunnel {} at {}: {}",
                drops.tunnel, drops.node, drops.reason
            )
        })
        .collect();
    if !over.is_empty() {
        why += &format!("; dropped by {}", over.join(", "));
    }
    live.tell_standing();
    // What was up, or the lab had not converged, and is no more.
    let lost = live.board().obstacles(&board::wanted(live.plan()));
    if !lost.is_empty() {
        why += &format!("; no longer up: {}", lost.join(", "));
    }
    bail!(
        "no loss-free second of traffic within {} s of convergence{why}",
        WITHIN_NS / 1_000_000_000
    );
}

/// Sent and lost so far; what is in flight is neither delivered nor lost.
fn counts(live: &Live, probes: &Probes) -> (u64, u64) {
    let (mut sent, mut received) = (0, 0);
    for flow in live.plan().measured_flows() {
        if let Some(counts) = probes.flow(flow.id) {
            sent += counts.highest_seq.map_or(0, |seq| u64::from(seq) + 1);
            received += counts.received;
        }
    }
    (sent, sent.saturating_sub(received))
}
