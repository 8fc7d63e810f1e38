//! What each daemon was recorded to say of the same lab (`labs/two-routers.yaml`),
//! while everything was up and after a silent cut of `left`, and what that becomes in
//! the one form.

use std::{
    collections::BTreeMap,
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use backhoe::{
    engine::{
        daemon::{NodeView, RouteView, bird, frr},
        speaker::control::Status,
    },
    units::SessionName,
};
use proptest::prelude::*;

use super::{Golden, root};

fn recordings(daemon: &str) -> PathBuf {
    root().join("tests/golden/daemons").join(daemon)
}

/// `a` and `b` name each other's addresses on both links.
fn sessions() -> BTreeMap<IpAddr, SessionName> {
    [
        ("100.89.26.53", "primary"),
        ("100.89.26.54", "primary"),
        ("100.78.216.9", "backup"),
        ("100.78.216.10", "backup"),
    ]
    .map(|(address, name)| (address.parse().unwrap(), SessionName::new(name).unwrap()))
    .into()
}

fn lines(bytes: &[u8]) -> Vec<bird::Line> {
    bird::read_reply(&mut &*bytes).unwrap_or_default()
}

fn of_bird(at: &Path) -> (NodeView, Vec<RouteView>) {
    let [status, protocols, bfd, routes, kernel4, kernel6] =
        ["status", "protocols", "bfd", "routes", "kernel4", "kernel6"]
            .map(|name| lines(&fs::read(at.join(name).with_extension("txt")).unwrap()));
    let neighbors = bird::neighbors(&status, &protocols);
    assert_eq!(bird::kernels(&protocols), ["kernel4", "kernel6"]);
    let mut gateways = bird::gateways(&kernel4);
    gateways.extend(bird::gateways(&kernel6));
    (
        bird::view(&status, &protocols, &bfd),
        bird::rib(&routes, &gateways, &neighbors, &sessions()),
    )
}

fn of_frr(at: &Path) -> (NodeView, Vec<RouteView>) {
    let [neighbors, bfd, v4, v6] = ["neighbors", "bfd", "table-ipv4", "table-ipv6"]
        .map(|name| fs::read_to_string(at.join(name).with_extension("json")).unwrap());
    let mut routes = frr::rib(&v4, &sessions()).unwrap();
    routes.extend(frr::rib(&v6, &sessions()).unwrap());
    (frr::view(&neighbors, &bfd).unwrap(), routes)
}

fn of_embedded(at: &Path) -> (NodeView, Vec<RouteView>) {
    let text = fs::read_to_string(at.join("status.json")).unwrap();
    let status: Status = serde_json::from_str(&text).unwrap();
    let routes = status.speaker.rib.iter().map(RouteView::from).collect();
    (NodeView::from(&status), routes)
}

type Reader = fn(&Path) -> (NodeView, Vec<RouteView>);

#[test]
fn every_recording_becomes_the_expected_view() {
    let mut golden = Golden::default();
    let readers: [(&str, Reader); 3] = [
        ("bird-2.0.12", of_bird),
        ("frr-8.4.4", of_frr),
        ("embedded", of_embedded),
    ];
    for (daemon, read) in readers {
        for moment in ["up", "cut"] {
            let at = recordings(daemon).join(moment);
            let (view, routes) = read(&at);
            let found = serde_json::json!({ "bgp": view.bgp, "bfd": view.bfd, "rib": routes });
            let found = serde_json::to_string_pretty(&found).unwrap() + "\n";
            golden.compare(&at.join("expected.json"), &found);
        }
    }
    golden.conclude();
}

/// What does not depend on the daemon: who is up, and which path wins.
#[test]
fn all_daemons_tell_the_same_story() {
    for (moment, primary_is_up, wins) in [("up", true, "primary"), ("cut", false, "backup")] {
        for (daemon, (view, routes)) in [
            ("bird", of_bird(&recordings("bird-2.0.12").join(moment))),
            ("frr", of_frr(&recordings("frr-8.4.4").join(moment))),
            (
                "embedded",
                of_embedded(&recordings("embedded").join(moment)),
            ),
        ] {
            let what = format!("{daemon}, {moment}");
            assert_eq!((view.bgp.len(), view.bfd.len()), (2, 2), "{what}");
            for bgp in &view.bgp {
                let is_primary = sessions()[&bgp.remote].as_str() == "primary";
                assert_eq!(bgp.is_established(), primary_is_up || !is_primary, "{what}");
                if bgp.is_established() {
                    let timers = (bgp.hold_ms, bgp.keepalive_ms);
                    assert_eq!(timers, (Some(90_000), Some(30_000)), "{what}");
                    assert_eq!((bgp.accepted, bgp.advertised), (Some(2), Some(2)), "{what}");
                    assert!(bgp.uptime_ms.is_some(), "{what}");
                }
            }
            for bfd in &view.bfd {
                let is_primary = sessions()[&bfd.remote].as_str() == "primary";
                assert_eq!(bfd.state == "Up", primary_is_up || !is_primary, "{what}");
                if bfd.state == "Up" {
                    let times = (bfd.tx_us, bfd.detect_us);
                    assert_eq!(times, (Some(50_000), Some(150_000)), "{what}");
                }
            }
            let learned: Vec<&RouteView> = routes
                .iter()
                .filter(|route| route.best && route.source == "ebgp")
                .collect();
            assert_eq!(learned.len(), 2, "{what}: {routes:?}");
            for route in learned {
                assert_eq!(route.from.as_deref(), Some(wins), "{what}");
                let preference = if primary_is_up { 200 } else { 100 };
                assert_eq!(route.local_pref, Some(preference), "{what}");
                assert!(route.next_hop.is_some() && route.reachable, "{what}");
            }
            let own = routes.iter().filter(|route| route.source == "local");
            assert_eq!(own.count(), 2, "{what}");
        }
    }
}

/// With `multipath: 2` and nothing that tells the paths apart.
#[test]
fn equal_paths_of_bird_that_forward_are_marked() {
    let (_, routes) = of_bird(&recordings("bird-2.0.12").join("equal"));
    for prefix in ["10.1.0.0/24", "2001:db8:1::/64"] {
        let paths = routes.iter().filter(|r| r.prefix.to_string() == prefix);
        let marks: Vec<_> = paths.map(|path| (path.best, path.multipath)).collect();
        assert_eq!(marks, [(true, true), (false, true)], "{prefix}");
    }
    let (_, routes) = of_bird(&recordings("bird-2.0.12").join("up"));
    assert!(routes.iter().all(|route| route.best == route.multipath));
}

/// Every recorded file, as it was.
fn recorded() -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for (daemon, ending) in [("bird-2.0.12", "txt"), ("frr-8.4.4", "json")] {
        for moment in ["up", "cut"] {
            let folder = fs::read_dir(recordings(daemon).join(moment)).unwrap();
            let paths = folder.map(|entry| entry.unwrap().path());
            files.extend(
                paths
                    .filter(|path| path.extension().is_some_and(|e| e == ending))
                    .map(|path| fs::read(path).unwrap()),
            );
        }
    }
    assert!(files.len() >= 16);
    files
}

