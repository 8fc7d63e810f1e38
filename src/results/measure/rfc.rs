//! RFC 6412's benchmarks and what RFC 6413 §7 wants reported beside them, under their names. The
//! terms are adopted: those documents benchmark one device, here it is a whole lab.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    flow::{Fate, FlowView},
    input::{RunInput, Transition},
    result::{FlowResult, Outage, TransitionResult},
    stats,
    ways::Ways,
    window::Window,
};
use crate::{
    results::event::{Event, EventKind},
    units::Span,
};

/// RFC 6412 §3.7.5: how long delivery must hold after a recovery before the next step. Its five
/// seconds suit routers with thousands of routes.
pub const SUSTAINED_CONVERGENCE_VALIDATION: Span = Span::from_secs(1);
/// RFC 6412 §3.7.6: what arrives later is counted as such, and what has not arrived so long after
/// the last packet was sent as lost.
pub const FORWARDING_DELAY_THRESHOLD: Span = Span::from_secs(2);

/// RFC 6412's benchmarks of one flow in one transition; times in milliseconds. A flow is a route.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Rfc6412 {
    /// The outage had not ended with the transition: what was lost, and all that is derived from
    /// it, are lower bounds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lower_bound: bool,
    /// §3.6.5 Route Loss of Connectivity Period (Eq. 8).
    pub route_loss_of_connectivity_period_ms: f64,
    /// §3.6.2 First Route Convergence Time (Eq. 3): first packet delivered by the next-best path.
    pub first_route_convergence_time_ms: Option<f64>,
    /// §3.6.1 Full Convergence Time (Eq. 2), from packet timestamps.
    pub full_convergence_time_ms: Option<f64>,
    /// How long delivery then held (§3.7.5 Sustained Convergence Validation Time).
    pub sustained_ms: Option<f64>,
    /// §3.6.3 Route-Specific Convergence Time (Eq. 5): `convergence_packet_loss / rate`, counted
    /// from the Convergence Event Instant, so that the equation's last term is zero.
    #[serde(default)]
    pub route_specific_convergence_time_ms: Option<f64>,
    /// §3.2.4 First Route Convergence Instant, on the run's clock.
    #[serde(default)]
    pub first_route_convergence_instant_ns: Option<u64>,
    /// §3.2.3 Convergence Recovery Instant, on the run's clock.
    #[serde(default)]
    pub convergence_recovery_instant_ns: Option<u64>,
    /// Packets sent, those refused by the sender's kernel apart.
    #[serde(default)]
    pub packets_offered: u64,
    /// Packets that arrived.
    #[serde(default)]
    pub packets_forwarded: u64,
    /// §3.7.3 Connectivity Packet Loss: never delivered, by whatever path. Other impaired packets
    /// (§3.8.1) are counted below and not in here.
    #[serde(default)]
    pub connectivity_packet_loss: u64,
    /// §3.7.2 Convergence Packet Loss: sent from the event on and not delivered by the path
    /// afterwards.
    #[serde(default)]
    pub convergence_packet_loss: u64,
    /// Out-of-order packets (RFC 4737).
    #[serde(default)]
    pub out_of_order: u64,
    /// Duplicate packets.
    #[serde(default)]
    pub duplicate: u64,
    /// Packets that took longer than the Forwarding Delay Threshold (§3.7.6).
    #[serde(default)]
    pub excessive_forwarding_delay: u64,
}

