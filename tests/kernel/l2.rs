//! 802.1Q and LACP on a kernel that has them: a plan's own operations in plain
//! namespaces, over wires that the kernel carries.

use std::{collections::BTreeMap, time::Duration};

use backhoe::{
    engine::{
        sink::EventSink,
        wire::{Wire, WireChoice, WireConfig, start},
    },
    lab::{
        op::{Netns, Op},
        plan::{HostFacts, Plan, plan},
        spec,
    },
    os::{
        fib_watch::{FibNotice, FibWatch},
        host,
        kernel::Linux,
        netns::NetnsFd,
    },
    units::{LinkName, NodeName},
};

use super::common::{await_some, not_tested, sh, tested};

#[path = "l2/labs.rs"]
mod labs;

/// LACP's long way up and its timeouts, on an emulated machine.
const PATIENCE: Duration = Duration::from_secs(90);

const NODES: &str = "
nodes:
  a: { kind: router, asn: 65001 }
  b: { kind: router, asn: 65002 }
";

/// Whether this kernel has what the test needs; says so when not.
fn has(features: &[(&str, bool)], kernel: &str) -> bool {
    for (name, there) in features {
        if *there {
            tested(name);
        } else {
            not_tested(name, format!("not in kernel {kernel}"));
        }
    }
    features.iter().all(|&(_, there)| there)
}

struct Stand {
    plan: Plan,
    kernel: Linux,
    wire: Wire,
    _names: tempfile::TempDir,
}

/// Builds a lab's interfaces and wires: no daemons, no probes.
fn stand(text: &str) -> Stand {
    let lab = spec::check("lab", text, &|_| Err(String::new()));
    let lab = lab.lab.unwrap_or_else(|| {
        panic!("{}", lab.diagnostics.render("lab", text));
    });
    let full = HostFacts {
        vlan: true,
        bond: true,
        vrf: true,
        ..HostFacts::default()
    };
    let plan = plan(&lab, &full).unwrap();
    let names = tempfile::tempdir().unwrap();
    let mut kernel = Linux::new(names.path()).unwrap();
    kernel.apply(&plan.ops).unwrap();
    let (sink, events) = EventSink::pair();
    // Nobody reads them here, and nobody waits for a reader.
    drop(events);
    let config = WireConfig {
        wires: plan.wires.clone(),
        taps: vec![],
        run: 1,
        seed: 1,
    };
    let hidden = kernel.netns(&Netns::Wire).unwrap();
    let wire = start(config, hidden, (WireChoice::Kernel, false), sink).unwrap();
    Stand {
        plan,
        kernel,
        wire,
        _names: names,
    }
}

fn link(name: &str) -> LinkName {
    LinkName::new(name).unwrap()
}

impl Stand {
    fn node(&self, name: &str) -> &NetnsFd {
        let node = Netns::Node(NodeName::new(name).unwrap());
        self.kernel.netns(&node).unwrap()
    }

    /// By interface: carrier, and for a LAG's member whether it is aggregated.
    fn links(&self, node: &str) -> BTreeMap<String, (bool, Option<bool>)> {
        let mut watch = FibWatch::open(self.node(node)).unwrap();
        let notices = watch.snapshot().unwrap().into_iter();
        notices
            .filter_map(|notice| match notice {
                FibNotice::Link {
                    name,
                    carrier,
                    aggregated,
                    ..
                } => Some((name, (carrier, aggregated))),
                FibNotice::Route { .. }
                | FibNotice::Nexthop { .. }
                | FibNotice::Neighbour { .. }
                | FibNotice::Overrun => None,
            })
            .collect()
    }

    /// Waits until the members of the LAG are aggregated at both ends as `wanted`
    /// says, and the LAG has carrier or not.
    fn await_lag(&self, what: &str, wanted: [(&str, bool); 2], up: bool) {
        await_some(what, PATIENCE, || {
            ["a", "b"]
                .iter()
                .all(|node| {
                    let links = self.links(node);
                    wanted
                        .iter()
                        .all(|(member, in_it)| links[*member].1 == Some(*in_it))
                        && links["lag"].0 == up
                })
                .then_some(())
        });
    }

    fn light(&mut self, name: &str, on: bool) {
        let plan = self.plan.wires.iter().find(|wire| wire.link == link(name));
        let ops: Vec<Op> = plan
            .unwrap()
            .ends
            .iter()
            .map(|end| {
                let (netns, dev) = (Netns::Wire, end.wire_if.clone());
                if on {
                    Op::SetUp { netns, dev }
                } else {
                    Op::SetDown { netns, dev }
                }
            })
            .collect();
        self.kernel.apply(&ops).unwrap();
    }
}

const LAG: &str = "
links:
  c1: { ends: [a, b], delay: 1ms }
  c2: { ends: [b, a], delay: 1ms }
lags:
  lag: { links: [c1, c2], lacp: fast, min-links: MIN, addresses: { a: 10.9.0.1/30, b: 10.9.0.2/30 } }
";

fn lag(min_links: u8) -> Option<Stand> {
    let probe = host::probe().unwrap();
    let features = [("netem", probe.wire), ("bonding", probe.bond)];
    has(&features, &probe.kernel)
        .then(|| stand(&format!("{NODES}{LAG}").replace("MIN", &min_links.to_string())))
}

const BOTH: [(&str, bool); 2] = [("c1", true), ("c2", true)];
const SECOND: [(&str, bool); 2] = [("c1", false), ("c2", true)];
const NONE: [(&str, bool); 2] = [("c1", false), ("c2", false)];

