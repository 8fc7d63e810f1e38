use std::net::IpAddr;

use ipnet::IpNet;

use super::*;
use crate::results::{
    event::{BfdStanding, BgpStanding, EventKind, NodeStanding, PathStanding, RouteStanding},
    schema::{self, Document},
};

#[test]
fn every_kind_of_event_survives_the_journal() {
    let events: Vec<Event> = every_kind()
        .into_iter()
        .enumerate()
        .map(|(at, kind)| Event {
            at: at as u64 + 9_007_199_254_740_993,
            kind,
        })
        .collect();
    let mut text = String::new();
    for event in &events {
        text.push_str(&serde_json::to_string(event).unwrap());
        text.push('\n');
    }
    assert_eq!(read_journal(&text), Ok(events));
}

#[test]
fn every_kind_of_event_is_what_the_schema_says() {
    let misfits = |line: &Event| schema::tests::misfits(Document::Journal, line);
    for (at, kind) in (5..).zip(every_kind()) {
        let line = Event { at, kind };
        assert_eq!(misfits(&line), [""; 0], "{line:?}");
    }
    let line = |text: &str| {
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        schema::tests::misfits(Document::Journal, &value)
    };
    let steady = r#"{"at":5,"kind":"steady","sent":2,"lost":0}"#;
    assert_eq!(line(steady), [""; 0]);
    for wrong in [
        steady.replace("steady", "no-such-kind"),
        steady.replace(",\"lost\":0", ""),
        steady.replace(",\"lost\":0", ",\"lost\":0,\"more\":1"),
    ] {
        assert!(!line(&wrong).is_empty(), "{wrong}");
    }
}

