//! What can be counted of links, on both backends. Times are for
//! `scripts/conformance`, on a machine that does nothing else; here they may only
//! not be shorter than declared. The virtual machine is slow, so it takes netem's only: the relay has
//! been counted on the host.

use std::{path::Path, process::Command};

use backhoe::{
    engine::{
        conformance::{Options, Report, run},
        wire::WireChoice,
    },
    os::qdisc::Qdiscs,
};

use super::common::{namespace, not_tested, tested};

/// A report of these cases on one backend; `None` where the kernel has no netem.
fn measured(backend: WireChoice, cases: &[&str]) -> Option<Report> {
    if backend == WireChoice::Kernel
        && let Err(error) = Qdiscs::open(&namespace()).unwrap().try_all()
    {
        not_tested("the conformance of links on netem", error);
        return None;
    }
    let report = match std::env::var_os("BACKHOE_PROGRAM") {
        Some(program) => by_program(Path::new(&program), backend, cases),
        None => {
            let options = Options {
                backend: Some(backend),
                cases: cases.iter().map(|&case| case.to_owned()).collect(),
                times_unjudged: true,
            };
            run(&options, &mut |_| ()).unwrap()
        }
    };
    let [only] = report.backends.as_slice() else {
        panic!("one backend was asked for: {report:?}");
    };
    tested(&format!("the conformance of links on {}", only.backend));
    Some(report)
}

/// An emulated machine wants an optimised program: without, its receivers lose packets.
fn by_program(program: &Path, backend: WireChoice, cases: &[&str]) -> Report {
    let wire = match backend {
        WireChoice::Kernel => "kernel",
        WireChoice::Relay | WireChoice::Auto => "relay",
    };
    let output = Command::new(program)
        .args(["conformance", "--json", "--no-times", "--wire", wire])
        .args(cases)
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn every_effect_cut_and_frame_is_as_declared(backend: WireChoice) {
    let counted = [
        "loss",
        "burst",
        "duplicate",
        "corrupt",
        "reorder",
        "reshape",
        "silent",
        "one-way",
        "carrier",
        "mtu",
        "tags",
        "ipv6",
        "offload",
        "stalled",
    ];
    if let Some(report) = measured(backend, &counted) {
        let rows = report
            .backends
            .iter()
            .map(|all| all.rows.len())
            .sum::<usize>();
        assert!(rows > 30, "{rows}");
        assert!(report.is_met(), "{}", report.text());
    }
}

#[test]
fn every_effect_cut_and_frame_is_as_declared_on_the_relay() {
    every_effect_cut_and_frame_is_as_declared(WireChoice::Relay);
}

#[test]
fn every_effect_cut_and_frame_is_as_declared_on_netem() {
    every_effect_cut_and_frame_is_as_declared(WireChoice::Kernel);
}

#[test]
fn no_direction_is_faster_than_declared_on_relay_and_netem() {
    for backend in [WireChoice::Relay, WireChoice::Kernel] {
        let Some(report) = measured(backend, &["asymmetric"]) else {
            continue;
        };
        let rows = report.backends.iter().flat_map(|all| &all.rows);
        let delays: Vec<[f64; 2]> = rows
            .map(|row| {
                [&row.declared, &row.measured]
                    .map(|text| text.strip_suffix(" ms").unwrap().parse().unwrap())
            })
            .collect();
        assert_eq!(delays.len(), 2, "{report:?}");
        for [declared, median] in delays {
            // But for the instrument. An emulated machine that is busy is as late as it likes.
            assert!(median > declared - 0.1, "{report:?}");
        }
    }
}

#[test]
fn a_case_that_is_not_there_is_refused_by_name() {
    let options = Options {
        cases: vec!["delays".to_owned()],
        ..Options::default()
    };
    let error = run(&options, &mut |_| ()).unwrap_err().to_string();
    assert!(error.contains("delay, asymmetric"), "{error}");
}
