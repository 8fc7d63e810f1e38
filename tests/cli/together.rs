//! One series of trials that several labs measure at once.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::{
    bench::{Bench, root, until, words},
    report::is_told_again,
};

fn known_outage() -> String {
    let path = root().join("labs/known-outage.yaml");
    path.to_str().unwrap().to_owned()
}

/// The trials' numbers; each was measured right, and is where it says.
fn numbers(bench: &Bench, all: &Value) -> Vec<u64> {
    let each = all["trials"].as_array().unwrap().iter().map(|trial| {
        assert_eq!(trial["outages"][0]["lost"], 37, "{trial}");
        let number = trial["number"].as_u64().unwrap();
        let directory = trial["directory"].as_str().unwrap();
        assert!(
            directory.ends_with(&format!("trials/{number:04}")),
            "{trial}"
        );
        let again = bench.json(&["report", "out", "--trial", &number.to_string(), "--json"]);
        // A kill may come between what is told from, the journal, and what is told.
        let kept = bench.dir.path().join("out").join(directory);
        if let Ok(kept) = fs::read_to_string(kept.join("result.json")) {
            assert_eq!(again, serde_json::from_str::<Value>(&kept).unwrap());
        }
        number
    });
    each.collect()
}

fn labs(all: &Value) -> usize {
    let trials = all["trials"].as_array().unwrap().iter();
    let each = trials.filter_map(|trial| trial["directory"].as_str()?.split("/trials").next());
    each.collect::<BTreeSet<&str>>().len()
}

#[test]
fn two_labs_share_a_series_which_is_taken_up_again_after_an_end_and_after_a_kill() {
    let mut bench = Bench::new("together");
    let name = bench.name("together");
    let file = known_outage();
    let args = ["run", &file, "--name", &name, "--out", "out"];
    let begun = [&args[..], &["--trials", "40", "--jobs", "2"]].concat();
    let run = bench.start_until(&begun, "trial 1 of 40");
    run.process().terminate().unwrap();
    let output = run.finished();
    let (out, err) = words(&output);
    assert_eq!(output.status.code(), Some(143), "{out}{err}");
    until("every process gone", || bench.left().is_empty());
    assert!(
        out.contains("of 40, interrupted, by 2 labs at once"),
        "{out}{err}"
    );
    let all = bench.json(&["report", "out", "--json"]);
    assert_eq!(all["jobs"], 2, "{all}");
    let seed = all["asked"]["seed"].clone();

    // Killed, as many trials as were over are still told.
    let more = [&args[..], &["--resume"]].concat();
    let run = bench.start_until(&more, "trial 3 of 40");
    run.process().kill().unwrap();
    run.finished();
    until("every process gone", || bench.left().is_empty());
    let all = bench.json(&["report", "out", "--json"]);
    assert!(all["trials"].as_array().unwrap().len() >= 3, "{all}");

    // The rest of fewer: what was cut short is measured anew, and no number is missing.
    let last = [&args[..], &["--resume", "--trials", "5", "--json"]].concat();
    let all = bench.json(&last);
    let done = numbers(&bench, &all);
    assert!(done.len() >= 5, "{done:?}");
    assert!((1..=5).all(|number| done.contains(&number)), "{done:?}");
    assert_eq!(all["asked"]["seed"], seed);
    assert_eq!(all["ended"]["why"], "completed", "{all}");
    assert_eq!(all["lab"], name.as_str());
    assert_eq!(all["sittings"].as_array().unwrap().len(), 3, "{all}");
    assert!(labs(&all) > 1, "{all}");
    is_told_again(&bench, "out", None);
    assert!(!bench.dir.path().join("out/deal").exists());
    assert_eq!(bench.json(&last), all, "nothing is left to do");
}

#[test]
fn several_labs_are_of_a_series() {
    let bench = Bench::new("together-bad");
    let file = known_outage();
    let one = bench.fails(2, &["run", &file, "--jobs", "2"]);
    assert!(one.contains("--jobs is of a series of trials"), "{one}");
    let none = bench.fails(2, &["run", &file, "--trials", "3", "--jobs", "0"]);
    assert!(none.contains("1..=64"), "{none}");
}
