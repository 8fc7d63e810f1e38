//! What a direction to or from a service waited for, where not routing but the choice of the
//! endpoint ended the outage: health checks, the answer, the TTL, the first packet there.

use super::{
    flow::FlowView,
    input::{DnsInput, ServiceInput, Transition},
    outage::Scene,
    phases::{SLACK_NS, Story},
    result::{CriticalStep, DnsShare, Phases, Prediction},
    ways::Ways,
    window::Window,
};
use crate::results::event::{Event, EventKind, MonoNs};

/// The story of a flow whose client moved to another endpoint, or is answered from one; `None`
/// where it did not.
pub(super) fn tell(
    scene: &Scene<'_>,
    view: &FlowView<'_>,
    window: &Window,
    ways: &Ways,
) -> Option<Story> {
    let map = scene.map;
    let service = map
        .service(&view.log.to)
        .or_else(|| map.service(&view.log.from))?;
    let settled = ways.settled();
    let limit = settled.unwrap_or(window.end) + SLACK_NS;
    let told = Told {
        events: scene.events,
        window,
        service,
        probe: &view.log.probe,
        limit,
    };
    let moved = told.moved();
    let answers_from = map.service(&view.log.from).and_then(|_| told.served());
    if moved.is_none() && answers_from.is_none() {
        return None;
    }
    let mut story = Story::default();
    if let (Some(moved), Some(dns)) = (moved, &service.dns) {
        told.explain(moved, dns, &mut story);
        let delay: u64 = ways.before.iter().map(|h| map.declared_delay_ns(h)).sum();
        story.predicted = predict(window, dns, delay);
    }
    if let Some((at, endpoint)) = answers_from {
        story
            .critical
            .push(told.step(at, endpoint, "hears the client"));
    }
    if let Some(at) = settled {
        let what = match ways.recovered {
            Some(_) => "first delivered send",
            None => "first send on the new path",
        };
        story.critical.push(told.step(at, &view.log.from, what));
        story.phases.recovered = Some(window.ms(at));
        if let Some(share) = &mut story.dns {
            let until = share.health_check_ms + share.ttl_ms;
            share.delivery_ms = Some(window.ms(at) - until);
        }
    }
    Some(story)
}

/// The journal, asked about one service in one transition.
struct Told<'a> {
    events: &'a [Event],
    window: &'a Window,
    service: &'a ServiceInput,
    probe: &'a str,
    limit: MonoNs,
}

