//! The names served, and what is answered now.

use super::{
    health::{Health, Verdict},
    message,
};
use crate::units::{FailoverRecord, RecordEndpoint};

/// Names with their endpoints' health.
#[derive(Debug, Clone)]
pub struct Zone {
    records: Vec<(FailoverRecord, [Health; 2])>,
}

impl Zone {
    /// These names, of whose endpoints nothing is known yet.
    pub fn new(records: Vec<FailoverRecord>) -> Self {
        let with_health = |record: FailoverRecord| {
            let health = [0, 1].map(|_| Health::new(record.check.threshold));
            (record, health)
        };
        Self {
            records: records.into_iter().map(with_health).collect(),
        }
    }

    /// The names.
    pub fn records(&self) -> impl Iterator<Item = &FailoverRecord> {
        self.records.iter().map(|(record, _)| record)
    }

    /// The health of endpoint `side` of record `at`.
    pub fn health(&self, at: usize, side: usize) -> Option<&Health> {
        self.records.get(at)?.1.get(side)
    }

    /// Takes note of a check of endpoint `side` of record `at`; true when the verdict changed.
    pub fn handle_check(&mut self, at: usize, side: usize, passed: bool) -> bool {
        let health = self.records.get_mut(at);
        let health = health.and_then(|(_, health)| health.get_mut(side));
        health.is_some_and(|health| health.handle_check(passed))
    }

    /// Which endpoint record `at` answers with now. With neither healthy Route 53 takes all
    /// for healthy, which leaves the primary.
    pub fn chosen(&self, at: usize) -> Option<&RecordEndpoint> {
        let (record, [primary, secondary]) = self.records.get(at)?;
        let is_down = |health: &Health| health.verdict() == Verdict::Unhealthy;
        let [first, second] = &record.endpoints;
        Some(if is_down(primary) && !is_down(secondary) {
            second
        } else {
            first
        })
    }

    /// The answer to a message; `None`: it deserves none.
    pub fn respond(&self, query: &[u8]) -> Option<Vec<u8>> {
        message::respond(query, |name| {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            let at = self.records.iter().position(|(r, _)| r.name == name)?;
            let (record, _) = self.records.get(at)?;
            Some((record.ttl, self.chosen(at)?.addresses.as_slice()))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::{
        super::message::{AnswerError, query, read_answer},
        *,
    };
    use crate::units::{Family, HealthCheck, NodeName, Span};

    const NAME: &str = "shop.example.com";

    fn zone() -> Zone {
        let endpoint = |host: &str, v4: &str, v6: Option<&str>| RecordEndpoint {
            host: NodeName::new(host).unwrap(),
            addresses: [Some(v4), v6]
                .into_iter()
                .flatten()
                .map(|a| a.parse().unwrap())
                .collect(),
            target: format!("{v4}:80").parse().unwrap(),
        };
        Zone::new(vec![FailoverRecord {
            name: NAME.to_owned(),
            ttl: 60,
            check: HealthCheck {
                interval: Span::from_secs(10),
                threshold: 3,
                timeout: Span::from_secs(4),
            },
            endpoints: [
                endpoint("east.web", "10.1.0.10", Some("2001:db8:1::10")),
                endpoint("west.web", "10.2.0.10", None),
            ],
        }])
    }

    fn ask(zone: &Zone, name: &str, family: Family) -> Result<(IpAddr, u32), AnswerError> {
        let question = query(7, name, family).unwrap();
        read_answer(&zone.respond(&question).unwrap(), 7, name, family)
    }

    fn fail(zone: &mut Zone, side: usize) {
        for _ in 0..3 {
            zone.handle_check(0, side, false);
        }
    }

    #[test]
    fn the_primary_answers_until_it_is_unhealthy_then_the_secondary() {
        let mut zone = zone();
        let v4 = |zone: &Zone| ask(zone, NAME, Family::Ipv4Unicast).unwrap();
        assert_eq!(v4(&zone), ("10.1.0.10".parse().unwrap(), 60));
        zone.handle_check(0, 1, true);
        fail(&mut zone, 0);
        assert_eq!(v4(&zone), ("10.2.0.10".parse().unwrap(), 60));
        for _ in 0..3 {
            zone.handle_check(0, 0, true);
        }
        assert_eq!(v4(&zone).0, "10.1.0.10".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn with_neither_healthy_the_primary_answers() {
        let mut zone = zone();
        fail(&mut zone, 0);
        fail(&mut zone, 1);
        assert_eq!(zone.chosen(0).unwrap().host.as_str(), "east.web");
    }

    #[test]
    fn names_are_compared_without_case_and_unknown_ones_do_not_exist() {
        let zone = zone();
        assert!(ask(&zone, "SHOP.Example.Com", Family::Ipv4Unicast).is_ok());
        let v6 = ask(&zone, NAME, Family::Ipv6Unicast).unwrap();
        assert_eq!(v6.0, "2001:db8:1::10".parse::<IpAddr>().unwrap());
        assert_eq!(
            ask(&zone, "other.example.com", Family::Ipv4Unicast),
            Err(AnswerError::Code("NXDOMAIN".to_owned()))
        );
    }

    #[test]
    fn a_family_that_the_chosen_endpoint_lacks_is_an_empty_answer() {
        let mut zone = zone();
        fail(&mut zone, 0);
        assert_eq!(
            ask(&zone, NAME, Family::Ipv6Unicast),
            Err(AnswerError::Empty)
        );
    }

    #[test]
    fn noise_and_answers_get_no_answer() {
        let zone = zone();
        assert_eq!(zone.respond(b"noise"), None);
        let answer = zone.respond(&query(1, NAME, Family::Ipv4Unicast).unwrap());
        assert_eq!(zone.respond(&answer.unwrap()), None);
    }

    #[test]
    fn an_answer_to_another_question_is_refused() {
        let zone = zone();
        let answer = zone.respond(&query(1, NAME, Family::Ipv4Unicast).unwrap());
        let answer = answer.unwrap();
        let read = |id, name| read_answer(&answer, id, name, Family::Ipv4Unicast);
        assert_eq!(read(2, NAME), Err(AnswerError::Stray));
        assert_eq!(read(1, "a.example.com"), Err(AnswerError::Stray));
        assert!(read(1, NAME).is_ok());
    }
}
