//! Labs as a user makes them: the `backhoe` program, a plan written by hand, and
//! what is left of it afterwards.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs,
    ops::ControlFlow,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use backhoe::{
    engine::api::{Client, CutRequest, RestoreRequest},
    lab::{
        op::{Netns, Op, RouteTarget, VethEnd},
        plan::{DaemonPlan, NodePlan, Plan},
    },
    os::{clock, process::PidFd},
    units::{Bytes, IfName, LabName, NodeName},
};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::common::await_some;

const SOON: Duration = Duration::from_secs(5);
const NOBODY: u32 = 65534;

/// A ring of `size` routers; neighbours share 10.0.I.0/24 and fd00:0:0:I::/64. Router 0 has
/// one more link into the wire.
fn ring(lab: &str, size: u8) -> Plan {
    let node = |i: u8| NodeName::new(format!("r{}", i % size)).unwrap();
    let here = |i: u8| Netns::Node(node(i));
    let if_name = |text: &str| IfName::new(text).unwrap();
    let mtu = Bytes::new(1500);
    let mut ops: Vec<Op> = (0..size).map(|i| Op::AddNetns { netns: here(i) }).collect();
    ops.push(Op::AddNetns { netns: Netns::Wire });
    let end = |netns, name: &str, index| VethEnd {
        netns,
        name: if_name(name),
        index,
    };
    for i in 0..size {
        let index = 100 + u32::from(i) * 2;
        ops.push(Op::AddVeth {
            a: end(here(i), "right", index),
            b: end(here(i + 1), "left", index + 1),
            mtu,
        });
    }
    ops.push(Op::AddVeth {
        a: end(here(0), "out", 1000),
        b: end(Netns::Wire, "out.0", 1001),
        mtu,
    });
    for i in 0..size {
        for (key, value) in [
            ("net.ipv4.ip_forward", "1"),
            ("net.ipv6.conf.all.forwarding", "1"),
            ("net.ipv4.conf.all.rp_filter", "0"),
        ] {
            ops.push(Op::Sysctl {
                netns: here(i),
                key: key.to_owned(),
                value: value.to_owned(),
            });
        }
    }
    for i in 0..size {
        for (at, dev, last) in [(i, "right", 1), (i + 1, "left", 2)] {
            for address in [
                format!("10.0.{i}.{last}/24"),
                format!("fd00:0:0:{i}::{last}/64"),
            ] {
                ops.push(Op::AddAddress {
                    netns: here(at),
                    dev: if_name(dev),
                    address: address.parse().unwrap(),
                });
            }
        }
    }
    let mut up = |netns, dev: &str| {
        ops.push(Op::SetUp {
            netns,
            dev: if_name(dev),
        });
    };
    for i in 0..size {
        for dev in ["lo", "left", "right"] {
            up(here(i), dev);
        }
    }
    up(here(0), "out");
    up(Netns::Wire, "out.0");
    Plan {
        lab: LabName::new(lab).unwrap(),
        timers_scaled: None,
        nodes: (0..size)
            .map(|i| NodePlan {
                name: node(i),
                kind: "router".to_owned(),
                behind: None,
                daemon: DaemonPlan::None,
                files: BTreeMap::from([
                    (
                        "/etc/hosts".to_owned(),
                        format!("127.0.0.1 localhost\n10.0.{i}.2 neighbour\n"),
                    ),
                    ("/etc/frr/frr.conf".to_owned(), format!("! router {i}\n")),
                ]),
            })
            .collect(),
        ops,
        wires: Vec::new(),
        direct: Vec::new(),
        lags: Vec::new(),
        tags: Vec::new(),
        tunnels: Vec::new(),
        sessions: Vec::new(),
        services: Vec::new(),
        flows: Vec::new(),
        load: Vec::new(),
        load_expect: Vec::new(),
        isolated: BTreeMap::new(),
        scenario: Vec::new(),
        expect: Vec::new(),
        notes: Vec::new(),
        stand_ins: Vec::new(),
    }
}

/// A user with a directory and a copy of the program that they may read.
pub(super) struct User {
    uid: u32,
    dir: tempfile::TempDir,
    /// Outer processes of labs brought up (or the command they die with), so that a failed test leaves none behind.
    labs: RefCell<Vec<PidFd>>,
}

impl Drop for User {
    fn drop(&mut self) {
        for lab in self.labs.borrow().iter() {
            // Most have ended by now.
            let _ = lab.kill();
        }
    }
}

