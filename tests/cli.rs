//! The commands as a user types them. Labs have names of this test process's own,
//! and every command names the lab it means: others may be up beside them.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed, and says where"
)]
#![expect(clippy::disallowed_methods, reason = "driver: reads the clock")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

use backhoe::os::process::PidFd;
use serde_json::Value;

#[path = "cli/alerts.rs"]
mod alerts;
#[path = "cli/answers.rs"]
mod answers;
#[path = "cli/bench.rs"]
mod bench;
#[path = "cli/caps.rs"]
mod caps;
#[path = "cli/fan_out.rs"]
mod fan_out;
#[path = "cli/fast.rs"]
mod fast;
#[path = "cli/faults.rs"]
mod faults;
#[path = "cli/graph.rs"]
mod graph;
#[path = "cli/interrupted.rs"]
mod interrupted;
#[path = "cli/metrics.rs"]
mod metrics;
#[path = "cli/report.rs"]
mod report;
#[path = "cli/schemas.rs"]
mod schemas;
#[path = "cli/sweep.rs"]
mod sweep;
#[path = "cli/test.rs"]
mod test;
#[path = "cli/together.rs"]
mod together;
#[path = "cli/trials.rs"]
mod trials;
#[path = "cli/unanswered.rs"]
mod unanswered;
#[path = "cli/variants.rs"]
mod variants;

use bench::{Bench, finished, headline, root, until, words};

fn session<'v>(status: &'v Value, name: &str, node: &str) -> &'v Value {
    let sessions = status["state"]["sessions"].as_array().unwrap();
    sessions
        .iter()
        .find(|s| s["session"] == name && s["node"] == node)
        .unwrap()
}

fn link<'v>(status: &'v Value, name: &str, from: &str) -> &'v Value {
    let links = status["state"]["links"].as_array().unwrap();
    links
        .iter()
        .find(|l| l["link"] == name && l["from"] == from)
        .unwrap()
}

#[test]
fn a_lab_that_stays_up_is_seen_cut_restored_entered_and_taken_down() {
    let mut bench = Bench::new("life");
    let lab = bench.name("life");
    let up = bench.json(&["up", &headline(), "--name", &lab, "--json"]);
    assert_eq!(
        (&up["lab"], &up["converged"]),
        (&Value::from(&*lab), &true.into())
    );
    assert!(up["converged_ms"].as_f64().unwrap() > 0.0);

    told_apart(&bench, &up);
    looked_at(&bench, &lab);
    cut_by_hand(&bench, &lab);

    entered(&bench, &lab);

    let again = bench.fails(2, &["up", &headline(), "--name", &lab]);
    assert!(again.contains("is already up"), "{again}");
    let down = bench.ok(&["down", &lab]);
    assert!(down.contains(&format!("{lab} is down: 7 nodes")), "{down}");
    let twice = bench.fails(2, &["down", &lab]);
    assert!(twice.contains(&format!("no lab `{lab}` is up")), "{twice}");
    until("every process gone", || bench.left().is_empty());
}

/// Every process says what it is, and every configuration is kept.
fn told_apart(bench: &Bench, up: &Value) {
    let shown: Vec<String> = bench
        .left()
        .iter()
        .map(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line);
            line.trim_end_matches('\0').replace('\0', " ")
        })
        .collect();
    let lab = up["lab"].as_str().unwrap();
    for process in ["lab", "init", "supervisor"] {
        let line = format!("backhoe: {process} {lab}");
        assert_eq!(shown.iter().filter(|s| **s == line).count(), 1, "{shown:?}");
    }
    for line in [
        "backhoe: node dc1",
        "backhoe: node app",
        "backhoe: speaker dc1",
        "backhoe: tunnel backup at vgw",
    ] {
        assert!(shown.iter().any(|s| s == line), "{line}: {shown:?}");
    }
    assert!(
        shown.iter().all(|s| s.starts_with("backhoe: ")),
        "{shown:?}"
    );

    let config = Path::new(up["out_dir"].as_str().unwrap()).join("config");
    let speaker = fs::read_to_string(config.join("dc1/speaker.json")).unwrap();
    assert!(speaker.contains("65001"), "{speaker}");
    let hosts = fs::read_to_string(config.join("app/etc/hosts")).unwrap();
    assert!(hosts.contains("10.0.1.10"), "{hosts}");
}

