//! The benchmarks of RFC 6412, and RFC 6413's table.

use super::{
    markup::Markup,
    parts,
    table::{Cell, Column, Table},
};
use crate::results::{
    measure::{DelayStats, Outage, RunResult},
    report::words,
};

/// All flows of each transition together.
pub(super) fn transitions(result: &RunResult, page: &mut Markup) {
    const COLUMNS: &[Column] = &[
        Column::words("step").of("label"),
        Column::words("transition").of("transition"),
        Column::numbers("offered load, packets/s").of("benchmarks/offered_load_pps"),
        Column::numbers("first route convergence, ms")
            .of("benchmarks/first_route_convergence_time_ms"),
        Column::numbers("full convergence, ms").of("benchmarks/full_convergence_time_ms"),
        Column::numbers("loss-derived convergence, ms")
            .of("benchmarks/loss_derived_convergence_time_ms"),
        Column::numbers("loss-derived loss of connectivity, ms")
            .of("benchmarks/loss_derived_loss_of_connectivity_period_ms"),
        Column::numbers("connectivity loss").of("benchmarks/connectivity_packet_loss"),
        Column::numbers("convergence loss").of("benchmarks/convergence_packet_loss"),
        Column::numbers("reordered").of("benchmarks/out_of_order"),
        Column::numbers("duplicated").of("benchmarks/duplicate"),
        Column::numbers("later than 2 s").of("benchmarks/excessive_forwarding_delay"),
    ];
    let caption = "All flows together (RFC 6412, RFC 6413 §7)";
    let mut table = Table::new(caption, "/transitions", COLUMNS);
    for (index, t) in result.transitions.iter().enumerate() {
        let Some(b) = &t.benchmarks else {
            continue;
        };
        let mut cells = vec![
            Cell::text(&t.label),
            Cell::text(parts::transition(t.transition)),
            Cell::count(b.offered_load_pps),
        ];
        let times = [
            b.first_route_convergence_time_ms,
            b.full_convergence_time_ms,
        ];
        cells.extend(times.map(|ms| Cell::number(ms, 1)));
        let derived = [
            b.loss_derived_convergence_time_ms,
            b.loss_derived_loss_of_connectivity_period_ms,
        ];
        cells.extend(derived.map(|ms| Cell::number(ms, 1).at_least(b.lower_bound)));
        let lost = [b.connectivity_packet_loss, b.convergence_packet_loss];
        cells.extend(lost.map(|n| Cell::count(n).at_least(b.lower_bound)));
        let counts = [b.out_of_order, b.duplicate, b.excessive_forwarding_delay];
        cells.extend(counts.map(Cell::count));
        table.row(index, cells);
    }
    table.write(page);
}

/// Each flow, which is a route.
pub(super) fn routes(result: &RunResult, several: bool, page: &mut Markup) {
    const COLUMNS: &[Column] = &[
        Column::words("direction"),
        Column::words("step").of("label"),
        Column::words("transition").of("transition"),
        Column::numbers("loss of connectivity, ms")
            .of("rfc6412/route_loss_of_connectivity_period_ms"),
        Column::numbers("route-specific convergence, ms")
            .of("rfc6412/route_specific_convergence_time_ms"),
        Column::numbers("first route convergence, ms")
            .of("rfc6412/first_route_convergence_time_ms"),
        Column::numbers("full convergence, ms").of("rfc6412/full_convergence_time_ms"),
        Column::numbers("then held, ms").of("rfc6412/sustained_ms"),
        Column::numbers("reordered").of("reordered"),
        Column::numbers("duplicated").of("duplicated"),
        Column::numbers("later than 2 s").of("rfc6412/excessive_forwarding_delay"),
    ];
    let caption = "Each flow (RFC 6412): a flow is a route";
    let mut table = Table::new(caption, "/outages", COLUMNS);
    for (index, o) in result.outages.iter().enumerate() {
        let r = &o.rfc6412;
        let mut cells = named(o, several);
        let derived = [
            Some(r.route_loss_of_connectivity_period_ms),
            r.route_specific_convergence_time_ms,
        ];
        cells.extend(derived.map(|ms| Cell::number(ms, 1).at_least(r.lower_bound)));
        let times = [
            r.first_route_convergence_time_ms,
            r.full_convergence_time_ms,
            r.sustained_ms,
        ];
        cells.extend(times.map(|ms| Cell::number(ms, 1)));
        let counts = [o.reordered, o.duplicated, r.excessive_forwarding_delay];
        cells.extend(counts.map(Cell::count));
        table.row(index, cells);
    }
    table.write(page);
}

/// Delay and its variation before and afterwards.
pub(super) fn delays(result: &RunResult, several: bool, page: &mut Markup) {
    const COLUMNS: &[Column] = &[
        Column::words("direction"),
        Column::words("step").of("label"),
        Column::words("transition").of("transition"),
        Column::numbers("before: p50").of("delay_before/p50_ms"),
        Column::numbers("p99").of("delay_before/p99_ms"),
        Column::numbers("variation").of("delay_before/pdv_ms"),
        Column::numbers("after: p50").of("delay_after/p50_ms"),
        Column::numbers("p99").of("delay_after/p99_ms"),
        Column::numbers("variation").of("delay_after/pdv_ms"),
        Column::numbers("additive backup delay").of("additive_backup_delay_ms"),
    ];
    let caption = "One-way delay, milliseconds: variation by RFC 5481 (99.9th percentile less smallest), additive backup delay by RFC 6414";
    let mut table = Table::new(caption, "/outages", COLUMNS);
    for (index, o) in result.outages.iter().enumerate() {
        let of = |d: Option<DelayStats>| {
            let each = d.map(|d| [d.p50_ms, d.p99_ms, d.pdv_ms]);
            [0, 1, 2].map(|n| Cell::number(each.and_then(|each| each.get(n).copied()), 3))
        };
        let mut cells = named(o, several);
        cells.extend([o.delay_before, o.delay_after].into_iter().flat_map(of));
        cells.push(Cell::number(o.additive_backup_delay_ms, 3));
        table.row(index, cells);
    }
    table.write(page);
}

fn named(o: &Outage, several: bool) -> Vec<Cell> {
    vec![
        Cell::text(words::flow(several, o)),
        Cell::text(&o.label),
        Cell::text(parts::transition(o.transition)),
    ]
}
