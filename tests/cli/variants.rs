//! Variants of a lab side by side, and one run against another.

use std::fs;

use serde_json::Value;

use crate::{
    bench::{Bench, root, words},
    schemas,
};

/// The lab whose loss is known, under a name of its own.
fn lab(bench: &Bench, name: &str) {
    let text = fs::read_to_string(root().join("labs/known-outage.yaml")).unwrap();
    let text = text.replace("name: known-outage", &format!("name: {name}"));
    let text = text.split("expect:").next().unwrap();
    fs::write(bench.dir.path().join("lab.yaml"), text).unwrap();
}

#[test]
fn variants_take_turns_and_are_set_side_by_side() {
    let mut bench = Bench::new("variants");
    let name = bench.name("variants");
    lab(&bench, &name);
    let args = "bench lab.yaml --vary scenario.1.drop.packets=37,60 --trials 3 --turns 2 --seed 7 --out out";
    let args: Vec<&str> = args.split(' ').collect();
    let output = bench.run(&args);
    let (out, err) = words(&output);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    assert!(
        out.contains("packets=37") && out.contains("packets=60"),
        "{out}"
    );
    assert!(err.contains("turn 4 of 4"), "{err}");

    let dir = bench.dir.path().join("out");
    let read = |path: &str| fs::read_to_string(dir.join(path)).unwrap();
    let all: Value = serde_json::from_str(&read("bench.json")).unwrap();
    for (variant, lost) in all["variants"].as_array().unwrap().iter().zip([37.0, 60.0]) {
        let trials = variant["series"]["trials"].as_array().unwrap();
        assert_eq!(trials.len(), 3, "{variant}");
        for trial in trials {
            let own = format!("{}/result.json", trial["directory"].as_str().unwrap());
            let own: Value = serde_json::from_str(&read(&own)).unwrap();
            assert_eq!(own["outages"][0]["duration_ms"], lost, "{own}");
        }
    }
    schemas::fits(&bench, "bench", &all);
    let compared = bench.json(&["compare", "out/01", "out/02", "--json"]);
    schemas::fits(&bench, "compare", &compared);
    let effect = &all["variants"][1]["effect"]["effects"][0];
    assert_eq!(effect["difference_ms"], 23.0, "{effect}");
    assert_eq!(effect["longer"], 1.0, "{effect}");
    // Three trials are not enough for an interval.
    assert_eq!(effect["difference_ci95_ms"], Value::Null, "{effect}");
    assert!(read("02.yaml").contains("packets: 60"));
    assert!(read("report.html").contains("<h1>lab.yaml</h1>"));
    bench.ok(&["compare", "out/01", "out/02", "--html", "both.html"]);
    let page = fs::read_to_string(bench.dir.path().join("both.html")).unwrap();
    assert!(page.contains("<h1>out/02 beside out/01</h1>"), "{page}");

    let compare = |args: &[&str]| {
        let output = bench.run(&[&["compare"], args].concat());
        let (out, err) = words(&output);
        (output.status.code(), out + &err)
    };
    let (code, said) = compare(&["out/01", "out/02", "--slower-than", "10%"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("undecided") && said.contains("+23"), "{said}");
    let (code, said) = compare(&["out/01", "out/02", "--slower-than", "10%", "--strict"]);
    assert_eq!(code, Some(4), "{said}");

    // Ten trials as they were would have been enough.
    for variant in ["01", "02"] {
        let file = format!("{variant}/result.json");
        let mut series: Value = serde_json::from_str(&read(&file)).unwrap();
        for distribution in series["distributions"].as_array_mut().unwrap() {
            let lost = distribution["median_ms"].clone();
            distribution["durations_ms"] = Value::Array(vec![lost; 10]);
        }
        fs::write(dir.join(file), series.to_string()).unwrap();
    }
    let (code, said) = compare(&["out/01", "out/02", "--slower-than", "10%"]);
    assert_eq!(code, Some(4), "{said}");
    assert!(
        said.contains("slower than the baseline by more than 10%"),
        "{said}"
    );
    let (code, said) = compare(&["out/02", "out/01", "--slower-than", "10%", "--strict"]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn a_variant_that_is_no_lab_is_refused_before_anything_is_built() {
    let mut bench = Bench::new("variants-refused");
    let name = bench.name("refused");
    lab(&bench, &name);
    let refused = |vary: &str| {
        let output = bench.run(&["bench", "lab.yaml", "--vary", vary]);
        let (out, err) = words(&output);
        assert_eq!(output.status.code(), Some(2), "{out}{err}");
        assert!(!bench.dir.path().join("runs").exists(), "{err}");
        err
    };
    let err = refused("scenario.1.drop.packets=37,some");
    assert!(err.contains("lab.yaml (packets=some):13:34:"), "{err}");
    assert!(err.contains("refused: packets=some"), "{err}");
    let err = refused("links.wire.delay.max=1ms");
    assert!(err.contains("`links.wire.delay` holds no keys"), "{err}");
    let err = refused("links.wire.delay");
    assert!(err.contains("KEY=VALUE"), "{err}");
    let err = refused("links.wire.delay=1ms,1ms");
    assert!(err.contains("`1ms` is there twice"), "{err}");

    let output = bench.run(&["compare", "nowhere", "lab.yaml"]);
    let (_, err) = words(&output);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("nowhere: cannot be read"), "{err}");
    let output = bench.run(&["compare", "lab.yaml", "lab.yaml"]);
    let (_, err) = words(&output);
    assert!(err.contains("lab.yaml: is no result of a run"), "{err}");
}
