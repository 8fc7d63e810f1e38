//! What holds of every plan, and what the headline lab becomes.

mod invariants;
mod labs;

use super::*;
use crate::units::{Match, Set};

fn compile(lab: &crate::lab::model::Lab) -> Plan {
    let plan = plan(lab, &HostFacts::default()).unwrap();
    invariants::hold(&plan);
    plan
}

fn speaker<'p>(plan: &'p Plan, name: &str) -> &'p crate::units::SpeakerConfig {
    let node = plan.nodes.iter().find(|node| node.name.as_str() == name);
    match &node.unwrap().daemon {
        DaemonPlan::Embedded(config) => config,
        other => panic!("{name} runs {other:?}"),
    }
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
    assert_eq!(plan.notes.len(), 3);
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
fn aws_prefers_direct_connect_by_local_pref_and_the_customer_by_his_own() {
    let plan = compile(&labs::dx_vpn_backup());
    let last_set = |node: &str, session: &str| {
        let peers = &speaker(&plan, node).peers;
        let peer = peers.iter().find(|peer| peer.session.as_str() == session);
        let rule = peer.unwrap().import.rules.last().unwrap();
        rule.set.first().cloned()
    };
    assert_eq!(last_set("east", "prod"), Some(Set::LocalPref(200)));
    assert_eq!(last_set("vgw", "backup"), Some(Set::LocalPref(100)));
    assert_eq!(last_set("dc1", "prod"), Some(Set::LocalPref(200)));
    assert_eq!(last_set("dc1", "backup"), Some(Set::LocalPref(100)));
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
