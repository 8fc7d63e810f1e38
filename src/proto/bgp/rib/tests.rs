use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::{Effect, Fault, FibChange, Interface, Rib};
use crate::proto::bgp::fsm::Negotiated;
use crate::proto::bgp::wire::{
    AsPath, Attributes, Decoded, Framer, MESSAGE_BYTES_MAX, MessageType, Reach, SessionKind,
    decode_update,
};
use crate::units::{Community, Family, IfName, Origination, PeerConfig, fixture};

mod aws;
mod route_tables;

const OWN: u32 = 65001;
const FIRST: usize = 0;
const SECOND: usize = 1;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn peer(index: u8) -> PeerConfig {
    fixture::peer(
        &format!("s{index}"),
        &format!("10.0.{index}.1"),
        &format!("10.0.{index}.2"),
        65100 + u32::from(index),
    )
}

fn interfaces(second_up: bool) -> Vec<Interface> {
    [(0, true), (1, second_up)]
        .map(|(index, up)| Interface {
            name: IfName::new(format!("l{index}")).unwrap(),
            up,
            prefixes: vec![net(&format!("10.0.{index}.1/30"))],
        })
        .to_vec()
}

/// Two external peers, both Established and told what there is.
fn rib() -> Rib {
    let mut config = fixture::speaker("n", OWN, "1.1.1.1", vec![peer(0), peer(1)]);
    config.originate = vec![Origination {
        prefix: net("10.0.0.0/8"),
        blackhole: true,
        while_known: None,
    }];
    let mut rib = Rib::new(&config);
    rib.set_interfaces(interfaces(true));
    rib.start();
    for index in [FIRST, SECOND] {
        rib.peer_up(index, negotiated(index as u8));
    }
    rib.flush();
    rib
}

fn negotiated(index: u8) -> Negotiated {
    Negotiated {
        router_id: Ipv4Addr::new(2, 2, 2, index),
        hold: Duration::from_secs(90),
        keepalive: Duration::from_secs(30),
        kind: SessionKind {
            external: true,
            four_octet: true,
            families: vec![Family::Ipv4Unicast],
        },
        route_refresh: true,
        refresh_markers: false,
        message_bytes_max: MESSAGE_BYTES_MAX,
        says_end_of_rib: false,
        graceful: None,
    }
}

/// From a peer, with these ASes after its own.
fn announcement(peer: usize, after: &[u32], prefixes: &[&str]) -> Decoded {
    let next_hop = IpAddr::V4(Ipv4Addr::new(10, 0, peer as u8, 2));
    let path = [65100 + peer as u32]
        .into_iter()
        .chain(after.iter().copied());
    let attributes = Attributes {
        as_path: AsPath::sequence(path),
        ..Attributes::local(next_hop)
    };
    reach(attributes, prefixes)
}

fn reach(attributes: Attributes, prefixes: &[&str]) -> Decoded {
    Decoded {
        reach: vec![Reach {
            attributes: Arc::new(attributes),
            prefixes: prefixes.iter().map(|prefix| net(prefix)).collect(),
        }],
        ..Decoded::default()
    }
}

fn withdrawal(prefix: &str) -> Decoded {
    Decoded {
        withdrawn: vec![net(prefix)],
        ..Decoded::default()
    }
}

/// Destination and gateway of the installs.
fn installs(effects: &[Effect]) -> Vec<(String, String)> {
    effects
        .iter()
        .filter_map(|effect| {
            let Effect::Fib(FibChange::Install { prefix, next_hops }) = effect else {
                return None;
            };
            Some((prefix.to_string(), next_hops[0].gateway.to_string()))
        })
        .collect()
}

fn has(effects: &[Effect], change: &FibChange) -> bool {
    effects
        .iter()
        .any(|effect| matches!(effect, Effect::Fib(one) if one == change))
}

