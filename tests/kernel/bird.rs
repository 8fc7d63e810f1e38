//! BIRD as Debian ships it in labs as a user makes them: what is generated for it
//! means what it means to the others, with the embedded speaker and with FRR as
//! neighbours, for root and for an ordinary user.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use backhoe::{
    lab::{
        plan::{HostFacts, SuiteFacts, plan},
        spec,
    },
    units::Suite,
};
use serde_json::Value;

use crate::{common::await_some, lab::User};

/// How long a session may take to come back.
const BACK: Duration = Duration::from_secs(20);

/// The embedded speaker, BIRD and FRR in a row: eBGP with a key and BFD, then iBGP.
const TRIO: &str = "
name: trio
nodes:
  left:  { kind: router, asn: 65001, originate: [10.1.0.0/24, 10.66.0.0/16, 'fd00:1::/64'],
           hosts: { a: [10.1.0.10/24, 'fd00:1::10/64'] } }
  mid:   { kind: router, asn: 65002, daemon: bird, originate: [10.2.0.0/16, 10.4.0.0/24],
           hosts: { m: 10.4.0.10/24 } }
  right: { kind: router, asn: 65002, daemon: frr, originate: [10.3.0.0/24, 'fd00:3::/64'],
           hosts: { b: [10.3.0.10/24, 'fd00:3::10/64'] } }
links:
  one: { ends: [left, mid], delay: 1ms }
  two: { ends: [mid, right], delay: 1ms, addresses: { mid: [10.8.0.1/30, 'fd00:8::1/126'], right: [10.8.0.2/30, 'fd00:8::2/126'] } }
sessions:
  # One of BIRD's own words.
  primary: { ebgp: one, bfd: 50ms/3, md5: secret }
  east: { ibgp: two, hold: 9s, keepalive: 3s }
routing:
  left:
    primary:
      import: [{}]
      export:
        - { match: { prefix: 10.1.0.0/24 }, set: { add-community: ['65001:1'] } }
        - { match: { from: [local] } }
  mid:
    primary:
      import:
        - { match: { community: '65001:1' }, set: { local-pref: 200 } }
        - { match: { prefix: 10.64.0.0/10 le 24 }, then: reject }
        - { set: { local-pref: 120 } }
      export:
        - { match: { from: [local], as-path-empty: true }, set: { med: 20, prepend: 1, add-community: ['65002:7', no-export] } }
        - { match: { from: [east] }, set: { med: 30, add-community: ['65002:8'], remove-community: ['65002:9'] } }
    east:
      import: [{}]
      export:
        - { match: { from: [primary], as-path-origin: 65001, as-path-contains: 65001 } }
  right:
    east:
      import: [{}]
      export:
        - { match: { from: [local] }, set: { add-community: ['65002:9'] } }
";

/// A lab that is up, by its own name.
struct Up<'a> {
    user: &'a User,
    name: String,
}

impl<'a> Up<'a> {
    fn new(user: &'a User, yaml: &str) -> Self {
        let name = format!("bird-{}-{}", user.uid(), std::process::id());
        fs::write(user.path("lab.yaml"), yaml).unwrap();
        // Made first, so that a lab which does not converge is taken down too.
        let lab = Self { user, name };
        user.up_with(&["up", "lab.yaml", "--json", "--name", &lab.name]);
        lab
    }

