use proptest::prelude::*;

use super::*;

const MS: Ns = 1_000_000;

fn packet(bytes: u32) -> Packet {
    Packet { bytes, flow: None }
}

fn shapes() -> impl Strategy<Value = Shape> {
    (
        0..20_000u64,
        0..20_000u64,
        prop_oneof![Just(0), 0..300_000u32],
        proptest::option::of(8_000..10_000_000_000u64),
        proptest::option::of(0..100_000u64),
    )
        .prop_map(|(delay, jitter, loss, rate, queue)| Shape {
            delay: Span::from_micros(delay),
            jitter: Span::from_micros(jitter),
            loss: Percent::from_millionths(loss).unwrap(),
            rate: rate.and_then(Rate::from_bits_per_second),
            queue: queue.map(Bytes::new),
            ..Shape::default()
        })
}

#[derive(Debug, Clone)]
enum Step {
    Offer { bytes: u32, flow: u16 },
    Cut,
    Open,
    Numbered(u32),
    Reshape(Shape),
    Poll,
}

fn steps() -> impl Strategy<Value = Vec<(Ns, Step)>> {
    let step = prop_oneof![
        20 => (60..65_000u32, 0..3u16).prop_map(|(bytes, flow)| Step::Offer { bytes, flow }),
        1 => Just(Step::Cut),
        1 => Just(Step::Open),
        1 => (0..5u32).prop_map(Step::Numbered),
        1 => shapes().prop_map(Step::Reshape),
        10 => Just(Step::Poll),
    ];
    proptest::collection::vec((0..3 * MS, step), 0..400)
}

proptest! {
    #[test]
    fn nothing_is_lost_twice_or_invented_and_order_holds(shape in shapes(), seed: u64, steps in steps()) {
        let mut lane = Lane::new(shape, seed);
        let (mut now, mut next, mut last_out) = (0, 0u32, None);
        let (mut offered, mut delivered, mut dropped) = (0u64, 0u64, 0u64);
        let mut promised = std::collections::BTreeMap::new();
        for (pause, step) in steps {
            now += pause;
            match step {
                Step::Offer { bytes, flow } => {
                    offered += 1;
                    match lane.offer(Packet { bytes, flow: Some(flow) }, now, |_| next) {
                        Verdict::Deliver(at) => { promised.insert(next, at); }
                        Verdict::Drop(_) => dropped += 1,
                    }
                    next += 1;
                }
                Step::Cut => lane.set_gate(now, GateState::Silent),
                Step::Open => lane.set_gate(now, GateState::Open),
                Step::Numbered(packets) => lane.drop_numbered(now, packets),
                Step::Reshape(shape) => lane.reshape(shape),
                Step::Poll => while let Some((at, id)) = lane.poll(now) {
                    prop_assert!(at <= now);
                    prop_assert_eq!(promised.remove(&id), Some(at));
                    prop_assert!(last_out < Some(id), "order");
                    last_out = Some(id);
                    delivered += 1;
                },
            }
            let stats = lane.stats();
            prop_assert_eq!(stats.offered, offered);
            prop_assert_eq!(stats.delivered, delivered);
            prop_assert_eq!(stats.cut + stats.loss + stats.queue + stats.overrun, dropped);
            prop_assert_eq!(offered, delivered + dropped + lane.in_flight() as u64);
            prop_assert_eq!(lane.next_deadline(), promised.values().min().copied());
        }
    }

    #[test]
    fn the_rate_is_never_exceeded_and_never_wasted(
        bits in 8_000..40_000_000_000u64,
        offers in proptest::collection::vec((0..200_000u64, 60..65_000u32), 1..200),
    ) {
        let shape = Shape { rate: Rate::from_bits_per_second(bits), queue: Some(Bytes::new(1 << 20)), ..Shape::default() };
        let mut lane = Lane::new(shape, 0);
        let mut now = 0;
        let mut leaving: Vec<(Ns, u32)> = Vec::new();
        for (pause, bytes) in offers {
            now += pause;
            if let Verdict::Deliver(at) = lane.offer(packet(bytes), now, |_| ()) {
                let began = leaving.last().map_or(now, |&(last, _)| last.max(now));
                let exact = f64::from(bytes) * 8e9 / bits as f64;
                prop_assert!(((at - began) as f64 - exact).abs() <= 1.0, "{} against {exact}", at - began);
                leaving.push((at, bytes));
            }
        }
        // Any window from one departure to another carries what followed the first.
        for from in 0..leaving.len() {
            let mut carried = 0u128;
            for to in from + 1..leaving.len() {
                carried += u128::from(leaving[to].1) * 8_000_000_000;
                let window = u128::from(leaving[to].0 - leaving[from].0) + 1;
                prop_assert!(carried <= window * u128::from(bits));
            }
        }
    }

    #[test]
    fn a_bare_delay_is_exact(delay in 0..10_000_000u64, offers in proptest::collection::vec(0..5 * MS, 1..50)) {
        let shape = Shape { delay: Span::from_nanos(delay), ..Shape::default() };
        let mut lane = Lane::new(shape, 1);
        let mut now = 0;
        for pause in offers {
            now += pause;
            prop_assert_eq!(lane.offer(packet(100), now, |_| ()), Verdict::Deliver(now + delay));
        }
    }

    #[test]
    fn jitter_stays_within_its_bounds_when_nothing_queues(delay in 1..10_000u64, jitter in 1..10_000u64, seed: u64) {
        let shape = Shape { delay: Span::from_micros(delay), jitter: Span::from_micros(jitter), ..Shape::default() };
        let mut lane = Lane::new(shape, seed);
        let (delay, jitter) = (delay * 1_000, jitter.min(delay) * 1_000);
        for n in 0..100u64 {
            let sent = n * 50 * MS;
            let Verdict::Deliver(at) = lane.offer(packet(100), sent, |_| ()) else { panic!("dropped") };
            prop_assert!((sent + delay - jitter..=sent + delay + jitter).contains(&at));
        }
    }
}

