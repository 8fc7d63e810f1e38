//! What is said when something is wrong: one JSON document where that was asked
//! for, the right code, and words that are true.

use std::{
    fs,
    io::{Read, Write},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixStream},
    },
    process::Command,
    time::Duration,
};

use backhoe::os::{process::PidFd, userns::Owner};
use serde_json::{Value, json};

use crate::bench::{Bench, finished, headline, root, until, words};

fn two_routers() -> String {
    root().join("labs/two-routers.yaml").display().to_string()
}

#[test]
fn every_command_that_fails_with_json_prints_one_document() {
    let mut bench = Bench::new("answers");
    let nowhere = bench.name("nowhere");
    fs::write(bench.dir.path().join("bad.yaml"), "name: bad\nnodse: {}\n").unwrap();
    let missing = "no-such.yaml";
    for (args, kind) in [
        (vec!["run", missing], "usage"),
        (vec!["run", "bad.yaml"], "lab-file"),
        (vec!["run"], "usage"),
        (vec!["run", &headline(), "--out", "/sys/x"], "usage"),
        (vec!["plan", missing], "usage"),
        (vec!["plan", "bad.yaml"], "lab-file"),
        (vec!["up", "bad.yaml"], "lab-file"),
        (vec!["down", &nowhere], "usage"),
        (vec!["down", "--all", &nowhere], "usage"),
        (vec!["ls", "--frobnicate"], "usage"),
        (vec!["status", &nowhere], "usage"),
        (vec!["inspect", "--lab", &nowhere, "dc1", "bgp"], "usage"),
        (vec!["logs", "--lab", &nowhere, "dc1"], "usage"),
        (vec!["cut", "--lab", &nowhere, "circuit"], "usage"),
        (vec!["restore", "--lab", &nowhere, "--all"], "usage"),
        (vec!["doctor", "--frobnicate"], "usage"),
        (vec!["schema", "--frobnicate"], "usage"),
    ] {
        let is_run = args[0] == "run";
        let args = [args, vec!["--json"]].concat();
        let (document, said) = bench.fails_json(2, &args);
        assert_eq!(document["error"]["kind"], kind, "{args:?}: {document}");
        let message = document["error"]["message"].as_str().unwrap();
        let first = message.lines().next().unwrap();
        assert!(said.contains(first), "{args:?}: {said}");
        if is_run {
            assert_eq!(document["trusted"], false);
            assert_eq!(
                (&document["warnings"], &document["outages"]),
                (&json!([]), &json!([]))
            );
            assert!(document.get("lab").is_some());
        }
        if kind == "lab-file" {
            let found = document["error"]["diagnostics"].as_array().unwrap();
            let key = found.iter().find(|f| f["code"] == "unknown-key").unwrap();
            assert_eq!((&key["line"], &key["column"]), (&2.into(), &1.into()));
        }
    }
    assert!(!bench.dir.path().join("runs").exists(), "nothing was built");
}

#[test]
fn check_lists_what_is_wrong_with_every_file() {
    let bench = Bench::new("check");
    fs::write(bench.dir.path().join("bad.yaml"), "name: bad\nnodse: {}\n").unwrap();
    fs::write(bench.dir.path().join("latin.yaml"), b"name: x\n# caf\xe9\n").unwrap();
    let args = ["check", "no-such.yaml", "bad.yaml", "latin.yaml", "--json"];
    let (found, _) = bench.fails_json(2, &args);
    assert_eq!(found["ok"], false);
    let found = found["diagnostics"].as_array().unwrap();
    let of = |file: &str| found.iter().find(|f| f["file"] == file).unwrap();
    assert_eq!(of("no-such.yaml")["line"], Value::Null);
    assert_eq!(of("bad.yaml")["code"], "missing-key");
    assert_eq!(
        (&of("latin.yaml")["line"], &of("latin.yaml")["column"]),
        (&2.into(), &6.into())
    );
    let good = bench.json(&["check", &headline(), "--json"]);
    assert_eq!(good["ok"], true);

    let said = bench.fails(2, &["check", "latin.yaml"]);
    let expected = "\
latin.yaml:2:6: error: the file is not UTF-8 text: here is the byte 0xE9
 2 | # caf\u{fffd}
   |      ^
   = help: a lab file is text in UTF-8; save it in that encoding
backhoe: refused: latin.yaml
";
    assert_eq!(said, expected);
    let run = bench.fails(2, &["run", "latin.yaml"]);
    assert!(run.starts_with("latin.yaml:2:6: error: "), "{run}");
}

