//! What expectations say beyond an outage's length and the traffic's end.

use super::{
    input::Expectation,
    result::{Carried, Outage, Steady},
    topology::Map,
};
use crate::{
    lab::model::Mechanism,
    results::event::{Event, EventKind},
};

/// So much unbroken delivery ends an interruption, as it ends a `wait`.
const DELIVERED_MS: f64 = 100.0;

/// Whether no more interruptions were seen than there may be.
pub(super) fn interrupted(expectation: &Expectation, outage: &Outage) -> Option<Option<bool>> {
    let most = expectation.further.interruptions?;
    Some(Some(interruptions(outage) <= most))
}

/// Times without delivery. Loss periods that hardly anything came through between are one.
fn interruptions(outage: &Outage) -> u32 {
    let mut count = 0;
    let mut over_ms = f64::NEG_INFINITY;
    for period in &outage.loss_periods {
        count += u32::from(period.start_ms - over_ms >= DELIVERED_MS);
        over_ms = over_ms.max(period.start_ms + period.duration_ms);
    }
    count
}

/// Whether every direction that the fault touched waited for `wanted`; `None` where none was seen
/// to wait for anything.
pub(super) fn detected_by(wanted: Mechanism, outages: &[&Outage]) -> Option<bool> {
    let touched = outages.iter().filter(|o| o.lost > 0 || o.path_changed);
    let seen: Option<Vec<Mechanism>> = touched.map(|outage| mechanism(outage)).collect();
    let seen = seen.filter(|seen| !seen.is_empty())?;
    Some(seen.iter().all(|&one| one == wanted))
}

/// By what the first node on the critical path noticed.
fn mechanism(outage: &Outage) -> Option<Mechanism> {
    let detected = outage.phases_ms.detected?;
    let mut steps = outage.critical_path.iter();
    let step = steps.find(|step| (step.at_ms - detected).abs() < 1e-6)?;
    let of_hold = outage.predicted.as_ref().is_some_and(|p| p.by == "hold");
    match step.what.split(' ').next()? {
        "BFD" => Some(Mechanism::Bfd),
        "BGP" if of_hold => Some(Mechanism::HoldTimer),
        "BGP" => Some(Mechanism::Bgp),
        "carrier" => Some(Mechanism::Carrier),
        "LACP" => Some(Mechanism::Lacp),
        _ => None,
    }
}

/// Whether before the first fault every packet that arrived had taken the way it was to take, and
/// none the way it was not.
pub(super) fn taken(
    expectation: &Expectation,
    steady: &Steady,
    map: &Map<'_>,
) -> [Option<Option<bool>>; 2] {
    let over = |name: &str| {
        let over = steady
            .taken
            .iter()
            .filter(|one| map.goes_via(&one.hops, name));
        over.map(|one| one.delivered).sum::<u64>()
    };
    let all: u64 = steady.taken.iter().map(|one| one.delivered).sum();
    let always = expectation.via.as_deref();
    let never = expectation.further.never_via.as_ref();
    [
        always.map(|name| (all > 0).then(|| over(name) == all)),
        never.map(|name| (all > 0).then(|| over(name.as_str()) == 0)),
    ]
}

/// Packets of given sizes that this flow's sender was to get through in one piece.
pub(super) fn carried(of_probe: &str, sender: &str, events: &[Event]) -> Vec<Carried> {
    let of_it = events.iter().filter_map(|event| match &event.kind {
        EventKind::Carried {
            probe,
            from,
            size,
            sent,
            arrived,
            too_large_at,
            ..
        } if probe == of_probe && from == sender => Some(Carried {
            size: *size,
            sent: *sent,
            arrived: *arrived,
            too_large_at: too_large_at.clone(),
        }),
        _ => None,
    });
    of_it.collect()
}

/// Whether packets of the expected size got through. A path either takes them or does not, but it
/// may lose some of any size.
pub(super) fn fits(expectation: &Expectation, steady: &Steady) -> Option<Option<bool>> {
    let mtu = expectation.further.mtu?;
    let mut all = steady.carried.iter();
    let seen = all.find(|one| one.size == mtu.get())?;
    Some((seen.sent > 0).then(|| 2 * seen.arrived > seen.sent))
}

/// The ways that were taken before the first fault, if the expectation speaks of them.
pub(super) fn describe_taken(expectation: &Expectation, steady: &Steady) -> String {
    let mtu = expectation.further.mtu;
    let sizes = steady.carried.iter();
    let sizes = sizes.filter(|one| mtu.is_some_and(|mtu| mtu.get() == one.size));
    let carried: String = sizes
        .map(|one| {
            let Carried {
                size,
                sent,
                arrived,
                ..
            } = one;
            format!(", {arrived} of {sent} of {size}B arrived in one piece")
        })
        .collect();
    if expectation.via.is_none() && expectation.further.never_via.is_none() {
        return carried;
    }
    let each = steady.taken.iter().map(|one| {
        let path = one.path.as_deref().unwrap_or("no path seen");
        format!(", {} via {path}", one.delivered)
    });
    each.collect::<String>() + &carried
}

/// Interruptions and the mechanism, if the expectation speaks of them.
pub(super) fn describe(expectation: &Expectation, outage: &Outage) -> String {
    let mut text = String::new();
    if expectation.further.interruptions.is_some() {
        text += &match interruptions(outage) {
            1 => ", 1 interruption".to_owned(),
            n => format!(", {n} interruptions"),
        };
    }
    if expectation.further.detected_by.is_some() {
        text += &match mechanism(outage) {
            Some(by) => format!(", detected by {}", by.word()),
            None => ", not seen by what it was detected".to_owned(),
        };
    }
    text
}