impl User {
    pub(super) fn root() -> Self {
        Self::with_uid(0)
    }

    pub(super) fn nobody() -> Self {
        Self::with_uid(NOBODY)
    }

    fn with_uid(uid: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(dir.path(), open).unwrap();
        let program = dir.path().join("backhoe");
        // An emulated machine wants an optimised one.
        let built = std::env::var_os("BACKHOE_PROGRAM");
        let built = built.unwrap_or_else(|| env!("CARGO_BIN_EXE_backhoe").into());
        if fs::hard_link(&built, &program).is_err() {
            fs::copy(&built, &program).unwrap();
        }
        let labs = RefCell::default();
        Self { uid, dir, labs }
    }

    pub(super) fn uid(&self) -> u32 {
        self.uid
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.path("backhoe"));
        command
            .args(args)
            .current_dir(self.dir.path())
            // The tester's own PATH may lead where an ordinary user may not look.
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null());
        if self.uid != 0 {
            command.gid(self.uid).uid(self.uid);
        }
        command
    }

    pub(super) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn plan(&self, plan: &Plan) -> String {
        let path = self.path(&format!("{}.json", plan.lab));
        fs::write(&path, serde_json::to_vec(plan).unwrap()).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Brings a lab up in the background; what it said of itself.
    fn up(&self, plan: &Plan) -> Value {
        self.up_with(&["up", "--json", &self.plan(plan)])
    }

    pub(super) fn up_with(&self, args: &[&str]) -> Value {
        let output = self.run(args);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let ready: Value = serde_json::from_slice(&output.stdout).unwrap();
        let outer = i32::try_from(pid(&ready, "outer_pid")).unwrap();
        self.labs.borrow_mut().extend(PidFd::open(outer));
        ready
    }

    /// A lab that ends with the returned command, once it stands.
    fn up_foreground(&self, plan: &Plan) -> Child {
        let lab = self.plan(plan);
        let child = self
            .command(&["up", "--foreground", &lab])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let command = i32::try_from(child.id()).unwrap();
        self.labs.borrow_mut().extend(PidFd::open(command));
        await_some("the lab to stand", SOON, || {
            self.exec(plan, "r0", &["true"])
                .status
                .success()
                .then_some(())
        });
        child
    }

    fn exec(&self, plan: &Plan, node: &str, argv: &[&str]) -> Output {
        let mut args = vec!["exec", "--lab", plan.lab.as_str(), node, "--"];
        args.extend_from_slice(argv);
        self.run(&args)
    }

    fn socket(&self, plan: &Plan) -> String {
        format!("@backhoe/{}/{}", self.uid, plan.lab)
    }
}

/// Every process whose PID namespace is the one of `init`, and the outer process.
fn members(init: u32, outer: u32) -> Vec<u32> {
    let space = fs::read_link(format!("/proc/{init}/ns/pid")).unwrap();
    let mut found = vec![outer];
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        if let Some(pid) = entry.file_name().to_str().and_then(|n| n.parse().ok())
            && fs::read_link(format!("/proc/{pid}/ns/pid")).is_ok_and(|s| s == space)
        {
            found.push(pid);
        }
    }
    found
}

fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with(['Z', 'X']))
    })
}

/// The process that `ps` shows as `backhoe: title`.
fn titled(pids: &[u32], title: &str) -> u32 {
    let line = format!("backhoe: {title}");
    let shown = |pid: &&u32| {
        let shown = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&shown).trim_end_matches('\0') == line
    };
    *pids.iter().find(shown).unwrap()
}

fn signal(pid: u32, signal: Signal) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
    nix::sys::signal::kill(pid, signal).unwrap();
}

fn kill(pid: u32) {
    signal(pid, Signal::SIGKILL);
}

fn pid(ready: &Value, key: &str) -> u32 {
    ready[key].as_u64().unwrap().try_into().unwrap()
}

fn assert_gone(user: &User, plan: &Plan, pids: &[u32]) {
    await_some("every process to be gone", SOON, || {
        (!pids.iter().any(|&pid| is_alive(pid))).then_some(())
    });
    let socket = user.socket(plan);
    await_some("the API socket to be gone", SOON, || {
        let sockets = fs::read_to_string("/proc/net/unix").unwrap();
        (!sockets.lines().any(|line| line.ends_with(&socket))).then_some(())
    });
}