/// What a peer is told: announced with its path, or withdrawn.
fn told(effects: &[Effect], to: usize) -> Vec<(String, Option<String>)> {
    let mut all = Vec::new();
    for effect in effects {
        let Effect::Updates { peer, bytes, .. } = effect else {
            continue;
        };
        if *peer != to {
            continue;
        }
        let mut framer = Framer::default();
        framer.push(bytes);
        while let Some(frame) = framer.next_frame().unwrap() {
            assert_eq!(frame.kind, MessageType::Update);
            let decoded = decode_update(frame.body, &negotiated(0).kind).unwrap();
            all.extend(
                decoded
                    .withdrawn
                    .iter()
                    .map(|prefix| (prefix.to_string(), None)),
            );
            for reach in decoded.reach {
                let path = reach.attributes.as_path.to_string();
                let one = |prefix: &IpNet| (prefix.to_string(), Some(path.clone()));
                all.extend(reach.prefixes.iter().map(one));
            }
        }
    }
    all
}

#[test]
fn learn_replace_withdraw() {
    let mut rib = rib();
    rib.receive(FIRST, announcement(FIRST, &[7], &["192.0.2.0/24"]))
        .unwrap();
    let effects = rib.flush();
    assert_eq!(
        installs(&effects),
        [("192.0.2.0/24".into(), "10.0.0.2".into())]
    );
    assert_eq!(told(&effects, FIRST), []);
    let path = Some("65001 65100 7".to_owned());
    assert_eq!(told(&effects, SECOND), [("192.0.2.0/24".into(), path)]);

    // Implicit replacement (RFC 4271 §3.1): the path changes, the kernel need not.
    rib.receive(FIRST, announcement(FIRST, &[8], &["192.0.2.0/24"]))
        .unwrap();
    let effects = rib.flush();
    assert_eq!(installs(&effects), []);
    let path = Some("65001 65100 8".to_owned());
    assert_eq!(told(&effects, SECOND), [("192.0.2.0/24".into(), path)]);

    // The same again is nothing new.
    rib.receive(FIRST, announcement(FIRST, &[8], &["192.0.2.0/24"]))
        .unwrap();
    assert_eq!(rib.flush(), []);

    rib.receive(FIRST, withdrawal("192.0.2.0/24")).unwrap();
    let effects = rib.flush();
    let prefix = net("192.0.2.0/24");
    assert!(has(&effects, &FibChange::Remove { prefix }));
    assert_eq!(told(&effects, SECOND), [("192.0.2.0/24".into(), None)]);
    assert_eq!(rib.counts(FIRST), (0, 0, 1));
    rib.receive(FIRST, withdrawal("192.0.2.0/24")).unwrap();
    assert_eq!(rib.flush(), []);
}

#[test]
fn a_lost_session_gives_way_in_one_flush() {
    let mut rib = rib();
    for peer in [FIRST, SECOND] {
        rib.receive(
            peer,
            announcement(peer, &[7], &["192.0.2.0/24", "198.51.100.0/24"]),
        )
        .unwrap();
    }
    rib.receive(FIRST, announcement(FIRST, &[], &["203.0.113.0/24"]))
        .unwrap();
    rib.flush();
    rib.peer_down(FIRST);
    let effects = rib.flush();
    let via = |prefix: &str| (prefix.to_owned(), "10.0.1.2".to_owned());
    assert_eq!(
        installs(&effects),
        [via("192.0.2.0/24"), via("198.51.100.0/24")]
    );
    let prefix = net("203.0.113.0/24");
    assert!(has(&effects, &FibChange::Remove { prefix }));
    // The second peer hears only withdrawals: what is left came from itself.
    let lost = |prefix: &str| (prefix.to_owned(), None);
    let expected = [
        lost("192.0.2.0/24"),
        lost("198.51.100.0/24"),
        lost("203.0.113.0/24"),
    ];
    assert_eq!(told(&effects, SECOND), expected);
    let first_update = effects
        .iter()
        .position(|one| matches!(one, Effect::Updates { .. }));
    let last_fib = effects
        .iter()
        .rposition(|one| matches!(one, Effect::Fib(_)));
    assert!(last_fib < first_update, "{effects:?}");
    assert_eq!(rib.counts(FIRST), (0, 0, 0));
}

