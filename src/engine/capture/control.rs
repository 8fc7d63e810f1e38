//! Which packets control the network: those are captured whole.

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const VLAN: [u16; 2] = [0x8100, 0x88a8];

const TCP: u8 = 6;
const UDP: u8 = 17;
/// Protocols that carry what somebody else sent: IPv4, IPv6, GRE, ESP.
const CARRIERS: [u8; 4] = [4, 41, 47, 50];

const BGP: u16 = 179;
/// IKE behind a NAT shares its port with ESP (RFC 3948 §2.2: four zeros are in front of IKE).
const NAT_TRAVERSAL: u16 = 4500;
/// DNS, DHCP, IKE, RIP, LDP, BFD (RFC 5881, 5883, 7130).
const UDP_CONTROL: [u16; 10] = [53, 67, 68, 500, 520, 646, 3784, 3785, 4784, 6784];

/// Whether a frame (`ethernet`), or a packet from its IP header on, controls the network. ARP,
/// LACP, neighbour discovery, OSPF, BGP, BFD, IKE and a WireGuard handshake do; probes, other
/// traffic and what is encrypted do not.
pub(super) fn is_control(bytes: &[u8], ethernet: bool) -> bool {
    let (network, kind) = match ethernet {
        true => match behind_ethernet(bytes) {
            Some(found) => found,
            None => return true,
        },
        false => (bytes, 0),
    };
    let version = network.first().map(|first| first >> 4);
    let (protocol, transport) = match (kind, version) {
        (IPV4 | 0, Some(4)) => ipv4(network),
        (IPV6 | 0, Some(6)) => ipv6(network),
        _ => return true,
    };
    match protocol {
        UDP => is_udp_control(transport),
        TCP => ports(transport).contains(&Some(BGP)),
        other => !CARRIERS.contains(&other),
    }
}

fn behind_ethernet(frame: &[u8]) -> Option<(&[u8], u16)> {
    let mut at = 12;
    loop {
        let kind = number(frame, at)?;
        if !VLAN.contains(&kind) {
            return Some((frame.get(at + 2..)?, kind));
        }
        at += 4;
    }
}

/// Its protocol and what is behind its header.
fn ipv4(packet: &[u8]) -> (u8, &[u8]) {
    let header = packet.first().map_or(20, |first| first & 0x0f);
    let behind = packet.get(usize::from(header) * 4..).unwrap_or_default();
    (packet.get(9).copied().unwrap_or_default(), behind)
}

fn ipv6(packet: &[u8]) -> (u8, &[u8]) {
    let behind = packet.get(40..).unwrap_or_default();
    (packet.get(6).copied().unwrap_or_default(), behind)
}

fn ports(transport: &[u8]) -> [Option<u16>; 2] {
    [number(transport, 0), number(transport, 2)]
}

fn is_udp_control(transport: &[u8]) -> bool {
    let payload = transport.get(8..).unwrap_or_default();
    let ports = ports(transport);
    if ports.contains(&Some(NAT_TRAVERSAL)) {
        return payload.starts_with(&[0; 4]);
    }
    let is_known = |port: &Option<u16>| port.is_some_and(|port| UDP_CONTROL.contains(&port));
    ports.iter().any(is_known) || is_handshake(payload)
}

/// WireGuard's messages but that with data, by type and length.
fn is_handshake(payload: &[u8]) -> bool {
    let kind = payload.first_chunk::<4>();
    match kind {
        Some([1, 0, 0, 0]) => payload.len() == 148,
        Some([2, 0, 0, 0]) => payload.len() == 92,
        Some([3, 0, 0, 0]) => payload.len() == 64,
        _ => false,
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk::<2>()?;
    Some(u16::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(protocol: u8, transport: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol];
        packet.resize(20, 1);
        packet.extend_from_slice(transport);
        packet
    }

    fn udp(to: u16, payload: &[u8]) -> Vec<u8> {
        let mut transport = vec![0xc0, 0];
        transport.extend(to.to_be_bytes());
        transport.extend([0; 4]);
        transport.extend_from_slice(payload);
        ip(UDP, &transport)
    }

    fn frame(tags: &[u8], kind: u16, packet: &[u8]) -> Vec<u8> {
        let mut frame = vec![2; 12];
        frame.extend_from_slice(tags);
        frame.extend(kind.to_be_bytes());
        frame.extend_from_slice(packet);
        frame
    }

    #[test]
    fn what_keeps_the_network_going_is_control() {
        let bgp = ip(TCP, &[0, 179, 0xc0, 0]);
        for packet in [
            bgp.clone(),
            udp(3784, &[0x20; 24]),
            udp(500, &[7; 40]),
            udp(4500, &[0, 0, 0, 0, 9]),
            udp(51_820, &[&[1, 0, 0, 0][..], &[5; 144]].concat()),
            ip(89, &[2; 24]),
            ip(1, &[3, 1]),
        ] {
            assert!(is_control(&packet, false), "{packet:?}");
            assert!(is_control(&frame(&[], IPV4, &packet), true));
            assert!(is_control(&frame(&[0x81, 0, 0, 101], IPV4, &packet), true));
        }
        assert!(is_control(&frame(&[], 0x0806, &[0; 28]), true), "ARP");
        assert!(is_control(&frame(&[], 0x8809, &[1; 60]), true), "LACP");
        assert!(is_control(&[0; 5], true), "nothing that is known");
    }

    #[test]
    fn traffic_is_not() {
        for packet in [
            udp(20_000, b"bkhprobe0000000000000000"),
            udp(4500, &[1, 2, 3, 4, 9]),
            udp(51_820, &[4, 0, 0, 0, 9, 9]),
            ip(TCP, &[0, 80, 0xc0, 0]),
            ip(50, &[9; 40]),
        ] {
            assert!(!is_control(&packet, false), "{packet:?}");
            assert!(!is_control(&frame(&[], IPV4, &packet), true));
        }
        let mut six = vec![0x60, 0, 0, 0, 0, 4, UDP, 64];
        six.resize(40, 1);
        six.extend([0, 1, 0x4e, 0x20, 0, 8, 0, 0]);
        assert!(!is_control(&frame(&[], IPV6, &six), true));
    }
}
