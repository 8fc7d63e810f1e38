//! Background load whose truth is known: a circuit of 20 Mbit/s, and a VPN over 5.

use super::lab::{self, CUT, RESTORE, START};
use crate::{
    lab::model::{Bounds, aws::VPN_TUNNEL_CAP},
    results::{
        event::{LoadLog, LoadSent, MonoNs, Pause, StreamLog, TcpSample, UdpBin},
        measure::*,
    },
    units::{Percent, Span, TunnelCap},
};

const MS: u64 = 1_000_000;
const SAMPLING: u64 = 100 * MS;
const END: MonoNs = RESTORE + 3_000 * MS;
/// Nothing arrives for so long after the cut.
const STALL: u64 = 1_500 * MS;

/// Bytes a second of each of two connections: 16, then 4 Mbit/s together.
fn rate(at: MonoNs) -> u64 {
    match at {
        _ if at < CUT => 1_000_000,
        _ if at < CUT + STALL => 0,
        _ if at < RESTORE + 1_400 * MS => 250_000,
        _ => 1_000_000,
    }
}

fn stream() -> StreamLog {
    let mut sample = TcpSample {
        cwnd: 20,
        mss: 1448,
        path_mtu: 1500,
        receive_window: 65_536,
        ..TcpSample::default()
    };
    let samples = (START..=END).step_by(SAMPLING as usize).map(|at| {
        if at > START {
            sample.received += rate(at - 1) / 10;
        }
        sample.at = at;
        sample.acked = sample.received;
        let again = if at > CUT { 50_000 } else { 0 };
        (sample.retransmitted, sample.sent) = (again, sample.received + again);
        sample.rtt_us = if at >= CUT { 60_000 } else { 20_000 };
        sample
    });
    StreamLog {
        handshake_rtt_us: 10_000,
        samples: samples.collect(),
        pauses: vec![Pause {
            from: CUT,
            to: CUT + STALL,
        }],
        broke: None,
    }
}

/// 100 packets a second of 1,000 bytes; none arrives while nothing does, one in five on the VPN.
fn udp() -> LoadLog {
    let bins = (START..END).step_by(SAMPLING as usize).map(|at| {
        let received = match rate(at) {
            0 => 0,
            250_000 => 8,
            _ => 10,
        };
        UdpBin {
            sent: 10,
            refused: 0,
            received,
            arrived: received,
            delay_sum_us: u64::from(received) * 5_000,
            delay_max_us: 6_000,
        }
    });
    LoadLog {
        load: "call".to_owned(),
        sent: LoadSent::Udp {
            packet_rate: 100,
            size: 1_000,
            bins: bins.collect(),
            pauses: vec![Pause {
                from: CUT,
                to: CUT + STALL,
            }],
            socket_drops: 0,
        },
        ..tcp()
    }
}

fn tcp() -> LoadLog {
    LoadLog {
        load: "job".to_owned(),
        from: "app".to_owned(),
        to: "db".to_owned(),
        began: START,
        settled: START + 1_000 * MS,
        ended: END,
        sampling_ns: SAMPLING,
        sent: LoadSent::Tcp {
            congestion_control: "cubic".to_owned(),
            header_bytes: 52,
            streams: vec![stream(), stream()],
        },
    }
}

/// The cut of the Direct Connect under load.
pub(in crate::results) fn loaded() -> RunInput {
    let mut input = lab::clean_silent_cut(false);
    for link in &mut input.topology.links {
        let rate = match link.name.as_str() {
            "circuit" => "20mbit",
            "uplink" => "5mbit",
            _ => continue,
        };
        link.declared
            .iter_mut()
            .for_each(|shape| shape.rate = Some(rate.parse().unwrap()));
    }
    input.load = vec![tcp(), udp()];
    input
}

fn phase<'r>(result: &'r RunResult, load: &str, index: usize) -> &'r LoadPhase {
    let load = result.load.iter().find(|one| one.load == load).unwrap();
    &load.phases[index]
}

fn near(measured: impl Into<Option<f64>>, truth: f64) {
    let measured = measured.into().unwrap();
    assert!(
        (measured - truth).abs() < truth * 1e-3,
        "{measured} {truth}"
    );
}

