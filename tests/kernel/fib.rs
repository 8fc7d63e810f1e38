//! Routes through nexthop objects, read back with `ip`.

use std::{net::IpAddr, time::Duration};

use backhoe::os::{
    fib::{Change, Fib, FibError, RT_TABLE_MAIN},
    netns::NetnsFd,
};
use ipnet::IpNet;

use super::common::{await_some, join, joined, namespace, sh};

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn open(namespace: &NetnsFd) -> Fib {
    namespace.run(|| Fib::open(RT_TABLE_MAIN)).unwrap()
}

fn route(namespace: &NetnsFd, prefix: &str) -> String {
    match prefix {
        "default" => sh(namespace, "ip route show default; ip -6 route show default"),
        v6 if v6.contains(':') => sh(namespace, &format!("ip -6 route show {v6}")),
        v4 => sh(namespace, &format!("ip route show {v4}")),
    }
}

fn nexthops(namespace: &NetnsFd) -> usize {
    sh(namespace, "ip nexthop").lines().count()
}

#[test]
fn routes_of_both_families_appear_move_and_go() {
    let (a, _b) = joined();
    let mut fib = open(&a);
    for (prefix, gateway) in [("172.16.0.0/12", "10.0.0.2"), ("fd01::/32", "fd00::2")] {
        fib.install(net(prefix), &[(addr(gateway), 100)]).unwrap();
        let line = route(&a, prefix);
        assert!(line.contains(&format!("via {gateway} dev a0")), "{line}");
        assert!(
            line.contains("proto bgp") && line.contains("metric 20"),
            "{line}"
        );
        // The same once more is no error and no second route.
        fib.install(net(prefix), &[(addr(gateway), 100)]).unwrap();
        fib.blackhole(net(prefix)).unwrap();
        let line = route(&a, prefix);
        assert!(
            line.starts_with("blackhole") && line.lines().count() == 1,
            "{line}"
        );
        fib.install(net(prefix), &[(addr(gateway), 100)]).unwrap();
        assert_eq!(route(&a, prefix).lines().count(), 1);
        fib.remove(net(prefix)).unwrap();
        fib.remove(net(prefix)).unwrap();
        assert_eq!(route(&a, prefix), "");
    }
    assert_eq!(nexthops(&a), 0, "objects go with their last route");
}

#[test]
fn routes_share_objects_and_multipath_is_a_group() {
    let (a, b) = joined();
    join(&a, &b, "a1", "b1", 1);
    let mut fib = open(&a);
    let (one, two) = ((addr("10.0.0.2"), 100), (addr("10.0.1.2"), 101));
    for third in 0..50u8 {
        fib.install(net(&format!("172.16.{third}.0/24")), &[one])
            .unwrap();
    }
    assert_eq!(nexthops(&a), 1);
    fib.install(net("172.16.9.0/24"), &[one, two]).unwrap();
    fib.install(net("172.16.8.0/24"), &[two, one]).unwrap();
    assert_eq!(nexthops(&a), 3);
    let line = route(&a, "172.16.9.0/24");
    assert!(
        line.contains("via 10.0.0.2") && line.contains("via 10.0.1.2"),
        "{line}"
    );
    fib.install(net("172.16.9.0/24"), &[one]).unwrap();
    fib.remove(net("172.16.8.0/24")).unwrap();
    assert_eq!(nexthops(&a), 1);
}

#[test]
fn an_ipv4_prefix_may_have_an_ipv6_next_hop() {
    let (a, _b) = joined();
    let mut fib = open(&a);
    fib.install(net("172.16.0.0/12"), &[(addr("fd00::2"), 100)])
        .unwrap();
    assert!(route(&a, "172.16.0.0/12").contains("via inet6 fd00::2 dev a0"));
}

#[test]
fn a_default_route_is_a_prefix_like_any_other() {
    let (a, _b) = joined();
    let mut fib = open(&a);
    fib.install(net("0.0.0.0/0"), &[(addr("10.0.0.2"), 100)])
        .unwrap();
    fib.install(net("::/0"), &[(addr("fd00::2"), 100)]).unwrap();
    assert_eq!(route(&a, "default").lines().count(), 2);
    fib.remove(net("0.0.0.0/0")).unwrap();
    fib.remove(net("::/0")).unwrap();
    assert_eq!(route(&a, "default"), "");
}

#[test]
fn what_the_kernel_refuses_is_told_in_its_words_and_changes_nothing() {
    let (a, _b) = joined();
    let mut fib = open(&a);
    fib.install(net("172.16.0.0/12"), &[(addr("10.0.0.2"), 100)])
        .unwrap();
    for next_hop in [(addr("192.0.2.1"), 100), (addr("10.0.0.2"), 999)] {
        let error = fib.install(net("172.16.0.0/12"), &[next_hop]).unwrap_err();
        assert!(matches!(error, FibError::Refused { .. }), "{error}");
    }
    assert!(route(&a, "172.16.0.0/12").contains("via 10.0.0.2"));
    assert_eq!(nexthops(&a), 1);
    fib.install(net("172.16.0.0/12"), &[(addr("10.0.0.2"), 100)])
        .unwrap();
}

