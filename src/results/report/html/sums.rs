//! Outages as sums of their phases: of one run, and of a series.

use super::{
    markup::Markup,
    parts,
    table::{Cell, Column, Table},
};
use crate::results::{
    measure::{Distribution, RunResult},
    report::words,
};

/// Each outage of a run whose phases were seen.
pub(super) fn of_run(result: &RunResult, several: bool, page: &mut Markup) {
    const COLUMNS: &[Column] = &[
        Column::words("direction"),
        Column::words("step").of("label"),
        Column::words("transition").of("transition"),
        Column::numbers("under way").of("parts/in_flight_ms"),
        Column::numbers("+ detection").of("parts/detection_ms"),
        Column::numbers("+ news to the pivot").of("parts/news_ms"),
        Column::numbers("+ FIB").of("parts/fib_ms"),
        Column::numbers("+ first packet").of("parts/first_packet_ms"),
        Column::numbers("= sum").of("parts/sum_ms"),
        Column::numbers("outage, as counted").of("duration_ms"),
        Column::numbers("sum less outage"),
    ];
    let mut table = Table::new(
        "The outage as the sum of its phases, milliseconds",
        "/outages",
        COLUMNS,
    );
    for (index, o) in result.outages.iter().enumerate() {
        let Some(p) = o.parts else {
            continue;
        };
        let mut cells = vec![
            Cell::text(words::flow(several, o)),
            Cell::text(&o.label),
            Cell::text(parts::transition(o.transition)),
        ];
        let numbers = [
            Some(p.in_flight_ms),
            Some(p.detection_ms),
            p.news_ms,
            p.fib_ms,
            Some(p.first_packet_ms),
            Some(p.sum_ms),
            Some(o.duration_ms),
            Some(p.sum_ms - o.duration_ms),
        ];
        cells.extend(numbers.map(|ms| Cell::number(ms, 2)));
        table.row(index, cells);
    }
    if table.is_empty() {
        return;
    }
    table.write(page);
    page.raw(
        "<p class=\"note dim\">Under way: lost packets that had been sent before the event, less \
         those that were on their way to the pivot when its table had changed. The sum is told by \
         the clock, the outage by counting packets.</p>\n",
    );
}

/// Medians of each part over all trials, and whether the sums are the outages.
pub(super) fn of_series(told: &[(usize, &Distribution)], several: bool, page: &mut Markup) {
    const COLUMNS: &[Column] = &[
        Column::words("direction"),
        Column::words("step").of("label"),
        Column::numbers("trials").of("phases/trials"),
        Column::numbers("not seen in").of("phases/unseen"),
        Column::numbers("detection").of("phases/detection_ms"),
        Column::numbers("news to the pivot").of("phases/news_ms"),
        Column::numbers("FIB").of("phases/fib_ms"),
        Column::numbers("first packet").of("phases/first_packet_ms"),
        Column::numbers("sum and outage differ by, median").of("phases/difference_median_ms"),
        Column::numbers("p99").of("phases/difference_p99_ms"),
        Column::words("within 1 and 3 ms").of("phases/add_up"),
    ];
    let mut table = Table::new(
        "Phases: the median of each, milliseconds, and whether they add up to the outage",
        "/distributions",
        COLUMNS,
    );
    for (index, d) in told {
        let Some(p) = &d.phases else {
            continue;
        };
        let mut cells = vec![
            Cell::text(words::direction(several, &d.probe, [&d.from, &d.to])),
            Cell::text(&d.label),
            Cell::count(p.trials as u64),
            Cell::count(p.unseen as u64),
        ];
        let numbers = [
            Some(p.detection_ms),
            p.news_ms,
            p.fib_ms,
            Some(p.first_packet_ms),
            Some(p.difference_median_ms),
            Some(p.difference_p99_ms),
        ];
        cells.extend(numbers.map(|ms| Cell::number(ms, 2)));
        cells.push(Cell::yes(p.add_up));
        table.row(index, cells);
    }
    table.write(page);
}
