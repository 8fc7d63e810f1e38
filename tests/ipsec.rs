//! IPsec from end to end: strongSwan in labs as users run them, with the kernel's ESP
//! where it has XFRM interfaces (the virtual machine's has), in user space elsewhere.
//! Skipped, and said so, where the host lacks strongSwan, or both XFRM interfaces and
//! /dev/net/tun.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed, and says where"
)]
#![expect(clippy::disallowed_methods, reason = "driver: reads the clock")]

use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::PathBuf,
    process::{Command, Output},
    time::{Duration, Instant},
};

use serde_json::Value;

#[path = "kernel/common.rs"]
#[expect(dead_code, reason = "shared with tests that make namespaces")]
mod common;

use common::{not_tested, tested};

/// An ordinary user.
const NOBODY: u32 = 65534;

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
    /// Who runs it, if not root.
    user: Option<u32>,
}

/// The program under test. An emulated machine wants an optimised one.
fn program() -> PathBuf {
    let built = env!("CARGO_BIN_EXE_backhoe");
    std::env::var_os("BACKHOE_PROGRAM").map_or_else(|| built.into(), PathBuf::from)
}

impl Bench {
    /// A lab of this VPN and what happens to it; `None` where the host cannot.
    fn new(name: &str, settings: &str, story: &str) -> Option<Self> {
        let bench = Self::of(name, settings, story, None);
        let able = bench.backhoe(&["check", "--host", &bench.lab]);
        let said = String::from_utf8_lossy(&able.stderr).into_owned();
        match able.status.code() {
            Some(0) => {
                tested(&format!("IPsec by {}", bench.backend()));
                Some(bench)
            }
            Some(3) => {
                not_tested("IPsec", said);
                None
            }
            _ => panic!("{said}"),
        }
    }

    fn of(name: &str, settings: &str, story: &str, user: Option<u32>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        if user.is_some() {
            let open = fs::Permissions::from_mode(0o777);
            fs::set_permissions(dir.path(), open).unwrap();
            let own = dir.path().join("backhoe");
            if fs::hard_link(program(), &own).is_err() {
                fs::copy(program(), &own).unwrap();
            }
        }
        let lab = dir.path().join(format!("{name}.yaml"));
        fs::write(&lab, LAB.replace("SETTINGS", settings) + story).unwrap();
        Self {
            lab: lab.display().to_string(),
            name: format!("{name}-{}", std::process::id()),
            dir,
            user,
        }
    }

