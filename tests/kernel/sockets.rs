//! The sockets of BGP and BFD.

use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    time::Duration,
};

use backhoe::os::{
    tcp,
    udp_bfd::{Arrival, CONTROL_PORT, Receiver, Sender},
};

use super::common::{await_some, joined, namespace, sh};

const LIMIT: Duration = Duration::from_secs(2);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn await_arrival(receiver: &Receiver, buffer: &mut [u8]) -> Arrival {
    await_some("a BFD packet", LIMIT, || receiver.receive(buffer).unwrap())
}

#[test]
fn bfd_packets_of_both_families_arrive_with_their_addresses_and_interface() {
    let (a, b) = joined();
    for (local, remote, v6) in [
        ("10.0.0.1", "10.0.0.2", false),
        ("fd00::1", "fd00::2", true),
    ] {
        let receiver = b.run(|| Receiver::open(v6, None)).unwrap();
        let sender = a
            .run(|| Sender::open(ip(local), ip(remote), Some("a0"), 7))
            .unwrap();
        sender.send(b"hello").unwrap();
        let mut buffer = [0; 64];
        let arrival = await_arrival(&receiver, &mut buffer);
        let expected = Arrival {
            from: ip(local),
            to: Some(ip(remote)),
            ifindex: 200,
            len: 5,
        };
        assert_eq!(arrival, expected);
        assert_eq!(&buffer[..5], b"hello");
        assert_eq!(receiver.receive(&mut buffer).unwrap(), None);
    }
}

#[test]
fn a_packet_that_passed_a_router_is_not_believed() {
    let (a, b) = joined();
    for (local, remote, v6) in [
        ("10.0.0.1", "10.0.0.2", false),
        ("fd00::1", "fd00::2", true),
    ] {
        let receiver = b.run(|| Receiver::open(v6, None)).unwrap();
        let near = a
            .run(|| Sender::open(ip(local), ip(remote), None, 0))
            .unwrap();
        let far = a
            .run(|| {
                let socket = UdpSocket::bind(SocketAddr::new(ip(local), 0))?;
                let option = socket2::SockRef::from(&socket);
                if v6 {
                    option.set_unicast_hops_v6(254)?;
                } else {
                    option.set_ttl_v4(254)?;
                }
                Ok(socket)
            })
            .unwrap();
        far.send_to(b"far", SocketAddr::new(ip(remote), CONTROL_PORT))
            .unwrap();
        near.send(b"near!").unwrap();
        let mut buffer = [0; 64];
        // In order, so the first to be seen shows that the other was dropped.
        assert_eq!(await_arrival(&receiver, &mut buffer).len, 5);
    }
}

#[test]
fn every_bfd_session_has_its_own_source_port_in_the_range() {
    let (a, b) = joined();
    let receiver = b
        .run(|| UdpSocket::bind(SocketAddr::new(ip("10.0.0.2"), CONTROL_PORT)))
        .unwrap();
    let mut ports = std::collections::BTreeSet::new();
    let senders: Vec<Sender> = [0, 0, 0, 16383, 16383, 65535]
        .into_iter()
        .map(|first| {
            a.run(|| Sender::open(ip("10.0.0.1"), ip("10.0.0.2"), None, first))
                .unwrap()
        })
        .collect();
    for sender in &senders {
        sender.send(&[0]).unwrap();
        let (_, from) = receiver.recv_from(&mut [0; 8]).unwrap();
        assert!(from.port() >= 49152);
        ports.insert(from.port());
    }
    assert_eq!(ports.len(), senders.len());
}

#[test]
fn a_sender_reports_what_did_not_leave() {
    let (a, _b) = joined();
    let sender = a
        .run(|| Sender::open(ip("10.0.0.1"), ip("10.0.0.2"), Some("a0"), 0))
        .unwrap();
    sh(&a, "ip link del a0");
    assert!(sender.send(b"lost").is_err());
    let error = a
        .run(|| Sender::open(ip("192.0.2.1"), ip("10.0.0.2"), None, 0))
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
}

#[test]
fn bgp_sockets_carry_the_configured_ttl_and_local_address() {
    let (a, _b) = joined();
    for (local, remote) in [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")] {
        let local = SocketAddr::new(ip(local), 179);
        let remote = SocketAddr::new(ip(remote), 179);
        let (listener, outgoing) = a
            .run(|| {
                Ok((
                    tcp::listen(local, 3, &[], None)?,
                    tcp::outgoing(local, remote, 1, Some("key"), None)?,
                ))
            })
            .unwrap();
        let ttl = |socket: socket2::SockRef<'_>| {
            if local.is_ipv4() {
                socket.ttl_v4().unwrap()
            } else {
                socket.unicast_hops_v6().unwrap()
            }
        };
        assert_eq!(ttl((&listener).into()), 3);
        assert_eq!(ttl((&outgoing).into()), 1);
        assert_eq!(outgoing.local_addr().unwrap().ip(), local.ip());
        assert_ne!(outgoing.local_addr().unwrap().port(), 179);
    }
}

#[test]
fn md5_keys_have_limits_and_can_be_taken_away() {
    let own = namespace();
    sh(&own, "ip link set lo up");
    let local = SocketAddr::new(ip("127.0.0.1"), 0);
    let listener = own.run(|| tcp::listen(local, 1, &[], None)).unwrap();
    let peer = ip("127.0.0.2");
    tcp::set_md5(&listener, peer, Some("key")).unwrap();
    tcp::set_md5(&listener, peer, None).unwrap();
    tcp::set_md5(&listener, peer, None).unwrap();
    let error = tcp::set_md5(&listener, peer, Some(&"x".repeat(81))).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn a_link_local_peer_needs_its_interface() {
    let (a, _b) = joined();
    let error = tcp::socket_addr(ip("fe80::1"), 179, None).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    let scoped = a
        .run(|| tcp::socket_addr(ip("fe80::1"), 179, Some("a0")))
        .unwrap();
    assert!(matches!(scoped, SocketAddr::V6(v6) if v6.scope_id() == 100));
}
