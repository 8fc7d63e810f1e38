//! A transit gateway's route tables: each chooses among what is propagated into it, and only
//! what is associated with it is told.

use super::{
    Effect, FIRST, FibChange, Rib, SECOND, announcement, installs, interfaces, negotiated, net,
    peer, reach, told, withdrawal,
};
use crate::proto::bgp::wire::{AsPath, Attributes};
use crate::units::{
    Community, RegionName, RouteChoice, RouteTable, RouteTableName, SessionName, StaticHop,
    StaticPath, fixture,
};

fn table(name: &str, associated: &[&str], propagated: &[&str]) -> RouteTable {
    let sessions = |names: &[&str]| {
        let names = names.iter();
        names.map(|name| SessionName::new(*name).unwrap()).collect()
    };
    RouteTable {
        name: RouteTableName::new(name).unwrap(),
        table: 101,
        region: None,
        associated: sessions(associated),
        propagated: sessions(propagated),
        statics: Vec::new(),
    }
}

/// The table of a speaker with two peers, both up, and what it said until then.
fn rib(table: &RouteTable) -> Rib {
    let config = fixture::speaker("tgw", 64512, "1.1.1.1", vec![peer(0), peer(1)]);
    let mut rib = Rib::of(&config, Some(table));
    rib.set_interfaces(interfaces(true));
    rib.start();
    for index in [FIRST, SECOND] {
        rib.peer_up(index, negotiated(index as u8));
    }
    rib.flush();
    rib
}

const PREFIX: &str = "172.31.0.0/16";

#[test]
fn a_table_chooses_among_what_propagates_into_it() {
    // The better path is the first peer's, and does not propagate into the first table.
    let mut spokes = rib(&table("spokes", &[], &["s1"]));
    let mut core = rib(&table("core", &[], &["s0", "s1"]));
    let gateways = [&mut spokes, &mut core].map(|rib| {
        rib.receive(FIRST, announcement(FIRST, &[], &[PREFIX]))
            .unwrap();
        rib.receive(SECOND, announcement(SECOND, &[65200], &[PREFIX]))
            .unwrap();
        installs(&rib.flush())
    });
    let by = |gateway: &str| vec![(PREFIX.to_owned(), gateway.to_owned())];
    assert_eq!(gateways, [by("10.0.1.2"), by("10.0.0.2")]);
    // What is not propagated is not shown either.
    let shown = |rib: &Rib| rib.rows().iter().map(|row| row.peer).collect::<Vec<_>>();
    assert_eq!(shown(&spokes), [Some(SECOND)]);
    assert_eq!(shown(&core), [Some(FIRST), Some(SECOND)]);

    // Its only way goes: gone, whatever another table has.
    spokes.receive(SECOND, withdrawal(PREFIX)).unwrap();
    let prefix = net(PREFIX);
    assert_eq!(spokes.flush(), [Effect::Fib(FibChange::Remove { prefix })]);
}

#[test]
fn only_what_is_associated_with_a_table_is_told_what_is_in_it() {
    let tell = |associated: &[&str]| {
        let mut rib = rib(&table("core", associated, &["s0"]));
        rib.receive(FIRST, announcement(FIRST, &[], &[PREFIX]))
            .unwrap();
        told(&rib.flush(), SECOND).len()
    };
    assert_eq!(tell(&["s1"]), 1);
    assert_eq!(tell(&["s0"]), 0);
    assert_eq!(tell(&[]), 0);
}

#[test]
fn a_static_route_is_its_own_tables() {
    let mut table = table("spokes", &[], &["s0"]);
    table.statics.push(StaticPath {
        prefix: net(PREFIX),
        to: StaticHop::Blackhole,
        propagated: None,
        floating: false,
    });
    let mut rib = rib(&table);
    rib.receive(FIRST, announcement(FIRST, &[], &[PREFIX]))
        .unwrap();
    assert_eq!(installs(&rib.flush()), []);
    let held: Vec<_> = rib
        .fib()
        .map(|(prefix, hops)| (*prefix, hops.len()))
        .collect();
    assert_eq!(held, [(net(PREFIX), 0)]);
}

