//! Numbers and phrases that all reports share.

use crate::results::measure::{
    AlertResult, DelayStats, Outage, RunResult, Transition, WaitMissed, with_bar,
};

/// `12,345`.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// At most two decimals, none that say nothing: `1`, `1.03`, `0.5`.
pub(super) fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

/// A time for reading: milliseconds below a second, else seconds.
pub(super) fn span(ms: f64) -> String {
    if ms.abs() < 1000.0 {
        format!("{} ms", short((ms * 10.0).round() / 10.0))
    } else {
        format!("{} s", short((ms / 10.0).round() / 100.0))
    }
}

/// A range in one unit: `600-904 ms`, `60-90 s`; of one value, `740 ms`.
pub(super) fn range(min_ms: f64, max_ms: f64) -> String {
    if max_ms < 10_000.0 {
        format!("{} ms", between(short(min_ms), &short(max_ms)))
    } else {
        let [min, max] = [min_ms, max_ms].map(|ms| short(ms / 1000.0));
        format!("{} s", between(min, &max))
    }
}

/// `600-904`, or the one number that both are.
pub(super) fn between(min: String, max: &str) -> String {
    match min == max {
        true => min,
        false => format!("{min}-{max}"),
    }
}

/// Whether directions need their probe's name to be told apart.
pub(super) fn several(result: &RunResult) -> bool {
    let mut flows = result.flows.iter();
    let first = flows.next();
    flows.any(|flow| first.is_some_and(|first| flow.probe != first.probe))
}

/// `app → db`; with the probe's name, `web: app → db`, where there are `several`.
pub(super) fn direction(several: bool, probe: &str, ends: [&str; 2]) -> String {
    let [from, to] = ends;
    if several {
        format!("{probe}: {from} → {to}")
    } else {
        format!("{from} → {to}")
    }
}

/// An alert: what, and from when to when.
pub(super) fn alert(alert: &AlertResult) -> String {
    let what = match (&alert.probe, alert.load_bps.zip(alert.room_bps)) {
        (Some(probe), _) => format!("{probe} via {}", alert.about),
        (None, Some((load, room))) => {
            let mbit = |bps: u64| short(bps as f64 / 1e6);
            let (load, room) = (mbit(load), mbit(room));
            format!(
                "{} carries {load} Mbit/s, and {room} would fit without it",
                alert.about
            )
        }
        (None, None) => format!("{} down, unnoticed by traffic", alert.about),
    };
    let metric = alert.metric.as_ref().map(|metric| match alert.load_bps {
        Some(_) => format!(" ({metric})"),
        None => format!(" ({metric} 0)"),
    });
    let metric = metric.unwrap_or_default();
    let after = match alert.transition {
        Transition::Initial => alert.label.clone(),
        Transition::Reversion => format!("restore of {}", alert.label),
    };
    let lasted = alert.cleared_ns.map_or_else(
        || "to the end".to_owned(),
        |cleared| {
            format!(
                "for {}",
                span(cleared.saturating_sub(alert.raised_ns) as f64 / 1e6)
            )
        },
    );
    let (word, raised) = (alert.alert.word(), span(alert.raised_ms));
    format!("{word}: {what}{metric}, {after} +{raised}, {lasted}")
}

/// The direction of an outage.
pub(super) fn flow(several: bool, outage: &Outage) -> String {
    direction(several, &outage.probe, [&outage.from, &outage.to])
}

/// The outage with its error bar.
pub(super) fn outage(outage: &Outage) -> String {
    if outage.lost == outage.queue_dropped {
        let text = if outage.path_changed && outage.lost == 0 {
            "0 lost, path changed"
        } else {
            "none"
        };
        return text.to_owned();
    }
    let bound = if outage.recovered { "" } else { "≥ " };
    format!(
        "{bound}{} ms",
        with_bar(outage.duration_ms, outage.resolution_ms)
    )
}

/// A share of a whole, for reading: whole percents, and one decimal from 99 on, where what is
/// missing counts. Only the whole is 100.
pub(super) fn share(of: f64) -> String {
    let percent = 100.0 * of.clamp(0.0, 1.0);
    match percent {
        _ if percent < 99.0 => format!("{percent:.0} %"),
        _ if percent >= 100.0 => "100 %".to_owned(),
        _ => format!("{} %", short(((percent * 10.0).round() / 10.0).min(99.9))),
    }
}

