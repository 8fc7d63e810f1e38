//! What is measured, a room each: a case declares, sends, and gives rows.

mod chance;
mod cuts;
mod frames;
mod rate;
mod throughput;
mod timing;

use std::time::Duration;

use super::{
    pair::{Pair, Side, link},
    row::Row,
    statistics,
    traffic::{self, Stream, Trace},
};
use crate::{
    engine::wire::WireChoice,
    lab::model::Shape,
    units::{Percent, Span},
};

/// One case.
pub(super) struct Case {
    pub(super) name: &'static str,
    /// Whether its bounds are times, which an emulated machine cannot keep.
    pub(super) is_about_time: bool,
    pub(super) measure: fn(WireChoice) -> anyhow::Result<Vec<Row>>,
}

const fn timed(name: &'static str, measure: fn(WireChoice) -> anyhow::Result<Vec<Row>>) -> Case {
    Case {
        name,
        is_about_time: true,
        measure,
    }
}

const fn counted(name: &'static str, measure: fn(WireChoice) -> anyhow::Result<Vec<Row>>) -> Case {
    Case {
        name,
        is_about_time: false,
        measure,
    }
}

/// All of them, in the order of the table.
pub(super) static ALL: &[Case] = &[
    timed("delay", timing::delay),
    timed("asymmetric", timing::asymmetric),
    timed("jitter", timing::jitter),
    counted("loss", chance::loss),
    counted("burst", chance::burst),
    counted("duplicate", chance::duplicate),
    counted("corrupt", chance::corrupt),
    counted("reorder", chance::reorder),
    timed("rate", rate::rate),
    timed("queue", rate::queue),
    counted("reshape", cuts::reshape),
    counted("silent", cuts::silent),
    counted("one-way", cuts::one_way),
    counted("carrier", cuts::carrier),
    counted("mtu", frames::mtu),
    counted("tags", frames::tags),
    counted("ipv6", frames::ipv6),
    counted("offload", frames::offload),
    counted("stalled", frames::stalled),
    timed("throughput", throughput::throughput),
];

const MS: u64 = 1_000_000;
/// For what is still on its way when all was sent.
const LINGER: Duration = Duration::from_millis(300);
const OPEN: (f64, f64) = (f64::NEG_INFINITY, f64::INFINITY);

fn delayed(ms: u64) -> Shape {
    Shape {
        delay: Span::from_millis(ms),
        ..Shape::default()
    }
}

fn wired(backend: WireChoice, shape: Shape) -> anyhow::Result<Pair> {
    Pair::wired(backend, [shape.clone(), shape], 1500)
}

fn percent(whole: u32) -> anyhow::Result<Percent> {
    Percent::from_millionths(whole * 10_000)
        .ok_or_else(|| anyhow::anyhow!("{whole} % is more than all"))
}

fn quiet(pair: &Pair, streams: &[Stream], linger: Duration) -> anyhow::Result<Vec<Trace>> {
    traffic::exchange(pair, streams, linger, || Ok(()))
}

/// Bounds of a count of `of` independent events with probability `p`: five
/// standard deviations, as shares in percent.
fn binomial(p: f64, of: usize) -> (f64, f64) {
    let deviation = (p * (1.0 - p) / of as f64).sqrt();
    ((p - 5.0 * deviation) * 100.0, (p + 5.0 * deviation) * 100.0)
}
