//! What happens to a share of the packets. `a` sends into the effect, `b` into
//! none: each direction alone.

use super::{
    LINGER, MS, OPEN, Pair, Row, Side, Stream, binomial, delayed, percent, quiet, statistics,
};
use crate::{engine::wire::WireChoice, lab::model::Shape, units::LossBurst};

use super::Trace;

/// What came of `count` packets each way at 5 kpps, `a`'s into the effect.
fn observed(backend: WireChoice, shape: Shape, count: u32) -> anyhow::Result<[Trace; 2]> {
    let plain = Shape {
        delay: shape.delay,
        ..Shape::default()
    };
    let pair = Pair::wired(backend, [shape, plain], 1500)?;
    let streams = Side::BOTH.map(|side| Stream::new(side, count, MS / 5));
    let traces = quiet(&pair, &streams, LINGER)?;
    traces
        .try_into()
        .map_err(|_| anyhow::anyhow!("two streams leave two traces"))
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 * 100.0 / whole as f64
}

/// Nothing of it may be seen the other way.
fn spared(case: &str, back: &Trace) -> Row {
    let (lost, extra) = (back.lost().len(), back.arrived.len() - back.numbers().len());
    let untouched = lost == 0 && extra == 0 && back.is_in_order();
    let measured = format!("{lost} lost, {extra} twice");
    Row::must(
        [case, "the other direction", "nothing"],
        measured,
        untouched,
    )
}

pub(super) fn loss(backend: WireChoice) -> anyhow::Result<Vec<Row>> {
    let shape = Shape {
        loss: percent(10)?,
        ..delayed(1)
    };
    let [there, back] = observed(backend, shape, 5_000)?;
    let lost = share(there.lost().len(), there.sent.len());
    let runs = statistics::gaps(&there.numbers(), 5_000);
    let length = there.lost().len() as f64 / runs.len().max(1) as f64;
    Ok(vec![
        Row::within(["loss", "lost", "10 %"], lost, binomial(0.1, 5_000), " %"),
        Row::within(
            ["loss", "lost in a row", "1.11 (independent)"],
            length,
            (1.0, 1.25),
            "",
        ),
        spared("loss", &back),
    ])
}

pub(super) fn burst(backend: WireChoice) -> anyhow::Result<Vec<Row>> {
    let shape = Shape {
        loss: percent(10)?,
        loss_burst: LossBurst::new(5),
        ..delayed(1)
    };
    let [there, back] = observed(backend, shape, 20_000)?;
    let lost = there.lost().len();
    let runs = statistics::gaps(&there.numbers(), 20_000).len().max(1);
    // About 400 runs of geometric length: four standard deviations of the mean.
    let bounds = (4.1, 5.9);
    let mean = lost as f64 / runs as f64;
    Ok(vec![
        Row::within(
            ["burst", "lost", "10 %"],
            share(lost, 20_000),
            (7.3, 12.7),
            " %",
        ),
        Row::within(["burst", "lost in a row", "5"], mean, bounds, ""),
        spared("burst", &back),
    ])
}

pub(super) fn duplicate(backend: WireChoice) -> anyhow::Result<Vec<Row>> {
    let shape = Shape {
        duplicate: percent(5)?,
        ..delayed(1)
    };
    let [there, back] = observed(backend, shape, 5_000)?;
    let twice = share(there.arrived.len() - there.numbers().len(), 5_000);
    let lost = there.lost().len();
    Ok(vec![
        Row::within(
            ["duplicate", "arrived twice", "5 %"],
            twice,
            binomial(0.05, 5_000),
            " %",
        ),
        Row::must(["duplicate", "lost", "none"], lost.to_string(), lost == 0),
        spared("duplicate", &back),
    ])
}

/// The receiver's checksum refuses what was damaged.
pub(super) fn corrupt(backend: WireChoice) -> anyhow::Result<Vec<Row>> {
    let shape = Shape {
        corrupt: percent(5)?,
        ..delayed(1)
    };
    let [there, back] = observed(backend, shape, 5_000)?;
    let lost = share(there.lost().len(), 5_000);
    let (low, high) = binomial(0.05, 5_000);
    // netem's bit may be one that no checksum covers: 12 of 214 bytes.
    let bounds = (low * 0.94, high);
    Ok(vec![
        Row::within(
            ["corrupt", "refused by the receiver", "5 %"],
            lost,
            bounds,
            " %",
        ),
        spared("corrupt", &back),
    ])
}

pub(super) fn reorder(backend: WireChoice) -> anyhow::Result<Vec<Row>> {
    let shape = Shape {
        reorder: percent(10)?,
        ..delayed(10)
    };
    let [there, back] = observed(backend, shape, 5_000)?;
    let overtaking = share(overtaking(&there), 5_000);
    let (low, high) = binomial(0.1, 5_000);
    // One that follows a pause finds nobody to overtake.
    let bounds = (low * 0.85, high);
    let early = there.delays_ms().into_iter().filter(|&ms| ms < 5.0);
    let early = share(early.count(), 5_000);
    let lost = there.lost().len();
    Ok(vec![
        Row::within(
            ["reorder", "overtook others", "10 %"],
            overtaking,
            bounds,
            " %",
        ),
        Row::within(
            ["reorder", "took less than half of the delay", "10 %"],
            early,
            OPEN,
            " %",
        ),
        Row::must(["reorder", "lost", "none"], lost.to_string(), lost == 0),
        spared("reorder", &back),
    ])
}

/// Packets that arrived before one that had been sent before them.
fn overtaking(trace: &Trace) -> usize {
    let mut lowest = u32::MAX;
    let mut count = 0;
    for &(number, _) in trace.arrived.iter().rev() {
        count += usize::from(lowest < number);
        lowest = lowest.min(number);
    }
    count
}
