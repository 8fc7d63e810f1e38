//! One contract, two backends: the same checks on the relay and, where this
//! kernel can carry a wire, on netem. What ran is printed.

use std::{net::Ipv4Addr, sync::mpsc::Receiver, time::Duration};

use backhoe::{
    engine::{
        sink::EventSink,
        wire::{LinkCounters, Wire, WireChoice, WireConfig, start},
    },
    lab::{
        model::Shape,
        plan::{WireEnd, WirePlan},
    },
    os::{clock, netns::NetnsFd, qdisc::Qdiscs},
    results::event::{Event, WireFlowLog},
    units::{Bytes, IfName, LinkName, NodeName, Percent, Rate, Span},
};

use super::{
    common::{await_some, namespace, not_tested, path, sh, tested},
    flow::{Flow, RUN, assert_trusted},
};

const PATIENCE: Duration = Duration::from_secs(20);
const GAP: Duration = Duration::from_millis(2);

/// The backends of this kernel. The relay runs everywhere.
fn backends() -> Vec<WireChoice> {
    let tried = Qdiscs::open(&namespace()).unwrap().try_all();
    match tried {
        Ok(()) => {
            tested("links by relay and netem");
            vec![WireChoice::Relay, WireChoice::Kernel]
        }
        Err(error) => {
            not_tested("links by netem", error);
            vec![WireChoice::Relay]
        }
    }
}

fn shape(delay: Span) -> Shape {
    Shape {
        delay,
        ..Shape::default()
    }
}

struct Lab {
    a: NetnsFd,
    b: NetnsFd,
    hidden: NetnsFd,
    wire: Wire,
    events: Receiver<Event>,
}

/// Nodes `a` (10.8.0.1) and `b` (10.8.0.2) on link `l`, neighbours known.
#[expect(clippy::print_stdout, reason = "a test says what it ran on")]
fn lab(choice: WireChoice, shape: &Shape) -> Lab {
    let (a, b, hidden) = (namespace(), namespace(), namespace());
    let target = path(&hidden);
    let mut ends = Vec::new();
    for (n, (name, node)) in [("a", &a), ("b", &b)].into_iter().enumerate() {
        let (index, wire_index, last, peer) = (10 + n, 20 + n, n + 1, 2 - n);
        sh(
            node,
            &format!(
                "ip link set lo up
                 ip link add i0 index {index} address 02:00:00:00:00:0{last} type veth peer name w{name} index {wire_index} netns {target}
                 ip addr add 10.8.0.{last}/24 dev i0
                 ip link set i0 up
                 ip neigh add 10.8.0.{peer} lladdr 02:00:00:00:00:0{peer} dev i0 nud permanent"
            ),
        );
        sh(
            &hidden,
            &format!(
                "echo 1 > /proc/sys/net/ipv6/conf/w{name}/disable_ipv6
                 ip link set w{name} up"
            ),
        );
        ends.push(WireEnd {
            node: NodeName::new(name).unwrap(),
            node_if: IfName::new("i0").unwrap(),
            node_index: index as u32,
            wire_if: IfName::new(format!("w{name}")).unwrap(),
            wire_index: wire_index as u32,
        });
    }
    let (sink, events) = EventSink::pair();
    let config = WireConfig {
        wires: vec![WirePlan {
            link: link(),
            ends: ends.try_into().unwrap(),
            shape: [shape.clone(), shape.clone()],
            mtu: Bytes::new(1500),
        }],
        taps: vec![],
        run: RUN,
        seed: 1,
    };
    let wire = start(config, &hidden, (choice, false), sink).unwrap();
    println!("on {}:", wire.name());
    Lab {
        a,
        b,
        hidden,
        wire,
        events,
    }
}

fn link() -> LinkName {
    LinkName::new("l").unwrap()
}

