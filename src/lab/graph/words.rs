//! Quantities and settings as a picture says them: short, with units as people write them.

use crate::{
    lab::model::{Fault, Routing, Session, Shape, StaticVpn},
    units::{BfdConfig, Bytes, Rate, Span},
};

/// A number and its unit, apart: `300ms` → `300 ms`.
fn apart(text: &str) -> (&str, &str) {
    let unit = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    text.split_at(unit)
}

/// `300 ms`.
pub(super) fn span(span: Span) -> String {
    let text = span.to_string();
    match apart(&text) {
        (number, "us") => format!("{number} µs"),
        (number, unit) => format!("{number} {unit}"),
    }
}

/// `1 Gbit/s`.
pub(super) fn rate(rate: Rate) -> String {
    let text = rate.to_string();
    let (number, unit) = apart(&text);
    let unit = match unit {
        "gbit" => "Gbit/s",
        "mbit" => "Mbit/s",
        "kbit" => "kbit/s",
        _ => "bit/s",
    };
    format!("{number} {unit}")
}

/// `9001 B`.
pub(super) fn bytes(bytes: Bytes) -> String {
    format!("{} B", bytes.get())
}

/// What a link does to packets, a line for what nearly every link has and one for the rest.
fn one_way(shape: &Shape) -> Vec<String> {
    let nothing = Shape::default();
    let mut usual = Vec::new();
    if shape.delay != nothing.delay {
        let jitter = match shape.jitter == nothing.jitter {
            true => String::new(),
            false => format!(" ± {}", span(shape.jitter)),
        };
        usual.push(format!("{}{jitter}", span(shape.delay)));
    }
    usual.extend(shape.rate.map(rate));
    let shares = [
        (shape.loss, nothing.loss, "lost"),
        (shape.duplicate, nothing.duplicate, "twice"),
        (shape.corrupt, nothing.corrupt, "corrupt"),
        (shape.reorder, nothing.reorder, "reordered"),
    ];
    let harm = shares
        .into_iter()
        .filter(|(share, none, _)| share != none)
        .map(|(share, _, word)| format!("{share} {word}"));
    let lines = [usual.join(" · "), harm.collect::<Vec<_>>().join(" · ")];
    lines.into_iter().filter(|line| !line.is_empty()).collect()
}

/// The same of both directions; each by the sender's name where they differ.
pub(super) fn shape(ends: [&str; 2], shape: &[Shape; 2]) -> Vec<String> {
    if shape[0] == shape[1] {
        return one_way(&shape[0]);
    }
    let named = |(end, shape)| {
        let lines = one_way(shape);
        let said = match lines.is_empty() {
            true => "as it is".to_owned(),
            false => lines.join(" · "),
        };
        format!("from {end}: {said}")
    };
    ends.into_iter().zip(shape).map(named).collect()
}

/// How soon each end of a session misses the other: `BFD 300 ms × 3`, `hold 90 s`.
pub(super) fn timers(session: &Session) -> String {
    let [a, b] = session.timers;
    let hold = match a.hold.min(b.hold) {
        Span::ZERO => "no hold time".to_owned(),
        hold => format!("hold {}", span(hold)),
    };
    match &session.bfd {
        None => hold,
        Some(both) => format!("{} · {hold}", bfd(both)),
    }
}

/// A VPN's static routes.
pub(super) fn fixed(fixed: &StaticVpn) -> String {
    let routes: Vec<String> = fixed.routes.iter().map(ToString::to_string).collect();
    format!("static: {}", routes.join(", "))
}

/// What the two ends agree on (RFC 5880 §6.8.4): each waits for as many intervals of the
/// slower of what its peer wants to send and what it can take.
fn bfd([a, b]: &[BfdConfig; 2]) -> String {
    let detects = |own: &BfdConfig, peer: &BfdConfig| {
        format!(
            "{} × {}",
            span(peer.min_tx.max(own.min_rx)),
            peer.multiplier
        )
    };
    match (detects(a, b), detects(b, a)) {
        (one, other) if one == other => format!("BFD {one}"),
        (one, other) => format!("BFD {one} / {other}"),
    }
}

/// What a node's routing on a session prefers, if it prefers anything.
pub(super) fn preference(routing: &Routing) -> Option<String> {
    let short = match routing {
        Routing::Rules(_) => return Some("own rules".to_owned()),
        Routing::Shorthand(short) => short,
    };
    let mut said = Vec::new();
    said.extend(short.local_pref.map(|value| format!("local-pref {value}")));
    if short.prepend > 0 {
        said.push(format!("prepend {}", short.prepend));
    }
    said.extend(short.med.map(|value| format!("MED {value}")));
    said.extend(short.communities.iter().map(ToString::to_string));
    (!said.is_empty()).then(|| said.join(" · "))
}

/// A fault as the scenario's step says it.
pub(super) fn fault(fault: &Fault) -> String {
    match (fault.name(), fault) {
        (_, Fault::DropNumbered { packets, .. }) => format!("drop: {packets} packets"),
        (
            _,
            Fault::Silent {
                from: Some(from), ..
            },
        ) => format!("cut: one-way, from {from}"),
        (_, Fault::Carrier { at: Some(at), .. }) => format!("cut: carrier, at {at}"),
        (name, Fault::Tagged { tag, value, .. }) => format!("cut: {tag} {value}, {name}"),
        ("degrade", _) => "degrade".to_owned(),
        (name, _) => format!("cut: {name}"),
    }
}
