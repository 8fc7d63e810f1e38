use std::net::IpAddr;

use ipnet::IpNet;

use super::proptests::{FAMILIES, session};
use super::*;
use crate::units::{Asn, Community, Family};

const ORIGIN: &[u8] = &[0x40, 1, 1, 0];
const AS_PATH: &[u8] = &[0x40, 2, 6, 2, 1, 0, 0, 0xFD, 0xE9];
const NEXT_HOP: &[u8] = &[0x40, 3, 4, 10, 0, 0, 1];
const NLRI: &[u8] = &[24, 192, 0, 2];

fn body(withdrawn: &[u8], attributes: &[&[u8]], nlri: &[u8]) -> Vec<u8> {
    let attributes = attributes.concat();
    let mut body = (withdrawn.len() as u16).to_be_bytes().to_vec();
    body.extend_from_slice(withdrawn);
    body.extend_from_slice(&(attributes.len() as u16).to_be_bytes());
    body.extend_from_slice(&attributes);
    body.extend_from_slice(nlri);
    body
}

fn prefix() -> IpNet {
    "192.0.2.0/24".parse().unwrap()
}

/// A good announcement with one more attribute.
fn with(extra: &[u8], external: bool) -> Result<Decoded, Notification> {
    let body = body(&[], &[ORIGIN, AS_PATH, NEXT_HOP, extra], NLRI);
    decode_update(&body, &session(external, true))
}

fn only_remedy(decoded: &Decoded) -> Remedy {
    assert_eq!(decoded.faults.len(), 1, "{:?}", decoded.faults);
    decoded.faults[0].remedy
}

#[test]
fn a_plain_announcement_is_read() {
    let decoded = with(&[0x80, 4, 4, 0, 0, 0, 50], true).unwrap();
    let [reach] = decoded.reach.as_slice() else {
        panic!("{decoded:?}");
    };
    assert_eq!(reach.prefixes, [prefix()]);
    assert_eq!(reach.attributes.as_path.to_string(), "65001");
    assert_eq!(
        reach.attributes.next_hop,
        "10.0.0.1".parse::<IpAddr>().unwrap()
    );
    assert_eq!(reach.attributes.med, Some(50));
    assert_eq!(decoded.faults, []);
}

/// RFC 7606 §7, RFC 6793 §6, RFC 8092 §6: every malformed attribute with what
/// has to become of it.
#[test]
fn malformed_attributes_are_withdrawn_or_discarded() {
    let withdraw: &[(&str, &[u8])] = &[
        ("MED length", &[0x80, 4, 3, 0, 0, 0]),
        ("MED flags", &[0x40, 4, 4, 0, 0, 0, 0]),
        ("LOCAL_PREF length", &[0x40, 5, 3, 0, 0, 0]),
        ("COMMUNITIES of 3", &[0xC0, 8, 3, 0, 0, 0]),
        ("COMMUNITIES of 0", &[0xC0, 8, 0]),
        ("COMMUNITIES flags", &[0x80, 8, 4, 0, 0, 0, 1]),
        ("ORIGINATOR_ID length", &[0x80, 9, 5, 0, 0, 0, 0, 0]),
        ("CLUSTER_LIST length", &[0x80, 10, 5, 0, 0, 0, 0, 0]),
        (
            "EXTENDED COMMUNITIES length",
            &[0xC0, 16, 7, 0, 0, 0, 0, 0, 0, 0],
        ),
        ("LARGE_COMMUNITY length", &[0xC0, 32, 4, 0, 0, 0, 0]),
        ("runs over the end", &[0xC0, 8, 200, 0]),
        ("one byte left", &[0xC0]),
    ];
    for (name, bytes) in withdraw {
        let decoded = with(bytes, false).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(only_remedy(&decoded), Remedy::Withdraw, "{name}");
        assert_eq!(decoded.withdrawn, [prefix()], "{name}");
        assert_eq!(decoded.reach, [], "{name}");
    }
    let discard: &[(&str, &[u8])] = &[
        ("ATOMIC_AGGREGATE of 1", &[0x40, 6, 1, 0]),
        ("AGGREGATOR of 3", &[0xC0, 7, 3, 0, 0, 0]),
        ("AGGREGATOR AS 0", &[0xC0, 7, 8, 0, 0, 0, 0, 10, 0, 0, 1]),
        (
            "AS4_PATH between new speakers",
            &[0xC0, 17, 6, 2, 1, 0, 0, 0, 9],
        ),
        (
            "AS4_AGGREGATOR between new speakers",
            &[0xC0, 18, 8, 0, 0, 0, 9, 1, 1, 1, 1],
        ),
        ("second ORIGIN", &[0x40, 1, 1, 2]),
    ];
    for (name, bytes) in discard {
        let decoded = with(bytes, false).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(only_remedy(&decoded), Remedy::Discard, "{name}");
        assert_eq!(decoded.reach.len(), 1, "{name}");
        assert_eq!(
            decoded.reach[0].attributes.origin,
            OriginCode::Igp,
            "{name}"
        );
    }
}

