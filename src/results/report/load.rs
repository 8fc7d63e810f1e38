//! Background load, in words and tables.

use std::fmt::Write;

use super::{markdown::escape, terminal::Page, words};
use crate::results::measure::{
    LoadPhase, LoadRange, LoadResult, LoadSummary, RunResult, Transition, TrialsResult,
};

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

/// What is meant by a stall.
pub(super) const STALLS: &str = "A stall is a time of 50 ms and more in which nothing arrived: the longest of any one connection, and summed, while all of the load's connections stood still at once.";

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

/// A figure, marked where it is of no steady state.
fn unsettled(figure: String, is_so: bool) -> String {
    match is_so {
        true => format!("~ {figure}"),
        false => figure,
    }
}

/// What the mark means, where there is one.
const UNSETTLED: &str = "~ not settled when the phase ended: no steady state";

/// Whether a load had not settled when a phase ended.
fn is_unsettled(load: &LoadResult) -> bool {
    let mut phases = load.phases.iter();
    phases.any(|phase| phase.at_end_settling.doubt().is_some())
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
            unsettled(mbit(one.at_end_bps), one.at_end_settling.doubt().is_some()),
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
        if is_unsettled(load) {
            page.line(&format!("  {UNSETTLED}"));
        }
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
        if is_unsettled(load) {
            writeln!(out, "\n{UNSETTLED}.")?;
        }
        if let Some(why) = &load.limited_by {
            writeln!(out, "\nNot the lab's limit: {}.", escape(why))?;
        }
    }
    Ok(())
}

/// Columns of the table of a load's phases over trials.
const OF_TRIALS: [&str; 9] = [
    "phase",
    "trials",
    "Mbit/s",
    "at end",
    "of before, %",
    "longest stall, ms",
    "time ratio",
    "efficiency, %",
    "buffer delay, %",
];

/// `18.9 (17.2-19.1)`: the median and the range; one figure where all are alike.
pub(super) fn spread(range: &LoadRange, decimals: usize) -> String {
    let [min, median, max] =
        [range.min, range.median, range.max].map(|n| format!("{n:.decimals$}"));
    match min == max {
        true => median,
        false => format!("{median} ({min}-{max})"),
    }
}

pub(super) fn in_mbit(range: &LoadRange) -> LoadRange {
    LoadRange {
        min: range.min / 1e6,
        median: range.median / 1e6,
        max: range.max / 1e6,
    }
}

/// `before`, `after cut`, `restore of cut`.
pub(super) fn phase_of(summary: &LoadSummary) -> String {
    match (summary.label.as_str(), summary.transition) {
        ("start", _) => "before".to_owned(),
        (label, Transition::Initial) => format!("after {label}"),
        (label, Transition::Reversion) => format!("restore of {label}"),
    }
}

/// The table of a load over trials, its head the first row.
fn rows_of_trials(all: &[&LoadSummary]) -> Vec<Vec<String>> {
    let is_udp = all.iter().any(|one| one.protocol == "udp");
    let mut head: Vec<String> = OF_TRIALS.map(str::to_owned).to_vec();
    if is_udp {
        head.truncate(OF_TRIALS.len() - 3);
        head.push("lost, %".to_owned());
    }
    let mut rows = vec![head];
    for one in all {
        let spread_of = |range: &Option<LoadRange>, decimals| {
            or_dash(range.as_ref().map(|range| spread(range, decimals)))
        };
        let trials = match one.left_out {
            0 => one.trials.to_string(),
            n => format!("{} ({n} left out)", one.trials),
        };
        let mut row = vec![
            phase_of(one),
            trials,
            spread(&in_mbit(&one.throughput_bps), 2),
            unsettled(
                spread(&in_mbit(&one.at_end_bps), 2),
                one.at_end_unsettled > 0,
            ),
            spread_of(&one.share_of_before_percent, 0),
            spread(&one.longest_stall_ms, 0),
        ];
        match is_udp {
            true => row.push(spread_of(&one.loss_percent, 2)),
            false => row.extend([
                spread_of(&one.transfer_time_ratio, 2),
                spread_of(&one.tcp_efficiency_percent, 2),
                spread_of(&one.buffer_delay_percent, 0),
            ]),
        }
        rows.push(row);
    }
    rows
}

/// Each load's phases, with what it is.
fn of_trials(result: &TrialsResult) -> Vec<(String, Vec<&LoadSummary>)> {
    let mut each: Vec<(String, Vec<&LoadSummary>)> = Vec::new();
    for one in &result.load {
        match each
            .last_mut()
            .filter(|(_, all)| all.iter().all(|of| of.load == one.load))
        {
            Some((_, all)) => all.push(one),
            None => {
                let title = format!(
                    "{}: {} → {}, {}; median (min-max)",
                    one.load,
                    one.from,
                    one.to,
                    one.protocol.to_uppercase()
                );
                each.push((title, vec![one]));
            }
        }
    }
    each
}

pub(super) fn terminal_of_trials(result: &TrialsResult, page: &mut Page) {
    for (title, all) in of_trials(result) {
        page.gap();
        page.row("load", &title);
        let rows = rows_of_trials(&all);
        // What everybody has, and beside each other RFC 6349's three or UDP's loss: a terminal is
        // narrow.
        let [first, second] = [0..6, 6..rows.first().map_or(6, Vec::len)].map(|columns| {
            let each = rows.iter().map(|row| {
                let phase = row.first().filter(|_| columns.start > 0);
                let rest = row.get(columns.clone()).unwrap_or_default();
                phase.into_iter().chain(rest).cloned().collect()
            });
            each.collect::<Vec<Vec<String>>>()
        });
        page.columns(&first);
        if all.iter().any(|one| one.at_end_unsettled > 0) {
            page.line(&format!("  {UNSETTLED}"));
        }
        page.gap();
        page.columns(&second);
    }
}

pub(super) fn markdown_of_trials(result: &TrialsResult, out: &mut String) -> std::fmt::Result {
    for (title, all) in of_trials(result) {
        writeln!(out, "\n### Load {}\n", escape(&title))?;
        for (number, row) in rows_of_trials(&all).iter().enumerate() {
            let cells: Vec<String> = row.iter().map(|cell| escape(cell)).collect();
            writeln!(out, "| {} |", cells.join(" | "))?;
            if number == 0 {
                writeln!(out, "|---|{}", "---:|".repeat(row.len() - 1))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::results::{
        measure::{Ended, Terms, measure, summarise, tests::load},
        report::{self, Style},
    };

    #[test]
    fn a_load_over_trials_fits_a_terminal() {
        let run = measure(&load::loaded());
        let runs: Vec<_> = (1..=3_u64)
            .map(|n| {
                let mut run = run.clone();
                for phase in run.load.iter_mut().flat_map(|load| &mut load.phases) {
                    phase.throughput_bps = 12_340_000 * n;
                }
                run
            })
            .collect();
        let terms = Terms {
            trials: 3,
            until_ci: None,
            seed: 1,
        };
        let style = Style {
            colour: false,
            width: 100,
        };
        let all = summarise(&runs, terms, Ended::Completed);
        let text = report::trials(&all, style);
        assert!(text.contains("24.68 (12.34-37.02)"), "{text}");
        assert!(
            text.contains("time ratio") && text.contains("lost, %"),
            "{text}"
        );
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(100), "{text}");
        let markdown = report::trials_markdown(&all);
        assert!(markdown.contains("24.68 (12.34-37.02)"), "{markdown}");
    }
}
