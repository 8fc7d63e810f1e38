//! The relay between two real namespaces: node a ▸ veth ▸ wire ▸ veth ▸ node b.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket},
    sync::mpsc::Receiver,
    time::Duration,
};

use backhoe::{
    engine::{
        relay::{LinkCounters, Relay, TapConfig, WireConfig, spawn},
        sink::EventSink,
    },
    lab::{
        model::Shape,
        plan::{WireEnd, WirePlan},
    },
    os::{
        clock,
        netns::NetnsFd,
        packet_ring::{Geometry, Ring, Sent, VnetHeader},
    },
    results::event::{Event, EventKind, WireFlowLog},
    units::{Bytes, IfName, LinkName, NodeName, Percent, Rate, Span},
};

use super::{
    common::{await_some, namespace, path, sh},
    flow::{Flow, RUN, assert_trusted},
};

const PATIENCE: Duration = Duration::from_secs(10);

fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

fn link(name: &str) -> LinkName {
    LinkName::new(name).unwrap()
}

fn delayed(delay: Span) -> Shape {
    Shape {
        delay,
        ..Shape::default()
    }
}

/// Wires interface `i{n}` of both nodes, addresses 10.9.n.1 and .2, fd09:n::1 and ::2.
fn wire(n: u32, a: &NetnsFd, b: &NetnsFd, wire: &NetnsFd, shape: Shape) -> WirePlan {
    let mut ends = Vec::new();
    for (side, (name, namespace)) in [("a", a), ("b", b)].into_iter().enumerate() {
        let (node_index, wire_index) = (1000 + n * 4 + side as u32, 2000 + n * 4 + side as u32);
        let (dev, wire_if, last) = (format!("i{n}"), format!("w{n}{name}"), side + 1);
        let target = path(wire);
        sh(
            namespace,
            &format!(
                "ip link set lo up
                 ip link add {dev} index {node_index} gso_max_size 16384 type veth peer name {wire_if} index {wire_index} gso_max_size 16384 netns {target}
                 ip addr add 10.9.{n}.{last}/24 dev {dev}
                 ip addr add fd09:{n}::{last}/64 dev {dev} nodad
                 ip link set {dev} up"
            ),
        );
        sh(
            wire,
            &format!(
                "echo 1 > /proc/sys/net/ipv6/conf/{wire_if}/disable_ipv6
                 ip link set {wire_if} up"
            ),
        );
        ends.push(WireEnd {
            node: node(name),
            node_if: IfName::new(dev).unwrap(),
            node_index,
            wire_if: IfName::new(wire_if).unwrap(),
            wire_index,
        });
    }
    WirePlan {
        link: link(&format!("l{n}")),
        ends: ends.try_into().unwrap(),
        shape: [shape.clone(), shape],
        mtu: Bytes::new(1500),
    }
}

struct Lab {
    a: NetnsFd,
    b: NetnsFd,
    wire: NetnsFd,
    relay: Relay,
    events: Receiver<Event>,
}

fn lab(links: u32, delay: Span) -> Lab {
    shaped(links, &delayed(delay))
}

/// A lab whose first link's end in `a` is watched as if it were a tunnel `t0`.
fn shaped(links: u32, shape: &Shape) -> Lab {
    let (a, b, hidden) = (namespace(), namespace(), namespace());
    let wires = (0..links)
        .map(|n| wire(n, &a, &b, &hidden, shape.clone()))
        .collect();
    let (sink, events) = EventSink::pair();
    let tap = TapConfig {
        name: "t0".to_owned(),
        node: node("a"),
        peer: node("b"),
        interface: IfName::new("i0").unwrap(),
        netns: a.try_clone().unwrap(),
    };
    let config = WireConfig {
        wires,
        taps: vec![tap],
        run: RUN,
        seed: 1,
    };
    let relay = spawn(config, &hidden, sink).unwrap();
    Lab {
        a,
        b,
        wire: hidden,
        relay,
        events,
    }
}

impl Lab {
    fn side(&self, from: &str) -> &NetnsFd {
        if from == "a" { &self.a } else { &self.b }
    }

