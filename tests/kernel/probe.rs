//! The probe instrument against the kernel's own counters.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use backhoe::{
    engine::{
        probe::{BarePair, ProbeConfig, ProbeQuality, Probes, calibrate},
        sink::EventSink,
    },
    lab::plan::FlowPlan,
    os::{clock, netns::NetnsFd},
    results::event::{Arrival, EventKind, FlowLog},
    units::{NodeName, PROBE_PORT_BASE, ProbeName},
};

use super::common::{await_some, joined, sh};

fn flow(id: u16, ends: [(&str, &str); 2], rate: u32) -> FlowPlan {
    let [(from, source), (to, destination)] = ends;
    FlowPlan {
        id,
        probe: ProbeName::new("app").unwrap(),
        from: NodeName::new(from).unwrap(),
        to: NodeName::new(to).unwrap(),
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        port: PROBE_PORT_BASE + id,
        rate,
        size: 200,
        service: None,
        dont_fragment: false,
    }
}

fn both_ways(rate: u32) -> [FlowPlan; 2] {
    let (a, b) = (("a", "10.0.0.1"), ("b", "10.0.0.2"));
    [flow(0, [a, b], rate), flow(1, [b, a], rate)]
}

fn named(a: &NetnsFd, b: &NetnsFd) -> BTreeMap<NodeName, NetnsFd> {
    [("a", a), ("b", b)]
        .into_iter()
        .map(|(name, netns)| (NodeName::new(name).unwrap(), netns.try_clone().unwrap()))
        .collect()
}

fn start(flows: &[FlowPlan], a: &NetnsFd, b: &NetnsFd) -> Probes {
    let config = ProbeConfig {
        flows,
        run: 7,
        netns: &named(a, b),
    };
    Probes::start(&config, EventSink::pair().0).unwrap()
}

fn await_sent(probes: &Probes, flow: u16, count: u64) {
    await_some("probes to be sent", Duration::from_secs(20), || {
        (probes.flow(flow).unwrap().sent >= count).then_some(())
    });
}

fn finish(mut probes: Probes) -> (Vec<FlowLog>, ProbeQuality) {
    probes.stop_sending().unwrap();
    probes.drain(Duration::from_secs(1));
    probes.finish().unwrap()
}

/// Sent without refusal, and not delivered.
fn lost(log: &FlowLog) -> usize {
    let mut delivered = vec![false; log.sent.len()];
    for arrival in &log.received {
        delivered[arrival.seq as usize] = true;
    }
    log.sent
        .iter()
        .zip(&delivered)
        .filter(|(sent, delivered)| sent.is_some() && !**delivered)
        .count()
}

fn udp_counter(netns: &NetnsFd, name: &str) -> u64 {
    let text = sh(netns, "cat /proc/net/snmp");
    let mut lines = text.lines().filter(|line| line.starts_with("Udp:"));
    let names = lines.next().unwrap().split_whitespace();
    let values = lines.next().unwrap().split_whitespace();
    let (_, value) = names.zip(values).find(|(n, _)| *n == name).unwrap();
    value.parse().unwrap()
}

#[test]
fn an_unimpaired_pair_loses_nothing_and_stamps_are_in_order() {
    let (a, b) = joined();
    let flows = [
        both_ways(1000).as_slice(),
        &[
            flow(2, [("a", "fd00::1"), ("b", "fd00::2")], 1000),
            flow(3, [("b", "fd00::2"), ("a", "fd00::1")], 1000),
        ],
    ]
    .concat();
    let probes = start(&flows, &a, &b);
    await_sent(&probes, 3, 2000);
    let (logs, quality) = finish(probes);
    println!("{quality:?}");
    assert_eq!(logs.len(), 4);
    for log in &logs {
        assert!(log.sent.len() >= 1900, "{}", log.sent.len());
        assert_eq!(lost(log), 0);
        assert_eq!(log.received.len(), log.sent.len());
        assert!(log.sent.is_sorted());
        for arrival in &log.received {
            let sent = log.sent[arrival.seq as usize].unwrap();
            assert_eq!(arrival.ttl, 64);
            let error = (quality.clock_error_us * 1e3) as u64 + 1_000;
            assert!(arrival.at + error >= sent, "arrived before it was sent");
            assert!(arrival.at < sent + 1_000_000_000);
        }
    }
    assert_eq!(quality.unsent + quality.socket_drops + quality.strays, 0);
    assert_eq!(quality.unstamped, 0);
    assert_eq!(quality.clock_step_ns, 0);
}

