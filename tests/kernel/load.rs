//! Background load against the kernel's own counters.

use std::{collections::BTreeMap, time::Duration};

use backhoe::{
    engine::load::Loads,
    lab::{model::Transport, plan::LoadPlan},
    os::{clock, netns::NetnsFd},
    results::event::{LoadLog, LoadSent, StreamLog, UdpBin},
    units::{Bytes, LOAD_PORT_BASE, LoadName, NodeName, Span},
};

use super::common::{await_some, joined, sh};

fn plan(number: u16, transport: Transport) -> LoadPlan {
    LoadPlan {
        load: LoadName::new(format!("load-{number}")).unwrap(),
        from: NodeName::new("a").unwrap(),
        to: NodeName::new("b").unwrap(),
        source: "10.0.0.1".parse().unwrap(),
        destination: "10.0.0.2".parse().unwrap(),
        port: LOAD_PORT_BASE + number,
        transport,
        sampling: Span::from_millis(50),
    }
}

fn tcp(streams: u16, congestion_control: &str) -> Transport {
    Transport::Tcp {
        streams,
        congestion_control: Some(congestion_control.to_owned()),
    }
}

fn named(a: &NetnsFd, b: &NetnsFd) -> BTreeMap<NodeName, NetnsFd> {
    [("a", a), ("b", b)]
        .into_iter()
        .map(|(name, netns)| (NodeName::new(name).unwrap(), netns.try_clone().unwrap()))
        .collect()
}

/// Bytes that an interface has received.
fn received(netns: &NetnsFd, interface: &str) -> u64 {
    let text = sh(netns, &format!("ip -s -j link show {interface}"));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    value[0]["stats64"]["rx"]["bytes"].as_u64().unwrap()
}

fn streams(log: &LoadLog) -> (&str, &[StreamLog]) {
    let LoadSent::Tcp {
        congestion_control,
        streams,
        header_bytes,
    } = &log.sent
    else {
        panic!("{log:?}")
    };
    assert_eq!(*header_bytes, 52, "IPv4, TCP and timestamps");
    (congestion_control, streams)
}

#[test]
fn both_transports_count_what_the_kernel_carried_and_see_a_dead_link() {
    let (a, b) = joined();
    // A window of a few segments keeps a bare pair of interfaces from being a test of this host.
    sh(&b, "sysctl -qw net.ipv4.tcp_rmem='4096 16384 16384'");
    let udp = Transport::Udp {
        rate: "1mbit".parse().unwrap(),
        size: Bytes::new(250),
    };
    let plans = [plan(0, tcp(2, "reno")), plan(1, udp)];
    let before = received(&b, "b0");
    let loads = Loads::start(&plans, &named(&a, &b)).unwrap();
    let pass = |ms: u64| {
        let end = clock::mono_ns() + ms * 1_000_000;
        await_some("time to pass", Duration::from_secs(20), || {
            (clock::mono_ns() >= end).then_some(())
        });
    };
    pass(400);
    let cut = clock::mono_ns();
    sh(
        &b,
        "nft add table netdev t
         nft add chain netdev t c '{ type filter hook ingress device b0 priority 0; }'
         nft add rule netdev t c drop",
    );
    pass(400);
    sh(&b, "nft delete table netdev t");
    let up = clock::mono_ns();
    // TCP tries again after its retransmission timeout, which has doubled by now.
    pass(1_200);
    let logs = loads.finish().unwrap();
    let carried = received(&b, "b0") - before;

    let (control, streams) = streams(&logs[0]);
    assert_eq!((control, streams.len()), ("reno", 2));
    let mut payload = 0;
    for stream in streams {
        assert_eq!(stream.broke, None);
        assert!(stream.samples.is_sorted_by_key(|sample| sample.at));
        let last = stream.samples.last().unwrap();
        assert!(last.received > 0 && last.acked <= last.sent);
        assert!(last.retransmitted > 0, "the window in flight was lost");
        assert_eq!(last.mss, 1448);
        // The dead time, and what the timer adds.
        let longest = stream.pauses.iter().max_by_key(|p| p.to - p.from).unwrap();
        assert!(
            longest.from <= cut + 50_000_000 && longest.to >= up,
            "{longest:?} of {cut} to {up}"
        );
        payload += last.received;
    }
    assert!(carried > payload, "{carried} carried, {payload} received");

    let LoadSent::Udp {
        packet_rate,
        bins,
        pauses,
        socket_drops,
        ..
    } = &logs[1].sent
    else {
        panic!("{:?}", logs[1])
    };
    assert_eq!((*packet_rate, *socket_drops), (500, 0));
    let sum = |of: fn(&UdpBin) -> u32| bins.iter().map(of).sum::<u32>();
    let (sent, received) = (sum(|bin| bin.sent), sum(|bin| bin.received));
    assert_eq!(received, sum(|bin| bin.arrived));
    let lost = f64::from(sent - received) / 500.0;
    let dead = (up - cut) as f64 / 1e9;
    assert!(
        sent >= 850 && lost > 0.3 && lost < dead + 0.3,
        "{sent} sent, {received} received, dead for {dead} s"
    );
    assert!(pauses.iter().any(|pause| pause.to >= up - 50_000_000));
}

#[test]
fn what_cannot_be_begun_says_why() {
    let (a, b) = joined();
    let refused = |plan: LoadPlan| {
        let error = Loads::start(&[plan], &named(&a, &b)).unwrap_err();
        format!("{error:#}")
    };
    let why = refused(plan(0, tcp(1, "nosuch")));
    assert!(
        why.contains("load-0 (a → b)") && why.contains("with nosuch"),
        "{why}"
    );
    let mut nowhere = plan(0, tcp(1, "reno"));
    nowhere.to = NodeName::new("c").unwrap();
    assert!(refused(nowhere).contains("no namespace is called c"));
}
