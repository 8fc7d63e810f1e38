//! `backhoe test`, as a team's CI uses it.

use std::{fs, process::Command};

use serde_json::Value;

use super::{
    bench::{Bench, root, until, words},
    fan_out, interrupted, schemas,
};

/// A directory with a lab that passes, one that fails, and one that this host lacks
/// something for. Their names, in the files' order.
pub(crate) fn three(bench: &mut Bench) -> [String; 3] {
    let text = fs::read_to_string(root().join("labs/known-outage.yaml")).unwrap();
    let names = ["exact", "wrong", "without"].map(|stem| bench.name(stem));
    let lab = |name: &str| text.replace("name: known-outage", &format!("name: {name}"));
    let dir = bench.dir.path().join("labs");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("1.yaml"), lab(&names[0])).unwrap();
    let wrong = lab(&names[1]).replace("lost: 37", "lost: 36");
    fs::write(dir.join("2.yml"), wrong).unwrap();
    let without = fs::read_to_string(root().join("labs/two-routers.yaml")).unwrap();
    let without = without
        .replace("name: two-routers", &format!("name: {}", names[2]))
        .replace("asn: 65001,", "asn: 65001, daemon: { frr: /opt/none },");
    fs::write(dir.join("3.yaml"), without).unwrap();
    fs::write(dir.join("notes.txt"), "not a lab").unwrap();
    names
}

#[test]
fn each_lab_is_held_to_what_it_expects_and_has_a_line() {
    let mut bench = Bench::new("test");
    let [exact, wrong, without] = three(&mut bench);
    let output = bench.run(&["test", "labs", "--out", "out", "--junit", "whole.xml"]);
    let (out, err) = words(&output);
    assert_eq!(output.status.code(), Some(4), "{out}{err}");
    let line = |begins: &str, has: &str| {
        let mut lines = out.lines();
        let line = lines.find(|line| line.starts_with(begins));
        assert!(
            line.is_some_and(|line| line.contains(has)),
            "{begins}: {out}{err}"
        );
    };
    // The bar is as wide as the senders were late.
    line(&format!("PASS  {exact} "), "h1 → h2 37 ± ");
    line(&format!("FAIL  {wrong} "), ", h2 → h1 37 ± ");
    line("      labs/2.yml:16:", ": expectation");
    line("        expected  after drop: app: lost 36", "");
    line("        measured  h1 → h2: 37 lost, ", "");
    line("                  h2 → h1: 37 lost, ", "");
    line("      artefacts: ", &wrong);
    line(&format!("SKIP  {without}"), "");
    line("3 labs in ", ": 1 passed, 1 failed, 1 skipped; ");
    let annotated = fs::read_to_string(root().join("labs/known-outage.yaml")).unwrap();
    let column = annotated.lines().nth(15).unwrap().find("app:").unwrap() + 1;
    line(&format!("      labs/2.yml:16:{column}: "), "");
    // Everything of the failure, and of the success what it came to.
    let kept = |lab: &str, name: &str| bench.dir.path().join("out").join(lab).join(name).exists();
    for name in ["journal.jsonl", "captures", "config"] {
        assert!(kept(&wrong, name) && !kept(&exact, name), "{name}");
    }
    for lab in [&exact, &wrong] {
        let out = bench.dir.path().join("out");
        let report = fs::read_to_string(out.join(format!("{lab}.log"))).unwrap();
        assert!(report.contains("\nexpect "), "{report}");
        assert!(out.join(lab).join("result.json").exists());
    }
    let report = bench.dir.path().join("whole.xml");
    validates(&report);
    let report = fs::read_to_string(report).unwrap();
    for lab in [&exact, &wrong, &without] {
        assert!(
            report.contains(&format!("<testcase name=\"{lab}\"")),
            "{report}"
        );
    }
    let whole = fs::read_to_string(bench.dir.path().join("out/test.json")).unwrap();
    fan_out::shards_merged_are(&bench, &serde_json::from_str(&whole).unwrap(), &wrong);
}

