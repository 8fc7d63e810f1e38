//! IPsec from end to end: strongSwan in labs as users run them. Skipped, and said
//! so, where the host lacks strongSwan, or both XFRM interfaces and /dev/net/tun.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed, and says where"
)]
#![expect(clippy::print_stderr, reason = "a test that is skipped says so")]
#![expect(clippy::disallowed_methods, reason = "driver: reads the clock")]

use std::{
    fs,
    process::{Command, Output},
    time::{Duration, Instant},
};

use serde_json::Value;

/// Everything but the VPN's own settings, the rates and the story.
const LAB: &str = "
nodes:
  dc1:  { kind: data-center, asn: 65001, hosts: { app: 10.0.1.10/24 } }
  vgw:  { kind: vgw, asn: 64512 }
  vpc1: { kind: vpc, attach: vgw, cidr: 172.31.0.0/16, hosts: { db: 172.31.1.10/24 } }
  isp:  { kind: internet }
links:
  uplink: { ends: [dc1, isp], delay: 5ms }
  edge:   { ends: [isp, vgw], delay: 2ms }
sessions:
  backup: { vpn: ipsec, ends: [dc1, vgw], over: isp SETTINGS }
routing:
  dc1:
    backup: { announce: [10.0.0.0/15] }
";

struct Bench {
    dir: tempfile::TempDir,
    lab: String,
    name: String,
}

impl Bench {
    /// A lab of this VPN and what happens to it; `None` where the host cannot.
    fn new(name: &str, settings: &str, story: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let lab = dir.path().join(format!("{name}.yaml"));
        fs::write(&lab, LAB.replace("SETTINGS", settings) + story).unwrap();
        let bench = Self {
            lab: lab.display().to_string(),
            name: format!("{name}-{}", std::process::id()),
            dir,
        };
        let able = bench.backhoe(&["check", "--host", &bench.lab]);
        let said = String::from_utf8_lossy(&able.stderr).into_owned();
        match able.status.code() {
            Some(0) => Some(bench),
            Some(3) => {
                eprintln!("SKIPPED: {said}");
                None
            }
            _ => panic!("{said}"),
        }
    }

    fn backhoe(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_backhoe"))
            .args(args)
            .current_dir(self.dir.path())
            .output()
            .unwrap()
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.backhoe(args);
        let (out, err) = (&output.stdout, &output.stderr);
        let (out, err) = (String::from_utf8_lossy(out), String::from_utf8_lossy(err));
        assert!(output.status.success(), "{args:?}: {out}{err}");
        out.into_owned()
    }

    /// Runs the lab; its result and journal, whether expectations were met or not.
    fn run(&self) -> (Value, String) {
        let out = self.out();
        let output = self.backhoe(&[
            "run", &self.lab, "--name", &self.name, "--out", &out, "--json",
        ]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(0 | 4)), "{said}");
        let result = serde_json::from_slice(&output.stdout).unwrap();
        let journal = fs::read_to_string(self.dir.path().join("out/journal.jsonl")).unwrap();
        (result, journal)
    }

    fn out(&self) -> String {
        self.dir.path().join("out").display().to_string()
    }

    /// The tunnel's state at a node, once it is as wanted.
    fn until(&self, tunnel: &str, node: &str, state: &str) -> Value {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let status: Value =
                serde_json::from_str(&self.ok(&["status", &self.name, "--json"])).unwrap();
            let ends = status["state"]["tunnels"].as_array().unwrap();
            let found = ends
                .iter()
                .find(|end| end["tunnel"] == tunnel && end["node"] == node)
                .unwrap();
            if found["state"] == state {
                return found.clone();
            }
            assert!(
                Instant::now() < end,
                "{tunnel} at {node} is not {state}: {found}"
            );
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // Most are down already.
        let _ = self.backhoe(&["down", &self.name]);
    }
}

/// A step that changes nothing, so that a stretch of time is measured.
fn measured(sleep: &str) -> String {
    format!(
        "
probes:
  app: {{ between: [dc1.app, vpc1.db], rate: 1000/s }}
scenario:
  - degrade: {{ link: uplink, delay: 5ms, as: watch }}
  - sleep: {sleep}
  - restore: watch
"
    )
}

