use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::{Target, may_export, transform};
use crate::proto::bgp::decision::Kind;
use crate::proto::bgp::wire::{AsPath, Attributes, Unknown};
use crate::units::{Asn, Community, Family, PeerConfig, Rule, Set, Verdict, fixture};

fn asn(number: u32) -> Asn {
    Asn::new(number).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn peer(remote_asn: u32) -> PeerConfig {
    PeerConfig {
        families: vec![Family::Ipv4Unicast, Family::Ipv6Unicast],
        ..fixture::peer("prod", "10.0.0.1", "10.0.0.2", remote_asn)
    }
}

fn learned() -> Attributes {
    let mut attributes = Attributes::local(ip("192.0.2.9"));
    attributes.as_path = AsPath::sequence([65100]);
    attributes.med = Some(50);
    attributes.local_pref = Some(200);
    attributes.originator_id = Some(Ipv4Addr::new(9, 9, 9, 9));
    attributes.unknown = vec![Unknown {
        flags: 0xC0,
        code: 99,
        value: vec![1],
    }];
    attributes
}

fn rule(set: Vec<Set>) -> Rule {
    Rule {
        matches: vec![],
        verdict: Verdict::Accept,
        set,
    }
}

fn export(peer: &PeerConfig, set: Vec<Set>, prefix: &str, kind: Kind) -> Option<Attributes> {
    let target = Target {
        peer,
        asn: asn(65001),
    };
    let prefix: IpNet = prefix.parse().unwrap();
    transform(target, &rule(set), &prefix, kind, &learned())
}

/// RFC 4271 §5.1.2 b, §5.1.3, §5.1.4, §5.1.5, §9 (Partial).
#[test]
fn an_external_peer_sees_our_as_our_address_and_none_of_our_preferences() {
    let out = export(&peer(65002), vec![], "198.51.100.0/24", Kind::External).unwrap();
    assert_eq!(out.as_path.to_string(), "65001 65100");
    assert_eq!(out.next_hop, ip("10.0.0.1"));
    assert_eq!(
        (out.med, out.local_pref, out.originator_id),
        (None, None, None)
    );
    assert_eq!(out.unknown[0].flags, 0xE0);
    let set = vec![Set::Med(7), Set::Prepend(2), Set::LocalPref(9)];
    let out = export(&peer(65002), set, "198.51.100.0/24", Kind::External).unwrap();
    assert_eq!(out.as_path.to_string(), "65001 65001 65001 65100");
    assert_eq!((out.med, out.local_pref), (Some(7), None));
}

#[test]
fn an_internal_peer_sees_the_route_as_it_came() {
    let mut inside = peer(65001);
    let out = export(&inside, vec![], "198.51.100.0/24", Kind::External).unwrap();
    assert_eq!(out.as_path.to_string(), "65100");
    assert_eq!(out.next_hop, ip("192.0.2.9"));
    assert_eq!((out.med, out.local_pref), (Some(50), Some(200)));
    let out = export(
        &inside,
        vec![Set::NextHopSelf],
        "198.51.100.0/24",
        Kind::External,
    )
    .unwrap();
    assert_eq!(out.next_hop, ip("10.0.0.1"));
    inside.next_hop_self = true;
    let out = export(&inside, vec![], "198.51.100.0/24", Kind::External).unwrap();
    assert_eq!(out.next_hop, ip("10.0.0.1"));
}

/// §5.1.3: never the peer's own address; and no next hop of the wrong family.
#[test]
fn without_a_possible_next_hop_nothing_is_told() {
    let mut inside = peer(65001);
    inside.remote = ip("192.0.2.9");
    assert_eq!(
        export(&inside, vec![], "198.51.100.0/24", Kind::External),
        None
    );
    let mut outside = peer(65002);
    assert_eq!(
        export(&outside, vec![], "2001:db8::/32", Kind::External),
        None
    );
    outside.next_hop_other_family = Some(ip("2001:db8::1"));
    let out = export(&outside, vec![], "2001:db8::/32", Kind::External).unwrap();
    assert_eq!(out.next_hop, ip("2001:db8::1"));
}

/// RFC 1997 and RFC 4271 §9.2, exhaustively.
#[test]
fn who_may_be_told() {
    let cases = [
        (None, Kind::External, true, true),
        (None, Kind::Internal, true, false),
        (None, Kind::Local, true, true),
        (Some(Community::NO_ADVERTISE), Kind::External, false, false),
        (Some(Community::NO_ADVERTISE), Kind::Local, false, false),
        (Some(Community::NO_EXPORT), Kind::External, false, true),
        (Some(Community::NO_EXPORT), Kind::Internal, false, false),
        (
            Some(Community::NO_EXPORT_SUBCONFED),
            Kind::External,
            false,
            true,
        ),
        (Some(Community(1)), Kind::External, true, true),
    ];
    for (community, kind, external, internal) in cases {
        let mut attributes = learned();
        attributes.communities.extend(community);
        for (peer, expected) in [(peer(65002), external), (peer(65001), internal)] {
            let target = Target {
                peer: &peer,
                asn: asn(65001),
            };
            let may = may_export(target, kind, &attributes);
            assert_eq!(
                may, expected,
                "{community:?} {kind:?} to {}",
                peer.remote_asn
            );
        }
    }
}
