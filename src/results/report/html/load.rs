//! Background load on a page: its throughput by time, and the figures of each phase.

use serde::Serialize;

use super::{
    markup::Markup,
    parts,
    table::{Cell, Column, Table},
    traffic::{rounded, since},
};
use crate::results::{
    event::MonoNs,
    measure::{LoadRange, LoadResult, RunResult, TrialsResult},
    report::load as told,
};

/// One load's throughput, as the script draws it.
#[derive(Debug, Serialize)]
pub(super) struct Series {
    name: String,
    /// Start of the first interval, milliseconds from the page's zero.
    from_ms: f64,
    /// Length of an interval, milliseconds.
    step_ms: f64,
    /// Mbit/s in each.
    mbit: Vec<f64>,
}

/// All loads' throughput.
pub(super) fn series(result: &RunResult, zero: MonoNs) -> Vec<Series> {
    let one = |load: &LoadResult| {
        let timeline = &load.timeline;
        let rates = timeline.throughput_bps.iter();
        Series {
            name: load.load.clone(),
            from_ms: rounded(since(zero, timeline.from_ns)),
            step_ms: timeline.step_ns as f64 / 1e6,
            mbit: rates.map(|bps| rounded(*bps as f64 / 1e6)).collect(),
        }
    };
    result.load.iter().map(one).collect()
}

/// The section; nothing where there was no load.
pub(super) fn section(result: &RunResult, page: &mut Markup) {
    if result.load.is_empty() {
        return;
    }
    page.raw("<section aria-labelledby=\"load\">\n<h2 id=\"load\">Load</h2>\n");
    page.raw("<p>What users would have seen: background traffic between hosts, over the kernel's own TCP and UDP. Of TCP the payload is counted, of UDP whole packets.</p>\n");
    for (index, load) in result.load.iter().enumerate() {
        page.element("h3", &told::title(load));
        let arrived = format!("{}: what arrived, by when it did", load.load);
        parts::chart("load", index, &arrived, page);
        let limits = told::limits(load).into_iter();
        let host = load.limited_by.as_ref();
        let host = host.map(|why| format!("not the lab's limit: {why}"));
        let broken = load.broken.iter();
        let broken = broken.map(|why| format!("a connection ended: {why}"));
        let notes: Vec<String> = limits.chain(host).chain(broken).collect();
        if notes.is_empty() {
            continue;
        }
        page.raw("<ul class=\"paths\">\n");
        for note in notes {
            page.element("li", &note);
        }
        page.raw("</ul>\n");
    }
    seen(result, page);
    tcp(result, page);
    udp(result, page);
    page.raw("</section>\n");
}

