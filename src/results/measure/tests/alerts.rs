//! What monitoring would have raised.

use super::lab::{self, CUT, RESTORE, START, Sim, ms};
use crate::{
    lab::model::Alert,
    results::{
        event::{EventKind, MonoNs},
        measure::*,
    },
};

/// One end of the VPN's session says this.
fn vpn(input: &mut RunInput, at: MonoNs, (tunnel, node): (&str, &str), state: &str) {
    let kind = EventKind::Session {
        session: tunnel.to_owned(),
        node: node.to_owned(),
        state: state.to_owned(),
        reason: None,
    };
    lab::at(input, at, kind);
}

/// The VPN is up, then its way is cut, then repaired; `fate` is of both directions' packets.
fn vpn_cut(fate: impl Fn(f64) -> Sim + Copy) -> RunInput {
    let mut input = lab::run(false);
    lab::without_faults(&mut input);
    lab::fault(&mut input, "dig", "silent", "uplink", CUT);
    lab::restore(&mut input, "dig", "silent", "uplink", RESTORE);
    lab::flow(&mut input, 0, fate);
    lab::flow(&mut input, 1, fate);
    for node in ["dc1", "vgw"] {
        vpn(&mut input, START, ("backup.1", node), "Established");
    }
    input
}

fn alerts(input: &RunInput) -> Vec<AlertResult> {
    measure(input).alerts
}

#[test]
fn traffic_on_the_backup_is_an_alert_until_it_is_back() {
    let found = alerts(&lab::clean_silent_cut(false));
    let [alert] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(alert.alert, Alert::RunningOnBackup);
    assert_eq!(
        (alert.probe.as_deref(), &*alert.about),
        (Some("app"), "backup")
    );
    assert_eq!(
        (&*alert.label, alert.transition),
        ("cut", Transition::Initial)
    );
    // One direction is there before the other, and back before the other.
    assert!((alert.raised_ms - 742.2).abs() < 1.5, "{alert:?}");
    let cleared = alert.cleared_ns.unwrap();
    assert!(
        (RESTORE + ms(1300.0)..RESTORE + ms(1500.0)).contains(&cleared),
        "{alert:?}"
    );
}

#[test]
fn traffic_that_stays_raises_nothing() {
    assert_eq!(alerts(&vpn_cut(|_| Sim::Prod)), []);
}

#[test]
fn a_backup_that_dies_while_the_primary_works_is_an_alert_until_it_is_up() {
    let mut input = vpn_cut(|_| Sim::Prod);
    vpn(&mut input, CUT + ms(1000.0), ("backup.1", "dc1"), "Idle");
    let dead = alerts(&input);
    let [alert] = &dead[..] else {
        panic!("{dead:?}")
    };
    assert_eq!((alert.alert, &*alert.about), (Alert::BackupDead, "backup"));
    assert_eq!(
        (alert.metric.as_deref(), &alert.probe),
        (Some("TunnelState"), &None)
    );
    assert_eq!((&*alert.label, alert.cleared_ns), ("dig", None));
    assert!((alert.raised_ms - 1000.0).abs() < 1.0, "{alert:?}");

    // Up again when both ends say so.
    vpn(
        &mut input,
        RESTORE + ms(100.0),
        ("backup.1", "dc1"),
        "Established",
    );
    assert_eq!(alerts(&input)[0].cleared_ns, Some(RESTORE + ms(100.0)));
}

#[test]
fn a_vpn_with_one_of_two_tunnels_is_no_dead_backup() {
    let mut input = vpn_cut(|_| Sim::Prod);
    let mut second = input.topology.sessions[2].clone();
    second.name = "backup.2".to_owned();
    input.topology.sessions.push(second);
    for node in ["dc1", "vgw"] {
        vpn(&mut input, START, ("backup.2", node), "Established");
    }
    vpn(&mut input, CUT + ms(1000.0), ("backup.1", "dc1"), "Idle");
    assert_eq!(alerts(&input), []);
    vpn(&mut input, CUT + ms(1500.0), ("backup.2", "vgw"), "Idle");
    assert!((alerts(&input)[0].raised_ms - 1500.0).abs() < 1.0);
}

