//! A slice of `backhoe known-outages`: the table is for an idle machine, but what is reported
//! must be within its own error bar on any.

use std::time::Duration;

use backhoe::engine::known_outages::{Load, Options, run};

use super::common::tested;

#[test]
fn what_is_reported_of_a_window_of_the_wire_is_within_its_error_bar() {
    let options = Options {
        windows: [500, 5_000, 100_000].map(Duration::from_micros).to_vec(),
        rates: vec![1_000, 5_000],
        loads: vec![Load::Idle, Load::Busy],
        trials: 2,
        seed: 7,
    };
    let report = run(&options, &mut |_| ()).unwrap();
    tested("reported outages against windows that the wire times");
    assert_eq!(report.cells.len(), 12);
    for cell in &report.cells {
        assert_eq!(cell.outages.len(), 4, "{cell:?}");
        for outage in cell.outages.iter().filter(|one| one.is_trusted()) {
            assert!(outage.is_within(), "{outage:?} in {cell:?}");
            assert_eq!(outage.lost, outage.dropped, "{outage:?} in {cell:?}");
        }
    }
    let all = report.cells.iter().flat_map(|cell| &cell.outages);
    let trusted = all.filter(|one| one.is_trusted()).count();
    assert!(trusted >= 24, "{}", report.text());
    // A bar that holds everything would say nothing.
    let narrow = report.cells.iter().flat_map(|cell| &cell.outages);
    let narrow = narrow.filter(|one| one.bar_ms < 5.0).count();
    assert!(narrow >= 24, "{}", report.text());
}
