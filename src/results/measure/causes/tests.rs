use super::*;
use crate::{
    results::{
        event::{BfdStanding, BgpStanding, PathStanding, RouteStanding},
        measure::{measure, tests::lab},
    },
    units::SessionName,
};

const DB: &str = "172.31.1.10";

fn path(from: &str, local_pref: u32, as_path: &str) -> PathStanding {
    PathStanding {
        prefix: "172.31.0.0/16".parse().unwrap(),
        best: false,
        reachable: true,
        next_hop: "169.254.1.1".parse().ok(),
        as_path: as_path.to_owned(),
        local_pref: Some(local_pref),
        med: None,
        from: Some(from.to_owned()),
        source: "ebgp".to_owned(),
    }
}

fn best(from: &str, local_pref: u32, as_path: &str) -> PathStanding {
    PathStanding {
        best: true,
        ..path(from, local_pref, as_path)
    }
}

fn router(node: &str, paths: Vec<PathStanding>) -> NodeStanding {
    NodeStanding {
        node: node.to_owned(),
        paths,
        ..NodeStanding::default()
    }
}

fn stands(input: &mut RunInput, standing: NodeStanding) {
    let kind = EventKind::Standing(Box::new(standing));
    input.events.push(Event {
        at: lab::START,
        kind,
    });
}

/// What explains that traffic took `prod` where it should never.
fn astray(standing: NodeStanding) -> Vec<String> {
    let mut input = lab::clean_silent_cut(false);
    stands(&mut input, standing);
    let one = &mut input.expectations[0];
    (one.outage_max, one.via) = (None, None);
    one.label = BEFORE.to_owned();
    one.further.never_via = SessionName::new("prod").ok();
    texts(&measure(&input).causes)
}

fn texts(causes: &[Cause]) -> Vec<String> {
    causes.iter().map(|cause| cause.text.clone()).collect()
}

#[test]
fn a_choice_names_what_decided_it() {
    let other = |with: fn(&mut PathStanding)| {
        let mut other = path("backup.1", 100, "64512");
        with(&mut other);
        let paths = vec![best("prod", 100, "64512"), other];
        astray(router("dc1", paths))
    };
    for (other, why) in [
        (
            other(|p| p.local_pref = Some(50)),
            "local-pref 100 against 50",
        ),
        (
            other(|p| p.as_path = "65001 65001 64512".to_owned()),
            "an AS path of 1 (64512) against 3 (65001 65001 64512)",
        ),
        (other(|p| p.med = Some(5)), "MED 0 against 5"),
        (other(|p| p.source = "ibgp".to_owned()), "ebgp before ibgp"),
        (
            other(|p| p.reachable = false),
            "its next hop 169.254.1.1 is unreachable there",
        ),
        (
            other(|_| {}),
            "a tie, which the lower router ID or the older path decides",
        ),
    ] {
        let said = format!("dc1 takes `prod` to 172.31.0.0/16, not `backup.1`: {why}");
        assert_eq!(other, [said]);
    }
}

#[test]
fn a_static_route_that_leads_elsewhere_overrules_bgp() {
    let routed = |by: &str, over: &str| {
        let mut dc1 = router("dc1", vec![best("backup.1", 100, "64512")]);
        dc1.routes = vec![RouteStanding {
            to: DB.parse().unwrap(),
            prefix: "172.31.0.0/16".parse().ok(),
            by: Some(by.to_owned()),
            over: Some(over.to_owned()),
        }];
        astray(dc1)
    };
    assert_eq!(
        routed("static", "circuit"),
        [
            "the route to 172.31.0.0/16 at dc1 is static over `circuit`, not BGP's: BGP's best path, over `backup.1`, is not used"
        ]
    );
    assert!(routed("static", "backup.1").is_empty());
    assert!(routed("bgp", "circuit").is_empty());
}

#[test]
fn a_run_that_met_everything_has_no_causes() {
    let mut input = lab::clean_silent_cut(false);
    stands(&mut input, router("dc1", vec![best("prod", 1, "1")]));
    assert!(measure(&input).causes.is_empty());
}

