//! Tunnels between two namespaces across a third: one contract, two WireGuards.
//! Every test runs on boringtun and, where this kernel has it, on the kernel's.
#![expect(
    clippy::print_stdout,
    reason = "figures for whoever runs these with --nocapture"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use backhoe::{
    engine::{
        daemon::wireguard::{
            TunnelControl, TunnelEndConfig, TunnelMessage, TunnelStatus, main, tunnel_ends,
        },
        probe::{ProbeConfig, Probes},
        sink::EventSink,
    },
    lab::plan::{FlowPlan, TunnelBy, TunnelEnd, TunnelPlan},
    os::{
        clock,
        netns::NetnsFd,
        wireguard::{Backend, DropReason, remove},
    },
    units::{IfName, NodeName, PROBE_PORT_BASE, ProbeName, TunnelName},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::common::{await_some, join, namespace, not_tested, sh, tested};

const MB: usize = 1_000_000;

/// The WireGuards of this kernel. boringtun runs everywhere.
fn backends() -> Vec<Backend> {
    let made = namespace()
        .run(|| {
            Command::new("ip")
                .args(["link", "add", "w0", "type", "wireguard"])
                .output()
        })
        .unwrap();
    if made.status.success() {
        tested("WireGuard by the kernel and by boringtun");
        vec![Backend::Kernel, Backend::Userspace]
    } else {
        let why = String::from_utf8_lossy(&made.stderr);
        not_tested("WireGuard by the kernel", why.trim());
        vec![Backend::Userspace]
    }
}

/// Which family the tunnel's own packets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outer {
    V4,
    V6,
}

/// a ▸ internet ▸ b, a host behind a, and a tunnel from a to b.
struct Lab {
    a: NetnsFd,
    b: NetnsFd,
    internet: NetnsFd,
    host: NetnsFd,
    ends: [TunnelEndConfig; 2],
}

impl Lab {
    fn build(backend: Backend, outer: Outer) -> Self {
        println!("{backend}, outer {outer:?}:");
        let [a, b, internet, host] = std::array::from_fn(|_| namespace());
        join(&a, &internet, "a0", "i0", 0);
        join(&internet, &b, "i1", "b0", 1);
        join(&host, &a, "h0", "a1", 2);
        for router in [&a, &b, &internet] {
            sh(
                router,
                "echo 1 > /proc/sys/net/ipv4/ip_forward
                 echo 1 > /proc/sys/net/ipv6/conf/all/forwarding",
            );
        }
        sh(
            &a,
            "ip route add 10.0.1.0/24 via 10.0.0.2
             ip route add fd00:0:0:1::/64 via fd00::2",
        );
        sh(
            &b,
            "ip route add 10.0.0.0/24 via 10.0.1.1
             ip route add fd00::/64 via fd00:0:0:1::1",
        );
        sh(&host, "ip route add default via 10.0.2.2");
        let outside = match outer {
            Outer::V4 => ["10.0.0.1:4500", "10.0.1.2:4501"],
            Outer::V6 => ["[fd00::1]:4500", "[fd00:0:0:1::2]:4501"],
        };
        let end = |node: &str, inside: [&str; 2], outer: &str, index| TunnelEnd {
            node: NodeName::new(node).unwrap(),
            interface: IfName::new("backup0").unwrap(),
            index,
            inside: inside.iter().map(|net| net.parse().unwrap()).collect(),
            outer: outer.parse().unwrap(),
        };
        let plan = TunnelPlan {
            cap: None,
            tunnel: TunnelName::new("backup.1").unwrap(),
            ends: [
                end("a", ["169.254.10.1/30", "fd10::1/126"], outside[0], 300),
                end("b", ["169.254.10.2/30", "fd10::2/126"], outside[1], 301),
            ],
            mtu: "1420B".parse().unwrap(),
            underlay: Vec::new(),
            by: TunnelBy::Wireguard,
        };
        let ends = tunnel_ends(&plan, Some(backend));
        Self {
            a,
            b,
            internet,
            host,
            ends,
        }
    }

    /// Both ends, with a session between them.
    fn up(&self) -> [End; 2] {
        let mut ends = [
            End::start(&self.a, &self.ends[0]),
            End::start(&self.b, &self.ends[1]),
        ];
        for end in &mut ends {
            end.await_handshake();
        }
        ends
    }