#[test]
fn throughput_is_told_by_phase_and_by_time() {
    let result = measure(&loaded());
    let job = &result.load[0];
    assert!(job.trusted && job.limited_by.is_none(), "{job:?}");
    let names = job.phases.iter().map(|p| (p.label.as_str(), p.transition));
    assert_eq!(
        names.collect::<Vec<_>>(),
        [
            (BEFORE, Transition::Initial),
            ("cut", Transition::Initial),
            ("cut", Transition::Reversion)
        ]
    );
    let bps = |load, index| {
        let phase = phase(&result, load, index);
        // A fault's bracket is a little wide.
        [phase.throughput_bps, phase.at_end_bps].map(|bps| (bps + 500) / 1_000)
    };
    assert_eq!(bps("job", 0), [16_000, 16_000]);
    // 1.5 of 3 seconds at 4 Mbit/s, of which the last two have all.
    assert_eq!(bps("job", 1), [2_000, 3_000]);
    // A stall is no steady state, nor is what grows.
    for (load, last) in [("job", Settling::Drifting), ("call", Settling::Settled)] {
        let settling = [0, 1, 2].map(|index| phase(&result, load, index).at_end_settling);
        assert_eq!(
            settling,
            [Settling::Settled, Settling::Outage, last],
            "{load}"
        );
    }
    assert_eq!(bps("call", 0), [800, 800]);
    assert_eq!(bps("call", 1), [320, 480]);
    let cut = phase(&result, "job", 1);
    near(cut.share_of_before_percent, 18.75);
    assert_eq!((cut.longest_stall_ms, cut.stalled_ms), (1500.0, 1500.0));
    assert_eq!(phase(&result, "job", 0).longest_stall_ms, 0.0);
    let timeline = &job.timeline;
    assert_eq!((timeline.from_ns, timeline.step_ns), (START, SAMPLING));
    assert_eq!(timeline.throughput_bps.len(), 80);
    assert_eq!(timeline.throughput_bps[19..22], [16_000_000, 0, 0]);
    let call = phase(&result, "call", 1).udp.as_ref().unwrap();
    // 150 lost to the cut, and a fifth of 150.
    assert_eq!((call.sent, call.lost), (300, 180));
    near(call.loss_at_end_percent, 40.0);
    near(call.average_delay_ms, 5.0);
}

/// A tunnel that lets less through than the links below it is what limits, by its bits or by
/// its packets; AWS's own cap limits nothing here where no link does.
#[test]
fn a_tunnels_cap_is_a_bottleneck() {
    let under = |bits: u64, packets: u32, rates: bool| {
        let mut input = loaded();
        input.topology.tunnels[0].cap = Some(TunnelCap { bits, packets });
        if !rates {
            for link in &mut input.topology.links {
                link.declared = [DeclaredShape::default(); 2];
            }
        }
        let result = measure(&input);
        let bottleneck = phase(&result, "job", 1).bottleneck.clone();
        bottleneck.map(|one| (one.link, one.bandwidth_bps, one.overhead_bytes))
    };
    let tunnel = |bps| Some(("backup.1".to_owned(), bps, 0));
    assert_eq!(under(2_000_000, 140_000, true), tunnel(2_000_000));
    assert_eq!(under(2_000_000, 140_000, false), tunnel(2_000_000));
    // 100 packets a second of 1448 bytes with 52 of headers.
    assert_eq!(under(2_000_000, 100, true), tunnel(100 * 1500 * 8));
    let TunnelCap { bits, packets } = VPN_TUNNEL_CAP;
    let uplink = under(bits, packets, true).map(|(link, ..)| link);
    assert_eq!(uplink.as_deref(), Some("uplink"));
    assert_eq!(under(bits, packets, false), None);
}