fn entered(bench: &Bench, lab: &str) {
    let left = bench.run(&["exec", "--lab", lab, "app", "--", "sh", "-c", "exit 7"]);
    assert_eq!(left.status.code(), Some(7));
    // A host by its own name, and as probes name it.
    for host in ["app", "dc1.app"] {
        let named = ["exec", "--lab", lab, host, "--", "sh", "-c"];
        let who = bench.ok(&[&named[..], &["echo $BACKHOE_NODE; hostname"]].concat());
        assert_eq!(who, "app\napp\n");
        let fib = bench.json(&["inspect", "--lab", lab, host, "fib", "--json"]);
        assert!(!fib.as_array().unwrap().is_empty(), "{fib}");
        let logs = bench.json(&["logs", "--lab", lab, host, "--json"]);
        assert_eq!(logs, serde_json::json!({ "node": host, "logs": [] }));
    }
    let elsewhere = bench.fails(125, &["exec", "--lab", lab, "vgw.app", "--", "true"]);
    assert!(elsewhere.contains("no node `vgw.app`"), "{elsewhere}");
    let logs = bench.ok(&["logs", "--lab", lab, "dc1"]);
    assert!(logs.contains("==> dc1.speaker.log <=="), "{logs}");
}

fn looked_at(bench: &Bench, lab: &str) {
    let status = bench.json(&["status", lab, "--json"]);
    assert_eq!(status["waiting"], serde_json::json!([]));
    assert_eq!(
        session(&status, "prod", "dc1")["bgp"]["state"],
        "Established"
    );
    assert_eq!(
        session(&status, "prod", "dc1")["bfd"]["view"]["state"],
        "Up"
    );
    let circuit = link(&status, "circuit", "dc1");
    assert!(circuit["measured"]["delay_p50_ms"].as_f64().unwrap() >= 4.0);
    let table = bench.ok(&["status", "--lab", lab]);
    for word in [
        "everything is up",
        "dc1 → east",
        "Established",
        "userspace",
        "note: ",
    ] {
        assert!(table.contains(word), "{word} is not in\n{table}");
    }
    let rib = bench.json(&["inspect", "--lab", lab, "dc1", "rib", "--json"]);
    let best = rib.as_array().unwrap().iter();
    let best = best.filter(|r| r["prefix"] == "172.31.0.0/16" && r["best"] == true);
    let via: Vec<&Value> = best.map(|r| &r["from"]).collect();
    assert_eq!(via, ["prod"]);
    for (what, word) in [
        ("bgp", "Established"),
        ("bfd", "900 ms"),
        ("rib", "172.31.0.0/16"),
        ("fib", "circuit"),
    ] {
        let table = bench.ok(&["inspect", "--lab", lab, "dc1", what]);
        assert!(table.contains(word), "{what}: {table}");
    }
    let listed = bench.ok(&["ls"]);
    assert!(listed.starts_with("NAME"), "{listed}");
    assert!(listed.contains(&format!("{lab}  ")), "{listed}");
    for (args, hint) in [
        (
            ["inspect", "--lab", lab, "dc2", "bgp"],
            "did you mean `dc1`?",
        ),
        (
            ["inspect", "--lab", lab, "isp", "bgp"],
            "runs no routing daemon",
        ),
    ] {
        let text = bench.fails(2, &args);
        assert!(text.contains(hint), "{text}");
    }
}

