//! Our speaker against FRR (bgpd, bfdd, zebra as Debian ships them): both
//! directions, both families, attributes, MD5, BFD, and a silent cut.

use std::{
    os::unix::fs::chown,
    path::Path,
    process::{Child, Command, Stdio},
};

use backhoe::{
    engine::speaker::control::{BfdStatus, Notice},
    os::{clock, netns::NetnsFd},
    proto::{
        bfd::State,
        speaker::{SessionState, SpeakerEvent},
    },
    units::{Community, Set, Span},
};

use super::{
    common::{await_some, joined, sh},
    speaker::{SECOND, await_routes, bfd, peer, routes, speaker},
    speaker_process::SpeakerProcess,
};

const BFDD: &str = "
bfd
 profile fast
  transmit-interval 50
  receive-interval 50
  detect-multiplier 3
";

const BGPD: &str = "
route-map OUT permit 10
 set metric 77
 set community 65002:100
bgp route-map delay-timer 0
router bgp 65002
 bgp router-id 2.2.2.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 coalesce-time 10
 neighbor 10.0.0.1 remote-as 65001
 neighbor 10.0.0.1 timers 3 9
 neighbor 10.0.0.1 timers connect 1
 neighbor 10.0.0.1 advertisement-interval 0
 neighbor 10.0.0.1 password secret
 neighbor 10.0.0.1 bfd profile fast
 neighbor fd00::1 remote-as 65001
 neighbor fd00::1 timers 3 9
 neighbor fd00::1 timers connect 1
 neighbor fd00::1 advertisement-interval 0
 neighbor fd00::1 password secret6
 neighbor fd00::1 bfd profile fast
 address-family ipv4 unicast
  network 172.17.0.0/16
  neighbor 10.0.0.1 route-map OUT out
 exit-address-family
 address-family ipv6 unicast
  network fd17::/32
  neighbor fd00::1 activate
  neighbor fd00::1 route-map OUT out
 exit-address-family
";

/// FRR in a namespace; its daemons are killed when dropped.
struct Frr {
    daemons: Vec<Child>,
    folder: tempfile::TempDir,
}

impl Frr {
    fn start(namespace: &NetnsFd) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let user = nix::unistd::User::from_name("frr")
            .unwrap()
            .expect("this test needs Debian's frr package");
        let path = folder.path();
        chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap_or_else(|error| {
            panic!("this test needs root, for FRR wants to be its own user: {error}")
        });
        let mut frr = Self {
            daemons: Vec::new(),
            folder,
        };
        for (daemon, config) in [("zebra", ""), ("bfdd", BFDD), ("bgpd", BGPD)] {
            frr.daemon(namespace, daemon, config);
        }
        frr
    }

    fn daemon(&mut self, namespace: &NetnsFd, daemon: &str, config: &str) {
        let path = self.folder.path();
        let file = path.join(format!("{daemon}.conf"));
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(Path::new("/usr/lib/frr").join(daemon));
        command
            .arg("-f")
            .arg(&file)
            .arg("-i")
            .arg(path.join(format!("{daemon}.pid")))
            .arg("-z")
            .arg(path.join("zserv.api"))
            .arg("--vty_socket")
            .arg(path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if daemon == "bfdd" {
            command.arg("--bfdctl").arg(path.join("bfdd.sock"));
        }
        let child = namespace.run(|| command.spawn()).unwrap();
        self.daemons.push(child);
        let socket = path.join(format!("{daemon}.vty"));
        await_some(&format!("{daemon}'s terminal"), 10 * SECOND, || {
            socket.exists().then_some(())
        });
    }

    fn show(&self, what: &str) -> serde_json::Value {
        let output = Command::new("vtysh")
            .arg("--vty_socket")
            .arg(self.folder.path())
            .args(["-c", what])
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or(serde_json::Value::Null)
    }
}

