//! What can be counted of links, on every backend that this kernel has. Times are
//! for `scripts/conformance`, on a machine that does nothing else.

use backhoe::engine::conformance::{Options, run};

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
    println!("{}", report.text());
    for backend in &report.backends {
        assert!(backend.rows.len() > 30, "{}", backend.rows.len());
    }
    assert!(report.is_met(), "{}", report.text());
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
