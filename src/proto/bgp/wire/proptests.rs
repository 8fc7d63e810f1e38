//! Whatever we write we read back, and nothing makes us panic.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::units::{Community, Family};

pub(super) const FAMILIES: [Family; 2] = [Family::Ipv4Unicast, Family::Ipv6Unicast];

pub(super) fn session(external: bool, four_octet: bool) -> SessionKind {
    SessionKind {
        external,
        four_octet,
        families: FAMILIES.to_vec(),
    }
}

fn host4() -> impl Strategy<Value = Ipv4Addr> {
    (1_u8..224, any::<[u8; 3]>())
        .prop_filter("loopback", |(first, _)| *first != 127)
        .prop_map(|(first, [b, c, d])| Ipv4Addr::new(first, b, c, d))
}

fn asn() -> impl Strategy<Value = u32> {
    prop_oneof![1_u32..65_535, 65_536_u32..]
}

fn as_path() -> impl Strategy<Value = AsPath> {
    let segment = (any::<bool>(), vec(asn(), 1..6));
    // Neighbouring sequences are one sequence once read.
    vec(segment, 0..4).prop_map(|segments| {
        let mut path = AsPath::default();
        for (ordered, asns) in segments {
            match (ordered, path.segments.last_mut()) {
                (true, Some(last)) if last.kind == SegmentKind::Sequence => last.asns.extend(asns),
                (ordered, _) => path.segments.push(Segment {
                    kind: if ordered {
                        SegmentKind::Sequence
                    } else {
                        SegmentKind::Set
                    },
                    asns,
                }),
            }
        }
        path
    })
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort_unstable();
    list.dedup();
    list
}

fn communities() -> impl Strategy<Value = (Vec<Community>, Vec<LargeCommunity>)> {
    let large = any::<(u32, u32, u32)>().prop_map(|(global, local1, local2)| LargeCommunity {
        global,
        local1,
        local2,
    });
    (
        vec(any::<u32>().prop_map(Community), 0..80),
        vec(large, 0..30),
    )
        .prop_map(|(plain, large)| (sorted(plain), sorted(large)))
}

pub(super) fn attributes() -> impl Strategy<Value = Attributes> {
    let origin = prop_oneof![
        Just(OriginCode::Igp),
        Just(OriginCode::Egp),
        Just(OriginCode::Incomplete)
    ];
    let aggregator = (asn(), host4()).prop_map(|(asn, address)| Aggregator { asn, address });
    let unknown = (100_u8..127, vec(any::<u8>(), 1..300)).prop_map(|(code, value)| Unknown {
        flags: 0xE0,
        code,
        value,
    });
    (
        (
            origin,
            as_path(),
            host4(),
            option::of(any::<u32>()),
            option::of(any::<u32>()),
        ),
        (any::<bool>(), option::of(aggregator), communities()),
        (option::of(host4()), vec(host4(), 0..4), option::of(unknown)),
    )
        .prop_map(|(basic, more, rest)| {
            let (origin, as_path, next_hop, med, local_pref) = basic;
            let (atomic_aggregate, aggregator, (communities, large_communities)) = more;
            let (originator_id, cluster_list, unknown) = rest;
            Attributes {
                origin,
                as_path,
                next_hop: IpAddr::V4(next_hop),
                med,
                local_pref,
                atomic_aggregate,
                aggregator,
                communities,
                large_communities,
                originator_id,
                cluster_list,
                unknown: unknown.into_iter().collect(),
            }
        })
}

pub(super) fn prefixes4() -> impl Strategy<Value = Vec<IpNet>> {
    // Below 224/4: what lies there is not unicast.
    let prefix = (0_u32..0xE000_0000, 0_u8..=32).prop_map(|(bits, length)| {
        let net = Ipv4Net::new(Ipv4Addr::from_bits(bits), length).expect("in range");
        IpNet::V4(net.trunc())
    });
    vec(prefix, 1..1_500)
}

pub(super) fn prefixes6() -> impl Strategy<Value = Vec<IpNet>> {
    let prefix = (0_u128..0xFE << 120, 0_u8..=128).prop_map(|(bits, length)| {
        let net = Ipv6Net::new(Ipv6Addr::from_bits(bits), length).expect("in range");
        IpNet::V6(net.trunc())
    });
    vec(prefix, 1..500)
}

/// The longest messages that peers take.
const LONGEST: [usize; 2] = [MESSAGE_BYTES_MAX, EXTENDED_BYTES_MAX];

/// Reads every message of a stream back.
pub(super) fn read_all(bytes: &[u8], longest: usize, session: &SessionKind) -> Vec<Decoded> {
    let mut framer = Framer::default();
    framer.push(bytes);
    let mut all = Vec::new();
    while let Some(frame) = framer.next_frame().expect("well framed") {
        assert_eq!(frame.kind, MessageType::Update);
        assert!(frame.body.len() + HEADER_BYTES <= longest);
        all.push(decode_update(frame.body, session).expect("well formed"));
    }
    all
}