#[test]
fn a_member_that_falls_silent_or_dark_leaves_the_lag_and_comes_back() {
    let Some(mut stand) = lag(1) else { return };
    stand.await_lag("LACP", BOTH, true);
    sh(stand.node("a"), "ping -c 1 -W 5 10.9.0.2");
    stand.wire.silence(&link("c1"), None).unwrap();
    assert!(stand.links("a")["c1"].0, "the light stays on");
    stand.await_lag("LACP's timeout", SECOND, true);
    sh(stand.node("a"), "ping -c 1 -W 5 10.9.0.2");
    stand.wire.restore(&link("c1"), None).unwrap();
    stand.await_lag("the member's return", BOTH, true);
    stand.light("c1", false);
    stand.await_lag("the loss of light", SECOND, true);
    stand.light("c1", true);
    stand.await_lag("the return of light", BOTH, true);
}

#[test]
fn below_min_links_the_lag_is_down() {
    let Some(mut stand) = lag(2) else { return };
    stand.await_lag("LACP", BOTH, true);
    stand.wire.silence(&link("c1"), None).unwrap();
    stand.await_lag("LACP's timeout", SECOND, false);
    stand.wire.restore(&link("c1"), None).unwrap();
    stand.await_lag("the member's return", BOTH, true);
    stand.light("c1", false);
    stand.await_lag("the loss of light", SECOND, false);
}

/// A belief about Linux that the documentation repeats: without a partner each end
/// goes on with one link, and `min-links: 1` counts it.
#[test]
fn a_lag_that_is_silent_as_a_whole_keeps_its_carrier_and_one_that_is_dark_does_not() {
    for min_links in [0, 1] {
        let Some(mut stand) = lag(min_links) else {
            return;
        };
        stand.await_lag("LACP", BOTH, true);
        let both = [link("c1"), link("c2")];
        stand.wire.silence_many(&both).unwrap();
        stand.await_lag("LACP's timeout", NONE, true);
        stand.wire.restore_many(&both).unwrap();
        stand.await_lag("their return", BOTH, true);
        stand.light("c1", false);
        stand.light("c2", false);
        stand.await_lag("the dark", NONE, false);
    }
}

const VIFS: &str = "
  east: { kind: dx-location }
  vgw: { kind: vgw }
links:
  circuit:  { ends: [a, east], delay: 1ms, mtu: 9001B }
  backbone: { ends: [east, vgw], mtu: 9001B }
sessions:
  prod:  { vif: private, link: circuit, gateway: vgw, vlan: 101, mtu: 9001B, addresses: { a: 169.254.10.2/30, east: 169.254.10.1/30 } }
  spare: { vif: private, link: circuit, gateway: vgw, vlan: 102, addresses: { a: 169.254.20.2/30, east: 169.254.20.1/30 } }
routing:
  a:
    prod:  { announce: [10.0.0.0/15], local-pref: 200 }
    spare: { announce: [10.0.0.0/15], local-pref: 100 }
";

#[test]
fn two_vifs_share_a_circuit_and_each_carries_its_own_mtu() {
    let probe = host::probe().unwrap();
    let features = [("netem", probe.wire), ("8021q", probe.vlan)];
    if !has(&features, &probe.kernel) {
        return;
    }
    let stand = stand(&format!("{NODES}{VIFS}"));
    // 20 bytes of IP and 8 of ICMP; `-M do`: never in fragments.
    let ping = |size: u32, to: &str| format!("ping -c 1 -W 5 -M do -s {} {to}", size - 28);
    sh(stand.node("a"), &ping(9001, "169.254.10.1"));
    sh(stand.node("a"), &ping(1500, "169.254.20.1"));
    // One byte more than the VIF carries is refused where it is sent.
    for (to, size) in [("169.254.10.1", 9002), ("169.254.20.1", 1501)] {
        sh(stand.node("a"), &format!("! {}", ping(size, to)));
    }
    // What belongs to one VLAN is not heard on the other.
    let links = stand.links("a");
    assert!(links["circuit.101"].0 && links["circuit.102"].0);
    sh(stand.node("east"), "ip link set circuit.102 down");
    sh(stand.node("a"), "! ping -c 1 -W 1 169.254.20.1");
    sh(stand.node("a"), &ping(9001, "169.254.10.1"));
}

const VRF: &str = "
nodes:
  dc:
    kind: router
    hosts: { app: 10.0.1.10/24, admin: 192.168.0.10/24 }
    vrfs: { prod: [c1, app] }
    routes: { 10.2.1.0/24: c1 }
  core: { kind: router, hosts: { db: 10.2.1.10/24 }, routes: { 10.0.1.0/24: c1, 192.168.0.0/24: c1 } }
links:
  c1: { ends: [dc, core], delay: 1ms }
";

#[test]
fn a_vrf_routes_among_its_members_and_the_main_table_reaches_none_of_them() {
    let probe = host::probe().unwrap();
    let features = [("netem", probe.wire), ("vrf", probe.vrf)];
    if !has(&features, &probe.kernel) {
        return;
    }
    let stand = stand(VRF);
    sh(stand.node("app"), "ping -c 1 -W 5 10.2.1.10");
    sh(stand.node("db"), "ping -c 1 -W 5 10.0.1.10");
    sh(stand.node("admin"), "ping -c 1 -W 5 192.168.0.1");
    for to in ["10.0.1.10", "10.2.1.10"] {
        sh(stand.node("admin"), &format!("! ping -c 1 -W 1 {to}"));
    }
    sh(stand.node("db"), "! ping -c 1 -W 1 192.168.0.10");
}