    /// A flow from one side to the other on link `n`.
    fn flow(&self, n: u32, from: &str, id: u16) -> Flow {
        let (to, [source, destination]) = if from == "a" {
            ("b", [1, 2])
        } else {
            ("a", [2, 1])
        };
        let address = |last: u8| Ipv4Addr::new(10, 9, n as u8, last).into();
        Flow::open(
            (self.side(from), address(source)),
            (self.side(to), address(destination)),
            id,
        )
    }

    fn counters(&self, name: &str, from: &str) -> LinkCounters {
        let counters = self.relay.counters();
        counters
            .into_iter()
            .find(|c| c.link == name && c.from == from)
            .unwrap()
    }

    /// What the wire saw of a flow.
    fn log(&self, from: &str, flow: u16) -> WireFlowLog {
        self.logs(from, flow, "l").unwrap()
    }

    fn logs(&self, from: &str, flow: u16, place: &str) -> Option<WireFlowLog> {
        let logs = self.relay.flow_logs();
        logs.into_iter()
            .find(|log| log.from == from && log.flow == flow && log.link.starts_with(place))
    }
}

fn count(ranges: &[(u32, u32)]) -> usize {
    ranges.iter().map(|(a, b)| (b - a + 1) as usize).sum()
}

fn expand(ranges: &[(u32, u32)]) -> Vec<u32> {
    ranges.iter().flat_map(|&(a, b)| a..=b).collect()
}

#[test]
fn a_delay_is_what_was_declared_and_nothing_is_lost() {
    let lab = lab(1, Span::from_millis(5));
    let (mut there, mut back) = (lab.flow(0, "a", 0), lab.flow(0, "b", 1));
    // Neighbours are known first: the kernel may let a packet pass those that
    // wait for the answer.
    for flow in [&mut there, &mut back] {
        flow.send(1, Duration::ZERO);
        flow.await_arrived(1);
    }
    for _ in 1..400 {
        there.send(1, Duration::from_micros(500));
        back.send(1, Duration::from_micros(500));
    }
    for flow in [&mut there, &mut back] {
        flow.await_arrived(400);
        assert_eq!(flow.sequences(), (0..400).collect::<Vec<_>>());
        // The last half: the relay has calibrated itself by then.
        let mut delays: Vec<u64> = flow.arrived.iter().skip(200).map(|&(_, d)| d).collect();
        delays.sort_unstable();
        let (median, p99) = (delays[100], delays[198]);
        println!("declared 5 ms, median {median} ns, p99 {p99} ns");
        // A loaded machine wakes the relay and this thread late, never early:
        // the quickest tenth tells what the relay aims at.
        assert!(delays[0] > 4_900_000, "{}", delays[0]);
        assert!(delays[20] < 6_000_000, "{}", delays[20]);
    }
    println!("release lateness {:?}", lab.relay.lateness());
    assert_eq!(expand(&lab.log("a", 0).carried), there.sequences());
    assert_eq!(expand(&lab.log("b", 1).carried), back.sequences());
    assert_trusted(&lab.events);
}

#[test]
fn a_silent_cut_loses_exactly_what_it_counted_and_light_that_left_arrives() {
    let lab = lab(1, Span::from_millis(20));
    let (mut there, mut back) = (lab.flow(0, "a", 0), lab.flow(0, "b", 1));
    let gap = Duration::from_micros(200);
    // Neighbours are known first: they would be asked for across the cut.
    for flow in [&mut there, &mut back] {
        flow.send(1, gap);
        flow.await_arrived(1);
    }
    there.send(49, gap);
    back.send(49, gap);
    let bracket = lab.relay.silence(&link("l0"), None).unwrap();
    println!("cut within {} ns", bracket.after - bracket.before);
    there.send(60, gap);
    back.send(60, gap);
    lab.relay.restore(&link("l0"), None).unwrap();
    there.send(70, gap);
    back.send(70, gap);
    for (flow, from) in [(&mut there, "a"), (&mut back, "b")] {
        flow.await_arrived(120);
        let log = lab.log(from, flow.id);
        // What was sent less than 20 ms before the cut was on the fibre and arrived.
        assert_eq!(log.cut, [(50, 109)]);
        assert_eq!(flow.sequences(), expand(&log.carried));
        assert_eq!(count(&log.carried), 120);
        // The kernel's own chatter (router solicitations) may be cut too.
        assert!(lab.counters("l0", from).stats.cut >= 60);
    }
    assert_trusted(&lab.events);
}

