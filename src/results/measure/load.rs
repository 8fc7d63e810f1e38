//! Background load, phase by phase: what users would have seen of the fault.
//!
//! Of TCP the three metrics of RFC 6349 §4, with what it wants recorded; of UDP loss and delay.
//! Throughput is what arrived: payload of TCP, whole IP packets of UDP, as a rate is declared.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    input::{BEFORE, RunInput, Transition},
    load_path::{Bottleneck, Paths},
    settling::Settling,
    window::Window,
};
use crate::results::event::{LoadLog, LoadSent, MonoNs, PAUSE_NS, Pause, TcpSample, UdpBin};

/// How much of a phase's end says what it settled to.
const AT_END_NS: u64 = 2_000_000_000;
/// Throughput of the halves of that may differ by this share of the larger: congestion control
/// goes up and down by itself.
const DRIFT: f64 = 0.2;
/// A timeline has at most this many intervals.
const POINTS: u64 = 1_200;
/// With nothing to send in more than this share of its samples, TCP was limited by its sender.
const STARVED: f64 = 0.1;
/// A pace that is kept worse than this is not the declared one.
const PACED: f64 = 0.95;

/// One load over the whole run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadResult {
    /// Its name.
    pub load: String,
    /// Sending host.
    pub from: String,
    /// Receiving host.
    pub to: String,
    /// Under which parameters it ran.
    pub inputs: LoadInputs,
    /// Nothing makes its numbers untrustworthy.
    pub trusted: bool,
    /// What limited it that is no part of the lab; null: nothing did.
    pub limited_by: Option<String>,
    /// Connections that ended by themselves, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub broken: Vec<String>,
    /// Before the first fault, and after each fault and restore.
    pub phases: Vec<LoadPhase>,
    /// Throughput by time.
    pub timeline: LoadTimeline,
}

/// What RFC 6349 §3 wants known of a test, as far as it is one for the whole run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadInputs {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// TCP connections.
    pub streams: Option<usize>,
    /// The kernel's congestion control.
    pub congestion_control: Option<String>,
    /// IP and TCP header bytes of a full segment, its options included.
    pub header_bytes: Option<u16>,
    /// UDP packets a second.
    pub packet_rate: Option<u32>,
    /// Bytes of a UDP packet, IP header included.
    pub packet_size: Option<u16>,
    /// What they come to, bits a second.
    pub offered_bps: Option<u64>,
    /// Time between two readings of its counters.
    pub sampling_interval_ms: f64,
    /// Shorter times without an arrival are no stall.
    pub stall_threshold_ms: f64,
    /// How long it had run when it began to count.
    pub warm_up_ms: f64,
}

/// A load before the first fault, or from a fault or restore to the next.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadPhase {
    /// The step's label; `start` before the first fault.
    pub label: String,
    /// Whether it follows the fault or its restore.
    pub transition: Transition,
    /// When it began, on the run's clock.
    pub from_ns: MonoNs,
    /// When it ended.
    pub to_ns: MonoNs,
    /// Its length.
    pub duration_ms: f64,
    /// The path of a probe between the same hosts at the end of it; null where there is none.
    pub path: Option<String>,
    /// The slowest link of that path, as declared; null where none has a rate.
    pub bottleneck: Option<Bottleneck>,
    /// What arrived in it, bits a second.
    pub throughput_bps: u64,
    /// The same in its last two seconds, or in all of a shorter one.
    pub at_end_bps: u64,
    /// Whether that is a steady state.
    #[serde(default)]
    pub at_end_settling: Settling,
    /// That in percent of what it was before the first fault.
    pub share_of_before_percent: Option<f64>,
    /// The longest time in which nothing arrived; of several connections on any of them.
    pub longest_stall_ms: f64,
    /// Times of at least `stall_threshold_ms` in which nothing arrived on all connections, summed.
    pub stalled_ms: f64,
    /// Of TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rfc6349: Option<Rfc6349>,
    /// Of UDP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub udp: Option<UdpPhase>,
}