/// Loops, our own address as next hop, and a foreign first AS.
#[test]
fn unacceptable_routes_are_kept_out_and_replace_what_was_there() {
    let bad = [
        announcement(FIRST, &[7, OWN, 9], &["192.0.2.0/24"]),
        reach(
            Attributes {
                as_path: AsPath::sequence([65100]),
                ..Attributes::local("10.0.1.1".parse().unwrap())
            },
            &["192.0.2.0/24"],
        ),
        reach(
            Attributes {
                as_path: AsPath::sequence([65100]),
                originator_id: Some(Ipv4Addr::new(1, 1, 1, 1)),
                ..Attributes::local("10.0.0.2".parse().unwrap())
            },
            &["192.0.2.0/24"],
        ),
        reach(
            Attributes {
                as_path: AsPath::sequence([9, 65100]),
                ..Attributes::local("10.0.0.2".parse().unwrap())
            },
            &["192.0.2.0/24"],
        ),
    ];
    for (index, update) in bad.into_iter().enumerate() {
        let mut rib = rib();
        rib.receive(FIRST, announcement(FIRST, &[], &["192.0.2.0/24"]))
            .unwrap();
        rib.flush();
        let foreign = index == 3;
        let expected = if foreign { Err(Fault::FirstAs) } else { Ok(()) };
        assert_eq!(rib.receive(FIRST, update), expected);
        let prefix = net("192.0.2.0/24");
        assert!(has(&rib.flush(), &FibChange::Remove { prefix }), "{index}");
        // Kept before policy, unless treated as withdrawn.
        assert_eq!(rib.counts(FIRST).0, u64::from(!foreign));
        assert_eq!(rib.counts(FIRST).1, 0);
    }
}

#[test]
fn our_own_route_beats_any_learned_one() {
    let mut rib = rib();
    rib.receive(FIRST, announcement(FIRST, &[], &["10.0.0.0/8"]))
        .unwrap();
    assert_eq!(rib.flush(), []);
    let rows = rib.rows();
    assert_eq!(rows[0].peer, None);
    assert!(rows[0].best && !rows[1].used);
    assert_eq!(rib.fib().next().unwrap().1, []);
}

/// The kernel drops routes over an interface that loses carrier, so what looks
/// unchanged to us has to be put there again.
#[test]
fn routes_lost_with_carrier_are_installed_again() {
    let mut rib = rib();
    rib.receive(SECOND, announcement(SECOND, &[], &["192.0.2.0/24"]))
        .unwrap();
    rib.flush();
    rib.set_interfaces(interfaces(false));
    let effects = rib.flush();
    let prefix = net("192.0.2.0/24");
    assert!(has(&effects, &FibChange::Remove { prefix }));
    assert_eq!(told(&effects, FIRST), [("192.0.2.0/24".into(), None)]);
    rib.set_interfaces(interfaces(true));
    assert_eq!(
        installs(&rib.flush()),
        [("192.0.2.0/24".into(), "10.0.1.2".into())]
    );
    // Down and up between two flushes: our table is the same, the kernel's is not.
    rib.set_interfaces(interfaces(false));
    rib.set_interfaces(interfaces(true));
    assert_eq!(
        installs(&rib.flush()),
        [("192.0.2.0/24".into(), "10.0.1.2".into())]
    );
    rib.set_interfaces(interfaces(true));
    assert_eq!(rib.flush(), []);
}

/// RFC 2918: a refresh repeats everything, and a route that goes in the same
/// instant is withdrawn all the same.
#[test]
fn a_refresh_and_a_withdrawal_together() {
    let mut rib = rib();
    rib.receive(
        FIRST,
        announcement(FIRST, &[7], &["192.0.2.0/24", "198.51.100.0/24"]),
    )
    .unwrap();
    rib.flush();
    rib.refresh(SECOND, Family::Ipv4Unicast);
    rib.receive(FIRST, withdrawal("192.0.2.0/24")).unwrap();
    let said = told(&rib.flush(), SECOND);
    assert_eq!(said[0], ("192.0.2.0/24".to_owned(), None));
    let again: Vec<&str> = said[1..]
        .iter()
        .map(|(prefix, _)| prefix.as_str())
        .collect();
    assert_eq!(again, ["10.0.0.0/8", "198.51.100.0/24"]);
}