#[test]
fn a_line_names_its_kind_beside_its_time() {
    let line = serde_json::to_string(&Event {
        at: 5,
        kind: EventKind::Steady { sent: 2, lost: 0 },
    })
    .unwrap();
    assert_eq!(line, r#"{"at":5,"kind":"steady","sent":2,"lost":0}"#);
}

#[test]
fn a_truncated_last_line_is_left_out_and_any_other_bad_line_is_an_error() {
    let good = r#"{"at":5,"kind":"steady","sent":2,"lost":0}"#;
    let read = |text: String| read_journal(&text).map(|events| events.len());
    assert_eq!(read(format!("{good}\n{}", &good[..20])), Ok(1));
    assert_eq!(read(format!("{good}\n\n{good}")), Ok(2));
    assert_eq!(read(String::new()), Ok(0));
    let error = read_journal(&format!("{good}\n{}\n{good}\n", &good[..20])).unwrap_err();
    assert_eq!(error.line, 2);
    // A last line that is complete but wrong was not cut off by a crash.
    assert!(read_journal("{\"at\":1,\"kind\":\"no-such-kind\"}\n").is_err());
}

fn every_kind() -> Vec<EventKind> {
    let prefix4: IpNet = "10.0.0.0/15".parse().unwrap();
    let prefix6: IpNet = "2001:db8::/48".parse().unwrap();
    let gateway: IpAddr = "fe80::1".parse().unwrap();
    let s = str::to_owned;
    let one_of_each = vec![
        EventKind::RunStarted {
            lab: s("lab"),
            version: s("0.1.0"),
            kernel: s("6.18"),
            seed: u64::MAX,
            realtime_ns: 1_700_000_000_123_456_789,
            uid: 1000,
            command_started: Some(3),
            timers_scaled: Some(10),
        },
        EventKind::Built {
            nodes: 7,
            links: 6,
            tunnels: 1,
            wire: s("relay"),
            wireguard: s("kernel"),
            ms: 83.25,
        },
        EventKind::Progress {
            stage: s("converge"),
            done: 2,
            total: 4,
            waiting: vec![s("BGP dc1→dx-east")],
        },
        EventKind::Converged {
            ms: 1700.0,
            bgp: 4,
            bfd: 1,
            tunnels: 1,
        },
        EventKind::Calibrated {
            sent: 5000,
            lost: 0,
            pacing_p99_us: 40.5,
            delay_p50_us: 1.5,
            delay_p99_us: 25.0,
        },
        EventKind::LinkMeasured {
            link: s("circuit"),
            from: s("dc1"),
            to: s("east"),
            declared_delay_us: 4000.0,
            delay_p50_us: 4020.0,
            delay_p99_us: 4100.0,
            declared_rate_bps: Some(1_000_000_000),
            rate_bps: Some(997_000_000),
            rate_plus_minus_bps: Some(3_000_000),
        },
        EventKind::LinkUnmeasured {
            link: s("port"),
            why: s("nothing sent from h arrived at s"),
        },
        EventKind::Session {
            session: s("prod"),
            node: s("dc1"),
            state: s("Established"),
            reason: None,
        },
        EventKind::Bfd {
            session: s("prod"),
            node: s("dc1"),
            state: s("Down"),
            diagnostic: Some(s("control detection time expired")),
            detect_us: Some(900_000),
        },
        EventKind::Tunnel {
            tunnel: s("backup.1"),
            node: s("dc1"),
            state: s("down"),
            backend: s("libipsec"),
            reason: Some(s("received AUTHENTICATION_FAILED")),
        },
        EventKind::WireBfd {
            link: s("circuit"),
            vlan: Some(101),
            from: s("dc1"),
            state: s("Down"),
            diagnostic: s("1"),
            dropped: true,
        },
        EventKind::WireBgp {
            link: s("circuit"),
            vlan: None,
            from: s("dc1"),
            to: s("east"),
            message: s("UPDATE"),
            announced: vec![prefix4, prefix6],
            withdrawn: vec![prefix6],
            code: Some((6, 2)),
            dropped: false,
        },
        EventKind::Fib {
            node: s("dc1"),
            vrf: Some(s("prod")),
            prefix: prefix6,
            via: vec![gateway],
            dev: vec![s("eth1")],
            blackhole: true,
            inferred: true,
        },
        EventKind::Carried {
            probe: s("app"),
            from: s("h1"),
            to: s("h2"),
            size: 1500,
            sent: 10,
            arrived: 0,
            too_large_at: vec![s("dc1")],
        },
        EventKind::Standing(Box::new(NodeStanding {
            node: s("dc1"),
            bgp: vec![BgpStanding {
                session: s("prod"),
                state: s("Established"),
                hold_ms: Some(90_000),
                accepted: Some(1),
                advertised: None,
                reason: None,
            }],
            bfd: vec![BfdStanding {
                session: s("prod"),
                state: s("Up"),
            }],
            paths: vec![PathStanding {
                prefix: prefix4,
                best: true,
                reachable: true,
                next_hop: Some(gateway),
                as_path: s("64512"),
                local_pref: Some(200),
                med: None,
                from: Some(s("prod")),
                source: s("ebgp"),
            }],
            routes: vec![RouteStanding {
                to: gateway,
                prefix: Some(prefix6),
                by: Some(s("bgp")),
                over: None,
            }],
        })),
        EventKind::Lacp {
            node: s("dc1"),
            dev: s("c1"),
            link: Some(s("c1")),
            up: false,
        },
        EventKind::Neighbour {
            node: s("dc1"),
            dev: s("eth1"),
            link: Some(s("circuit")),
            address: gateway,
            reachable: false,
        },
        EventKind::Carrier {
            node: s("dc1"),
            dev: s("eth1"),
            link: None,
            up: false,
        },
        EventKind::HealthCheck {
            name: s("shop.example.com"),
            node: s("route53"),
            endpoint: s("east-web"),
            passed: false,
            in_a_row: 3,
            threshold: 3,
            healthy: Some(false),
            reason: Some(s("connection timed out")),
        },
        EventKind::DnsAnswer {
            name: s("shop.example.com"),
            node: s("route53"),
            endpoint: s("west-web"),
            addresses: vec![gateway],
        },
        EventKind::Resolved {
            probe: s("shop"),
            node: s("user"),
            name: s("shop.example.com"),
            address: gateway,
            endpoint: s("west-web"),
            primary: false,
            ttl_s: 60,
            moved: true,
        },
        EventKind::Served {
            probe: s("shop"),
            service: s("shop.example.com"),
            endpoint: s("west-web"),
        },
        EventKind::ProbesStarted {
            flows: 2,
            rate: 2000,
        },
        EventKind::Steady {
            sent: 4000,
            lost: 0,
        },
        EventKind::FaultApplied {
            label: s("cut"),
            fault: s("silent"),
            target: s("circuit"),
            links: Vec::new(),
            nodes: Vec::new(),
            before: 1,
            after: 2,
        },
        EventKind::FaultRestored {
            label: s("cut"),
            fault: s("silent"),
            target: s("location EAST"),
            links: vec![s("circuit")],
            nodes: vec![s("east")],
            before: 3,
            after: 4,
        },
        EventKind::WaitMet {
            what: s("app recovered"),
            ms: 812.5,
        },
        EventKind::WaitMissed {
            what: s("app recovered"),
            within_ms: 5000.0,
        },
        EventKind::Alert {
            alert: s("backup-dead"),
            state: s("raised"),
            about: s("backup"),
            probe: None,
            metric: Some(s("TunnelState")),
            load_bps: None,
            room_bps: Some(10_000_000),
        },
        EventKind::TrialFinished {
            trial: 3,
            of: 20,
            succeeded: true,
            median_ms: Some(741.5),
            left_s: Some(95.0),
        },
        EventKind::Daemon {
            node: s("dc1"),
            program: s("bgpd"),
            state: s("exited"),
            detail: Some(s("status 1")),
            version: None,
        },
        EventKind::Daemon {
            node: s("dc1"),
            program: s("frr"),
            state: s("started"),
            detail: None,
            version: Some(s("8.4.4")),
        },
        EventKind::Warning {
            code: s("no-realtime"),
            text: s("x"),
            untrusted: false,
        },
        EventKind::RunFinished {
            outcome: s("completed"),
        },
    ];
    // A kind added later must join the list: this match fails to compile without it.
    for kind in &one_of_each {
        match kind {
            EventKind::RunStarted { .. }
            | EventKind::Built { .. }
            | EventKind::Progress { .. }
            | EventKind::Converged { .. }
            | EventKind::Calibrated { .. }
            | EventKind::LinkMeasured { .. }
            | EventKind::LinkUnmeasured { .. }
            | EventKind::Session { .. }
            | EventKind::Bfd { .. }
            | EventKind::Tunnel { .. }
            | EventKind::WireBfd { .. }
            | EventKind::WireBgp { .. }
            | EventKind::Fib { .. }
            | EventKind::Carrier { .. }
            | EventKind::Lacp { .. }
            | EventKind::Neighbour { .. }
            | EventKind::HealthCheck { .. }
            | EventKind::DnsAnswer { .. }
            | EventKind::Resolved { .. }
            | EventKind::Served { .. }
            | EventKind::ProbesStarted { .. }
            | EventKind::Steady { .. }
            | EventKind::Carried { .. }
            | EventKind::Standing(_)
            | EventKind::FaultApplied { .. }
            | EventKind::FaultRestored { .. }
            | EventKind::WaitMet { .. }
            | EventKind::WaitMissed { .. }
            | EventKind::Alert { .. }
            | EventKind::TrialFinished { .. }
            | EventKind::Daemon { .. }
            | EventKind::Warning { .. }
            | EventKind::RunFinished { .. } => {}
            // Of these the tests of `replay` make sure.
            EventKind::Planned(_)
            | EventKind::TrialRecorded(_)
            | EventKind::SeriesEnded(_)
            | EventKind::Dealing(_)
            | EventKind::Benching(_)
            | EventKind::LabBegun { .. } => {}
        }
    }
    one_of_each
}
