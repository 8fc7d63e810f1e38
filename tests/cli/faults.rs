//! Faults by hand that meet each other, and what is said of what they leave behind.

use std::{fs, time::Duration};

use serde_json::Value;

use crate::{
    bench::{Bench, finished, root, until, words},
    schemas,
};

fn two_routers() -> String {
    root().join("labs/two-routers.yaml").display().to_string()
}

fn waiting(bench: &Bench, lab: &str) -> Vec<String> {
    let status = bench.json(&["status", lab, "--json"]);
    let waiting = status["waiting"].as_array().unwrap().iter();
    waiting.map(|w| w.as_str().unwrap().to_owned()).collect()
}

fn all_up(bench: &Bench, lab: &str) {
    until("everything up again", || waiting(bench, lab).is_empty());
}

/// A command that the lab refuses because of the state it is in.
fn refused(bench: &Bench, args: &[&str], why: &str) {
    let (answer, said) = bench.fails_json(2, args);
    assert_eq!(answer["error"]["kind"], "conflict", "{args:?}: {answer}");
    let message = answer["error"]["message"].as_str().unwrap();
    assert_eq!(message, why, "{args:?}");
    assert!(said.contains(why), "{args:?}: {said}");
}

#[test]
fn a_node_dies_whose_daemon_is_dead_and_all_of_it_comes_back() {
    let mut bench = Bench::new("dead");
    let lab = bench.name("dead");
    bench.ok(&["up", &two_routers(), "--name", &lab]);

    bench.ok(&["cut", "--lab", &lab, "b", "--how", "kill"]);
    let killed = "b's daemon was killed; restore it first: backhoe restore b";
    let freeze = ["cut", "--lab", &lab, "b", "--how", "freeze", "--as", "f"];
    refused(&bench, &[&freeze[..], &["--json"]].concat(), killed);
    let shut = ["cut", "--lab", &lab, "primary", "--at", "b", "--json"];
    refused(&bench, &shut, killed);
    for what in ["bgp", "bfd", "rib"] {
        let look = ["inspect", "--lab", &lab, "b", what, "--json"];
        refused(&bench, &look, killed);
    }
    bench.ok(&["inspect", "--lab", &lab, "b", "fib"]);
    listed_as_killed(&bench, &lab);

    let node = ["cut", "--lab", &lab, "b", "--how", "node", "--as", "n"];
    let dead = bench.json(&[&node[..], &["--json"]].concat());
    assert_eq!(dead["fault"], "node", "{dead}");
    let look = ["inspect", "--lab", &lab, "b", "bgp", "--json"];
    refused(
        &bench,
        &look,
        "b is dead; restore it first: backhoe restore n",
    );
    // Each fault holds what it hit until it is itself restored.
    bench.ok(&["restore", "--lab", &lab, "n"]);
    refused(&bench, &look, killed);
    bench.ok(&["restore", "--lab", &lab, "b"]);
    all_up(&bench, &lab);
}

fn listed_as_killed(bench: &Bench, lab: &str) {
    let waiting = waiting(bench, lab);
    for name in [
        "the daemon of b (killed)",
        "BGP primary at b (killed)",
        "BFD backup at b (killed)",
    ] {
        assert!(waiting.iter().any(|w| w == name), "{name}: {waiting:?}");
    }
    let table = bench.ok(&["status", lab]);
    assert!(
        table.contains("not up: the daemon of b (killed), "),
        "{table}"
    );
    assert!(table.contains("NO: killed"), "{table}");
    let session = |line: &&str| line.starts_with("primary") && line.contains("  b   a ");
    let line = table.lines().find(session).unwrap_or_default();
    assert!(line.contains("killed"), "{table}");
}