    /// From now on the internet drops everything, without a word, or nothing.
    fn forward(&self, on: bool) {
        let value = if on { "1" } else { "0" };
        self.internet
            .run(|| {
                fs::write("/proc/sys/net/ipv4/ip_forward", value)?;
                fs::write("/proc/sys/net/ipv6/conf/all/forwarding", value)
            })
            .unwrap();
    }

    /// Probes through the tunnel: IPv4 from a to b, IPv6 back.
    fn traffic(&self, rate: u32) -> Probes {
        let node = |name: &str| NodeName::new(name).unwrap();
        let flow = |id: u16, [from, to]: [&str; 2], source: &str, destination: &str| FlowPlan {
            id,
            probe: ProbeName::new("inside").unwrap(),
            from: node(from),
            to: node(to),
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            port: PROBE_PORT_BASE + id,
            rate,
            size: 200,
            service: None,
            dont_fragment: false,
        };
        let flows = [
            flow(0, ["a", "b"], "169.254.10.1", "169.254.10.2"),
            flow(1, ["b", "a"], "fd10::2", "fd10::1"),
        ];
        let netns: BTreeMap<NodeName, NetnsFd> = [
            (node("a"), self.a.try_clone().unwrap()),
            (node("b"), self.b.try_clone().unwrap()),
        ]
        .into();
        let config = ProbeConfig {
            flows: &flows,
            run: 1,
            netns: &netns,
        };
        let probes = Probes::start(&config, EventSink::pair().0).unwrap();
        await_traffic(&probes, clock::mono_ns(), "probes");
        probes
    }
}

/// Waits until both flows work without a gap; returns for how long after
/// `since` the later one did not, in milliseconds.
fn await_traffic(probes: &Probes, since: u64, what: &str) -> f64 {
    let recovered = |id| {
        let recovery = await_some(what, Duration::from_secs(30), || {
            probes.recovered_since(id, since, 50)
        });
        recovery.first_sent.saturating_sub(since) as f64 / 1e6
    };
    recovered(0).max(recovered(1))
}

fn pass_seconds(seconds: u64) {
    let until = clock::mono_ns() + seconds * 1_000_000_000;
    await_some("time to pass", Duration::from_secs(seconds + 10), || {
        (clock::mono_ns() > until).then_some(())
    });
}

/// A tunnel end in a process of its own.
struct End {
    child: Child,
    control: TunnelControl,
}

impl End {
    fn start(node: &NetnsFd, config: &TunnelEndConfig) -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let program = std::env::current_exe().unwrap();
        let child = node
            .run(|| {
                Command::new("unshare")
                    .args(["--mount", "--propagation", "private", "sh", "-ec"])
                    .arg("mount -t tmpfs none /run; exec \"$0\" --ignored --exact wireguard::process")
                    .arg(&program)
                    .stdin(Stdio::from(OwnedFd::from(theirs)))
                    .stdout(Stdio::null())
                    .spawn()
            })
            .unwrap();
        let control = TunnelControl::new(ours, config).unwrap();
        Self { child, control }
    }

    /// Waits until the interface is up; its backend.
    fn await_ready(&mut self) -> Backend {
        let message = await_some("the interface", Duration::from_secs(10), || {
            self.control.next(Duration::from_secs(1)).unwrap()
        });
        let TunnelMessage::Ready { backend } = message else {
            panic!("{message:?}");
        };
        backend
    }

    /// Waits until the interface is up and the first handshake has succeeded,
    /// which must not take longer than WireGuard's own retry.
    fn await_handshake(&mut self) {
        let backend = self.await_ready();
        let ready = clock::mono_ns();
        let message = await_some("a handshake", Duration::from_secs(10), || {
            self.control.next(Duration::from_secs(1)).unwrap()
        });
        assert!(
            matches!(message, TunnelMessage::Handshake { .. }),
            "{message:?}"
        );
        let took = (clock::mono_ns() - ready) / 1_000_000;
        println!("  {backend}: shaken {took} ms after it was ready");
        assert!(took < 5_000, "{took}");
    }

    fn status(&mut self) -> TunnelStatus {
        self.control
            .status(Duration::from_secs(2), |other| panic!("{other:?}"))
            .unwrap()
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn close(self) {
        let Self { mut child, control } = self;
        drop(control);
        assert!(child.wait().unwrap().success());
    }
}

