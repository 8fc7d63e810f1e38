//! Cuts and changes while packets are on their way.

use std::{thread, time::Duration};

use anyhow::Context as _;

use super::{
    LINGER, MS, Pair, Row, Side, Stream, Trace, delayed, link, quiet, statistics, traffic, wired,
};
use crate::{
    engine::wire::{Bracket, WireChoice},
    os::{clock, link_watch::LinkWatch},
    units::NodeName,
};

/// Longer than a stream's part before a cut takes.
const FLIGHT: u64 = 400;
const LONG: Duration = Duration::from_millis(FLIGHT + 300);

/// From 300 ms to 20 ms with 200 packets on their way.
pub(super) fn reshape(backend: WireChoice) -> anyhow::Result<Vec<Row>> {
    let pair = wired(backend, delayed(300))?;
    let stream = Stream::new(Side::A, 400, MS);
    let mut changed = 0;
    let traces = traffic::exchange(&pair, &[stream], LONG, || {
        thread::sleep(Duration::from_millis(200));
        let shape = delayed(20);
        changed = pair
            .wire()?
            .reshape(&link()?, &[shape.clone(), shape])?
            .before;
        Ok(())
    })?;
    let trace = traces.first().context("one stream leaves one trace")?;
    let before = trace.sent.iter().filter(|&&sent| sent < changed).count();
    let lost = trace.lost().len();
    let tail = quiet(&pair, &[Stream::new(Side::A, 200, MS)], LINGER)?;
    let delays = tail.iter().flat_map(Trace::delays_ms).collect();
    let median = statistics::quantile(&statistics::sorted(delays), 0.5);
    Ok(vec![
        Row::must(
            ["reshape", "lost of those on their way at a change", "none"],
            format!("{lost} of {before}"),
            lost == 0 && before > 100,
        ),
        Row::must(
            ["reshape", "order across the change", "kept"],
            if trace.is_in_order() {
                "kept"
            } else {
                "broken"
            }
            .to_owned(),
            trace.is_in_order(),
        ),
        Row::within(
            ["reshape", "median delay afterwards", "20 ms"],
            median,
            (19.9, 50.0),
            " ms",
        ),
    ])
}

/// Streams of 600 ms; the cut falls at 200 ms and ends at 400 ms.
fn cut_between(pair: &Pair, from: Option<Side>) -> anyhow::Result<([Trace; 2], Bracket, Bracket)> {
    let streams = Side::BOTH.map(|side| Stream::new(side, 600, MS));
    let node = from.map(|side| NodeName::new(side.word())).transpose()?;
    let mut brackets = None;
    let traces = traffic::exchange(pair, &streams, LONG, || {
        thread::sleep(Duration::from_millis(200));
        let cut = pair.wire()?.silence(&link()?, node.as_ref())?;
        thread::sleep(Duration::from_millis(200));
        let restored = pair.wire()?.restore(&link()?, node.as_ref())?;
        brackets = Some((cut, restored));
        Ok(())
    })?;
    let (cut, restored) = brackets.context("no cut took place")?;
    let traces = traces
        .try_into()
        .map_err(|_| anyhow::anyhow!("two streams leave two traces"))?;
    Ok((traces, cut, restored))
}

/// Lost although sent outside of the cut, arrived although sent within it. A
/// packet enters the wire up to 2 ms after its stamp.
fn wrong(trace: &Trace, cut: Bracket, restored: Bracket) -> (usize, usize) {
    let slack = 2 * MS;
    let lost = trace.lost();
    let outside = |sent: u64| sent + slack < cut.before || sent > restored.after;
    let inside = |sent: u64| sent > cut.after && sent + slack < restored.before;
    let sent = |number: u32| trace.sent.get(number as usize).copied().unwrap_or(0);
    let early = lost.iter().filter(|&&number| outside(sent(number))).count();
    let numbers = trace.numbers();
    let leaked = numbers
        .iter()
        .filter(|&&number| inside(sent(number)))
        .count();
    (early, leaked)
}

fn has_light(pair: &Pair, side: Side) -> anyhow::Result<bool> {
    let mut watch = pair.netns(side)?.run(LinkWatch::open)?;
    let interfaces = watch.snapshot()?;
    Ok(interfaces
        .iter()
        .any(|interface| interface.name == super::super::pair::INTERFACE && interface.up))
}