#[test]
fn a_one_way_cut_spares_the_other_way() {
    let lab = lab(1, Span::ZERO);
    let (mut there, mut back) = (lab.flow(0, "a", 0), lab.flow(0, "b", 1));
    // Neighbours are known before the cut, which takes one direction of ARP with it.
    there.send(1, Duration::ZERO);
    there.await_arrived(1);
    back.send(1, Duration::ZERO);
    back.await_arrived(1);
    lab.relay.silence(&link("l0"), Some(&node("a"))).unwrap();
    there.send(40, Duration::from_micros(100));
    back.send(40, Duration::from_micros(100));
    back.await_arrived(41);
    await_some("40 cut", PATIENCE, || {
        (count(&lab.log("a", 0).cut) == 40).then_some(())
    });
    assert_eq!(there.arrived.len(), 1);
    assert_eq!(count(&lab.log("b", 1).cut), 0);
    lab.relay.restore(&link("l0"), Some(&node("a"))).unwrap();
    there.send(1, Duration::ZERO);
    there.await_arrived(2);
    assert!(lab.relay.silence(&link("l0"), Some(&node("c"))).is_err());
    assert!(lab.relay.silence(&link("l9"), None).is_err());
}

#[test]
fn numbered_drops_are_exact_for_each_flow() {
    let lab = lab(1, Span::from_millis(1));
    let mut flows = [
        lab.flow(0, "a", 0),
        lab.flow(0, "a", 1),
        lab.flow(0, "b", 2),
    ];
    let gap = Duration::from_micros(100);
    for flow in &mut flows {
        flow.send(10, gap);
        flow.await_arrived(10);
    }
    lab.relay.drop_numbered(&link("l0"), 37).unwrap();
    for flow in &mut flows {
        flow.send(100, gap);
    }
    for flow in &mut flows {
        flow.await_arrived(73);
        let expected: Vec<u32> = (0..10).chain(47..110).collect();
        assert_eq!(flow.sequences(), expected);
    }
    for (from, id) in [("a", 0), ("a", 1), ("b", 2)] {
        assert_eq!(lab.log(from, id).cut, [(10, 46)]);
    }
    lab.relay.reset_flows(RUN + 1);
    assert_eq!(lab.relay.flow_logs(), []);
}

#[test]
fn bulk_tcp_with_offloads_arrives_byte_for_byte() {
    const TOTAL: usize = 64 << 20;
    for (address, delay) in [
        ("10.9.0.2", Span::ZERO),
        ("fd09:0::2", Span::from_millis(2)),
    ] {
        let lab = lab(1, delay);
        let listener = lab.b.run(|| TcpListener::bind((address, 0))).unwrap();
        let target = listener.local_addr().unwrap();
        let receiver = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut bytes = Vec::with_capacity(TOTAL);
            stream.read_to_end(&mut bytes).unwrap();
            bytes
        });
        let mut stream = lab.a.run(|| TcpStream::connect(target)).unwrap();
        let sent: Vec<u8> = (0..TOTAL as u32 / 4)
            .flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes())
            .collect();
        let begin = clock::mono_ns();
        stream.write_all(&sent).unwrap();
        drop(stream);
        let received = receiver.join().unwrap();
        let gbits = TOTAL as f64 * 8.0 / (clock::mono_ns() - begin) as f64;
        let counters = lab.counters("l0", "a");
        println!("{address} at {delay}: {gbits:.2} Gb/s in a debug build, {counters:?}");
        assert!(received == sent, "the bytes differ");
        // Fewer frames than segments: offloads were on and survived.
        assert!(
            counters.stats.offered < TOTAL as u64 / 1448,
            "no segmentation offload"
        );
    }
}

