//! Labs in, whole plans out.

use std::{fs, path::Path};

use backhoe::{
    lab::{
        plan::{HostFacts, IpsecFacts, Plan, PlanError, SuiteFacts, TunDevice, plan},
        spec,
    },
    units::Suite,
};

use super::{Golden, root, yaml_files};

/// The least a host can have, routing suites, and a strongSwan that may open a TUN device.
fn host() -> HostFacts {
    HostFacts {
        suites: [
            (Suite::Frr, None, "8.4.4"),
            (Suite::Bird, None, "2.0.12"),
            (Suite::Frr, Some("/opt/frr-10.2"), "10.2.0"),
            (Suite::Bird, Some("/opt/bird-3/sbin/bird"), "3.1.2"),
        ]
        .map(|(suite, install, version)| SuiteFacts {
            suite,
            install: install.map(str::to_owned),
            version: version.to_owned(),
            known_bad: None,
        })
        .into(),
        ipsec: Some(IpsecFacts {
            version: "5.9.8".to_owned(),
            libipsec: true,
        }),
        tun: TunDevice::Opens,
        nftables: true,
        ..HostFacts::default()
    }
}

/// What a distribution's kernel has.
fn full_kernel() -> HostFacts {
    HostFacts {
        netem: true,
        wireguard: true,
        vlan: true,
        bond: true,
        vrf: true,
        xfrm: true,
        tun: TunDevice::Opens,
        ..host()
    }
}

fn compile(path: &Path, host: &HostFacts) -> Result<Plan, Vec<PlanError>> {
    let text = fs::read_to_string(path).unwrap();
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let beside = path.parent().unwrap().to_owned();
    let include =
        move |file: &str| fs::read_to_string(beside.join(file)).map_err(|e| e.to_string());
    let lab = spec::parse(&name, &text, &include)
        .unwrap_or_else(|found| panic!("{}", found.render(&name, &text)));
    plan(&lab, host)
}

/// The plan, or every reason why there is none.
fn listing(path: &Path, host: &HostFacts) -> String {
    match compile(path, host) {
        Ok(plan) => plan.to_string(),
        Err(errors) => errors.iter().map(|error| format!("{error}\n")).collect(),
    }
}

#[test]
fn every_plan_is_the_expected_one() {
    let mut inputs = yaml_files("tests/golden/plan");
    assert!(!inputs.is_empty());
    inputs.push(root().join("labs/dx-vpn-backup.yaml"));
    for lab in [
        "dx-ipsec-backup",
        "dxgw-two-regions",
        "public-vif",
        "sitelink",
        "tgw-dx-vpn",
        "tgw-isolated-vpcs",
        "two-vifs-two-vpcs",
        "vpn-static",
    ] {
        inputs.push(root().join("labs").join(format!("{lab}.yaml")));
    }
    let mut golden = Golden::default();
    for path in inputs {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        let plain = (format!("{stem}.txt"), listing(&path, &host()));
        let full = (format!("{stem}.full.txt"), listing(&path, &full_kernel()));
        // A file of its own only where more of a kernel makes a difference.
        let differs = full.1 != plain.1;
        for (expected, found) in [plain].into_iter().chain(differs.then_some(full)) {
            golden.compare(&root().join("tests/golden/plan").join(expected), &found);
        }
    }
    golden.conclude();
}

#[test]
fn a_scaled_plan_is_the_expected_one() {
    let path = root().join("tests/golden/plan/fast.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let lab = spec::parse("fast.yaml", &text, &|file| Err(file.to_owned()));
    let lab = lab.unwrap_or_else(|found| panic!("{}", found.render("fast.yaml", &text)));
    let scaled = plan(&lab.at_fast().unwrap(), &full_kernel()).unwrap();
    let mut golden = Golden::default();
    golden.compare(&path.with_extension("scaled.txt"), &scaled.to_string());
    golden.conclude();
    assert_eq!(scaled.timers_scaled, Some(10));
    let unscaled = plan(&lab, &full_kernel()).unwrap();
    assert_eq!(unscaled.timers_scaled, None);
}

#[test]
fn every_lab_that_ships_can_be_planned() {
    for path in yaml_files("labs") {
        if let Err(errors) = compile(&path, &full_kernel()) {
            panic!("{}: {errors:?}", path.display());
        }
    }
}

/// Reverses the order of the entries of every block of the file.
fn upside_down(text: &str) -> String {
    let mut sections: Vec<Vec<&str>> = Vec::new();
    for line in text.lines() {
        if line.starts_with(|c: char| c.is_ascii_alphabetic()) || sections.is_empty() {
            sections.push(Vec::new());
        }
        sections.last_mut().unwrap().push(line);
    }
    for section in &mut sections {
        let keeps_order = matches!(section[0].split(':').next(), Some("scenario" | "expect"));
        let flat = section[1..]
            .iter()
            .all(|line| line.starts_with("  ") && !line.starts_with("   "));
        if !keeps_order && flat && section.len() > 1 {
            section[1..].reverse();
        }
    }
    sections.reverse();
    let lines: Vec<&str> = sections.into_iter().flatten().collect();
    lines.join("\n") + "\n"
}

#[test]
fn the_order_of_the_file_decides_nothing() {
    let text = fs::read_to_string(root().join("labs/dx-vpn-backup.yaml")).unwrap();
    let turned = upside_down(&text);
    assert_ne!(text, turned);
    let read = |text: &str| {
        let lab = spec::parse("lab.yaml", text, &|file| Err(file.to_owned()));
        let lab = lab.unwrap_or_else(|found| panic!("{}\n{text}", found.render("lab", text)));
        let mut plan = plan(&lab, &host()).unwrap();
        for expect in &mut plan.expect {
            expect.line = 0;
        }
        plan
    };
    assert_eq!(read(&text), read(&turned));
}

/// A belief about FRR: what is generated, it understands.
#[test]
#[ignore = "needs FRR's vtysh"]
fn frr_understands_every_generated_configuration() {
    let mut checked = 0;
    for path in yaml_files("tests/golden/plan") {
        for node in compile(&path, &full_kernel()).map_or(Vec::new(), |plan| plan.nodes) {
            let Some(text) = node.files.get("/etc/frr/frr.conf") else {
                continue;
            };
            let file = tempfile::NamedTempFile::new().unwrap();
            fs::write(file.path(), text).unwrap();
            let output = std::process::Command::new("vtysh")
                .args(["-C", "-f"])
                .arg(file.path())
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}\n{text}");
            checked += 1;
        }
    }
    assert!(checked >= 2, "only {checked} configurations");
}