/// RFC 6349's metrics and what they are made of, all connections together.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Rfc6349 {
    /// §4.1 TCP Transfer Time Ratio: actual over ideal time for the same bytes.
    pub transfer_time_ratio: Option<f64>,
    /// What the ideal is made of: §4.1.1 maximum achievable TCP throughput, bits a second.
    pub ideal_throughput_bps: Option<u64>,
    /// §4.2 TCP Efficiency.
    pub tcp_efficiency_percent: Option<f64>,
    /// Payload bytes sent, retransmissions included.
    pub transmitted_bytes: u64,
    /// Of them retransmitted.
    pub retransmitted_bytes: u64,
    /// §4.3 Buffer Delay.
    pub buffer_delay_percent: Option<f64>,
    /// §3.2 Baseline RTT of the path without load.
    pub baseline_rtt_ms: Option<f64>,
    /// `handshake`: the load's own, before it sent anything; `links`: the path's links, each
    /// measured idle.
    pub baseline_by: Option<String>,
    /// Mean of the smoothed round-trip times read while data was acknowledged.
    pub average_rtt_ms: Option<f64>,
    /// Smallest of them.
    pub min_rtt_ms: Option<f64>,
    /// Largest of them.
    pub max_rtt_ms: Option<f64>,
    /// §3.3.1 Bandwidth-Delay Product: bottleneck bandwidth times baseline RTT.
    pub bandwidth_delay_product_bytes: Option<u64>,
    /// The largest receive window of each connection, summed; below the product it is the limit.
    pub receive_window_bytes: u64,
    /// Payload of a full segment at the end.
    pub mss: u32,
    /// Path MTU at the end.
    pub path_mtu: u32,
    /// Mean congestion window of a connection, segments.
    pub cwnd_average: Option<f64>,
    /// Largest.
    pub cwnd_max: u32,
}

/// Packets of UDP sent in a phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UdpPhase {
    /// Sent.
    pub sent: u64,
    /// Of them lost.
    pub lost: u64,
    /// In percent.
    pub loss_percent: Option<f64>,
    /// In the last two seconds, or in all of a shorter phase.
    pub loss_at_end_percent: Option<f64>,
    /// Refused by the sender's kernel: neither sent nor lost.
    pub refused: u64,
    /// Mean one-way delay.
    pub average_delay_ms: Option<f64>,
    /// Longest.
    pub max_delay_ms: Option<f64>,
}

/// Throughput by time, in equal intervals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LoadTimeline {
    /// Start of the first interval, on the run's clock.
    pub from_ns: MonoNs,
    /// Length of each, nanoseconds.
    pub step_ns: u64,
    /// What arrived in each, bits a second.
    pub throughput_bps: Vec<u64>,
}

/// Measures every load. Whether its numbers can be trusted is known when everything else is.
pub(super) fn measure(input: &RunInput, windows: &[Window], paths: &Paths<'_>) -> Vec<LoadResult> {
    let one = |log: &LoadLog| {
        let phases = phases(log, windows, paths);
        LoadResult {
            load: log.load.clone(),
            from: log.from.clone(),
            to: log.to.clone(),
            inputs: inputs(log),
            trusted: true,
            limited_by: limited_by(log, &phases),
            broken: broken(log),
            timeline: timeline(log),
            phases,
        }
    };
    input.load.iter().map(one).collect()
}

fn inputs(log: &LoadLog) -> LoadInputs {
    let ms = |ns: u64| ns as f64 / 1e6;
    let mut inputs = LoadInputs {
        protocol: String::new(),
        streams: None,
        congestion_control: None,
        header_bytes: None,
        packet_rate: None,
        packet_size: None,
        offered_bps: None,
        sampling_interval_ms: ms(log.sampling_ns),
        stall_threshold_ms: ms(PAUSE_NS),
        warm_up_ms: ms(log.settled.saturating_sub(log.began)),
    };
    match &log.sent {
        LoadSent::Tcp {
            congestion_control,
            header_bytes,
            streams,
        } => {
            "tcp".clone_into(&mut inputs.protocol);
            inputs.streams = Some(streams.len());
            inputs.congestion_control = Some(congestion_control.clone());
            inputs.header_bytes = Some(*header_bytes);
        }
        LoadSent::Udp {
            packet_rate, size, ..
        } => {
            "udp".clone_into(&mut inputs.protocol);
            inputs.packet_rate = Some(*packet_rate);
            inputs.packet_size = Some(*size);
            inputs.offered_bps = Some(u64::from(*packet_rate) * u64::from(*size) * 8);
        }
    }
    inputs
}