#[test]
fn a_missing_file_a_spoilt_plan_and_a_mistyped_exec_are_told_from_bugs() {
    let mut bench = Bench::new("mistakes");
    let said = bench.fails(2, &["check", "no-such.yaml"]);
    let expected = "\
no-such.yaml: error: cannot be read: No such file or directory (os error 2)
   = help: `ls labs/` shows the labs that come with backhoe
backhoe: refused: no-such.yaml
";
    assert_eq!(said, expected);

    let lab = bench.name("spoilt");
    let plan = bench.ok(&["plan", &two_routers(), "--json"]);
    let mut plan: Value = serde_json::from_str(&plan).unwrap();
    plan["ops"] = json!([]);
    plan["lab"] = Value::from(&*lab);
    fs::write(bench.dir.path().join("plan.json"), plan.to_string()).unwrap();
    for command in ["up", "run"] {
        let (document, said) = bench.fails_json(2, &[command, "plan.json", "--json"]);
        assert_eq!(document["error"]["kind"], "usage", "{document}");
        assert!(
            said.contains("plan.json: error: the plan cannot be carried out: "),
            "{said}"
        );
    }

    for args in [
        &["exec"][..],
        &["exec", "a"],
        &["shell"],
        &["exec", "--frobnicate"],
    ] {
        let said = bench.fails(125, args);
        assert!(said.contains("Usage: backhoe "), "{args:?}: {said}");
    }
    for seed in ["seven", "0x", "123456789012345678901"] {
        let said = bench.fails(2, &["run", &two_routers(), "--seed", seed]);
        assert!(said.contains("16 hexadecimal digits"), "{said}");
    }
}

#[test]
fn a_place_that_takes_no_files_is_said_with_the_way_out() {
    let bench = Bench::new("unwritable");
    // Nobody writes there, not even root.
    let output = Command::new(env!("CARGO_BIN_EXE_backhoe"))
        .args(["run", &headline()])
        .current_dir("/sys")
        .output()
        .unwrap();
    let (_, said) = words(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("cannot write to runs/dx-vpn-backup-"),
        "{said}"
    );
    assert!(said.contains("--out DIR"), "{said}");
    let given = bench.fails(2, &["up", &headline(), "--out", "/sys/kernel"]);
    assert!(given.contains("cannot write to /sys/kernel"), "{given}");
    assert!(given.contains("choose another with --out DIR"), "{given}");
}

#[test]
fn an_interrupted_run_still_prints_its_document() {
    let mut bench = Bench::new("stopped");
    let lab = bench.name("stopped");
    let child = bench.start(&["run", &two_routers(), "--name", &lab, "--json"]);
    until("the lab is up", || {
        bench.ok(&["ls"]).contains(&format!("{lab}  "))
    });
    PidFd::open(i32::try_from(child.id()).unwrap())
        .unwrap()
        .terminate()
        .unwrap();
    let output = finished(child, "run --json");
    let (out, err) = words(&output);
    assert_eq!(output.status.code(), Some(143), "{out}{err}");
    let document: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}"));
    assert_eq!(
        (&document["lab"], &document["trusted"]),
        (&Value::from(&*lab), &false.into())
    );
    assert_eq!(document["error"]["kind"], "interrupted");
    assert_eq!(document["outages"], json!([]));
    assert!(document["warnings"].is_array());
    until("every process gone", || bench.left().is_empty());
}

