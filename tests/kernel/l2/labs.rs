//! Whole labs with VLANs, LAGs and VRFs, run by an ordinary user, with each daemon.

use std::fs;

use backhoe::os::host;
use serde_json::Value;

use super::has;
use crate::{common::not_tested, lab::User};

/// What the kernel must have for a lab.
const VIFS: [&str; 2] = ["netem", "8021q"];
const LAG: [&str; 3] = ["netem", "8021q", "bonding"];
const VRF: [&str; 2] = ["netem", "vrf"];

/// Runs a lab of the repository as a user without any rights, with this daemon in AS 65001, and
/// judges its result; nothing on a kernel that lacks something.
fn check(lab: &str, needs: &[&str], daemon: &str, judge: impl Fn(&Value) -> Result<(), String>) {
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
        return;
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
    let mut why = String::new();
    // A run that says itself that its host was too busy proves nothing against the lab.
    for attempt in ["first", "second", "third"] {
        let output = user.run(&["run", "lab.yaml", "--json", "--out", attempt]);
        let said = String::from_utf8_lossy(&output.stderr);
        let result: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {said}"));
        assert!(result["error"].is_null(), "{result}");
        assert_eq!(result["build"]["wire"], "netem", "{result}");
        let Err(wrong) = judge(&result) else {
            return;
        };
        why = format!("{wrong}\n{:#}", result["warnings"]);
        let mut warnings = result["warnings"].as_array().unwrap().iter();
        let is_busy = warnings.any(|w| w["code"] == "host-overload");
        assert!(is_busy, "{lab} with {daemon}: {why}");
    }
    let first = why.lines().next().unwrap_or_default();
    not_tested(lab, format!("{daemon}: this machine was too busy: {first}"));
}

/// Whether both directions went from one path to another, no sooner than the timers allow, and
/// back, with every lost packet accounted for; if not, what was seen. How much is lost is not
/// judged: an emulated machine stops its senders, too, for as long as it is busy.
fn moved(result: &Value, [from, to]: [&str; 2], at_least_ms: f64) -> Result<(), String> {
    // Of a LAG, the member is told besides.
    let by = |path: &Value, session: &str| path.as_str().is_some_and(|p| p.starts_with(session));
    let outages = result["outages"].as_array().unwrap();
    let initial = outages.iter().filter(|o| o["transition"] == "initial");
    assert_eq!((initial.count(), outages.len()), (2, 4), "{result:#}");
    for outage in outages {
        let after = match outage["transition"] == "initial" {
            true => to,
            false => from,
        };
        let sane = match outage["path_changed_ms"].as_f64() {
            Some(ms) => after == from || ms >= at_least_ms,
            None => false,
        };
        if !sane
            || !by(&outage["path_after"], after)
            || outage["recovered"] != true
            || outage["wire_agrees"] != true
        {
            return Err(format!("not moved to {after} as it should: {outage:#}"));
        }
    }
    Ok(())
}

/// AWS's own test shuts one VIF down: BGP says so at once. The shutdown's instant is when the
/// daemon has confirmed it; on a slow machine traffic has moved by then.
fn one_vif_of_two(daemon: &str) {
    let judge = |result: &Value| moved(result, ["prod", "spare"], -200.0);
    check("two-vifs", &VIFS, daemon, judge);
}

/// All of a LAG falls silent, and BFD (300 ms x 3) finds it: after 600 to 900 ms, later on a slow
/// machine.
fn a_whole_lag(daemon: &str) {
    let judge = |result: &Value| moved(result, ["prod", "spare"], 590.0);
    check("lag-cut", &LAG, daemon, judge);
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

/// 100 ms x 3: after 200 to 300 ms.
#[test]
fn a_link_of_a_vrf_falls_silent() {
    let judge = |result: &Value| moved(result, ["first", "second"], 190.0);
    check("vrf", &VRF, "embedded", judge);
}

/// The first VIF's shutdown takes its own VPC away and not the other's, the cut of what carries
/// both takes both, and not one packet gets from VPC to VPC.
fn each_vif_its_own_vpc(result: &Value) -> Result<(), String> {
    let outages = result["outages"].as_array().unwrap();
    let by = |path: &Value, session: &str| path.as_str().is_some_and(|p| p.starts_with(session));
    let expected = [
        ("shutdown", "db", "prod", false),
        ("shutdown", "web", "team", true),
        ("dark", "db", "prod", false),
        ("dark", "web", "team", false),
    ];
    for (label, probe, session, stays) in expected {
        let is_it =
            |o: &&Value| o["label"] == label && o["probe"] == probe && o["transition"] == "initial";
        let found: Vec<&Value> = outages.iter().filter(is_it).collect();
        assert_eq!(found.len(), 2, "{result:#}");
        for outage in found {
            let after = match stays {
                true => by(&outage["path_after"], session),
                false => outage["recovered"] == false,
            };
            if !by(&outage["path_before"], session) || !after {
                return Err(format!("{label}, {probe} by {session}: {outage:#}"));
            }
        }
    }
    let lines = result["expect"].as_array().unwrap().iter();
    let apart = lines.filter(|line| line["text"] == "vpcs: isolated");
    let met: Vec<&Value> = apart.map(|line| &line["met"]).collect();
    assert_eq!(met, [true], "{result:#}");
    Ok(())
}

#[test]
fn each_of_two_vifs_leads_to_a_vpc_of_its_own() {
    check("two-vifs-two-vpcs", &VIFS, "embedded", each_vif_its_own_vpc);
}