fn assert_round_trip(attributes: &Attributes, prefixes: &[IpNet], four_octet: bool) {
    for longest in LONGEST {
        let mut bytes = Vec::new();
        let count = encode_announce(attributes, prefixes, four_octet, longest, &mut bytes);
        let all = read_all(&bytes, longest, &session(false, four_octet));
        assert_eq!(Ok(all.len() as u64), count);
        let mut seen = Vec::new();
        for decoded in all {
            assert_eq!(decoded.faults, []);
            assert_eq!(decoded.withdrawn, []);
            for reach in decoded.reach {
                assert_eq!(*reach.attributes, *attributes);
                seen.extend(reach.prefixes);
            }
        }
        assert_eq!(seen, prefixes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn ipv4_announcements_round_trip(attributes in attributes(), prefixes in prefixes4()) {
        assert_round_trip(&attributes, &prefixes, true);
    }

    #[test]
    fn ipv6_announcements_round_trip(
        attributes in attributes(),
        prefixes in prefixes6(),
        host in 0x2001_u128..0xFE00,
    ) {
        let next_hop = IpAddr::V6(Ipv6Addr::from_bits(host << 112 | 1));
        assert_round_trip(&Attributes { next_hop, ..attributes }, &prefixes, true);
    }

    /// RFC 6793: a speaker of two octets hands on what it cannot read.
    #[test]
    fn two_octet_sessions_lose_nothing(attributes in attributes(), prefixes in prefixes4()) {
        // Without AS4_PATH or AS4_AGGREGATOR a literal AS_TRANS stays itself.
        assert_round_trip(&attributes, &prefixes, false);
    }

    #[test]
    fn withdrawals_round_trip(four in prefixes4(), six in prefixes6()) {
        for (prefixes, longest) in [&four, &six].into_iter().zip(LONGEST) {
            let mut bytes = Vec::new();
            let count = encode_withdraw(prefixes, longest, &mut bytes);
            let all = read_all(&bytes, longest, &session(true, true));
            prop_assert_eq!(all.len() as u64, count);
            let seen: Vec<IpNet> = all.into_iter().flat_map(|one| one.withdrawn).collect();
            prop_assert_eq!(&seen, prefixes);
        }
    }

    #[test]
    fn opens_round_trip(
        number in asn(),
        hold_s in any::<u16>(),
        id in host4(),
        other in vec((71_u8..=255, vec(any::<u8>(), 0..20)), 0..4),
        (restarting, time_s, preserved) in (any::<bool>(), 0_u16..4096, any::<[bool; 2]>()),
    ) {
        let number = crate::units::Asn::new(number).expect("not zero");
        let restart = Restart {
            restarting,
            time_s,
            families: FAMILIES.into_iter().zip(preserved).collect(),
        };
        let mut open = Open::ours(number, hold_s, id, &FAMILIES, Some(restart.clone()));
        open.capabilities.extend(
            other.into_iter().map(|(code, value)| Capability::Other { code, value }),
        );
        let bytes = open.encode();
        let mut framer = Framer::default();
        framer.push(&bytes);
        let frame = framer.next_frame().expect("framed").expect("whole");
        prop_assert_eq!(Open::decode(frame.body), Ok(open.clone()));
        prop_assert_eq!(open.asn(), number.get());
        prop_assert_eq!(open.graceful_restart(), Some(&restart));
    }

    /// Any cutting of the stream yields the same messages.
    #[test]
    fn framing_does_not_depend_on_how_bytes_arrive(
        prefixes in prefixes4(),
        cuts in vec(1_usize..700, 1..40),
    ) {
        let mut bytes = Vec::new();
        let count = encode_withdraw(&prefixes, MESSAGE_BYTES_MAX, &mut bytes);
        bytes.extend(encode_keepalive());
        let mut framer = Framer::default();
        let mut seen = 0;
        let mut rest = bytes.as_slice();
        for cut in cuts.iter().cycle() {
            let (head, tail) = rest.split_at(rest.len().min(*cut));
            rest = tail;
            framer.push(head);
            while framer.next_frame().expect("well framed").is_some() {
                seen += 1;
            }
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(seen, count + 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in vec(any::<u8>(), 0..200),
        external in any::<bool>(),
        four_octet in any::<bool>(),
    ) {
        let session = session(external, four_octet);
        let _ = decode_update(&bytes, &session);
        let _ = Open::decode(&bytes);
        let _ = Notification::decode(&bytes).map(|one| one.to_string());
        let _ = decode_refresh(&bytes, external);
        let mut framer = Framer::default();
        framer.push(&bytes);
        while let Ok(Some(_)) = framer.next_frame() {}
        // With a plausible beginning the parsers get further.
        for kind in 1..=5_u8 {
            let mut message = vec![0xFF; 16];
            message.extend_from_slice(&(19 + bytes.len() as u16).to_be_bytes());
            message.push(kind);
            message.extend_from_slice(&bytes);
            let mut framer = Framer::default();
            framer.push(&message);
            if let Ok(Some(frame)) = framer.next_frame() {
                prop_assert_eq!(frame.body, bytes.as_slice());
            }
        }
    }

    /// Damage to a good message: either we reject it or what we accept makes sense.
    #[test]
    fn damaged_updates_never_panic(
        attributes in attributes(),
        flips in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        external in any::<bool>(),
    ) {
        let mut bytes = Vec::new();
        let prefix = "192.0.2.0/24".parse().expect("a prefix");
        encode_announce(&attributes, &[prefix], true, MESSAGE_BYTES_MAX, &mut bytes).expect("fits");
        let mut body = bytes.split_off(HEADER_BYTES);
        for (index, value) in flips {
            let at = index.index(body.len());
            body[at] = value;
        }
        if let Ok(decoded) = decode_update(&body, &session(external, true)) {
            let withdraw = decoded.faults.iter().any(|fault| fault.remedy == Remedy::Withdraw);
            prop_assert!(!withdraw || decoded.reach.is_empty());
            for reach in &decoded.reach {
                prop_assert!(!reach.attributes.as_path.contains(0));
                prop_assert!(!external || reach.attributes.local_pref.is_none());
            }
        }
    }
}
