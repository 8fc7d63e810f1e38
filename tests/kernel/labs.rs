//! Every lab that comes with backhoe, run as its header says and held to its own `expect:`.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use serde_json::Value;

use crate::{captures, common::not_tested};

const LABS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/labs");

/// Labs whose flows are spread over several ways. Each flow's way is chance, so no expectation
/// can name it; that one of two stays empty is, with 24 flows, one chance in eight million.
const SPREAD: [(&str, [&str; 2]); 1] = [("tgw-vpn-ecmp", ["one", "two"])];

/// Labs whose VPN encrypts these circuits: every wire counts the probes that it can read, and on
/// these there may be none.
const ENCRYPTED: [(&str, &[&str]); 3] = [
    ("dx-private-ip-vpn", &["circuit"]),
    ("dx-public-ipsec", &["circuit-1", "circuit-2"]),
    ("dx-public-vpn", &["circuit-1", "circuit-2"]),
];

/// Labs whose captures are counted: a silent cut with a tunnel, a loss of light, and exact drops.
const CAPTURED: [&str; 3] = ["dx-vpn-backup", "carrier-cut", "known-outage"];

/// Files of this name in a run's directory, wherever they are in it.
fn found(dir: &Path, name: &str) -> Vec<Value> {
    let mut dirs = vec![dir.to_path_buf()];
    let mut values = Vec::new();
    while let Some(dir) = dirs.pop() {
        for path in fs::read_dir(dir)
            .unwrap()
            .flatten()
            .map(|entry| entry.path())
        {
            if path.is_dir() {
                dirs.push(path);
            } else if path.ends_with(name) {
                values.push(serde_json::from_slice(&fs::read(path).unwrap()).unwrap());
            }
        }
    }
    values
}

/// Before the first fault, by the paths that packets took.
fn each_way_is_used(lab: &str, dir: &Path) {
    let Some((_, ways)) = SPREAD.iter().find(|(of, _)| *of == lab) else {
        return;
    };
    let mut used = BTreeSet::new();
    for result in found(dir, "result.json") {
        let steady = result["steady"].as_array().unwrap();
        let paths = steady.iter().map(|flow| flow["path"].as_str().unwrap());
        used.extend(paths.map(str::to_owned));
    }
    assert_eq!(used, BTreeSet::from(ways.map(str::to_owned)));
}

fn nothing_is_plain(lab: &str, dir: &Path) {
    let Some((_, circuits)) = ENCRYPTED.iter().find(|(of, _)| *of == lab) else {
        return;
    };
    let wires = found(dir, "wires.json");
    let counts: Vec<&Value> = wires.iter().flat_map(|w| w.as_array().unwrap()).collect();
    assert!(!counts.is_empty(), "no wire counted anything");
    for count in counts {
        let link = count["link"].as_str().unwrap();
        assert!(
            !circuits.contains(&link),
            "a plain probe crossed {link}: {count}"
        );
    }
}