#[test]
fn a_tagged_frame_keeps_its_tag() {
    let lab = lab(1, Span::from_millis(1));
    let geometry = Geometry::relay(1 << 20);
    let open = |namespace: &NetnsFd| namespace.run(|| Ring::open("i0", geometry)).unwrap();
    let (near, mut far) = (open(&lab.a), open(&lab.b));
    let mut frame = vec![0xff; 12];
    frame.extend([0x81, 0x00, 0x20, 101, 0x88, 0xb5]);
    frame.extend((0..80).collect::<Vec<u8>>());
    assert!(matches!(
        near.transmitter().send(&VnetHeader::default(), &frame),
        Sent::Yes
    ));
    let arrived = await_some("the tagged frame", PATIENCE, || {
        let arrived = far.next_frame()?.to_owned_frame();
        (arrived.bytes.get(..6) == Some(&[0xff; 6]) && arrived.bytes.len() == frame.len())
            .then_some(arrived)
    });
    assert_eq!(arrived.bytes, frame);
}

#[test]
fn a_wire_end_that_goes_down_and_up_carries_again() {
    let lab = lab(1, Span::from_millis(1));
    let (mut there, mut back) = (lab.flow(0, "a", 0), lab.flow(0, "b", 1));
    let gap = Duration::from_micros(200);
    there.send(10, gap);
    there.await_arrived(10);
    back.send(1, gap);
    back.await_arrived(1);
    for _ in 0..3 {
        let before = there.arrived.len();
        let cut = count(&lab.log("a", 0).cut);
        // Only b loses its light; a still sends, towards a wire end that is down.
        sh(&lab.wire, "ip link set w0b down");
        there.send(20, gap);
        await_some("20 cut", PATIENCE, || {
            (count(&lab.log("a", 0).cut) == cut + 20).then_some(())
        });
        sh(&lab.wire, "ip link set w0b up");
        assert_eq!(there.arrived.len(), before);
        await_some("carrier", PATIENCE, || {
            sh(&lab.b, "ip link show i0")
                .contains("LOWER_UP")
                .then_some(())
        });
        there.send(10, gap);
        there.await_arrived(before + 10);
        back.send(10, gap);
    }
    back.await_arrived(31);
    assert_eq!(count(&lab.log("a", 0).cut), 60);
    assert!(lab.counters("l0", "a").stats.cut >= 60);
    assert!(lab.relay.is_alive());
    assert_trusted(&lab.events);
}

