//! Pieces of a report for those who put many runs together.

use super::{markdown, why, words};
use crate::results::measure::{Outage, RunResult};

/// More chains than this say the same thing again.
const CHAINS: usize = 6;

/// What each direction waited for, the longest outage first, and what took most of it.
pub fn chain(result: &RunResult) -> Vec<String> {
    let several = words::several(result);
    let mut outages: Vec<&Outage> = result.outages.iter().filter(|o| o.lost > 0).collect();
    outages.sort_by(|a, b| b.duration_ms.total_cmp(&a.duration_ms));
    let chains = outages.iter().filter_map(|o| {
        let flow = words::flow(several, o);
        let path = words::critical_path(o)?;
        Some(format!("{flow}, {}: {path}", o.label))
    });
    let mut all: Vec<String> = chains.take(CHAINS).collect();
    all.extend(why::why(result).map(|why| format!("why: {why}")));
    all.extend(
        result
            .causes
            .iter()
            .map(|cause| format!("cause: {}", cause.text)),
    );
    all
}

/// An outage with its error bar.
pub fn outage_words(outage: &Outage) -> String {
    words::outage(outage)
}

/// What one direction waited for, in time order.
pub fn critical_path(outage: &Outage) -> Option<String> {
    words::critical_path(outage)
}

/// Which nodes dropped packets of one direction, how many and why.
pub fn drop_reasons(outage: &Outage) -> Vec<String> {
    words::reasons_of(outage)
}

/// A time for reading.
pub fn span(ms: f64) -> String {
    words::span(ms)
}

/// `met`, `missed` or `not measured`.
pub fn verdict(met: Option<bool>) -> &'static str {
    words::verdict(met)
}

/// Keeps text from ending a table's cell or starting emphasis.
pub fn markdown_escape(text: &str) -> String {
    markdown::escape(text)
}

/// `2026-11-22T01:02:03`, UTC, of nanoseconds since 1970.
pub fn iso_8601(realtime_ns: u64) -> String {
    let date = words::date(realtime_ns);
    let day = date.split(' ').next().unwrap_or_default();
    let time = words::time_of_day(realtime_ns);
    let time = time.split('.').next().unwrap_or_default();
    format!("{day}T{time}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_is_told_by_the_calendar() {
        assert_eq!(iso_8601(0), "1970-01-01T00:00:00");
        assert_eq!(iso_8601(951_827_696_999_999_999), "2000-02-29T12:34:56");
    }
}