/// RFC 6413 §7's table of one transition, all flows together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Benchmarks {
    /// An outage had not ended with the transition: what was lost, and all that is derived from it,
    /// are lower bounds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lower_bound: bool,
    /// How the Convergence Event is applied.
    pub how_applied: String,
    /// Whether traffic is lost from that instant on.
    pub instantaneous_loss: bool,
    /// Offered Load, packets a second.
    pub offered_load_pps: u64,
    /// Total number of packets offered.
    pub packets_offered: u64,
    /// Total number of packets forwarded.
    pub packets_forwarded: u64,
    /// Sum over the flows.
    pub connectivity_packet_loss: u64,
    /// Sum over the flows.
    pub convergence_packet_loss: u64,
    /// Sum over the flows.
    pub out_of_order: u64,
    /// Sum over the flows.
    pub duplicate: u64,
    /// Sum over the flows.
    pub excessive_forwarding_delay: u64,
    /// §3.6.2, of the flow that was first; null where none was.
    pub first_route_convergence_time_ms: Option<f64>,
    /// §3.6.1, of the flow that was last; null where one did not recover.
    pub full_convergence_time_ms: Option<f64>,
    /// §3.6.4 Loss-Derived Convergence Time: Eq. 6 of an event with instantaneous loss, else Eq. 7
    /// counted from the event; the average over all flows.
    pub loss_derived_convergence_time_ms: f64,
    /// §3.6.6 Loss-Derived Loss of Connectivity Period (Eq. 9).
    pub loss_derived_loss_of_connectivity_period_ms: f64,
    /// §3.6.3 over the flows; null where one did not recover.
    pub route_specific_convergence_time_ms: Option<Spread>,
    /// §3.6.5 over the flows.
    pub route_loss_of_connectivity_period_ms: Option<Spread>,
}

/// What RFC 6413 §7 wants of a benchmark that each route has.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Spread {
    /// Smallest.
    pub min_ms: f64,
    /// Median.
    pub median_ms: f64,
    /// Mean.
    pub average_ms: f64,
    /// Largest.
    pub max_ms: f64,
}

/// The parameters under which it was measured (RFC 6413 §7, RFC 7747 §6).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Inputs {
    /// Routing protocol; null where the lab has none.
    pub routing_protocol: Option<String>,
    /// Interface type.
    pub interface_type: String,
    /// Number of routes measured: flows. Size and load of each are in `flows`.
    pub routes_measured: usize,
    /// Offered Load of all flows, packets a second.
    pub offered_load_pps: u64,
    /// RFC 6412 §3.7.4 Packet Sampling Interval: the time between two packets of the flow that has the lowest rate.
    pub packet_sampling_interval_ms: f64,
    /// §3.7.6 Forwarding Delay Threshold.
    pub forwarding_delay_threshold_ms: f64,
    /// §3.7.5 Sustained Convergence Validation Time asked for; what was seen is `sustained_ms`.
    pub sustained_convergence_validation_time_ms: f64,
    /// How the fields of the probes' headers are made.
    pub header_fields: String,
    /// Timers of each session.
    pub sessions: Vec<SessionTimers>,
    /// TCP's settings (sysctl) in the nodes, under the sessions.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tcp: BTreeMap<String, String>,
    /// Where the exact policy and authentication are; absent in older journals.
    pub configuration: Option<Configuration>,
}

/// Timers of a session as each end is configured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionTimers {
    /// Its name.
    pub session: String,
    /// `private-vif`, `vpn`, `ebgp`, `ibgp`, `modelled`.
    pub kind: String,
    /// The nodes at its ends.
    pub nodes: [String; 2],
    /// BGP hold time of each end; 0: none.
    pub hold_ms: [f64; 2],
    /// BFD of each end; null: none.
    pub bfd: Option<[BfdTimers; 2]>,
}

/// BFD as one end is configured (RFC 5880 §6.8.1).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BfdTimers {
    /// DesiredMinTxInterval.
    pub min_tx_ms: f64,
    /// RequiredMinRxInterval.
    pub min_rx_ms: f64,
    /// DetectMult.
    pub multiplier: u8,
}

/// Files that have everything, and their hashes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Configuration {
    /// The lab file's copy in the run's directory, which has the policy; `config/` there has what
    /// each daemon was given.
    pub lab_file: String,
    /// Its SHA-256.
    pub lab_file_sha256: String,
    /// SHA-256 of the plan made from it.
    pub plan_sha256: String,
}