fn host_view() -> String {
    let list = |args: &[&str]| {
        let output = Command::new("ip").args(args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let named = Path::new("/run/netns").exists();
    format!(
        "{}{}{named}{}",
        list(&["-o", "link"]),
        list(&["route"]),
        fs::read_to_string("/proc/self/mounts").unwrap()
    )
}

/// Whether `node` hears from `target`: a closed TCP port answers with a reset.
fn reaches(user: &User, plan: &Plan, node: &str, target: &str) -> bool {
    let script = format!("exec 3<>/dev/tcp/{target}/9");
    let output = user.exec(plan, node, &["timeout", "3", "bash", "-c", &script]);
    String::from_utf8_lossy(&output.stderr).contains("Connection refused")
}

#[test]
fn a_ring_is_connected_and_the_host_sees_nothing_of_it() {
    for user in [User::root(), User::nobody()] {
        let before = host_view();
        let plan = ring("ring", 7);
        let ready = user.up(&plan);
        println!("uid {}: {ready:#}", user.uid);
        let pids = members(pid(&ready, "init_pid"), pid(&ready, "outer_pid"));
        assert_eq!(pids.len(), 3 + 7, "outer, init, supervisor and the nodes");
        for target in ["10.0.0.2", "fd00:0:0:6::1", "neighbour"] {
            assert!(reaches(&user, &plan, "r0", target), "{target}");
        }
        assert!(
            !reaches(&user, &plan, "r0", "10.0.3.2"),
            "there is no route"
        );
        let files = ["cat", "/etc/frr/frr.conf", "/proc/sys/kernel/hostname"];
        let read = user.exec(&plan, "r3", &files);
        assert_eq!(String::from_utf8_lossy(&read.stdout), "! router 3\nr3\n");
        assert_eq!(host_view(), before);
        let down = user.run(&["down", "ring"]);
        assert!(down.status.success(), "{down:?}");
        assert_gone(&user, &plan, &pids);
        assert_eq!(host_view(), before);
    }
}

#[test]
fn killing_any_process_of_a_lab_removes_all_of_it() {
    for user in [User::root(), User::nobody()] {
        let plan = ring("killed", 3);
        for victim in ["lab killed", "init killed", "supervisor killed", "node r1"] {
            let ready = user.up(&plan);
            let pids = members(pid(&ready, "init_pid"), pid(&ready, "outer_pid"));
            kill(titled(&pids, victim));
            assert_gone(&user, &plan, &pids);
        }
    }
}

#[test]
fn a_foreground_lab_dies_with_its_command_and_its_programs_with_it() {
    for user in [User::root(), User::nobody()] {
        let plan = ring("foreground", 2);
        let mut command = user.up_foreground(&plan);
        let status = user.run(&["ls", "--json"]);
        let labs: Value = serde_json::from_slice(&status.stdout).unwrap();
        let lab = labs
            .as_array()
            .unwrap()
            .iter()
            .find(|lab| lab["lab"] == "foreground")
            .unwrap();
        let mut inside = user
            .command(&["exec", "--lab", "foreground", "r1", "sleep", "600"])
            .spawn()
            .unwrap();
        let (init, outer) = (pid(lab, "init_pid"), pid(lab, "outer_pid"));
        let pids = await_some("sleep to run inside", SOON, || {
            let pids = members(init, outer);
            (pids.len() == 3 + 2 + 1).then_some(pids)
        });
        command.kill().unwrap();
        command.wait().unwrap();
        assert_gone(&user, &plan, &pids);
        assert_eq!(inside.wait().unwrap().code(), Some(128 + 9));
    }
}

#[test]
fn exec_returns_what_the_command_returned() {
    let user = User::nobody();
    let plan = ring("statuses", 2);
    user.up(&plan);
    let status = |node: &str, argv: &[&str]| user.exec(&plan, node, argv).status.code();
    assert_eq!(status("r0", &["true"]), Some(0));
    assert_eq!(status("r0", &["sh", "-c", "exit 42"]), Some(42));
    assert_eq!(status("r0", &["sh", "-c", "kill -9 $$"]), Some(128 + 9));
    assert_eq!(status("r0", &["no-such-program"]), Some(127));
    assert_eq!(status("r0", &["/etc/passwd"]), Some(126));
    assert_eq!(status("r9", &["true"]), Some(125));
    assert!(user.run(&["down", "statuses"]).status.success());
    assert_eq!(status("r0", &["true"]), Some(125));
}

/// What `tcpdump` does before it captures. A lab of root has every user; in one of an
/// ordinary user there is only that one, and setting no groups is no error.
#[test]
fn programs_may_drop_their_rights() {
    for (user, argv, ids) in [
        (
            User::root(),
            &[
                "setpriv",
                "--reuid=65534",
                "--regid=65534",
                "--clear-groups",
            ][..],
            "65534 65534 65534",
        ),
        (
            User::nobody(),
            &["setpriv", "--reuid=0", "--regid=0", "--clear-groups"],
            "0 0 0",
        ),
    ] {
        let plan = ring("rights", 2);
        user.up(&plan);
        let words = ["sh", "-c", "echo $(id -u) $(id -g) $(id -G)"];
        let output = user.exec(&plan, "r0", &[argv, &words].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(text.trim_end(), ids, "{output:?}");
        assert!(user.run(&["down", "rights"]).status.success());
    }
}

#[test]
fn labs_live_side_by_side_but_a_name_only_once() {
    let user = User::nobody();
    let (one, two) = (ring("twin-one", 2), ring("twin-two", 2));
    user.up(&one);
    user.up(&two);
    let again = user.run(&["up", &user.plan(&one)]);
    let text = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(!again.status.success());
    assert!(text.contains("lab twin-one is already up"), "{text}");
    assert!(reaches(&user, &one, "r0", "10.0.0.2"));
    assert!(user.run(&["down", "twin-one"]).status.success());
    assert!(
        reaches(&user, &two, "r0", "10.0.0.2"),
        "the other one stays"
    );
    // Free again at once.
    user.up(&one);
    let names = user.run(&["ls"]);
    let names = String::from_utf8_lossy(&names.stdout).into_owned();
    assert!(names.contains("\ntwin-one  2 "), "{names}");
    assert!(user.run(&["down", "--all"]).status.success());
    assert!(user.run(&["ls"]).stdout.is_empty());
}

#[test]
fn a_refused_operation_is_named_and_leaves_nothing() {
    let user = User::nobody();
    let mut plan = ring("refused", 2);
    plan.ops.push(Op::AddRoute {
        netns: Netns::Node(NodeName::new("r1").unwrap()),
        prefix: "192.0.2.0/24".parse().unwrap(),
        to: RouteTarget::Via("203.0.113.1".parse().unwrap()),
        table: None,
    });
    let output = user.run(&["up", &user.plan(&plan)]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(
        text.contains(
            "ip -n r1 route add 192.0.2.0/24 via 203.0.113.1: Nexthop has invalid gateway"
        ),
        "{text}"
    );
    let sockets = fs::read_to_string("/proc/net/unix").unwrap();
    assert!(!sockets.contains(&user.socket(&plan)));
}

#[test]
fn the_journal_and_the_event_stream_are_the_same_lines() {
    let user = User::root();
    let plan = ring("journal", 2);
    let up = ["up", "--json", "--out", "out", &user.plan(&plan)];
    user.up_with(&up);
    let client = Client::new(plan.lab.clone());
    let mut seen = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // From the beginning, although the reader came late.
            client
                .events(|line| {
                    if seen.is_empty() {
                        Client::new(plan.lab.clone()).down().unwrap();
                    }
                    seen.push(line.to_owned());
                    ControlFlow::Continue(())
                })
                .unwrap();
        });
    });
    let journal = fs::read_to_string(user.path("out/journal.jsonl")).unwrap();
    assert_eq!(journal.lines().collect::<Vec<_>>(), seen);
    assert!(seen.first().unwrap().contains("run-started"));
    assert!(seen.last().unwrap().contains("run-finished"));
}

