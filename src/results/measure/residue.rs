//! What is left of an outage when everything that was seen of its way is taken off.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{input::Transition, outage::Scene, result::Outage, window::Window};
use crate::results::event::EventKind;

/// From the last step that was seen to the first packet through less than this is a path's delay
/// and a daemon's work.
const NOTHING_MS: f64 = 50.0;

/// The end of an outage that no phase explains.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Unexplained {
    /// From the last step that was seen of its way until a packet went through.
    pub ms: f64,
    /// That step: `dc1 FIB`.
    pub after: String,
    /// When it was seen, counted from the event.
    pub after_ms: f64,
    /// The last thing that changed meanwhile at a node of the way afterwards, which may be what was
    /// waited for: `vgw FIB 10.0.0.0/16`; absent: nothing did.
    pub meanwhile: Option<String>,
    /// When that was.
    pub meanwhile_ms: Option<f64>,
}

/// What is unexplained of an outage by a fault, where it is worth a word. The parts of one by a
/// name's answer are told as such.
pub(super) fn of(scene: &Scene<'_>, window: &Window, outage: &Outage) -> Option<Unexplained> {
    let parts = outage.parts.as_ref()?;
    let is_told = outage.transition == Transition::Initial && outage.dns.is_none();
    if !is_told || parts.first_packet_ms < NOTHING_MS {
        return None;
    }
    let recovered = outage.phases_ms.recovered?;
    let mut steps = outage.critical_path.iter().rev();
    let last = steps.find(|step| step.at_ms <= recovered - NOTHING_MS)?;
    let on_the_way = |node: &str| {
        let mut hops = outage.hops_after.iter();
        hops.any(|hop| hop.from == node || hop.to == node)
    };
    let seen = scene.events.iter().filter_map(|event| {
        let (node, what) = changed(&event.kind)?;
        let at = window.ms(event.at);
        // What came with the packet itself is told of it, give or take what observers are late.
        let inside = last.at_ms < at && at <= recovered + 2.0 && on_the_way(node);
        inside.then_some((at, format!("{node} {what}")))
    });
    let meanwhile = seen.max_by(|a, b| a.0.total_cmp(&b.0));
    Some(Unexplained {
        ms: parts.first_packet_ms,
        after: format!("{} {}", last.node, last.what),
        after_ms: last.at_ms,
        meanwhile_ms: meanwhile.as_ref().map(|(at, _)| *at),
        meanwhile: meanwhile.map(|(_, what)| what),
    })
}

fn changed(kind: &EventKind) -> Option<(&str, String)> {
    let up = |up: bool| if up { "up" } else { "down" };
    Some(match kind {
        EventKind::Fib { node, prefix, .. } => (node.as_str(), format!("FIB {prefix}")),
        EventKind::Session {
            node,
            session,
            state,
            ..
        } => (node.as_str(), format!("{session} {state}")),
        EventKind::Bfd {
            node,
            session,
            state,
            ..
        } => (node.as_str(), format!("BFD of {session} {state}")),
        EventKind::Tunnel {
            node,
            tunnel,
            state,
            ..
        } => (node.as_str(), format!("tunnel {tunnel} {state}")),
        EventKind::Carrier {
            node,
            dev,
            up: is_up,
            ..
        } => (node.as_str(), format!("{dev} {}", up(*is_up))),
        EventKind::Neighbour {
            node,
            address,
            reachable,
            ..
        } => {
            let word = if *reachable {
                "answers"
            } else {
                "does not answer"
            };
            (node.as_str(), format!("neighbour {address} {word}"))
        }
        _ => return None,
    })
}
