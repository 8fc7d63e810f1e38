//! Serialisation and its queue.

use anyhow::Context as _;

use super::{LINGER, Row, Side, Stream, delayed, quiet, statistics, wired};
use crate::{
    engine::wire::WireChoice,
    lab::model::Shape,
    units::{Bytes, Rate},
};

/// Bytes of each packet on the wire, Ethernet header included.
const FRAME: u64 = 1_014;

fn limited(mbit: u64, queue: Option<u64>) -> anyhow::Result<Shape> {
    Ok(Shape {
        rate: Some(Rate::from_bits_per_second(mbit * 1_000_000).context("a rate of nothing")?),
        queue: queue.map(Bytes::new),
        ..delayed(2)
    })
}

/// Twice the rate is offered for a second.
fn overload(mbit: u64) -> Stream {
    let per_second = 2 * mbit * 1_000_000 / 8 / FRAME;
    Stream {
        size: FRAME as usize - 14,
        ..Stream::new(Side::A, per_second as u32, 1_000_000_000 / per_second)
    }
}

pub(super) fn rate(backend: WireChoice) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for mbit in [2_u64, 20, 100] {
        let pair = wired(backend, limited(mbit, None)?)?;
        let traces = quiet(&pair, &[overload(mbit)], LINGER)?;
        let arrived = traces.first().map(|trace| &trace.arrived);
        let arrived = arrived.context("one stream leaves one trace")?;
        // Full from the first packet to the last.
        let (first, last) = (arrived.first(), arrived.last());
        let took = last.zip(first).map_or(0, |(last, first)| last.1 - first.1);
        let bits = (arrived.len() as u64).saturating_sub(1) * FRAME * 8;
        let measured = bits as f64 * 1e3 / took as f64;
        let bounds = (mbit as f64 * 0.98, mbit as f64 * 1.01);
        let declared = format!("{mbit} Mb/s");
        let names = [
            "rate",
            &format!("throughput of {mbit} Mb/s at twice as much"),
            &*declared,
        ];
        rows.push(Row::within(names, measured, bounds, " Mb/s"));
    }
    Ok(rows)
}

/// What waits, waits as long as the queue takes to drain, and no longer.
pub(super) fn queue(backend: WireChoice) -> anyhow::Result<Vec<Row>> {
    let (mbit, queue) = (20, 50_000);
    let pair = wired(backend, limited(mbit, Some(queue))?)?;
    let traces = quiet(&pair, &[overload(mbit)], LINGER)?;
    let trace = traces.first().context("one stream leaves one trace")?;
    let delays = statistics::sorted(trace.delays_ms());
    let counters = pair.wire()?.counters();
    let dropped: u64 = counters.iter().map(|counted| counted.stats.queue).sum();
    let lost = trace.lost().len() as u64;
    Ok(vec![
        Row::within(
            ["queue", "delay through a full queue", "2 + 20 ms"],
            statistics::quantile(&delays, 0.9),
            (21.0, 23.5),
            " ms",
        ),
        Row::must(
            [
                "queue",
                "lost by the receiver's count, by the wire's",
                "the same",
            ],
            format!("{lost}, {dropped}"),
            lost == dropped && lost > 0,
        ),
    ])
}
