//! What holds of every plan, and what the headline lab becomes.

mod cuts;
mod invariants;
mod ipsec;
mod labs;
mod random;
mod sitelink;
mod subnets;

use super::*;
use crate::{
    lab::{
        model::{Daemon, External, Kind, Lab, OwnConfig},
        op::{Netns, Op, RouteTarget},
    },
    units::{Attachment, Match, RouteChoice, Set, SpeakerConfig, Suite},
};

fn compile(lab: &Lab) -> Plan {
    let plan = plan(lab, &HostFacts::default()).unwrap();
    invariants::hold(&plan);
    plan
}

fn speaker<'p>(plan: &'p Plan, name: &str) -> &'p SpeakerConfig {
    let node = plan.node(name);
    let DaemonPlan::Embedded(config) = &node.unwrap().daemon else {
        panic!("{name} runs no speaker");
    };
    config
}

#[test]
fn the_headline_lab_becomes_seven_namespaces_four_wires_and_a_tunnel() {
    let plan = compile(&labs::dx_vpn_backup());
    let names: Vec<&str> = plan.nodes.iter().map(|node| node.name.as_str()).collect();
    assert_eq!(names, ["dc1", "app", "east", "isp", "vgw", "vpc1", "db"]);
    assert_eq!((plan.wires.len(), plan.direct.len()), (4, 3));
    assert_eq!((plan.tunnels.len(), plan.sessions.len()), (1, 3));
    assert_eq!(plan.tunnels[0].mtu.get(), 1420);
    assert_eq!(plan.flows.len(), 2);
    // A host with nothing optional: untagged, no MSS clamped and no cap enforced.
    assert_eq!((plan.notes.len(), plan.stand_ins.len()), (3, 2));
}

#[test]
fn a_location_speaks_with_its_gateways_as_and_adds_no_hop() {
    let plan = compile(&labs::dx_vpn_backup());
    let inside = plan.sessions.iter().find(|session| session.modelled);
    let inside = inside.unwrap();
    assert_eq!(inside.ends[0].asn, inside.ends[1].asn);
    assert_eq!(speaker(&plan, "east").asn, speaker(&plan, "vgw").asn);
    assert!(
        speaker(&plan, "east")
            .peers
            .iter()
            .any(|peer| peer.next_hop_self)
    );
}

#[test]
fn aws_chooses_by_its_own_rules_and_the_customer_by_his_local_pref() {
    let plan = compile(&labs::dx_vpn_backup());
    let peer = |node: &str, session: &str| {
        let peers = &speaker(&plan, node).peers;
        let peer = peers.iter().find(|peer| peer.session.as_str() == session);
        peer.unwrap().clone()
    };
    assert_eq!(speaker(&plan, "east").choice, RouteChoice::DirectConnect);
    assert_eq!(speaker(&plan, "vgw").choice, RouteChoice::Vgw);
    let attached = |session| peer("vgw", session).attachment;
    assert_eq!(attached("backup"), Some(Attachment::Vpn));
    assert_eq!(attached("aws-backbone"), Some(Attachment::DirectConnect));
    // What is attached decides there, so nothing sets a preference.
    assert!(peer("vgw", "backup").import.rules[0].set.is_empty());
    assert_eq!(speaker(&plan, "dc1").choice, RouteChoice::Standard);
    let own = |session| peer("dc1", session).import.rules[0].set.clone();
    assert_eq!(own("prod"), [Set::LocalPref(200)]);
    assert_eq!(own("backup"), [Set::LocalPref(100)]);
}

#[test]
fn announce_is_a_closed_list_of_own_prefixes() {
    let plan = compile(&labs::dx_vpn_backup());
    for peer in &speaker(&plan, "dc1").peers {
        let [rule] = peer.export.rules.as_slice() else {
            panic!("one rule, no more: {:?}", peer.export);
        };
        assert!(rule.matches.iter().any(|one| matches!(one, Match::From(_))));
        assert!(
            rule.matches
                .iter()
                .any(|one| matches!(one, Match::Prefix(_)))
        );
    }
}

/// Every address of the plan with its place.
fn places(plan: &Plan) -> Vec<String> {
    let is_address = |op: &&Op| matches!(op, Op::AddAddress { .. });
    let added = plan.ops.iter().filter(is_address).map(Op::to_string);
    let tunnels = plan.tunnels.iter().flat_map(|tunnel| &tunnel.ends);
    added
        .chain(tunnels.map(|end| format!("{} {:?}", end.node, end.inside)))
        .collect()
}