/// RFC 7606 §7.1–7.3 and §3 d: the mandatory ones, malformed or missing.
#[test]
fn mandatory_attributes_must_be_there_and_right() {
    let cases: &[(&str, [&[u8]; 3])] = &[
        ("no ORIGIN", [&[], AS_PATH, NEXT_HOP]),
        ("no AS_PATH", [ORIGIN, &[], NEXT_HOP]),
        ("no NEXT_HOP", [ORIGIN, AS_PATH, &[]]),
        ("ORIGIN 3", [&[0x40, 1, 1, 3], AS_PATH, NEXT_HOP]),
        ("ORIGIN of 2", [&[0x40, 1, 2, 0, 0], AS_PATH, NEXT_HOP]),
        ("ORIGIN optional", [&[0xC0, 1, 1, 0], AS_PATH, NEXT_HOP]),
        (
            "segment overrun",
            [ORIGIN, &[0x40, 2, 6, 2, 2, 0, 0, 0, 1], NEXT_HOP],
        ),
        (
            "segment underrun",
            [ORIGIN, &[0x40, 2, 7, 2, 1, 0, 0, 0, 1, 2], NEXT_HOP],
        ),
        ("empty segment", [ORIGIN, &[0x40, 2, 2, 2, 0], NEXT_HOP]),
        (
            "confederation segment",
            [ORIGIN, &[0x40, 2, 6, 3, 1, 0, 0, 0, 1], NEXT_HOP],
        ),
        (
            "AS 0 (RFC 7607)",
            [ORIGIN, &[0x40, 2, 6, 2, 1, 0, 0, 0, 0], NEXT_HOP],
        ),
        ("NEXT_HOP of 3", [ORIGIN, AS_PATH, &[0x40, 3, 3, 10, 0, 0]]),
        (
            "NEXT_HOP multicast",
            [ORIGIN, AS_PATH, &[0x40, 3, 4, 224, 0, 0, 1]],
        ),
    ];
    for (name, attributes) in cases {
        let body = body(&[], attributes, NLRI);
        let decoded = decode_update(&body, &session(true, true));
        let decoded = decoded.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(only_remedy(&decoded), Remedy::Withdraw, "{name}");
        assert_eq!(decoded.withdrawn, [prefix()], "{name}");
    }
}

/// RFC 7606 §7.5, §7.9, §7.10: attributes of the inside that come from outside.
#[test]
fn an_external_peer_has_no_say_inside() {
    let inside: [&[u8]; 3] = [
        &[0x40, 5, 4, 0, 0, 1, 0],
        &[0x80, 9, 4, 1, 1, 1, 1],
        &[0x80, 10, 4, 1, 1, 1, 1],
    ];
    for bytes in inside {
        assert_eq!(only_remedy(&with(bytes, true).unwrap()), Remedy::Discard);
        let decoded = with(bytes, true).unwrap();
        assert_eq!(decoded.reach[0].attributes.local_pref, None);
        assert_eq!(decoded.reach[0].attributes.originator_id, None);
        assert_eq!(with(bytes, false).unwrap().faults, []);
    }
}

