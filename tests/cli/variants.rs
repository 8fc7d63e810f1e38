//! Variants of a lab side by side, and one run against another.

use std::fs;

use serde_json::Value;

use crate::{
    bench::{Bench, root, until, words},
    schemas,
};

/// The lab whose loss is known, under a name of its own.
fn lab(bench: &Bench, name: &str) {
    let text = fs::read_to_string(root().join("labs/known-outage.yaml")).unwrap();
    let text = text.replace("name: known-outage", &format!("name: {name}"));
    let text = text.split("expect:").next().unwrap();
    fs::write(bench.dir.path().join("lab.yaml"), text).unwrap();
}

/// Kills a bench in its second turn, behind that turn's first trial.
fn killed(bench: &Bench, args: &[&str]) {
    let run = bench.start_until(args, "turn 2 of 4");
    let over = || {
        let each = ["01", "02"].map(|variant| format!("out/{variant}/turn-01/trials/0001"));
        let files = each.map(|trial| bench.dir.path().join(trial).join("result.json"));
        files.iter().all(|file| file.exists())
    };
    until("the first trial of the second turn", over);
    let busy = bench.fails(2, &[args, &["--resume"]].concat());
    assert!(busy.contains("another bench measures into it"), "{busy}");
    run.process().kill().unwrap();
    run.finished();
    until("every process gone", || bench.left().is_empty());
    let told = bench.json(&["report", "out", "--json"]);
    assert_eq!(told["ended"]["why"], "interrupted", "{told}");
    assert!(!bench.dir.path().join("out/bench.json").exists());
    let text = bench.ok(&["report", "out", "--write"]);
    let kept = fs::read_to_string(bench.dir.path().join("out/bench.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&kept).unwrap(), told);
    fs::remove_file(bench.dir.path().join("out/01/result.json")).unwrap();
    assert!(text.contains("; interrupted"), "{text}");
    // What is there can be compared.
    bench.json(&["compare", "out/01", "out/02", "--json"]);
    let which = bench.fails(2, &["compare", "out", "out/02"]);
    assert!(
        which.contains("out/01 (packets=37), out/02 (packets=60)"),
        "{which}"
    );
}

/// Another lab and other values are no bench to go on with.
fn refused(bench: &Bench) {
    let again = |more: &[&str]| {
        let args = ["bench", "lab.yaml", "--out", "out", "--resume"];
        bench.fails(2, &[&args[..], more].concat())
    };
    let seed = again(&["--seed", "8"]);
    assert!(
        seed.contains("but the bench was begun with --seed 0000000000000007"),
        "{seed}"
    );
    let trials = again(&["--trials", "4"]);
    assert!(trials.contains("begun with --trials 3"), "{trials}");
    let vary = again(&["--vary", "scenario.1.drop.packets=37,61"]);
    assert!(
        vary.contains("--vary scenario.1.drop.packets=37,60"),
        "{vary}"
    );
    let file = bench.dir.path().join("lab.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let line = text.lines().position(|l| l.contains("1000/s")).unwrap() + 1;
    fs::write(&file, text.replace("1000/s", "500/s")).unwrap();
    let lab = again(&[]);
    assert!(
        lab.contains(&format!("lab.yaml:{line}: error: the bench was begun")),
        "{lab}"
    );
    fs::write(&file, text).unwrap();
    let anew = bench.fails(
        2,
        &[
            "bench",
            "lab.yaml",
            "--vary",
            "links.wire.delay=1ms,2ms",
            "--out",
            "out",
        ],
    );
    assert!(anew.contains("go on with it by --resume"), "{anew}");
    let none = bench.fails(2, &["bench", "lab.yaml", "--out", "none", "--resume"]);
    assert!(none.contains("holds no bench"), "{none}");
}

#[test]
fn variants_take_turns_survive_a_kill_and_are_set_side_by_side() {
    let mut bench = Bench::new("variants");
    let name = bench.name("variants");
    lab(&bench, &name);
    let args = "bench lab.yaml --vary scenario.1.drop.packets=37,60 --trials 3 --turns 2 --seed 7 --out out";
    let args: Vec<&str> = args.split(' ').collect();
    killed(&bench, &args);
    refused(&bench);
    let more = ["bench", "lab.yaml", "--out", "out", "--resume"];
    let output = bench.run(&more);
    let (out, err) = words(&output);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    assert!(
        out.contains("packets=37") && out.contains("packets=60") && out.contains("in 2 sittings"),
        "{out}"
    );
    assert!(
        err.contains("turn 4 of 4") && !err.contains("turn 1 of 4"),
        "{err}"
    );
    assert!(err.contains("resumed with 3 of 6 trials done"), "{err}");
    assert_eq!(bench.ok(&["report", "out"]), out);
    assert_eq!(bench.ok(&more), out, "nothing is left to do");
    for (form, kept) in [("--json", "bench.json"), ("--html", "report.html")] {
        let kept = fs::read_to_string(bench.dir.path().join("out").join(kept)).unwrap();
        assert!(bench.ok(&["report", "out", form]) == kept, "{form}");
    }
    let one = fs::read_to_string(bench.dir.path().join("out/02/result.json")).unwrap();
    assert_eq!(bench.ok(&["report", "out/02", "--json"]), one);

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
    assert_eq!(compared["baseline"], "out/01", "{compared}");
    assert_eq!(compared["verdict"], "not-judged", "{compared}");
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

    for (limit, help) in [("-5%", "is not negative"), ("5", "such as `10%` or `50ms`")] {
        let said = bench.fails(2, &["compare", "a", "b", "--slower-than", limit]);
        assert!(said.contains(help), "{said}");
    }
    let old = bench.dir.path().join("old.json");
    fs::write(old, r#"{"format": 2, "distributions": []}"#).unwrap();
    let said = bench.fails(
        2,
        &["compare", "old.json", "old.json", "--slower-than", "200%"],
    );
    assert!(said.contains("its format is 2"), "{said}");
    let output = bench.run(&["compare", "nowhere", "lab.yaml"]);
    let (_, err) = words(&output);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("nowhere: cannot be read"), "{err}");
    let output = bench.run(&["compare", "lab.yaml", "lab.yaml"]);
    let (_, err) = words(&output);
    assert!(err.contains("lab.yaml: is no result of a run"), "{err}");
}