/// Not a test: the process of a tunnel end, told on its standard input what it is.
#[test]
#[ignore = "started by the other tests"]
fn process() {
    main(std::io::stdin().as_fd().try_clone_to_owned().unwrap()).unwrap();
}

/// Echoes one UDP datagram of `len` bytes between two inside or outside
/// addresses and returns how long that took, `count` times.
fn echo(from: &NetnsFd, to: &NetnsFd, address: &str, len: usize, count: usize) -> Vec<u64> {
    let address: SocketAddr = format!("{address}:7007").parse().unwrap();
    let open = |address: SocketAddr| {
        let socket = UdpSocket::bind(address)?;
        socket.set_read_timeout(Some(Duration::from_secs(3)))?;
        Ok(socket)
    };
    let server = to.run(|| open(address)).unwrap();
    let any = SocketAddr::new(
        if address.is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        },
        0,
    );
    let client = from.run(|| open(any)).unwrap();
    let sent = vec![0xa5; len];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut buffer = [0; 10_000];
            for _ in 0..count {
                let (len, peer) = server.recv_from(&mut buffer).unwrap();
                server.send_to(&buffer[..len], peer).unwrap();
            }
        });
        (0..count)
            .map(|_| {
                let mut buffer = [0; 10_000];
                let began = clock::mono_ns();
                client.send_to(&sent, address).unwrap();
                let len = client.recv(&mut buffer).unwrap();
                assert!(buffer[..len] == sent);
                clock::mono_ns() - began
            })
            .collect()
    })
}

fn median_us(mut round_trips: Vec<u64>) -> f64 {
    round_trips.sort_unstable();
    round_trips[round_trips.len() / 2] as f64 / 1e3
}

/// Sends `len` bytes and checks every one.
#[expect(clippy::disallowed_methods, reason = "kernel tests run in real time")]
fn transfer(from: &NetnsFd, to: &NetnsFd, address: &str, len: usize) {
    let data: Vec<u8> = (0..len as u32)
        .map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let address: SocketAddr = address.parse().unwrap();
    let listener = to.run(|| TcpListener::bind(address)).unwrap();
    let began = Instant::now();
    let received = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut stream = from.run(|| TcpStream::connect(address)).unwrap();
            stream.write_all(&data).unwrap();
        });
        let mut received = Vec::with_capacity(data.len());
        listener
            .accept()
            .unwrap()
            .0
            .read_to_end(&mut received)
            .unwrap();
        received
    });
    let seconds = began.elapsed().as_secs_f64();
    assert!(received == data, "the data were changed on the way");
    let rate = len as f64 * 8e-6 / seconds;
    println!("  {len} bytes to {address}: {rate:.0} Mbit/s");
}

fn carry_everything(backend: Backend, outer: Outer) {
    let lab = Lab::build(backend, outer);
    let [mut at_a, at_b] = lab.up();
    // A full packet in one piece, a larger one in several.
    for len in [1, 1372, 1392, 5000] {
        for address in ["169.254.10.2", "[fd10::2]"] {
            echo(&lab.a, &lab.b, address, len, 1);
        }
        for address in ["169.254.10.1", "[fd10::1]"] {
            echo(&lab.b, &lab.a, address, len, 1);
        }
    }
    let fragments = || sh(&lab.a, "nstat -asz IpFragCreates Ip6FragCreates");
    let before = fragments();
    for (inside, address) in [(1392, "169.254.10.2"), (1372, "fd10::2")] {
        // Neither inside nor outside may a full packet be taken to pieces, and a byte more does not fit.
        let ping = |size: u32| format!("ping -M do -c 1 -W 5 -s {size} {address} 2>&1 || true");
        let text = sh(&lab.a, &ping(inside));
        assert!(text.contains(" 0% packet loss"), "{text}");
        let text = sh(&lab.a, &ping(inside + 1));
        assert!(text.to_lowercase().contains("too long"), "{text}");
    }
    assert_eq!(fragments(), before);
    transfer(&lab.a, &lab.b, "169.254.10.2:7000", 2 * MB);
    transfer(&lab.b, &lab.a, "[fd10::1]:7000", 2 * MB);
    // Forwarded traffic arrives at the tunnel with checksums not yet computed.
    sh(&lab.b, "ip route add 10.0.2.0/24 dev backup0");
    sh(&lab.a, "ip route add 192.0.2.1/32 dev backup0");
    sh(&lab.b, "ip addr add 192.0.2.1/32 dev lo");
    transfer(&lab.host, &lab.b, "192.0.2.1:7000", 2 * MB);
    transfer(&lab.b, &lab.host, "10.0.2.1:7000", 2 * MB);
    let link = sh(&lab.a, "ip -d link show backup0; ip addr show backup0");
    assert!(
        link.contains("300: backup0") && link.contains("mtu 1420"),
        "{link}"
    );
    assert!(
        link.contains("LOWER_UP") && link.contains("NOARP"),
        "{link}"
    );
    assert!(!link.contains("fe80:"), "{link}");
    let interfaces = sh(&lab.a, "ls /sys/class/net 2>/dev/null; ip -br link");
    assert!(!interfaces.contains("tunnel"), "{interfaces}");
    let status = at_a.status();
    println!("  {status:?}");
    assert!(status.backend == backend && status.up && status.handshake_age_ms.is_some());
    assert!(status.rx_bytes > 4 * MB as u64 && status.tx_bytes > 4 * MB as u64);
    println!(
        "  median round trip outside {:.0} µs, inside {:.0} µs",
        median_us(echo(&lab.a, &lab.b, "10.0.1.2", 100, 500)),
        median_us(echo(&lab.a, &lab.b, "169.254.10.2", 100, 500)),
    );
    at_a.close();
    at_b.close();
    await_some("the interface to go", Duration::from_secs(5), || {
        (!sh(&lab.a, "ip -br link").contains("backup0")).then_some(())
    });
}