/// Puts whatever it is through every parser of that daemon.
fn swallow(bytes: &[u8]) {
    let reply = lines(bytes);
    let neighbors = bird::neighbors(&reply, &reply);
    let _ = bird::view(&reply, &reply, &reply);
    let _ = bird::kernels(&reply);
    let _ = bird::rib(&reply, &bird::gateways(&reply), &neighbors, &sessions());
    let text = String::from_utf8_lossy(bytes);
    let _ = frr::view(&text, &text);
    let _ = frr::rib(&text, &sessions());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        swallow(&bytes);
    }

    /// A word of a true reply is replaced by something else, and lines are lost.
    #[test]
    fn no_change_of_a_true_reply_makes_a_parser_panic(
        file in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        put in r"(\PC{0,12}|[0-9]{1,40}|[0-9]{4}[- ]|-|\t|:|\[|\]|\(|%|é)",
        lost in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let files = recorded();
        let text = String::from_utf8_lossy(&files[file.index(files.len())]).into_owned();
        let mut kept: Vec<String> = text.lines().map(str::to_owned).collect();
        for line in lost {
            if !kept.is_empty() {
                kept.remove(line.index(kept.len()));
            }
        }
        let mut words: Vec<String> = kept
            .join("\n")
            .split_inclusive(|c: char| c.is_whitespace())
            .map(str::to_owned)
            .collect();
        if !words.is_empty() {
            let index = at.index(words.len());
            words[index] = put;
        }
        let mut changed = words.concat().into_bytes();
        changed.extend_from_slice(b"\n0000 \n");
        swallow(&changed);
    }
}
