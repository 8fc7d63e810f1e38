//! RFC 6412's benchmarks of a transition, in a sentence.

use super::words;
use crate::results::measure::{DelayStats, Outage, Spread, TransitionResult};

/// `first route +742.0 ms, full +811.0 ms; of all flows: loss-derived 776.5 ms, loss of
/// connectivity 742-811 ms; 0 reordered, 0 duplicated, 0 later than 2 s; delay variation up to
/// 0.31 → 0.42 ms; the way afterwards takes 9.2 ms more`; `None` without probes.
pub(super) fn told(transition: &TransitionResult, outages: &[&Outage]) -> Option<String> {
    let b = transition.benchmarks.as_ref()?;
    let mut parts = Vec::new();
    let converged = [
        ("first route", b.first_route_convergence_time_ms),
        ("full", b.full_convergence_time_ms),
    ];
    let converged = converged
        .iter()
        .filter_map(|(what, ms)| Some(format!("{what} {:+.1} ms", (*ms)?)));
    let converged: Vec<String> = converged.collect();
    if !converged.is_empty() {
        parts.push(converged.join(", "));
    }
    let bound = bound(b.lower_bound);
    let mut derived = format!(
        "of all flows: loss-derived {bound}{:.1} ms",
        b.loss_derived_convergence_time_ms
    );
    if let Some(spread) = &b.route_specific_convergence_time_ms {
        derived += &format!(", route-specific {bound}{}", range(spread));
    }
    if let Some(spread) = &b.route_loss_of_connectivity_period_ms {
        derived += &format!(", loss of connectivity {bound}{}", range(spread));
    }
    if b.lower_bound {
        derived += " (an outage had not ended)";
    }
    parts.push(derived);
    parts.push(format!(
        "{} reordered, {} duplicated, {} later than 2 s",
        words::count(b.out_of_order),
        words::count(b.duplicate),
        words::count(b.excessive_forwarding_delay)
    ));
    let variation = |of: fn(&Outage) -> Option<DelayStats>| {
        let each = outages.iter().filter_map(|o| Some(of(o)?.pdv_ms));
        each.max_by(f64::total_cmp)
    };
    if let Some((before, after)) = variation(|o| o.delay_before).zip(variation(|o| o.delay_after)) {
        let [before, after] = [before, after].map(words::short);
        parts.push(format!("delay variation up to {before} → {after} ms"));
    }
    let backup = outages.iter().filter_map(|o| o.additive_backup_delay_ms);
    if let Some(most) = backup.max_by(|a, b| a.abs().total_cmp(&b.abs())) {
        let more = if most < 0.0 { "less" } else { "more" };
        let most = words::short(most.abs());
        parts.push(format!("the way afterwards takes {most} ms {more}"));
    }
    Some(parts.join("; "))
}

/// What stands before a figure of which only a lower bound is known.
pub(super) fn bound(is_lower: bool) -> &'static str {
    if is_lower { "≥ " } else { "" }
}

/// `742-811 ms`; of flows that are alike one figure.
fn range(spread: &Spread) -> String {
    let [min, max] = [spread.min_ms, spread.max_ms].map(words::short);
    match min == max {
        true => format!("{min} ms"),
        false => format!("{min}-{max} ms"),
    }
}