#[test]
fn packets_have_exactly_the_planned_size_and_may_be_fragmented() {
    let (a, b) = joined();
    sh(
        &b,
        "nft add table netdev t
         nft add chain netdev t c '{ type filter hook ingress device b0 priority 0; }'
         nft add counter netdev t good
         nft add counter netdev t good6
         nft add rule netdev t c ip length 200 ip frag-off '&' 0x4000 == 0 ip ttl 64 \
             udp dport 20000 counter name good
         nft add rule netdev t c ip6 length 160 ip6 hoplimit 64 udp dport 20001 counter name good6",
    );
    let flows = [
        flow(0, [("a", "10.0.0.1"), ("b", "10.0.0.2")], 500),
        flow(1, [("a", "fd00::1"), ("b", "fd00::2")], 500),
    ];
    let probes = start(&flows, &a, &b);
    await_sent(&probes, 1, 100);
    let (logs, _) = finish(probes);
    for (log, counter) in logs.iter().zip(["good", "good6"]) {
        let text = sh(&b, &format!("nft list counter netdev t {counter}"));
        let expected = format!("packets {} ", log.sent.len());
        assert!(text.contains(&expected), "{text} without {expected}");
    }
}

#[test]
fn loss_is_counted_exactly_and_recovery_is_seen() {
    let (a, b) = joined();
    sh(
        &b,
        "nft add table netdev t
         nft add counter netdev t cut
         nft add chain netdev t c '{ type filter hook ingress device b0 priority 0; }'",
    );
    let flows = both_ways(1000);
    let probes = start(&flows, &a, &b);
    await_sent(&probes, 0, 300);
    let cut = clock::mono_ns();
    sh(
        &b,
        "nft add rule netdev t c udp dport 20000 counter name cut drop",
    );
    let quiet = clock::mono_ns();
    await_sent(&probes, 0, 800);
    assert!(probes.recovered_since(0, quiet, 1).is_none());
    assert_eq!(probes.deliveries_after(0, quiet), 0);
    assert!(probes.recovered_since(1, cut, 100).is_some());
    let restore = clock::mono_ns();
    sh(&b, "nft flush chain netdev t c");
    let recovery = await_some("recovery", Duration::from_secs(5), || {
        probes.recovered_since(0, cut, 100)
    });
    assert!(recovery.first_sent > restore && recovery.length >= 100);
    let (logs, quality) = finish(probes);
    let text = sh(&b, "nft list counter netdev t cut");
    let dropped: usize = text
        .split_whitespace()
        .skip_while(|word| *word != "packets")
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    assert!(dropped > 400, "{dropped}");
    assert_eq!(lost(&logs[0]), dropped);
    assert_eq!(lost(&logs[1]), 0);
    assert_eq!(quality.unsent, 0);
    // The first delivered send after the cut is where the instrument says it is.
    let first = logs[0].sent[recovery.first_seq as usize].unwrap();
    assert_eq!(first, recovery.first_sent);
}