/// What still ends the session (RFC 7606 §3 b, g, j, §5.2, §5.3, §7.11).
#[test]
fn what_cannot_be_located_resets_the_session() {
    let mp_reach: &[u8] = &[0x80, 14, 5, 0, 2, 1, 0, 0];
    let twice: &[u8] = &[0x80, 15, 3, 0, 2, 1];
    let cases: Vec<(&str, Vec<u8>, (u8, u8))> = vec![
        ("withdrawn length", vec![0, 9, 0, 0], (3, 1)),
        ("attribute length", vec![0, 0, 0, 9], (3, 1)),
        ("too short", vec![0], (3, 1)),
        (
            "NLRI of 33 bits",
            body(&[], &[ORIGIN, AS_PATH, NEXT_HOP], &[33, 1, 2, 3, 4, 5]),
            (3, 10),
        ),
        (
            "NLRI cut short",
            body(&[], &[ORIGIN, AS_PATH, NEXT_HOP], &[24, 1, 2]),
            (3, 10),
        ),
        ("withdrawn cut short", body(&[24, 1], &[], &[]), (3, 10)),
        ("MP_UNREACH twice", body(&[], &[twice, twice], &[]), (3, 1)),
        (
            "MP_REACH next hop of 0",
            body(&[], &[mp_reach, ORIGIN, AS_PATH], &[]),
            (3, 9),
        ),
        (
            "MP_UNREACH of 2",
            body(&[], &[&[0x80, 15, 2, 0, 2]], &[]),
            (3, 9),
        ),
        (
            "MP_UNREACH transitive",
            body(&[], &[&[0xC0, 15, 3, 0, 2, 1]], &[]),
            (3, 9),
        ),
        (
            "MP_UNREACH of 129 bits",
            body(&[], &[&[0x80, 15, 4, 0, 2, 1, 129]], &[]),
            (3, 9),
        ),
        (
            "unknown well-known",
            body(&[], &[ORIGIN, &[0x40, 99, 1, 0]], NLRI),
            (3, 2),
        ),
        (
            "error without NLRI",
            body(&[], &[&[0x40, 1, 1, 9]], &[]),
            (3, 1),
        ),
    ];
    for (name, body, (code, subcode)) in cases {
        let error = decode_update(&body, &session(true, true)).expect_err(name);
        assert_eq!((error.code, error.subcode), (code, subcode), "{name}");
    }
}

#[test]
fn unknown_transitive_attributes_travel_and_others_do_not() {
    let decoded = with(&[0xC0, 99, 2, 7, 8], true).unwrap();
    let unknown = &decoded.reach[0].attributes.unknown;
    assert_eq!(
        (unknown[0].code, unknown[0].value.as_slice()),
        (99, [7, 8].as_slice())
    );
    let decoded = with(&[0x80, 99, 2, 7, 8], true).unwrap();
    assert_eq!(decoded.reach[0].attributes.unknown, []);
}

/// RFC 4271 §6.3: logged and ignored.
#[test]
fn a_multicast_prefix_is_ignored() {
    let message = body(&[], &[ORIGIN, AS_PATH, NEXT_HOP], &[24, 192, 0, 2, 8, 239]);
    let decoded = decode_update(&message, &session(true, true)).unwrap();
    assert_eq!(only_remedy(&decoded), Remedy::Discard);
    assert_eq!(decoded.reach[0].prefixes, [prefix()]);
}

/// RFC 4760 §3 and RFC 8950: both next-hop forms, and a link-local beside.
#[test]
fn multiprotocol_next_hops() {
    let mut attribute = vec![0x80, 14, 41, 0, 2, 1, 32];
    attribute.extend_from_slice(
        &"2001:db8::1"
            .parse::<std::net::Ipv6Addr>()
            .unwrap()
            .octets(),
    );
    attribute.extend_from_slice(&"fe80::1".parse::<std::net::Ipv6Addr>().unwrap().octets());
    attribute.extend_from_slice(&[0, 24, 0x20, 1, 0x0d]);
    let message = body(&[], &[&attribute, ORIGIN, AS_PATH], &[]);
    let decoded = decode_update(&message, &session(true, true)).unwrap();
    let next_hop = decoded.reach[0].attributes.next_hop;
    assert_eq!(next_hop, "2001:db8::1".parse::<IpAddr>().unwrap());

    let mut attribute = vec![0x80, 14, 25, 0, 1, 1, 16];
    attribute.extend_from_slice(
        &"2001:db8::1"
            .parse::<std::net::Ipv6Addr>()
            .unwrap()
            .octets(),
    );
    attribute.extend_from_slice(&[0, 24, 192, 0, 2]);
    let message = body(&[], &[&attribute, ORIGIN, AS_PATH], &[]);
    let decoded = decode_update(&message, &session(true, true)).unwrap();
    assert_eq!(decoded.reach[0].prefixes, [prefix()]);
    assert!(decoded.reach[0].attributes.next_hop.is_ipv6());
    // A family that was not negotiated is none of our business.
    let only6 = SessionKind {
        families: vec![Family::Ipv6Unicast],
        ..session(true, true)
    };
    assert_eq!(decode_update(&message, &only6).unwrap().reach, []);
}