/// A daemon that somebody else stopped takes seconds not to answer, and meanwhile faults
/// are applied and restored as ever.
#[test]
fn nobody_waits_for_a_stopped_daemon_but_who_asked_it() {
    let user = User::root();
    let lab = concat!(env!("CARGO_MANIFEST_DIR"), "/labs/two-routers.yaml");
    let ready = user.up_with(&["up", "--json", lab, "--name", "stopped", "--out", "out"]);
    let pids = members(pid(&ready, "init_pid"), pid(&ready, "outer_pid"));
    let supervisor = titled(&pids, "supervisor stopped");
    let client = Client::new(LabName::new("stopped").unwrap());
    let speaker = titled(&pids, "speaker a");
    signal(speaker, Signal::SIGSTOP);
    let looking = || {
        let threads = fs::read_dir(format!("/proc/{supervisor}/task")).unwrap();
        let mut names = threads
            .flatten()
            .filter_map(|thread| fs::read_to_string(thread.path().join("comm")).ok());
        names.any(|name| name == "look\n").then_some(())
    };
    std::thread::scope(|scope| {
        let status = scope.spawn(|| (client.status().unwrap(), clock::mono_ns()));
        await_some("the status to be asked for", SOON, looking);
        let silent = client
            .cut(&CutRequest {
                target: "left".to_owned(),
                how: Some("silent".to_owned()),
                from: None,
                at: None,
                label: None,
            })
            .unwrap();
        let all = RestoreRequest {
            label: Some("left".to_owned()),
            all: false,
        };
        let restored = client.restore(&all).unwrap();
        let (status, answered) = status.join().unwrap();
        let answers = status.state.nodes.iter().find(|node| node.name == "a");
        assert_eq!(answers.unwrap().answers, Some(false));
        assert!(silent.after < answered && restored[0].after < answered);
    });
    signal(speaker, Signal::SIGCONT);
    let answers = || {
        client
            .status()
            .unwrap()
            .state
            .nodes
            .iter()
            .all(|node| node.answers != Some(false))
    };
    await_some("the daemon to answer again", SOON, || {
        answers().then_some(())
    });
    assert!(user.run(&["down", "stopped"]).status.success());
}

