//! `backhoe status`: a lab that is up, at one glance.

use std::{fmt::Write, path::Path};

use super::{
    Exit,
    args::StatusArgs,
    ls, output,
    table::{Table, age, or_dash, rate},
};
use crate::{
    engine::{
        api::{Client, Phase, Status},
        live::{LabStatus, LinkCounts, LinkStatus},
    },
    lab::model::scaled_words,
    os::clock,
};

pub(super) fn run(args: &StatusArgs) -> Result<(), Exit> {
    let lab = ls::choose(args.which.lab.as_deref().or(args.named.as_deref()))?;
    let status = Client::new(lab).status()?;
    if args.output.json {
        return output::json(&status);
    }
    output::data(&render(&status, clock::mono_ns()))
}

fn render(status: &Status, now: u64) -> String {
    let lab = &status.state;
    let ms_since = |then: u64| now.saturating_sub(then) / 1_000_000;
    let doing = match (status.phase, status.waiting.is_empty()) {
        (Phase::Ending, _) => "ending".to_owned(),
        (Phase::Running, true) => "running its scenario; everything is up".to_owned(),
        (Phase::Up, true) => "everything is up".to_owned(),
        (_, false) => format!("not up: {}", status.waiting.join(", ")),
    };
    let scaled = lab.timers_scaled.map(scaled_words);
    let scaled = scaled.map_or_else(String::new, |words| format!("{words}\n"));
    let mut text = format!(
        "{}  since {} ago, {doing}\njournal and logs: {}\n{scaled}",
        lab.lab,
        age(ms_since(status.up_since)),
        ls::present(Path::new(&status.out_dir))
    );
    for table in [
        alerts(lab, &ms_since),
        faults(lab, &ms_since),
        nodes(lab),
        links(lab),
        sessions(lab),
        tunnels(lab),
    ] {
        if !table.is_empty() {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n{table}");
        }
    }
    if !lab.notes.is_empty() {
        text.push('\n');
    }
    for note in &lab.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text
}

fn alerts(lab: &LabStatus, ms_since: &dyn Fn(u64) -> u64) -> Table {
    let mut table = Table::new(&["ALERT", "OF", "LOAD", "WOULD FIT", "SINCE"]);
    for a in &lab.alerts {
        table.row([
            a.alert.clone(),
            a.about.clone(),
            or_dash(a.load_bps.map(rate)),
            or_dash(a.room_bps.map(rate)),
            format!("{} ago", age(ms_since(a.since))),
        ]);
    }
    table
}

fn faults(lab: &LabStatus, ms_since: &dyn Fn(u64) -> u64) -> Table {
    let mut table = Table::new(&["FAULT", "HOW", "TARGET", "SINCE"]);
    for f in &lab.faults {
        let since = format!("{} ago", age(ms_since(f.since)));
        table.row([f.label.clone(), f.fault.clone(), f.target.clone(), since]);
    }
    table
}

fn nodes(lab: &LabStatus) -> Table {
    let mut table = Table::new(&["NODE", "KIND", "DAEMON", "ANSWERS"]);
    for n in &lab.nodes {
        let kind = match &n.behind {
            Some(node) => format!("{} at {node}", n.kind),
            None => n.kind.clone(),
        };
        let answers = n.answers.map(|yes| match &n.silent {
            Some(why) if why != "no answer" => format!("NO: {why}"),
            _ if yes => "yes".to_owned(),
            _ => "NO".to_owned(),
        });
        table.row([
            n.name.clone(),
            kind,
            or_dash(n.daemon.clone()),
            or_dash(answers),
        ]);
    }
    table
}

fn links(lab: &LabStatus) -> Table {
    let mut table = Table::new(&[
        "LINK",
        "DIRECTION",
        "DELAY",
        "MEASURED",
        "RATE",
        "MEASURED",
        "OFFERED",
        "DELIVERED",
        "DROPPED",
        "FAULT",
    ]);
    for l in &lab.links {
        let count = |of: fn(&LinkCounts) -> u64| or_dash(l.counters.as_ref().map(of));
        table.row([
            l.link.clone(),
            format!("{} → {}", l.from, l.to),
            format!("{} ms", l.declared_delay_ms),
            or_dash(l.measured.map(|m| format!("{:.2} ms", m.delay_p50_ms))),
            or_dash(l.declared_rate_bps.map(rate)),
            or_dash(measured_rate(l)),
            count(|c| c.offered),
            count(|c| c.delivered),
            count(|c| c.cut + c.loss + c.queue),
            or_dash(l.fault.clone()),
        ]);
    }
    table
}

fn measured_rate(link: &LinkStatus) -> Option<String> {
    Some(rate(link.measured?.rate_bps?))
}

fn sessions(lab: &LabStatus) -> Table {
    let mut table = Table::new(&[
        "SESSION",
        "AT",
        "PEER",
        "OVER",
        "BGP",
        "FOR",
        "IN",
        "OUT",
        "HOLD",
        "BFD",
        "EVERY",
        "DETECTS IN",
    ]);
    for s in &lab.sessions {
        let bgp = s.bgp.as_ref();
        let bfd = s.bfd.as_ref().and_then(|bfd| bfd.view.as_ref());
        let us = |value: u64| format!("{} ms", value as f64 / 1e3);
        table.row([
            s.session.clone(),
            s.node.clone(),
            s.peer.clone(),
            s.over.clone(),
            bgp.map_or_else(
                || lab.silence_of(&s.node).unwrap_or("no answer").to_owned(),
                |bgp| bgp.state.clone(),
            ),
            or_dash(
                bgp.filter(|b| b.is_established())
                    .and_then(|b| b.uptime_ms)
                    .map(age),
            ),
            or_dash(bgp.and_then(|b| b.accepted)),
            or_dash(bgp.and_then(|b| b.advertised)),
            or_dash(bgp.and_then(|b| b.hold_ms).map(age)),
            or_dash(bfd.map(|b| b.state.clone())),
            or_dash(bfd.and_then(|b| b.tx_us).map(us)),
            or_dash(bfd.and_then(|b| b.detect_us).map(us)),
        ]);
    }
    table
}

fn tunnels(lab: &LabStatus) -> Table {
    let mut table = Table::new(&[
        "TUNNEL",
        "AT",
        "STATE",
        "BACKEND",
        "HANDSHAKE",
        "RECEIVED",
        "SENT",
        "DROPPED",
    ]);
    for t in &lab.tunnels {
        table.row([
            t.tunnel.clone(),
            t.node.clone(),
            t.state.clone(),
            or_dash(t.backend.clone()),
            or_dash(t.handshake_age_ms.map(|ms| format!("{} ago", age(ms)))),
            format!("{} B", t.rx_bytes),
            format!("{} B", t.tx_bytes),
            or_dash((!t.drops.is_empty()).then(|| {
                let each = t.drops.iter();
                let each: Vec<String> =
                    each.map(|(why, count)| format!("{count}: {why}")).collect();
                each.join(", ")
            })),
        ]);
    }
    table
}
