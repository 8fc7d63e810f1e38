//! Experiments of a sweep: steady state, a fault or two, recovery or the limit, restore, and the
//! lab as it was before.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context, bail};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use serde::{Deserialize, Serialize};

use super::{
    collect, phase,
    run::{Bench, DRAIN, DRAIN_ASKED, RECOVERED_NS, SUSTAINED_NS, Waiting, await_sessions},
    steady,
    watch::{pass, until_delivering},
};
use crate::{
    engine::{board, live::Live, observe, probe::Probes},
    lab::{
        model::Fault,
        plan::{FlowPlan, Plan},
    },
    os::clock,
    results::{
        event::{EventKind, MonoNs},
        measure::RunInput,
    },
    units::{NodeName, Span},
};

/// One experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What fails, one right after the other, each with the label by which it is restored.
    pub faults: Vec<(String, Fault)>,
    /// How long it may take until it is noticed: traffic may be gone only then, where what has
    /// failed goes on forwarding.
    pub noticed: Span,
    /// When traffic that has not come back is lost until repaired.
    pub within: Span,
}

/// How long routes may take to be what they were, once every session is up again.
const SAME_WITHIN_NS: MonoNs = 20_000_000_000;
/// How often tables are read meanwhile.
const LOOK_NS: MonoNs = 50_000_000;
/// Differences that are named.
const NAMED: usize = 3;

/// What every node forwards by.
pub type Winners = BTreeMap<NodeName, BTreeSet<String>>;

impl Bench<'_> {
    /// Carries out one experiment; what was seen of it but for the journal. Once a stop is asked
    /// for, that is what was seen until then. With it, what every node forwarded by before.
    ///
    /// # Errors
    /// Traffic is not delivered before the fault, or a part of the engine failed.
    pub fn fail(&self, number: u32, failure: &Failure) -> anyhow::Result<(RunInput, Winners)> {
        let live = self.live;
        let mut rng = ChaCha12Rng::seed_from_u64(self.seed);
        rng.set_stream(u64::from(number));
        let stopped = &|| self.stop.is_asked();
        let missed = live.capture_drops();
        let mut probes = steady::probes(live, &mut rng, stopped)?;
        let winners = winners(live)?;
        self.stop.measuring();
        let waiting = Waiting::begin();
        let mut last = clock::mono_ns();
        if let Some((_, first)) = failure.faults.first() {
            let phase = phase::draw(live.plan(), first, &mut rng);
            pass(phase.as_nanos() as u64, stopped);
        }
        for (label, fault) in failure.faults.iter().filter(|_| !stopped()) {
            let bracket = live
                .apply(label, fault)
                .with_context(|| format!("applying {} to {}", fault.name(), fault.target()))?;
            last = bracket.after;
        }
        watch(live, &probes, (last, failure), stopped);
        for (label, _) in failure.faults.iter().rev() {
            if live.faults().contains_key(label) {
                let bracket = live.restore(label);
                last = bracket.with_context(|| format!("restoring {label}"))?.after;
            }
        }
        if !stopped() {
            self.returned(&probes, last)?;
        }
        probes.stop_sending()?;
        probes.drain(if stopped() { DRAIN_ASKED } else { DRAIN });
        let (flows, quality) = probes.finish()?;
        let mut input = collect::input(live, (flows, Vec::new()), &quality, waiting.shares());
        input.quality.capture_drops = input.quality.capture_drops.saturating_sub(missed);
        Ok((input, winners))
    }

    /// Whether the lab is what it was: every session up, and every node forwarding by the same
    /// routes.
    ///
    /// # Errors
    /// What is another, in words: this lab is of no use for further experiments.
    pub fn is_as_before(&self, before: &Winners) -> anyhow::Result<()> {
        let live = self.live;
        let wanted = board::wanted(live.plan());
        let progress = await_sessions(live, &wanted, ("reversion", self.converge_within))?;
        if !progress.is_complete() {
            bail!(
                "after {} s still waiting for {}",
                self.converge_within.as_secs(),
                live.board().obstacles(&wanted).join(", ")
            );
        }
        let deadline = clock::mono_ns() + SAME_WITHIN_NS;
        loop {
            let now = winners(live)?;
            if now == *before {
                live.forget_faults();
                return Ok(());
            }
            if clock::mono_ns() >= deadline || self.stop.is_asked() {
                bail!(
                    "routes are not what they were: {}",
                    difference(before, &now)
                );
            }
            clock::sleep_until(clock::mono_ns() + LOOK_NS);
        }
    }

    /// After the restore: every session up, clients back, and every flow delivering.
    fn returned(&self, probes: &Probes, restored: MonoNs) -> anyhow::Result<()> {
        let live = self.live;
        let mut wanted = board::wanted(live.plan());
        wanted.extend(board::wanted_of_probes(live.plan()));
        await_sessions(live, &wanted, ("reversion", self.converge_within))?;
        let flows: Vec<&FlowPlan> = live.plan().measured_flows().collect();
        let deadline = clock::mono_ns() + SAME_WITHIN_NS;
        let stopped = &|| self.stop.is_asked();
        let after = clock::mono_ns().max(restored);
        until_delivering(probes, &flows, (after, RECOVERED_NS), deadline, stopped);
        Ok(())
    }
}

