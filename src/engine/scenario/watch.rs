//! Waiting for traffic: observed packet by packet, never slept for.

use crate::{
    engine::probe::Probes, lab::plan::FlowPlan, os::clock, results::event::MonoNs, units::ProbeName,
};

/// How often the probes' counters are looked at.
const LOOK_NS: u64 = 2_000_000;

/// The flows of one probe, or of all.
pub(super) fn flows_of<'a>(
    flows: &'a [FlowPlan],
    probe: Option<&'a ProbeName>,
) -> impl Iterator<Item = &'a FlowPlan> {
    flows
        .iter()
        .filter(move |flow| probe.is_none_or(|probe| flow.probe == *probe))
}

/// Waits until every given flow delivers an unbroken run of packets that lasts
/// `for_ns`, all sent after `after`. Returns when that was so, or `None` at the deadline.
/// `stopped` ends the wait early.
pub(super) fn until_delivering(
    probes: &Probes,
    flows: &[&FlowPlan],
    (after, for_ns): (MonoNs, u64),
    deadline: MonoNs,
    stopped: &dyn Fn() -> bool,
) -> Option<MonoNs> {
    loop {
        let now = clock::mono_ns();
        let delivering = flows.iter().all(|flow| {
            let run = (u64::from(flow.rate) * for_ns / 1_000_000_000).clamp(3, 100_000) as u32;
            probes.recovered_since(flow.id, after, run).is_some()
        });
        if delivering {
            return Some(now);
        }
        if now >= deadline || stopped() {
            return None;
        }
        clock::sleep_until(now + LOOK_NS);
    }
}

/// Lets `for_ns` pass unless stopped.
pub(super) fn pass(for_ns: u64, stopped: &dyn Fn() -> bool) {
    let end = clock::mono_ns() + for_ns;
    while !stopped() {
        let now = clock::mono_ns();
        if now >= end {
            return;
        }
        clock::sleep_until(end.min(now + 20_000_000));
    }
}