#[test]
fn a_downed_interface_leaves_every_packet_accounted_for() {
    let (a, b) = joined();
    let flows = both_ways(1000);
    let probes = start(&flows, &a, &b);
    await_sent(&probes, 0, 200);
    let before = clock::mono_ns();
    sh(&b, "ip link set b0 down");
    let down = clock::mono_ns();
    let at_cut = probes.flow(0).unwrap().sent;
    await_sent(&probes, 0, at_cut + 500);
    // b has no route left: its kernel refuses to send, and the pace goes on.
    assert!(probes.flow(1).unwrap().unsent >= 400);
    assert_eq!(probes.deliveries_after(0, down), 0);
    sh(&b, "ip link set b0 up");
    for id in [0, 1] {
        await_some("recovery", Duration::from_secs(5), || {
            probes.recovered_since(id, before, 100)
        });
    }
    let (logs, quality) = finish(probes);
    let received = |log: &FlowLog| log.received.len() as u64;
    assert_eq!(received(&logs[0]), udp_counter(&b, "InDatagrams"));
    assert_eq!(received(&logs[1]), udp_counter(&a, "InDatagrams"));
    assert_eq!(
        udp_counter(&b, "InErrors") + udp_counter(&a, "InErrors"),
        quality.socket_drops
    );
    for log in &logs {
        let refused = log.sent.iter().filter(|sent| sent.is_none()).count();
        assert_eq!(log.received.len() + refused + lost(log), log.sent.len());
    }
    // While b0 is down a's neighbour entry goes stale: a's kernel drops some in silence
    // and holds others back, to deliver them late.
    assert!(lost(&logs[0]) > 100, "{}", lost(&logs[0]));
    let held_back = |arrival: &&Arrival| {
        let sent = logs[0].sent[arrival.seq as usize].unwrap();
        sent > down && arrival.at > sent + 100_000_000
    };
    println!(
        "lost {}, held back {}",
        lost(&logs[0]),
        logs[0].received.iter().filter(held_back).count()
    );
    assert_eq!(
        quality.unsent as usize,
        logs.iter()
            .flat_map(|log| &log.sent)
            .filter(|sent| sent.is_none())
            .count()
    );
}

#[test]
fn the_instrument_calibrates_itself() {
    let (a, b) = joined();
    let (sink, events) = EventSink::pair();
    let pair = BarePair {
        netns: [&a, &b],
        addresses: ["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()],
    };
    let calibrated = calibrate(&pair, 5_000, 5_000, &sink).unwrap();
    println!("{calibrated:?}");
    assert_eq!(calibrated.lost, 0);
    assert!(calibrated.sent >= 5_000);
    assert!(calibrated.delay_p50_us < 1_000.0);
    let seen = events.try_iter().any(|event| {
        matches!(event.kind, EventKind::Calibrated { sent, lost: 0, .. } if sent == calibrated.sent)
    });
    assert!(seen);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "kernel tests run in real time")]
fn twenty_thousand_packets_a_second_are_paced() {
    let (a, b) = joined();
    let flows = both_ways(10_000);
    let probes = start(&flows, &a, &b);
    let began = Instant::now();
    await_sent(&probes, 0, 10_000);
    let took = began.elapsed();
    let (logs, quality) = finish(probes);
    println!("{quality:?} in {took:?}");
    assert!(took >= Duration::from_millis(950), "{took:?}");
    assert_eq!(
        logs.iter().map(lost).sum::<usize>() as u64,
        quality.socket_drops
    );
}

#[test]
fn a_flow_that_cannot_be_opened_is_named() {
    let (a, b) = joined();
    let absent = flow(5, [("a", "192.0.2.1"), ("b", "10.0.0.2")], 10);
    let config = ProbeConfig {
        flows: &[absent],
        run: 7,
        netns: &named(&a, &b),
    };
    let error = Probes::start(&config, EventSink::pair().0).unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("flow 5 of probe app (a → b)"), "{text}");
    assert!(text.contains("opening the sender at 192.0.2.1"), "{text}");
    let tiny = FlowPlan {
        size: 40,
        ..flow(0, [("a", "10.0.0.1"), ("b", "10.0.0.2")], 10)
    };
    let config = ProbeConfig {
        flows: &[tiny],
        run: 7,
        netns: &named(&a, &b),
    };
    let error = Probes::start(&config, EventSink::pair().0).unwrap_err();
    assert!(format!("{error:#}").contains("60 is the least"));
}