/// What explains that the cut of `circuit` was not over by the backup in time.
fn after_cut(standings: Vec<NodeStanding>) -> Vec<String> {
    let mut input = lab::clean_silent_cut(false);
    for standing in standings {
        stands(&mut input, standing);
    }
    let session = &mut input.topology.sessions[2];
    assert_eq!(session.name, "backup.1");
    let one = &mut input.expectations[0];
    one.outage_max = Some(crate::units::Span::from_millis(700));
    one.via = None;
    texts(&measure(&input).causes)
}

fn bgp(session: &str, state: &str, hold_ms: u64) -> BgpStanding {
    BgpStanding {
        session: session.to_owned(),
        state: state.to_owned(),
        hold_ms: Some(hold_ms),
        accepted: None,
        advertised: None,
        reason: None,
    }
}

fn bfd(session: &str, state: &str) -> BfdStanding {
    BfdStanding {
        session: session.to_owned(),
        state: state.to_owned(),
    }
}

fn speaker(node: &str, hold_ms: u64, guarded: Option<&str>) -> NodeStanding {
    NodeStanding {
        node: node.to_owned(),
        bgp: vec![bgp("prod", "Established", hold_ms)],
        bfd: guarded
            .map(|state| bfd("prod", state))
            .into_iter()
            .collect(),
        ..NodeStanding::default()
    }
}

#[test]
fn a_longer_hold_time_than_the_labs_explains_a_long_outage() {
    let ends = |hold| {
        vec![
            speaker("dc1", hold, Some("Up")),
            speaker("east", hold, Some("Up")),
        ]
    };
    assert_eq!(
        after_cut(ends(180_000)),
        [
            "`prod` runs with a hold time of 180 s, and the lab says 90s: the lower of what dc1 and east offer holds (RFC 4271 §4.2), so neither is configured with 90s"
        ]
    );
    assert!(after_cut(ends(90_000)).is_empty());
}

#[test]
fn an_end_without_bfd_explains_a_long_outage() {
    let ends = vec![
        speaker("dc1", 90_000, None),
        speaker("east", 90_000, Some("Down")),
    ];
    let [said] = after_cut(ends).try_into().unwrap();
    let begins = "no BFD session between dc1 and east for `prod`: dc1 has none with east";
    assert!(said.starts_with(begins), "{said}");
}

#[test]
fn a_prefix_that_one_end_does_not_take_or_tell_is_named() {
    let withheld = |announced: bool| {
        let mut input = lab::clean_silent_cut(false);
        // vgw has a way to the VPC that it did not hear from dc1, and dc1 only its way by prod.
        stands(&mut input, router("dc1", vec![best("prod", 100, "64512")]));
        let own = PathStanding {
            from: None,
            source: "local".to_owned(),
            ..best("", 100, "")
        };
        stands(&mut input, router("vgw", vec![own]));
        let prefix = "172.31.0.0/16".parse().unwrap();
        if announced {
            lab::update(
                &mut input,
                lab::START,
                ("backup.1", "vgw", "dc1"),
                prefix,
                true,
            );
        }
        input.expectations[0].via = Some("backup".to_owned());
        input.expectations[0].outage_max = Some(crate::units::Span::from_millis(1));
        let map = Map::new(&input.topology);
        let seen = Seen::at_first(&map, &input.events);
        let session = &input.topology.sessions[2];
        seen.withheld(session, ("db", DB.parse().unwrap()))
            .unwrap()
            .text
    };
    assert!(withheld(true).ends_with("dc1's import policy refuses it"));
    assert!(withheld(false).ends_with("vgw's export policy withholds it"));
}

/// What explains that a lab does not converge.
fn obstacles_of(standings: Vec<NodeStanding>, more: Vec<EventKind>) -> Vec<String> {
    let mut input = lab::run(false);
    for standing in standings {
        stands(&mut input, standing);
    }
    let events = more.into_iter().map(|kind| Event {
        at: lab::START,
        kind,
    });
    input.events.extend(events);
    input.topology.sessions.truncate(1);
    texts(&obstacles(&input.events, &input.topology, &[]))
}