#[test]
fn rekeying_under_a_thousand_packets_a_second_loses_none() {
    let settings = ", unlike-aws: true, ike-lifetime: 16s, child-lifetime: 12s, dpd: { delay: 5s, timeout: 15s }";
    let Some(bench) = Bench::new("rekey", settings, &measured("14s")) else {
        return;
    };
    let (result, journal) = bench.run();
    for what in ["child-rekey", "ike-rekey"] {
        let times = journal.matches(&format!("\"state\":\"{what}\"")).count();
        assert!(times >= 2, "{what} {times} times");
    }
    for outage in outages(&result, "initial") {
        assert_eq!(outage["lost"], 0, "{outage}");
    }
    assert_eq!(result["trusted"], true, "{}", result["warnings"]);
}

#[test]
fn a_path_that_is_cut_for_ten_seconds_is_back_when_it_is_restored() {
    let story = "
probes:
  app: { between: [dc1.app, vpc1.db], rate: 200/s }
scenario:
  - cut: { link: uplink, how: silent }
  - sleep: 10s
  - restore: uplink
";
    let Some(bench) = Bench::new("outer", "", story) else {
        return;
    };
    let (result, _) = bench.run();
    let found = outages(&result, "reversion");
    assert_eq!(found.len(), 2);
    for outage in found {
        // Keys outlive 10 s of silence: nobody is dead before 30 s of it.
        let ms = outage["phases_ms"]["recovered"].as_f64().unwrap_or(0.0);
        assert!(outage["recovered"] == true && ms < 1_500.0, "{outage}");
    }
    for outage in outages(&result, "initial") {
        // What came last still waited for its neighbour's address and was delivered.
        let ms = outage["duration_ms"].as_f64().unwrap();
        assert!((8_500.0..10_500.0).contains(&ms), "{outage}");
    }
}

#[test]
fn bfd_inside_finds_what_the_hold_time_would_take_half_a_minute_for() {
    let story = "
probes:
  app: { between: [dc1.app, vpc1.db], rate: 200/s }
scenario:
  - cut: { link: uplink, how: silent }
  - sleep: 4s
  - restore: uplink
";
    let Some(bench) = Bench::new("bfd", ", unlike-aws: true, bfd: 300ms/3", story) else {
        return;
    };
    let (_, journal) = bench.run();
    let events = journal.lines().map(|line| {
        let event: Value = serde_json::from_str(line).unwrap();
        event
    });
    let events: Vec<Value> = events.collect();
    let cut = events.iter().find(|event| event["kind"] == "fault-applied");
    let cut = cut.unwrap()["at"].as_u64().unwrap();
    for node in ["dc1", "vgw"] {
        let down = events.iter().find(|event| {
            let at = event["at"].as_u64().unwrap();
            event["kind"] == "bfd" && event["node"] == node && event["state"] == "Down" && at > cut
        });
        let ms = (down.unwrap()["at"].as_u64().unwrap() - cut) as f64 / 1e6;
        assert!((550.0..1_500.0).contains(&ms), "{node}: {ms} ms");
    }
}

#[test]
fn a_killed_daemon_is_missed_and_started_anew() {
    let Some(bench) = Bench::new("kill", "", "") else {
        return;
    };
    let out = bench.out();
    bench.ok(&["up", &bench.lab, "--name", &bench.name, "--out", &out]);
    let up = bench.until("backup.1", "dc1", "up");
    assert!(up["rx_bytes"].as_u64().unwrap() > 0, "{up}");
    let lab = ["--lab", bench.name.as_str()];
    let cut = |args: &[&str]| bench.ok(&[args, &lab[..]].concat());
    cut(&["cut", "dc1.backup.1", "--how", "kill"]);
    bench.until("backup.1", "dc1", "gone");
    bench.until("backup.2", "dc1", "up");
    cut(&["restore", "--all"]);
    bench.until("backup.1", "dc1", "up");
    bench.until("backup.1", "vgw", "up");
    cut(&["cut", "vgw.backup.2", "--how", "freeze"]);
    cut(&["restore", "--all"]);
    bench.until("backup.2", "vgw", "up");
    bench.ok(&["down", &bench.name]);
}

/// The measured outages of a transition, one for each flow.
fn outages<'r>(result: &'r Value, transition: &str) -> Vec<&'r Value> {
    let all = result["outages"].as_array().unwrap();
    all.iter()
        .filter(|outage| outage["transition"] == transition)
        .collect()
}
