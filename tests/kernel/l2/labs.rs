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
    let with: String = text
        .replace("asn: 65001,", &format!("asn: 65001, daemon: {daemon},"))
        .lines()
        // An emulated machine may take so long over a fault that traffic seems to have recovered
        // before it was lost.
        .map(|line| match line.trim_start().starts_with("- wait:") {
            true => "  - sleep: 8s\n".to_owned(),
            false => format!("{line}\n"),
        })
        .collect();
    assert!(with.contains("- sleep: 8s") && with.contains(&format!("daemon: {daemon}")));
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

/// Both directions went from one path to another, no sooner than the timers allow, and back; every
/// lost packet is accounted for. How much is lost is not judged: an emulated machine stops its
/// senders, too, for as long as it is busy.
fn assert_moved(result: &Value, paths: [&str; 2], at_least_ms: f64) {
    let outages = result["outages"].as_array().unwrap();
    let said = || format!("{:#}\n{:#}", result["outages"], result["warnings"]);
    // Of a LAG, the member is told besides.
    let by = |path: &Value, session: &str| path.as_str().is_some_and(|p| p.starts_with(session));
    let of = |transition: &str| -> Vec<&Value> {
        let all = outages.iter();
        all.filter(|o| o["transition"] == transition).collect()
    };
    let (initial, back) = (of("initial"), of("reversion"));
    assert_eq!((initial.len(), back.len()), (2, 2), "{}", said());
    for outage in initial {
        assert!(by(&outage["path_before"], paths[0]), "{}", said());
        assert!(by(&outage["path_after"], paths[1]), "{}", said());
        let moved = outage["path_changed_ms"].as_f64();
        assert!(moved.is_some_and(|ms| ms >= at_least_ms), "{}", said());
        assert_eq!(outage["recovered"], true, "{}", said());
        assert_eq!(outage["wire_agrees"], true, "{}", said());
    }
    for outage in back {
        assert!(by(&outage["path_after"], paths[0]), "{}", said());
        assert_eq!(outage["wire_agrees"], true, "{}", said());
    }
}

/// AWS's own test shuts one VIF down: BGP says so at once.
fn one_vif_of_two(daemon: &str) {
    let Some(result) = run("two-vifs", &VIFS, daemon) else {
        return;
    };
    assert_moved(&result, ["prod", "spare"], 0.0);
}

/// All of a LAG falls silent, and BFD (300 ms x 3) finds it: after 600 to 900 ms, later on a slow
/// machine.
fn a_whole_lag(daemon: &str) {
    let Some(result) = run("lag-cut", &LAG, daemon) else {
        return;
    };
    assert_moved(&result, ["prod", "spare"], 590.0);
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
    // 100 ms x 3: 200 to 300 ms.
    assert_moved(&result, ["first", "second"], 190.0);
}