/// RFC 6793 §4.2.3, from an old speaker.
#[test]
fn as4_path_completes_a_two_octet_path() {
    let old: &[u8] = &[0x40, 2, 8, 2, 3, 0xFD, 0xE9, 0x5B, 0xA0, 0x5B, 0xA0];
    let as4: &[u8] = &[0xC0, 17, 10, 2, 2, 0, 1, 0, 0, 0, 1, 0, 1];
    let read = |extra: &[&[u8]]| {
        let attributes = [&[ORIGIN, old, NEXT_HOP], extra].concat();
        let decoded = decode_update(&body(&[], &attributes, NLRI), &session(true, false)).unwrap();
        decoded.reach[0].attributes.as_path.to_string()
    };
    assert_eq!(read(&[as4]), "65001 65536 65537");
    // Longer than AS_PATH: ignored.
    let longer: &[u8] = &[
        0xC0, 17, 18, 2, 4, 0, 1, 0, 0, 0, 1, 0, 1, 0, 1, 0, 2, 0, 1, 0, 3,
    ];
    assert_eq!(read(&[longer]), "65001 23456 23456");
    // An AGGREGATOR that fits in two octets proves that AS4_AGGREGATOR is stale.
    let aggregator: &[u8] = &[0xC0, 7, 6, 0xFD, 0xE9, 1, 1, 1, 1];
    let as4_aggregator: &[u8] = &[0xC0, 18, 8, 0, 1, 0, 0, 1, 1, 1, 1];
    assert_eq!(
        read(&[aggregator, as4, as4_aggregator]),
        "65001 23456 23456"
    );
}

#[test]
fn end_of_rib_is_recognized_for_each_family() {
    for family in FAMILIES {
        let mut bytes = Vec::new();
        encode_end_of_rib(family, &mut bytes);
        let decoded = decode_update(&bytes[HEADER_BYTES..], &session(true, true)).unwrap();
        assert_eq!(decoded.end_of_rib, Some(family));
    }
    let withdraw = body(NLRI, &[], &[]);
    let decoded = decode_update(&withdraw, &session(true, true)).unwrap();
    assert_eq!(decoded.end_of_rib, None);
}

/// RFC 4271 §6.1.
#[test]
fn header_errors_name_what_is_wrong() {
    let fail = |bytes: Vec<u8>| {
        let mut framer = Framer::default();
        framer.push(&bytes);
        framer.next_frame().expect_err("malformed")
    };
    let header = |length: u16, kind: u8| {
        let mut bytes = vec![0xFF; 16];
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.push(kind);
        bytes
    };
    let mut marker = header(19, 4);
    marker[3] = 0;
    assert_eq!(fail(marker), Notification::NOT_SYNCHRONIZED);
    // RFC 8654 §4: OPEN and KEEPALIVE stay short.
    for (length, kind) in [
        (0, 4),
        (18, 4),
        (4097, 4),
        (65535, 4),
        (4097, 1),
        (65535, 1),
    ] {
        assert_eq!(fail(header(length, kind)), Notification::bad_length(length));
    }
    // Each type's own minimum; a KEEPALIVE's is also its maximum.
    for (kind, length) in [(1, 28), (2, 22), (3, 20), (4, 20), (5, 22)] {
        assert_eq!(fail(header(length, kind)), Notification::bad_length(length));
    }
    assert_eq!(fail(header(19, 9)), Notification::with(1, 3, [9]));
}

/// RFC 7313 §5: what a marker must be, and what is ignored.
#[test]
fn refreshes_and_their_markers() {
    for refresh in [Refresh::Request, Refresh::Begin, Refresh::End] {
        let message = encode_refresh(refresh, Family::Ipv6Unicast);
        let body = &message[HEADER_BYTES..];
        let read = Some((refresh, Family::Ipv6Unicast));
        assert_eq!(decode_refresh(body, true), Ok(read));
        // Without the capability there are no markers.
        let asked = read.filter(|_| refresh == Refresh::Request);
        assert_eq!(decode_refresh(body, false), Ok(asked));
        // Outbound route filters (RFC 5291) may follow a request, nothing a marker.
        let mut longer = body.to_vec();
        longer.push(0);
        let mut whole = message.clone();
        whole.push(0);
        whole[17] += 1;
        let expected = match refresh {
            Refresh::Request => Ok(read),
            Refresh::Begin | Refresh::End => Err(Notification::with(7, 1, whole)),
        };
        assert_eq!(decode_refresh(&longer, true), expected);
    }
    for unknown in [[0, 1, 3, 1], [0, 1, 255, 1], [0, 9, 1, 1], [0, 1, 1, 2]] {
        assert_eq!(decode_refresh(&unknown, true), Ok(None), "{unknown:?}");
    }
}