#[test]
fn a_backup_that_dies_with_the_primary_is_an_alert_once_the_primary_works_again() {
    let mut input = vpn_cut(|at| match at {
        at if (0.0..3000.0).contains(&at) => Sim::Vanished,
        _ => Sim::Prod,
    });
    vpn(&mut input, CUT + ms(1000.0), ("backup.1", "dc1"), "Idle");
    let found = alerts(&input);
    let [alert] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(
        (alert.alert, alert.transition),
        (Alert::BackupDead, Transition::Reversion)
    );
    assert!(alert.raised_ms.abs() < 10.0, "{alert:?}");
}

#[test]
fn an_expectation_holds_only_for_the_alert_it_names() {
    let verdict = |wanted: Alert, probe: &str| {
        let mut input = lab::clean_silent_cut(false);
        input.expectations.truncate(1);
        input.expectations[0].alert = Some(wanted);
        input.expectations[0].probe = probe.to_owned();
        let judged = measure(&input).expect.remove(0);
        (judged.met, judged.measured)
    };
    let (met, measured) = verdict(Alert::RunningOnBackup, "app");
    assert_eq!(met, Some(true));
    assert!(
        measured.ends_with("; alert running-on-backup"),
        "{measured}"
    );
    assert_eq!(verdict(Alert::BackupDead, "app").0, Some(false));
    assert_eq!(verdict(Alert::RunningOnBackup, "other").0, None);
}

#[test]
fn a_load_told_during_the_run_is_an_alert_of_its_time() {
    let mut input = vpn_cut(|_| Sim::Prod);
    let told = |state: &str, load: u64| EventKind::Alert {
        alert: Alert::LoadExceedsBackup.word().to_owned(),
        state: state.to_owned(),
        about: "prod".to_owned(),
        probe: None,
        metric: Some("ConnectionBpsIngress".to_owned()),
        load_bps: Some(load),
        room_bps: Some(10_000_000),
    };
    for (at, state, load) in [
        (START + ms(900.0), "raised", 12_000_000),
        (CUT + ms(500.0), "cleared", 12_000_000),
        (RESTORE + ms(1000.0), "raised", 11_000_000),
    ] {
        lab::at(&mut input, at, told(state, load));
    }
    let start = EventKind::ProbesStarted {
        flows: 2,
        rate: 2000,
    };
    lab::at(&mut input, START, start);
    input.expectations.truncate(2);
    for (expectation, label) in input.expectations.iter_mut().zip([BEFORE, "dig"]) {
        (expectation.outage_max, expectation.lost, expectation.via) = (None, None, None);
        expectation.alert = Some(Alert::LoadExceedsBackup);
        expectation.label = label.to_owned();
    }
    let result = measure(&input);
    let [first, second] = &result.alerts[..] else {
        panic!("{:?}", result.alerts)
    };
    assert_eq!(
        (&*first.label, first.cleared_ns),
        (BEFORE, Some(CUT + ms(500.0)))
    );
    assert!((first.raised_ms - 900.0).abs() < 1e-6, "{first:?}");
    assert_eq!(
        (first.load_bps, first.room_bps),
        (Some(12_000_000), Some(10_000_000))
    );
    assert_eq!(
        (&*second.label, second.transition),
        ("dig", Transition::Reversion)
    );
    assert_eq!(
        (second.load_bps, second.cleared_ns),
        (Some(11_000_000), None)
    );
    let met: Vec<Option<bool>> = result.expect.iter().map(|e| e.met).collect();
    assert_eq!(met, [Some(true), Some(true)], "{:?}", result.expect);
    // What is not told before the first fault is not met there.
    input.events.retain(|event| event.at != START + ms(900.0));
    assert_eq!(measure(&input).expect[0].met, Some(false));
}