#[test]
fn a_node_that_stops_reading_stalls_nobody_else() {
    let lab = lab(2, Span::from_millis(1));
    let listener = lab.b.run(|| TcpListener::bind("10.9.0.2:0")).unwrap();
    let target = listener.local_addr().unwrap();
    let mut stream = lab.a.run(|| TcpStream::connect(target)).unwrap();
    let (deaf, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    let chunk = vec![0; 1 << 20];
    // Until the receiver's window and the sender's buffer are full.
    await_some("a full window", PATIENCE, || {
        let full = stream.write(&chunk).is_err();
        std::thread::sleep(Duration::from_millis(5));
        (full && stream.write(&chunk).is_err()).then_some(())
    });
    let mut other = lab.flow(1, "a", 5);
    other.send(200, Duration::from_micros(200));
    other.await_arrived(200);
    let mut delays: Vec<u64> = other.arrived.iter().map(|&(_, delay)| delay).collect();
    delays.sort_unstable();
    println!("beside a deaf node: median {} ns", delays[100]);
    assert!(delays[20] < 3_000_000, "{}", delays[20]);
    drop(deaf);
    assert_trusted(&lab.events);
}

#[test]
fn a_reshaped_link_has_its_new_delay() {
    let lab = lab(1, Span::ZERO);
    let mut flow = lab.flow(0, "a", 0);
    flow.send(100, Duration::from_micros(200));
    flow.await_arrived(100);
    let shape = delayed(Span::from_millis(30));
    lab.relay
        .reshape(&link("l0"), &[shape.clone(), shape])
        .unwrap();
    flow.send(100, Duration::from_micros(200));
    flow.await_arrived(200);
    let (before, after) = flow.arrived.split_at(100);
    // A loaded machine is late, never early, so the quickest tells.
    let quickest = |part: &[(u32, u64)]| part.iter().map(|&(_, delay)| delay).min().unwrap();
    assert!(quickest(before) < 5_000_000, "{}", quickest(before));
    assert!(
        (29_900_000..33_000_000).contains(&quickest(after)),
        "{}",
        quickest(after)
    );
}

#[test]
fn several_links_fall_silent_at_one_instant() {
    let lab = lab(3, Span::ZERO);
    let names = [link("l0"), link("l1"), link("l2")];
    let mut flows: Vec<Flow> = (0..3).map(|n| lab.flow(n, "a", n as u16)).collect();
    for flow in &mut flows {
        flow.send(1, Duration::ZERO);
        flow.await_arrived(1);
    }
    lab.relay.silence_many(&names[..2]).unwrap();
    for flow in &mut flows {
        flow.send(5, Duration::from_micros(100));
    }
    flows[2].await_arrived(6);
    for id in 0..2 {
        await_some("5 cut", PATIENCE, || {
            (count(&lab.log("a", id).cut) == 5).then_some(())
        });
    }
    lab.relay.restore_many(&names[..2]).unwrap();
    for flow in &mut flows[..2] {
        flow.send(1, Duration::ZERO);
        flow.await_arrived(2);
    }
}

#[test]
fn declared_loss_is_counted_to_the_packet() {
    let shape = Shape {
        loss: Percent::from_millionths(200_000).unwrap(),
        ..delayed(Span::from_millis(1))
    };
    let lab = lab(1, Span::from_millis(1));
    let mut flow = lab.flow(0, "a", 0);
    // Neighbours are known before: a lost ARP request would cost a second and its queue.
    flow.send(1, Duration::ZERO);
    flow.await_arrived(1);
    let shapes = [shape.clone(), shape];
    lab.relay.reshape(&link("l0"), &shapes).unwrap();
    flow.send(1000, Duration::from_micros(100));
    let log = await_some("all accounted for", PATIENCE, || {
        let log = lab.log("a", 0);
        (count(&log.carried) + count(&log.loss) == 1001).then_some(log)
    });
    flow.await_arrived(count(&log.carried));
    assert_eq!(flow.sequences(), expand(&log.carried));
    // Five standard deviations of a binomial(1000, 0.2) are 63.
    let lost = count(&log.loss);
    assert!((137..=263).contains(&lost), "{lost}");
}

#[test]
fn a_rate_is_kept_and_used() {
    const TOTAL: usize = 4 << 20;
    let shape = Shape {
        rate: Rate::from_bits_per_second(50_000_000),
        ..delayed(Span::from_millis(1))
    };
    let lab = shaped(1, &shape);
    let listener = lab.b.run(|| TcpListener::bind("10.9.0.2:0")).unwrap();
    let target = listener.local_addr().unwrap();
    let receiver = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let begin = clock::mono_ns();
        let read = stream.read_to_end(&mut Vec::new()).unwrap();
        (read, clock::mono_ns() - begin)
    });
    let mut stream = lab.a.run(|| TcpStream::connect(target)).unwrap();
    stream.write_all(&vec![7; TOTAL]).unwrap();
    drop(stream);
    let (read, took) = receiver.join().unwrap();
    assert_eq!(read, TOTAL);
    let mbits = TOTAL as f64 * 8e3 / took as f64;
    let counters = lab.counters("l0", "a");
    println!(
        "declared 50 Mb/s, TCP's share {mbits:.1} Mb/s, {:?}",
        counters.stats
    );
    assert!((30.0..=50.0).contains(&mbits), "{mbits}");
    assert_trusted(&lab.events);
}

/// A BFD control packet announcing a state, RFC 5880 section 4.1.
fn bfd(state: u8, diagnostic: u8) -> [u8; 24] {
    let mut packet = [0; 24];
    packet[..8].copy_from_slice(&[1 << 5 | diagnostic, state << 6, 3, 24, 0, 0, 0, 1]);
    packet[11] = 2;
    packet
}