/// `prod → backup`, or one name when nothing changed.
pub(super) fn path(outage: &Outage) -> String {
    // Hosts behind one node, or behind cables that no wire sees.
    let before = outage.path_before.as_deref().unwrap_or("no wire");
    match &outage.path_after {
        None if !outage.recovered => format!("{before} → none"),
        None => before.to_owned(),
        Some(after) if outage.path_changed || outage.path_before.is_none() => {
            format!("{before} → {after}")
        }
        Some(after) => after.clone(),
    }
}

/// Median delays before and after.
pub(super) fn delay(outage: &Outage) -> String {
    let one = |d: &Option<DelayStats>| d.as_ref().map(|d| format!("{:.1}", d.p50_ms));
    match (one(&outage.delay_before), one(&outage.delay_after)) {
        (Some(before), Some(after)) if outage.path_changed || is_another_delay(outage) => {
            format!("{before} → {after} ms")
        }
        (Some(one), _) | (None, Some(one)) => format!("{one} ms"),
        (None, None) => String::new(),
    }
}

/// Whether the delay became another one by more than jitter, though the path may have stayed.
fn is_another_delay(outage: &Outage) -> bool {
    let medians = outage.delay_before.zip(outage.delay_after);
    medians.is_some_and(|(before, after)| {
        let (low, high) = (
            before.p50_ms.min(after.p50_ms),
            before.p50_ms.max(after.p50_ms),
        );
        high > 2.0 * low && high - low > 1.0
    })
}

/// What a path that is too narrow does, in the end, and whether all has settled: `8.2 % lost in queues; delay 5.1 →
/// 104.2 ms, p99 5.3 → 105 ms`.
pub(super) fn crowding(outage: &Outage) -> Option<String> {
    let end = outage
        .at_end
        .filter(|end| outage.queue_dropped > 0 && end.lost > 0)?;
    let mut text = format!("{:.1} % lost at the end", end.loss_percent());
    if let Some((before, after)) = outage.delay_before.zip(end.delay) {
        text += &format!(
            "; delay {:.1} → {:.1} ms, p99 {:.1} → {:.1} ms",
            before.p50_ms, after.p50_ms, before.p99_ms, after.p99_ms
        );
    }
    if let Some(doubt) = end.settling.doubt() {
        text += &format!("; not settled: {doubt}");
    }
    Some(text)
}

/// `*` for a modelled part, `!` for a number not to be trusted.
pub(super) fn marks(outage: &Outage) -> String {
    let modelled = if outage.modelled { "*" } else { "" };
    let doubt = if outage.trusted { "" } else { "!" };
    format!("{modelled}{doubt}")
}

/// `739.8 dc1 BFD down · 740.6 FIB · …`; a node is named when it is not the one before.
pub(super) fn critical_path(outage: &Outage) -> Option<String> {
    let mut here = "";
    let mut parts = Vec::new();
    for step in &outage.critical_path {
        let sender = step.node == outage.from;
        let named = !sender && step.node != here;
        let node = if named {
            format!("{} ", step.node)
        } else {
            String::new()
        };
        parts.push(format!("{:.1} {node}{}", step.at_ms, step.what));
        here = &step.node;
    }
    (!parts.is_empty()).then(|| parts.join(" · "))
}

/// What each part of a failover by DNS took.
pub(super) fn dns(outage: &Outage) -> Option<String> {
    let share = outage.dns.as_ref()?;
    let mut text = format!(
        "{}: health check {} + TTL {}",
        share.name,
        span(share.health_check_ms),
        span(share.ttl_ms)
    );
    if let Some(ms) = share.delivery_ms {
        text += &format!(" + {} to the first packet through", span(ms));
    }
    Some(text)
}

/// What the timers predict for a cut at a random instant beside what came of it:
/// `300 ms x 3 predicts 600-904 ms (5 % 648, 50 % 773, 95 % 891); detected after 742 ms: within`.
pub(super) fn predicted(outage: &Outage) -> Option<String> {
    let predicted = outage.predicted.as_ref()?;
    let detected = outage.phases_ms.detected?;
    let spread = predicted.quantiles.map_or_else(String::new, |q| {
        let [p5, p50, p95] = [q.p5_ms, q.p50_ms, q.p95_ms].map(|ms| span(ms.round()));
        format!(" (5 % {p5}, 50 % {p50}, 95 % {p95})")
    });
    let verdict = match outage.as_predicted? {
        true => "within",
        false => "OUTSIDE",
    };
    Some(format!(
        "{} predicts {}{spread}; detected after {}: {verdict}",
        predicted.timers,
        range(predicted.min_ms, predicted.max_ms),
        span(detected)
    ))
}

