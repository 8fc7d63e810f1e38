//! What monitoring that sees what this run saw would have raised: a state that asks for somebody,
//! though traffic may flow.
//!
//! The usual way of a flow is the one it took before the first fault. A backup is a session (of a
//! VPN: all its tunnels together) that is on no flow's usual way.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    alarm::{self, carriers, metric},
    input::{BEFORE, SessionInput, Transition},
    outage::{Scene, Told},
    result::{AlertResult, Outage},
    topology::Map,
    window::Window,
};
use crate::{
    lab::model::Alert,
    results::event::{EventKind, MonoNs},
};

/// A time in which something is so; without an end until the run's.
#[derive(Debug, Clone)]
struct Stretch {
    from: MonoNs,
    to: Option<MonoNs>,
}

impl Stretch {
    fn holds(&self, at: MonoNs) -> bool {
        at >= self.from && self.to.is_none_or(|to| at < to)
    }
}

/// Every alert of the run, in time order. `told` are all flows' outages, window by window.
pub(super) fn find(scene: &Scene<'_>, told: &[(usize, Told)]) -> Vec<AlertResult> {
    let mut flows: BTreeMap<u16, Vec<(&Window, &Outage)>> = BTreeMap::new();
    for (index, one) in told {
        if let Some(window) = scene.windows.get(*index) {
            flows
                .entry(one.outage.flow)
                .or_default()
                .push((window, &one.outage));
        }
    }
    let mut usual: BTreeSet<String> = BTreeSet::new();
    let mut unwell: Vec<Stretch> = Vec::new();
    let mut on_backup: BTreeMap<&str, Vec<(Stretch, BTreeSet<String>)>> = BTreeMap::new();
    for seen in flows.values() {
        let Some((_, first)) = seen.first() else {
            continue;
        };
        let own = carriers(scene.map, &first.hops_before);
        let away = away(scene.map, seen, &bundle(scene.map, &flows, first));
        unwell.extend(away.iter().map(|(stretch, _)| stretch.clone()));
        unwell.extend(
            seen.iter()
                .filter_map(|(window, outage)| lossy(window, outage)),
        );
        on_backup.entry(&first.probe).or_default().extend(away);
        usual.extend(own);
    }
    let mut alerts = Vec::new();
    for (probe, stretches) in on_backup {
        for (stretch, via) in joined(stretches) {
            alerts.extend(alert(scene, Alert::RunningOnBackup, &stretch, |result| {
                result.probe = Some(probe.to_owned());
                result.about = via.iter().cloned().collect::<Vec<_>>().join(", ");
            }));
        }
    }
    if !flows.is_empty() {
        alerts.extend(dead_backups(scene, &usual, &unwell));
    }
    alerts.extend(loads(scene));
    alerts.sort_by_key(|alert| alert.raised_ns);
    alerts
}

/// The sessions that all flows between the same two hosts take together: before the first fault,
/// then after each transition. Where a flow shares its way by a hash, it may come back to another
/// circuit than it left, and yet all is as usual.
fn bundle(
    map: &Map<'_>,
    flows: &BTreeMap<u16, Vec<(&Window, &Outage)>>,
    like: &Outage,
) -> Vec<BTreeSet<String>> {
    let same = |seen: &&Vec<(&Window, &Outage)>| {
        let first = seen.first();
        first.is_some_and(|(_, first)| first.from == like.from && first.to == like.to)
    };
    let mut together: Vec<BTreeSet<String>> = Vec::new();
    for seen in flows.values().filter(same) {
        let before = seen.first().map(|(_, first)| &first.hops_before);
        let after = seen.iter().map(|(_, outage)| &outage.hops_after);
        for (index, hops) in before.into_iter().chain(after).enumerate() {
            if index == together.len() {
                together.push(BTreeSet::new());
            }
            if let Some(all) = together.get_mut(index) {
                all.extend(carriers(map, hops));
            }
        }
    }
    together
}

fn instant(window: &Window, ms: f64) -> MonoNs {
    window.zero().saturating_add_signed((ms * 1e6) as i64)
}

/// When a flow was on another way than its own, and which; `bundle` as [`bundle`] gives it.
fn away(
    map: &Map<'_>,
    seen: &[(&Window, &Outage)],
    bundle: &[BTreeSet<String>],
) -> Vec<(Stretch, BTreeSet<String>)> {
    let mut found: Vec<(Stretch, BTreeSet<String>)> = Vec::new();
    let mut is_away = false;
    let Some((usual, after)) = bundle.split_first() else {
        return found;
    };
    let own = seen
        .first()
        .map(|(_, first)| carriers(map, &first.hops_before))
        .unwrap_or_default();
    for ((window, outage), together) in seen.iter().zip(after) {
        if own.is_empty() || outage.hops_after.is_empty() {
            continue;
        }
        let now = carriers(map, &outage.hops_after);
        let ms = outage.path_changed_ms.or(outage.phases_ms.recovered);
        let at = instant(window, ms.unwrap_or_default());
        match (!alarm::is_on_backup(&own, &now, usual, together), is_away) {
            (false, false) => found.push((Stretch { from: at, to: None }, now)),
            (true, true) => {
                if let Some((stretch, _)) = found.last_mut() {
                    stretch.to = Some(at);
                }
            }
            (false, true) => {
                if let Some((_, via)) = found.last_mut() {
                    via.extend(now);
                }
                continue;
            }
            (true, false) => continue,
        }
        is_away = !is_away;
    }
    found
}