fn cut_by_hand(bench: &Bench, lab: &str) {
    let wrong = bench.fails(2, &["cut", "--lab", lab, "circiut"]);
    assert!(wrong.contains("did you mean `circuit`?"), "{wrong}");
    let unfit = bench.fails(2, &["cut", "--lab", lab, "circuit", "--how", "kill"]);
    assert!(unfit.contains("hits a node"), "{unfit}");
    let nothing = bench.fails(2, &["restore", "--lab", lab, "circuit"]);
    assert!(
        nothing.contains("nothing called `circuit` is cut"),
        "{nothing}"
    );

    let cut = bench.ok(&["cut", "--lab", lab, "circuit"]);
    assert!(cut.starts_with("circuit cut, silent, in "), "{cut}");
    let twice = bench.fails(2, &["cut", "--lab", lab, "circuit", "--as", "again"]);
    assert!(twice.contains("already cut"), "{twice}");
    until("prod down at dc1, and the route over the backup", || {
        let rib = bench.json(&["inspect", "--lab", lab, "dc1", "rib", "--json"]);
        let best = |r: &Value| r["best"] == true && r["from"] == "backup";
        rib.as_array().unwrap().iter().any(best)
    });
    let status = bench.json(&["status", lab, "--json"]);
    assert_eq!(link(&status, "circuit", "east")["fault"], "silent");
    assert_ne!(
        session(&status, "prod", "dc1")["bgp"]["state"],
        "Established"
    );
    assert!(!status["waiting"].as_array().unwrap().is_empty());

    let args = [
        "cut", "--lab", lab, "uplink", "--how", "one-way", "--from", "isp", "--as", "deaf",
        "--json",
    ];
    let deaf = bench.json(&args);
    assert_eq!(
        (&deaf["label"], &deaf["fault"]),
        (&"deaf".into(), &"one-way".into())
    );
    let status = bench.json(&["status", lab, "--json"]);
    assert_eq!(link(&status, "uplink", "isp")["fault"], "one-way");
    assert_eq!(link(&status, "uplink", "dc1")["fault"], Value::Null);

    // `restore circuit` must not be able to mean two things.
    let args = ["cut", "--lab", lab, "edge", "--as", "circuit"];
    let vague = bench.fails(2, &args);
    assert!(vague.contains("`circuit` is a link of this lab"), "{vague}");

    let restored = bench.ok(&["restore", "--lab", lab, "deaf"]);
    assert!(
        restored.starts_with("uplink restored (deaf), was one-way"),
        "{restored}"
    );
    let all = bench.json(&["restore", "--lab", lab, "--all", "--json"]);
    assert_eq!(all[0]["target"], "circuit");
    until("everything up again", || {
        let status = bench.json(&["status", lab, "--json"]);
        status["waiting"].as_array().unwrap().is_empty()
    });
}

#[test]
fn the_same_lab_is_up_twice_under_two_names() {
    let mut bench = Bench::new("twins");
    let (one, two) = (bench.name("one"), bench.name("two"));
    for lab in [&one, &two] {
        bench.ok(&["up", &headline(), "--name", lab, "--no-wait"]);
    }
    let vague = bench.fails(2, &["status"]);
    assert!(vague.contains(&one) && vague.contains(&two), "{vague}");
    bench.ok(&["cut", "--lab", &one, "circuit"]);
    let status = |lab: &str| bench.json(&["status", lab, "--json"]);
    assert_eq!(link(&status(&one), "circuit", "dc1")["fault"], "silent");
    assert_eq!(link(&status(&two), "circuit", "dc1")["fault"], Value::Null);
    let up = bench.json(&["ls", "--json"]);
    let dirs: Vec<&Value> = [&one, &two]
        .map(|lab| {
            let all = up.as_array().unwrap();
            &all.iter().find(|l| l["lab"] == **lab).unwrap()["out_dir"]
        })
        .to_vec();
    assert_ne!(dirs[0], dirs[1]);
    let down = bench.json(&["down", &one, &two, "--json"]);
    assert_eq!(down.as_array().unwrap().len(), 2);
    until("every process gone", || bench.left().is_empty());
}

