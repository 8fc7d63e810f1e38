//! Probes of what must not get through.

use super::lab::{self, Sim};
use crate::{lab::model::Isolated, results::measure::*};

/// Both flows of one probe, each with its packets' fate, and what is said of it.
fn isolated(of: Isolated, fates: [Sim; 2]) -> (Option<bool>, String, usize) {
    let mut input = lab::run(false);
    lab::without_faults(&mut input);
    lab::flow(&mut input, 0, |_| fates[0]);
    lab::flow(&mut input, 1, |_| fates[1]);
    input.expectations.clear();
    input.isolated.insert("app".to_owned(), (7, of));
    let result = measure(&input);
    let [line] = &result.expect[..] else {
        panic!("{:?}", result.expect)
    };
    assert_eq!(line.line, 7);
    (line.met, line.text.clone(), result.outages.len())
}

#[test]
fn a_single_way_through_is_too_many() {
    let both = |fates| isolated(Isolated::BothWays, fates).0;
    assert_eq!(both([Sim::Vanished, Sim::Vanished]), Some(true));
    assert_eq!(both([Sim::Prod, Sim::Vanished]), Some(false));
    assert_eq!(both([Sim::Vanished, Sim::Backup]), Some(false));
}

#[test]
fn one_way_is_judged_alone_where_one_is_named() {
    let met = |of, fates| isolated(of, fates).0;
    assert_eq!(met(Isolated::There, [Sim::Vanished, Sim::Prod]), Some(true));
    assert_eq!(
        met(Isolated::There, [Sim::Prod, Sim::Vanished]),
        Some(false)
    );
    assert_eq!(met(Isolated::Back, [Sim::Prod, Sim::Vanished]), Some(true));
    let (_, text, outages) = isolated(Isolated::There, [Sim::Vanished, Sim::Prod]);
    assert_eq!((text.as_str(), outages), ("app: no way to db", 0));
}

#[test]
fn what_was_never_sent_proves_nothing() {
    assert_eq!(isolated(Isolated::BothWays, [Sim::Unsent; 2]).0, None);
}