const LATE: &str = "
name: late
nodes:
  a: { kind: router, asn: 65001, hosts: { h1: 10.1.0.10/24 } }
  b: { kind: router, asn: 65002, daemon: frr, config: b.conf, hosts: { h2: 10.2.0.10/24 } }
links:
  left: { ends: [a, b], delay: 2ms, addresses: { a: 10.0.0.1/30, b: 10.0.0.2/30 } }
sessions:
  only: { ebgp: left, hold: 3s }
routing:
  a: { only: { announce: [10.1.0.0/24] } }
probes:
  app: { between: [a.h1, b.h2], rate: 200/s, size: 100B }
scenario:
  - drop: { link: left, packets: 7 }
  - wait: { app: recovered, within: 5s }
expect:
  - { after: drop, app: { lost: 7 } }
";

/// `coalesce-time` holds back what FRR has to say although its session is up.
const LATE_CONF: &str = "
router bgp 65002
 bgp router-id 10.2.0.1
 no bgp ebgp-requires-policy
 no bgp network import-check
 coalesce-time 2000
 neighbor 10.0.0.1 remote-as 65001
 neighbor 10.0.0.1 timers connect 1
 address-family ipv4 unicast
  network 10.2.0.0/24
 exit-address-family
";

/// A user's own configuration may announce long after its session is up: the
/// packets lost to that are no part of the experiment.
#[test]
fn an_announcement_that_comes_late_is_waited_for_and_not_measured() {
    let user = User::root();
    fs::write(user.path("late.yaml"), LATE).unwrap();
    fs::write(user.path("b.conf"), LATE_CONF).unwrap();
    let output = user.run(&["run", "late.yaml", "--json", "--out", "out"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let outages = result["outages"].as_array().unwrap();
    let lost: Vec<_> = outages.iter().map(|o| o["lost"].as_u64()).collect();
    assert_eq!(lost, [Some(7), Some(7)]);
    for flow in result["flows"].as_array().unwrap() {
        let count = |key: &str| flow[key].as_u64().unwrap();
        assert_eq!(count("sent") - count("received"), 7, "{flow}");
    }

    let journal = fs::read_to_string(user.path("out/journal.jsonl")).unwrap();
    let events = || {
        journal
            .lines()
            .map(|line| -> Value { serde_json::from_str(line).unwrap() })
    };
    let at = |wanted: &dyn Fn(&Value) -> bool| {
        let event = events().find(|event| wanted(event)).unwrap();
        event["at"].as_u64().unwrap()
    };
    let converged = at(&|event| event["kind"] == "converged");
    let announced = at(&|event| {
        let announced = event["announced"].as_array();
        event["from"] == "b" && announced.is_some_and(|list| list.contains(&"10.2.0.0/24".into()))
    });
    let late = announced.saturating_sub(converged);
    assert!(late > 1_000_000_000, "{late} ns late are no test");
}
