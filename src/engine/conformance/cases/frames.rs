//! Frames of every kind arrive as they were sent.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{TcpListener, TcpStream, UdpSocket},
    thread,
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use sha2::{Digest as _, Sha256};

use super::{LINGER, MS, Pair, Row, Side, Stream, Trace, delayed, quiet, statistics, wired};
use crate::{
    engine::{conformance::pair::INTERFACE, wire::WireChoice},
    os::{
        clock,
        packet_ring::{Geometry, Ring, Sent, VnetHeader},
    },
};

const RING: usize = 2 << 20;
const PATIENCE: Duration = Duration::from_secs(3);

/// The largest packet passes, one byte more does not leave the node.
pub(super) fn mtu(backend: WireChoice) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for mtu in [1_280_usize, 1_500, 9_216] {
        let shape = delayed(1);
        let pair = Pair::wired(backend, [shape.clone(), shape], mtu as u64)?;
        let target = (Side::B.address(false), 22_000);
        let receiver = pair.netns(Side::B)?.run(|| UdpSocket::bind(target))?;
        receiver.set_read_timeout(Some(PATIENCE))?;
        let source = (Side::A.address(false), 0);
        let sender = pair.netns(Side::A)?.run(|| UdpSocket::bind(source))?;
        sender.connect(target)?;
        let payload = vec![0x5a; mtu - 28];
        sender.send(&payload)?;
        let mut buffer = vec![0; 10_000];
        let received = receiver.recv(&mut buffer).map_or(0, |length| length + 28);
        let intact = buffer.get(..payload.len()) == Some(&payload[..]);
        rows.push(Row::must(
            [
                "mtu",
                &format!("largest packet at an MTU of {mtu}"),
                &format!("{mtu} B"),
            ],
            format!("{received} B"),
            received == mtu && intact,
        ));
    }
    Ok(rows)
}

/// A frame from `a`'s interface: addresses, what is between, a recognisable rest.
fn frame(destination: [u8; 6], between: &[u8]) -> Vec<u8> {
    let mut bytes = destination.to_vec();
    bytes.extend([0x02, 0, 0, 0, 0, 0x0a]);
    bytes.extend_from_slice(between);
    bytes.extend(b"backhoe conformance ".iter().cycle().take(100));
    bytes
}

/// VLAN tags, tags within tags, and LACP's own multicast.
pub(super) fn tags(backend: WireChoice) -> anyhow::Result<Vec<Row>> {
    let pair = wired(backend, delayed(1))?;
    let mut at_b = pair
        .netns(Side::B)?
        .run(|| Ring::open(INTERFACE, Geometry::relay(RING)))?;
    let at_a = pair
        .netns(Side::A)?
        .run(|| Ring::open(INTERFACE, Geometry::relay(RING)))?;
    let mut rows = Vec::new();
    let broadcast = [0xff; 6];
    for (what, bytes) in [
        (
            "802.1Q tag",
            frame(broadcast, &[0x81, 0, 0x60, 101, 0x88, 0xb5]),
        ),
        (
            "802.1ad tag around an 802.1Q tag",
            frame(broadcast, &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 101, 0x88, 0xb5]),
        ),
        (
            "LACP frame",
            frame([1, 0x80, 0xc2, 0, 0, 2], &[0x88, 0x09, 1, 1]),
        ),
        (
            "LLDP frame",
            frame([1, 0x80, 0xc2, 0, 0, 0x0e], &[0x88, 0xcc]),
        ),
    ] {
        let sent = at_a.transmitter().send(&VnetHeader::default(), &bytes);
        if !matches!(sent, Sent::Yes) {
            return Err(anyhow!("sending a frame: {sent:?}"));
        }
        let arrived = await_frame(&mut at_b, &bytes);
        let word = if arrived { "intact" } else { "missing" };
        rows.push(Row::must(
            ["tags", what, "intact"],
            word.to_owned(),
            arrived,
        ));
    }
    Ok(rows)
}

fn await_frame(ring: &mut Ring, bytes: &[u8]) -> bool {
    let end = clock::mono_ns() + PATIENCE.as_nanos() as u64;
    while clock::mono_ns() < end {
        while let Some(frame) = ring.next_frame() {
            if frame.to_owned_frame().bytes == bytes {
                return true;
            }
        }
        thread::sleep(Duration::from_millis(1));
    }
    false
}

pub(super) fn ipv6(backend: WireChoice) -> anyhow::Result<Vec<Row>> {
    let pair = wired(backend, delayed(2))?;
    let streams = Side::BOTH.map(|side| Stream {
        is_v6: true,
        size: 1_280,
        ..Stream::new(side, 500, MS)
    });
    let traces = quiet(&pair, &streams, LINGER)?;
    let lost: usize = traces.iter().map(|trace| trace.lost().len()).sum();
    let ordered = traces.iter().all(Trace::is_in_order);
    Ok(vec![Row::must(
        [
            "ipv6",
            "lost of 1,000 packets of 1280 B, neighbours found by multicast",
            "none",
        ],
        lost.to_string(),
        lost == 0 && ordered,
    )])
}

