//! One TCP stream over a plain pair, over a wire without delay, and over 5 ms,
//! in turn; and what a packet costs the relay's thread.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use anyhow::anyhow;

use super::{LINGER, MS, OPEN, Pair, Row, Side, Stream, delayed, quiet, statistics, wired};
use crate::{
    engine::{relay, wire::WireChoice},
    os::{clock, sched},
};

const ROUNDS: usize = 5;
/// Not counted: the window opens.
const OPENING: u64 = 400 * MS;
const COUNTED: u64 = 1_000 * MS;
const CHUNK: usize = 1 << 18;

/// Of a plain pair's throughput, percent.
const WITHOUT_DELAY: f64 = 35.0;
const WITH_DELAY: f64 = 15.0;

pub(super) fn throughput(backend: WireChoice) -> anyhow::Result<Vec<Row>> {
    let pairs = [
        Pair::plain()?.open_windows()?,
        wired(backend, delayed(0))?.open_windows()?,
        wired(backend, delayed(5))?.open_windows()?,
    ];
    let mut rates: [Vec<f64>; 3] = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for (pair, rates) in pairs.iter().zip(&mut rates) {
            rates.push(tcp(pair)?);
        }
    }
    let [plain, open, delayed] =
        rates.map(|rates| statistics::quantile(&statistics::sorted(rates), 0.5));
    let gbit = |what: &str, value| Row::within(["throughput", what, ""], value, OPEN, " Gb/s");
    let of_plain = |what: &str, value: f64, least| {
        let names = ["throughput", what, "of a plain pair's"];
        Row::within(names, value * 100.0 / plain, (least, f64::INFINITY), " %")
    };
    let mut rows = vec![
        gbit("TCP over a plain pair of interfaces", plain),
        gbit("TCP over the wire", open),
        gbit("TCP over the wire with 5 ms each way", delayed),
        of_plain("TCP over the wire, share", open, WITHOUT_DELAY),
        of_plain(
            "TCP over the wire with 5 ms each way, share",
            delayed,
            WITH_DELAY,
        ),
    ];
    drop(pairs);
    if matches!(backend, WireChoice::Relay) {
        rows.extend(costs(backend)?);
    }
    Ok(rows)
}

/// Gb/s that the receiver reads once the window is open.
fn tcp(pair: &Pair) -> anyhow::Result<f64> {
    let target = (Side::B.address(false), 22_010);
    let listener = pair.netns(Side::B)?.run(|| TcpListener::bind(target))?;
    let receiver = thread::spawn(move || -> std::io::Result<f64> {
        let (mut stream, _) = listener.accept()?;
        let mut buffer = vec![0; CHUNK];
        let open = clock::mono_ns() + OPENING;
        while clock::mono_ns() < open {
            if stream.read(&mut buffer)? == 0 {
                break;
            }
        }
        let (begin, mut bytes) = (clock::mono_ns(), 0_u64);
        while clock::mono_ns() < begin + COUNTED {
            match stream.read(&mut buffer)? {
                0 => break,
                count => bytes += count as u64,
            }
        }
        let took = clock::mono_ns() - begin;
        // The sender hears of the end by an error.
        stream.shutdown(Shutdown::Both)?;
        Ok(bytes as f64 * 8.0 / took as f64)
    });
    let mut stream = pair.netns(Side::A)?.run(|| TcpStream::connect(target))?;
    let chunk = vec![0x5a; CHUNK];
    stream.set_write_timeout(Some(Duration::from_secs(5)))?;
    while !receiver.is_finished() && stream.write_all(&chunk).is_ok() {}
    let rate = receiver
        .join()
        .map_err(|_| anyhow!("the receiver panicked"))??;
    Ok(rate)
}

/// The thread's processor time for each packet, at a slow and at a fast pace.
fn costs(backend: WireChoice) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let pair = wired(backend, delayed(5))?;
    for kpps in [1_u64, 20] {
        let before = sched::cpu_time_named(relay::THREAD_NAME)?;
        let stream = Stream::new(Side::A, (kpps * 2_000) as u32, MS / kpps);
        let traces = quiet(&pair, &[stream], LINGER)?;
        let spent = sched::cpu_time_named(relay::THREAD_NAME)?.saturating_sub(before);
        let packets: usize = traces.iter().map(|trace| trace.sent.len()).sum();
        let each = spent.as_nanos() as f64 / 1e3 / packets as f64;
        let what = format!("relay's processor time for a packet at {kpps} kpps over 5 ms");
        rows.push(Row::within(["throughput", &what, ""], each, OPEN, " µs"));
    }
    Ok(rows)
}