/// A table of phases; `cells` of none of another transport.
fn phases<const N: usize>(
    result: &RunResult,
    (caption, columns): (&str, &'static [Column]),
    cells: impl Fn(&crate::results::measure::LoadPhase) -> Option<[Cell; N]>,
    page: &mut Markup,
) {
    let mut table = Table::new(caption, "/load", columns);
    for (number, load) in result.load.iter().enumerate() {
        for (index, phase) in load.phases.iter().enumerate() {
            let Some(cells) = cells(phase) else {
                continue;
            };
            let names = [
                Cell::text(&load.load),
                Cell::text(told::phase(load, index, phase)),
            ];
            let row: Vec<Cell> = names.into_iter().chain(cells).collect();
            table.row(format!("{number}/phases/{index}"), row);
        }
    }
    table.write(page);
}

fn seen(result: &RunResult, page: &mut Markup) {
    const COLUMNS: &[Column] = &[
        Column::words("load"),
        Column::words("phase"),
        Column::words("way").of("path"),
        Column::numbers("seconds"),
        Column::numbers("Mbit/s"),
        Column::numbers("Mbit/s at the end"),
        Column::words("settled"),
        Column::numbers("of before, %").of("share_of_before_percent"),
        Column::numbers("longest stall of a connection, ms").of("longest_stall_ms"),
        Column::numbers("all stood still, ms").of("stalled_ms"),
    ];
    let mbit = |bps: u64| Cell::number(bps as f64 / 1e6, 2);
    phases(
        result,
        ("Throughput by phase", COLUMNS),
        |phase| {
            Some([
                Cell::text(phase.path.as_deref().unwrap_or("–")),
                Cell::number(phase.duration_ms / 1e3, 1),
                mbit(phase.throughput_bps),
                mbit(phase.at_end_bps),
                match phase.at_end_settling.doubt() {
                    Some(doubt) => Cell::text(format!("no: {doubt}")),
                    None => Cell::text("yes"),
                },
                Cell::number(phase.share_of_before_percent, 0),
                Cell::number(phase.longest_stall_ms, 1),
                Cell::number(phase.stalled_ms, 1),
            ])
        },
        page,
    );
    page.raw("<p class=\"note dim\">");
    page.text(told::STALLS).raw("</p>\n");
}

fn tcp(result: &RunResult, page: &mut Markup) {
    const COLUMNS: &[Column] = &[
        Column::words("load"),
        Column::words("phase"),
        Column::numbers("transfer time ratio").of("rfc6349/transfer_time_ratio"),
        Column::numbers("efficiency, %").of("rfc6349/tcp_efficiency_percent"),
        Column::numbers("buffer delay, %").of("rfc6349/buffer_delay_percent"),
        Column::numbers("baseline RTT, ms").of("rfc6349/baseline_rtt_ms"),
        Column::words("by").of("rfc6349/baseline_by"),
        Column::numbers("average RTT, ms").of("rfc6349/average_rtt_ms"),
        Column::numbers("largest, ms").of("rfc6349/max_rtt_ms"),
        Column::numbers("bytes sent").of("rfc6349/transmitted_bytes"),
        Column::numbers("retransmitted").of("rfc6349/retransmitted_bytes"),
        Column::numbers("BDP, bytes").of("rfc6349/bandwidth_delay_product_bytes"),
        Column::numbers("RWND, bytes").of("rfc6349/receive_window_bytes"),
        Column::numbers("MSS").of("rfc6349/mss"),
        Column::numbers("path MTU").of("rfc6349/path_mtu"),
        Column::numbers("largest cwnd").of("rfc6349/cwnd_max"),
    ];
    phases(
        result,
        ("TCP in the terms of RFC 6349", COLUMNS),
        |phase| {
            let tcp = phase.rfc6349.as_ref()?;
            let product = tcp.bandwidth_delay_product_bytes;
            Some([
                Cell::number(tcp.transfer_time_ratio, 2),
                Cell::number(tcp.tcp_efficiency_percent, 2),
                Cell::number(tcp.buffer_delay_percent, 0),
                Cell::number(tcp.baseline_rtt_ms, 2),
                Cell::text(tcp.baseline_by.as_deref().unwrap_or("–")),
                Cell::number(tcp.average_rtt_ms, 2),
                Cell::number(tcp.max_rtt_ms, 2),
                Cell::count(tcp.transmitted_bytes),
                Cell::count(tcp.retransmitted_bytes),
                product.map_or_else(|| Cell::text("–"), Cell::count),
                Cell::count(tcp.receive_window_bytes),
                Cell::count(tcp.mss.into()),
                Cell::count(tcp.path_mtu.into()),
                Cell::count(tcp.cwnd_max.into()),
            ])
        },
        page,
    );
}

fn udp(result: &RunResult, page: &mut Markup) {
    const COLUMNS: &[Column] = &[
        Column::words("load"),
        Column::words("phase"),
        Column::numbers("sent").of("udp/sent"),
        Column::numbers("lost").of("udp/lost"),
        Column::numbers("lost, %").of("udp/loss_percent"),
        Column::numbers("at the end, %").of("udp/loss_at_end_percent"),
        Column::numbers("average delay, ms").of("udp/average_delay_ms"),
        Column::numbers("longest, ms").of("udp/max_delay_ms"),
    ];
    phases(
        result,
        ("UDP", COLUMNS),
        |phase| {
            let udp = phase.udp.as_ref()?;
            Some([
                Cell::count(udp.sent),
                Cell::count(udp.lost),
                Cell::number(udp.loss_percent, 2),
                Cell::number(udp.loss_at_end_percent, 2),
                Cell::number(udp.average_delay_ms, 2),
                Cell::number(udp.max_delay_ms, 2),
            ])
        },
        page,
    );
}

/// Of a series: medians and ranges of each load's phases.
pub(super) fn of_series(result: &TrialsResult, page: &mut Markup) {
    const COLUMNS: &[Column] = &[
        Column::words("load").of("load"),
        Column::words("phase"),
        Column::numbers("trials").of("trials"),
        Column::numbers("left out").of("left_out"),
        Column::words("Mbit/s"),
        Column::words("Mbit/s at the end"),
        Column::numbers("not settled").of("at_end_unsettled"),
        Column::words("of before, %"),
        Column::words("longest stall, ms"),
        Column::words("transfer time ratio"),
        Column::words("efficiency, %"),
        Column::words("buffer delay, %"),
        Column::words("UDP lost, %"),
    ];
    if result.load.is_empty() {
        return;
    }
    page.raw("<section aria-labelledby=\"load\">\n<h2 id=\"load\">Load</h2>\n");
    let caption = "Background load over all trials that count: median (smallest-largest)";
    let mut table = Table::new(caption, "/load", COLUMNS);
    let cell = |range: Option<&LoadRange>, decimals| match range {
        Some(range) => Cell::text(told::spread(range, decimals)),
        None => Cell::text("–"),
    };
    for (index, one) in result.load.iter().enumerate() {
        let rates = [&one.throughput_bps, &one.at_end_bps].map(told::in_mbit);
        let mut cells = vec![
            Cell::text(&one.load),
            Cell::text(told::phase_of(one)),
            Cell::count(one.trials as u64),
            Cell::count(one.left_out as u64),
        ];
        cells.extend(rates.iter().map(|rate| cell(Some(rate), 2)));
        cells.push(Cell::count(one.at_end_unsettled as u64));
        cells.extend([
            cell(one.share_of_before_percent.as_ref(), 0),
            cell(Some(&one.longest_stall_ms), 0),
            cell(one.transfer_time_ratio.as_ref(), 2),
            cell(one.tcp_efficiency_percent.as_ref(), 2),
            cell(one.buffer_delay_percent.as_ref(), 0),
            cell(one.loss_percent.as_ref(), 2),
        ]);
        table.row(index, cells);
    }
    table.write(page);
    page.raw("</section>\n");
}