#[test]
fn faults_that_overlap_are_undone_one_by_one_and_all_at_once() {
    let mut bench = Bench::new("overlap");
    let lab = bench.name("overlap");
    bench.ok(&["up", &two_routers(), "--name", &lab]);
    for node in ["a", "b"] {
        bench.ok(&["cut", "--lab", &lab, node, "--how", "freeze"]);
    }
    let silent = waiting(&bench, &lab);
    for end in ["a", "b"] {
        for item in [
            format!("the daemon of {end} (frozen)"),
            format!("BGP backup at {end} (frozen)"),
        ] {
            assert!(silent.contains(&item), "{item}: {silent:?}");
        }
    }
    let table = bench.ok(&["status", &lab]);
    assert!(!table.contains("everything is up"), "{table}");
    let kill = ["cut", "--lab", &lab, "a", "--how", "kill", "--as", "k"];
    refused(
        &bench,
        &[&kill[..], &["--json"]].concat(),
        "a's daemon is frozen; restore it first: backhoe restore a",
    );

    bench.ok(&["cut", "--lab", &lab, "left"]);
    bench.ok(&["cut", "--lab", &lab, "b", "--how", "node", "--as", "n"]);
    bench.ok(&["restore", "--lab", &lab, "n"]);
    let status = bench.json(&["status", &lab, "--json"]);
    schemas::fits(&bench, "status", &status);
    let links = status["state"]["links"].as_array().unwrap();
    let fault = |name: &str| {
        let link = links.iter().find(|l| l["link"] == name).unwrap();
        link["fault"].clone()
    };
    assert_eq!(
        (fault("left"), fault("right")),
        ("silent".into(), Value::Null)
    );
    // Nothing passes the link that is still cut, though the node at its end is back.
    let delivered = |bench: &Bench, link: &str| {
        let status = bench.json(&["status", &lab, "--json"]);
        let links = status["state"]["links"].as_array().unwrap().iter();
        let counts = links.filter(|l| l["link"] == link);
        let counts = counts.map(|l| l["counters"]["delivered"].as_u64().unwrap());
        counts.sum::<u64>()
    };
    let before = [delivered(&bench, "left"), delivered(&bench, "right")];
    let ping = "for dev in left right; do ping -6 -c 3 -i 0.2 -W 1 ff02::1%$dev; done; true";
    bench.run(&["exec", "--lab", &lab, "a", "--", "sh", "-c", ping]);
    let after = [delivered(&bench, "left"), delivered(&bench, "right")];
    assert_eq!(before[0], after[0], "left is still cut");
    assert!(
        after[1] > before[1],
        "right carries again: {before:?} {after:?}"
    );

    let all = bench.json(&["restore", "--lab", &lab, "--all", "--json"]);
    let labels: Vec<&Value> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|f| &f["label"])
        .collect();
    assert_eq!(labels, ["left", "b", "a"], "the latest first");
    all_up(&bench, &lab);
}