#[test]
fn a_tunnel_carries_both_families_whole() {
    for backend in backends() {
        carry_everything(backend, Outer::V4);
    }
}

#[test]
fn a_tunnel_across_an_ipv6_internet_carries_the_same() {
    for backend in backends() {
        carry_everything(backend, Outer::V6);
    }
}

#[test]
fn an_ordinary_user_gets_the_same_tunnel_without_dev_net_tun() {
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .args(["unshare", "--user", "--map-root-user", "--net", "--mount"])
        .args(["sh", "-ec"])
        .arg("if test -e /dev/net; then mount -t tmpfs none /dev/net; fi; exec \"$@\"")
        .arg("sh")
        .arg(std::env::current_exe().unwrap())
        .args([
            "--nocapture",
            "--exact",
            "wireguard::a_tunnel_carries_both_families_whole",
        ])
        // That user may not write there, and the other test has said the same.
        .env_remove("BACKHOE_TEST_NOTES")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success());
    assert!(text.contains("1 passed"));
}

#[test]
fn traffic_resumes_at_once_when_the_outer_path_returns() {
    for backend in backends() {
        let lab = Lab::build(backend, Outer::V4);
        let [at_a, at_b] = lab.up();
        let probes = lab.traffic(500);
        lab.forward(false);
        let cut = clock::mono_ns();
        pass_seconds(10);
        // What was on its way when the path was cut has arrived long ago.
        for id in [0, 1] {
            assert_eq!(probes.deliveries_after(id, cut + 1_000_000), 0);
        }
        lab.forward(true);
        let restored = clock::mono_ns();
        let after_ms = await_traffic(&probes, restored, "traffic after the path's return");
        println!("  resumed {after_ms:.1} ms after the path");
        assert!(after_ms < 1000.0);
        at_a.kill();
        at_b.kill();
    }
}

#[test]
fn a_tunnel_follows_an_end_whose_outer_address_changes() {
    for backend in backends() {
        let lab = Lab::build(backend, Outer::V4);
        let [at_a, at_b] = lab.up();
        let probes = lab.traffic(500);
        // With its address go the routes that used it.
        sh(
            &lab.a,
            "ip addr del 10.0.0.1/24 dev a0
             ip addr add 10.0.0.9/24 dev a0
             ip route replace 10.0.1.0/24 via 10.0.0.2",
        );
        let moved = clock::mono_ns();
        let after_ms = await_traffic(&probes, moved, "traffic after the move");
        println!("  resumed {after_ms:.1} ms after the move");
        assert!(after_ms < 1000.0);
        at_a.kill();
        at_b.kill();
    }
}