impl Lab {
    fn flow(&self, from: &str, id: u16) -> Flow {
        let a = (&self.a, Ipv4Addr::new(10, 8, 0, 1).into());
        let b = (&self.b, Ipv4Addr::new(10, 8, 0, 2).into());
        let (from, to) = if from == "a" { (a, b) } else { (b, a) };
        Flow::open(from, to, id)
    }

    fn log(&self, from: &str) -> Option<WireFlowLog> {
        let logs = self.wire.flow_logs();
        logs.into_iter().find(|log| log.from == from)
    }

    fn counters(&self, from: &str) -> LinkCounters {
        let counters = self.wire.counters();
        counters.into_iter().find(|c| c.from == from).unwrap()
    }
}

fn count(ranges: &[(u32, u32)]) -> u32 {
    ranges.iter().map(|(a, b)| b - a + 1).sum()
}

/// Waits until the wire has said of `sent` probes what became of them.
fn await_accounted(lab: &Lab, from: &str, sent: u32) -> WireFlowLog {
    await_some("every probe accounted for", PATIENCE, || {
        lab.log(from).filter(|log| {
            count(&log.carried) + count(&log.cut) + count(&log.loss) + count(&log.queue) == sent
        })
    })
}

#[test]
fn a_delay_is_never_shorter_than_declared_and_nothing_is_lost_or_overtaken() {
    for choice in backends() {
        let lab = lab(choice, &shape(Span::from_millis(20)));
        let (mut there, mut back) = (lab.flow("a", 0), lab.flow("b", 1));
        there.send(100, GAP);
        back.send(100, GAP);
        for (flow, from) in [(&mut there, "a"), (&mut back, "b")] {
            flow.await_arrived(100);
            assert_eq!(flow.sequences(), (0..100).collect::<Vec<_>>());
            let quickest = flow.arrived.iter().map(|&(_, delay)| delay).min().unwrap();
            println!("  declared 20 ms, quickest {quickest} ns");
            assert!((19_900_000..40_000_000).contains(&quickest), "{quickest}");
            assert_eq!(await_accounted(&lab, from, 100).carried, [(0, 99)]);
            let stats = lab.counters(from).stats;
            assert!(stats.delivered >= 100 && stats.cut == 0, "{stats:?}");
        }
        println!("  lateness {:?}", lab.wire.lateness());
        assert!(lab.wire.lateness().count >= 200);
        assert_trusted(&lab.events);
    }
}

#[test]
fn a_silent_cut_loses_what_it_counted_and_what_had_left_arrives() {
    for choice in backends() {
        // Long enough that all of the first packets are still on their way.
        let lab = lab(choice, &shape(Span::from_millis(400)));
        let (mut there, mut back) = (lab.flow("a", 0), lab.flow("b", 1));
        there.send(30, GAP);
        back.send(30, GAP);
        let bracket = lab.wire.silence(&link(), None).unwrap();
        println!("  cut within {} ns", bracket.after - bracket.before);
        there.send(40, GAP);
        back.send(40, GAP);
        assert!(
            there.arrived.len() + back.arrived.len() < 60,
            "the cut came too late for this test to tell anything"
        );
        lab.wire.restore(&link(), None).unwrap();
        there.send(50, GAP);
        back.send(50, GAP);
        for (flow, from) in [(&mut there, "a"), (&mut back, "b")] {
            flow.await_arrived(80);
            let log = await_accounted(&lab, from, 120);
            assert_eq!(log.carried, [(0, 29), (70, 119)]);
            assert_eq!(log.cut, [(30, 69)]);
            let expected: Vec<u32> = (0..30).chain(70..120).collect();
            assert_eq!(flow.sequences(), expected);
            let counters = lab.counters(from);
            let stats = counters.stats;
            assert!(stats.cut >= 40 && stats.delivered >= 80, "{stats:?}");
            let dropped = stats.cut + stats.loss + stats.queue + stats.overrun;
            // The kernel's own chatter may still be on its way.
            let flying = counters.in_flight as u64;
            assert_eq!(stats.offered, stats.delivered + dropped + flying);
        }
        assert_trusted(&lab.events);
    }
}