fn hold_to_its_expectations(lab: &str) {
    let dir = tempfile::tempdir().unwrap();
    let name = format!("{lab}-{}", std::process::id());
    let file = dir.path().join(format!("{lab}.yaml"));
    let text = fs::read_to_string(Path::new(LABS).join(format!("{lab}.yaml"))).unwrap();
    // A name of its own: the lab may be up beside this test.
    let rest: Vec<&str> = text.lines().filter(|l| !l.starts_with("name:")).collect();
    fs::write(&file, format!("name: {name}\n{}\n", rest.join("\n"))).unwrap();
    // Daemons' configurations of its own lie beside it.
    if let Ok(own) = fs::read_dir(Path::new(LABS).join(lab)) {
        fs::create_dir(dir.path().join(lab)).unwrap();
        for config in own.flatten() {
            fs::copy(config.path(), dir.path().join(lab).join(config.file_name())).unwrap();
        }
    }
    let output = Command::new(env!("CARGO_BIN_EXE_backhoe"))
        .args(["test", "--fast", "--json", "--out", "out"])
        .args(["--keep", "all", "--keep-size", "1000MB"])
        .arg(&file)
        .current_dir(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let document: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    let outcome = &document["labs"][0];
    match outcome["verdict"].as_str() {
        Some("pass") => {
            each_way_is_used(lab, dir.path());
            nothing_is_plain(lab, dir.path());
            if CAPTURED.contains(&lab) {
                let is_routed = text.contains("\nsessions:");
                captures::account_for_every_probe(&dir.path().join("out"), is_routed);
            }
        }
        Some("skip") => not_tested(&format!("labs/{lab}.yaml"), &outcome["why"][0]),
        _ => panic!("{outcome:#}\n{said}"),
    }
}

macro_rules! labs {
    ($($test:ident: $lab:literal,)*) => {
        $(
            #[test]
            fn $test() {
                hold_to_its_expectations($lab);
            }
        )*

        #[test]
        fn each_lab_is_a_test() {
            let files = fs::read_dir(LABS).unwrap().flatten().map(|entry| entry.path());
            let yaml = files.filter(|path| path.extension().is_some_and(|e| e == "yaml"));
            let there: BTreeSet<String> =
                yaml.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
            let tested: BTreeSet<String> = [$($lab.to_owned()),*].into();
            assert_eq!(there, tested);
        }
    };
}

labs! {
    backup_already_dead: "backup-already-dead",
    backup_too_small: "backup-too-small",
    carrier_cut: "carrier-cut",
    colo_redundant_routers: "colo-redundant-routers",
    detection_timers: "detection-timers",
    dns_anycast: "dns-anycast",
    dx_active_active: "dx-active-active",
    dx_active_passive_community: "dx-active-passive-community",
    dx_active_passive_prepend: "dx-active-passive-prepend",
    dx_capacity: "dx-capacity",
    dx_ipsec_backup: "dx-ipsec-backup",
    dx_ipsec_backup_bird: "dx-ipsec-backup-bird",
    dx_ipsec_backup_frr: "dx-ipsec-backup-frr",
    dx_jumbo: "dx-jumbo",
    dx_private_ip_vpn: "dx-private-ip-vpn",
    dx_public_ipsec: "dx-public-ipsec",
    dx_public_vpn: "dx-public-vpn",
    dx_resiliency_development: "dx-resiliency-development",
    dx_resiliency_high: "dx-resiliency-high",
    dx_resiliency_maximum: "dx-resiliency-maximum",
    dx_vpn_backup: "dx-vpn-backup",
    dx_vpn_backup_bird: "dx-vpn-backup-bird",
    dx_vpn_backup_frr: "dx-vpn-backup-frr",
    dx_vpn_specifics: "dx-vpn-specifics",
    dx_inside_redundant: "dx-inside-redundant",
    dx_two_plus_vpn: "dx-two-plus-vpn",
    dx_vpn_two_sites: "dx-vpn-two-sites",
    dx_vpn_two_sites_frr: "dx-vpn-two-sites-frr",
    vpn_dual_isp: "vpn-dual-isp",
    dxgw_two_regions: "dxgw-two-regions",
    dxgw_two_vpcs: "dxgw-two-vpcs",
    graceful_restart_bfd: "graceful-restart-bfd",
    hosted_connections: "hosted-connections",
    known_outage: "known-outage",
    lag_cut: "lag-cut",
    lag_member_cut: "lag-member-cut",
    load_on_backup: "load-on-backup",
    prefix_limit: "prefix-limit",
    public_vif: "public-vif",
    securecart_cloudhub: "securecart-cloudhub",
    securecart_dx_to_peer: "securecart-dx-to-peer",
    securecart_vpn: "securecart-vpn",
    securecart_vpn_to_peer: "securecart-vpn-to-peer",
    single_dx: "single-dx",
    sitelink: "sitelink",
    tgw_dx_vpn: "tgw-dx-vpn",
    tgw_isolated_vpcs: "tgw-isolated-vpcs",
    tgw_peering: "tgw-peering",
    tgw_vpn_ecmp: "tgw-vpn-ecmp",
    vpc_route_tables: "vpc-route-tables",
    two_routers: "two-routers",
    two_sites_ospf: "two-sites-ospf",
    two_sites_prepend: "two-sites-prepend",
    two_sites_specifics: "two-sites-specifics",
    two_vifs: "two-vifs",
    two_vifs_two_vpcs: "two-vifs-two-vpcs",
    vpn_active_active: "vpn-active-active",
    vpn_maintenance: "vpn-maintenance",
    vpn_mesh_prepend: "vpn-mesh-prepend",
    vpn_mesh_specifics: "vpn-mesh-specifics",
    vpn_outer_cut: "vpn-outer-cut",
    vpn_static: "vpn-static",
    vrf: "vrf",
    wan_split_conditional: "wan-split-conditional",
    wan_split_static: "wan-split-static",
}
