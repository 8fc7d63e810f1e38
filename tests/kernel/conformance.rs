//! What can be counted of links, on every backend that this kernel has. Times are
//! for `scripts/conformance`, on a machine that does nothing else; here they are only
//! asked for coarsely.

use backhoe::engine::conformance::{Options, Report, run};

use super::common::{not_tested, tested};

/// Notes which backends took part.
fn note(report: &Report) {
    let names: Vec<&str> = report
        .backends
        .iter()
        .map(|all| all.backend.as_str())
        .collect();
    tested(&format!(
        "the conformance of links on {}",
        names.join(" and ")
    ));
    if !names.contains(&"netem") {
        not_tested("the conformance of netem", "this kernel has none");
    }
}

#[test]
fn every_effect_cut_and_frame_is_as_declared_on_every_backend() {
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
    let options = Options {
        backend: None,
        cases: counted.map(str::to_owned).to_vec(),
        times_unjudged: true,
    };
    let report = run(&options, &mut |_| ()).unwrap();
    note(&report);
    println!("{}", report.text());
    for backend in &report.backends {
        assert!(backend.rows.len() > 30, "{}", backend.rows.len());
    }
    assert!(report.is_met(), "{}", report.text());
}

#[test]
fn each_direction_has_its_own_delay_and_none_is_shorter_than_declared() {
    let options = Options {
        cases: vec!["asymmetric".to_owned()],
        times_unjudged: true,
        ..Options::default()
    };
    let report = run(&options, &mut |_| ()).unwrap();
    for backend in &report.backends {
        let delays: Vec<[f64; 2]> = backend
            .rows
            .iter()
            .map(|row| {
                [&row.declared, &row.measured]
                    .map(|text| text.strip_suffix(" ms").unwrap().parse().unwrap())
            })
            .collect();
        assert_eq!(delays.len(), 2, "{backend:?}");
        for [declared, median] in delays {
            // An emulated machine is milliseconds late.
            assert!(
                median > declared - 0.1 && median < declared + 6.0,
                "{backend:?}"
            );
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