/// A time within the run.
#[derive(Debug, Clone, Copy)]
struct Time {
    from: MonoNs,
    to: MonoNs,
}

impl Time {
    fn seconds(self) -> f64 {
        self.to.saturating_sub(self.from) as f64 / 1e9
    }

    /// Its end.
    fn last(self) -> Self {
        Self {
            from: self.from.max(self.to.saturating_sub(AT_END_NS)),
            to: self.to,
        }
    }
}

fn phases(log: &LoadLog, windows: &[Window], paths: &Paths<'_>) -> Vec<LoadPhase> {
    let first = windows.first().map_or(log.ended, |window| window.before);
    let before = Time {
        from: log.settled,
        to: first.min(log.ended),
    };
    let mut all: Vec<LoadPhase> = Vec::new();
    let times = windows.iter().map(|window| Time {
        from: window.before.max(log.settled),
        to: window.end.min(log.ended),
    });
    for (index, time) in std::iter::once(before).chain(times).enumerate() {
        if time.to <= time.from {
            continue;
        }
        let window = index.checked_sub(1).and_then(|index| windows.get(index));
        let mut phase = phase(log, time, index, paths);
        if let Some(window) = window {
            phase.label.clone_from(&window.label);
            phase.transition = window.transition;
            let then = all.first().filter(|first| first.label == BEFORE);
            let then = then.map(|first| first.at_end_bps).filter(|bps| *bps > 0);
            phase.share_of_before_percent =
                then.map(|then| 100.0 * phase.at_end_bps as f64 / then as f64);
        }
        all.push(phase);
    }
    all
}

/// The whole of a packet as most of them are, bytes.
fn packet_size(log: &LoadLog) -> Option<u32> {
    match &log.sent {
        LoadSent::Tcp {
            header_bytes,
            streams,
            ..
        } => {
            let samples = streams.iter().flat_map(|stream| &stream.samples);
            let largest = samples.map(|sample| sample.mss).max()?;
            Some(largest + u32::from(*header_bytes))
        }
        LoadSent::Udp { size, .. } => Some(u32::from(*size)),
    }
}

/// One phase, as yet without a name; `index` 0 is before the first fault.
fn phase(log: &LoadLog, time: Time, index: usize, paths: &Paths<'_>) -> LoadPhase {
    let (longest, stalled) = stalls(log, time);
    let path = paths.of((&log.from, &log.to), index, packet_size(log));
    LoadPhase {
        label: BEFORE.to_owned(),
        transition: Transition::Initial,
        from_ns: time.from,
        to_ns: time.to,
        duration_ms: time.seconds() * 1e3,
        path: path.as_ref().and_then(|path| path.name.clone()),
        bottleneck: path.as_ref().and_then(|path| path.bottleneck.clone()),
        throughput_bps: throughput(log, time),
        at_end_bps: throughput(log, time.last()),
        at_end_settling: settling(log, time.last()),
        share_of_before_percent: None,
        longest_stall_ms: longest as f64 / 1e6,
        stalled_ms: stalled as f64 / 1e6,
        rfc6349: match &log.sent {
            LoadSent::Tcp { .. } => Some(rfc6349(log, time, index, paths)),
            LoadSent::Udp { .. } => None,
        },
        udp: match &log.sent {
            LoadSent::Tcp { .. } => None,
            LoadSent::Udp { bins, .. } => Some(udp(log, bins, time)),
        },
    }
}

/// Payload that had arrived by each instant, of one connection: between two readings as much a
/// second as there.
fn by(samples: &[TcpSample], at: MonoNs, count: fn(&TcpSample) -> u64) -> f64 {
    let after = samples.partition_point(|sample| sample.at <= at);
    let Some(before) = after.checked_sub(1).and_then(|index| samples.get(index)) else {
        return samples.first().map_or(0.0, |first| count(first) as f64);
    };
    let here = count(before) as f64;
    let Some(next) = samples.get(after) else {
        return here;
    };
    let part = (at - before.at) as f64 / (next.at - before.at).max(1) as f64;
    here + (count(next) as f64 - here) * part
}

