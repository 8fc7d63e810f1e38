//! Runs that end before their time: what they had measured by then is told.

use std::{
    fs,
    process::Output,
    time::{Duration, Instant},
};

use backhoe::os::process::PidFd;
use serde_json::Value;

use crate::bench::{Bench, until, words};

/// One path, no BFD, and BGP's hold time of 90 s: nobody notices the cut before the run ends.
const LAB: &str = "
name: cut-short
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
  - wait: { p: recovered, within: 40s }
  - restore: l
expect:
  - { after: cut, p: { outage: 60s } }
";

/// Far less than what the scenario has left to do.
const AT_ONCE: Duration = Duration::from_secs(8);

/// Runs the lab until its cut has cost probes, ends it by `end`, and returns what came of it.
fn cut_short(bench: &mut Bench, json: bool, end: impl Fn(&Bench, &str, &PidFd)) -> Output {
    let lab = bench.name("cut-short");
    fs::write(bench.dir.path().join("lab.yaml"), LAB).unwrap();
    let mut args = vec!["run", "lab.yaml", "--name", &lab, "--out", "out"];
    args.extend(json.then_some("--json"));
    let run = bench.start_until(&args, "silent applied to l");
    until("probes are lost", || {
        let status = bench.json(&["status", &lab, "--json"]);
        let links = status["state"]["links"].as_array().unwrap().iter();
        let mut cut = links.map(|l| l["counters"]["cut"].as_u64().unwrap());
        cut.all(|packets| packets > 100)
    });
    let asked = Instant::now();
    end(bench, &lab, &run.process());
    let output = run.finished();
    assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
    until("every process gone", || bench.left().is_empty());
    output
}

/// What was measured is there, and nothing of it passes for a whole run.
fn measured(text: &str) -> Value {
    let result: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    assert_eq!(result["trusted"], false, "{result}");
    assert_eq!(result["outcome"], "interrupted", "{result}");
    let warnings = result["warnings"].as_array().unwrap();
    let interrupted = warnings.iter().find(|w| w["code"] == "interrupted");
    assert_eq!(interrupted.unwrap()["untrusted"], true, "{result}");
    assert_eq!(
        result["waits_missed"].as_array().unwrap().len(),
        0,
        "{result}"
    );
    assert!(result["expect"][0]["met"] != true, "{result}");
    let outages = result["outages"].as_array().unwrap();
    assert_eq!(outages.len(), 2, "{result}");
    for outage in outages {
        assert_eq!(outage["fault"], "silent", "{outage}");
        assert!(outage["lost"].as_u64().unwrap() > 100, "{outage}");
        assert_eq!(outage["wire_agrees"], true, "{outage}");
        assert_eq!(outage["recovered"], false, "{outage}");
        assert_eq!(outage["trusted"], false, "{outage}");
    }
    result
}

#[test]
fn an_interrupted_run_tells_what_it_saw_until_then() {
    let mut bench = Bench::new("cut-short");
    let output = cut_short(&mut bench, true, |_, _, run| run.terminate().unwrap());
    let (out, err) = words(&output);
    assert_eq!(output.status.code(), Some(143), "{out}{err}");
    let result = measured(&out);
    assert_eq!(result["error"]["kind"], "interrupted");
    assert!(result["out_dir"].as_str().unwrap().ends_with("/out"));
    assert!(!err.contains("not seen within"), "{err}");

    // The same for somebody who reads.
    fs::remove_dir_all(bench.dir.path().join("out")).unwrap();
    let output = cut_short(&mut bench, false, |_, _, run| run.terminate().unwrap());
    let (out, err) = words(&output);
    assert_eq!(output.status.code(), Some(143), "{out}{err}");
    assert!(out.contains("NOT TRUSTED"), "{out}");
    assert!(out.contains("h1 → h2"), "{out}");
    let journal = fs::read_to_string(bench.dir.path().join("out/journal.jsonl")).unwrap();
    let last: Value = serde_json::from_str(journal.lines().last().unwrap()).unwrap();
    assert_eq!(last["outcome"], "interrupted");
}

#[test]
fn a_run_that_is_taken_down_tells_what_it_saw_until_then() {
    let mut bench = Bench::new("taken-down");
    let output = cut_short(&mut bench, true, |bench, lab, _| {
        bench.ok(&["down", lab]);
    });
    let (out, err) = words(&output);
    // Nobody interrupted the command itself: its result is not trusted.
    assert_eq!(output.status.code(), Some(4), "{out}{err}");
    let result = measured(&out);
    assert!(result.get("error").is_none(), "{result}");
}