#[test]
fn tcp_is_told_in_the_terms_of_rfc_6349() {
    let result = measure(&loaded());
    let before = phase(&result, "job", 0);
    assert_eq!(before.path.as_deref(), Some("prod"));
    let bottleneck = before.bottleneck.as_ref().unwrap();
    assert_eq!(bottleneck.link, "circuit");
    assert_eq!(bottleneck.bandwidth_bps, 20_000_000);
    let tcp = before.rfc6349.as_ref().unwrap();
    // Payload, headers with options, Ethernet.
    let ideal = 20e6 * 1448.0 / (1448.0 + 52.0 + 14.0);
    near(tcp.transfer_time_ratio, ideal / 16e6);
    near(tcp.tcp_efficiency_percent, 100.0);
    assert_eq!(tcp.baseline_by.as_deref(), Some("handshake"));
    near(tcp.buffer_delay_percent, 100.0);
    assert_eq!(tcp.bandwidth_delay_product_bytes, Some(25_000));
    assert_eq!((tcp.receive_window_bytes, tcp.mss), (131_072, 1448));

    let cut = phase(&result, "job", 1);
    assert_eq!(cut.bottleneck.as_ref().unwrap().link, "uplink");
    let tcp = cut.rfc6349.as_ref().unwrap();
    let ideal = 5e6 * 1448.0 / (1448.0 + 52.0 + 14.0 + 80.0);
    near(tcp.transfer_time_ratio, ideal / 2e6);
    // 750 kB arrived, and 100 kB were sent twice.
    assert!(tcp.retransmitted_bytes.abs_diff(100_000) < 100);
    near(tcp.tcp_efficiency_percent, 100.0 * 750.0 / 850.0);
    assert_eq!(tcp.baseline_by.as_deref(), Some("links"));
    let baseline = tcp.baseline_rtt_ms.unwrap();
    assert!((27.0..30.0).contains(&baseline), "{baseline}");
    near(
        tcp.buffer_delay_percent,
        100.0 * (60.0 - baseline) / baseline,
    );

    let back = phase(&result, "job", 2).rfc6349.as_ref().unwrap();
    assert_eq!(back.baseline_by.as_deref(), Some("handshake"));
}

#[test]
fn expectations_are_met_missed_or_unmeasured() {
    let expect = |load: &str, label: &str| LoadExpectation {
        line: 7,
        text: String::new(),
        label: label.to_owned(),
        transition: Transition::Initial,
        load: load.to_owned(),
        throughput: None,
        share: None,
        stall: None,
        loss: None,
    };
    let least = |rate: &str| {
        Some(Bounds {
            at_least: Some(rate.parse().unwrap()),
            at_most: None,
        })
    };
    let percent = |percent: u32| Percent::from_millionths(percent * 10_000).unwrap();
    let at_most = |share| {
        Some(Bounds {
            at_least: None,
            at_most: Some(percent(share)),
        })
    };
    let mut input = loaded();
    let stall = |ms| {
        Some(Bounds {
            at_least: None,
            at_most: Some(Span::from_millis(ms)),
        })
    };
    input.load_expectations = vec![
        LoadExpectation {
            throughput: least("15mbit"),
            ..expect("job", BEFORE)
        },
        LoadExpectation {
            throughput: least("2.9mbit"),
            share: at_most(18),
            ..expect("job", "cut")
        },
        LoadExpectation {
            stall: stall(1_600),
            loss: at_most(41),
            ..expect("call", "cut")
        },
        LoadExpectation {
            stall: stall(1_600),
            ..expect("call", "elsewhere")
        },
    ];
    let met = |input: &RunInput| -> Vec<Option<bool>> {
        let result = measure(input);
        let judged = result.expect.iter().filter(|e| e.line == 7);
        judged.map(|e| e.met).collect()
    };
    assert_eq!(met(&input), [Some(true), Some(false), Some(true), None]);

    // What the host did not send in time is no measurement of the lab.
    let LoadSent::Udp { bins, .. } = &mut input.load[1].sent else {
        panic!()
    };
    bins.iter_mut().for_each(|bin| bin.sent = 9);
    let LoadSent::Tcp { streams, .. } = &mut input.load[0].sent else {
        panic!()
    };
    let samples = streams.iter_mut().flat_map(|s| &mut s.samples);
    samples.step_by(3).for_each(|sample| sample.starved = true);
    assert_eq!(met(&input), [None, None, None, None]);
    let result = measure(&input);
    let warned = result.warnings.iter().filter(|w| w.code == "load-limited");
    assert_eq!(warned.count(), 2);
    assert!(result.trusted && result.load.iter().all(|load| !load.trusted));
}

#[test]
fn without_a_rate_on_the_way_the_host_is_what_is_measured() {
    let mut input = loaded();
    for link in &mut input.topology.links {
        link.declared.iter_mut().for_each(|shape| shape.rate = None);
    }
    let result = measure(&input);
    let why = result.load[0].limited_by.as_deref().unwrap();
    assert!(why.contains("via prod"), "{why}");
    assert_eq!(result.load[1].limited_by, None);
    let tcp = phase(&result, "job", 0).rfc6349.as_ref().unwrap();
    assert_eq!(tcp.transfer_time_ratio, None);
}