#[test]
fn a_one_way_cut_spares_the_other_way_and_light_stays_on() {
    for choice in backends() {
        let lab = lab(choice, &shape(Span::ZERO));
        let (mut there, mut back) = (lab.flow("a", 0), lab.flow("b", 1));
        let a = NodeName::new("a").unwrap();
        lab.wire.silence(&link(), Some(&a)).unwrap();
        there.send(40, GAP);
        back.send(40, GAP);
        back.await_arrived(40);
        assert_eq!(await_accounted(&lab, "a", 40).cut, [(0, 39)]);
        assert_eq!(await_accounted(&lab, "b", 40).carried, [(0, 39)]);
        for node in [&lab.a, &lab.b] {
            let text = sh(node, "ip link show i0");
            assert!(text.contains("LOWER_UP"), "{text}");
        }
        // Twice is once.
        lab.wire.silence(&link(), None).unwrap();
        lab.wire.silence_many(&[link()]).unwrap();
        lab.wire.restore_many(&[link()]).unwrap();
        there.send(1, GAP);
        there.await_arrived(1);
        assert_eq!(there.sequences(), [40]);
        let stranger = NodeName::new("c").unwrap();
        assert!(lab.wire.silence(&link(), Some(&stranger)).is_err());
    }
}

#[test]
fn a_reshaped_link_has_its_new_shape_and_keeps_what_was_on_its_way() {
    for choice in backends() {
        let lab = lab(choice, &shape(Span::from_millis(200)));
        let mut flow = lab.flow("a", 0);
        flow.send(20, GAP);
        let rate = Shape {
            rate: Rate::from_bits_per_second(8_000_000),
            ..shape(Span::from_millis(10))
        };
        lab.wire
            .reshape(&link(), &[rate.clone(), rate.clone()])
            .unwrap();
        flow.send(20, GAP);
        flow.await_arrived(40);
        // Nothing overtakes what left earlier.
        assert_eq!(flow.sequences(), (0..40).collect::<Vec<_>>());
        // 90 packets of 1000 bytes at a million bytes a second take 90 ms, and fit in the queue.
        let begin = clock::mono_ns();
        flow.send_sized(90, 1000 - 28, Duration::ZERO);
        flow.await_arrived(130);
        let took = clock::mono_ns() - begin;
        println!("  90 kB at 8 Mb/s took {took} ns");
        assert!((85_000_000..1_000_000_000).contains(&took), "{took}");
        let plain = shape(Span::from_millis(1));
        lab.wire.reshape(&link(), &[plain.clone(), plain]).unwrap();
        flow.send_sized(20, 1000 - 28, GAP);
        flow.await_arrived(150);
        assert_eq!(flow.sequences(), (0..150).collect::<Vec<_>>());
        assert_eq!(await_accounted(&lab, "a", 150).carried, [(0, 149)]);
        assert_trusted(&lab.events);
    }
}

#[test]
fn loss_is_counted_as_loss_and_a_full_queue_as_queue() {
    for choice in backends() {
        let half = Shape {
            loss: Percent::from_millionths(500_000).unwrap(),
            ..shape(Span::ZERO)
        };
        let lossy = lab(choice, &half);
        let mut flow = lossy.flow("a", 0);
        flow.send(400, Duration::from_micros(500));
        let log = await_accounted(&lossy, "a", 400);
        println!("  half of 400 is {}", count(&log.loss));
        assert!((120..280).contains(&count(&log.loss)));
        assert_eq!((log.cut.len(), log.queue.len()), (0, 0));
        assert_eq!(lossy.counters("a").stats.cut, 0);

        let narrow = Shape {
            rate: Rate::from_bits_per_second(800_000),
            queue: Some(Bytes::new(10_000)),
            ..shape(Span::ZERO)
        };
        let full = lab(choice, &narrow);
        let mut flow = full.flow("a", 0);
        flow.send_sized(100, 1000 - 28, Duration::ZERO);
        let log = await_accounted(&full, "a", 100);
        println!("  of 100 kB, {} packets fit in 10 kB", count(&log.carried));
        assert!((8..40).contains(&count(&log.carried)), "{:?}", log.carried);
        assert_eq!((log.cut.len(), log.loss.len()), (0, 0));
        assert_eq!(full.counters("a").stats.queue, u64::from(count(&log.queue)));
    }
}

