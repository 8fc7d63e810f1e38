//! What a run measured, again, from its directory; series that were killed, and taken up again.

use std::{fs, path::Path, process::Command, time::Duration};

use serde_json::Value;

use crate::bench::{Bench, root, until, words};

fn known_outage() -> String {
    let path = root().join("labs/known-outage.yaml");
    path.to_str().unwrap().to_owned()
}

/// `report --json` is `result.json` and `report --html` is `report.html`, byte for byte, and
/// `report` is `text`.
pub(crate) fn is_told_again(bench: &Bench, run: &str, text: Option<&str>) {
    for (form, file) in [("--json", "result.json"), ("--html", "report.html")] {
        let kept = fs::read_to_string(bench.dir.path().join(run).join(file)).unwrap();
        // Not `assert_eq`, which would print two pages.
        assert!(bench.ok(&["report", run, form]) == kept, "{run}/{file}");
    }
    if let Some(text) = text {
        assert_eq!(bench.ok(&["report", run]), text);
    }
}

fn trials(all: &Value) -> usize {
    all["trials"].as_array().unwrap().len()
}

/// A number from 0 to `below`, another each time.
fn drawn(below: u64) -> u64 {
    let mut bytes = [0; 8];
    let mut random = fs::File::open("/dev/urandom").unwrap();
    std::io::Read::read_exact(&mut random, &mut bytes).unwrap();
    u64::from_ne_bytes(bytes) % below
}

/// Kills the lab's processes, or the command: each takes the rest along.
fn kill(bench: &Bench, which: &str, command: u32) {
    let is_it = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).starts_with(&format!("backhoe: {which} "))
    };
    let pid = match which {
        "command" => command,
        _ => bench.left().into_iter().find(is_it).unwrap_or(command),
    };
    let killed = Command::new("kill").args(["-9", &pid.to_string()]).status();
    assert!(killed.unwrap().success());
}

#[test]
fn a_series_killed_at_any_moment_is_told_and_taken_up_again() {
    let mut bench = Bench::new("killed");
    let lab = bench.name("killed");
    fs::copy(known_outage(), bench.dir.path().join("lab.yaml")).unwrap();
    let args = ["run", "lab.yaml", "--name", &lab, "--out", "out"];
    let mut before = 0;
    let mut seed = Value::Null;
    for (round, which) in ["supervisor", "command", "init"].into_iter().enumerate() {
        let more = [["--trials", "20"], ["--resume", "--json"]][usize::from(round > 0)];
        // Somewhere in the next trial, between two, or while one is written.
        let until_then = format!("trial {} of 20", before + 1);
        let run = bench.start_until(&[&args[..], &more].concat(), &until_then);
        std::thread::sleep(Duration::from_millis(drawn(3_000)));
        kill(&bench, which, run.pid());
        run.finished();
        until("every process gone", || bench.left().is_empty());

        let all = bench.json(&["report", "out", "--json"]);
        let over = trials(&all);
        assert!(over > before, "{round}: {over} after {before}");
        assert_eq!(all["ended"]["why"], "interrupted", "{all}");
        for trial in all["trials"].as_array().unwrap() {
            assert_eq!(trial["outages"][0]["lost"], 37, "{trial}");
        }
        let text = bench.ok(&["report", "out"]);
        assert!(
            text.starts_with(&format!("trials     {over} of 20, interrupted; ")),
            "{text}"
        );
        if round > 0 {
            assert_eq!(all["sittings"].as_array().unwrap().len(), round + 1);
            assert_eq!(all["asked"]["seed"], seed, "{all}");
        }
        seed = all["asked"]["seed"].clone();
        before = over;
    }
    refused(&bench, &args, before);

    // One more is all that is wanted, and then there is nothing left to do.
    let wanted = (before + 1).to_string();
    let last = [&args[..], &["--resume", "--trials", &wanted]].concat();
    let output = bench.run(&last);
    let (out, err) = words(&output);
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    let resumed = format!("resumed after trial {before} of {wanted}");
    assert!(err.contains(&resumed), "{err}");
    assert!(out.contains("in 4 sittings: 1"), "{out}");
    is_told_again(&bench, "out", Some(&out));
    assert_eq!(bench.ok(&last), out);
    let one = bench.json(&["report", "out", "--trial", &wanted, "--json"]);
    let directory = format!("out/trials/{before:04}", before = before + 1);
    let kept = fs::read_to_string(bench.dir.path().join(directory).join("result.json")).unwrap();
    assert_eq!(one, serde_json::from_str::<Value>(&kept).unwrap());
    no_longer_there(&bench, &wanted);
}

/// Another lab, another seed, and a directory that is none.
fn refused(bench: &Bench, args: &[&str], over: usize) {
    let again = |more: &[&str]| bench.fails(2, &[args, &["--resume"], more].concat());
    let seed = again(&["--seed", "1"]);
    assert!(seed.contains("but the series was begun with"), "{seed}");
    let name = args
        .iter()
        .map(|a| if *a == args[3] { "another" } else { *a });
    let name: Vec<&str> = name.chain(["--resume"]).collect();
    let name = bench.fails(2, &name);
    assert!(
        name.contains("lab.yaml: error: the file is the same"),
        "{name}"
    );

    let file = bench.dir.path().join("lab.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let line = text.lines().position(|l| l.contains("lost: 37")).unwrap() + 1;
    fs::write(&file, text.replace("lost: 37", "lost: 36")).unwrap();
    let lab = again(&[]);
    let place = format!("lab.yaml:{line}: error: the series was begun with another lab file");
    assert!(lab.contains(&place), "{lab}");
    assert!(lab.contains("another --out"), "{lab}");
    fs::write(&file, text).unwrap();

    let none = [&args[..4], &["--out", "none", "--resume", "--trials", "2"]].concat();
    let none = bench.fails(2, &none);
    assert!(none.contains("none"), "{none}");
    let still = bench.json(&["report", "out", "--json"]);
    assert_eq!(trials(&still), over, "nothing was touched");
}

/// Files that the journal names must be what they were.
fn no_longer_there(bench: &Bench, last: &str) {
    let (none, _) = bench.fails_json(2, &["report", "elsewhere", "--json"]);
    assert_eq!(none["error"]["kind"], "usage", "{none}");
    let (none, _) = bench.fails_json(2, &["report", "out", "--trial", "99", "--json"]);
    let words = format!("its trials are 1 to {last}");
    assert!(none["error"]["message"].as_str().unwrap().contains(&words));
    let packets = "out/trials/0001/packets/app.h1.csv";
    fs::write(bench.dir.path().join(Path::new(packets)), "seq\n").unwrap();
    let (gone, _) = bench.fails_json(4, &["report", "out", "--json"]);
    let message = gone["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("trials/0001/packets/app.h1.csv has 4 bytes"),
        "{message}"
    );
    // Another trial needs no file of it.
    bench.ok(&["report", "out", "--trial", last]);
}
