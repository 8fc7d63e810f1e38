//! One-way delay of every wire, both ways at once, with the probe instrument.

use std::time::Duration;

use anyhow::Context;

use super::{
    Namespaces, rate,
    reach::{Loan, Reach, survey},
};
use crate::{
    engine::{
        probe::{ProbeConfig, Probes},
        sink::EventSink,
    },
    lab::plan::{FlowPlan, Plan},
    os::{clock, kernel::LentAddress},
    results::event::{EventKind, FlowLog},
    units::ProbeName,
};

/// Packets each way over each link.
const PACKETS: u64 = 200;
/// Packets a second each way.
const RATE: u32 = 400;
/// IP packet size, bytes: the size of the default probe.
const SIZE: u16 = 200;
/// First UDP port of the measurement, clear of the probes' own.
const PORT: u16 = 41_000;

/// Measures delay of every wire and rate of every wire that declares one, and
/// reports `LinkMeasured` for each direction, or `LinkUnmeasured`. A switch has an
/// address of its network meanwhile. Takes about half a second.
///
/// # Errors
/// A socket could not be opened at a link's end.
pub fn measure(plan: &Plan, netns: &Namespaces, sink: &EventSink) -> anyhow::Result<()> {
    let survey = survey(plan);
    for (link, why) in survey.unmeasured {
        unmeasured(sink, link.as_str(), why);
    }
    if survey.reaches.is_empty() {
        return Ok(());
    }
    let _lent = lend(&survey.loans, netns)?;
    let flows = flows(&survey.reaches)?;
    let logs = run(&flows, netns).context("measuring the links' delay")?;
    for (index, reach) in survey.reaches.iter().enumerate() {
        for direction in 0..2 {
            let (from, to) = (direction, 1 - direction);
            let shape = &reach.wire.shape[direction];
            let Some(delays) = logs.get(2 * index + direction).map(delays_us) else {
                continue;
            };
            let [from, to] = [from, to].map(|end| reach.wire.ends[end].node.to_string());
            if delays.is_empty() {
                let why = format!("nothing sent from {from} arrived at {to}");
                unmeasured(sink, reach.wire.link.as_str(), why);
                continue;
            }
            let rate = shape.rate.map(|declared| {
                rate::measure(reach, direction, declared, netns)
                    .with_context(|| format!("measuring the rate of link {}", reach.wire.link))
            });
            let rate = rate.transpose()?.flatten();
            sink.now(EventKind::LinkMeasured {
                link: reach.wire.link.to_string(),
                from,
                to,
                declared_delay_us: shape.delay.as_nanos() as f64 / 1e3,
                delay_p50_us: quantile(&delays, 0.5),
                delay_p99_us: quantile(&delays, 0.99),
                declared_rate_bps: shape.rate.map(|rate| rate.bits_per_second()),
                rate_bps: rate.map(|rate| rate.bps),
                rate_plus_minus_bps: rate.map(|rate| rate.plus_minus),
            });
        }
    }
    Ok(())
}

fn unmeasured(sink: &EventSink, link: &str, why: String) {
    sink.now(EventKind::LinkUnmeasured {
        link: link.to_owned(),
        why,
    });
}

/// Addresses for the bridges of switches, until what is returned is dropped.
fn lend(loans: &[Loan], netns: &Namespaces) -> anyhow::Result<Vec<LentAddress>> {
    loans
        .iter()
        .filter_map(|loan| Some((loan, netns.get(&loan.switch)?)))
        .map(|(loan, netns)| {
            LentAddress::new(netns, loan.bridge, loan.address.into())
                .with_context(|| format!("an address to measure switch {} from", loan.switch))
        })
        .collect()
}

fn flows(reaches: &[Reach<'_>]) -> anyhow::Result<Vec<FlowPlan>> {
    let probe = ProbeName::new("links")?;
    let mut flows = Vec::new();
    for reach in reaches {
        for direction in 0..2 {
            let id = u16::try_from(flows.len()).context("too many links to measure at once")?;
            flows.push(FlowPlan {
                id,
                probe: probe.clone(),
                from: reach.wire.ends[direction].node.clone(),
                to: reach.wire.ends[1 - direction].node.clone(),
                source: reach.addresses[direction],
                destination: reach.addresses[1 - direction],
                port: PORT
                    .checked_add(id)
                    .context("too many links to measure at once")?,
                rate: RATE,
                size: SIZE,
                service: None,
                dont_fragment: false,
            });
        }
    }
    Ok(flows)
}

fn run(flows: &[FlowPlan], netns: &Namespaces) -> anyhow::Result<Vec<FlowLog>> {
    // These probes are not the run's: only their summary is reported.
    let (quiet, _unread) = EventSink::pair();
    let config = ProbeConfig {
        flows,
        run: clock::mono_ns(),
        netns,
    };
    let mut probes = Probes::start(&config, quiet)?;
    let limit = clock::mono_ns() + 5_000_000_000;
    let done = |probes: &Probes| {
        flows
            .iter()
            .all(|flow| probes.flow(flow.id).is_none_or(|live| live.sent >= PACKETS))
    };
    while !done(&probes) && clock::mono_ns() < limit {
        clock::sleep_until(clock::mono_ns() + 2_000_000);
    }
    probes.stop_sending()?;
    probes.drain(Duration::from_secs(1));
    Ok(probes.finish()?.0)
}

/// Sorted one-way delays, microseconds. The first packets wait for address
/// resolution, which is not the link's delay, and are left out.
fn delays_us(log: &FlowLog) -> Vec<f64> {
    let mut delays: Vec<f64> = log
        .received
        .iter()
        .filter(|arrival| arrival.seq >= 20)
        .filter_map(|arrival| {
            let sent = (*log.sent.get(usize::try_from(arrival.seq).ok()?)?)?;
            Some(arrival.at.saturating_sub(sent) as f64 / 1e3)
        })
        .collect();
    delays.sort_by(f64::total_cmp);
    delays
}

/// Nearest-rank quantile of sorted values; 0 when there are none.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_nearest_rank() {
        let values = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(quantile(&values, 0.5), 2.0);
        assert_eq!(quantile(&values, 0.99), 4.0);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}