#[test]
fn a_new_node_or_link_changes_nobody_elses_address() {
    let lab = labs::dx_vpn_backup();
    let before = places(&compile(&lab));
    let mut more = lab.clone();
    let router = labs::node(Kind::Router, None, Daemon::None);
    let router = labs::with_host(router, "aaa", &["10.77.0.10/24"]);
    more.nodes.insert(labs::name("aaa"), router);
    for (name, to) in [("aa", "dc1"), ("zz", "isp")] {
        let link = labs::link("aaa", to, 1);
        more.links.insert(labs::link_name(name), link);
    }
    let after = places(&compile(&more));
    assert_eq!(after.len(), before.len() + 6);
    for place in before {
        assert!(after.contains(&place), "{place}");
    }
}

#[test]
fn hosts_of_one_name_are_told_apart_by_their_nodes() {
    let mut lab = labs::dx_vpn_backup();
    let isp = labs::name("isp");
    let node = lab.nodes.remove(&isp).unwrap();
    let node = labs::with_host(node, "app", &["203.0.113.10/24"]);
    lab.nodes.insert(isp, node);
    let plan = compile(&lab);
    let names: Vec<&str> = plan.nodes.iter().map(|node| node.name.as_str()).collect();
    assert!(names.contains(&"dc1-app") && names.contains(&"isp-app"));
    assert!(!names.contains(&"app") && names.contains(&"db"));
    assert_eq!(plan.flows[0].from.as_str(), "dc1-app");
}

#[test]
fn a_lab_that_wants_frr_is_refused_where_there_is_none() {
    let mut lab = labs::dx_vpn_backup();
    let dc1 = lab.nodes.get_mut(&labs::name("dc1")).unwrap();
    dc1.daemon = Daemon::External(External {
        suite: Suite::Frr,
        install: None,
        config: None,
    });
    let errors = plan(&lab, &HostFacts::default()).unwrap_err();
    assert!(matches!(errors[..], [PlanError::NoSuite { .. }]));
    assert!(errors[0].is_lack_of_host());
}

#[test]
fn a_tunnel_is_never_reached_through_itself() {
    let plan = compile(&labs::dx_vpn_backup());
    let [a, b] = &plan.tunnels[0].ends;
    for (near, far) in [(a, b), (b, a)] {
        let pin = plan.ops.iter().find_map(|op| {
            let Op::AddRoute {
                netns: Netns::Node(node),
                prefix,
                to: RouteTarget::Via(gateway),
                ..
            } = op
            else {
                return None;
            };
            (*node == near.node && prefix.addr() == far.outer.ip()).then_some((prefix, gateway))
        });
        let (prefix, gateway) = pin.expect("a pinned route");
        assert_eq!(prefix.prefix_len(), 32);
        assert!(near.inside.iter().all(|inside| !inside.contains(gateway)));
    }
}

#[test]
fn an_own_configuration_without_a_sessions_peer_is_remarked_on() {
    let mut lab = labs::dx_vpn_backup();
    let generated = compile(&lab);
    let sessions = generated.sessions.iter();
    let peers: Vec<String> = sessions
        .flat_map(|session| &session.ends)
        .filter(|end| end.node.as_str() != "dc1")
        .map(|end| end.address.to_string())
        .collect();
    let mut remarks = |text: String| {
        let dc1 = lab.nodes.get_mut(&labs::name("dc1")).unwrap();
        dc1.daemon = Daemon::External(External {
            suite: Suite::Bird,
            install: None,
            config: Some(OwnConfig {
                path: "own.conf".to_owned(),
                text,
            }),
        });
        let host = HostFacts {
            suites: vec![SuiteFacts {
                suite: Suite::Bird,
                install: None,
                version: String::new(),
                known_bad: None,
            }],
            ..HostFacts::default()
        };
        let notes = plan(&lab, &host).unwrap().notes;
        notes.iter().filter(|n| n.starts_with("own.conf")).count()
    };
    let all = peers.iter().map(|peer| format!("neighbor {peer};"));
    assert_eq!(remarks(all.collect()), 0);
    assert_eq!(remarks("neighbor 169.254.1.1 as 64512;".to_owned()), 2);
}

#[test]
fn a_release_with_a_known_defect_is_named_as_that() {
    let mut lab = labs::dx_vpn_backup();
    lab.nodes.get_mut(&labs::name("dc1")).unwrap().daemon = Daemon::External(External {
        suite: Suite::Frr,
        install: None,
        config: None,
    });
    let host = HostFacts {
        suites: vec![SuiteFacts {
            suite: Suite::Frr,
            install: None,
            version: "10.4.1".to_owned(),
            known_bad: Some("the teardown is late".to_owned()),
        }],
        ..HostFacts::default()
    };
    let notes = plan(&lab, &host).unwrap().notes;
    let said = "known defect: FRR 10.4.1: the teardown is late; install another release, or name this one with the number";
    assert!(notes.iter().any(|note| note == said), "{notes:?}");
}