fn notification(code: (u8, u8)) -> EventKind {
    EventKind::WireBgp {
        link: "circuit".to_owned(),
        vlan: None,
        from: "dc1".to_owned(),
        to: "east".to_owned(),
        message: "NOTIFICATION".to_owned(),
        announced: Vec::new(),
        withdrawn: Vec::new(),
        code: Some(code),
        dropped: false,
    }
}

#[test]
fn a_session_that_ended_says_by_which_notification() {
    let idle = || {
        let mut dc1 = speaker("dc1", 90_000, Some("Up"));
        dc1.bgp = vec![bgp("prod", "Idle", 0)];
        vec![dc1, speaker("east", 90_000, Some("Up"))]
    };
    assert_eq!(
        obstacles_of(idle(), vec![notification((6, 1))]),
        [
            "dc1 ended `prod` with Cease, Maximum Number of Prefixes Reached: east announces 0 prefixes there, more than dc1's `maximum-prefix` takes"
        ]
    );
    assert_eq!(
        obstacles_of(idle(), vec![notification((2, 2))]),
        ["dc1 ended `prod` with NOTIFICATION 2/2 (Bad Peer AS)"]
    );
    assert!(obstacles_of(idle(), Vec::new()).is_empty());
}

#[test]
fn a_neighbour_that_a_configuration_does_not_name_is_told() {
    let mut dc1 = speaker("dc1", 90_000, None);
    dc1.bgp.clear();
    let mut east = speaker("east", 90_000, Some("Down"));
    east.bgp = vec![bgp("prod", "Connect", 0)];
    let said = obstacles_of(vec![dc1, east], Vec::new());
    let first = "dc1 has no BGP neighbour at east's address on `circuit`";
    assert!(said[0].starts_with(first), "{said:?}");
}

#[test]
fn bfd_that_arrives_and_is_not_heard_is_a_filters() {
    let ends = || {
        vec![
            speaker("dc1", 90_000, Some("Down")),
            speaker("east", 90_000, Some("Init")),
        ]
    };
    let seen = EventKind::WireBfd {
        link: "circuit".to_owned(),
        vlan: None,
        from: "east".to_owned(),
        state: "Init".to_owned(),
        diagnostic: String::new(),
        dropped: false,
    };
    assert_eq!(
        obstacles_of(ends(), vec![seen]),
        [
            "BFD packets that east sends over `circuit` arrive at dc1, and dc1's BFD of `prod` stays Down as if none came; east hears dc1: something in dc1 drops UDP 3784, such as a packet filter"
        ]
    );
    assert!(obstacles_of(ends(), Vec::new()).is_empty());
}

#[test]
fn a_flow_without_a_way_ends_where_a_router_has_no_route() {
    let mut input = lab::run(false);
    input.topology.sessions.clear();
    let to: IpAddr = DB.parse().unwrap();
    let flow = Stuck {
        from: "app".to_owned(),
        to: "db".to_owned(),
        destination: to,
    };
    let said = |over: Option<&str>, paths| {
        let mut dc1 = router("dc1", paths);
        dc1.routes = vec![RouteStanding {
            to,
            prefix: None,
            by: None,
            over: over.map(str::to_owned),
        }];
        let mut east = router("east", Vec::new());
        east.routes = vec![RouteStanding {
            to,
            prefix: None,
            by: None,
            over: Some("circuit".to_owned()),
        }];
        let kinds = [dc1, east].map(|one| EventKind::Standing(Box::new(one)));
        let events = kinds.map(|kind| Event { at: 1, kind });
        texts(&obstacles(
            &events,
            &input.topology,
            std::slice::from_ref(&flow),
        ))
    };
    assert_eq!(
        said(None, Vec::new()),
        ["app → db: dc1 has no route to 172.31.1.10"]
    );
    let mut unusable = path("prod", 100, "64512");
    unusable.reachable = false;
    assert_eq!(
        said(None, vec![unusable]),
        [
            "app → db: dc1 has no route to 172.31.1.10: of its path over `prod` the next hop 169.254.1.1 is unreachable"
        ]
    );
    assert_eq!(
        said(Some("circuit"), Vec::new()),
        ["app → db: the routes lead in a loop: dc1, east, dc1"]
    );
}