/// The gateways by which traffic of a Region goes: the first peer's location is in the United
/// States, the second's in Europe. Their paths differ in these tags alone.
fn ways(region: Option<&str>, tags: [Option<u32>; 2]) -> Vec<String> {
    let region_of = |name: &str| RegionName::new(name).unwrap();
    let mut peers = vec![peer(0), peer(1)];
    peers[FIRST].region = Some(region_of("us-east-1"));
    peers[SECOND].region = Some(region_of("eu-west-1"));
    let mut config = fixture::speaker("dxgw", 64520, "1.1.1.1", peers);
    config.choice = RouteChoice::DirectConnect;
    config.multipath = 8;
    let mut table = table("traffic", &[], &["s0", "s1"]);
    table.region = region.map(region_of);
    let mut rib = Rib::of(&config, Some(&table));
    rib.set_interfaces(interfaces(true));
    rib.start();
    for (index, tag) in tags.into_iter().enumerate() {
        rib.peer_up(index, negotiated(index as u8));
        let mut attributes = Attributes {
            as_path: AsPath::sequence([65100 + index as u32]),
            ..Attributes::local(format!("10.0.{index}.2").parse().unwrap())
        };
        if let Some(tag) = tag {
            attributes.add_community(Community(7224 << 16 | tag));
        }
        rib.receive(index, reach(attributes, &[PREFIX])).unwrap();
    }
    rib.flush();
    let hops = rib.fib().flat_map(|(_, hops)| hops);
    hops.map(|hop| hop.gateway.to_string()).collect()
}

#[test]
fn traffic_of_a_region_prefers_its_own_locations() {
    let (us, eu) = ("10.0.0.2", "10.0.1.2");
    assert_eq!(ways(Some("us-east-1"), [None, None]), [us]);
    assert_eq!(ways(Some("eu-west-1"), [None, None]), [eu]);
    // A third Region has none of its own, and what comes by a VIF is of none.
    assert_eq!(ways(Some("ap-south-1"), [None, None]), [us, eu]);
    assert_eq!(ways(None, [None, None]), [us, eu]);
}

#[test]
fn a_community_stands_in_for_the_region() {
    let (us, eu) = ("10.0.0.2", "10.0.1.2");
    let of_eu = |tags| ways(Some("eu-west-1"), tags);
    assert_eq!(of_eu([Some(7300), None]), [us]);
    assert_eq!(
        of_eu([Some(7200), None]),
        [us, eu],
        "medium, like the own Region's"
    );
    assert_eq!(of_eu([Some(7200), Some(7100)]), [us]);
    assert_eq!(of_eu([Some(7100), None]), [eu]);
}

/// A location has the AS of the gateway that a session is for: in what it says, and where it
/// looks for itself in an AS_PATH.
#[test]
fn each_session_may_have_an_as_of_its_own() {
    let mut peers = vec![peer(0), peer(1)];
    peers[SECOND].local_asn = Some(fixture::asn(64513));
    let config = fixture::speaker("east", 64512, "1.1.1.1", peers);
    let mut rib = Rib::of(&config, Some(&table("all", &["s0", "s1"], &["s0", "s1"])));
    rib.set_interfaces(interfaces(true));
    rib.start();
    for index in [FIRST, SECOND] {
        rib.peer_up(index, negotiated(index as u8));
    }
    rib.flush();
    rib.receive(FIRST, announcement(FIRST, &[], &[PREFIX]))
        .unwrap();
    let path = Some("64513 65100".to_owned());
    assert_eq!(told(&rib.flush(), SECOND), [(PREFIX.to_owned(), path)]);

    // A loop for the one AS is none for the other.
    let looped = |rib: &mut Rib, peer: usize| {
        let other = "192.0.2.0/24";
        rib.receive(peer, announcement(peer, &[64513], &[other]))
            .unwrap();
        rib.flush();
        rib.rows().iter().any(|row| row.prefix == net(other))
    };
    assert!(looped(&mut rib, FIRST));
    rib.receive(FIRST, withdrawal("192.0.2.0/24")).unwrap();
    assert!(!looped(&mut rib, SECOND));
}
