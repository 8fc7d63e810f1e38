//! `backhoe test`, as a team's CI uses it.

use std::fs;

use serde_json::Value;

use super::{
    bench::{Bench, root, until, words},
    interrupted,
};

/// A directory with a lab that passes, one that fails, and one that this host lacks
/// something for. Their names, in the files' order.
fn three(bench: &mut Bench) -> [String; 3] {
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
    let output = bench.run(&["test", "labs", "--out", "out"]);
    let (out, err) = words(&output);
    assert_eq!(output.status.code(), Some(4), "{out}{err}");
    let lines: Vec<&str> = out.lines().collect();
    let line = |at: usize, begins: &str, has: &str| {
        let line = lines.get(at).copied().unwrap_or_default();
        assert!(
            line.starts_with(begins) && line.contains(has),
            "{at}: {out}{err}"
        );
    };
    line(
        0,
        &format!("PASS  {exact} "),
        // The bar is as wide as the senders were late.
        "h1 → h2 37 ± ",
    );
    line(1, &format!("FAIL  {wrong} "), ", h2 → h1 37 ± ");
    line(
        2,
        "      line 16, after drop: app: lost 36: missed: ",
        "37 lost",
    );
    line(3, &format!("SKIP  {without}"), "");
    line(4, "      ", "/opt/none");
    line(6, "3 labs in ", ": 1 passed, 1 failed, 1 skipped; ");
    for lab in [&exact, &wrong] {
        let out = bench.dir.path().join("out");
        let report = fs::read_to_string(out.join(format!("{lab}.log"))).unwrap();
        assert!(report.contains("\nexpect "), "{report}");
        assert!(out.join(lab).join("result.json").exists());
    }
}

#[test]
fn the_document_has_what_the_lines_say_and_only_failures_fail() {
    let mut bench = Bench::new("test-json");
    let [exact, _, without] = three(&mut bench);
    let passing = ["test", "labs/1.yaml", "labs/3.yaml", "--json"];
    let summary = bench.json(&passing);
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
    let output = interrupted(&bench, &["test", "labs", "--out", "out"], "2/3", "TERM");
    let (out, err) = words(&output);
    assert_eq!(output.status.code(), Some(143), "{out}{err}");
    until("every process gone", || bench.left().is_empty());
}