#[test]
fn what_has_left_at_a_cut_arrives_and_what_follows_does_not() {
    let shape = Shape {
        delay: Span::from_millis(5),
        ..Shape::default()
    };
    let mut lane = Lane::new(shape, 0);
    assert_eq!(
        lane.offer(packet(100), 0, |_| 'a'),
        Verdict::Deliver(5 * MS)
    );
    lane.set_gate(MS, GateState::Silent);
    // Sent before the cut but looked at after it: it had left.
    assert_eq!(
        lane.offer(packet(100), MS - 1, |_| 'b'),
        Verdict::Deliver(6 * MS - 1)
    );
    assert_eq!(
        lane.offer(packet(100), MS, |_| 'c'),
        Verdict::Drop(Reason::Cut)
    );
    lane.set_gate(2 * MS, GateState::Open);
    assert_eq!(
        lane.offer(packet(100), 2 * MS, |_| 'd'),
        Verdict::Deliver(7 * MS)
    );
    let mut out = Vec::new();
    while let Some((_, payload)) = lane.poll(10 * MS) {
        out.push(payload);
    }
    assert_eq!(out, ['a', 'b', 'd']);
    assert_eq!(lane.stats().cut, 1);
}

#[test]
fn numbered_drops_take_exactly_so_many_of_each_flow() {
    let mut lane = Lane::new(Shape::default(), 0);
    lane.drop_numbered(10, 37);
    let mut survivors = [0; 2];
    for sent in 0..100 {
        for flow in 0..2 {
            let packet = Packet {
                bytes: 100,
                flow: Some(flow),
            };
            if matches!(lane.offer(packet, sent, |_| ()), Verdict::Deliver(_)) {
                survivors[usize::from(flow)] += 1;
            }
        }
        assert!(matches!(
            lane.offer(packet(60), sent, |_| ()),
            Verdict::Deliver(_)
        ));
    }
    assert_eq!(survivors, [63, 63]);
    assert_eq!(lane.stats().cut, 74);
}

