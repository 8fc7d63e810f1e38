//! A VPC's subnets with route tables of their own.

use std::collections::BTreeMap;

use super::{super::*, compile, labs, speaker};
use crate::{
    lab::{
        model::{Daemon, Kind, Lab, Subnet, SubnetTable, SubnetTarget},
        op::Op,
    },
    units::{HostName, NodeName, StaticHop, SubnetName},
};

/// The headline lab, its VPC with a subnet of the main table and one with this table.
fn lab(table: SubnetTable) -> Lab {
    let mut lab = labs::dx_vpn_backup();
    let vpc = lab.nodes.get_mut("vpc1").unwrap();
    // What the pass over VPCs would say.
    vpc.daemon = Daemon::Embedded;
    let subnet = |cidr: &str, table| Subnet {
        cidrs: vec![labs::net(cidr)],
        table,
    };
    let Kind::Vpc { subnets, .. } = &mut vpc.kind else {
        panic!("a vpc");
    };
    *subnets = BTreeMap::from([
        (name("open"), subnet("172.31.1.0/24", None)),
        (name("shut"), subnet("172.31.2.0/24", Some(table))),
    ]);
    let hosts = &mut vpc.hosts;
    for (host, address) in [("jobs", "172.31.2.10/24"), ("more", "172.31.2.11/24")] {
        let host = HostName::new(host).unwrap();
        let of = crate::lab::model::Host {
            addresses: vec![labs::net(address)],
            line: 0,
        };
        hosts.insert(host, of);
    }
    lab
}

fn name(text: &str) -> SubnetName {
    SubnetName::new(text).unwrap()
}

/// The rules of the VPC, and its routes into the tables' numbers, as `ip` would be told.
fn routing(plan: &Plan) -> Vec<String> {
    let of_vpc = |op: &&Op| {
        let wanted = matches!(op, Op::AddRule { .. } | Op::AddRoute { .. });
        wanted && op.netns().to_string() == "vpc1"
    };
    plan.ops.iter().filter(of_vpc).map(Op::to_string).collect()
}

#[test]
fn a_subnets_table_has_what_is_propagated_into_it_and_written_there() {
    let written = BTreeMap::from([(labs::net("10.0.0.0/8"), SubnetTarget::Gateway)]);
    for propagation in [true, false] {
        let plan = compile(&lab(SubnetTable {
            propagation,
            routes: written.clone(),
        }));
        let [main, shut] = speaker(&plan, "vpc1").tables.as_slice() else {
            panic!("two tables");
        };
        assert_eq!((main.name.as_str(), main.table), ("main", 254));
        assert_eq!((shut.name.as_str(), shut.table), ("shut", 101));
        // The vgw propagates into the main table always.
        assert_eq!((main.propagated.len(), main.statics.len()), (1, 0));
        assert_eq!(shut.propagated.len(), usize::from(propagation));
        let [route] = shut.statics.as_slice() else {
            panic!("one written");
        };
        let peer = &speaker(&plan, "vpc1").peers[0];
        assert_eq!(peer.session, main.propagated[0]);
        assert_eq!(route.to, StaticHop::Via(peer.remote));
    }
}

/// What comes from the subnet meets the VPC's own range before its table, and nothing after it.
#[test]
fn what_is_local_comes_before_a_subnets_table() {
    let plan = compile(&lab(SubnetTable::default()));
    assert_eq!(
        routing(&plan),
        [
            // Local, and no subnet's.
            "ip -n vpc1 route add blackhole 172.31.0.0/16",
            "ip -n vpc1 rule add iif lan-jobs to 172.31.0.0/16 priority 100 lookup main",
            "ip -n vpc1 rule add iif lan-jobs priority 100 lookup 101",
            "ip -n vpc1 rule add iif lan-jobs priority 200 unreachable",
        ]
    );
    let table = |host: &str| {
        let table = plan.table_of_host(&NodeName::new(host).unwrap());
        table.map(|table| table.to_string())
    };
    let of = ["db", "jobs", "more", "app"].map(table);
    let known = |name: &str| Some(name.to_owned());
    assert_eq!(of, [known("main"), known("shut"), known("shut"), None]);
    // Only the numbers that are nobody else's have names.
    let names = plan.table_names(&labs::name("vpc1"));
    assert_eq!(names, BTreeMap::from([(101, "shut".to_owned())]));
}
