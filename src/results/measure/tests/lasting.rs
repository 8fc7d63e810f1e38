//! Outages that last through their restore, and the nodes at which their packets end.

use super::lab::{self, CUT, RESTORE, Sim, ms};
use crate::results::{
    event::{Event, EventKind},
    measure::*,
};

/// The circuit drops until its node notices, which has no other way then; the restore takes 400 ms.
fn lasting(null_route: bool) -> RunInput {
    let mut input = lab::run(false);
    lab::flow(&mut input, 0, |ms| match ms {
        ms if (0.0..742.0).contains(&ms) => Sim::Cut,
        ms if (742.0..3400.0).contains(&ms) => Sim::Vanished,
        _ => Sim::Prod,
    });
    lab::flow(&mut input, 1, |ms| lab::forth(ms, 811));
    let db = lab::net(false, "172.31.0.0/16", "");
    lab::fib(&mut input, CUT - ms(1900.0), "dc1", db, "circuit");
    if null_route {
        let summary = lab::net(false, "172.16.0.0/12", "");
        lab::fib(&mut input, CUT - ms(1800.0), "dc1", summary, "");
        if let Some(Event {
            kind: EventKind::Fib { blackhole, .. },
            ..
        }) = input.events.last_mut()
        {
            *blackhole = true;
        }
    }
    lab::fib(&mut input, CUT + ms(741.0), "dc1", db, "");
    lab::fib(&mut input, RESTORE + ms(399.0), "dc1", db, "circuit");
    input
}

#[test]
fn the_edge_of_a_transition_bounds_a_loss_that_goes_on_behind_it() {
    let result = measure(&lasting(false));
    let of = |transition| {
        let mut all = result.outages.iter();
        all.find(|o| o.flow == 0 && o.transition == transition)
            .unwrap()
    };
    let (cut, restored) = (of(Transition::Initial), of(Transition::Reversion));
    assert_eq!((cut.lost, cut.recovered), (3000, false));
    assert_eq!((restored.lost, restored.recovered), (400, true));
    for outage in [cut, restored] {
        let bar = outage.resolution_ms;
        assert!((1.0..1.1).contains(&bar), "{:?}: {bar}", outage.transition);
    }
}

#[test]
fn a_node_that_lost_its_route_is_named_with_the_reason() {
    for (null_route, reason, about) in [
        (false, NodeDropReason::NoRoute, None),
        (true, NodeDropReason::Blackhole, Some("172.16.0.0/12")),
    ] {
        let result = measure(&lasting(null_route));
        assert!(result.trusted, "{:?}", result.warnings);
        let drops = result.outages.iter().filter(|o| o.flow == 0);
        let drops: Vec<_> = drops.flat_map(|o| o.node_drops.clone()).collect();
        let expected = [2258, 400].map(|dropped| NodeDrop {
            node: "dc1".to_owned(),
            reason,
            about: about.map(str::to_owned),
            dropped,
        });
        assert_eq!(drops, expected);
    }
}

/// What was upstream of the cut when it was repaired got through: that is the restore's doing.
#[test]
fn packets_that_a_restore_lets_through_are_the_restores() {
    for (first_through, recovered) in [(2996.0, false), (2990.0, true)] {
        let mut input = lab::run(false);
        lab::flow(&mut input, 0, |ms| match ms {
            ms if (0.0..first_through).contains(&ms) => Sim::Cut,
            _ => Sim::Prod,
        });
        lab::flow(&mut input, 1, |ms| lab::forth(ms, 811));
        let result = measure(&input);
        let mut all = result.outages.iter().filter(|o| o.flow == 0);
        let (cut, restored) = (all.next().unwrap(), all.next().unwrap());
        assert_eq!((cut.lost, cut.recovered), (first_through as u64, recovered));
        assert_eq!((restored.lost, restored.recovered), (0, true));
    }
}
