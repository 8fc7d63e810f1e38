//! Labs nobody would draw.

use proptest::prelude::*;

use super::{
    super::{HostFacts, Plan, plan},
    invariants, labs,
};
use crate::lab::model::{Daemon, Kind, Lab, SessionKind};

/// A chain of routers and switches with cross links, sessions wherever two
/// routers meet, and hosts with one or both families.
fn lab() -> impl Strategy<Value = Lab> {
    let nodes = prop::collection::vec((0u8..4, 0usize..4, any::<bool>()), 2..7);
    let cross = prop::collection::vec((0usize..7, 0usize..7), 0..6);
    (nodes, cross, any::<bool>()).prop_map(|(nodes, cross, long)| draw(&nodes, &cross, long))
}

fn draw(nodes: &[(u8, usize, bool)], cross: &[(usize, usize)], long: bool) -> Lab {
    let mut lab = labs::empty();
    for (number, &(kind, hosts, v6)) in nodes.iter().enumerate() {
        let asn = 65_001 + number as u32;
        let mut node = match kind {
            0 => labs::node(Kind::Switch, None, Daemon::None),
            1 => labs::node(Kind::Internet, None, Daemon::None),
            _ => labs::node(Kind::Router, Some(asn), Daemon::Embedded),
        };
        for host in 0..if kind == 0 { 0 } else { hosts } {
            // The second host shares the first one's network.
            let lan = host / 2;
            let v4 = format!("10.{number}.{lan}.{}/24", 10 + host);
            let v6 = v6.then(|| format!("fd00:{number}:{lan}::{}/64", 10 + host));
            let addresses: Vec<&str> = [v4.as_str()].into_iter().chain(v6.as_deref()).collect();
            node = labs::with_host(node, &format!("h{host}"), &addresses);
        }
        lab.nodes.insert(labs::name(&format!("n{number}")), node);
    }
    let chain = (1..nodes.len()).map(|number| (number - 1, number));
    for (count, (a, b)) in chain.chain(cross.iter().copied()).enumerate() {
        let (a, b) = (a % nodes.len(), b % nodes.len());
        if a == b {
            continue;
        }
        let tail = if long { "-which-has-a-long-name" } else { "" };
        let name = format!("l{count}{tail}");
        let ends = [format!("n{a}"), format!("n{b}")];
        let link = labs::link(&ends[0], &ends[1], count as u64);
        lab.links.insert(labs::link_name(&name), link);
        if nodes[a].0 > 1 && nodes[b].0 > 1 {
            let kind = SessionKind::Ebgp {
                link: labs::link_name(&name),
            };
            let ends = [ends[0].as_str(), ends[1].as_str()];
            let session = labs::session(kind, ends, labs::timers(9, 3));
            lab.sessions.insert(labs::session_name(&name), session);
        }
    }
    lab
}

fn compile(lab: &Lab) -> Plan {
    plan(lab, &HostFacts::default()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_plan_keeps_the_rules(lab in lab()) {
        invariants::hold(&compile(&lab));
    }

    #[test]
    fn a_plan_survives_its_journal(lab in lab()) {
        let plan = compile(&lab);
        let text = serde_json::to_string(&plan).unwrap();
        prop_assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    }
}