/// How much a counter of all connections grew.
fn growth(log: &LoadLog, time: Time, count: fn(&TcpSample) -> u64) -> f64 {
    let LoadSent::Tcp { streams, .. } = &log.sent else {
        return 0.0;
    };
    let each = streams.iter().map(|stream| {
        let by = |at| by(&stream.samples, at, count);
        by(time.to) - by(time.from)
    });
    each.sum::<f64>().max(0.0)
}

/// The sum over the intervals in `time`; of those it cuts, the part that is in it.
fn within(log: &LoadLog, bins: &[UdpBin], time: Time, count: fn(&UdpBin) -> u64) -> f64 {
    let each = bins.iter().zip(0u64..).map(|(bin, index)| {
        let from = log.began + index * log.sampling_ns;
        let to = (from + log.sampling_ns).min(time.to);
        let inside = to.saturating_sub(from.max(time.from));
        count(bin) as f64 * inside as f64 / log.sampling_ns.max(1) as f64
    });
    each.sum()
}

fn throughput(log: &LoadLog, time: Time) -> u64 {
    let bytes = match &log.sent {
        LoadSent::Tcp { .. } => growth(log, time, |sample| sample.received),
        LoadSent::Udp { bins, size, .. } => {
            within(log, bins, time, |bin| u64::from(bin.arrived)) * f64::from(*size)
        }
    };
    let seconds = time.seconds();
    match seconds > 0.0 {
        true => (bytes * 8.0 / seconds) as u64,
        false => 0,
    }
}

/// Whether the end of a phase is a steady state: nothing stood still in it, and its halves are alike.
fn settling(log: &LoadLog, end: Time) -> Settling {
    if stalls(log, end).1 > 0 {
        return Settling::Outage;
    }
    // A fault's bracket takes a little off.
    if end.seconds() < 0.99 {
        return Settling::TooShort;
    }
    let middle = end.from + (end.to - end.from) / 2;
    let halves = [
        Time { to: middle, ..end },
        Time {
            from: middle,
            ..end
        },
    ];
    let [early, late] = halves.map(|half| throughput(log, half) as f64);
    match (early - late).abs() > DRIFT * early.max(late) {
        true => Settling::Drifting,
        false => Settling::Settled,
    }
}

/// The longest stall of any connection within `time`, and all times in which every one stood still.
fn stalls(log: &LoadLog, time: Time) -> (u64, u64) {
    let cut = |pauses: &[Pause]| -> Vec<(MonoNs, MonoNs)> {
        let inside = |pause: &Pause| (pause.from.max(time.from), pause.to.min(time.to));
        let pauses = pauses.iter().map(inside);
        pauses.filter(|(from, to)| to > from).collect()
    };
    let each: Vec<Vec<(MonoNs, MonoNs)>> = match &log.sent {
        LoadSent::Tcp { streams, .. } => streams.iter().map(|s| cut(&s.pauses)).collect(),
        LoadSent::Udp { pauses, .. } => vec![cut(pauses)],
    };
    let longest = each.iter().flatten().map(|(from, to)| to - from).max();
    let mut common = match each.first() {
        Some(first) => first.clone(),
        None => return (0, 0),
    };
    for other in each.iter().skip(1) {
        let both = |a: &(u64, u64)| -> Vec<(u64, u64)> {
            let overlap = |b: &(u64, u64)| (a.0.max(b.0), a.1.min(b.1));
            let overlaps = other.iter().map(overlap);
            overlaps.filter(|(from, to)| to > from).collect()
        };
        common = common.iter().flat_map(both).collect();
    }
    let stalled = common.iter().map(|(from, to)| to - from);
    (
        longest.unwrap_or(0),
        stalled.filter(|length| *length >= PAUSE_NS).sum(),
    )
}

