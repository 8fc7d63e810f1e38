use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::{Candidate, Kind, select};
use crate::proto::bgp::wire::{AsPath, Attributes, OriginCode};

fn attributes(next_hop: u8) -> Attributes {
    Attributes {
        as_path: AsPath::sequence([65001, 65100]),
        ..Attributes::local(IpAddr::V4(Ipv4Addr::new(10, 0, 0, next_hop)))
    }
}

fn candidate(attributes: &Attributes, kind: Kind, id: u8) -> Candidate<'_> {
    Candidate {
        attributes,
        kind,
        attachment: None,
        elsewhere: false,
        router_id: Ipv4Addr::new(1, 1, 1, id),
        address: IpAddr::V4(Ipv4Addr::new(10, 1, 0, id)),
    }
}

/// Administrative distance: a static route is written to be used, a floating one to be left.
#[test]
fn a_static_route_comes_before_what_is_learned_and_a_floating_one_after_it() {
    let better = Attributes {
        local_pref: Some(500),
        ..attributes(1)
    };
    let plain = attributes(2);
    for (kind, winner) in [(Kind::Static, 0), (Kind::Floating, 1)] {
        for learned in [Kind::External, Kind::Internal] {
            let list = [candidate(&plain, kind, 1), candidate(&better, learned, 9)];
            assert_eq!(select(&list, 1), [winner], "{kind:?} and {learned:?}");
        }
        let alone = [candidate(&plain, kind, 1)];
        assert_eq!(select(&alone, 1), [0], "{kind:?} alone");
    }
}

/// RFC 4271 §9.1.1 and §9.1.2.2, each step above all later ones: the better
/// path loses every later comparison and still wins.
#[test]
fn each_step_outweighs_all_later_ones() {
    let plain = attributes(2);
    let shape = |act: fn(&mut Attributes)| {
        let mut attributes = attributes(1);
        act(&mut attributes);
        attributes
    };
    let worse_later = shape(|a| {
        a.local_pref = Some(101);
        a.as_path = AsPath::sequence([65001, 1, 2, 3]);
        a.origin = OriginCode::Incomplete;
        a.med = Some(9);
    });
    let steps = [
        ("local preference", worse_later, Kind::Internal),
        (
            "path length",
            shape(|a| {
                a.as_path = AsPath::sequence([65001]);
                a.origin = OriginCode::Incomplete;
                a.med = Some(9);
            }),
            Kind::Internal,
        ),
    ];
    for (name, better, kind) in &steps {
        let list = [
            candidate(&plain, Kind::External, 1),
            candidate(better, *kind, 9),
        ];
        assert_eq!(select(&list, 1), [1], "{name}");
    }
    let incomplete = shape(|a| a.origin = OriginCode::Incomplete);
    let med = shape(|a| a.med = Some(9));
    let list = [
        candidate(&incomplete, Kind::External, 1),
        candidate(&med, Kind::Internal, 9),
    ];
    assert_eq!(select(&list, 1), [1], "origin");
    let list = [
        candidate(&med, Kind::External, 1),
        candidate(&plain, Kind::Internal, 9),
    ];
    assert_eq!(select(&list, 1), [1], "MED; a missing one is zero");
    let list = [
        candidate(&plain, Kind::Internal, 1),
        candidate(&plain, Kind::External, 9),
    ];
    assert_eq!(select(&list, 1), [1], "external");
    let list = [
        candidate(&plain, Kind::External, 2),
        candidate(&plain, Kind::External, 1),
    ];
    assert_eq!(select(&list, 1), [1], "identifier");
    let mut list = [candidate(&plain, Kind::External, 1); 2];
    list[0].address = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 1));
    assert_eq!(select(&list, 1), [1], "address");
    let reflected = shape(|a| a.originator_id = Some(Ipv4Addr::new(0, 0, 0, 1)));
    let list = [
        candidate(&plain, Kind::Internal, 1),
        candidate(&reflected, Kind::Internal, 9),
    ];
    assert_eq!(
        select(&list, 1),
        [1],
        "RFC 4456 §9: the originator's identifier"
    );
    let own = Attributes::local(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let list = [
        candidate(&steps[0].1, Kind::External, 1),
        candidate(&own, Kind::Local, 9),
    ];
    assert_eq!(select(&list, 1), [1], "our own");
}

/// §9.1.2.2 c: MED between different neighbouring ASes says nothing.
#[test]
fn med_counts_within_a_neighbouring_as_only() {
    let from = |asn: u32, med: u32, next_hop: u8| Attributes {
        as_path: AsPath::sequence([asn, 65100]),
        med: Some(med),
        ..attributes(next_hop)
    };
    let (a10, a20, b90) = (from(1, 10, 1), from(1, 20, 2), from(2, 90, 3));
    let list = [
        candidate(&a20, Kind::External, 1),
        candidate(&b90, Kind::External, 2),
        candidate(&a10, Kind::External, 3),
    ];
    // a20 falls to a10 although its identifier is the lowest; b90 then wins.
    assert_eq!(select(&list, 1), [1]);
    assert_eq!(select(&list, 8), [1, 2]);
}

#[test]
fn multipath_takes_equals_up_to_the_limit_and_each_next_hop_once() {
    let hops: Vec<Attributes> = (1..=4).map(attributes).collect();
    let again = attributes(1);
    let longer = Attributes {
        as_path: AsPath::sequence([65001, 65001, 65100]),
        ..attributes(9)
    };
    let mut list: Vec<Candidate<'_>> = hops
        .iter()
        .zip(1..)
        .map(|(one, id)| candidate(one, Kind::External, id))
        .collect();
    list.push(candidate(&again, Kind::External, 5));
    list.push(candidate(&longer, Kind::External, 0));
    list.push(candidate(&hops[0], Kind::Internal, 0));
    assert_eq!(select(&list, 1), [0]);
    assert_eq!(select(&list, 3), [0, 1, 2]);
    assert_eq!(select(&list, 16), [0, 1, 2, 3]);
    assert_eq!(select(&list, 0), [0], "nobody can want none");
    assert_eq!(select(&[], 4), [0; 0]);
}

proptest! {
    /// The choice does not depend on the order of arrival.
    #[test]
    fn order_does_not_matter(
        shapes in prop::collection::vec(
            (98_u32..102, 1_u32..4, 1_usize..3, 0_u32..3, any::<bool>()),
            1..7,
        ),
        rotation in 0_usize..7,
    ) {
        let all: Vec<Attributes> = shapes
            .iter()
            .zip(1..)
            .map(|(&(preference, neighbour, length, med, _), hop)| Attributes {
                local_pref: Some(preference),
                as_path: AsPath::sequence(std::iter::repeat_n(neighbour, length)),
                med: Some(med),
                ..attributes(hop)
            })
            .collect();
        let kind = |index: usize| if shapes[index].4 { Kind::External } else { Kind::Internal };
        let list: Vec<Candidate<'_>> = all
            .iter()
            .enumerate()
            .map(|(index, one)| candidate(one, kind(index), index as u8 + 1))
            .collect();
        let mut turned = list.clone();
        turned.rotate_left(rotation % list.len());
        let ids = |list: &[Candidate<'_>]| -> Vec<Ipv4Addr> {
            select(list, 3).into_iter().map(|index| list[index].router_id).collect()
        };
        prop_assert_eq!(ids(&list), ids(&turned));
    }
}