/// AWS announces the maintenance of a tunnel so.
#[test]
fn a_med_is_told_of_every_route_and_taken_back() {
    let mut rib = rib();
    rib.receive(FIRST, announcement(FIRST, &[7], &["192.0.2.0/24"]))
        .unwrap();
    rib.flush();
    let prefixes = |said: &[(String, Option<String>)]| -> Vec<String> {
        said.iter().map(|(prefix, _)| prefix.clone()).collect()
    };
    for med in [Some(200), None] {
        rib.set_med(SECOND, med);
        let effects = rib.flush();
        let said = told(&effects, SECOND);
        assert!(said.iter().all(|(_, path)| path.is_some()));
        assert_eq!(prefixes(&said), ["10.0.0.0/8", "192.0.2.0/24"]);
        assert_eq!(told(&effects, FIRST), []);
        // The attribute's head (RFC 4271 §5.1.4: type 4, four bytes) and the value.
        let med_200 = [0x80, 4, 4, 0, 0, 0, 200];
        let has = effects.iter().any(|effect| match effect {
            Effect::Updates { bytes, .. } => bytes.windows(7).any(|seven| seven == med_200),
            Effect::Fib(_) | Effect::Refresh { .. } | Effect::TooLarge { .. } => false,
        });
        assert_eq!(has, med.is_some());
        assert_eq!(rib.flush(), []);
    }
    rib.set_med(SECOND, None);
    assert_eq!(rib.flush(), []);
}

/// Attributes that have become too big for a message take the old route away.
#[test]
fn what_cannot_be_told_is_withdrawn() {
    let mut rib = rib();
    rib.receive(FIRST, announcement(FIRST, &[], &["192.0.2.0/24"]))
        .unwrap();
    rib.flush();
    let huge = Attributes {
        as_path: AsPath::sequence([65100]),
        communities: (0..1_100).map(Community).collect(),
        ..Attributes::local("10.0.0.2".parse().unwrap())
    };
    rib.receive(FIRST, reach(huge, &["192.0.2.0/24"])).unwrap();
    let effects = rib.flush();
    let prefix = net("192.0.2.0/24");
    let refused = Effect::TooLarge {
        peer: SECOND,
        prefix,
    };
    assert!(effects.contains(&refused), "{effects:?}");
    assert_eq!(told(&effects, SECOND), [("192.0.2.0/24".into(), None)]);
    assert_eq!(rib.counts(SECOND).2, 1);
}

/// Routes that share their attributes share messages, also when they came in
/// messages of their own.
#[test]
fn updates_are_packed() {
    let mut rib = rib();
    for index in 0..3_000_u32 {
        let prefix = format!("172.{}.{}.0/24", 16 + index / 256, index % 256);
        rib.receive(FIRST, announcement(FIRST, &[7], &[&prefix]))
            .unwrap();
    }
    let effects = rib.flush();
    let messages = effects.iter().find_map(|effect| {
        let Effect::Updates { peer, messages, .. } = effect else {
            return None;
        };
        (*peer == SECOND).then_some(*messages)
    });
    // Four bytes each: a thousand fit beside the attributes.
    assert_eq!(messages, Some(3));
    assert_eq!(told(&effects, SECOND).len(), 3_000);
}

/// Accepted prefixes count, not received ones, and replacements count once.
#[test]
fn max_prefix_counts_accepted_prefixes() {
    let mut rib = rib();
    rib.peers[FIRST].config.max_prefix = Some(2);
    rib.receive(
        FIRST,
        announcement(FIRST, &[], &["192.0.2.0/24", "192.0.3.0/24"]),
    )
    .unwrap();
    rib.receive(FIRST, announcement(FIRST, &[7], &["192.0.2.0/24"]))
        .unwrap();
    rib.receive(FIRST, announcement(FIRST, &[OWN], &["192.0.4.0/24"]))
        .unwrap();
    assert_eq!(rib.counts(FIRST).1, 2);
    let third = announcement(FIRST, &[], &["192.0.5.0/24"]);
    assert_eq!(rib.receive(FIRST, third), Err(Fault::MaxPrefix(2)));
}
