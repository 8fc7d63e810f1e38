//! News of interfaces.

use std::time::Duration;

use backhoe::os::link_watch::LinkWatch;

use super::common::{await_some, joined, sh};

#[test]
fn a_snapshot_names_interfaces_carrier_and_addresses() {
    let (a, _b) = joined();
    let mut watch = a.run(LinkWatch::open).unwrap();
    let interfaces = watch.snapshot().unwrap();
    let a0 = interfaces.iter().find(|i| i.name == "a0").unwrap();
    assert_eq!((a0.index, a0.up), (100, true));
    assert!(a0.addresses.contains(&"10.0.0.1/24".parse().unwrap()));
    assert!(a0.addresses.contains(&"fd00::1/64".parse().unwrap()));
    assert!(a0.connected.contains(&"10.0.0.0/24".parse().unwrap()));
    sh(&a, "ip addr add 192.0.2.1 peer 198.51.100.9/32 dev a0");
    let interfaces = watch.snapshot().unwrap();
    let a0 = interfaces.iter().find(|i| i.name == "a0").unwrap();
    assert!(a0.addresses.contains(&"192.0.2.1/32".parse().unwrap()));
    assert!(a0.connected.contains(&"198.51.100.9/32".parse().unwrap()));
}

#[test]
fn carrier_loss_is_told_even_when_it_is_over_already() {
    let (a, b) = joined();
    let mut watch = a.run(LinkWatch::open).unwrap();
    assert_eq!(watch.changes().unwrap(), Default::default());
    sh(&b, "ip link set b0 down");
    await_some("news of the loss", Duration::from_secs(2), || {
        watch.changes().unwrap().lost.contains(&100).then_some(())
    });
    assert!(
        !watch
            .snapshot()
            .unwrap()
            .iter()
            .any(|i| i.name == "a0" && i.up)
    );
    sh(&b, "ip link set b0 up");
    await_some("carrier", Duration::from_secs(2), || {
        watch
            .snapshot()
            .unwrap()
            .iter()
            .any(|i| i.name == "a0" && i.up)
            .then_some(())
    });
    watch.changes().unwrap();
    sh(&a, "ip link set a0 down; ip link set a0 up");
    await_some("news of a flap", Duration::from_secs(2), || {
        watch.changes().unwrap().lost.contains(&100).then_some(())
    });
}

#[test]
fn addresses_are_news_and_no_loss() {
    let (a, _b) = joined();
    let mut watch = a.run(LinkWatch::open).unwrap();
    watch.changes().unwrap();
    sh(&a, "ip addr add 192.0.2.1/24 dev a0");
    let changes = watch.changes().unwrap();
    assert!(
        changes.any && changes.lost.is_empty() && !changes.overflow,
        "{changes:?}"
    );
}

#[test]
fn a_deleted_interface_is_lost() {
    let (a, _b) = joined();
    let mut watch = a.run(LinkWatch::open).unwrap();
    watch.changes().unwrap();
    sh(&a, "ip link del a0");
    assert!(watch.changes().unwrap().lost.contains(&100));
}

#[test]
fn news_for_which_there_was_no_room_are_an_overflow_and_later_ones_are_heard() {
    let (a, _b) = joined();
    let mut watch = a.run(|| LinkWatch::with_buffer(1)).unwrap();
    let many: String = (1..=100)
        .map(|n| format!("addr add 192.0.2.{n}/32 dev a0\n"))
        .collect();
    sh(&a, &format!("ip -batch - <<EOF\n{many}EOF"));
    let changes = watch.changes().unwrap();
    assert!(changes.any && changes.overflow, "{changes:?}");
    assert_eq!(watch.changes().unwrap(), Default::default());
    sh(&a, "ip addr del 192.0.2.1/32 dev a0");
    let changes = watch.changes().unwrap();
    assert!(changes.any && !changes.overflow, "{changes:?}");
}