fn has_lights(pair: &Pair) -> anyhow::Result<[bool; 2]> {
    Ok([has_light(pair, Side::A)?, has_light(pair, Side::B)?])
}

pub(super) fn silent(backend: WireChoice) -> anyhow::Result<Vec<Row>> {
    let pair = wired(backend, delayed(FLIGHT))?;
    let (traces, cut, restored) = cut_between(&pair, None)?;
    let mut rows = Vec::new();
    for (side, trace) in Side::BOTH.into_iter().zip(&traces) {
        let (early, leaked) = wrong(trace, cut, restored);
        let what = format!(
            "from {}: lost of what was sent outside of the cut, arrived of within",
            side.word()
        );
        let lost = trace.lost().len();
        rows.push(Row::must(
            ["silent", &what, "0, 0"],
            format!("{early}, {leaked} ({lost} lost)"),
            (early, leaked) == (0, 0) && lost > 100,
        ));
    }
    let lights = has_lights(&pair)?;
    rows.push(Row::must(
        ["silent", "carrier at both ends", "on"],
        if lights == [true; 2] { "on" } else { "off" }.to_owned(),
        lights == [true; 2],
    ));
    let width = (cut.after - cut.before) as f64 / 1e3;
    rows.push(Row::within(
        ["silent", "the cut's own duration", ""],
        width,
        super::OPEN,
        " µs",
    ));
    Ok(rows)
}

pub(super) fn one_way(backend: WireChoice) -> anyhow::Result<Vec<Row>> {
    let pair = wired(backend, delayed(20))?;
    let ([there, back], cut, restored) = cut_between(&pair, Some(Side::A))?;
    let (early, leaked) = wrong(&there, cut, restored);
    let (lost, spared) = (there.lost().len(), back.lost().len());
    Ok(vec![
        Row::must(
            [
                "one-way",
                "from a: lost outside of the cut, arrived within",
                "0, 0",
            ],
            format!("{early}, {leaked} ({lost} lost)"),
            (early, leaked) == (0, 0) && lost > 100,
        ),
        Row::must(
            ["one-way", "from b: lost", "none"],
            spared.to_string(),
            spared == 0,
        ),
    ])
}

/// The light goes out at `b`'s end alone.
pub(super) fn carrier(backend: WireChoice) -> anyhow::Result<Vec<Row>> {
    let mut pair = wired(backend, delayed(5))?;
    let begin = clock::mono_ns();
    pair.light(Side::B, false)?;
    let mut took = None;
    while clock::mono_ns() < begin + 5_000 * MS {
        if !has_light(&pair, Side::B)? {
            took = Some((clock::mono_ns() - begin) as f64 / 1e6);
            break;
        }
    }
    let lights = has_lights(&pair)?;
    let dark = quiet(&pair, &[Stream::new(Side::A, 100, MS)], LINGER)?;
    let arrived: usize = dark.iter().map(|trace| trace.arrived.len()).sum();
    pair.light(Side::B, true)?;
    for side in Side::BOTH {
        traffic::await_one(&pair, side, false, Duration::from_secs(10))
            .with_context(|| format!("after the light's return, from {}", side.word()))?;
    }
    let streams = Side::BOTH.map(|side| Stream::new(side, 200, MS));
    let after = quiet(&pair, &streams, LINGER)?;
    let lost: usize = after.iter().map(|trace| trace.lost().len()).sum();
    let word = |on| if on { "on" } else { "off" };
    Ok(vec![
        Row::must(
            ["carrier", "light at a and at b, b's end dark", "on, off"],
            format!("{}, {}", word(lights[0]), word(lights[1])),
            lights == [true, false],
        ),
        Row::within(
            ["carrier", "until b's node has lost its carrier", ""],
            took.unwrap_or(f64::NAN),
            super::OPEN,
            " ms",
        ),
        Row::must(
            ["carrier", "arrived in the dark", "none"],
            arrived.to_string(),
            arrived == 0,
        ),
        Row::must(
            ["carrier", "lost after its return", "none"],
            lost.to_string(),
            lost == 0,
        ),
    ])
}