#[test]
fn routes_lost_with_the_carrier_come_back_on_demand() {
    let (a, b) = joined();
    join(&a, &b, "a1", "b1", 1);
    let mut fib = open(&a);
    let (one, two) = ((addr("10.0.0.2"), 100), (addr("10.0.1.2"), 101));
    fib.install(net("172.16.0.0/16"), &[one]).unwrap();
    fib.install(net("172.17.0.0/16"), &[one, two]).unwrap();
    fib.install(net("fd01::/32"), &[(addr("fd00::2"), 100)])
        .unwrap();
    sh(&b, "ip link set b0 down");
    await_some(
        "the kernel to drop the objects",
        Duration::from_secs(2),
        || (nexthops(&a) == 2).then_some(()),
    );
    assert_eq!(route(&a, "172.16.0.0/16"), "");
    let lost = fib.forget_interface(100);
    assert_eq!(lost, [net("172.16.0.0/16"), net("fd01::/32")]);
    let line = route(&a, "172.17.0.0/16");
    assert!(
        line.contains("10.0.1.2") && !line.contains("10.0.0.2"),
        "{line}"
    );
    sh(&b, "ip link set b0 up");
    await_some("carrier", Duration::from_secs(2), || {
        sh(&a, "ip link show a0").contains("LOWER_UP").then_some(())
    });
    fib.install(net("172.16.0.0/16"), &[one]).unwrap();
    fib.install(net("172.17.0.0/16"), &[one, two]).unwrap();
    assert!(route(&a, "172.16.0.0/16").contains("10.0.0.2"));
    assert!(route(&a, "172.17.0.0/16").contains("10.0.0.2"));
    fib.remove(net("172.16.0.0/16")).unwrap();
    fib.remove(net("172.17.0.0/16")).unwrap();
    assert_eq!(nexthops(&a), 0, "nothing leaks through a loss");
}

#[test]
fn objects_that_vanished_unheard_of_are_made_anew() {
    let (a, b) = joined();
    join(&a, &b, "a1", "b1", 1);
    let mut fib = open(&a);
    let (one, two) = ((addr("10.0.0.2"), 100), (addr("10.0.1.2"), 101));
    fib.install(net("172.16.0.0/16"), &[one]).unwrap();
    sh(&a, "ip nexthop flush");
    fib.install(net("172.17.0.0/16"), &[one, two]).unwrap();
    assert!(route(&a, "172.17.0.0/16").contains("10.0.0.2"));
    sh(&a, "ip nexthop flush");
    fib.install(net("172.18.0.0/16"), &[one]).unwrap();
    assert!(route(&a, "172.18.0.0/16").contains("10.0.0.2"));
}

#[test]
fn a_new_daemon_sweeps_what_a_dead_one_left_and_nothing_else() {
    let (a, _b) = joined();
    let mut dead = open(&a);
    dead.install(net("172.16.0.0/16"), &[(addr("10.0.0.2"), 100)])
        .unwrap();
    dead.blackhole(net("172.20.0.0/16")).unwrap();
    dead.blackhole(net("fd02::/32")).unwrap();
    drop(dead);
    sh(
        &a,
        "ip nexthop add id 7 via 10.0.0.2 dev a0
         ip route add 172.30.0.0/16 nhid 7
         ip route add blackhole 172.31.0.0/16",
    );
    let fib = open(&a);
    assert!(fib.is_empty());
    let left = sh(&a, "ip route show proto bgp; ip -6 route show proto bgp");
    assert_eq!(left, "");
    assert_eq!(nexthops(&a), 1);
    assert!(route(&a, "172.31.0.0/16").starts_with("blackhole"));
}

#[test]
fn twenty_thousand_routes_go_in_and_out_by_the_batch() {
    let (a, _b) = joined();
    let mut fib = open(&a);
    let prefixes: Vec<IpNet> = (0..20_000u32)
        .map(|n| IpNet::new(IpAddr::from((0x2000_0000 + (n << 8)).to_be_bytes()), 24).unwrap())
        .collect();
    let install: Vec<Change> = prefixes
        .iter()
        .map(|prefix| Change::Install(*prefix, vec![(addr("10.0.0.2"), 100)]))
        .collect();
    let (took, outcomes) = timed(|| fib.apply(&install).unwrap());
    assert!(outcomes.iter().all(Result::is_ok));
    eprintln!("installed {} routes in {took:?}", prefixes.len());
    assert_eq!(sh(&a, "ip route show proto bgp | wc -l"), "20000");
    let remove: Vec<Change> = prefixes
        .iter()
        .map(|prefix| Change::Remove(*prefix))
        .collect();
    assert!(fib.apply(&remove).unwrap().iter().all(Result::is_ok));
    assert_eq!(nexthops(&a), 0);
}

/// The target is 200 us; a loaded machine is given room, a tenfold regression is not.
#[test]
fn one_change_takes_microseconds() {
    let (a, b) = joined();
    join(&a, &b, "a1", "b1", 1);
    let mut fib = open(&a);
    let ways = [(addr("10.0.0.2"), 100), (addr("10.0.1.2"), 101)];
    let mut times: Vec<Duration> = (0..400)
        .map(|n: usize| timed(|| fib.install(net("172.16.0.0/16"), &[ways[n % 2]]).unwrap()).0)
        .collect();
    times.sort_unstable();
    eprintln!("one change: p50 {:?} p99 {:?}", times[200], times[396]);
    assert!(times[200] < Duration::from_millis(2), "{:?}", times[200]);
}

#[test]
fn a_namespace_without_interfaces_has_no_way_out() {
    let empty = namespace();
    let mut fib = open(&empty);
    assert!(
        fib.install(net("172.16.0.0/16"), &[(addr("10.0.0.2"), 100)])
            .is_err()
    );
    fib.blackhole(net("172.16.0.0/16")).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "kernel tests run in real time")]
fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = std::time::Instant::now();
    let result = work();
    (start.elapsed(), result)
}
