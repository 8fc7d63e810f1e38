//! `--fast`: scaled timers, and every output that must say so.

use std::fs;

use serde_json::Value;

use super::bench::{Bench, root, words};

const LABEL: &str = "timers scaled 1:10 (--fast)";

/// A lab that ships, under a name of the bench's, with a factor.
fn lab_with_a_factor(bench: &mut Bench, stem: &str) -> (String, String) {
    let name = bench.name(stem);
    let text = fs::read_to_string(root().join(format!("labs/{stem}.yaml"))).unwrap();
    let named = format!("name: {name}\nfast: 10\n");
    let text = text.replace(&format!("name: {stem}\n"), &named);
    assert!(text.contains("fast: 10"), "{text}");
    let file = format!("{stem}.yaml");
    fs::write(bench.dir.path().join(&file), text).unwrap();
    (name, file)
}

#[test]
fn a_lab_up_with_scaled_timers_says_so_wherever_it_is_shown() {
    let mut bench = Bench::new("fast");
    let (name, file) = lab_with_a_factor(&mut bench, "two-routers");
    assert!(bench.ok(&["check", "--fast", &file]).contains(LABEL));
    assert!(!bench.ok(&["check", &file]).contains("scaled"));
    let plan = bench.ok(&["plan", "--fast", &file]);
    assert!(plan.contains(LABEL), "{plan}");
    let up = bench.ok(&["up", "--fast", &file]);
    assert!(up.contains(LABEL), "{up}");
    let status = bench.ok(&["status", &name]);
    assert!(status.contains(LABEL), "{status}");
    let listed = bench.ok(&["ls"]);
    let line = listed.lines().find(|line| line.contains(&name));
    assert!(line.unwrap().contains("scaled 1:10 (--fast)"), "{listed}");
    let json: Value = serde_json::from_str(&bench.ok(&["status", &name, "--json"])).unwrap();
    assert_eq!(json["state"]["timers_scaled"], 10);
    bench.ok(&["down", &name]);
}

#[test]
fn a_run_with_scaled_timers_says_so_in_report_result_and_journal() {
    let mut bench = Bench::new("fast");
    let (name, file) = lab_with_a_factor(&mut bench, "known-outage");
    let report = bench.ok(&["run", "--fast", &file, "--out", "out"]);
    assert!(report.starts_with(LABEL), "{report}");
    let out = bench.dir.path().join("out");
    let result: Value =
        serde_json::from_slice(&fs::read(out.join("result.json")).unwrap()).unwrap();
    assert_eq!(result["timers_scaled"], 10);
    let journal = fs::read_to_string(out.join("journal.jsonl")).unwrap();
    let first: Value = serde_json::from_str(journal.lines().next().unwrap()).unwrap();
    assert_eq!(first["timers_scaled"], 10);
    let tested = bench.ok(&["test", "--fast", &file, "--out", "test"]);
    let line = tested.lines().find(|line| line.contains(&name));
    assert!(line.unwrap().ends_with(LABEL), "{tested}");
}

#[test]
fn a_lab_that_declares_no_factor_cannot_be_run_faster() {
    let bench = Bench::new("fast");
    let lab = root().join("labs/known-outage.yaml").display().to_string();
    for command in ["run", "up", "plan"] {
        let said = bench.fails(2, &[command, "--fast", &lab]);
        assert!(said.contains("does not say by how much"), "{said}");
        assert!(said.contains("`fast: 10`"), "{said}");
    }
    // Among many it runs as it is.
    let output = bench.run(&["check", "--fast", &lab]);
    assert_eq!(output.status.code(), Some(0));
    assert!(!words(&output).0.contains("scaled"));
}
