//! The state of sessions, tunnels and links over the time of a run: one lane each.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a fold over events names the few kinds it reads; a new kind is nothing to it"
)]

use std::collections::BTreeMap;

use serde::Serialize;

use super::traffic::{rounded, since};
use crate::results::event::{Event, EventKind, MonoNs};

/// Something with states.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Lane {
    pub(super) name: String,
    pub(super) spans: Vec<Span>,
}

/// A state from when to when, milliseconds from the page's zero.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Span {
    pub(super) from_ms: f64,
    pub(super) to_ms: f64,
    /// `up`, `down`, `cut` or `other`.
    pub(super) class: &'static str,
    pub(super) text: String,
}

/// What stands in the first column of the chart. The order is that in which lanes are shown.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Of {
    Fault(String),
    Carrier(String),
    Lacp(String),
    Bfd(String),
    Bgp(String),
    Tunnel(String),
    Name(String),
}

impl Of {
    fn name(self) -> String {
        match self {
            Self::Fault(of) => format!("fault {of}"),
            Self::Carrier(of) => format!("carrier of {of}"),
            Self::Lacp(of) => format!("LACP of {of}"),
            Self::Bfd(of) => format!("BFD {of}"),
            Self::Bgp(of) => format!("BGP {of}"),
            Self::Tunnel(of) => format!("tunnel {of}"),
            Self::Name(of) => format!("name {of}"),
        }
    }
}

/// What changed between `from` and `to`, and how many lanes did not change and are not shown.
pub(super) fn lanes(
    events: &[Event],
    zero: MonoNs,
    (from, to): (MonoNs, MonoNs),
) -> (Vec<Lane>, usize) {
    let mut all: BTreeMap<Of, Vec<(MonoNs, &'static str, String)>> = BTreeMap::new();
    let mut sorted: Vec<&Event> = events.iter().filter(|event| event.at <= to).collect();
    sorted.sort_by_key(|event| event.at);
    for event in sorted {
        if let Some((of, class, text)) = state(&event.kind) {
            all.entry(of).or_default().push((event.at, class, text));
        }
    }
    let mut steady = 0;
    let mut lanes = Vec::new();
    for (of, mut states) in all {
        states.dedup_by(|next, last| (next.1, &next.2) == (last.1, &last.2));
        let changes = states.iter().filter(|(at, ..)| *at >= from).count();
        if changes == 0 {
            steady += 1;
            continue;
        }
        lanes.push(lane(of, states, zero, (from, to)));
    }
    (lanes, steady)
}

fn lane(
    of: Of,
    states: Vec<(MonoNs, &'static str, String)>,
    zero: MonoNs,
    (from, to): (MonoNs, MonoNs),
) -> Lane {
    let ends: Vec<MonoNs> = states
        .iter()
        .skip(1)
        .map(|(at, ..)| *at)
        .chain([to])
        .collect();
    let spans = states.into_iter().zip(ends);
    let spans = spans.filter(|((_, class, _), end)| *end >= from && !class.is_empty());
    Lane {
        name: of.name(),
        spans: spans
            .map(|((at, class, text), end)| Span {
                from_ms: rounded(since(zero, at.max(from))),
                to_ms: rounded(since(zero, end)),
                class,
                text,
            })
            .collect(),
    }
}

/// Whose state an event tells, how it is painted (not at all if that is empty), and the state.
fn state(kind: &EventKind) -> Option<(Of, &'static str, String)> {
    let up = |up: bool| if up { "up" } else { "down" };
    let word = |is: bool| (up(is), up(is).to_owned());
    let at = |what: &str, node: &str| format!("{what} at {node}");
    let (of, (class, text)) = match kind {
        EventKind::FaultApplied { fault, target, .. } => {
            (Of::Fault(target.clone()), ("cut", fault.clone()))
        }
        EventKind::FaultRestored { target, .. } => (Of::Fault(target.clone()), ("", String::new())),
        EventKind::Session {
            session,
            node,
            state,
            ..
        } => (
            Of::Bgp(at(session, node)),
            (up(state == "Established"), state.clone()),
        ),
        EventKind::Bfd {
            session,
            node,
            state,
            ..
        } => (
            Of::Bfd(at(session, node)),
            (up(state == "Up"), state.clone()),
        ),
        EventKind::Tunnel {
            tunnel,
            node,
            state,
            ..
        } => (
            Of::Tunnel(at(tunnel, node)),
            (up(state == "up"), state.clone()),
        ),
        EventKind::Carrier {
            node,
            dev,
            link,
            up,
        } => (
            Of::Carrier(at(link.as_ref().unwrap_or(dev), node)),
            word(*up),
        ),
        EventKind::Lacp {
            node,
            dev,
            link,
            up,
        } => (Of::Lacp(at(link.as_ref().unwrap_or(dev), node)), word(*up)),
        EventKind::DnsAnswer { name, endpoint, .. } => {
            (Of::Name(name.clone()), ("other", endpoint.clone()))
        }
        _ => return None,
    };
    Some((of, class, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bfd(at: MonoNs, node: &str, state: &str) -> Event {
        Event {
            at,
            kind: EventKind::Bfd {
                session: "prod".to_owned(),
                node: node.to_owned(),
                state: state.to_owned(),
                diagnostic: None,
                detect_us: None,
            },
        }
    }

    const MS: u64 = 1_000_000;

    #[test]
    fn a_lane_begins_in_the_state_from_before_and_lasts_to_the_end() {
        let events = [
            bfd(MS, "dc1", "Up"),
            bfd(MS, "east", "Up"),
            bfd(50 * MS, "dc1", "Down"),
            bfd(70 * MS, "dc1", "Up"),
        ];
        let (lanes, steady) = lanes(&events, 40 * MS, (10 * MS, 100 * MS));
        assert_eq!(steady, 1);
        let spans: Vec<(f64, f64, &str)> = lanes[0]
            .spans
            .iter()
            .map(|s| (s.from_ms, s.to_ms, s.class))
            .collect();
        assert_eq!(lanes[0].name, "BFD prod at dc1");
        assert_eq!(
            spans,
            [
                (-30.0, 10.0, "up"),
                (10.0, 30.0, "down"),
                (30.0, 60.0, "up")
            ]
        );
    }
}
