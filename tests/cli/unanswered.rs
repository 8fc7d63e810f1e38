//! A cut that outlasts the kernel's patience with a neighbour: what a run says of it.

use std::fs;

use serde_json::Value;

use crate::bench::{Bench, words};

/// One path, no BFD, and BGP's hold time of 90 s: nobody notices the cut.
const LAB: &str = "
name: unanswered
nodes:
  a: { kind: router, asn: 65001, hosts: { h1: 10.1.0.10/24 } }
  b: { kind: router, asn: 65002, hosts: { h2: 10.2.0.10/24 } }
links:
  l: { ends: [a, b], delay: 1ms }
sessions:
  s: { ebgp: l }
routing:
  a: { s: { announce: [10.1.0.0/24] } }
  b: { s: { announce: [10.2.0.0/24] } }
probes:
  p: { between: [a.h1, b.h2], rate: 500/s }
scenario:
  - cut: { link: l, how: silent }
  - wait: { p: recovered, within: 1s }
  - sleep: 5s
  - restore: l
";

/// The kernel asks again for a neighbour it has not heard of for 15 to 45 s; here it is told to
/// ask at once.
const ASK: &str = "
ip -4 neigh show dev l | while read -r address _ mac _; do
  ip neigh replace \"$address\" dev l lladdr \"$mac\" nud probe
done";

#[test]
fn what_a_node_drops_for_want_of_a_neighbour_is_accounted_for_and_a_missed_wait_is_no_success() {
    let mut bench = Bench::new("unanswered");
    let lab = bench.name("unanswered");
    fs::write(bench.dir.path().join("lab.yaml"), LAB).unwrap();
    let args = ["run", "lab.yaml", "--name", &lab, "--json"];
    let run = bench.start_until(&args, "silent applied to l");
    bench.ok(&["exec", "--lab", &lab, "b", "--", "sh", "-c", ASK]);
    let output = run.finished();
    let (out, said) = words(&output);
    assert_eq!(output.status.code(), Some(4), "{out}{said}");
    assert!(
        said.contains("not seen within 1000 ms: p: recovered"),
        "{said}"
    );
    let result: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(result["waits_missed"][0]["what"], "p: recovered", "{out}");
    let outages = result["outages"].as_array().unwrap();
    for outage in outages {
        let of = |field: &str| outage[field].as_u64().unwrap();
        let accounted = of("wire_dropped") + of("node_dropped");
        assert_eq!(
            (of("lost"), &outage["wire_agrees"]),
            (accounted, &true.into()),
            "{outage}"
        );
    }
    let back = outages.iter().find(|o| o["from"] == "h2").unwrap();
    // Asked three times, a second apart; then the node itself drops for the last seconds.
    assert!(back["node_dropped"].as_u64().unwrap() > 500, "{back}");
    assert!(back["wire_dropped"].as_u64().unwrap() > 500, "{back}");
}