/// What the wires and nodes say about the loss of these flows.
pub(super) fn wire(outages: &[&Outage]) -> String {
    let sum = |of: fn(&Outage) -> u64| -> String {
        let each: Vec<String> = outages.iter().map(|o| count(of(o))).collect();
        each.join(" + ")
    };
    let nodes = if outages.iter().any(|o| o.node_dropped > 0) {
        format!(", nodes {}{}", sum(|o| o.node_dropped), reasons(outages))
    } else {
        String::new()
    };
    let verdict = if outages.iter().all(|o| o.wire_agrees) {
        "agrees"
    } else {
        "DISAGREES"
    };
    let mut wires: Vec<&str> = Vec::new();
    for name in outages.iter().flat_map(|o| &o.wire_dropped_by) {
        if !wires.contains(&name.as_str()) {
            wires.push(name);
        }
    }
    let on = match wires.is_empty() {
        true => String::new(),
        false => format!(" on {}", wires.join(", ")),
    };
    format!(
        "wire dropped {} probes{on}{nodes}: {verdict}",
        sum(|o| o.wire_dropped)
    )
}

/// Which nodes dropped packets, and why.
fn reasons(outages: &[&Outage]) -> String {
    let each: Vec<String> = outages.iter().flat_map(|o| reasons_of(o)).collect();
    match each.is_empty() {
        true => String::new(),
        false => format!(" ({})", each.join("; ")),
    }
}

/// Of one flow; what was seen and what was counted for the same reason is told as one.
pub(super) fn reasons_of(outage: &Outage) -> Vec<String> {
    let silent = outage.silent_neighbours.iter().map(|s| {
        let why = format!("{} did not answer", s.address);
        (s.dropped, s.node.as_str(), why)
    });
    let no_way = outage
        .no_way
        .iter()
        .map(|one| (one.dropped, one.node.as_str(), one.why()));
    let seen = outage.node_drops.iter();
    let seen = seen.map(|one| (one.dropped, one.node.as_str(), one.why()));
    let mut each: Vec<(u64, &str, String)> = Vec::new();
    for (dropped, node, why) in silent.chain(no_way).chain(seen) {
        match each.iter_mut().find(|(_, n, w)| *n == node && *w == why) {
            Some(known) => known.0 += dropped,
            None => each.push((dropped, node, why)),
        }
    }
    each.sort_by_key(|(dropped, ..)| std::cmp::Reverse(*dropped));
    let each = each.into_iter();
    each.map(|(dropped, node, why)| format!("{} at {node}: {why}", count(dropped)))
        .collect()
}

/// `14:02:11.482913 UTC` of nanoseconds since 1970.
pub(super) fn time_of_day(realtime_ns: u64) -> String {
    let micros = realtime_ns / 1000 % 86_400_000_000;
    let seconds = micros / 1_000_000;
    format!(
        "{:02}:{:02}:{:02}.{:06} UTC",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        micros % 1_000_000
    )
}

/// `2026-11-22 at 01:02 UTC`.
pub(super) fn date(realtime_ns: u64) -> String {
    let minutes = realtime_ns / 60_000_000_000;
    // Days since 1 March of the year 0: leap days end years of that calendar.
    let days = minutes / 1440 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year_of_era + u64::from(month < 3);
    let (hour, minute) = (minutes / 60 % 24, minutes % 60);
    format!("{year}-{month:02}-{day:02} at {hour:02}:{minute:02} UTC")
}

/// `trusted; one trial, no distribution`.
pub(super) fn trust(result: &RunResult) -> String {
    let trust = if result.trusted {
        "trusted"
    } else {
        "NOT TRUSTED"
    };
    format!("{trust}; one trial, no distribution")
}

/// `missed: app: recovered was not seen within 5.0 s`.
pub(super) fn missed(wait: &WaitMissed) -> String {
    format!(
        "missed: {} was not seen within {}",
        wait.what,
        span(wait.within_ms)
    )
}

/// `2/3 met`.
pub(super) fn met(result: &RunResult) -> String {
    let all = result.expect.len();
    format!("{}/{all} met", all - result.expectations_missed())
}

/// `met`, `missed` or `not measured`.
pub(super) fn verdict(met: Option<bool>) -> &'static str {
    match met {
        Some(true) => "met",
        Some(false) => "missed",
        None => "not measured",
    }
}