#[test]
fn wrong_usage_exits_with_2_and_says_what_would_do() {
    let mut bench = Bench::new("usage");
    let nowhere = bench.name("nowhere");
    for args in [
        vec!["frobnicate"],
        vec!["run"],
        vec!["cut"],
        vec!["restore"],
        vec!["inspect", "dc1"],
        vec!["inspect", "dc1", "weather"],
        vec!["cut", "circuit", "--how", "gently"],
        vec!["run", "no-such-file.yaml"],
        vec!["status", &nowhere],
        vec!["down", &nowhere],
        vec!["logs", "--lab", &nowhere, "dc1"],
        vec!["cut", "--lab", &nowhere, "circuit"],
        vec!["restore", "--lab", &nowhere, "--all"],
        vec!["status", "--lab", "not a name"],
    ] {
        assert!(!bench.fails(2, &args).is_empty(), "{args:?}");
    }
    let unknown = bench.fails(2, &["status", &nowhere]);
    assert!(
        unknown.contains(&format!("no lab `{nowhere}` is up")),
        "{unknown}"
    );
    bench.fails(125, &["exec", "--lab", &nowhere, "dc1", "true"]);
    let help = bench.ok(&["--help"]);
    for command in [
        "run",
        "up",
        "status",
        "inspect",
        "logs",
        "cut",
        "restore",
        "Exit codes",
    ] {
        assert!(help.contains(command), "{command}");
    }
}

#[test]
fn a_bad_file_is_refused_at_its_line_and_column() {
    let bench = Bench::new("bad");
    let bad = bench.dir.path().join("bad.yaml");
    let good = fs::read_to_string(headline()).unwrap();
    fs::write(
        &bad,
        good.replace("link: circuit, gateway", "link: circiut, gateway"),
    )
    .unwrap();
    let line = good
        .lines()
        .position(|l| l.contains("prod:   { vif"))
        .unwrap()
        + 1;
    for command in ["check", "run", "up", "plan"] {
        let text = bench.fails(2, &[command, "bad.yaml"]);
        assert!(text.contains(&format!("bad.yaml:{line}:")), "{text}");
        assert!(text.contains("did you mean `circuit`?"), "{text}");
    }
    let place = bench.fails(2, &["check", "bad.yaml"]);
    let place = place.split("bad.yaml:").nth(1).unwrap();
    let numbers: Vec<&str> = place.split(':').take(2).collect();
    assert!(numbers.iter().all(|n| n.parse::<u32>().is_ok()), "{place}");
    let json = bench.run(&["check", "--json", "bad.yaml"]);
    assert_eq!(json.status.code(), Some(2));
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(
        (&json["ok"], &json["diagnostics"][0]["line"]),
        (&false.into(), &line.into())
    );
    assert!(!bench.dir.path().join("runs").exists(), "nothing was built");
}