#[test]
fn what_was_deleted_meanwhile_is_not_promised() {
    let mut bench = Bench::new("deleted");
    let lab = bench.name("deleted");
    let args = ["up", &two_routers(), "--name", &lab, "--json", "--no-wait"];
    let up = bench.json(&args);
    let dir = up["out_dir"].as_str().unwrap();
    let logs = bench.ok(&["logs", "--lab", &lab, "a"]);
    assert!(logs.contains("==> a.speaker.log <=="), "{logs}");
    fs::remove_dir_all(dir).unwrap();
    let gone = bench.fails(2, &["logs", "--lab", &lab, "a"]);
    assert!(
        gone.contains(&format!("the logs of a are gone: {dir} was deleted")),
        "{gone}"
    );
    let status = bench.ok(&["status", &lab]);
    assert!(
        status.contains(&format!("{dir} (deleted meanwhile)")),
        "{status}"
    );
    let down = bench.ok(&["down", &lab]);
    assert!(
        down.contains(&format!("nothing is left to read: {dir} was deleted")),
        "{down}"
    );
}

#[test]
fn every_error_of_the_api_has_one_shape() {
    let mut bench = Bench::new("shape");
    let lab = bench.name("shape");
    bench.ok(&["up", &two_routers(), "--name", &lab, "--no-wait"]);
    let json = "application/json";
    for (method, path, body, status, kind) in [
        ("GET", "/nothing", "", 404, "not-found"),
        ("GET", "/v1/node/zeta", "", 404, "not-found"),
        ("GET", "/v1/node/%ff", "", 400, "wrong"),
        ("GET", "/v1/inspect/a/weather", "", 404, "not-found"),
        ("GET", "/v1/inspect/h1/bgp", "", 400, "wrong"),
        ("DELETE", "/v1/status", "", 405, "wrong"),
        ("POST", "/v1/cut", "{", 400, "wrong"),
        ("POST", "/v1/cut", "{\"goal\": 1}", 422, "wrong"),
        ("POST", "/v1/cut", "{\"target\": \"x\"}", 404, "not-found"),
        ("POST", "/v1/restore", "{}", 400, "wrong"),
        ("POST", "/v1/run", "{\"trials\": 1}", 404, "not-found"),
    ] {
        let (got, answer) = asked(&lab, method, path, json, body);
        assert_eq!(got, status, "{method} {path}: {answer}");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["error"]["kind"], kind, "{method} {path}: {answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(!message.is_empty(), "{method} {path}");
    }
    let (status, answer) = asked(&lab, "POST", "/v1/cut", "text/plain", "{}");
    assert_eq!(status, 415, "{answer}");
    assert!(answer.contains("application/json"), "{answer}");
}

/// Status and body of an answer of `lab`.
fn asked(lab: &str, method: &str, path: &str, kind: &str, body: &str) -> (u16, String) {
    let name = format!("backhoe/{}/{lab}", Owner::current().uid);
    let address = SocketAddr::from_abstract_name(name).unwrap();
    let mut stream = UnixStream::connect_addr(&address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let length = body.len();
    // In one write: a refusal does not wait for a body that comes later.
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: lab\r\nconnection: close\r\ncontent-type: {kind}\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

#[test]
fn what_is_no_runs_is_left_alone() {
    let bench = Bench::new("others");
    let at = |bench: &Bench, path: &str| bench.dir.path().join(path);
    let mine = ["project/labs/mine.yaml", "project/trials/mine.txt"];
    let series = [
        "series/journal.jsonl",
        "series/lab.yaml",
        "series/trials/0001/result.json",
    ];
    for file in mine.iter().chain(&series) {
        let file = at(&bench, file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "mine").unwrap();
    }
    for (command, out, why) in [
        ("run", "project", "what is in it is no run's"),
        ("up", "project", "what is in it is no run's"),
        (
            "run",
            "series",
            "a series of trials: go on with it by --resume",
        ),
    ] {
        let said = bench.fails(2, &[command, &headline(), "--out", out]);
        assert!(said.contains(why), "{said}");
    }
    let vary = "--vary=links.circuit.delay=1ms,2ms";
    let said = bench.fails(2, &["bench", &headline(), vary, "--out", "project"]);
    assert!(said.contains("it is not empty"), "{said}");
    for file in mine.iter().chain(&series) {
        assert_eq!(fs::read_to_string(at(&bench, file)).unwrap(), "mine");
    }
}
