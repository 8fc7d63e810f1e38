//! Tunnels between two namespaces across a third.
#![expect(
    clippy::print_stdout,
    reason = "figures for whoever runs these with --nocapture"
)]

use std::{
    collections::BTreeMap,
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
    lab::plan::{FlowPlan, TunnelEnd, TunnelPlan},
    os::{
        clock,
        netns::NetnsFd,
        wireguard::{Backend, remove},
    },
    units::{IfName, NodeName, PROBE_PORT_BASE, ProbeName, TunnelName},
};

use super::common::{await_some, join, namespace, sh};

/// a ▸ internet ▸ b, a host behind a, and a tunnel from a to b.
struct Lab {
    a: NetnsFd,
    b: NetnsFd,
    internet: NetnsFd,
    host: NetnsFd,
    ends: [TunnelEndConfig; 2],
}

impl Lab {
    fn build() -> Self {
        let [a, b, internet, host] = std::array::from_fn(|_| namespace());
        join(&a, &internet, "a0", "i0", 0);
        join(&internet, &b, "i1", "b0", 1);
        join(&host, &a, "h0", "a1", 2);
        for router in [&a, &b, &internet] {
            sh(router, "echo 1 > /proc/sys/net/ipv4/ip_forward");
        }
        sh(&a, "ip route add 10.0.1.0/24 via 10.0.0.2");
        sh(&b, "ip route add 10.0.0.0/24 via 10.0.1.1");
        sh(&host, "ip route add default via 10.0.2.2");
        let end = |node: &str, inside: [&str; 2], outer: &str, index| TunnelEnd {
            node: NodeName::new(node).unwrap(),
            interface: IfName::new("backup0").unwrap(),
            index,
            inside: inside.iter().map(|net| net.parse().unwrap()).collect(),
            outer: outer.parse().unwrap(),
        };
        let plan = TunnelPlan {
            tunnel: TunnelName::new("backup.1").unwrap(),
            ends: [
                end(
                    "a",
                    ["169.254.10.1/30", "fd10::1/126"],
                    "10.0.0.1:4500",
                    300,
                ),
                end(
                    "b",
                    ["169.254.10.2/30", "fd10::2/126"],
                    "10.0.1.2:4501",
                    301,
                ),
            ],
            mtu: "1420B".parse().unwrap(),
        };
        Self {
            a,
            b,
            internet,
            host,
            ends: tunnel_ends(&plan, None),
        }
    }

    fn start_both(&self) -> [End; 2] {
        [
            End::start(&self.a, &self.ends[0]),
            End::start(&self.b, &self.ends[1]),
        ]
    }
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