#[test]
fn a_run_prints_one_json_document_and_its_name_is_taken_meanwhile() {
    let mut bench = Bench::new("run");
    let lab = bench.name("run");
    let seeded = ["--json", "--out", "out", "--seed", "00000000000000ab"];
    let first = bench.start(&[&["run", &headline(), "--name", &lab], &seeded[..]].concat());
    until("the lab is up", || {
        bench.ok(&["ls"]).contains(&format!("{lab}  "))
    });
    let second = bench.fails(2, &["run", &headline(), "--name", &lab]);
    assert!(
        second.contains(&format!("lab {lab} is already up")),
        "{second}"
    );
    let own = bench.fails(2, &["cut", "--lab", &lab, "circuit"]);
    assert!(
        own.contains(&format!("the scenario of {lab} is running")),
        "{own}"
    );
    let restore = ["restore", "--lab", &lab, "--all", "--json"];
    let (own, _) = bench.fails_json(2, &restore);
    assert_eq!(own["error"]["kind"], "conflict", "{own}");

    let output = finished(first, "run --json");
    let (out, err) = words(&output);
    // On a slow machine an expectation may be missed; the document is there all the same.
    assert!(matches!(output.status.code(), Some(0 | 4)), "{err}");
    let result: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{err}"));
    schemas::fits(&bench, "result", &result);
    report::is_told_again(&bench, "out", None);
    assert_eq!(bench.ok(&["report", "out", "--json"]), out);
    assert_eq!(result["lab"], *lab);
    assert_eq!(result["seed"], "00000000000000ab");
    for progress in ["converged in ", "silent applied to circuit"] {
        assert!(err.contains(progress), "`{progress}` is not in: {err}");
    }
    assert!(result["trusted"].is_boolean() && result["warnings"].is_array());
    let outages = result["outages"].as_array().unwrap();
    assert_eq!(outages.len(), 4, "two flows, a cut and a restore");
    for outage in outages {
        for field in [
            "probe",
            "from",
            "to",
            "fault",
            "target",
            "transition",
            "lost",
            "sent",
            "duration_ms",
            "resolution_ms",
            "path_before",
            "path_after",
        ] {
            assert!(outage.get(field).is_some(), "{field} is not in {outage}");
        }
        for phase in ["detected", "updated", "fib", "recovered"] {
            assert!(
                outage["phases_ms"].get(phase).is_some(),
                "{phase}: {outage}"
            );
        }
    }
    assert!(
        outages
            .iter()
            .any(|o| o["fault"] == "silent" && o["target"] == "circuit")
    );
    until("every process gone", || bench.left().is_empty());
}

/// Interrupts a command when its standard error says `word`; what it exits with.
fn interrupted(bench: &Bench, args: &[&str], word: &str, signal: &str) -> Output {
    let underway = bench.start_until(args, word);
    let sent = Command::new("sh")
        .args(["-c", "kill -$0 $1", signal, &underway.pid().to_string()])
        .status();
    assert!(sent.unwrap().success());
    underway.finished()
}

#[test]
fn links_of_switches_are_measured_and_what_is_not_is_said() {
    let mut bench = Bench::new("switch");
    let lab = bench.name("switch");
    fs::write(
        bench.dir.path().join("segment.yaml"),
        "nodes:
  s: { kind: switch }
  t: { kind: switch }
  h: { kind: host }
  g: { kind: host }
  u: { kind: switch }
  v: { kind: host }
links:
  left:  { ends: [h, s], delay: 2ms, addresses: { h: 10.0.0.1/24 } }
  trunk: { ends: [s, t], delay: 4ms }
  right: { ends: [t, g], delay: 6ms, rate: 50mbit, addresses: { g: 10.0.0.2/24 } }
  six:   { ends: [u, v], addresses: { v: '2001:db8::1/64' } }
probes:
  p: { between: [h, g] }
scenario:
  - sleep: 1s
",
    )
    .unwrap();
    let result = bench.ok(&["run", "segment.yaml", "--name", &lab, "--json"]);
    let result: Value = serde_json::from_str(&result).unwrap();
    let measured: Vec<(&str, f64, f64)> = result["links"]
        .as_array()
        .unwrap()
        .iter()
        .map(|link| {
            (
                link["link"].as_str().unwrap(),
                link["declared_delay_ms"].as_f64().unwrap(),
                link["delay_p50_ms"].as_f64().unwrap(),
            )
        })
        .collect();
    let links: Vec<&str> = measured.iter().map(|(link, ..)| *link).collect();
    assert_eq!(links, ["left", "left", "right", "right", "trunk", "trunk"]);
    for (link, declared, delay) in measured {
        assert!(
            (declared - 0.1..declared + 3.0).contains(&delay),
            "{link}: {delay}"
        );
    }
    assert!(
        result["links"][2]["rate_plus_minus_bps"].is_u64(),
        "{result}"
    );
    assert_eq!(result["unmeasured"][0]["link"], "six");
    assert_eq!(
        result["unmeasured"][0]["why"],
        "switch u has no address, and no IPv4 network to take one from"
    );
}