impl Drop for Frr {
    fn drop(&mut self) {
        for daemon in &mut self.daemons {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

fn ours() -> backhoe::units::SpeakerConfig {
    let mut v4 = peer("v4", "10.0.0.1", "10.0.0.2", "a0", 65002);
    let mut v6 = peer("v6", "fd00::1", "fd00::2", "a0", 65002);
    v4.md5 = Some("secret".to_owned());
    v6.md5 = Some("secret6".to_owned());
    for peer in [&mut v4, &mut v6] {
        peer.bfd = bfd(50, 3);
        for rule in &mut peer.export.rules {
            rule.set = vec![
                Set::Med(55),
                Set::AddCommunity("65001:200".parse().unwrap()),
                Set::Prepend(1),
            ];
        }
    }
    speaker("a", 65001, &["172.16.0.0/16", "fd16::/32"], vec![v4, v6])
}

/// The one path FRR has to a prefix.
fn frr_path(frr: &Frr, family: &str, prefix: &str) -> Option<serde_json::Value> {
    let shown = frr.show(&format!("show bgp {family} unicast {prefix} json"));
    shown.get("paths")?.get(0).cloned()
}

#[test]
fn routes_attributes_and_bfd_agree_with_frr_and_survive_a_silent_cut() {
    let lab = joined();
    let frr = Frr::start(&lab.1);
    let mut a = SpeakerProcess::start(&lab.0, &ours());
    let learned = ["172.17.0.0/16", "fd17::/32"];
    let given = ["172.16.0.0/16", "fd16::/32", "dev b0"];
    // bgpd registers its BFD session anew once BGP is Established, and bfdd says
    // Down meanwhile: what has lasted a second is past that.
    await_some("sessions that last", 20 * SECOND, || {
        let peers = a.status().speaker.peers;
        let lasting = |uptime_ms: Option<u64>| uptime_ms.is_some_and(|ms| ms >= 1000);
        peers.iter().all(|p| lasting(p.uptime_ms)).then_some(())
    });
    await_routes(&lab.0, &learned);
    await_routes(&lab.1, &given);

    let status = a.status().speaker;
    for peer in &status.peers {
        assert_eq!(peer.state, SessionState::Established);
        assert_eq!(peer.hold, Some(Span::from_secs(9)));
    }
    for prefix in learned {
        let route = status
            .rib
            .iter()
            .find(|r| r.prefix.to_string() == prefix)
            .unwrap();
        assert_eq!(route.med, Some(77), "{prefix}");
        assert_eq!(
            route.communities,
            ["65002:100".parse::<Community>().unwrap()],
            "{prefix}"
        );
        assert_eq!(route.as_path, "65002", "{prefix}");
    }
    for (family, prefix) in [("ipv4", "172.16.0.0/16"), ("ipv6", "fd16::/32")] {
        let path = frr_path(&frr, family, prefix).unwrap();
        assert_eq!(path["metric"], 55, "{path}");
        assert_eq!(path["community"]["string"], "65001:200", "{path}");
        assert_eq!(path["aspath"]["string"], "65001 65001", "{path}");
    }

    refreshes(&frr, &mut a);

    await_some("our BFD at its negotiated speed", 10 * SECOND, || {
        let fast = |b: &BfdStatus| b.state == State::Up && b.detection == Span::from_millis(150);
        a.status().bfd.iter().all(fast).then_some(())
    });
    await_some("FRR's BFD at its negotiated speed", 10 * SECOND, || {
        let peers = frr.show("show bfd peers json");
        let peers = peers.as_array()?;
        let fast = |peer: &serde_json::Value| {
            peer["status"] == "up" && peer["remote-transmit-interval"] == 50
        };
        (peers.len() == 2 && peers.iter().all(fast)).then_some(())
    });
    a.forget_before(clock::mono_ns());
    let before = a.status();
    std::thread::sleep(2 * SECOND);
    let quiet = a.status();
    for (before, after) in before.bfd.iter().zip(&quiet.bfd) {
        assert_eq!(before.downs, after.downs, "{after:?}");
        // Two seconds at 37.5 to 50 ms each way.
        assert!(
            after.received >= before.received + 30,
            "{before:?} {after:?}"
        );
        assert!(after.sent >= before.sent + 30, "{before:?} {after:?}");
    }

    cut_silently(&lab.0);
    let (_, reason) = a.expect("the session's end", 2 * SECOND, |notice| {
        let Notice::Bgp(SpeakerEvent::SessionDown { session, reason }) = notice else {
            return None;
        };
        (session.as_str() == "v4").then(|| reason.clone())
    });
    assert!(reason.to_lowercase().contains("bfd"), "{reason}");
    for namespace in [&lab.0, &lab.1] {
        await_some("the far routes to go", 2 * SECOND, || {
            let routes = routes(namespace);
            (!routes.contains(" via ")).then_some(())
        });
    }
    sh(&lab.0, "nft delete table netdev cut");
    await_routes(&lab.0, &learned);
    await_routes(&lab.1, &given);
}

/// FRR asks for our table again: it gets it between markers (RFC 7313), and loses nothing by it.
fn refreshes(frr: &Frr, a: &mut SpeakerProcess) {
    let neighbor = frr.show("show bgp neighbors 10.0.0.1 json");
    let capabilities = &neighbor["10.0.0.1"]["neighborCapabilities"];
    for name in ["enhancedRouteRefresh", "extendedMessage"] {
        assert_eq!(
            capabilities[name], "advertisedAndReceived",
            "{capabilities}"
        );
    }
    let refreshes = |a: &mut SpeakerProcess| {
        let peer = a.status().speaker.peers.swap_remove(0);
        (
            peer.messages_in.route_refresh,
            peer.messages_out.route_refresh,
        )
    };
    let before = refreshes(a);
    frr.show("clear bgp ipv4 unicast 10.0.0.1 soft in");
    await_some("a refresh, begun and ended", 5 * SECOND, || {
        (refreshes(a) == (before.0 + 1, before.1 + 2)).then_some(())
    });
    assert!(frr_path(frr, "ipv4", "172.16.0.0/16").is_some());
    assert_eq!(a.status().speaker.peers[0].state, SessionState::Established);
}

fn cut_silently(namespace: &NetnsFd) {
    sh(
        namespace,
        "nft 'add table netdev cut
              add chain netdev cut in { type filter hook ingress device a0 priority 0; }
              add chain netdev cut out { type filter hook egress device a0 priority 0; }
              add rule netdev cut in drop
              add rule netdev cut out drop'",
    );
}
