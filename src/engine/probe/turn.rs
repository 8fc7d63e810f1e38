//! Which of a service's endpoints a flow goes to, or comes from, at the moment.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::{
    engine::sink::EventSink,
    lab::plan::ServiceTarget,
    results::event::{EventKind, MonoNs},
    units::{NodeName, ProbeName},
};

/// One probe's choice of endpoints, shared by its two flows: the client's resolver says where it
/// sends to, the receivers at the endpoints where that arrives, and so from where it is answered.
#[derive(Debug)]
pub(super) struct Turns {
    probe: ProbeName,
    service: NodeName,
    pub(super) endpoints: Vec<ServiceTarget>,
    /// Where the client sends to.
    used: AtomicUsize,
    /// Where its packets arrive; `usize::MAX`: none has yet.
    serving: AtomicUsize,
    /// The sequence number after the newest that has arrived anywhere.
    newest: AtomicU32,
}

impl Turns {
    pub(super) fn new(probe: ProbeName, service: NodeName, endpoints: Vec<ServiceTarget>) -> Self {
        Self {
            probe,
            service,
            endpoints,
            used: AtomicUsize::new(0),
            serving: AtomicUsize::new(usize::MAX),
            newest: AtomicU32::new(0),
        }
    }

    /// The client uses this endpoint from now on; true when it is another one.
    pub(super) fn turn_to(&self, endpoint: usize) -> bool {
        self.used.swap(endpoint, Ordering::Relaxed) != endpoint
    }

    /// The endpoint the client sends to.
    pub(super) fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// The endpoint that answers the client: the one that heard it last, at first the first.
    pub(super) fn serving(&self) -> usize {
        match self.serving.load(Ordering::Relaxed) {
            usize::MAX => 0,
            at => at,
        }
    }

    /// Packet `seq` of the client arrived at `endpoint`; a late one of an older path says
    /// nothing. Called by the one receiving thread.
    pub(super) fn heard(&self, endpoint: usize, seq: u32, at: MonoNs, sink: &EventSink) {
        if seq.saturating_add(1) <= self.newest.load(Ordering::Relaxed) {
            return;
        }
        self.newest.store(seq.saturating_add(1), Ordering::Relaxed);
        if self.serving.swap(endpoint, Ordering::Relaxed) == endpoint {
            return;
        }
        if let Some(target) = self.endpoints.get(endpoint) {
            sink.at(
                at,
                EventKind::Served {
                    probe: self.probe.to_string(),
                    service: self.service.to_string(),
                    endpoint: target.host.to_string(),
                },
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns() -> Turns {
        let target = |host: &str, address: &str| ServiceTarget {
            host: NodeName::new(host).unwrap(),
            address: address.parse().unwrap(),
        };
        Turns::new(
            ProbeName::new("shop").unwrap(),
            NodeName::new("shop.example.com").unwrap(),
            vec![
                target("east.web", "10.1.0.10"),
                target("west.web", "10.2.0.10"),
            ],
        )
    }

    #[test]
    fn who_heard_the_client_last_answers_and_a_late_packet_changes_nothing() {
        let (turns, (sink, events)) = (turns(), EventSink::pair());
        assert_eq!(turns.serving(), 0);
        for (endpoint, seq) in [(0, 0), (0, 1), (1, 5), (0, 4), (1, 6)] {
            turns.heard(endpoint, seq, 9, &sink);
        }
        assert_eq!(turns.serving(), 1);
        let told: Vec<String> = events
            .try_iter()
            .filter_map(|event| {
                if let EventKind::Served { endpoint, .. } = event.kind {
                    Some(endpoint)
                } else {
                    None
                }
            })
            .collect();
        assert_eq!(told, ["east.web", "west.web"]);
    }

    #[test]
    fn a_turn_is_news_once() {
        let turns = turns();
        assert!(!turns.turn_to(0));
        assert!(turns.turn_to(1));
        assert!(!turns.turn_to(1));
        assert_eq!(turns.used(), 1);
    }
}