    fn ok(&self, args: &[&str]) -> String {
        let output = self.user.run(&[args, &["--lab", &self.name]].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn inspect(&self, node: &str, what: &str) -> Vec<Value> {
        let text = self.ok(&["inspect", node, what, "--json"]);
        let answer: Value = serde_json::from_str(&text).unwrap();
        answer.as_array().unwrap().clone()
    }

    /// The path a node has chosen, once it has one.
    fn best(&self, node: &str, prefix: &str) -> Value {
        await_some(&format!("{node} to know {prefix}"), BACK, || {
            self.inspect(node, "rib")
                .into_iter()
                .find(|route| route["prefix"] == prefix && route["best"] == true)
        })
    }

    fn await_established(&self, node: &str, sessions: usize) {
        await_some(&format!("{sessions} sessions at {node}"), BACK, || {
            let up = |bgp: &&Value| bgp["state"] == "Established";
            (self.inspect(node, "bgp").iter().filter(up).count() == sessions).then_some(())
        });
    }

    fn exec(&self, node: &str, script: &str) -> Output {
        let args = ["exec", "--lab", &self.name, node, "--", "sh", "-c", script];
        self.user.run(&args)
    }

    /// Whether `node` hears from `target`: a closed TCP port answers with a reset.
    fn reaches(&self, node: &str, target: &str) -> bool {
        let script = format!("exec 3<>/dev/tcp/{target}/9");
        let output = self.exec(node, &format!("timeout 3 bash -c '{script}'"));
        String::from_utf8_lossy(&output.stderr).contains("Connection refused")
    }
}

impl Drop for Up<'_> {
    fn drop(&mut self) {
        let _ = self.user.run(&["down", &self.name]);
    }
}

#[test]
fn policies_mean_to_bird_what_they_mean_to_its_neighbours() {
    let user = User::root();
    let lab = Up::new(&user, TRIO);

    let null_routed = lab.best("left", "10.2.0.0/16");
    assert_eq!(null_routed["as_path"], "65002 65002", "{null_routed}");
    assert_eq!(null_routed["med"], 20, "{null_routed}");
    let communities: Value = serde_json::json!(["65002:7", "no-export"]);
    assert_eq!(null_routed["communities"], communities);
    assert_eq!(lab.best("left", "10.4.0.0/24")["med"], 20);
    let passed = lab.best("left", "10.3.0.0/24");
    assert_eq!(passed["as_path"], "65002", "{passed}");
    assert_eq!(passed["med"], 30, "{passed}");
    assert_eq!(passed["communities"], serde_json::json!(["65002:8"]));

    let tagged = lab.best("mid", "10.1.0.0/24");
    assert_eq!(
        (&tagged["local_pref"], &tagged["from"]),
        (&200.into(), &"primary".into())
    );
    assert_eq!(tagged["communities"], serde_json::json!(["65001:1"]));
    assert_eq!(lab.best("mid", "fd00:1::/64")["local_pref"], 120);
    let from_frr = lab.best("mid", "10.3.0.0/24");
    assert_eq!(
        (&from_frr["source"], &from_frr["from"]),
        (&"ibgp".into(), &"east".into())
    );
    let own = lab.best("mid", "10.2.0.0/16");
    assert_eq!(own["source"], "local", "{own}");
    let known = lab.inspect("mid", "rib");
    let refused = known.iter().any(|route| route["prefix"] == "10.66.0.0/16");
    assert!(!refused, "{known:?}");

    let inside = lab.best("right", "10.1.0.0/24");
    assert_eq!(inside["next_hop"], "10.8.0.1", "next-hop-self: {inside}");
    assert_eq!(
        (&inside["local_pref"], &inside["as_path"]),
        (&200.into(), &"65001".into())
    );

    for target in ["10.3.0.10", "fd00:3::10", "10.4.0.10"] {
        await_some(&format!("an answer from {target}"), BACK, || {
            lab.reaches("a", target).then_some(())
        });
    }
    let table = lab.inspect("mid", "fib");
    let route = |prefix: &str| table.iter().find(|route| route["prefix"] == prefix);
    assert_eq!(
        route("10.2.0.0/16").unwrap()["dev"],
        serde_json::json!([]),
        "nowhere"
    );
    assert_eq!(
        route("10.4.0.0/24").unwrap()["via"],
        serde_json::json!([]),
        "connected"
    );
    assert_eq!(
        route("10.3.0.0/24").unwrap()["via"],
        serde_json::json!(["10.8.0.2"])
    );
}

#[test]
fn faults_of_birds_sessions_and_of_bird_itself_are_undone() {
    let user = User::nobody();
    let lab = Up::new(&user, TRIO);
    for end in ["left", "mid"] {
        let bfd = await_some(&format!("BFD at {end}"), BACK, || {
            let all = lab.inspect(end, "bfd");
            all.into_iter().find(|bfd| bfd["state"] == "Up")
        });
        assert_eq!(
            (&bfd["tx_us"], &bfd["detect_us"]),
            (&50_000.into(), &150_000.into())
        );
    }
    let sessions = lab.inspect("mid", "bgp");
    let held: Vec<_> = sessions.iter().map(|bgp| bgp["hold_ms"].as_u64()).collect();
    assert_eq!(held, [Some(9000), Some(90_000)], "{sessions:?}");

    lab.ok(&["cut", "primary", "--at", "mid"]);
    let ended = await_some("the session's end", BACK, || {
        let all = lab.inspect("left", "bgp");
        all.into_iter().find(|bgp| bgp["state"] != "Established")
    });
    let reason = ended["reason"].as_str().unwrap();
    assert!(reason.contains("backhoe: bgp-shutdown"), "{reason}");
    // BIRD would try again within two seconds.
    std::thread::sleep(Duration::from_secs(4));
    assert_ne!(lab.inspect("left", "bgp")[0]["state"], "Established");
    lab.ok(&["restore", "primary"]);
    lab.await_established("left", 1);

    for how in ["kill", "freeze"] {
        lab.ok(&["cut", "mid", "--how", how]);
        await_some(&format!("{how} to be noticed"), BACK, || {
            (lab.inspect("left", "bgp")[0]["state"] != "Established").then_some(())
        });
        lab.ok(&["restore", "mid"]);
        lab.await_established("left", 1);
        lab.await_established("mid", 2);
        assert_eq!(lab.best("left", "10.3.0.0/24")["from"], "primary");
        await_some("traffic", BACK, || {
            lab.reaches("a", "10.3.0.10").then_some(())
        });
    }
}

/// The initial outages of a run, and all it said.
fn outages(user: &User, lab: &str) -> (Vec<Value>, Value) {
    let name = format!("bird-run-{}-{}", user.uid(), std::process::id());
    let output = user.run(&["run", lab, "--json", "--name", &name, "--out", &name]);
    let said = String::from_utf8_lossy(&output.stderr);
    let result: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    let all = result["outages"].as_array().unwrap().iter();
    let initial: Vec<Value> = all
        .filter(|outage| outage["transition"] == "initial")
        .cloned()
        .collect();
    assert!(!initial.is_empty(), "{result:#}");
    (initial, result)
}

/// Each outage lies where the timers say and its phases were seen, in order.
fn assert_explained(outage: &Value, at_least_ms: f64, at_most_ms: f64) {
    let ms = outage["duration_ms"].as_f64().unwrap();
    assert!((at_least_ms..at_most_ms).contains(&ms), "{outage:#}");
    let phase = |name: &str| {
        outage["phases_ms"][name]
            .as_f64()
            .unwrap_or_else(|| panic!("{name} was not seen: {outage:#}"))
    };
    let (detected, fib, recovered) = (phase("detected"), phase("fib"), phase("recovered"));
    assert!(detected <= fib && fib <= recovered + 2.0, "{outage:#}");
    assert!(detected >= at_least_ms, "{outage:#}");
    assert_eq!(outage["wire_agrees"], true, "{outage:#}");
}

#[test]
fn a_silent_cut_of_the_headline_lab_costs_bird_what_its_timers_say() {
    let yaml = include_str!("../../labs/dx-vpn-backup-bird.yaml");
    for user in [User::root(), User::nobody()] {
        fs::write(user.path("headline.yaml"), yaml).unwrap();
        let (initial, result) = outages(&user, "headline.yaml");
        assert_eq!(initial.len(), 2, "{result:#}");
        for outage in &initial {
            // 300 ms x 3: 600 to 900 ms, and what a busy host adds.
            assert_explained(outage, 590.0, 1200.0);
            assert_eq!(
                (&outage["path_before"], &outage["path_after"]),
                (&"prod".into(), &"backup".into())
            );
        }
    }
}

#[test]
fn a_silent_cut_between_bird_and_frr_is_found_at_both_ends() {
    let user = User::root();
    let yaml = include_str!("../../labs/two-routers.yaml")
        .replace("asn: 65001,", "asn: 65001, daemon: bird,")
        .replace("asn: 65002,", "asn: 65002, daemon: frr,");
    fs::write(user.path("pair.yaml"), yaml).unwrap();
    let (initial, result) = outages(&user, "pair.yaml");
    assert_eq!(initial.len(), 4, "both families, both ways: {result:#}");
    for outage in &initial {
        assert_explained(outage, 95.0, 500.0);
    }
}

const OWN: &str = "
name: own
nodes:
  a: { kind: router, asn: 65001, daemon: { frr: DIR/frr }, hosts: { h1: 10.1.0.10/24 } }
  b: { kind: router, asn: 65002, daemon: { bird: DIR/bird-mine }, config: b.conf, hosts: { h2: 10.2.0.10/24 } }
links:
  left: { ends: [a, b], delay: 2ms, addresses: { a: 10.0.0.1/30, b: 10.0.0.2/30 } }
sessions:
  only: { ebgp: left, bfd: 100ms/3 }
routing:
  a: { only: { announce: [10.1.0.0/24] } }
";

/// Names, times and tables are the user's: nothing is as backhoe would write it.
const OWN_CONF: &str = "
log \"/run/bird/mine.log\" all;
router id 10.2.0.1;
protocol device { }
protocol static nets { ipv4; route 10.2.0.0/24 blackhole; }
protocol kernel { ipv4 { export where source = RTS_BGP; }; }
protocol bfd { }
protocol bgp upstream {
  local 10.0.0.2 as 65002;
  neighbor 10.0.0.1 as 65001;
  connect delay time 1;
  # FRR drops BFD once while the session comes up; BIRD would wait a minute after that.
  error wait time 1, 2;
  bfd { interval 100 ms; };
  ipv4 { import all; export where source = RTS_STATIC; };
}
";

#[test]
fn an_own_configuration_and_own_installations_are_used_and_understood() {
    let user = User::nobody();
    let dir = user.path("");
    let dir = dir.to_str().unwrap().trim_end_matches('/');
    for part in ["frr/sbin", "frr/bin"] {
        fs::create_dir_all(user.path(part)).unwrap();
    }
    for daemon in ["zebra", "bgpd", "bfdd", "staticd"] {
        let own = user.path(&format!("frr/sbin/{daemon}"));
        symlink(Path::new("/usr/lib/frr").join(daemon), own).unwrap();
    }
    symlink("/usr/bin/vtysh", user.path("frr/bin/vtysh")).unwrap();
    let wrapper = format!("#!/bin/sh\necho \"$@\" >>{dir}/calls\nexec /usr/sbin/bird \"$@\"\n");
    let mine = user.path("bird-mine");
    fs::write(&mine, wrapper).unwrap();
    fs::set_permissions(&mine, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(user.path("b.conf"), OWN_CONF).unwrap();

    let lab = Up::new(&user, &OWN.replace("DIR", dir));
    let calls = fs::read_to_string(user.path("calls")).unwrap();
    assert!(
        calls.contains("-p -c"),
        "read before anything is built: {calls}"
    );
    assert!(calls.contains("-f -c /run/bird/bird.conf"), "{calls}");
    let learned = lab.best("b", "10.1.0.0/24");
    assert_eq!(
        (&learned["from"], &learned["as_path"]),
        (&"only".into(), &"65001".into())
    );
    assert_eq!(lab.best("a", "10.2.0.0/24")["from"], "only");
    let session = lab.inspect("b", "bgp");
    assert!(
        session[0]["uptime_ms"].is_u64(),
        "BIRD's usual form of times: {session:?}"
    );
    assert_eq!(lab.inspect("b", "bfd")[0]["detect_us"], 300_000);
    let ps = lab.exec("a", "cat /proc/[0-9]*/cmdline | tr '\\000' ' '");
    let ps = String::from_utf8_lossy(&ps.stdout);
    assert!(ps.contains(&format!("{dir}/frr/sbin/bgpd")), "{ps}");

    lab.ok(&["cut", "only", "--at", "b"]);
    await_some("the session's end", BACK, || {
        (lab.inspect("a", "bgp")[0]["state"] != "Established").then_some(())
    });
    lab.ok(&["restore", "only"]);
    lab.await_established("a", 1);
}

#[test]
fn what_a_daemon_refuses_is_told_with_its_place_before_anything_is_built() {
    let user = User::nobody();
    let lab = |daemon: &str| {
        OWN.replace("daemon: { frr: DIR/frr }", "daemon: embedded")
            .replace("daemon: { bird: DIR/bird-mine }", daemon)
    };
    for (daemon, config, place, words) in [
        (
            "daemon: bird",
            "protocol device { }\nprotocol bgp x {\n  locl 1;\n}\n",
            "b.conf:3:3: error: BIRD of `b`:",
            "syntax error",
        ),
        (
            "daemon: frr",
            "router bgp 65002\n neighbour 10.0.0.1 remote-as 65001\n",
            "b.conf:2: error: FRR of `b`:",
            "Unknown command",
        ),
    ] {
        fs::write(user.path("lab.yaml"), lab(daemon)).unwrap();
        fs::write(user.path("b.conf"), config).unwrap();
        for command in ["check", "plan", "run"] {
            let output = user.run(&[command, "lab.yaml"]);
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{command}: {said}");
            assert!(
                said.contains(place) && said.contains(words),
                "{command}: {said}"
            );
        }
        assert!(!user.path("runs").exists());
    }
    fs::write(
        user.path("lab.yaml"),
        lab("daemon: { bird: /nowhere/bird }"),
    )
    .unwrap();
    fs::write(user.path("b.conf"), OWN_CONF).unwrap();
    let output = user.run(&["run", "lab.yaml"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("node `b` wants BIRD of `/nowhere/bird`"),
        "{said}"
    );
}

/// A belief about BIRD: what is generated, it understands.
#[test]
fn bird_understands_every_generated_configuration() {
    let installed = |suite, install: Option<&str>| SuiteFacts {
        suite,
        install: install.map(str::to_owned),
        version: String::new(),
        known_bad: None,
    };
    let host = HostFacts {
        suites: vec![
            installed(Suite::Frr, None),
            installed(Suite::Bird, None),
            installed(Suite::Frr, Some("/opt/frr-10.2")),
            installed(Suite::Bird, Some("/opt/bird-3/sbin/bird")),
        ],
        ..HostFacts::default()
    };
    let pair = include_str!("../golden/plan/bird-pair.yaml");
    let headline = include_str!("../../labs/dx-vpn-backup-bird.yaml");
    let mut checked = 0;
    for text in [pair, headline, TRIO] {
        let lab = spec::parse("lab.yaml", text, &|file| Err(file.to_owned()));
        let lab = lab.unwrap_or_else(|found| panic!("{}", found.render("lab.yaml", text)));
        for node in plan(&lab, &host).unwrap().nodes {
            let Some(text) = node.files.get("/run/bird/bird.conf") else {
                continue;
            };
            let file = tempfile::NamedTempFile::new().unwrap();
            fs::write(file.path(), text).unwrap();
            let output = Command::new("/usr/sbin/bird")
                .args(["-p", "-c"])
                .arg(file.path())
                .output()
                .expect("this test needs Debian's bird2 package");
            assert!(output.status.success(), "{output:?}\n{text}");
            checked += 1;
        }
    }
    assert_eq!(checked, 4);
}