fn rfc6349(log: &LoadLog, time: Time, index: usize, paths: &Paths<'_>) -> Rfc6349 {
    let LoadSent::Tcp {
        header_bytes,
        streams,
        ..
    } = &log.sent
    else {
        return Rfc6349::default();
    };
    let inside = |sample: &&TcpSample| (time.from..=time.to).contains(&sample.at);
    let all = || streams.iter().flat_map(|s| s.samples.iter().filter(inside));
    let last = streams
        .iter()
        .filter_map(|s| s.samples.iter().rfind(inside));
    let last = last.max_by_key(|sample| sample.at).copied();
    let last = last.unwrap_or_default();
    let rtts = moving_rtts(streams.iter().map(|s| s.samples.as_slice()), time);
    let average_rtt_ms = mean(&rtts);
    let path = paths.of((&log.from, &log.to), index, packet_size(log));
    let handshake = streams.iter().map(|s| s.handshake_rtt_us).min();
    let handshake = handshake.map(|us| f64::from(us) / 1e3);
    let baseline = match paths.is_as_before(&log.from, &log.to, index) {
        Some(true) => handshake.map(|ms| (ms, "handshake")),
        Some(false) => paths
            .idle_rtt_ms(&log.from, &log.to, index)
            .map(|ms| (ms, "links")),
        None => handshake.filter(|_| index == 0).map(|ms| (ms, "handshake")),
    };
    let bandwidth = path.as_ref().and_then(|path| path.bottleneck.as_ref());
    let ideal = bandwidth.filter(|_| last.mss > 0).map(|bottleneck| {
        let whole = last.mss + u32::from(*header_bytes) + bottleneck.overhead_bytes;
        bottleneck.bandwidth_bps as f64 * f64::from(last.mss) / f64::from(whole)
    });
    let actual = throughput(log, time) as f64;
    let transmitted = growth(log, time, |sample| sample.sent);
    let retransmitted = growth(log, time, |sample| sample.retransmitted);
    let windows = streams.iter().map(|s| {
        let windows = s.samples.iter().filter(inside).map(|s| s.receive_window);
        u64::from(windows.max().unwrap_or(0))
    });
    let cwnds: Vec<f64> = all().map(|sample| f64::from(sample.cwnd)).collect();
    Rfc6349 {
        transfer_time_ratio: ideal.filter(|_| actual > 0.0).map(|ideal| ideal / actual),
        ideal_throughput_bps: ideal.map(|bps| bps as u64),
        tcp_efficiency_percent: (transmitted > 0.0)
            .then(|| 100.0 * (transmitted - retransmitted) / transmitted),
        transmitted_bytes: transmitted as u64,
        retransmitted_bytes: retransmitted as u64,
        buffer_delay_percent: (average_rtt_ms.zip(baseline))
            .filter(|(_, (baseline, _))| *baseline > 0.0)
            .map(|(average, (baseline, _))| 100.0 * (average - baseline) / baseline),
        baseline_rtt_ms: baseline.map(|(ms, _)| ms),
        baseline_by: baseline.map(|(_, by)| by.to_owned()),
        average_rtt_ms,
        min_rtt_ms: rtts.iter().copied().min_by(f64::total_cmp),
        max_rtt_ms: rtts.iter().copied().max_by(f64::total_cmp),
        bandwidth_delay_product_bytes: bandwidth
            .zip(baseline)
            .map(|(b, (rtt_ms, _))| (b.bandwidth_bps as f64 * rtt_ms / 8e3) as u64),
        receive_window_bytes: windows.sum(),
        mss: last.mss,
        path_mtu: last.path_mtu,
        cwnd_average: mean(&cwnds),
        cwnd_max: all().map(|sample| sample.cwnd).max().unwrap_or(0),
    }
}

