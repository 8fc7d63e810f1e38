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
                    match lane.offer(Packet { bytes, flow: Some(flow) }, next, now) {
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
            if let Verdict::Deliver(at) = lane.offer(packet(bytes), (), now) {
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
            prop_assert_eq!(lane.offer(packet(100), (), now), Verdict::Deliver(now + delay));
        }
    }

    #[test]
    fn jitter_stays_within_its_bounds_when_nothing_queues(delay in 1..10_000u64, jitter in 1..10_000u64, seed: u64) {
        let shape = Shape { delay: Span::from_micros(delay), jitter: Span::from_micros(jitter), ..Shape::default() };
        let mut lane = Lane::new(shape, seed);
        let (delay, jitter) = (delay * 1_000, jitter.min(delay) * 1_000);
        for n in 0..100u64 {
            let sent = n * 50 * MS;
            let Verdict::Deliver(at) = lane.offer(packet(100), (), sent) else { panic!("dropped") };
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
    assert_eq!(lane.offer(packet(100), 'a', 0), Verdict::Deliver(5 * MS));
    lane.set_gate(MS, GateState::Silent);
    // Sent before the cut but looked at after it: it had left.
    assert_eq!(
        lane.offer(packet(100), 'b', MS - 1),
        Verdict::Deliver(6 * MS - 1)
    );
    assert_eq!(lane.offer(packet(100), 'c', MS), Verdict::Drop(Reason::Cut));
    lane.set_gate(2 * MS, GateState::Open);
    assert_eq!(
        lane.offer(packet(100), 'd', 2 * MS),
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
            if matches!(lane.offer(packet, (), sent), Verdict::Deliver(_)) {
                survivors[usize::from(flow)] += 1;
            }
        }
        assert!(matches!(
            lane.offer(packet(60), (), sent),
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
        assert_eq!(lane.offer(packet(1_000), (), 0), Verdict::Deliver(n * MS));
    }
    assert_eq!(
        lane.offer(packet(1_000), (), 0),
        Verdict::Drop(Reason::Queue)
    );
    assert_eq!(lane.queued_bytes(0), 100_000);
    assert_eq!(
        lane.offer(packet(1_000), (), MS),
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
            .map(|n| lane.offer(packet(100), (), n) == Verdict::Drop(Reason::Loss))
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
    assert_eq!(lane.pass(packet(100), 10, 12, || 'a'), Passing::Now);
    lane.reshape(Shape {
        delay: Span::from_millis(1),
        ..Shape::default()
    });
    assert_eq!(
        lane.pass(packet(100), 20, 20, || 'b'),
        Passing::Waits(20 + MS)
    );
    lane.reshape(Shape::default());
    assert_eq!(
        lane.pass(packet(100), 30, 30, || 'c'),
        Passing::Waits(20 + MS)
    );
    assert_eq!(lane.poll(20 + MS), Some((20 + MS, 'b')));
    assert_eq!(lane.poll(20 + MS), Some((20 + MS, 'c')));
    assert_eq!(lane.stats().delivered, 3);
}