/// Two routers on two links of one provider, the second of them at a site of its own.
#[test]
fn a_tag_is_cut_and_restored_as_one_and_keeps_what_another_fault_holds() {
    let mut bench = Bench::new("tags");
    let lab = bench.name("tags");
    let text = fs::read_to_string(two_routers()).unwrap();
    let text = text
        .replace("delay: 2ms }", "delay: 2ms, provider: acme }")
        .replace("delay: 5ms }", "delay: 5ms, provider: acme }")
        .replace("b: { kind: router,", "b: { kind: router, site: south,");
    let file = bench.dir.path().join("tags.yaml");
    fs::write(&file, text).unwrap();
    bench.ok(&["up", file.to_str().unwrap(), "--name", &lab]);
    let faults = || {
        let status = bench.json(&["status", &lab, "--json"]);
        let links = status["state"]["links"].as_array().unwrap().clone();
        links
            .iter()
            .map(|link| {
                let text = |key: &str| link[key].as_str().unwrap_or("none").to_owned();
                (text("link"), text("fault"))
            })
            .collect::<Vec<_>>()
    };
    let all = |how: &str| {
        let one = |link: &str| (link.to_owned(), how.to_owned());
        // Each direction is a line.
        vec![one("left"), one("left"), one("right"), one("right")]
    };

    let done = bench.json(&["cut", "--lab", &lab, "provider:acme", "--json"]);
    let told = [&done["label"], &done["fault"], &done["target"]];
    assert_eq!(told, ["acme", "silent", "provider:acme"], "{done}");
    assert_eq!(faults(), all("silent"));
    let (answer, _) = bench.fails_json(
        2,
        &[
            "cut",
            "--lab",
            &lab,
            "provider:acme",
            "--as",
            "again",
            "--json",
        ],
    );
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains("provider:acme is already cut"), "{answer}");
    bench.ok(&["restore", "--lab", &lab, "provider:acme"]);
    assert_eq!(faults(), all("none"));

    // Light that two faults take is back when both are gone.
    let is_lit = |node: &str, dev: &str| {
        let show = ["exec", "--lab", &lab, node, "--", "ip", "link", "show", dev];
        bench.ok(&show).contains("LOWER_UP")
    };
    bench.ok(&["cut", "--lab", &lab, "left", "--how", "carrier"]);
    let dark = ["cut", "--lab", &lab, "provider:acme", "--how", "carrier"];
    bench.ok(&dark);
    until("no light", || !is_lit("a", "left") && !is_lit("b", "right"));
    bench.ok(&["restore", "--lab", &lab, "acme"]);
    until("light on the right", || is_lit("b", "right"));
    assert!(!is_lit("a", "left"), "still cut by itself");
    bench.ok(&["restore", "--lab", &lab, "left"]);

    // The machine of the site dies with its links, and comes back.
    bench.ok(&["cut", "--lab", &lab, "site:south", "--how", "node"]);
    assert!(waiting(&bench, &lab).contains(&"the daemon of b (node is dead)".to_owned()));
    refused(
        &bench,
        &["inspect", "--lab", &lab, "b", "bgp", "--json"],
        "b is dead; restore it first: backhoe restore south",
    );
    bench.ok(&["restore", "--lab", &lab, "--all"]);
    all_up(&bench, &lab);
}

#[test]
fn a_lab_taken_down_while_it_comes_up_is_not_said_to_stay() {
    let mut bench = Bench::new("never");
    let lab = bench.name("never");
    let text = fs::read_to_string(two_routers()).unwrap();
    let never = text.replace("delay: 2ms", "loss: 100%");
    assert_ne!(text, never);
    fs::write(bench.dir.path().join("never.yaml"), never).unwrap();
    for json in [false, true] {
        let mut args = vec!["up", "never.yaml", "--name", &lab];
        args.extend(json.then_some("--json"));
        let up = bench.start(&args);
        until("the lab is up", || {
            bench.ok(&["ls"]).contains(&format!("{lab}  "))
        });
        bench.ok(&["down", &lab]);
        let output = finished(up, "up");
        let (out, err) = words(&output);
        assert_eq!(output.status.code(), Some(4), "{out}{err}");
        let said = format!("{lab} was taken down before it had converged");
        assert!(err.contains(&said), "{err}");
        assert!(!err.contains("stays up"), "{err}");
        if json {
            let document: Value = serde_json::from_str(&out).unwrap();
            assert_eq!(document["error"]["kind"], "failed", "{document}");
            let message = document["error"]["message"].as_str().unwrap();
            assert!(message.starts_with(&said), "{document}");
        } else {
            assert_eq!(out, "");
        }
    }
}

/// A zebra that was killed leaves its socket; who finds that with nobody behind it
/// tries again only after 10 s.
#[test]
fn a_killed_frr_is_back_without_waiting_for_the_dead() {
    let mut bench = Bench::new("frr");
    let lab = bench.name("frr");
    let text = fs::read_to_string(two_routers()).unwrap();
    let frr = text.replace("asn: 65002,", "asn: 65002, daemon: frr,");
    assert_ne!(text, frr);
    fs::write(bench.dir.path().join("frr.yaml"), frr).unwrap();
    bench.ok(&["up", "frr.yaml", "--name", &lab]);
    for _ in 0..3 {
        bench.ok(&["cut", "--lab", &lab, "b", "--how", "kill"]);
        let restored = bench.json(&["restore", "--lab", &lab, "b", "--json"]);
        let [before, after] = ["before", "after"].map(|at| restored[0][at].as_u64().unwrap());
        let took = Duration::from_nanos(after - before);
        assert!(took < Duration::from_secs(6), "{took:?}");
        all_up(&bench, &lab);
    }
}