#[test]
fn a_dark_end_is_a_cut_and_the_wire_survives_it() {
    for choice in backends() {
        let lab = lab(choice, &shape(Span::from_millis(5)));
        let (mut there, mut back) = (lab.flow("a", 0), lab.flow("b", 1));
        lab.wire.darken(&link()).unwrap();
        sh(&lab.hidden, "ip link set wb down");
        there.send(30, GAP);
        let log = await_accounted(&lab, "a", 30);
        assert_eq!(log.cut, [(0, 29)]);
        sh(&lab.hidden, "ip link set wb up");
        lab.wire.relight(&link()).unwrap();
        // The node's carrier takes a moment.
        await_some("light at b", PATIENCE, || {
            sh(&lab.b, "ip link show i0")
                .contains("LOWER_UP")
                .then_some(())
        });
        // And its queues come back a moment after the carrier: none sends before.
        for flow in [&mut there, &mut back] {
            await_some("a packet across", PATIENCE, || {
                flow.send(1, Duration::from_millis(20));
                (!flow.arrived.is_empty()).then_some(())
            });
            let (first, _) = flow.arrived[0];
            flow.send(10, GAP);
            let all: Vec<u32> = (first..flow.sent).collect();
            flow.await_arrived(all.len());
            assert_eq!(flow.sequences(), all);
        }
    }
}

#[test]
fn only_the_relay_drops_by_number_and_the_kernel_says_so() {
    for choice in backends() {
        let lab = lab(choice, &shape(Span::ZERO));
        let dropped = lab.wire.drop_numbered(&link(), 3);
        match choice {
            WireChoice::Kernel => {
                let error = dropped.unwrap_err().to_string();
                assert!(error.contains("--wire relay"), "{error}");
            }
            WireChoice::Relay | WireChoice::Auto => {
                dropped.unwrap();
            }
        }
    }
    let (sink, _events) = EventSink::pair();
    let config = WireConfig {
        wires: vec![],
        taps: vec![],
        run: RUN,
        seed: 1,
    };
    let chosen = start(config, &namespace(), (WireChoice::Auto, true), sink).unwrap();
    assert_eq!(chosen.name(), "relay");
}

/// Both directions are closed or none is: here one end of the wire is gone.
#[test]
fn a_cut_that_the_kernel_refuses_at_one_end_is_undone_at_the_other() {
    if !backends().contains(&WireChoice::Kernel) {
        return;
    }
    let lab = lab(WireChoice::Kernel, &shape(Span::ZERO));
    let at_a = || sh(&lab.hidden, "tc filter show dev wa ingress");
    let open = at_a();
    lab.wire.silence(&link(), None).unwrap();
    assert_ne!(at_a(), open);
    lab.wire.restore(&link(), None).unwrap();
    assert_eq!(at_a(), open);
    sh(&lab.hidden, "ip link del wb");
    // Its redirection has lost its target with it.
    let open = at_a();
    let refused = lab.wire.silence(&link(), None).unwrap_err();
    assert!(
        format!("{refused:#}").contains("No such device"),
        "{refused:#}"
    );
    assert_eq!(at_a(), open);
    // Nothing is closed, so there is nothing to open.
    lab.wire.restore(&link(), None).unwrap();
}
