//! Open Traffic Generator's convergence metrics, for tools that read those.

use serde::Serialize;

use crate::results::measure::{Outage, RunResult, Transition, TransitionResult};

/// The metrics of each fault and restore.
#[derive(Debug, Serialize)]
pub struct Otg {
    /// In time order.
    pub transitions: Vec<OtgTransition>,
}

/// The metrics of one, as OTG's API answers a request for them.
#[derive(Debug, Serialize)]
pub struct OtgTransition {
    /// The step's label.
    pub label: String,
    /// Fault or restore.
    pub transition: Transition,
    /// Each flow.
    pub convergence_metrics: Vec<ConvergenceMetric>,
}

/// OTG's `Convergence.Metric`.
#[derive(Debug, Serialize)]
pub struct ConvergenceMetric {
    /// The flow: probe and sender.
    pub name: String,
    /// From when its rate fell to when it rose, microseconds; absent: it did not fall or not rise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_plane_convergence_us: Option<f64>,
    /// From the event to when its rate rose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_plane_data_plane_convergence_us: Option<f64>,
    /// What happened.
    pub events: Vec<OtgEvent>,
}

/// OTG's `Convergence.Event`.
#[derive(Debug, Serialize)]
pub struct OtgEvent {
    /// OTG's word.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// What it happened to.
    pub source: String,
    /// Nanoseconds since 1970.
    pub begin_timestamp_ns: u64,
    /// The same.
    pub end_timestamp_ns: u64,
}

/// A run in OTG's terms. Rates fall with the first packet lost and rise with the first delivered
/// after the last loss: no threshold has to be chosen where every packet is known.
pub fn otg(result: &RunResult) -> Otg {
    let flows = result.flows.len().max(1);
    let each = result.transitions.iter().zip(result.outages.chunks(flows));
    Otg {
        transitions: each
            .map(|(transition, outages)| OtgTransition {
                label: transition.label.clone(),
                transition: transition.transition,
                convergence_metrics: outages.iter().map(|o| metric(transition, o)).collect(),
            })
            .collect(),
    }
}

fn metric(transition: &TransitionResult, outage: &Outage) -> ConvergenceMetric {
    let name = format!("{}.{}", outage.probe, outage.from);
    let zero = transition
        .realtime_ns
        .unwrap_or(transition.convergence_event_instant_ns);
    let at = |ms: f64| zero.saturating_add_signed((ms * 1e6) as i64);
    let event = |kind, source: &str, (begin, end): (f64, f64)| OtgEvent {
        kind,
        source: source.to_owned(),
        begin_timestamp_ns: at(begin),
        end_timestamp_ns: at(end),
    };
    let bracket = (-transition.plus_minus_ms, transition.plus_minus_ms);
    let mut events = vec![event(word(transition), &transition.target, bracket)];
    let fell = outage.loss_periods.first().map(|period| period.start_ms);
    let rose = fell.and(outage.phases_ms.recovered);
    if let Some(fell) = fell {
        let below = "flow_rx_rate_below_threshold";
        events.push(event(below, &name, (fell, fell)));
    }
    if let Some(rose) = rose {
        let above = "flow_rx_rate_above_threshold";
        events.push(event(above, &name, (rose, rose)));
    }
    ConvergenceMetric {
        data_plane_convergence_us: fell.zip(rose).map(|(fell, rose)| (rose - fell) * 1e3),
        control_plane_data_plane_convergence_us: rose.map(|rose| rose * 1e3),
        name,
        events,
    }
}

/// OTG knows links and routes.
fn word(transition: &TransitionResult) -> &'static str {
    let is_route = matches!(
        transition.fault.as_str(),
        "bgp-shutdown" | "kill" | "freeze"
    );
    match (is_route, transition.transition) {
        (false, Transition::Initial) => "link_down",
        (false, Transition::Reversion) => "link_up",
        (true, Transition::Initial) => "route_withdraw",
        (true, Transition::Reversion) => "route_advertise",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::measure::{measure, tests::lab};

    #[test]
    fn a_silent_cut_in_otgs_terms() {
        let result = measure(&lab::clean_silent_cut(false));
        let told = otg(&result);
        assert_eq!(told.transitions.len(), 2);
        let cut = &told.transitions[0].convergence_metrics[0];
        assert_eq!(cut.name, "app.app");
        let total = cut.control_plane_data_plane_convergence_us.unwrap();
        let data = cut.data_plane_convergence_us.unwrap();
        assert_eq!(total, result.outages[0].phases_ms.recovered.unwrap() * 1e3);
        assert!((data - 742_000.0).abs() < 1_500.0, "{data}");
        let kinds: Vec<&str> = cut.events.iter().map(|event| event.kind).collect();
        assert_eq!(
            kinds,
            [
                "link_down",
                "flow_rx_rate_below_threshold",
                "flow_rx_rate_above_threshold"
            ]
        );
        // Without loss there is nothing to converge from.
        let back = &told.transitions[1].convergence_metrics[0];
        assert_eq!(back.data_plane_convergence_us, None);
        assert_eq!(back.events.len(), 1);
    }
}
