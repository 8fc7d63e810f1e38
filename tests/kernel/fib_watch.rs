//! News of a FIB for which there is no room.

use std::{sync::mpsc::Receiver, time::Duration};

use backhoe::{
    engine::{
        observe::{NodeWatch, Watcher},
        sink::EventSink,
    },
    os::{
        fib_watch::{FibNotice, FibWatch},
        netns::NetnsFd,
    },
    results::event::{Event, EventKind},
    units::NodeName,
};

use super::common::{joined, sh};

const PATIENCE: Duration = Duration::from_secs(10);

/// Adds or removes as many routes, one after the other, from one process.
fn routes(namespace: &NetnsFd, verb: &str) {
    let each: String = (0..200)
        .map(|n| format!("route {verb} 172.16.{n}.0/24 via 10.0.0.2\n"))
        .collect();
    sh(namespace, &format!("ip -batch - <<EOF\n{each}EOF"));
}

#[test]
fn an_overrun_is_told_between_the_news_before_and_after_it() {
    let (a, _b) = joined();
    let mut watch = FibWatch::with_buffer(&a, 1).unwrap();
    watch.snapshot().unwrap();
    routes(&a, "add");
    let notices = watch.read().unwrap();
    assert!(notices.contains(&FibNotice::Overrun), "{notices:?}");
    assert!(notices.len() < 100, "{}", notices.len());
    assert_eq!(watch.read().unwrap(), []);
    sh(&a, "ip route del 172.16.7.0/24");
    let notices = watch.read().unwrap();
    assert!(
        matches!(notices.as_slice(), [FibNotice::Route { gone: true, .. }]),
        "{notices:?}"
    );
}

/// Everything that is told until `is_last`, which must come.
fn until(events: &Receiver<Event>, is_last: impl Fn(&Event) -> bool) -> Vec<Event> {
    let mut all = Vec::new();
    loop {
        let event = events.recv_timeout(PATIENCE).expect("more events");
        let last = is_last(&event);
        all.push(event);
        if last {
            return all;
        }
    }
}

/// A mark behind everything else; what the journal says of it ends the test's waiting.
fn is_mark(event: &Event) -> bool {
    matches!(&event.kind, EventKind::Fib { prefix, .. } if prefix.to_string() == "198.51.100.0/24")
}

#[test]
fn a_node_whose_news_were_missed_is_named_and_its_fib_is_known_again() {
    let (a, _b) = joined();
    let (sink, events) = EventSink::pair();
    let node = NodeWatch {
        node: NodeName::new("dc1").unwrap(),
        netns: a.try_clone().unwrap(),
        links: Default::default(),
        tables: Default::default(),
        buffer: 1,
    };
    let watcher = Watcher::spawn(vec![node], &[], sink).unwrap();
    let is_overrun = |event: &Event| matches!(&event.kind, EventKind::Warning { code, text, .. } if code == "fib-watch-overrun" && text.starts_with("dc1: "));
    // It reads while they come, and may keep up with some.
    let mut told: Vec<Event> = Vec::new();
    for _ in 0..50 {
        routes(&a, "add");
        routes(&a, "del");
        told.extend(events.try_iter());
        if told.iter().any(is_overrun) {
            break;
        }
    }
    let missed = told.iter().any(is_overrun);
    assert!(missed, "news of 20,000 changes fit into two kilobytes");
    routes(&a, "add");
    // Nothing is told of the mark before the watcher has caught up.
    sh(&a, "ip route add 198.51.100.0/24 via 10.0.0.2");
    told.extend(until(&events, is_mark));
    sh(&a, "ip route del 198.51.100.0/24");
    told.extend(until(&events, is_mark));
    drop(watcher);
    // What was told last of each is what is there.
    for n in 0..200 {
        let prefix = format!("172.16.{n}.0/24");
        let last = told.iter().rev().find_map(|event| {
            let EventKind::Fib {
                prefix: of, dev, ..
            } = &event.kind
            else {
                return None;
            };
            (of.to_string() == prefix).then_some(dev)
        });
        let unseen = Vec::new();
        let dev = last.unwrap_or(&unseen);
        assert_eq!(*dev, ["a0"], "{prefix}");
    }
}
