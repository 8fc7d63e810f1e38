//! Whole labs with VLANs, LAGs and VRFs, run by an ordinary user, with each daemon.

use std::fs;

use backhoe::os::host;
use serde_json::Value;

use super::has;
use crate::lab::User;

/// What the kernel must have for a lab.
const VIFS: [&str; 2] = ["netem", "8021q"];
const LAG: [&str; 3] = ["netem", "8021q", "bonding"];
const VRF: [&str; 2] = ["netem", "vrf"];

/// Runs a lab of the repository as a user without any rights, with this daemon in AS 65001;
/// `None` on a kernel that lacks something.
fn run(lab: &str, needs: &[&str], daemon: &str) -> Option<Value> {
    let probe = host::probe().unwrap();
    let there = |need: &str| match need {
        "netem" => probe.wire,
        "8021q" => probe.vlan,
        "bonding" => probe.bond,
        "vrf" => probe.vrf,
        _ => false,
    };
    let features: Vec<(&str, bool)> = needs.iter().map(|need| (*need, there(need))).collect();
    if !has(&features, &probe.kernel) {
        return None;
    }
    let path = format!("{}/labs/{lab}.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).unwrap();
    let with = text.replace("asn: 65001,", &format!("asn: 65001, daemon: {daemon},"));
    assert_ne!(text, with);
    let user = User::nobody();
    fs::write(user.path("lab.yaml"), with).unwrap();
    let output = user.run(&["run", "lab.yaml", "--json", "--out", "out"]);
    let said = String::from_utf8_lossy(&output.stderr);
    let result: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    assert!(result["error"].is_null(), "{result}");
    assert_eq!(result["build"]["wire"], "netem", "{result}");
    Some(result)
}

/// Both directions went from one path to another and back, each time losing what an emulated
/// machine may take at most, and every lost packet is accounted for.
fn assert_moved(result: &Value, label: &str, paths: [&str; 2], lost: std::ops::Range<u64>) {
    let outages = result["outages"].as_array().unwrap();
    let of = |transition: &str| -> Vec<&Value> {
        let mine = outages.iter().filter(|o| o["label"] == label);
        mine.filter(|o| o["transition"] == transition).collect()
    };
    let (initial, back) = (of("initial"), of("reversion"));
    assert_eq!((initial.len(), back.len()), (2, 2), "{result:#}");
    for outage in initial {
        assert_eq!(outage["path_before"], paths[0], "{outage:#}");
        assert_eq!(outage["path_after"], paths[1], "{outage:#}");
        assert!(
            lost.contains(&outage["lost"].as_u64().unwrap()),
            "{outage:#}"
        );
        assert_eq!(outage["recovered"], true, "{outage:#}");
        assert_eq!(outage["wire_agrees"], true, "{outage:#}");
    }
    for outage in back {
        assert_eq!(outage["path_after"], paths[0], "{outage:#}");
        assert_eq!(outage["wire_agrees"], true, "{outage:#}");
    }
}

/// AWS's own test shuts one VIF down: BGP says so, and little is lost.
fn one_vif_of_two(daemon: &str) {
    let Some(result) = run("two-vifs", &VIFS, daemon) else {
        return;
    };
    assert_moved(&result, "cut", ["prod", "spare"], 0..100);
}

/// All of a LAG falls silent, and BFD (300 ms x 3) finds it: 600 to 900 ms at 100 packets a
/// second, later on a slow machine, never sooner.
fn a_whole_lag(daemon: &str) {
    let Some(result) = run("lag-cut", &LAG, daemon) else {
        return;
    };
    assert_moved(&result, "cut", ["prod", "spare"], 58..250);
}

#[test]
fn one_vif_of_two_is_shut_down_with_the_embedded_speaker() {
    one_vif_of_two("embedded");
}

#[test]
fn one_vif_of_two_is_shut_down_with_frr() {
    one_vif_of_two("frr");
}

#[test]
fn one_vif_of_two_is_shut_down_with_bird() {
    one_vif_of_two("bird");
}

#[test]
fn a_whole_lag_falls_silent_with_the_embedded_speaker() {
    a_whole_lag("embedded");
}

#[test]
fn a_whole_lag_falls_silent_with_frr() {
    a_whole_lag("frr");
}

#[test]
fn a_whole_lag_falls_silent_with_bird() {
    a_whole_lag("bird");
}

#[test]
fn a_link_of_a_vrf_falls_silent() {
    let Some(result) = run("vrf", &VRF, "embedded") else {
        return;
    };
    // 100 ms x 3: 200 to 300 ms at 200 packets a second.
    assert_moved(&result, "cut", ["first", "second"], 38..250);
}
