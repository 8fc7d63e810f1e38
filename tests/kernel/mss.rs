//! TCP's MSS, clamped in a router: what a SYN offers is read off it behind the router.

use std::{
    fs,
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    time::Duration,
};

use backhoe::{
    lab::op::{Netns, Op},
    os::{kernel::Linux, netns::NetnsFd},
    units::{IfName, NodeName},
};
use socket2::{Domain, Protocol, Socket, Type};

use crate::{
    common::{await_some, join, namespace, not_tested, sh, tested},
    lab::User,
};

const PORT: u16 = 7000;
const SOON: Duration = Duration::from_secs(10);

/// A client, a router and a server, each behind an MTU of 1500.
struct Row {
    client: NetnsFd,
    router: NetnsFd,
    server: NetnsFd,
    linux: Linux,
    _names: tempfile::TempDir,
}

impl Row {
    fn new() -> Self {
        let [client, router, server] = [namespace(), namespace(), namespace()];
        join(&client, &router, "client", "left", 0);
        join(&router, &server, "right", "server", 1);
        sh(
            &router,
            "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1",
        );
        sh(
            &client,
            "ip route add default via 10.0.0.2; ip -6 route add default via fd00::2",
        );
        sh(
            &server,
            "ip route add default via 10.0.1.1; ip -6 route add default via fd00:0:0:1::1",
        );
        let names = tempfile::tempdir().unwrap();
        let mut linux = Linux::new(names.path()).unwrap();
        linux.adopt(place(), router.try_clone().unwrap()).unwrap();
        Self {
            client,
            router,
            server,
            linux,
            _names: names,
        }
    }

    fn clamp(&mut self, dev: &str, ipv6: bool, mss: u16) {
        let clamp = Op::ClampMss {
            netns: place(),
            dev: IfName::new(dev).unwrap(),
            ipv6,
            mss,
        };
        self.linux.apply(&[clamp]).unwrap();
    }

    /// Connects, sends a megabyte and has it back; what SYN and SYN-ACK offered where
    /// they arrived.
    fn offers(&self, to: IpAddr) -> [u16; 2] {
        let at_server = sniffer(&self.server, to);
        let at_client = sniffer(&self.client, to);
        let listener = self
            .server
            .run(|| TcpListener::bind(SocketAddr::new(to, PORT)))
            .unwrap();
        let mut stream = self
            .client
            .run(|| TcpStream::connect_timeout(&SocketAddr::new(to, PORT), SOON))
            .unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        for end in [&stream, &peer] {
            end.set_read_timeout(Some(SOON)).unwrap();
        }
        let echo = std::thread::spawn(move || {
            let mut all = vec![0; 1 << 20];
            peer.read_exact(&mut all).unwrap();
            peer.write_all(&all).unwrap();
        });
        let sent: Vec<u8> = (0..1 << 20)
            .map(|i: u32| i.to_le_bytes()[0] ^ 0x5a)
            .collect();
        stream.write_all(&sent).unwrap();
        let mut back = vec![0; sent.len()];
        stream.read_exact(&mut back).unwrap();
        assert!(back == sent);
        echo.join().unwrap();
        [offer(&at_server, to, false), offer(&at_client, to, true)]
    }
}

fn place() -> Netns {
    Netns::Node(NodeName::new("router").unwrap())
}

/// Hears every TCP segment that arrives in the namespace.
fn sniffer(namespace: &NetnsFd, like: IpAddr) -> Socket {
    let socket = namespace
        .run(|| {
            let domain = Domain::for_address(SocketAddr::new(like, 0));
            Socket::new(domain, Type::RAW, Some(Protocol::TCP))
        })
        .unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    socket
}

/// The MSS that the first SYN offers, or the first SYN-ACK.
fn offer(mut socket: &Socket, like: IpAddr, is_answer: bool) -> u16 {
    const SYN: u8 = 0x02;
    const ACK: u8 = 0x10;
    let mut packet = [0; 65_536];
    loop {
        let length = socket.read(&mut packet).unwrap();
        // IPv4 comes with its header, IPv6 without.
        let header = if like.is_ipv4() {
            usize::from(packet[0] & 0xf) * 4
        } else {
            0
        };
        let segment = &packet[header..length];
        if segment[13] & (SYN | ACK) == SYN | if is_answer { ACK } else { 0 } {
            return mss(segment);
        }
    }
}

/// RFC 9293 §3.2: the option of kind 2.
fn mss(segment: &[u8]) -> u16 {
    let mut options = &segment[20..usize::from(segment[12] >> 4) * 4];
    loop {
        match options {
            [2, 4, high, low, ..] => return u16::from_be_bytes([*high, *low]),
            [1, rest @ ..] => options = rest,
            [_, length, ..] => options = &options[usize::from(*length)..],
            _ => panic!("a SYN without MSS: {segment:?}"),
        }
    }
}