#[test]
fn a_killed_end_leaves_nothing_and_comes_back() {
    for (backend, victim) in backends().into_iter().flat_map(|b| [(b, 0), (b, 1)]) {
        let lab = Lab::build(backend, Outer::V4);
        let mut ends = lab.up().map(Some);
        let node = [&lab.a, &lab.b][victim];
        echo(&lab.a, &lab.b, "169.254.10.2", 100, 1);
        ends[victim].take().unwrap().kill();
        let killed = clock::mono_ns();
        if backend == Backend::Kernel {
            assert!(sh(node, "ip -br link").contains("backup0"));
            remove(node, &lab.ends[victim].settings.interface).unwrap();
            remove(node, &lab.ends[victim].settings.interface).unwrap();
        }
        await_some("the interface to go", Duration::from_secs(5), || {
            (!sh(node, "ip -br link").contains("backup0")).then_some(())
        });
        println!(
            "  gone after {} ms",
            (clock::mono_ns() - killed) / 1_000_000
        );
        assert_eq!(
            sh(
                node,
                "ip route show 169.254.0.0/16; ip -6 route show fd10::/16"
            ),
            ""
        );
        // Started again at once, while the kernel may still be clearing the old one
        // away. As the engine does: whoever comes back begins.
        let config = TunnelEndConfig {
            initiates: true,
            ..lab.ends[victim].clone()
        };
        let mut again = End::start(node, &config);
        again.await_handshake();
        again.kill();
        let mut again = End::start(node, &config);
        again.await_handshake();
        let mut traffic = echo(&lab.a, &lab.b, "169.254.10.2", 100, 1);
        traffic.extend(echo(&lab.b, &lab.a, "[fd10::1]", 100, 1));
        println!("  end {victim} is back: {traffic:?} ns");
        let other = ends[1 - victim].as_mut().unwrap();
        assert!(other.status().up);
        again.close();
        ends.into_iter().flatten().for_each(End::close);
    }
}

#[test]
fn an_end_that_starts_late_is_met_without_waiting() {
    for backend in backends() {
        let lab = Lab::build(backend, Outer::V4);
        let mut at_a = End::start(&lab.a, &lab.ends[0]);
        at_a.await_ready();
        pass_seconds(1);
        let message = at_a.control.next(Duration::from_millis(1)).unwrap();
        assert_eq!(message, None);
        let descriptors = |at: &End| {
            fs::read_dir(format!("/proc/{}/fd", at.child.id()))
                .unwrap()
                .count()
        };
        let before = descriptors(&at_a);
        assert!(!at_a.status().up);
        let mut at_b = End::start(&lab.b, &lab.ends[1]);
        at_b.await_ready();
        let ready = clock::mono_ns();
        for end in [&mut at_b, &mut at_a] {
            let message = await_some("a handshake", Duration::from_secs(5), || {
                end.control.next(Duration::from_secs(1)).unwrap()
            });
            assert!(matches!(message, TunnelMessage::Handshake { .. }));
        }
        let took_ms = (clock::mono_ns() - ready) / 1_000_000;
        println!("  up {took_ms} ms after the second end");
        // Within 3 s alone, the first end tries again after 800 ms at the latest.
        assert!(took_ms < 1000, "{took_ms}");
        assert!(descriptors(&at_a) <= before, "retries leak descriptors");
        echo(&lab.b, &lab.a, "169.254.10.1", 100, 1);
        at_a.kill();
        at_b.kill();
    }
}