/// Round-trip times read while something had been acknowledged since the reading before: of a
/// connection that stands still the last one would be read again and again.
fn moving_rtts<'s>(streams: impl Iterator<Item = &'s [TcpSample]>, time: Time) -> Vec<f64> {
    let mut rtts = Vec::new();
    for samples in streams {
        let pairs = samples.iter().zip(samples.iter().skip(1));
        let moving = pairs.filter(|(before, now)| {
            now.acked > before.acked && (time.from..=time.to).contains(&now.at)
        });
        rtts.extend(moving.map(|(_, now)| f64::from(now.rtt_us) / 1e3));
    }
    rtts
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn udp(log: &LoadLog, bins: &[UdpBin], time: Time) -> UdpPhase {
    let sum = |time, count| within(log, bins, time, count);
    let loss = |time| {
        let sent = sum(time, |bin| u64::from(bin.sent));
        let lost = sum(time, |bin| u64::from(bin.sent.saturating_sub(bin.received)));
        (sent > 0.0).then(|| 100.0 * lost / sent)
    };
    let received = sum(time, |bin| u64::from(bin.received));
    let inside = bins.iter().zip(0u64..).filter(|(_, index)| {
        let from = log.began + index * log.sampling_ns;
        (time.from..time.to).contains(&from)
    });
    let longest = inside.map(|(bin, _)| bin.delay_max_us).max();
    UdpPhase {
        sent: sum(time, |bin| u64::from(bin.sent)).round() as u64,
        lost: sum(time, |bin| u64::from(bin.sent.saturating_sub(bin.received))).round() as u64,
        loss_percent: loss(time),
        loss_at_end_percent: loss(time.last()),
        refused: sum(time, |bin| u64::from(bin.refused)).round() as u64,
        average_delay_ms: (received > 0.0)
            .then(|| sum(time, |bin| bin.delay_sum_us) / received / 1e3),
        max_delay_ms: longest
            .filter(|_| received > 0.0)
            .map(|us| f64::from(us) / 1e3),
    }
}

fn timeline(log: &LoadLog) -> LoadTimeline {
    let length = log.ended.saturating_sub(log.began);
    let intervals = length / log.sampling_ns.max(1);
    let step_ns = log.sampling_ns * intervals.div_ceil(POINTS).max(1);
    let starts = (0..length / step_ns).map(|index| log.began + index * step_ns);
    let rates = starts.map(|from| {
        let to = from + step_ns;
        throughput(log, Time { from, to })
    });
    LoadTimeline {
        from_ns: log.began,
        step_ns,
        throughput_bps: rates.collect(),
    }
}

fn broken(log: &LoadLog) -> Vec<String> {
    let LoadSent::Tcp { streams, .. } = &log.sent else {
        return Vec::new();
    };
    let broke = |(stream, number): (&crate::results::event::StreamLog, usize)| {
        let (at, why) = stream.broke.as_ref()?;
        let seconds = at.saturating_sub(log.began) as f64 / 1e9;
        Some(format!("stream {number} after {seconds:.1} s: {why}"))
    };
    streams.iter().zip(1..).filter_map(broke).collect()
}

/// What kept it from what the lab would have given it.
fn limited_by(log: &LoadLog, phases: &[LoadPhase]) -> Option<String> {
    match &log.sent {
        LoadSent::Tcp { streams, .. } => {
            let samples = streams.iter().flat_map(|s| &s.samples);
            let settled = samples.filter(|s| (log.settled..log.ended).contains(&s.at));
            let (all, starved) = settled.fold((0u32, 0u32), |(all, starved), sample| {
                (all + 1, starved + u32::from(sample.starved))
            });
            let share = f64::from(starved) / f64::from(all.max(1));
            if share > STARVED {
                return Some(format!(
                    "in {:.0} % of its samples TCP had nothing left to send: this host did not run the sender in time",
                    share * 100.0
                ));
            }
            let is_unlimited =
                |phase: &&LoadPhase| phase.path.is_some() && phase.bottleneck.is_none();
            phases.iter().find(is_unlimited).map(|phase| {
                let path = phase.path.as_deref().unwrap_or_default();
                format!("no link on the way via {path} has a known rate: what this host can carry was measured")
            })
        }
        LoadSent::Udp {
            packet_rate,
            bins,
            socket_drops,
            ..
        } => {
            let seconds = log.ended.saturating_sub(log.began) as f64 / 1e9;
            let due = f64::from(*packet_rate) * seconds;
            let tried = bins.iter().map(|b| f64::from(b.sent + b.refused));
            let share = tried.sum::<f64>() / due.max(1.0);
            if *socket_drops > 0 {
                return Some(format!(
                    "{socket_drops} packets arrived and found the receiver's socket full"
                ));
            }
            (share < PACED).then(|| {
                format!(
                    "this host sent {:.0} % of its packets in time",
                    share * 100.0
                )
            })
        }
    }
}