#[test]
fn syns_through_an_interface_offer_no_more_than_it_is_clamped_to() {
    let mut row = Row::new();
    let v4: IpAddr = "10.0.1.2".parse().unwrap();
    let v6: IpAddr = "fd00:0:0:1::2".parse().unwrap();
    assert_eq!(row.offers(v4), [1460, 1460]);
    assert_eq!(row.offers(v6), [1440, 1440]);
    row.clamp("right", false, 1360);
    // Both ways, and the other family as it was.
    assert_eq!(row.offers(v4), [1360, 1360]);
    assert_eq!(row.offers(v6), [1440, 1440]);
    row.clamp("right", true, 1300);
    assert_eq!(row.offers(v6), [1300, 1300]);
    // The other interface's never makes it larger.
    row.clamp("left", false, 1400);
    assert_eq!(row.offers(v4), [1360, 1360]);
    // By name: of an interface that goes and comes back as another.
    sh(
        &row.router,
        "ip link set right down
         ip link set right name spare
         ip link set spare up",
    );
    assert_eq!(row.offers(v4), [1400, 1400]);
    sh(
        &row.router,
        "ip link set spare down
         ip link set spare name right
         ip link set right up",
    );
    assert_eq!(row.offers(v4), [1360, 1360]);
}

/// One tunnel each way to AWS, and nothing else between the two hosts.
const LAB: &str = "
nodes:
  dc1:  { kind: data-center, asn: 65001, hosts: { app: 10.0.1.10/24 } }
  vgw:  { kind: vgw, asn: 64512 }
  vpc1: { kind: vpc, attach: vgw, cidr: 172.31.0.0/16, hosts: { db: 172.31.1.10/24 } }
  isp:  { kind: internet }
links:
  uplink: { ends: [dc1, isp], delay: 2ms }
  edge:   { ends: [isp, vgw], delay: 1ms }
sessions:
  backup: { vpn: KIND, ends: [dc1, vgw], over: isp SETTINGS }
routing:
  dc1:
    backup: { announce: [10.0.0.0/15] }
";

/// A lab that is up; what a SYN offers that arrives at either host.
fn offered(vpn: &str, settings: &str, user: &User) -> Option<[String; 2]> {
    let yaml = LAB.replace("KIND", vpn).replace("SETTINGS", settings);
    fs::write(user.path("lab.yaml"), yaml).unwrap();
    let able = user.run(&["check", "--host", "lab.yaml"]);
    if able.status.code() == Some(3) {
        not_tested(
            &format!("MSS in a VPN by {vpn}"),
            String::from_utf8_lossy(&able.stderr),
        );
        return None;
    }
    let name = format!("mss-{vpn}-{}-{}", user.uid(), std::process::id());
    user.up_with(&["up", "lab.yaml", "--json", "--name", &name]);
    let arrives = [
        ("dc1.app", "172.31.1.10", "vpc1.db"),
        ("vpc1.db", "10.0.1.10", "dc1.app"),
    ];
    let offers = arrives.map(|(from, to, at)| syn(user, &name, (from, to, at)));
    let down = user.run(&["down", &name]);
    assert!(down.status.success());
    tested(&format!("MSS in a VPN by {vpn}"));
    Some(offers)
}

/// Connects until tcpdump has heard a SYN; a closed port answers with a reset, which
/// also says that the checksum was right.
fn syn(user: &User, lab: &str, (from, to, at): (&str, &str, &str)) -> String {
    let mut command = Command::new(user.path("backhoe"));
    command
        .args(["exec", "--lab", lab, at, "--", "tcpdump", "-Z", "root"])
        .args(["-l", "-n", "-c", "1", "-i", "any", "tcp dst port 9"])
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if user.uid() != 0 {
        command.gid(user.uid()).uid(user.uid());
    }
    let mut tcpdump = command.spawn().unwrap();
    await_some("a SYN at tcpdump", SOON, || {
        let script = format!("timeout 3 bash -c 'exec 3<>/dev/tcp/{to}/9'");
        let tried = user.run(&["exec", "--lab", lab, from, "--", "sh", "-c", &script]);
        let said = String::from_utf8_lossy(&tried.stderr);
        assert!(said.contains("Connection refused"), "{said}");
        tcpdump.try_wait().unwrap()
    });
    let mut line = String::new();
    tcpdump.stdout.unwrap().read_to_string(&mut line).unwrap();
    let mss = line
        .split("mss ")
        .nth(1)
        .unwrap_or_else(|| panic!("{line}"));
    mss.split(',').next().unwrap().to_owned()
}

#[test]
fn a_customers_gateway_clamps_to_its_tunnels_mtu_unless_told_otherwise() {
    // 1420 is what WireGuard leaves of 1500.
    let user = User::nobody();
    for (settings, expected) in [
        ("", "1380"),
        (", mss: 1379B", "1379"),
        (", mss: unclamped", "1460"),
    ] {
        let offers = offered("wireguard", settings, &user).unwrap();
        assert_eq!(offers, [expected, expected], "{settings}");
    }
}

#[test]
fn and_in_both_tunnels_of_ipsec() {
    let user = User::root();
    if let Some(offers) = offered("ipsec", "", &user) {
        // AWS's best with the kernel's ESP, what libipsec carries otherwise.
        let expected = if offers[0] == "1406" { "1406" } else { "1360" };
        assert_eq!(offers, [expected, expected]);
    }
}