/// The benchmarks that follow from timestamps and paths; counts of the whole outage are filled in
/// by [`count`].
pub(super) fn of_flow(
    view: &FlowView<'_>,
    window: &Window,
    (ways, seqs): (&Ways, &[u32]),
    duration_ms: f64,
) -> Rfc6412 {
    let full = ways.recovered.max(ways.switched);
    let last = seqs.iter().rev().find(|&&s| view.is_delivered(s));
    let last = last.and_then(|&s| view.sent_at(s));
    let first = ways.first_on_new.or(ways.recovered);
    let impaired = |seq: u32| match view.fate(seq) {
        Some(Fate::Delivered { .. }) => view.path_of(seq) != ways.after_path,
        Some(Fate::Lost | Fate::Crowded) => true,
        Some(Fate::Unsent | Fate::LostDeclared) | None => false,
    };
    let since = |seq: u32| view.sent_at(seq).is_some_and(|at| at >= window.zero());
    let convergence_packet_loss = seqs.iter().filter(|&&s| since(s) && impaired(s)).count() as u64;
    let threshold = i64::try_from(FORWARDING_DELAY_THRESHOLD.as_nanos()).unwrap_or(i64::MAX);
    let is_late = |seq: u32| view.delay_ns(seq).is_some_and(|ns| ns > threshold);
    let specific = convergence_packet_loss as f64 * view.gap_ms();
    Rfc6412 {
        route_loss_of_connectivity_period_ms: duration_ms,
        first_route_convergence_time_ms: first.map(|at| window.ms(at)),
        full_convergence_time_ms: full.map(|at| window.ms(at)),
        sustained_ms: full
            .zip(last)
            .map(|(full, last)| last.saturating_sub(full) as f64 / 1e6),
        route_specific_convergence_time_ms: ways.after_path.map(|_| specific),
        first_route_convergence_instant_ns: first,
        convergence_recovery_instant_ns: full,
        packets_forwarded: seqs.iter().filter(|&&s| view.is_delivered(s)).count() as u64,
        convergence_packet_loss,
        excessive_forwarding_delay: seqs.iter().filter(|&&s| is_late(s)).count() as u64,
        ..Rfc6412::default()
    }
}

/// Puts the outage's counts under the RFC's names.
pub(super) fn count(outage: &mut Outage) {
    outage.rfc6412.lower_bound = !outage.recovered;
    outage.rfc6412.packets_offered = outage.sent;
    outage.rfc6412.connectivity_packet_loss = outage.lost;
    outage.rfc6412.out_of_order = outage.reordered;
    outage.rfc6412.duplicate = outage.duplicated;
}

/// The table of a transition, from its flows' outages.
pub(super) fn benchmarks(
    transition: &TransitionResult,
    outages: &[Outage],
    flows: &[FlowResult],
) -> Option<Benchmarks> {
    if outages.is_empty() {
        return None;
    }
    let rate = offered(flows);
    let sum = |of: fn(&Rfc6412) -> u64| outages.iter().map(|o| of(&o.rfc6412)).sum::<u64>();
    let each = |of: fn(&Rfc6412) -> Option<f64>| -> Vec<Option<f64>> {
        outages.iter().map(|o| of(&o.rfc6412)).collect()
    };
    let whole = |all: Vec<Option<f64>>| all.into_iter().collect::<Option<Vec<f64>>>();
    let connectivity = sum(|r| r.connectivity_packet_loss);
    let convergence = sum(|r| r.convergence_packet_loss);
    let (how, instantaneous_loss) = applied(&transition.fault, transition.transition);
    let ms = |packets: u64| packets as f64 * 1e3 / rate.max(1) as f64;
    let moved = outages.iter().filter(|o| o.lost > 0 || o.path_changed);
    let full: Option<Vec<f64>> = moved.map(|o| o.rfc6412.full_convergence_time_ms).collect();
    let first = each(|r| r.first_route_convergence_time_ms);
    Some(Benchmarks {
        lower_bound: outages.iter().any(|outage| outage.rfc6412.lower_bound),
        how_applied: how.to_owned(),
        instantaneous_loss,
        offered_load_pps: rate,
        packets_offered: sum(|r| r.packets_offered),
        packets_forwarded: sum(|r| r.packets_forwarded),
        connectivity_packet_loss: connectivity,
        convergence_packet_loss: convergence,
        out_of_order: sum(|r| r.out_of_order),
        duplicate: sum(|r| r.duplicate),
        excessive_forwarding_delay: sum(|r| r.excessive_forwarding_delay),
        first_route_convergence_time_ms: first.into_iter().flatten().min_by(f64::total_cmp),
        full_convergence_time_ms: full.and_then(|all| all.into_iter().max_by(f64::total_cmp)),
        loss_derived_convergence_time_ms: match instantaneous_loss {
            true => ms(connectivity),
            false => ms(convergence),
        },
        loss_derived_loss_of_connectivity_period_ms: ms(connectivity),
        route_specific_convergence_time_ms: whole(each(|r| r.route_specific_convergence_time_ms))
            .and_then(spread),
        route_loss_of_connectivity_period_ms: whole(each(|r| {
            Some(r.route_loss_of_connectivity_period_ms)
        }))
        .and_then(spread),
    })
}