#[test]
fn control_protocols_are_read_off_the_wire_and_off_a_tap() {
    let lab = lab(1, Span::from_millis(1));
    let announcer = lab.a.run(|| UdpSocket::bind("10.9.0.1:0")).unwrap();
    let _hearer = lab.b.run(|| UdpSocket::bind("10.9.0.2:3784")).unwrap();
    let announce = |packet: &[u8]| announcer.send_to(packet, "10.9.0.2:3784").unwrap();
    for _ in 0..3 {
        announce(&bfd(3, 0));
    }
    let listener = lab.b.run(|| TcpListener::bind("[fd09:0::2]:179")).unwrap();
    let mut near = lab.a.run(|| TcpStream::connect("[fd09:0::2]:179")).unwrap();
    let (mut far, _) = listener.accept().unwrap();
    let marker = [0xff; 16];
    let update = [&marker[..], &[0, 26, 2, 0, 0, 0, 0, 16, 10, 1]].concat();
    let notification = [&marker[..], &[0, 21, 3, 6, 4]].concat();
    near.write_all(&update).unwrap();
    far.read_exact(&mut vec![0; update.len()]).unwrap();
    let bracket = lab.relay.silence(&link("l0"), Some(&node("a"))).unwrap();
    announce(&bfd(1, 1));
    far.write_all(&notification).unwrap();
    near.read_exact(&mut vec![0; notification.len()]).unwrap();

    let mut told = Vec::new();
    await_some("four messages, seen twice", PATIENCE, || {
        for event in lab.events.try_iter() {
            let after = event.at > bracket.before;
            if let EventKind::WireBfd {
                link,
                from,
                state,
                dropped,
                ..
            } = event.kind
            {
                told.push((link, from, state, after, dropped));
            } else if let EventKind::WireBgp {
                link,
                from,
                message,
                announced,
                code,
                dropped,
                ..
            } = event.kind
            {
                let text = format!("{message} {announced:?} {code:?}");
                told.push((link, from, text, after, dropped));
            }
        }
        (told.len() >= 8).then_some(())
    });
    told.sort();
    let line = |place: &str, from: &str, text: &str, after, dropped| {
        (
            place.to_owned(),
            from.to_owned(),
            text.to_owned(),
            after,
            dropped,
        )
    };
    let expected: Vec<_> = ["l0", "t0"]
        .into_iter()
        .flat_map(|place| {
            // The tap sees a packet leave; that the wire drops it later is the wire's to tell.
            [
                line(place, "a", "Down", true, place == "l0"),
                line(place, "a", "UPDATE [10.1.0.0/16] None", false, false),
                line(place, "a", "Up", false, false),
                line(place, "b", "NOTIFICATION [] Some((6, 4))", true, false),
            ]
        })
        .collect();
    assert_eq!(told, expected);
}

#[test]
fn a_tap_tells_directions_apart() {
    let lab = lab(1, Span::ZERO);
    let (mut there, mut back) = (lab.flow(0, "a", 0), lab.flow(0, "b", 1));
    for flow in [&mut there, &mut back] {
        flow.send(100, Duration::from_micros(100));
        flow.await_arrived(100);
    }
    for (from, flow) in [("a", 0), ("b", 1)] {
        await_some("100 seen by the tap", PATIENCE, || {
            let log = lab.logs(from, flow, "t")?;
            (log.carried == [(0, 99)] && log.cut.is_empty()).then_some(())
        });
    }
    assert_eq!(lab.logs("b", 0, "t"), None);
}

/// The same tests once more as an unprivileged user in a user namespace.
#[test]
fn an_unprivileged_user_can_do_all_of_this() {
    const INNER: &str = "BACKHOE_TEST_INNER";
    if std::env::var_os(INNER).is_some() {
        return;
    }
    let root = sh(&NetnsFd::current().unwrap(), "id -u") == "0";
    let mut command = if root {
        let mut command = std::process::Command::new("setpriv");
        command.args([
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "unshare",
        ]);
        command
    } else {
        std::process::Command::new("unshare")
    };
    // The binary may lie where the other user cannot read: hand it over by descriptor.
    let binary = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    let output = command
        .args([
            "-Urnm",
            "sh",
            "-ec",
            "exec /proc/self/fd/0 relay:: --test-threads 1",
        ])
        .stdin(binary)
        .env(INNER, "1")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    println!("{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success());
    assert!(told.contains("test relay::a_tagged_frame_keeps_its_tag ... ok"));
}