impl<'a> Told<'a> {
    fn since(&self) -> impl DoubleEndedIterator<Item = &'a Event> {
        let (from, limit) = (self.window.before, self.limit);
        let start = self.events.partition_point(|event| event.at < from);
        let end = self.events.partition_point(|event| event.at <= limit);
        self.events.get(start..end).unwrap_or_default().iter()
    }

    /// When the client turned to another endpoint for the last time, who it is and where to.
    fn moved(&self) -> Option<(MonoNs, &'a str, &'a str)> {
        self.since().rev().find_map(|event| match &event.kind {
            EventKind::Resolved {
                probe,
                node,
                endpoint,
                moved: true,
                ..
            } if probe == self.probe => Some((event.at, node.as_str(), endpoint.as_str())),
            _ => None,
        })
    }

    /// When the client's packets first arrived at the endpoint where they last did.
    fn served(&self) -> Option<(MonoNs, &'a str)> {
        self.since().rev().find_map(|event| match &event.kind {
            EventKind::Served {
                probe, endpoint, ..
            } if probe == self.probe => Some((event.at, endpoint.as_str())),
            _ => None,
        })
    }

    fn explain(
        &self,
        (moved, client, to): (MonoNs, &str, &str),
        dns: &DnsInput,
        story: &mut Story,
    ) {
        let here = |name: &str| name.eq_ignore_ascii_case(&self.service.name);
        let answer = self
            .since()
            .rev()
            .filter(|event| event.at <= moved)
            .find(|event| {
                matches!(&event.kind, EventKind::DnsAnswer { name, endpoint, .. }
                    if here(name) && endpoint == to)
            });
        // Otherwise the answer was so before the transition, and only its age was waited for.
        let answered = answer.map_or(self.window.before, |event| event.at);
        let verdict = self
            .since()
            .rev()
            .filter(|event| event.at <= answered)
            .find_map(|event| match &event.kind {
                EventKind::HealthCheck {
                    name,
                    endpoint,
                    passed,
                    in_a_row,
                    threshold,
                    ..
                } if here(name) && in_a_row == threshold => {
                    Some((event.at, endpoint, *passed, *in_a_row))
                }
                _ => None,
            });
        if let Some((at, endpoint, passed, times)) = verdict {
            let word = if passed { "passed" } else { "failed" };
            let what = format!("health check of {endpoint} {word} {times}x");
            story.critical.push(self.step(at, &dns.server, &what));
            story.phases.detected = Some(self.window.ms(at));
        }
        if let Some(answer) = answer {
            let what = format!("answers {to}");
            story
                .critical
                .push(self.step(answer.at, &dns.server, &what));
        }
        let what = format!("re-resolved: {to}");
        story.critical.push(self.step(moved, client, &what));
        story.phases = Phases {
            updated: Some(self.window.ms(moved)),
            ..story.phases
        };
        let waited = self.window.ms(answered).max(0.0);
        story.dns = Some(DnsShare {
            name: self.service.name.clone(),
            health_check_ms: waited,
            ttl_ms: self.window.ms(moved) - waited,
            delivery_ms: None,
        });
    }

    fn step(&self, at: MonoNs, node: &str, what: &str) -> CriticalStep {
        CriticalStep {
            at_ms: self.window.ms(at),
            node: node.to_owned(),
            what: what.to_owned(),
        }
    }
}

/// From a silent cut at a random instant to the verdict: of the checks that fail the first begins
/// up to an interval after the cut (or was on its way already), the last ends at the latest with
/// its timeout, and where a router says that there is no way, at once.
fn predict(window: &Window, dns: &DnsInput, delay_ns: u64) -> Option<Prediction> {
    let is_silent = matches!(window.fault.as_str(), "silent" | "one-way" | "node");
    if window.transition != Transition::Initial || !is_silent {
        return None;
    }
    let check = dns.check;
    let interval = check.interval.as_millis_f64();
    let round_trip = delay_ns as f64 * 2.0 / 1e6;
    let least = interval * f64::from(check.threshold.saturating_sub(1)) - round_trip;
    let most = interval * f64::from(check.threshold) + check.timeout.as_millis_f64();
    Some(Prediction {
        by: "dns".to_owned(),
        timers: format!(
            "check every {} x {}, before a TTL of {} s,",
            check.interval, check.threshold, dns.ttl_s
        ),
        min_ms: least.max(0.0),
        max_ms: most + round_trip,
        delay_ms: round_trip,
        without_bfd_ms: None,
        spread: None,
        quantiles: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{HealthCheck, Span};

    #[test]
    fn three_checks_every_ten_seconds_predict_twenty_to_forty() {
        let window = |fault: &str| Window {
            transition: Transition::Initial,
            label: "cut".to_owned(),
            fault: fault.to_owned(),
            target: "to-east".to_owned(),
            links: Vec::new(),
            nodes: Vec::new(),
            before: 0,
            after: 0,
            end: 0,
        };
        let dns = DnsInput {
            server: "route53".to_owned(),
            ttl_s: 60,
            check: HealthCheck {
                interval: Span::from_secs(10),
                threshold: 3,
                timeout: Span::from_secs(10),
            },
        };
        let predicted = predict(&window("silent"), &dns, 15_000_000).unwrap();
        assert_eq!((predicted.min_ms, predicted.max_ms), (19_970.0, 40_030.0));
        assert_eq!(predict(&window("degrade"), &dns, 0), None);
    }
}
