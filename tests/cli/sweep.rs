//! A small lab whose every failure is tried.

use std::fs;

use serde_json::Value;

use crate::bench::{Bench, words};

/// Two links between two routers, one of which is the backup.
const LAB: &str = "\
name: pair
nodes:
  a: { kind: router, asn: 65001, hosts: { x: 10.0.1.10/24 } }
  b: { kind: router, asn: 65002, hosts: { y: 10.0.2.10/24 } }
links:
  one: { ends: [a, b] }
  two: { ends: [a, b] }
sessions:
  first:  { ebgp: one, bfd: 50ms/3 }
  second: { ebgp: two, bfd: 50ms/3 }
routing:
  a:
    first:  { announce: [10.0.1.0/24], local-pref: 200 }
    second: { announce: [10.0.1.0/24], local-pref: 100 }
  b:
    first:  { announce: [10.0.2.0/24], local-pref: 200 }
    second: { announce: [10.0.2.0/24], local-pref: 100 }
probes:
  p: { between: [a.x, b.y], rate: 500/s }
expect:
  - { survives: single-failure, within: 1s }
  - { survives: single-failure, within: 1ms, except: [two] }
";

fn fates(experiment: &Value) -> Vec<&str> {
    let cells = experiment["cells"].as_array().unwrap();
    cells
        .iter()
        .map(|cell| cell["fate"].as_str().unwrap())
        .collect()
}

#[test]
fn every_link_of_a_pair_fails_and_the_other_takes_over() {
    let mut bench = Bench::new("sweep");
    let name = bench.name("sweep");
    fs::write(bench.dir.path().join("lab.yaml"), LAB).unwrap();
    let args = [
        "sweep", "lab.yaml", "--name", &name, "--how", "carrier", "--out", "out",
    ];
    let output = bench.run(&args);
    let (out, err) = words(&output);
    assert_eq!(output.status.code(), Some(4), "{out}{err}");
    assert!(out.contains("no single point of failure found"), "{out}");
    assert!(
        out.contains("lab.yaml:21:5: expectation: survives any single failure within 1 s: met"),
        "{out}"
    );
    assert!(out.contains("lab.yaml:22:5: expectation"), "{out}");

    let read = |name: &str| fs::read_to_string(bench.dir.path().join("out").join(name)).unwrap();
    let sweep: Value = serde_json::from_str(&read("sweep.json")).unwrap();
    let experiments = sweep["experiments"].as_array().unwrap();
    let failures: Vec<&str> = experiments
        .iter()
        .map(|one| one["failure"].as_str().unwrap())
        .collect();
    assert_eq!(failures, ["one", "two"]);
    assert_eq!(fates(&experiments[0]), ["outage", "outage"], "{sweep}");
    assert_eq!(fates(&experiments[1]), ["survived", "survived"], "{sweep}");
    assert_eq!(experiments[0]["cells"][0]["via"], "second");
    assert_eq!(sweep["labs_built"], 1, "{}", sweep["rebuilt"]);
    assert_eq!(sweep["agreeing"], sweep["compared"]);
    assert!(
        read("sweep.md").contains("| one |"),
        "the table of failures"
    );
    assert!(read("report.html").contains("class=\"heat\""));
    assert_eq!(bench.left(), Vec::<u32>::new());
}

#[test]
fn a_lab_in_which_nothing_could_be_lost_is_refused_with_the_likely_fix() {
    let bench = Bench::new("sweep-refused");
    let text = LAB.split("probes:").next().unwrap();
    fs::write(bench.dir.path().join("lab.yaml"), text).unwrap();
    let output = bench.run(&["sweep", "lab.yaml"]);
    let (_, err) = words(&output);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(
        err.contains("no probe") && err.contains("probes: { app:"),
        "{err}"
    );
}