/// Watches until every flow delivers again and a while longer, or until the limit; flows that do
/// not by then are named.
fn watch(
    live: &Live,
    probes: &Probes,
    (since, failure): (MonoNs, &Failure),
    stopped: &dyn Fn() -> bool,
) {
    let within = failure.within;
    let flows: Vec<&FlowPlan> = live.plan().measured_flows().collect();
    let run = (since, RECOVERED_NS);
    let deadline = since + within.as_nanos();
    pass(failure.noticed.min(within).as_nanos(), stopped);
    loop {
        let met = until_delivering(probes, &flows, run, deadline, stopped);
        let Some(met) = met else {
            break;
        };
        pass(SUSTAINED_NS, stopped);
        let now = clock::mono_ns();
        // Of what was sent since, all has arrived but for what is still under way.
        let held = (met, SUSTAINED_NS / 2);
        if stopped() || until_delivering(probes, &flows, held, now, stopped).is_some() {
            return;
        }
        if now >= deadline {
            break;
        }
    }
    if stopped() {
        return;
    }
    let now = clock::mono_ns();
    for flow in flows {
        if until_delivering(probes, &[flow], run, now, stopped).is_none() {
            live.sink().now(EventKind::WaitMissed {
                what: format!("{}: {} → {}", flow.probe, flow.from, flow.to),
                within_ms: within.as_millis_f64(),
            });
        }
    }
}

/// What every node forwards by now.
fn winners(live: &Live) -> anyhow::Result<Winners> {
    let mut all = Winners::new();
    for (node, netns) in live.namespaces() {
        let routes = observe::routes(netns, live.plan().table_names(node));
        let routes = routes.with_context(|| format!("reading the routes of {node}"))?;
        let told = routes.into_iter().map(|mut route| {
            route.via.sort_unstable();
            route.dev.sort_unstable();
            let via: Vec<String> = route.via.iter().map(ToString::to_string).collect();
            let table = route
                .vrf
                .map_or_else(String::new, |vrf| format!(" in {vrf}"));
            let (via, dev) = (via.join("+"), route.dev.join("+"));
            format!("{} via {via} {dev}{table}", route.prefix)
        });
        all.insert(node.clone(), told.collect());
    }
    Ok(all)
}

/// The first few that are not in both.
fn difference(before: &Winners, now: &Winners) -> String {
    let mut found = Vec::new();
    for (node, was) in before {
        let is = now.get(node);
        let gone = was
            .iter()
            .filter(|one| is.is_none_or(|is| !is.contains(*one)));
        found.extend(gone.map(|one| format!("{node} had {one}")));
        let new = is.into_iter().flatten().filter(|one| !was.contains(*one));
        found.extend(new.map(|one| format!("{node} has {one}")));
    }
    let more = found.len().saturating_sub(NAMED);
    found.truncate(NAMED);
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("{}{rest}", found.join("; "))
}

/// How long the slowest timer takes that can notice one of these.
pub fn noticed(plan: &Plan, faults: &[Fault]) -> Span {
    let slowest = faults
        .iter()
        .map(|fault| phase::slowest_detection(plan, fault));
    let slowest = slowest.max().unwrap_or(Duration::ZERO);
    Span::from_nanos(slowest.as_nanos() as u64)
}

/// How long after a fault traffic may stay away before it counts as lost until repaired: half
/// as long again as it takes to notice, and two seconds for the news.
pub fn limit(noticed: Span) -> Span {
    let with_news = noticed.as_duration().mul_f64(1.5) + Duration::from_secs(2);
    Span::from_millis(with_news.as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> NodeName {
        NodeName::new(name).unwrap()
    }

    #[test]
    fn what_is_not_as_before_is_named() {
        let of = |routes: &[&str]| routes.iter().map(|&one| one.to_owned()).collect();
        let before = Winners::from([(node("a"), of(&["10.0.0.0/8 via 1.1.1.1 e0"]))]);
        let now = Winners::from([(node("a"), of(&["10.0.0.0/8 via 2.2.2.2 e1"]))]);
        assert_eq!(
            difference(&before, &now),
            "a had 10.0.0.0/8 via 1.1.1.1 e0; a has 10.0.0.0/8 via 2.2.2.2 e1"
        );
    }
}