/// From the first loss of a transition until traffic was back, or to the transition's end.
fn lossy(window: &Window, outage: &Outage) -> Option<Stretch> {
    let first = outage.loss_periods.first()?;
    let back = outage.phases_ms.recovered.filter(|_| outage.recovered);
    Some(Stretch {
        from: instant(window, first.start_ms),
        to: Some(back.map_or(window.end, |ms| instant(window, ms))),
    })
}

/// One stretch for all flows of a probe that are away at the same time.
fn joined(mut stretches: Vec<(Stretch, BTreeSet<String>)>) -> Vec<(Stretch, BTreeSet<String>)> {
    stretches.sort_by_key(|(stretch, _)| stretch.from);
    let mut joined: Vec<(Stretch, BTreeSet<String>)> = Vec::new();
    for (stretch, via) in stretches {
        match joined.last_mut() {
            Some((last, known)) if last.holds(stretch.from) => {
                last.to = last.to.zip(stretch.to).map(|(a, b)| a.max(b));
                known.extend(via);
            }
            _ => joined.push((stretch, via)),
        }
    }
    joined
}

/// When every session of a backup was down, by its ends' own word.
fn down(scene: &Scene<'_>, sessions: &[&SessionInput]) -> Vec<Stretch> {
    let mut up: BTreeSet<(&str, &str)> = BTreeSet::new();
    let mut found: Vec<Stretch> = Vec::new();
    let mut was_alive = false;
    for event in scene.events {
        let EventKind::Session {
            session,
            node,
            state,
            ..
        } = &event.kind
        else {
            continue;
        };
        match state.eq_ignore_ascii_case("established") {
            true => up.insert((session, node)),
            false => up.remove(&(session.as_str(), node.as_str())),
        };
        let is_alive = alarm::is_alive(sessions, |session, node| up.contains(&(session, node)));
        match (was_alive, is_alive) {
            (true, false) => found.push(Stretch {
                from: event.at,
                to: None,
            }),
            (false, true) => {
                if let Some(stretch) = found.last_mut() {
                    stretch.to = Some(event.at);
                }
            }
            (true, true) | (false, false) => {}
        }
        was_alive = is_alive;
    }
    found
}

/// Backups that are dead while no flow needs them: nothing shows it but their own state.
fn dead_backups(
    scene: &Scene<'_>,
    usual: &BTreeSet<String>,
    unwell: &[Stretch],
) -> Vec<AlertResult> {
    let mut alerts = Vec::new();
    for (name, sessions) in alarm::backups(scene.map.topology, usual) {
        for mut stretch in down(scene, &sessions) {
            // Raised once all traffic goes its usual way, if the backup is still dead then.
            let raised = loop {
                match unwell.iter().find(|other| other.holds(stretch.from)) {
                    None => break true,
                    Some(other) => match other.to {
                        None => break false,
                        Some(to) => stretch.from = to,
                    },
                }
            };
            if raised && stretch.to.is_none_or(|to| to > stretch.from) {
                alerts.extend(alert(scene, Alert::BackupDead, &stretch, |result| {
                    result.about = name.to_owned();
                    result.metric = sessions.first().and_then(|session| metric(session));
                }));
            }
        }
    }
    alerts
}

/// Load that was told while the run went on: it was measured then.
fn loads(scene: &Scene<'_>) -> Vec<AlertResult> {
    let mut found: Vec<AlertResult> = Vec::new();
    let word = Alert::LoadExceedsBackup.word();
    let began = scene.events.iter().find_map(|event| match event.kind {
        EventKind::ProbesStarted { .. } => Some(event.at),
        _ => None,
    });
    for event in scene.events {
        let EventKind::Alert {
            alert: name,
            state,
            about: told,
            metric,
            load_bps,
            room_bps,
            ..
        } = &event.kind
        else {
            continue;
        };
        if name != word {
            continue;
        }
        if state == "cleared" {
            let open = found.iter_mut().rev().find(|one| one.about == *told);
            if let Some(open) = open.filter(|one| one.cleared_ns.is_none()) {
                open.cleared_ns = Some(event.at);
            }
            continue;
        }
        let stretch = Stretch {
            from: event.at,
            to: None,
        };
        let say = |result: &mut AlertResult| {
            result.about.clone_from(told);
            result.metric.clone_from(metric);
            (result.load_bps, result.room_bps) = (*load_bps, *room_bps);
        };
        let after = alert(scene, Alert::LoadExceedsBackup, &stretch, say);
        found.push(after.unwrap_or_else(|| AlertResult {
            alert: Alert::LoadExceedsBackup,
            about: told.clone(),
            probe: None,
            metric: metric.clone(),
            label: BEFORE.to_owned(),
            transition: Transition::Initial,
            raised_ms: began.map_or(0.0, |began| event.at.saturating_sub(began) as f64 / 1e6),
            raised_ns: event.at,
            cleared_ns: None,
            load_bps: *load_bps,
            room_bps: *room_bps,
        }));
    }
    found
}

/// An alert of this time, if the time is in any transition.
fn alert(
    scene: &Scene<'_>,
    alert: Alert,
    stretch: &Stretch,
    say: impl FnOnce(&mut AlertResult),
) -> Option<AlertResult> {
    let mut windows = scene.windows.iter().rev();
    let window =
        windows.find(|window| window.before <= stretch.from && stretch.from < window.end)?;
    let mut result = AlertResult {
        alert,
        about: String::new(),
        probe: None,
        metric: None,
        label: window.label.clone(),
        transition: window.transition,
        raised_ms: window.ms(stretch.from),
        raised_ns: stretch.from,
        cleared_ns: stretch.to,
        load_bps: None,
        room_bps: None,
    };
    say(&mut result);
    Some(result)
}