/// Its socket has room for a while; what does not fit is counted, to the packet.
#[test]
fn a_stopped_end_keeps_what_fits_and_counts_what_does_not() {
    const PACKETS: u64 = 20_000;
    /// 100 bytes in UDP in IPv4.
    const PACKET_BYTES: u64 = 128;
    let lab = Lab::build(Backend::Userspace, Outer::V4);
    let [mut at_a, mut at_b] = lab.up();
    let to = "169.254.10.2:7007";
    let _there = lab.b.run(|| UdpSocket::bind(to)).unwrap();
    let source = lab.a.run(|| UdpSocket::bind("169.254.10.1:0")).unwrap();
    let before = at_b.status().rx_bytes;
    let stopped = Pid::from_raw(at_b.child.id().cast_signed());
    kill(stopped, Signal::SIGSTOP).unwrap();
    let began = clock::mono_ns();
    for n in 0..PACKETS {
        source.send_to(&[0; 100], to).unwrap();
        clock::sleep_until(began + n * 50_000);
    }
    kill(stopped, Signal::SIGCONT).unwrap();
    let overflown = |status: &TunnelStatus| {
        let drops = status.drops.iter();
        let hosts = drops.filter(|(reason, _)| reason.is_the_hosts());
        hosts.map(|(_, count)| count).sum::<u64>()
    };
    let what = "every packet to be accounted for";
    let (arrived, status) = await_some(what, Duration::from_secs(20), || {
        let (a, b) = (at_a.status(), at_b.status());
        let arrived = (b.rx_bytes - before) / PACKET_BYTES;
        let known = arrived + overflown(&a) + overflown(&b);
        // Handshakes and keepalives are bytes received as well.
        assert!(known <= PACKETS + 2, "{arrived}, {a:?}, {b:?}");
        // The kernel's queue between two interfaces may overflow as well on a busy host.
        (known > PACKETS / 20 * 19).then_some((arrived, b))
    });
    println!("  {arrived} of {PACKETS} arrived; {:?}", status.drops);
    let mut drops = status.drops.iter();
    assert!(drops.any(|(reason, _)| reason == DropReason::OuterOverflow));
    // The system's default has room for 277.
    assert!(arrived > 500, "{arrived}");
    at_a.close();
    at_b.close();
}

/// How many in each second.
fn seconds(lost: &[f64]) -> BTreeMap<i64, usize> {
    let mut count = BTreeMap::new();
    for at in lost {
        *count.entry(at.floor() as i64).or_default() += 1;
    }
    count
}

/// WireGuard changes keys after 120 s, which no setting of either backend shortens.
#[test]
#[ignore = "takes two minutes"]
fn a_rekey_under_load_loses_nothing() {
    // The first is the one a lab gets. An emulated machine is too slow for the other.
    for backend in backends().into_iter().take(1) {
        let lab = Lab::build(backend, Outer::V4);
        let [mut at_a, at_b] = lab.up();
        let mut probes = lab.traffic(1_000);
        let mut age = 0;
        let rekeyed = await_some("a new handshake", Duration::from_secs(150), || {
            pass_seconds(1);
            let now = at_a.status().handshake_age_ms.unwrap();
            let is_new = now < age;
            age = now;
            is_new.then(|| clock::mono_ns() - now * 1_000_000)
        });
        // Whoever answered goes over to the new keys with the first packet, at the latest now.
        pass_seconds(5);
        probes.stop_sending().unwrap();
        probes.drain(Duration::from_secs(5));
        let (logs, quality) = probes.finish().unwrap();
        for log in logs {
            let sent: Vec<u64> = log.sent.iter().flatten().copied().collect();
            let arrived: BTreeSet<u32> = log.received.iter().map(|a| a.seq).collect();
            let lost: Vec<f64> = (0u32..)
                .zip(&log.sent)
                .filter(|(seq, _)| !arrived.contains(seq))
                .filter_map(|(_, sent)| sent.map(|at| (at as f64 - rekeyed as f64) / 1e9))
                .collect();
            println!(
                "  {} to {}: {} sent, {} lost, {} of them within 2 s of the rekey",
                log.from,
                log.to,
                sent.len(),
                lost.len(),
                lost.iter().filter(|at| at.abs() < 2.0).count()
            );
            println!("  seconds from the rekey: {:?}", seconds(&lost));
            assert!(sent.len() > 100_000, "{}", sent.len());
            // A busy host may overrun a socket at any time; a rekey has only its own.
            assert!(!lost.iter().any(|at| at.abs() < 2.0), "{quality:?}");
        }
        at_a.kill();
        at_b.kill();
    }
}

#[test]
fn an_end_that_cannot_be_set_up_says_why() {
    let lab = Lab::build(Backend::Userspace, Outer::V4);
    let mut config = lab.ends[0].clone();
    config.settings.mtu = 9000;
    let mut end = End::start(&lab.a, &config);
    let message = await_some("a message", Duration::from_secs(5), || {
        end.control.next(Duration::from_secs(1)).unwrap()
    });
    let TunnelMessage::Failed { error } = message else {
        panic!("{message:?}");
    };
    assert!(error.contains("tunnel backup.1 at a"), "{error}");
    assert!(error.contains("at most 1500 bytes"), "{error}");
    assert!(!end.child.wait().unwrap().success());
}
