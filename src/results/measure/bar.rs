//! How far the length of an outage may be from what the count of lost packets says.
//!
//! Traffic was gone from some moment after the last delivered packet before the loss had been
//! sent until some moment before the first delivered one behind it was, and it was gone while the
//! lost ones were sent. A sender in step leaves one gap to either side, RFC 6413's ± N/R; one that
//! was late leaves more, exactly where it was late.

use super::{
    flow::{Fate, FlowView},
    result::LossPeriod,
};

/// The error bar of `seqs`, the packets of one transition, which has these loss periods,
/// milliseconds: never less than the gap between two packets.
pub(super) fn of(view: &FlowView<'_>, seqs: &[u32], periods: &[LossPeriod]) -> f64 {
    let gap = view.gap_ms();
    if periods.is_empty() {
        // What fits between two packets that arrived passes unseen.
        return longest_pause_ms(view, seqs).max(gap);
    }
    let (mut less, mut more) = (0.0, 0.0);
    for period in periods {
        let [shortest, longest] = limits_ms(view, period);
        less += period.duration_ms - shortest;
        more += longest - period.duration_ms;
    }
    f64::max(less, more).max(gap)
}

/// A figure and its error bar, `805 ± 1.09`: of the bar three digits, rounded up, so that it never
/// claims more than was measured; of the figure as many decimals, so that rounding it takes nothing
/// off the bar that could be seen. Zeros that say nothing are left out.
pub fn with_bar(value: f64, bar: f64) -> String {
    let decimals = match bar {
        _ if bar >= 100.0 => 0,
        _ if bar >= 10.0 => 1,
        _ if bar >= 1.0 => 2,
        _ => 3,
    };
    let unit = 10_f64.powi(decimals);
    // What floating point adds is no part of the bar.
    let up = (bar * unit - 1e-6).ceil() / unit;
    let [value, bar] = [value, up].map(|number| {
        let text = format!("{number:.*}", decimals.unsigned_abs() as usize);
        match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text,
        }
    });
    format!("{value} ± {bar}")
}

/// How short and how long the outage behind a loss period can have been. A loss that the edge of
/// the transition cuts goes on behind that edge, where the next lost packet bounds this part of
/// it. Where the flow begins or ends, one gap has to do.
fn limits_ms(view: &FlowView<'_>, period: &LossPeriod) -> [f64; 2] {
    let gap = view.gap_ms();
    let before = (0..period.start).rev().find(|&seq| tells(view, seq));
    let behind = (period.end + 1..view.seqs().end).find(|&seq| tells(view, seq));
    let ms = |from: u32, to: u32| {
        let (from, to) = (view.sent_at(from)?, view.sent_at(to)?);
        Some((to.cast_signed() - from.cast_signed()) as f64 / 1e6)
    };
    let shortest = ms(period.start, period.end).unwrap_or(period.duration_ms - gap);
    let edge = |seq: Option<u32>, to: u32| seq.and_then(|seq| ms(seq.min(to), seq.max(to)));
    let head = edge(before, period.start).unwrap_or(gap);
    let tail = edge(behind, period.end).unwrap_or(gap);
    [shortest, head + shortest + tail]
}

/// Whether what became of a packet says something about the path: it was delivered, or it was lost
/// and neither declared loss nor a full queue took it.
fn tells(view: &FlowView<'_>, seq: u32) -> bool {
    matches!(view.fate(seq), Some(Fate::Delivered { .. } | Fate::Lost))
}

/// The longest time between the sending of two packets that were delivered one after the other,
/// the last one before the transition included: a sender that had to wait may begin it with a pause.
/// Where that one was lost, the transition before has the loss.
fn longest_pause_ms(view: &FlowView<'_>, seqs: &[u32]) -> f64 {
    let first = seqs.first().copied().unwrap_or(0);
    let before = (0..first).rev().find(|&seq| tells(view, seq));
    let delivered = seqs.iter().copied().filter(|&seq| view.is_delivered(seq));
    let delivered = before.into_iter().chain(delivered);
    let sent: Vec<u64> = delivered.filter_map(|seq| view.sent_at(seq)).collect();
    let pauses = sent.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
    pauses.max().unwrap_or(0) as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_rounded_up_and_never_down() {
        for (value, bar, told) in [
            (805.0, 1.0, "805 ± 1"),
            (805.0, 1.000_000_000_2, "805 ± 1"),
            (805.0, 1.001, "805 ± 1.01"),
            (884.0, 1.0412, "884 ± 1.05"),
            (743.333_3, 3.334, "743.33 ± 3.34"),
            (18.34, 0.020_4, "18.34 ± 0.021"),
            (20.0, 5.277, "20 ± 5.28"),
            (100.0, 10.82, "100 ± 10.9"),
            (1200.4, 100.2, "1200 ± 101"),
        ] {
            assert_eq!(with_bar(value, bar), told);
        }
    }
}