    /// What encrypts on this host.
    fn backend(&self) -> &'static str {
        let plan = self.ok(&["plan", &self.lab]);
        if plan.contains("with kernel ESP") {
            "the kernel's ESP"
        } else {
            "libipsec"
        }
    }

    fn backhoe(&self, args: &[&str]) -> Output {
        let mut command = match self.user {
            None => Command::new(program()),
            Some(user) => {
                // The tester's own program and PATH may be where that user may not look.
                let mut command = Command::new(self.dir.path().join("backhoe"));
                command.uid(user).gid(user).env("PATH", "/usr/bin:/bin");
                command
            }
        };
        let command = command.args(args).current_dir(self.dir.path());
        command.output().unwrap()
    }

    /// Fails; what it said.
    fn fails(&self, args: &[&str]) -> (i32, String) {
        let output = self.backhoe(args);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{args:?}");
        (output.status.code().unwrap(), said)
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

    /// What `status` says the lab waits for, once all of `wanted` is in it.
    fn until_waiting(&self, wanted: &[&str]) {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let status: Value =
                serde_json::from_str(&self.ok(&["status", &self.name, "--json"])).unwrap();
            let waiting = status["waiting"].as_array().unwrap();
            let said = |words: &&str| waiting.iter().any(|w| w.as_str().unwrap().contains(words));
            if wanted.iter().all(said) {
                return;
            }
            assert!(Instant::now() < end, "not {wanted:?}: {waiting:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Once `status` says the lab waits for nothing but the session that `wanted` begins, or
    /// for nothing at all.
    fn until_only(&self, wanted: &str) {
        let session = wanted.split(" at ").next().unwrap();
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let status: Value =
                serde_json::from_str(&self.ok(&["status", &self.name, "--json"])).unwrap();
            let waiting = status["waiting"].as_array().unwrap();
            let is = |w: &Value| !session.is_empty() && w.as_str().unwrap().starts_with(session);
            if waiting.iter().all(is) && waiting.is_empty() == session.is_empty() {
                return;
            }
            assert!(Instant::now() < end, "not only {wanted:?}: {waiting:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
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
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // Most are down already.
        let _ = self.backhoe(&["down", &self.name]);
    }
}

/// Probes a second each way. On the one processor of an emulated machine a thousand leave the
/// daemons no time to renew keys before they expire.
fn rate() -> u32 {
    let machine = fs::read_to_string("/proc/cmdline").unwrap();
    // As scripts/vm says it.
    match machine.split_whitespace().any(|word| word == "vm.emulated") {
        true => 200,
        false => 1000,
    }
}

/// A step that changes nothing, so that a stretch of time is measured.
fn measured(sleep: &str) -> String {
    let rate = rate();
    format!(
        "
probes:
  app: {{ between: [dc1.app, vpc1.db], rate: {rate}/s }}
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
    let found = outages(&result, "initial");
    assert_eq!(found.len(), 2);
    for outage in found {
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
fn a_tunnel_whose_keys_expired_is_begun_anew() {
    // Renewed between 6 and 9 s of their lives, over at 12 at most; an exchange is given up
    // after 9 s. So when that is, the end of the IKE SA has been waiting behind it.
    let settings = ", unlike-aws: true, ike-lifetime: 12s, child-lifetime: 12s, dpd: { delay: 10s, timeout: 19s }";
    let Some(bench) = Bench::new("expiry", settings, "") else {
        return;
    };
    let out = bench.out();
    bench.ok(&["up", &bench.lab, "--name", &bench.name, "--out", &out]);
    let lab = ["--lab", bench.name.as_str()];
    let cut = ["cut", "uplink", "--how", "silent"];
    bench.ok(&[&cut[..], &lab[..]].concat());
    // With its last SA the interface goes, and BGP with that.
    bench.until_waiting(&[
        "BGP backup.1 at dc1 (interface down)",
        "BGP backup.2 at dc1 (interface down)",
    ]);
    bench.ok(&[&["restore", "uplink"], &lab[..]].concat());
    for tunnel in ["backup.1", "backup.2"] {
        for node in ["dc1", "vgw"] {
            bench.until(tunnel, node, "up");
        }
    }
    bench.ok(&["down", &bench.name]);
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
    // The whole VPN by its name; a tunnel of it, shut down as well, stays so.
    let sessions = ["backup.1", "backup.2"].map(|tunnel| format!("BGP {tunnel} at dc1 ("));
    cut(&["cut", "backup"]);
    bench.until_waiting(&[&sessions[0], &sessions[1]]);
    cut(&["cut", "backup.1"]);
    cut(&["restore", "backup"]);
    bench.until_only(&sessions[0]);
    cut(&["restore", "backup.1"]);
    bench.until_only("");
    bench.ok(&["down", &bench.name]);
}

/// A cut that is repaired before anything has noticed it.
const SHORT: &str = "
probes:
  app: { between: [dc1.app, vpc1.db], rate: 100/s }
scenario:
  - cut: { link: uplink, how: silent }
  - sleep: 1s
  - restore: uplink
";

#[test]
fn an_ordinary_user_has_tunnels_too() {
    if nix::unistd::getuid().as_raw() != 0 {
        not_tested("IPsec of another user", "only root becomes one");
        return;
    }
    let bench = Bench::of("nobody", "", SHORT, Some(NOBODY));
    let able = bench.backhoe(&["check", "--host", &bench.lab]);
    if able.status.code() == Some(3) {
        not_tested(
            "IPsec of an ordinary user",
            String::from_utf8_lossy(&able.stderr),
        );
        return;
    }
    tested(&format!("IPsec of an ordinary user by {}", bench.backend()));
    let (result, _) = bench.run();
    assert_is_the_cut(&result);
}

#[test]
fn certificates_do_what_keys_do() {
    let Some(bench) = Bench::new("certificate", ", auth: certificate", SHORT) else {
        return;
    };
    let (result, _) = bench.run();
    assert_is_the_cut(&result);
}

/// In a mount namespace of its own, where nobody else sees what becomes of the device.
#[test]
fn a_user_who_may_not_open_the_tun_device_is_told_before_anything_is_built() {
    if nix::unistd::getuid().as_raw() != 0 {
        not_tested("a closed /dev/net/tun", "only root can close one");
        return;
    }
    let bench = Bench::of("closed", "", SHORT, Some(NOBODY));
    let has_kernel = bench.backhoe(&["check", "--host", &bench.lab]);
    if has_kernel.status.success() && bench.backend() != "libipsec" {
        not_tested("a closed /dev/net/tun", "the kernel's ESP needs none");
        return;
    }
    for (device, advice) in [
        (
            "mknod -m 600 /dev/net/tun c 10 200",
            "sudo chmod 0666 /dev/net/tun",
        ),
        ("true", "sudo modprobe tun"),
    ] {
        for command in [
            &["check", "--host", &bench.lab][..],
            &["run", &bench.lab, "--name", &bench.name],
            &["up", &bench.lab, "--name", &bench.name],
        ] {
            let script = format!(
                "mount -t tmpfs none /dev/net; {device}; exec setpriv --reuid={NOBODY} \
                 --regid={NOBODY} --clear-groups \"$@\""
            );
            let output = Command::new("unshare")
                .args(["--mount", "sh", "-ec", &script, "sh"])
                .arg(bench.dir.path().join("backhoe"))
                .args(command)
                .current_dir(bench.dir.path())
                .env("PATH", "/usr/bin:/bin")
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(3), "{command:?}: {said}");
            assert!(said.contains("ESP runs in user space"), "{said}");
            assert!(said.contains(advice), "{said}");
            assert!(!bench.dir.path().join("runs").exists(), "{said}");
        }
    }
}

/// A `swanctl.conf` as a user has it from a vendor's documentation.
fn own_config(bench: &Bench, tunnel: usize, change: (&str, &str)) -> String {
    let plan = bench.ok(&["plan", &bench.lab, "--json"]);
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let node = format!("dc1.backup.{tunnel}");
    let nodes = plan["nodes"].as_array().unwrap();
    let node = nodes.iter().find(|n| n["name"] == *node).unwrap();
    let text = node["files"]["/etc/swanctl/swanctl.conf"].as_str().unwrap();
    let line = |key: &str| {
        let line = text.lines().find(|line| line.contains(key));
        line.unwrap().split_once("= ").unwrap().1.to_owned()
    };
    let (local, remote) = (line("local_addrs"), line("remote_addrs"));
    format!(
        "# mine\nconnections {{\n  to-aws {{\n    version = 2\n    local_addrs = {local}\n    \
         remote_addrs = {remote}\n    keyingtries = 0\n    proposals = aes256-sha256-modp2048\n    \
         local {{\n      auth = psk\n      id = {local}\n    }}\n    remote {{\n      auth = psk\n      id = {remote}\n    }}\n    \
         children {{\n      all {{\n        local_ts = 0.0.0.0/0\n        remote_ts = 0.0.0.0/0\n        \
         esp_proposals = aes256gcm16-modp2048\n        if_id_in = {tunnel}00\n        if_id_out = {tunnel}00\n        \
         start_action = start\n      }}\n    }}\n  }}\n}}\nsecrets {{\n  ike-aws {{\n    secret = \"mine.own.key_{tunnel}\"\n  }}\n}}\n"
    )
    .replace(change.0, change.1)
}

#[test]
fn a_users_own_configuration_carries_traffic_or_is_refused_in_strongswans_words() {
    let settings = ", psk: [mine.own.key_1, mine.own.key_2]";
    let Some(bench) = Bench::new("own", settings, SHORT) else {
        return;
    };
    let texts = |change| [1, 2].map(|tunnel| own_config(&bench, tunnel, change));
    let write = |texts: [String; 2]| {
        for (name, text) in ["one.conf", "two.conf"].into_iter().zip(texts) {
            fs::write(bench.dir.path().join(name), text).unwrap();
        }
    };
    let [good, unread, refused] = [
        ("", ""),
        // strongSwan's parser stops here, before anything is built.
        ("    version = 2\n", "    version 2\n"),
        // Only a daemon knows that there is no such cipher.
        ("proposals = aes256-sha256", "proposals = aes7-sha256"),
    ]
    .map(texts);
    let with = format!("{settings}, config: [one.conf, two.conf]");
    fs::write(&bench.lab, LAB.replace("SETTINGS", &with) + SHORT).unwrap();
    let run = ["run", &bench.lab, "--name", &bench.name];

    write(unread);
    for command in [&["check", &bench.lab][..], &run] {
        let (status, said) = bench.fails(command);
        assert_eq!(status, 2, "{said}");
        for place in ["one.conf:4: ", "two.conf:4: "] {
            assert!(said.contains(place), "{said}");
        }
        assert!(said.contains("syntax error, unexpected"), "{said}");
    }
    write(refused);
    for command in [&["check", &bench.lab][..], &run] {
        let (status, said) = bench.fails(command);
        assert_eq!(status, 2, "{said}");
        let words = "one.conf:8: error: strongSwan of tunnel `backup.1`: loading connection \
            'to-aws' failed: invalid value for: proposals";
        assert!(said.contains(words), "{said}");
    }
    assert!(!bench.ok(&["ls"]).contains(&bench.name));

    write(good);
    let (result, _) = bench.run();
    assert_is_the_cut(&result);
}

#[test]
fn a_wrong_key_is_named_by_both_ends() {
    let right = ", psk: [mine.own.key_1, mine.own.key_2]";
    let Some(bench) = Bench::new("psk", right, "") else {
        return;
    };
    for (tunnel, name) in [(1, "one.conf"), (2, "two.conf")] {
        let text = own_config(&bench, tunnel, ("key_2", "key_3"));
        fs::write(bench.dir.path().join(name), text).unwrap();
    }
    let with = format!("{right}, config: [one.conf, two.conf]");
    fs::write(&bench.lab, LAB.replace("SETTINGS", &with)).unwrap();
    let out = bench.out();
    let up = ["up", &bench.lab, "--name", &bench.name, "--out", &out];
    bench.ok(&[&up[..], &["--no-wait"]].concat());
    bench.until_waiting(&[
        "tunnel backup.2 at dc1 (received AUTHENTICATION_FAILED)",
        "tunnel backup.2 at vgw (tried 1 shared key for ",
    ]);
    bench.until("backup.1", "dc1", "up");
    bench.ok(&["down", &bench.name]);
}

/// What was lost is what was sent while the path was cut, and every packet of it is
/// accounted for.
fn assert_is_the_cut(result: &Value) {
    assert_eq!(result["trusted"], true, "{}", result["warnings"]);
    let found = outages(result, "initial");
    assert_eq!(found.len(), 2);
    for outage in found {
        let lost = outage["lost"].as_u64().unwrap();
        assert!((60..200).contains(&lost), "{outage}");
    }
}

/// The measured outages of a transition, one for each flow.
fn outages<'r>(result: &'r Value, transition: &str) -> Vec<&'r Value> {
    let all = result["outages"].as_array().unwrap();
    all.iter()
        .filter(|outage| outage["transition"] == transition)
        .collect()
}
