//! Many trials of one scenario in one lab.

use std::fs;

use serde_json::Value;

use crate::{
    bench::{Bench, root, until, words},
    report::is_told_again,
    schemas,
};

fn lab(stem: &str) -> String {
    let path = root().join(format!("labs/{stem}.yaml"));
    path.to_str().unwrap().to_owned()
}

#[test]
fn each_trial_is_measured_and_kept_and_all_are_told_as_distributions() {
    let mut bench = Bench::new("trials");
    let name = bench.name("trials");
    let file = lab("known-outage");
    let args = ["run", &file, "--name", &name, "--until", "ci:5%"];
    let all = bench.json(&[&args[..], &["--out", "out", "--json"]].concat());
    schemas::fits(&bench, "trials", &all);
    let journal = fs::read_to_string(bench.dir.path().join("out/journal.jsonl")).unwrap();
    let lines = journal.lines().map(serde_json::from_str);
    let lines: Vec<Value> = lines.collect::<Result<_, _>>().unwrap();
    schemas::all_fit(&bench, "journal", &lines);
    // Of ten equal outages, at the first look, the median is known exactly.
    assert_eq!(all["ended"]["why"], "precise", "{all}");
    let trials = all["trials"].as_array().unwrap();
    assert_eq!(trials.len(), 10);
    for trial in trials {
        assert_eq!(trial["succeeded"], true, "{trial}");
        let directory = bench
            .dir
            .path()
            .join("out")
            .join(trial["directory"].as_str().unwrap());
        let text = fs::read_to_string(directory.join("result.json")).unwrap();
        let run: Value = serde_json::from_str(&text).unwrap();
        if trial["number"] == 1 {
            schemas::fits(&bench, "result", &run);
        }
        // Nothing of the trials before it is counted again.
        assert_eq!(run["transitions"].as_array().unwrap().len(), 1, "{run}");
        for outage in run["outages"].as_array().unwrap() {
            assert_eq!(outage["lost"], 37, "{outage}");
        }
        let packets = fs::read_to_string(directory.join("packets/app.h1.csv")).unwrap();
        assert!(packets.lines().count() > 1_000, "{packets}");
    }
    for distribution in all["distributions"].as_array().unwrap() {
        let durations = distribution["durations_ms"].as_array().unwrap();
        assert_eq!(durations, &[37.0; 10].map(Value::from), "{distribution}");
    }
    assert_eq!(all["expect"][0]["met"], 10);
    let kept = fs::read_to_string(bench.dir.path().join("out/result.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&kept).unwrap(), all);
    is_told_again(&bench, "out", None);

    // The same for somebody who reads, and whose expectation is missed every time.
    let text = fs::read_to_string(&file).unwrap();
    let wrong = text.replace("lost: 37", "lost: 36");
    fs::write(bench.dir.path().join("wrong.yaml"), wrong).unwrap();
    let output = bench.run(&[
        "run",
        "wrong.yaml",
        "--name",
        &name,
        "--trials",
        "2",
        "--out",
        "two",
    ]);
    let (out, err) = words(&output);
    assert_eq!(output.status.code(), Some(4), "{out}{err}");
    assert!(
        out.starts_with("trials     2 of 2; 2 trusted; seed "),
        "{out}"
    );
    assert!(out.contains("met in 0 of 2; trial 1: "), "{out}");
    assert!(out.contains("2 of 2 did not succeed: 1, 2"), "{out}");
    assert!(err.contains("trial 1 of 2 did not succeed"), "{err}");
    is_told_again(&bench, "two", Some(&out));
    let markdown = bench.ok(&["report", "two", "--markdown"]);
    assert!(markdown.contains("| probe | trials | min |"), "{markdown}");
}

#[test]
fn interrupted_trials_tell_what_was_done() {
    let mut bench = Bench::new("trials-end");
    let name = bench.name("end");
    let file = lab("known-outage");
    let args = ["run", &file, "--name", &name, "--out", "out", "--json"];
    let run = bench.start_until(&[&args[..], &["--trials", "50"]].concat(), "trial 1 of 50");
    // Whoever looks meanwhile is told that it goes on.
    let so_far = bench.json(&["report", "out", "--json"]);
    assert_eq!(so_far["ended"]["why"], "running", "{so_far}");
    let text = bench.ok(&["report", "out"]);
    assert!(text.contains(" of 50, still running; "), "{text}");
    run.process().terminate().unwrap();
    let output = run.finished();
    let (out, err) = words(&output);
    assert_eq!(output.status.code(), Some(143), "{out}{err}");
    until("every process gone", || bench.left().is_empty());
    let all: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}"));
    assert_eq!(all["ended"]["why"], "interrupted", "{all}");
    assert_eq!(all["error"]["kind"], "interrupted", "{all}");
    let trials = all["trials"].as_array().unwrap();
    assert!((1..=2).contains(&trials.len()), "{all}");
    assert_eq!(trials[0]["succeeded"], true, "{all}");
    is_told_again(&bench, "out", None);
}

#[test]
fn a_precision_that_is_none_is_refused() {
    let bench = Bench::new("trials-bad");
    let file = lab("known-outage");
    for (option, value, hint) in [
        ("--until", "5%", "such as `ci:5%`"),
        ("--until", "ci:0%", "such as `ci:5%`"),
        ("--trials", "0", "1..=100000"),
        ("--trials", "-1", "-1 is not in 1..=100000"),
    ] {
        let output = bench.run(&["run", &file, option, value]);
        let (out, err) = words(&output);
        assert_eq!(output.status.code(), Some(2), "{out}{err}");
        assert!(err.contains(hint), "{err}");
    }
}

/// A reader that has seen enough does not turn a failure into a success.
#[test]
fn a_missed_expectation_is_one_where_nobody_reads_the_report_either() {
    let mut bench = Bench::new("unread");
    let name = bench.name("unread");
    let text = fs::read_to_string(lab("known-outage")).unwrap();
    fs::write(
        bench.dir.path().join("wrong.yaml"),
        text.replace("lost: 37", "lost: 36"),
    )
    .unwrap();
    let mut run = bench.start(&["run", "wrong.yaml", "--name", &name]);
    drop(run.stdout.take());
    assert_eq!(run.wait().unwrap().code(), Some(4));
}