fn offered(flows: &[FlowResult]) -> u64 {
    flows.iter().map(|flow| u64::from(flow.rate)).sum()
}

fn spread(values: Vec<f64>) -> Option<Spread> {
    let average_ms = values.iter().sum::<f64>() / values.len().max(1) as f64;
    let sorted = stats::sorted(values);
    Some(Spread {
        min_ms: *sorted.first()?,
        median_ms: stats::quantile(&sorted, 0.5)?,
        average_ms,
        max_ms: *sorted.last()?,
    })
}

/// How a fault is applied, and whether packets are lost from then on.
fn applied(fault: &str, transition: Transition) -> (&'static str, bool) {
    if transition == Transition::Reversion {
        return ("what the fault did is undone", false);
    }
    match fault {
        "silent" => (
            "the wire drops every packet, both ways; the light stays on at both ends",
            true,
        ),
        "one-way" => (
            "the wire drops what one end sends; the light stays on at both ends",
            true,
        ),
        "carrier" => ("loss of light", true),
        "drop-numbered" => ("the wire drops a number of packets", true),
        "node" => (
            "the node's links fall silent, then its processes are killed",
            true,
        ),
        "bgp-shutdown" => ("one end closes the BGP session by command", false),
        "kill" => (
            "the routing daemon is killed (SIGKILL); its kernel forwards on",
            false,
        ),
        "freeze" => (
            "the routing daemon is stopped (SIGSTOP); its kernel forwards on",
            false,
        ),
        "degrade" => ("the link's delay, loss or rate is changed", false),
        _ => ("see the fault's name", true),
    }
}

/// The run's parameters.
pub(super) fn inputs(input: &RunInput, flows: &[FlowResult], events: &[Event]) -> Option<Inputs> {
    let slowest = flows.iter().map(|flow| flow.rate.max(1)).min()?;
    let sessions = input.topology.sessions.iter();
    let ms = |span: Span| span.as_millis_f64();
    let sessions: Vec<SessionTimers> = sessions
        .map(|session| SessionTimers {
            session: session.name.clone(),
            kind: session.kind.clone(),
            nodes: session.nodes.clone(),
            hold_ms: session.hold.map(ms),
            bfd: session.bfd.map(|ends| {
                ends.map(|end| BfdTimers {
                    min_tx_ms: ms(end.min_tx),
                    min_rx_ms: ms(end.min_rx),
                    multiplier: end.multiplier,
                })
            }),
        })
        .collect();
    let planned = events.iter().find_map(|event| match &event.kind {
        EventKind::Planned(planned) => Some(planned),
        _ => None,
    });
    let configuration = planned.map(|planned| Configuration {
        lab_file: planned.lab_file.path.clone(),
        lab_file_sha256: planned.lab_file.sha256.clone(),
        plan_sha256: planned.plan_sha256.clone(),
    });
    Some(Inputs {
        routing_protocol: (!sessions.is_empty()).then(|| "BGP-4".to_owned()),
        interface_type: "Ethernet (veth)".to_owned(),
        routes_measured: flows.len(),
        offered_load_pps: offered(flows),
        packet_sampling_interval_ms: 1e3 / f64::from(slowest),
        forwarding_delay_threshold_ms: ms(FORWARDING_DELAY_THRESHOLD),
        sustained_convergence_validation_time_ms: ms(SUSTAINED_CONVERGENCE_VALIDATION),
        header_fields: "one pair of addresses and UDP ports a flow; in the payload the flow's \
                        number, a sequence number and the send time"
            .to_owned(),
        sessions,
        tcp: planned
            .map(|planned| planned.tcp.clone())
            .unwrap_or_default(),
        configuration,
    })
}