#[test]
fn doctor_tries_everything_and_leaves_nothing() {
    let bench = Bench::new("doctor");
    let seen = || {
        let list = |args: &[&str]| Command::new("ip").args(args).output().unwrap().stdout;
        let mounts = fs::read("/proc/self/mounts").unwrap();
        (list(&["-o", "link"]), list(&["route"]), mounts)
    };
    let before = seen();
    let output = bench.run(&["doctor", "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = answer["findings"].as_array().unwrap();
    let fatal = findings.iter().any(|f| f["verdict"] == "fatal");
    assert_eq!(output.status.code(), Some(if fatal { 3 } else { 0 }));
    for finding in findings {
        for word in ["what", "found", "uses"] {
            assert!(finding[word].is_string(), "{finding}");
        }
        let good = finding["verdict"] == "good";
        assert_eq!(finding["improve"].is_null(), good, "{finding}");
    }
    assert!(answer["timing"]["wake_p50_us"].as_f64().unwrap() > 0.0);
    assert_eq!(before, seen());
}

#[test]
fn signals_take_the_lab_down_and_nothing_remains() {
    let mut bench = Bench::new("signals");
    let lab = bench.name("signals");
    let file = headline();
    let (run, up) = (
        ["run", file.as_str(), "--name", &lab],
        ["up", file.as_str(), "--name", &lab],
    );
    for (args, word, signal, code) in [
        (&run, "converge", "INT", 130),
        (&run, "probing", "TERM", 143),
        (&up, "converge", "INT", 130),
        (&up, "up:", "TERM", 143),
    ] {
        let output = interrupted(&bench, args, word, signal);
        let (out, err) = words(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {out}{err}");
        assert!(err.contains("down"), "{err}");
        until("every process gone", || bench.left().is_empty());
        let journal = latest_journal(bench.dir.path());
        let last: Value = serde_json::from_str(journal.lines().last().unwrap()).unwrap();
        assert_eq!(last["outcome"], "interrupted", "the end was in order");
    }
}

fn latest_journal(dir: &Path) -> String {
    let runs = fs::read_dir(dir.join("runs")).unwrap().flatten();
    let latest = runs.map(|entry| entry.path()).max().unwrap();
    fs::read_to_string(latest.join("journal.jsonl")).unwrap()
}

#[test]
fn a_lab_that_does_not_answer_is_listed_and_can_be_ended() {
    let mut bench = Bench::new("wedged");
    let lab = bench.name("wedged");
    let file = root().join("labs/two-routers.yaml").display().to_string();
    let up = bench.json(&["up", &file, "--name", &lab, "--json", "--no-wait"]);
    let init = up["init_pid"].as_i64().unwrap();
    // PID 1's only child is the supervisor.
    let child = fs::read_to_string(format!("/proc/{init}/task/{init}/children")).unwrap();
    let supervisor = child.split_whitespace().next().unwrap().parse().unwrap();
    PidFd::open(supervisor).unwrap().stop().unwrap();
    let listed = bench.ok(&["ls"]);
    assert!(listed.contains("does not answer"), "{listed}");
    let words = format!("lab `{lab}` has not answered within 5s");
    let silent = bench.fails(125, &["exec", "--lab", &lab, "a", "true"]);
    assert!(silent.contains(&words), "{silent}");
    for args in [
        vec!["status", &lab, "--json"],
        vec!["inspect", "--lab", &lab, "a", "bgp", "--json"],
        vec!["cut", "--lab", &lab, "left", "--json"],
    ] {
        let asked = Instant::now();
        let (answer, said) = bench.fails_json(5, &args);
        assert!(asked.elapsed() < Duration::from_secs(15), "{args:?}");
        assert_eq!(answer["error"]["kind"], "unresponsive", "{args:?}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.contains(&words), "{args:?}: {answer}");
        assert!(said.contains(&words), "{args:?}: {said}");
    }
    let down = bench.ok(&["down", &lab]);
    assert!(down.contains("did not answer and was killed"), "{down}");
    until("every process gone", || bench.left().is_empty());
}