/// RFC 4271 §6.2, RFC 5492, RFC 9072.
#[test]
fn opens_with_odd_parameters() {
    let asn = Asn::new(65001).unwrap();
    let good = Open::ours(asn, 90, [1, 1, 1, 1].into(), &FAMILIES, None).encode();
    let body = good[HEADER_BYTES..].to_vec();
    let with = |at: usize, value: u8| {
        let mut body = body.clone();
        body[at] = value;
        Open::decode(&body)
    };
    assert_eq!(with(0, 3), Err(Notification::with(2, 1, [0, 4])));
    assert_eq!(
        with(10, 1),
        Err(Notification::new(2, 4)),
        "authentication is long gone"
    );
    assert_eq!(with(9, 0), Err(Notification::new(2, 0)), "lengths disagree");
    assert_eq!(
        with(11, 99),
        Err(Notification::new(2, 0)),
        "lengths disagree"
    );

    let mut extended = body[..9].to_vec();
    let capabilities = &body[12..];
    extended.extend_from_slice(&[255, 255, 0, capabilities.len() as u8 + 3, 2, 0]);
    extended.push(capabilities.len() as u8);
    extended.extend_from_slice(capabilities);
    assert_eq!(Open::decode(&extended), Open::decode(&body));

    // An old speaker: no capabilities, so IPv4 unicast only (RFC 4760 §8).
    let mut plain = body[..9].to_vec();
    plain.push(0);
    let open = Open::decode(&plain).unwrap();
    assert!(open.offers(Family::Ipv4Unicast) && !open.offers(Family::Ipv6Unicast));
    assert_eq!((open.asn(), open.four_octet_as()), (65001, None));
    let long = Asn::new(4_200_000_000).unwrap();
    assert_eq!(
        Open::ours(long, 90, [1, 1, 1, 1].into(), &FAMILIES, None).my_as,
        23456
    );
}

/// RFC 9003 §2: at most 255 bytes, never half a character.
#[test]
fn shutdown_messages_are_cut_at_a_character() {
    let text = "ä".repeat(200);
    let notification = Notification::shutdown(Some(&text));
    assert_eq!(
        notification.shutdown_message(),
        Some("ä".repeat(127).as_str())
    );
    let read = Notification::decode(&notification.encode()[HEADER_BYTES..]).unwrap();
    assert_eq!(read, notification);
    assert!(Notification::shutdown(None).data.is_empty());
    let broken = Notification::with(6, 2, [3, 0xFF, 0xFE, 0xFD]);
    assert_eq!(broken.shutdown_message(), None);
    assert_eq!(
        Notification::new(4, 0).to_string(),
        "Hold Timer Expired (4/0)"
    );
}

#[test]
fn attributes_that_fit_nowhere_are_refused() {
    let mut attributes = Attributes::local("10.0.0.1".parse().unwrap());
    attributes.communities = (0..1_100).map(Community).collect();
    let mut bytes = Vec::new();
    assert_eq!(
        encode_announce(
            &attributes,
            &[prefix()],
            true,
            MESSAGE_BYTES_MAX,
            &mut bytes
        ),
        Err(TooLarge)
    );
    assert!(bytes.is_empty());
    // RFC 8654: they do for a peer that takes longer messages.
    encode_announce(
        &attributes,
        &[prefix()],
        true,
        EXTENDED_BYTES_MAX,
        &mut bytes,
    )
    .unwrap();
    let mut framer = Framer::default();
    framer.push(&bytes);
    let frame = framer.next_frame().unwrap().expect("one message");
    assert!(frame.body.len() > MESSAGE_BYTES_MAX);
    let decoded = decode_update(frame.body, &session(true, true)).unwrap();
    assert_eq!(decoded.reach[0].attributes.communities.len(), 1_100);
}

/// RFC 4271 §9.1.2.2 a, §5.1.2.
#[test]
fn path_lengths_and_prepending() {
    let mut path = AsPath {
        segments: vec![Segment {
            kind: SegmentKind::Set,
            asns: vec![7, 8, 9],
        }],
    };
    assert_eq!(
        (path.length(), path.neighbour(), path.origin()),
        (1, None, None)
    );
    path.prepend(Asn::new(5).unwrap(), 2);
    assert_eq!(path.to_string(), "5 5 {7,8,9}");
    assert_eq!((path.length(), path.neighbour()), (3, Some(5)));
    path.prepend(Asn::new(6).unwrap(), 300);
    assert_eq!(path.length(), 303);
    let attributes = Attributes {
        as_path: path.clone(),
        ..Attributes::local("10.0.0.1".parse().unwrap())
    };
    let mut bytes = Vec::new();
    encode_announce(
        &attributes,
        &[prefix()],
        true,
        MESSAGE_BYTES_MAX,
        &mut bytes,
    )
    .unwrap();
    let decoded = decode_update(&bytes[HEADER_BYTES..], &session(true, true)).unwrap();
    assert_eq!(decoded.reach[0].attributes.as_path, path);
}