/// A fault is applied whole or not at all: light goes out at both ends, and one of them is
/// gone, as somebody inside a node can bring about.
#[test]
fn what_a_fault_did_before_it_failed_is_undone() {
    let mut bench = Bench::new("undone");
    let lab = bench.name("undone");
    bench.ok(&["up", &two_routers(), "--name", &lab]);
    let light = |bench: &Bench| {
        let link = bench.ok(&[
            "exec", "--lab", &lab, "a", "--", "ip", "-o", "link", "show", "right",
        ]);
        link.contains("LOWER_UP")
    };
    assert!(light(&bench));
    // With an end of a veth pair goes the other, which is the wire's.
    bench.ok(&[
        "exec", "--lab", &lab, "b", "--", "ip", "link", "del", "right",
    ]);
    assert!(light(&bench), "a's end of the wire is another pair");
    let cut = ["cut", "--lab", &lab, "right", "--how", "carrier", "--json"];
    let (answer, said) = bench.fails_json(1, &cut);
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("carrier of right failed, and what it did was undone"),
        "{message}"
    );
    assert!(message.contains("No such device"), "{message}");
    assert!(said.contains(message), "{said}");
    let status = bench.json(&["status", &lab, "--json"]);
    assert_eq!(
        status["state"]["faults"].as_array().unwrap().len(),
        0,
        "{status}"
    );
    until("a has light again", || light(&bench));
    // What is whole can still be cut and restored.
    bench.ok(&["cut", "--lab", &lab, "left", "--how", "carrier"]);
    bench.ok(&["restore", "--lab", &lab, "left"]);
}

/// Somebody else's SIGSTOP is no fault of the lab, and no bug either.
#[test]
fn who_asks_a_stopped_daemon_is_told_which_and_how_to_let_it_go_on() {
    let mut bench = Bench::new("stopped");
    let lab = bench.name("stopped-daemon");
    bench.ok(&["up", &two_routers(), "--name", &lab]);
    let stop = "kill -STOP $(pgrep -f '^backhoe: speaker b')";
    bench.ok(&["exec", "--lab", &lab, "b", "--", "sh", "-c", stop]);
    let words = "speaker of b does not answer: it is stopped, and no fault of the lab did that; \
                 to let it go on: backhoe exec b -- kill -CONT ";
    let mut hint = String::new();
    for args in [
        ["inspect", "--lab", &lab, "b", "bgp", "--json"],
        ["inspect", "--lab", &lab, "b", "rib", "--json"],
        ["cut", "--lab", &lab, "primary", "--at=b", "--json"],
    ] {
        let (answer, said) = bench.fails_json(5, &args);
        assert_eq!(
            answer["error"]["kind"], "unresponsive",
            "{args:?}: {answer}"
        );
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(message.starts_with(words), "{args:?}: {message}");
        assert!(said.contains(message), "{args:?}: {said}");
        hint = message.rsplit(' ').next().unwrap().to_owned();
    }
    let status = bench.json(&["status", &lab, "--json"]);
    assert_eq!(
        status["state"]["faults"].as_array().unwrap().len(),
        0,
        "{status}"
    );
    // What the kernel knows needs no daemon.
    bench.ok(&["inspect", "--lab", &lab, "b", "fib"]);
    bench.ok(&["exec", "--lab", &lab, "b", "--", "kill", "-CONT", &hint]);
    all_up(&bench, &lab);
    bench.ok(&["inspect", "--lab", &lab, "b", "bgp"]);
}