/// A stream that leaves its checksums and its segmentation to the kernel.
pub(super) fn offload(backend: WireChoice) -> anyhow::Result<Vec<Row>> {
    const TOTAL: usize = 32 << 20;
    let mut rows = Vec::new();
    for is_v6 in [false, true] {
        let pair = wired(backend, delayed(1))?;
        let before = delivered(&pair)?;
        let target = (Side::B.address(is_v6), 22_001);
        let listener = pair.netns(Side::B)?.run(|| TcpListener::bind(target))?;
        let receiver = thread::spawn(move || -> std::io::Result<Vec<u8>> {
            let (mut stream, _) = listener.accept()?;
            let mut hash = Sha256::new();
            let mut buffer = vec![0; 1 << 18];
            loop {
                match stream.read(&mut buffer)? {
                    0 => return Ok(hash.finalize().to_vec()),
                    count => hash.update(buffer.get(..count).unwrap_or_default()),
                }
            }
        });
        let mut stream = pair.netns(Side::A)?.run(|| TcpStream::connect(target))?;
        let data: Vec<u8> = (0..TOTAL as u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        stream.write_all(&data)?;
        drop(stream);
        let hash = receiver
            .join()
            .map_err(|_| anyhow!("the receiver panicked"))??;
        let intact = hash == Sha256::digest(&data).to_vec();
        let frames = delivered(&pair)?.saturating_sub(before);
        let family = if is_v6 { "IPv6" } else { "IPv4" };
        rows.push(Row::must(
            ["offload", &format!("32 MiB of TCP over {family}"), "intact"],
            if intact { "intact" } else { "changed" }.to_owned(),
            intact,
        ));
        // An Ethernet frame each would be 24,000 and as many acknowledgements again.
        if matches!(backend, WireChoice::Relay) {
            rows.push(Row::within(
                [
                    "offload",
                    &format!("bytes in each frame over {family}"),
                    "segments in one",
                ],
                TOTAL as f64 / frames as f64,
                (3_000.0, f64::INFINITY),
                "",
            ));
        }
    }
    Ok(rows)
}

/// Frames that have left `a` so far.
fn delivered(pair: &Pair) -> anyhow::Result<u64> {
    let counters = pair.wire()?.counters();
    let mut from_a = counters
        .iter()
        .filter(|counted| counted.from == Side::A.word());
    Ok(from_a.next().context("no counters")?.stats.delivered)
}

/// A node that stops reading, beside one that does not.
pub(super) fn stalled(backend: WireChoice) -> anyhow::Result<Vec<Row>> {
    let pair = wired(backend, delayed(5))?;
    let target = (Side::B.address(false), 22_002);
    let listener = pair.netns(Side::B)?.run(|| TcpListener::bind(target))?;
    let mut stream = pair.netns(Side::A)?.run(|| TcpStream::connect(target))?;
    let (unread, _) = listener.accept()?;
    stream.set_write_timeout(Some(Duration::from_millis(500)))?;
    let mut stuck = 0_usize;
    let stopped = loop {
        match stream.write(&[0; 1 << 16]) {
            Ok(written) => stuck += written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break true,
            Err(_) => break false,
        }
    };
    // A socket that nobody reads fills up as well.
    let deaf = pair
        .netns(Side::B)?
        .run(|| UdpSocket::bind((Side::B.address(false), 22_003)))?;
    let shouter = pair
        .netns(Side::A)?
        .run(|| UdpSocket::bind((Side::A.address(false), 0)))?;
    for _ in 0..5_000 {
        let _ = shouter.send_to(&[0; 1_000], deaf.local_addr()?);
    }
    let traces = quiet(&pair, &[Stream::new(Side::A, 1_000, MS)], LINGER)?;
    let trace = traces.first().context("one stream leaves one trace")?;
    let lost = trace.lost().len();
    let median = statistics::quantile(&statistics::sorted(trace.delays_ms()), 0.5);
    let begin = clock::mono_ns();
    let answered = !pair.wire()?.counters().is_empty();
    let took = (clock::mono_ns() - begin) as f64 / 1e6;
    drop(unread);
    Ok(vec![
        Row::must(
            [
                "stalled",
                "a TCP receiver that never reads: bytes taken before it stops",
                "stops",
            ],
            format!("{:.1} MB", stuck as f64 / 1e6),
            stopped,
        ),
        Row::must(
            ["stalled", "lost of another flow meanwhile", "none"],
            lost.to_string(),
            lost == 0,
        ),
        Row::within(
            ["stalled", "its median delay", "5 ms"],
            median,
            (4.9, 50.0),
            " ms",
        ),
        Row::within(
            ["stalled", "the wire's answer to a question", "soon"],
            if answered { took } else { f64::NAN },
            (0.0, 100.0),
            " ms",
        ),
    ])
}