    fn await_handshake(&mut self) {
        let mut ready = false;
        await_some("a handshake", Duration::from_secs(10), || {
            match self.control.next(Duration::from_secs(1)).unwrap()? {
                TunnelMessage::Ready { backend } => {
                    println!("{backend}");
                    ready = true;
                    None
                }
                TunnelMessage::Handshake { .. } => Some(()),
                other @ (TunnelMessage::Status { .. } | TunnelMessage::Failed { .. }) => {
                    panic!("{other:?}")
                }
            }
        });
        assert!(ready);
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

/// Sends 20 MB and checks every byte.
#[expect(clippy::disallowed_methods, reason = "kernel tests run in real time")]
fn transfer(from: &NetnsFd, to: &NetnsFd, address: &str) {
    let data: Vec<u8> = (0..20_000_000u32)
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
    println!("20 MB to {address}: {:.0} Mbit/s", 160.0 / seconds);
}

fn carry_everything() {
    let lab = Lab::build();
    let began = clock::mono_ns();
    let [mut at_a, mut at_b] = lab.start_both();
    at_a.await_handshake();
    at_b.await_handshake();
    println!(
        "both up after {} ms",
        (clock::mono_ns() - began) / 1_000_000
    );
    // A full packet in one piece, a larger one in several.
    for len in [1, 1372, 1392, 5000] {
        for address in ["169.254.10.2", "[fd10::2]"] {
            echo(&lab.a, &lab.b, address, len, 1);
        }
        for address in ["169.254.10.1", "[fd10::1]"] {
            echo(&lab.b, &lab.a, address, len, 1);
        }
    }
    transfer(&lab.a, &lab.b, "169.254.10.2:7000");
    transfer(&lab.b, &lab.a, "[fd10::1]:7000");
    // Forwarded traffic arrives at the tunnel with checksums not yet computed.
    sh(&lab.b, "ip route add 10.0.2.0/24 dev backup0");
    sh(&lab.a, "ip route add 192.0.2.1/32 dev backup0");
    sh(&lab.b, "ip addr add 192.0.2.1/32 dev lo");
    transfer(&lab.host, &lab.b, "192.0.2.1:7000");
    transfer(&lab.b, &lab.host, "10.0.2.1:7000");
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
    println!("{status:?}");
    assert!(status.up && status.handshake_age_ms.is_some());
    assert!(status.rx_bytes > 20_000_000 && status.tx_bytes > 20_000_000);
    println!(
        "median round trip outside {:.0} µs, inside {:.0} µs",
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
    carry_everything();
}

#[test]
fn an_ordinary_user_gets_the_same_tunnel_without_dev_net_tun() {
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .args(["unshare", "--user", "--map-root-user", "--net", "--mount"])
        .args(["sh", "-ec", "! test -r /dev/net/tun; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args([
            "--nocapture",
            "--exact",
            "wireguard::a_tunnel_carries_both_families_whole",
        ])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success());
    assert!(text.contains("1 passed"));
}

#[test]
fn traffic_resumes_at_once_when_the_outer_path_returns() {
    let lab = Lab::build();
    let [mut at_a, mut at_b] = lab.start_both();
    at_a.await_handshake();
    at_b.await_handshake();
    let node = |name: &str| NodeName::new(name).unwrap();
    let flow = |id: u16, [from, to]: [&str; 2], source: &str, destination: &str| FlowPlan {
        id,
        probe: ProbeName::new("inside").unwrap(),
        from: node(from),
        to: node(to),
        source: source.parse().unwrap(),
        destination: destination.parse().unwrap(),
        port: PROBE_PORT_BASE + id,
        rate: 500,
        size: 200,
    };
    let flows = [
        flow(0, ["a", "b"], "169.254.10.1", "169.254.10.2"),
        flow(1, ["b", "a"], "fd10::2", "fd10::1"),
    ];
    let netns: BTreeMap<NodeName, NetnsFd> = [
        (node("a"), lab.a.try_clone().unwrap()),
        (node("b"), lab.b.try_clone().unwrap()),
    ]
    .into();
    let config = ProbeConfig {
        flows: &flows,
        run: 1,
        netns: &netns,
    };
    let probes = Probes::start(&config, EventSink::pair().0).unwrap();
    let began = clock::mono_ns();
    for id in [0, 1] {
        await_some("probes", Duration::from_secs(5), || {
            probes.recovered_since(id, began, 200)
        });
    }
    sh(
        &lab.internet,
        "nft add table netdev t
         nft add chain netdev t c '{ type filter hook ingress device i0 priority 0; }'
         nft add chain netdev t d '{ type filter hook ingress device i1 priority 0; }'
         nft add rule netdev t c drop
         nft add rule netdev t d drop",
    );
    let cut = clock::mono_ns();
    await_some("three seconds", Duration::from_secs(10), || {
        (clock::mono_ns() > cut + 3_000_000_000).then_some(())
    });
    for id in [0, 1] {
        assert_eq!(probes.deliveries_after(id, cut), 0);
    }
    let before = clock::mono_ns();
    sh(&lab.internet, "nft flush ruleset");
    for id in [0, 1] {
        let recovery = await_some("recovery", Duration::from_secs(10), || {
            probes.recovered_since(id, cut, 100)
        });
        let after_ms = recovery.first_sent.saturating_sub(before) as f64 / 1e6;
        println!("flow {id} resumed {after_ms:.1} ms after the path");
        assert!(after_ms < 1000.0);
    }
    at_a.kill();
    at_b.kill();
}

#[test]
fn a_killed_end_leaves_nothing_and_comes_back() {
    let lab = Lab::build();
    let [mut at_a, mut at_b] = lab.start_both();
    at_a.await_handshake();
    at_b.await_handshake();
    echo(&lab.a, &lab.b, "169.254.10.2", 100, 1);
    let backend = at_a.status().backend;
    at_a.kill();
    let killed = clock::mono_ns();
    if backend == Backend::Kernel {
        assert!(sh(&lab.a, "ip -br link").contains("backup0"));
        remove(&lab.a, &lab.ends[0].settings.interface).unwrap();
        remove(&lab.a, &lab.ends[0].settings.interface).unwrap();
    }
    await_some("the interface to go", Duration::from_secs(5), || {
        (!sh(&lab.a, "ip -br link").contains("backup0")).then_some(())
    });
    println!("gone after {} ms", (clock::mono_ns() - killed) / 1_000_000);
    assert_eq!(
        sh(
            &lab.a,
            "ip route show 169.254.0.0/16; ip -6 route show fd10::/16"
        ),
        ""
    );
    // Started again at once, while the kernel may still be clearing the old one away.
    let mut at_a = End::start(&lab.a, &lab.ends[0]);
    at_a.await_handshake();
    at_a.kill();
    let mut at_a = End::start(&lab.a, &lab.ends[0]);
    at_a.await_handshake();
    echo(&lab.a, &lab.b, "169.254.10.2", 100, 1);
    assert!(at_b.status().up);
    at_a.close();
    at_b.close();
}

#[test]
fn an_end_that_starts_late_is_met_without_waiting() {
    let lab = Lab::build();
    let mut at_a = End::start(&lab.a, &lab.ends[0]);
    let began = clock::mono_ns();
    let mut is_ready = false;
    await_some("a second alone", Duration::from_secs(5), || {
        let message = at_a.control.next(Duration::from_millis(50)).unwrap();
        assert!(!matches!(message, Some(TunnelMessage::Handshake { .. })));
        is_ready |= matches!(message, Some(TunnelMessage::Ready { .. }));
        (is_ready && clock::mono_ns() > began + 1_000_000_000).then_some(())
    });
    let sockets = |at: &End| {
        std::fs::read_dir(format!("/proc/{}/fd", at.child.id()))
            .unwrap()
            .count()
    };
    let before = sockets(&at_a);
    assert!(!at_a.status().up);
    let started = clock::mono_ns();
    let mut at_b = End::start(&lab.b, &lab.ends[1]);
    at_b.await_handshake();
    let message = await_some("a handshake", Duration::from_secs(5), || {
        at_a.control.next(Duration::from_secs(1)).unwrap()
    });
    assert!(matches!(message, TunnelMessage::Handshake { .. }));
    let took_ms = (clock::mono_ns() - started) / 1_000_000;
    println!("up {took_ms} ms after the second end was started");
    assert!(took_ms < 1000, "{took_ms}");
    assert!(sockets(&at_a) <= before, "retries leak descriptors");
    echo(&lab.b, &lab.a, "169.254.10.1", 100, 1);
    at_a.kill();
    at_b.kill();
}

#[test]
fn an_end_that_cannot_be_set_up_says_why() {
    let lab = Lab::build();
    let mut config = lab.ends[0].clone();
    config.settings.mtu = 9000;
    config.settings.backend = Some(Backend::Userspace);
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