#[test]
fn the_document_has_what_the_lines_say_and_only_failures_fail() {
    let mut bench = Bench::new("test-json");
    let [exact, _, without] = three(&mut bench);
    let passing = ["test", "labs/1.yaml", "labs/3.yaml", "--json"];
    let summary = bench.json(&passing);
    schemas::fits(&bench, "test", &summary);
    let counts = ["passed", "failed", "skipped"].map(|key| summary[key].as_u64().unwrap());
    assert_eq!(counts, [1, 0, 1]);
    let labs = summary["labs"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let verdicts: Vec<[String; 2]> = labs
        .map(|lab| [text(&lab["lab"]), text(&lab["verdict"])])
        .collect();
    assert_eq!(
        verdicts,
        [[exact, "pass".to_owned()], [without, "skip".to_owned()]]
    );
    assert_eq!(summary["labs"][0]["outages"][0]["lost"], 37);
    let skipped = bench.run(&["test", "labs/3.yaml"]);
    assert_eq!(skipped.status.code(), Some(3));
    let strict = bench.run(&["test", "labs/1.yaml", "labs/3.yaml", "--no-skip"]);
    assert_eq!(strict.status.code(), Some(3));
}

#[test]
fn a_mistake_in_any_file_is_told_before_the_first_lab_is_built() {
    let mut bench = Bench::new("test-bad");
    three(&mut bench);
    let dir = bench.dir.path().join("labs");
    fs::write(dir.join("4.yaml"), "nodes:\n  a: { kind: rooter }\n").unwrap();
    let (document, err) = bench.fails_json(2, &["test", "labs", "--out", "out", "--json"]);
    assert_eq!(document["error"]["kind"], "lab-file");
    assert_eq!(document["error"]["diagnostics"][0]["line"], 2);
    assert!(err.contains("labs/4.yaml:2:"), "{err}");
    assert!(!bench.dir.path().join("out").exists());
    bench.fails(2, &["test", "nowhere"]);
    fs::create_dir(bench.dir.path().join("empty")).unwrap();
    let err = bench.fails(2, &["test", "empty"]);
    assert!(err.contains("no lab files"), "{err}");
}

#[test]
fn an_interrupt_takes_the_lab_down_and_ends_the_test() {
    let mut bench = Bench::new("test-signal");
    three(&mut bench);
    let output = interrupted(&bench, &["test", "labs", "--out", "out"], "1/3", "TERM");
    let (out, err) = words(&output);
    assert_eq!(output.status.code(), Some(143), "{out}{err}");
    until("every process gone", || bench.left().is_empty());
}

/// Whether a report is what JUnit's readers expect: tests/junit.xsd says what that is.
pub(crate) fn validates(report: &std::path::Path) {
    let checked = Command::new("xmllint")
        .args(["--noout", "--schema"])
        .arg(root().join("tests/junit.xsd"))
        .arg(report)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{said}");
}

/// What two runs of the same labs agree in: all but times, places and what is measured anew.
pub(crate) fn comparable(suite: &Value) -> Value {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let labs = list(&suite["labs"]);
    let labs: Vec<Value> = labs
        .iter()
        .map(|lab| {
            let lost = list(&lab["outages"]);
            let lost: Vec<&Value> = lost.iter().map(|outage| &outage["lost"]).collect();
            let missed: Vec<Value> = list(&lab["shortfalls"])
                .iter()
                .map(|s| serde_json::json!([s["line"], s["column"], s["expected"]]))
                .collect();
            let keys = ["index", "file", "lab", "verdict", "reason"];
            serde_json::json!([keys.map(|key| lab[key].clone()), lost, missed])
        })
        .collect();
    let counts = [
        "passed",
        "flaky",
        "failed",
        "skipped",
        "selected",
        "selection",
    ];
    serde_json::json!([labs, counts.map(|key| suite[key].clone())])
}

#[test]
fn what_is_filtered_is_what_is_listed() {
    let mut bench = Bench::new("test-list");
    let [exact, wrong, _] = three(&mut bench);
    let below = bench.dir.path().join("labs/below");
    fs::create_dir(&below).unwrap();
    fs::rename(bench.dir.path().join("labs/1.yaml"), below.join("1.yaml")).unwrap();
    fs::write(below.join("compose.yaml"), "services: { web: {} }\n").unwrap();
    let all = bench.ok(&["test", "labs", "--list"]);
    let names = |out: &str| -> Vec<String> {
        out.lines()
            .map(|line| line.split(' ').next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&all).len(), 3, "{all}");
    let some = bench.ok(&[
        "test",
        "labs",
        "--list",
        "-f",
        "name(wrong-*) or path(below/*)",
    ]);
    let mut some = names(&some);
    some.sort();
    assert_eq!(some, [exact, wrong]);
    let parts = ["1/2", "2/2"].map(|k| bench.ok(&["test", "labs", "--list", "--shard", k]));
    assert_eq!(parts.map(|part| names(&part).len()), [2, 1]);
    let none = bench.fails(2, &["test", "labs", "--filter", "nothing"]);
    assert!(none.contains("no lab is left of 3"), "{none}");
    let wrong = bench.fails(2, &["test", "labs", "--filter", "a b"]);
    assert!(wrong.contains("`b` is one too many"), "{wrong}");
}

#[test]
fn a_lab_that_hangs_is_ended_and_what_it_left_is_kept_for_github_too() {
    let mut bench = Bench::new("test-hang");
    let name = bench.name("hangs");
    let text = fs::read_to_string(root().join("labs/known-outage.yaml")).unwrap();
    let text = text
        .replace("name: known-outage", &format!("name: {name}"))
        .replace("scenario:\n", "scenario:\n  - sleep: 300s\n");
    fs::write(bench.dir.path().join("hangs.yaml"), text).unwrap();
    let summary = bench.dir.path().join("summary.md");
    let output = Command::new(env!("CARGO_BIN_EXE_backhoe"))
        .args([
            "test",
            "hangs.yaml",
            "--timeout",
            "5s",
            "--github",
            "--junit",
            "hangs.xml",
        ])
        .args(["--retries", "1", "--out", "out"])
        .current_dir(bench.dir.path())
        .env("GITHUB_STEP_SUMMARY", &summary)
        .env("GITHUB_WORKSPACE", bench.dir.path())
        .output()
        .unwrap();
    let (out, err) = words(&output);
    assert_eq!(output.status.code(), Some(4), "{out}{err}");
    let annotation = format!("::error file=hangs.yaml,title={name}%3A timeout::ended after 5 s");
    assert!(out.contains(&annotation), "{out}{err}");
    let summary = fs::read_to_string(summary).unwrap();
    assert!(
        summary.contains("0 passed, 1 failed, 0 skipped"),
        "{summary}"
    );
    validates(&bench.dir.path().join("hangs.xml"));
    for attempt in [name.clone(), format!("{name}.attempt-1")] {
        let run = bench.dir.path().join("out").join(&attempt);
        assert!(run.join("journal.jsonl").exists(), "{attempt}: {out}");
        assert!(
            run.with_file_name(format!("{attempt}.log")).exists(),
            "{attempt}: {out}"
        );
    }
    let up = bench.ok(&["ls"]);
    assert!(!up.contains(&name), "{up}");
}