#[test]
fn a_full_queue_refuses_and_drains() {
    // 8 Mb/s: a byte each microsecond; the default queue is 100 ms, 100 kB.
    let shape = Shape {
        rate: Rate::from_bits_per_second(8_000_000),
        ..Shape::default()
    };
    let mut lane = Lane::new(shape, 0);
    for n in 1..=100 {
        assert_eq!(
            lane.offer(packet(1_000), 0, |_| ()),
            Verdict::Deliver(n * MS)
        );
    }
    assert_eq!(
        lane.offer(packet(1_000), 0, |_| ()),
        Verdict::Drop(Reason::Queue)
    );
    assert_eq!(lane.queued_bytes(0), 100_000);
    assert_eq!(
        lane.offer(packet(1_000), MS, |_| ()),
        Verdict::Deliver(101 * MS)
    );
}

#[test]
fn loss_comes_near_its_probability_and_repeats_with_its_seed() {
    let shape = Shape {
        loss: Percent::from_millionths(100_000).unwrap(),
        ..Shape::default()
    };
    let run = |seed| {
        let mut lane = Lane::new(shape, seed);
        let lost: Vec<bool> = (0..20_000)
            .map(|n| lane.offer(packet(100), n, |_| ()) == Verdict::Drop(Reason::Loss))
            .collect();
        lost
    };
    let lost = run(7).iter().filter(|&&lost| lost).count();
    // Five standard deviations of a binomial(20000, 0.1) are 212.
    assert!((1788..=2212).contains(&lost), "{lost}");
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn a_due_packet_passes_unless_another_is_before_it() {
    let mut lane = Lane::new(Shape::default(), 0);
    assert_eq!(lane.pass(packet(100), 10, Some(12), |_| 'a'), Passing::Now);
    lane.reshape(Shape {
        delay: Span::from_millis(1),
        ..Shape::default()
    });
    assert_eq!(
        lane.pass(packet(100), 20, Some(20), |_| 'b'),
        Passing::Waits(20 + MS)
    );
    lane.reshape(Shape::default());
    assert_eq!(
        lane.pass(packet(100), 30, Some(30), |_| 'c'),
        Passing::Waits(20 + MS)
    );
    assert_eq!(lane.poll(20 + MS), Some((20 + MS, 'b')));
    assert_eq!(lane.poll(20 + MS), Some((20 + MS, 'c')));
    assert_eq!(lane.stats().delivered, 3);
}

fn share(millionths: u32) -> Percent {
    Percent::from_millionths(millionths).unwrap()
}

#[test]
fn gilberts_losses_have_their_share_and_their_length() {
    for (millionths, mean) in [(10_000, 5), (50_000, 3), (300_000, 20)] {
        let shape = Shape {
            loss: share(millionths),
            loss_burst: LossBurst::new(mean),
            ..Shape::default()
        };
        let mut lane = Lane::new(shape, 11);
        let (mut runs, mut lost, mut was_lost) = (0u32, 0u32, false);
        let offered = 2_000_000;
        for n in 0..offered {
            let is_lost = lane.offer(packet(100), n, |_| ()) == Verdict::Drop(Reason::Loss);
            lost += u32::from(is_lost);
            runs += u32::from(is_lost && !was_lost);
            was_lost = is_lost;
            while lane.poll(n).is_some() {}
        }
        let length = f64::from(lost) / f64::from(runs);
        let rate = f64::from(lost) / offered as f64 * 1e6;
        let (millionths, mean) = (f64::from(millionths), f64::from(mean));
        assert!((length / mean - 1.0).abs() < 0.05, "{length} for {mean}");
        assert!(
            (rate / millionths - 1.0).abs() < 0.1,
            "{rate} for {millionths}"
        );
    }
}

#[test]
fn duplicates_are_counted_and_arrive_in_order() {
    let shape = Shape {
        delay: Span::from_millis(1),
        duplicate: share(100_000),
        ..Shape::default()
    };
    let mut lane = Lane::new(shape, 3);
    for n in 0..10_000 {
        lane.offer(packet(100), n, |_| n);
    }
    let mut out = Vec::new();
    while let Some((_, n)) = lane.poll(u64::MAX) {
        out.push(n);
    }
    let stats = lane.stats();
    assert!((850..1150).contains(&stats.duplicated), "{stats:?}");
    assert_eq!(stats.offered + stats.duplicated, stats.delivered);
    assert!(out.is_sorted());
    out.dedup();
    assert_eq!(out.len(), 10_000);
}

#[test]
fn what_is_reordered_takes_no_delay_and_overtakes() {
    let shape = Shape {
        delay: Span::from_millis(5),
        reorder: share(250_000),
        ..Shape::default()
    };
    let mut lane = Lane::new(shape, 5);
    let mut overtaking = 0;
    for n in 0..4_000 {
        let sent = n * MS;
        match lane.offer(packet(100), sent, |_| n) {
            Verdict::Deliver(at) if at == sent => overtaking += 1,
            Verdict::Deliver(at) => assert_eq!(at, sent + 5 * MS),
            Verdict::Drop(reason) => panic!("{reason:?}"),
        }
    }
    assert!((900..1100).contains(&overtaking), "{overtaking}");
    let mut last = 0;
    while let Some((at, n)) = lane.poll(u64::MAX) {
        assert!(at >= last && (at == n * MS || at == (n + 5) * MS));
        last = at;
    }
    assert_eq!(lane.in_flight(), 0);
}

#[test]
fn some_packets_are_marked_for_damage_and_never_pass_unstored() {
    let shape = Shape {
        corrupt: share(200_000),
        ..Shape::default()
    };
    let mut lane = Lane::new(shape, 9);
    let mut damaged = 0;
    for n in 0..5_000 {
        match lane.pass(packet(100), n, Some(n), |mark| mark.damage) {
            Passing::Now => {}
            Passing::Waits(_) => {
                let (_, damage) = lane.poll(n).unwrap();
                assert!(damage.is_some());
                damaged += 1;
            }
            Passing::Drop(reason) => panic!("{reason:?}"),
        }
    }
    assert!((880..1120).contains(&damaged), "{damaged}");
}

#[test]
fn normal_jitter_has_its_mean_and_deviation_and_its_reach() {
    let shape = Shape {
        delay: Span::from_millis(10),
        jitter: Span::from_millis(1),
        distribution: Distribution::Normal,
        ..Shape::default()
    };
    let mut lane = Lane::new(shape, 21);
    let delays: Vec<f64> = (0..40_000u64)
        .map(|n| {
            let sent = n * 100 * MS;
            let Verdict::Deliver(at) = lane.offer(packet(100), sent, |_| ()) else {
                panic!("dropped")
            };
            (at - sent) as f64 / 1e6
        })
        .collect();
    let mean = delays.iter().sum::<f64>() / delays.len() as f64;
    let square = delays.iter().map(|d| (d - mean).powi(2)).sum::<f64>();
    let deviation = (square / delays.len() as f64).sqrt();
    assert!((mean - 10.0).abs() < 0.03, "{mean}");
    assert!((deviation - 1.0).abs() < 0.03, "{deviation}");
    let within = delays.iter().filter(|d| (**d - 10.0).abs() < 1.0).count();
    let share = within as f64 / delays.len() as f64;
    assert!((share - 0.6827).abs() < 0.01, "{share}");
    assert!(delays.iter().all(|d| (6.0..=14.0).contains(d)));
}
