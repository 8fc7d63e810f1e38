//! Background load, in words and tables.

use std::fmt::Write;

use super::{markdown::escape, terminal::Page, words};
use crate::results::measure::{LoadPhase, LoadResult, RunResult, Transition};

/// Columns of the table of a load's phases.
const COLUMNS: [&str; 9] = [
    "phase",
    "way",
    "Mbit/s",
    "at end",
    "of before",
    "longest stall",
    "time ratio",
    "efficiency",
    "buffer delay",
];
/// The same of UDP, from the seventh on.
const UDP: [&str; 3] = ["lost", "lost at end", "delay"];

/// What a load is: `bulk: app → db, 2 TCP streams, cubic`.
pub(super) fn title(load: &LoadResult) -> String {
    let inputs = &load.inputs;
    let what = match (inputs.streams, inputs.offered_bps) {
        (Some(streams), _) => {
            let plural = if streams == 1 { "" } else { "s" };
            let control = inputs.congestion_control.as_deref().unwrap_or("?");
            format!("{streams} TCP stream{plural}, {control}")
        }
        (None, Some(offered)) => format!(
            "UDP, {} Mbit/s of {} B",
            mbit(offered),
            inputs.packet_size.unwrap_or(0)
        ),
        (None, None) => inputs.protocol.clone(),
    };
    format!("{}: {} → {}, {what}", load.load, load.from, load.to)
}

/// `before`, `after cut`, `after the restore of cut`.
pub(super) fn phase(load: &LoadResult, index: usize, phase: &LoadPhase) -> String {
    let is_before = index == 0 && load.phases.first().is_some_and(|p| p.label == "start");
    match (is_before, phase.transition) {
        (true, _) => "before".to_owned(),
        (false, Transition::Initial) => format!("after {}", phase.label),
        (false, Transition::Reversion) => format!("restore of {}", phase.label),
    }
}

fn mbit(bps: u64) -> String {
    words::short(bps as f64 / 1e6)
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "–".to_owned())
}

fn percent(value: Option<f64>, decimals: usize) -> String {
    or_dash(value.map(|value| format!("{value:.decimals$} %")))
}

/// The table's rows, its head the first.
fn rows(load: &LoadResult) -> Vec<Vec<String>> {
    let is_udp = load.inputs.protocol == "udp";
    let (common, tcp) = COLUMNS.split_at(COLUMNS.len() - UDP.len());
    let last = if is_udp { &UDP[..] } else { tcp };
    let head = common.iter().chain(last).map(|head| (*head).to_owned());
    let mut rows = vec![head.collect::<Vec<_>>()];
    for (index, one) in load.phases.iter().enumerate() {
        let stall = match one.longest_stall_ms > 0.0 {
            true => words::span(one.longest_stall_ms),
            false => "none".to_owned(),
        };
        let mut row = vec![
            phase(load, index, one),
            or_dash(one.path.clone()),
            mbit(one.throughput_bps),
            mbit(one.at_end_bps),
            percent(one.share_of_before_percent, 0),
            stall,
        ];
        if let Some(tcp) = &one.rfc6349 {
            row.push(or_dash(tcp.transfer_time_ratio.map(words::short)));
            row.push(percent(tcp.tcp_efficiency_percent, 2));
            row.push(percent(tcp.buffer_delay_percent, 0));
        }
        if let Some(udp) = &one.udp {
            row.push(percent(udp.loss_percent, 2));
            row.push(percent(udp.loss_at_end_percent, 2));
            row.push(or_dash(
                udp.average_delay_ms.map(|ms| format!("{ms:.1} ms")),
            ));
        }
        rows.push(row);
    }
    rows
}

/// The path's limit and what TCP can get of it: `circuit-1 carries 20 Mbit/s, 18.9 of them payload`.
pub(super) fn limits(load: &LoadResult) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    for phase in &load.phases {
        let Some(bottleneck) = &phase.bottleneck else {
            continue;
        };
        let mut text = format!(
            "{} carries {} Mbit/s",
            bottleneck.link,
            mbit(bottleneck.bandwidth_bps)
        );
        let tcp = phase.rfc6349.as_ref();
        if let Some(ideal) = tcp.and_then(|tcp| tcp.ideal_throughput_bps) {
            text += &format!(", {} of them payload", mbit(ideal));
        }
        if let Some(rtt) = tcp.and_then(|tcp| tcp.baseline_rtt_ms) {
            text += &format!("; {rtt:.1} ms there and back when idle");
        }
        if !said.contains(&text) {
            said.push(text);
        }
    }
    said
}

pub(super) fn terminal(result: &RunResult, page: &mut Page) {
    for load in &result.load {
        page.gap();
        page.row("load", &title(load));
        for limit in limits(load) {
            page.row("", &limit);
        }
        page.gap();
        page.columns(&rows(load));
        for broken in &load.broken {
            page.line(&format!("  connection ended: {broken}"));
        }
        if let Some(why) = &load.limited_by {
            page.wrapped("  !", &format!("not the lab's limit: {why}"));
        } else if !load.trusted {
            page.line("  ! not trusted, see the warnings");
        }
    }
}

pub(super) fn markdown(result: &RunResult, out: &mut String) -> std::fmt::Result {
    for load in &result.load {
        writeln!(out, "\n### Load {}\n", escape(&title(load)))?;
        for limit in limits(load) {
            writeln!(out, "{}.\n", escape(&limit))?;
        }
        for (number, row) in rows(load).iter().enumerate() {
            let cells: Vec<String> = row.iter().map(|cell| escape(cell)).collect();
            writeln!(out, "| {} |", cells.join(" | "))?;
            if number == 0 {
                writeln!(out, "|---|---|{}", "---:|".repeat(row.len() - 2))?;
            }
        }
        if let Some(why) = &load.limited_by {
            writeln!(out, "\nNot the lab's limit: {}.", escape(why))?;
        }
    }
    Ok(())
}
