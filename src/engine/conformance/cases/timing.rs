//! Delay and jitter.

use std::time::Duration;

use super::{LINGER, MS, OPEN, Pair, Row, Side, Stream, delayed, quiet, statistics, wired};
use crate::{
    engine::wire::WireChoice,
    lab::model::Shape,
    units::{Distribution, Span},
};

/// Microseconds by which the median and the 99th percentile may exceed the declaration.
const MEDIAN: (f64, f64) = (-25.0, 25.0);
const LATE: (f64, f64) = (f64::NEG_INFINITY, 250.0);

/// For what a short delay still holds when all was sent.
const SOON: Duration = Duration::from_millis(50);

/// 5 ms each way at three packet rates; and none at all, to show the floor.
pub(super) fn delay(backend: WireChoice) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (ms, rates) in [(5_u64, &[1_u64, 5, 20][..]), (0, &[1])] {
        let pair = wired(backend, delayed(ms))?;
        // The relay finds its constant first.
        quiet(&pair, &[Stream::new(Side::A, 1_000, MS)], LINGER)?;
        for &kpps in rates {
            rows.extend(delay_at(&pair, (ms, kpps))?);
        }
        let warnings = pair.spoiled_by();
        let said = if warnings.is_empty() {
            "nothing".to_owned()
        } else {
            warnings.join("; ")
        };
        let what = format!("what the wire itself complains of over {ms} ms");
        let names = ["delay", what.as_str(), "nothing"];
        rows.push(Row::must(names, said, warnings.is_empty()));
    }
    Ok(rows)
}

/// Turns of a second each. One in which somebody else had the processor says
/// more of the machine than of the wire: judged is the median turn, the worst shown.
const TURNS: usize = 5;

fn delay_at(pair: &Pair, (ms, kpps): (u64, u64)) -> anyhow::Result<Vec<Row>> {
    let (mut medians, mut lates, mut lost) = (Vec::new(), Vec::new(), 0);
    for _ in 0..TURNS {
        let stream = Stream::new(Side::A, (kpps * 1_000) as u32, MS / kpps);
        for trace in quiet(pair, &[stream], SOON)? {
            let delays = trace.delays_ms().into_iter();
            let errors = delays.map(|delay| (delay - ms as f64) * 1e3).collect();
            let errors = statistics::sorted(errors);
            medians.push(statistics::quantile(&errors, 0.5));
            lates.push(statistics::quantile(&errors, 0.99));
            lost += trace.lost().len();
        }
    }
    let (medians, lates) = (statistics::sorted(medians), statistics::sorted(lates));
    let declared = format!("{ms} ms at {kpps} kpps");
    let (median, late) = if ms > 0 { (MEDIAN, LATE) } else { (OPEN, OPEN) };
    let mut rows = Vec::new();
    for (what, value, bounds) in [
        ("median", statistics::quantile(&medians, 0.5), median),
        ("p99", statistics::quantile(&lates, 0.5), late),
        (
            "p99 of the worst second",
            statistics::quantile(&lates, 1.0),
            OPEN,
        ),
    ] {
        let what = format!("error of the delay at {kpps} kpps over {ms} ms, {what}");
        let names = ["delay", what.as_str(), &declared];
        rows.push(Row::within(names, value, bounds, " µs"));
    }
    let what = format!("lost at {kpps} kpps over {ms} ms");
    let names = ["delay", what.as_str(), "none"];
    rows.push(Row::must(names, lost.to_string(), lost == 0));
    Ok(rows)
}

/// Each direction has its own.
pub(super) fn asymmetric(backend: WireChoice) -> anyhow::Result<Vec<Row>> {
    let declared = [3_u64, 9];
    let pair = Pair::wired(backend, declared.map(delayed), 1500)?;
    let streams = Side::BOTH.map(|side| Stream::new(side, 1_000, MS));
    let traces = quiet(&pair, &streams, LINGER)?;
    let mut rows = Vec::new();
    for ((side, ms), trace) in Side::BOTH.into_iter().zip(declared).zip(&traces) {
        let median = statistics::quantile(&statistics::sorted(trace.delays_ms()), 0.5);
        let what = format!("median delay from {} with traffic both ways", side.word());
        let bounds = (ms as f64 - 0.05, ms as f64 + 0.2);
        let names = ["asymmetric", what.as_str(), &format!("{ms} ms")];
        rows.push(Row::within(names, median, bounds, " ms"));
    }
    Ok(rows)
}

/// Both distributions, so slowly that order does not bend them.
pub(super) fn jitter(backend: WireChoice) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (distribution, jitter, gap) in [
        (Distribution::Uniform, 2_u64, 5),
        (Distribution::Normal, 1, 8),
    ] {
        let shape = Shape {
            jitter: Span::from_millis(jitter),
            distribution,
            ..delayed(10)
        };
        let pair = wired(backend, shape)?;
        // Two ways at once: twice the samples in the same time.
        let streams = Side::BOTH.map(|side| Stream::new(side, 500, gap * MS));
        let traces = quiet(&pair, &streams, LINGER)?;
        let delays: Vec<f64> = traces.iter().flat_map(|trace| trace.delays_ms()).collect();
        let delays = statistics::sorted(delays);
        let declared = format!("10 ± {jitter} ms {distribution}");
        let width = match distribution {
            Distribution::Uniform => jitter as f64 / 3_f64.sqrt(),
            Distribution::Normal => jitter as f64,
        };
        let distance = statistics::distance(&delays, (10.0, jitter as f64), distribution);
        // Kolmogorov's bound for one in a thousand, and room for lateness.
        let bound = 1.95 / (delays.len() as f64).sqrt() + 0.03;
        for (what, value, bounds, unit) in [
            ("mean", statistics::mean(&delays), (9.85, 10.25), " ms"),
            (
                "standard deviation",
                statistics::deviation(&delays),
                (width * 0.9, width * 1.1),
                " ms",
            ),
            ("distance from the distribution", distance, (0.0, bound), ""),
        ] {
            let what = format!("{distribution}: {what}");
            rows.push(Row::within(
                ["jitter", &what, &declared],
                value,
                bounds,
                unit,
            ));
        }
    }
    Ok(rows)
}
