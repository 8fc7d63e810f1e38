//! The instrument measures itself on an unimpaired pair of interfaces.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use anyhow::Context;

use crate::{
    engine::{
        probe::{
            histogram::Histogram,
            instrument::{ProbeConfig, ProbeQuality, Probes},
        },
        sink::EventSink,
    },
    lab::plan::FlowPlan,
    os::{clock, netns::NetnsFd},
    results::event::{EventKind, FlowLog},
    units::{NodeName, PROBE_PORT_BASE, ProbeName},
};

/// Bytes of a calibration packet.
const SIZE: u16 = 200;
/// Longest a packet may take through a bare pair.
const DRAIN: Duration = Duration::from_millis(500);
/// How much longer than planned sending may take on a busy host.
const PATIENCE_NS: u64 = 5_000_000_000;

/// Two namespaces joined by a plain veth pair, addressed and up.
#[derive(Debug)]
pub struct BarePair<'a> {
    /// The namespaces.
    pub netns: [&'a NetnsFd; 2],
    /// The addresses at the two ends, of one family.
    pub addresses: [IpAddr; 2],
}

/// What the instrument adds to every figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Calibrated {
    /// Packets sent, both ways.
    pub sent: u64,
    /// Lost of them.
    pub lost: u64,
    /// Median one-way delay, microseconds.
    pub delay_p50_us: f64,
    /// 99th percentile of it.
    pub delay_p99_us: f64,
    /// How the probes themselves did.
    pub quality: ProbeQuality,
}

/// Sends `packets` through the pair, half each way, at `rate` a second each
/// way, and reports `Calibrated`. Takes `packets / rate / 2` seconds.
pub fn calibrate(
    pair: &BarePair<'_>,
    packets: u32,
    rate: u32,
    sink: &EventSink,
) -> anyhow::Result<Calibrated> {
    let ends = [NodeName::new("calibrate-a")?, NodeName::new("calibrate-b")?];
    let netns: BTreeMap<NodeName, NetnsFd> = ends
        .iter()
        .zip(pair.netns)
        .map(|(name, netns)| Ok((name.clone(), netns.try_clone()?)))
        .collect::<std::io::Result<_>>()
        .context("holding the calibration namespaces")?;
    let flow = |id: u16, from: usize, to: usize| -> anyhow::Result<FlowPlan> {
        Ok(FlowPlan {
            id,
            probe: ProbeName::new("calibration")?,
            from: ends[from].clone(),
            to: ends[to].clone(),
            source: pair.addresses[from],
            destination: pair.addresses[to],
            port: PROBE_PORT_BASE + id,
            rate,
            size: SIZE,
            service: None,
            dont_fragment: false,
        })
    };
    let flows = [flow(0, 0, 1)?, flow(1, 1, 0)?];
    let config = ProbeConfig {
        flows: &flows,
        run: clock::mono_ns(),
        netns: &netns,
    };
    // Its probes are not the run's: only their summary is reported.
    let (quiet, _unread) = EventSink::pair();
    let mut probes = Probes::start(&config, quiet)?;
    let each = u64::from(packets.div_ceil(2));
    let limit = clock::mono_ns() + each * 1_000_000_000 / u64::from(rate.max(1)) + PATIENCE_NS;
    while clock::mono_ns() < limit
        && flows
            .iter()
            .any(|f| probes.flow(f.id).is_some_and(|live| live.sent < each))
    {
        clock::sleep_until(clock::mono_ns() + 1_000_000);
    }
    probes.stop_sending()?;
    probes.drain(DRAIN);
    let (logs, quality) = probes.finish()?;
    let calibrated = summarise(&logs, quality);
    sink.now(EventKind::Calibrated {
        sent: calibrated.sent,
        lost: calibrated.lost,
        pacing_p99_us: quality.pacing_p99_us,
        delay_p50_us: calibrated.delay_p50_us,
        delay_p99_us: calibrated.delay_p99_us,
    });
    Ok(calibrated)
}

fn summarise(logs: &[FlowLog], quality: ProbeQuality) -> Calibrated {
    let mut delays = Histogram::default();
    let mut sent = 0u64;
    for log in logs {
        sent += log.sent.len() as u64;
        for arrival in &log.received {
            if let Some(Some(left)) = log.sent.get(arrival.seq as usize) {
                delays.record(arrival.at.saturating_sub(*left));
            }
        }
    }
    Calibrated {
        sent,
        lost: sent.saturating_sub(delays.total()),
        delay_p50_us: delays.quantile(0.5) as f64 / 1e3,
        delay_p99_us: delays.quantile(0.99) as f64 / 1e3,
        quality,
    }
}