#[cfg(test)]
mod tests {
    use super::super::{measure, tests::lab};

    #[test]
    fn what_an_outage_that_did_not_end_has_lost_is_a_lower_bound() {
        let mut input = lab::run(false);
        lab::flow(&mut input, 0, |at| lab::forth(at, 742));
        lab::flow(&mut input, 1, |at| lab::forth(at, 100_000));
        let result = measure(&input);
        let bounds: Vec<bool> = result
            .outages
            .iter()
            .map(|o| o.rfc6412.lower_bound)
            .collect();
        assert_eq!(bounds[..2], [false, true], "{bounds:?}");
        let cut = result.transitions[0].benchmarks.as_ref().unwrap();
        assert!(cut.lower_bound && cut.full_convergence_time_ms.is_none());
        let told = crate::results::report::markdown(&result);
        assert!(told.contains("of all flows: loss-derived ≥ "), "{told}");
    }

    #[test]
    fn a_silent_cut_is_told_in_the_rfcs_terms_both_ways() {
        let result = measure(&lab::clean_silent_cut(false));
        let inputs = result.inputs.as_ref().unwrap();
        assert_eq!((inputs.routes_measured, inputs.offered_load_pps), (2, 2000));
        assert_eq!(inputs.packet_sampling_interval_ms, 1.0);
        assert_eq!(inputs.sessions[0].hold_ms.len(), 2);

        let cut = result.transitions[0].benchmarks.as_ref().unwrap();
        assert!(cut.instantaneous_loss);
        // 742 and 811 packets of 1000 a second each way.
        assert_eq!(cut.connectivity_packet_loss, 1553);
        assert_eq!(cut.loss_derived_convergence_time_ms, 776.5);
        assert_eq!(cut.loss_derived_loss_of_connectivity_period_ms, 776.5);
        let spread = cut.route_loss_of_connectivity_period_ms.unwrap();
        assert_eq!(
            (spread.min_ms, spread.average_ms, spread.max_ms),
            (742.0, 776.5, 811.0)
        );
        let offered = result.outages.iter().take(2).map(|o| o.sent).sum::<u64>();
        assert_eq!(cut.packets_offered, offered);
        assert_eq!(
            cut.packets_forwarded + cut.connectivity_packet_loss,
            offered
        );
        // Packets in flight at the cut were sent before the event, and were lost all the same.
        assert!(cut.convergence_packet_loss <= cut.connectivity_packet_loss);
        assert!(cut.convergence_packet_loss + 40 > cut.connectivity_packet_loss);
        let first = cut.first_route_convergence_time_ms.unwrap();
        let full = cut.full_convergence_time_ms.unwrap();
        assert!(first < full && (full - 811.0).abs() < 3.0, "{first} {full}");

        // Nothing is lost on the way back; until it moves, traffic is not where it will be.
        let back = result.transitions[1].benchmarks.as_ref().unwrap();
        assert!(!back.instantaneous_loss);
        assert_eq!(back.connectivity_packet_loss, 0);
        let specific = back.route_specific_convergence_time_ms.unwrap();
        let moved = result.outages[2].path_changed_ms.unwrap();
        assert!((specific.min_ms - moved).abs() < 700.0 && specific.min_ms > 0.0);
        assert_eq!(
            back.loss_derived_convergence_time_ms,
            back.convergence_packet_loss as f64 / 2.0
        );
        let of = &result.outages[0].rfc6412;
        let event = result.transitions[0].convergence_event_instant_ns;
        let recovered = of.convergence_recovery_instant_ns.unwrap() - event;
        assert_eq!(recovered as f64 / 1e6, of.full_convergence_time_ms.unwrap());
        assert_eq!(of.excessive_forwarding_delay, 0);
    }
}
