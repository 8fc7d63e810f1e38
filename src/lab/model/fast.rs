//! A lab whose timers run faster: `--fast`, by the factor that its file declares.
//!
//! The file has the true timers and is checked with them, so AWS's least values scale with
//! everything else. What a protocol cannot say on the wire, and what one host cannot keep, is not
//! scaled that far, and a note says so. Delays, rates and losses stay as they are.

use super::{
    BgpTimers, Bounds, Daemon, Dpd, Expect, Ipsec, Lab, LoadExpect, Service, ServiceBy, Session,
    SessionKind, Step, StepKind, Survives, VpnKind,
};
use crate::units::{BfdConfig, Span};

/// BGP's least hold time (RFC 4271 §4.2), and with it the least of everything in whole seconds.
const LEAST_HOLD: Span = Span::from_secs(3);
const SECOND: Span = Span::from_secs(1);
/// A third of a second for three packets: below it a busy host decides, not the protocol.
const LEAST_BFD: Span = Span::from_millis(100);
/// What is waited for comes with the slowest timer, which is never below [`LEAST_HOLD`], and
/// takes this much in delays and work.
const LEAST_BOUND: Span = Span::from_secs(4);

/// A health check has to get there and back over any link of the lab.
const LEAST_CHECK: Span = Span::from_millis(250);

/// How many times faster timers run than their file says; at least 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Factor(u32);

/// What every output says of a lab whose timers run `factor` times faster.
pub fn scaled_words(factor: u32) -> String {
    format!("timers scaled 1:{factor} (--fast)")
}

impl Factor {
    /// Greatest factor: of a hold time of 90 s hardly the least is left.
    pub const GREATEST: u64 = 30;

    /// A factor; `None` below 2.
    pub const fn new(factor: u32) -> Option<Self> {
        if factor < 2 { None } else { Some(Self(factor)) }
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// A duration, not below `least`, or below itself where it is less.
    fn of(self, span: Span, least: Span) -> Span {
        let exact = Span::from_nanos(span.as_nanos() / u64::from(self.0));
        exact.max(least.min(span))
    }

    /// The same in whole seconds, rounded up.
    fn whole(self, span: Span, least: Span) -> Span {
        let seconds = span.as_secs().div_ceil(u64::from(self.0));
        Span::from_secs(seconds).max(least.min(span))
    }

    /// BFD's intervals; the multiplier is a count.
    pub fn bfd(self, bfd: BfdConfig) -> BfdConfig {
        BfdConfig {
            min_tx: self.of(bfd.min_tx, LEAST_BFD),
            min_rx: self.of(bfd.min_rx, LEAST_BFD),
            multiplier: bfd.multiplier,
        }
    }

    /// A session's timers. A hold time keeps its least; keepalives, rounded down, stay at least
    /// as many to a hold time as they were.
    pub fn bgp(self, timers: BgpTimers) -> BgpTimers {
        let BgpTimers {
            hold,
            keepalive,
            connect_retry,
        } = timers;
        let seconds = keepalive.as_secs() / u64::from(self.0);
        BgpTimers {
            hold: self.whole(hold, LEAST_HOLD),
            keepalive: Span::from_secs(seconds).max(SECOND.min(keepalive)),
            connect_retry: self.whole(connect_retry, SECOND),
        }
    }

    /// How long is waited, or what is waited for may take.
    fn bound(self, span: Span) -> Span {
        self.of(span, LEAST_BOUND)
    }

    fn dpd(self, dpd: Dpd) -> Dpd {
        let delay = self.whole(dpd.delay, SECOND);
        let timeout = self.whole(dpd.timeout, SECOND);
        Dpd {
            delay,
            timeout: timeout.max(Span::from_nanos(delay.as_nanos() + SECOND.as_nanos())),
        }
    }
}

impl Lab {
    /// The same lab with its timers divided by the factor that it declares; `None` where it
    /// declares none.
    pub fn at_fast(&self) -> Option<Self> {
        let factor = self.fast?;
        // Everything that is a time is named here: whoever adds one decides what becomes of it.
        let Self {
            name,
            nodes,
            links,
            lags,
            sessions,
            routing,
            services,
            probes,
            load,
            scenario,
            expect,
            load_expect,
            survives,
            notes,
            fast,
            scaled: _,
        } = self.clone();
        let mut lab = Self {
            name,
            nodes,
            links,
            lags,
            sessions,
            routing,
            services,
            probes,
            load,
            scenario: scenario.into_iter().map(|step| factor.step(step)).collect(),
            expect: expect.into_iter().map(|one| factor.expect(one)).collect(),
            load_expect: load_expect
                .into_iter()
                .map(|one| factor.load_expect(one))
                .collect(),
            survives: survives
                .into_iter()
                .map(|one| Survives {
                    within: one.within.map(|span| factor.bound(span)),
                    ..one
                })
                .collect(),
            notes,
            fast,
            scaled: Some(factor),
        };
        for session in lab.sessions.values_mut() {
            factor.session(session);
        }
        for service in lab.services.values_mut() {
            factor.service(service);
        }
        let inexact = self.inexact(&lab, factor);
        lab.notes.extend(inexact);
        Some(lab)
    }

    /// What is not the file's value divided by the factor, in sentences.
    fn inexact(&self, fast: &Self, factor: Factor) -> Vec<String> {
        let mut notes = Vec::new();
        for ((name, before), after) in self.sessions.iter().zip(fast.sessions.values()) {
            let [before_hold, after_hold] = [before, after].map(|s| s.timers.map(|t| t.hold));
            let hold = before_hold.into_iter().zip(after_hold);
            let worst = hold.filter(|(before, after)| !factor.is_exact(*before, *after));
            if let Some((before, after)) = worst.max() {
                let becomes = match before == after {
                    true => "stays".to_owned(),
                    false => format!("becomes {after}"),
                };
                notes.push(format!(
                    "{name}: at 1:{} a hold time of {before} {becomes}: whole seconds, and at least {LEAST_HOLD} (RFC 4271 §4.2)",
                    factor.get()
                ));
            }
        }
        let bfd = self.sessions.values().zip(fast.sessions.values());
        let bfd = bfd.filter_map(|(before, after)| Some((before.bfd?, after.bfd?)));
        let clamped = |(before, after): ([BfdConfig; 2], [BfdConfig; 2])| {
            let ends = before.into_iter().zip(after);
            let mut ends = ends.map(|(b, a)| factor.is_exact(b.min_tx, a.min_tx));
            ends.any(|exact| !exact)
        };
        if bfd.into_iter().any(clamped) {
            notes.push(format!(
                "BFD's intervals are not scaled below {LEAST_BFD}: a busy host could not keep less"
            ));
        }
        for ((name, before), after) in self.services.iter().zip(fast.services.values()) {
            if let (ServiceBy::Dns(before), ServiceBy::Dns(after)) = (&before.by, &after.by)
                && !(factor.is_exact(before.check.interval, after.check.interval)
                    && after.ttl.checked_mul(factor.get()) == Some(before.ttl))
            {
                notes.push(format!(
                    "{name}: at 1:{} a check every {} and a TTL of {} s become {} and {} s: a TTL is whole seconds, and checks are at least {LEAST_CHECK} apart",
                    factor.get(), before.check.interval, before.ttl, after.check.interval, after.ttl
                ));
            }
        }
        for (name, node) in &self.nodes {
            if let Daemon::External(external) = &node.daemon
                && external.config.is_some()
            {
                notes.push(format!(
                    "{name} has a configuration of its own: its timers are as written there"
                ));
            }
        }
        notes
    }
}

impl Factor {
    fn is_exact(self, before: Span, after: Span) -> bool {
        after.as_nanos() * u64::from(self.0) == before.as_nanos()
    }

    fn session(self, session: &mut Session) {
        session.timers = session.timers.map(|timers| self.bgp(timers));
        session.bfd = session.bfd.map(|ends| ends.map(|bfd| self.bfd(bfd)));
        let restart = session.graceful_restart;
        session.graceful_restart = restart.map(|ends| ends.map(|time| self.whole(time, SECOND)));
        if let SessionKind::Vpn(vpn) = &mut session.kind
            && let VpnKind::Ipsec(ipsec) = &mut vpn.implementation
        {
            self.ipsec(ipsec);
        }
    }

    fn service(self, service: &mut Service) {
        let ServiceBy::Dns(dns) = &mut service.by else {
            return;
        };
        dns.ttl = dns.ttl.div_ceil(self.0);
        dns.check.interval = self.of(dns.check.interval, LEAST_CHECK);
        dns.check.timeout = self.of(dns.check.timeout, LEAST_CHECK);
    }

    fn ipsec(self, ipsec: &mut Ipsec) {
        ipsec.dpd = self.dpd(ipsec.dpd);
        ipsec.child_lifetime = self.whole(ipsec.child_lifetime, SECOND);
        let after_child = Span::from_nanos(ipsec.child_lifetime.as_nanos() + SECOND.as_nanos());
        ipsec.ike_lifetime = self.whole(ipsec.ike_lifetime, SECOND).max(after_child);
    }

    fn step(self, step: Step) -> Step {
        let kind = match step.kind {
            StepKind::WaitRecovered { probe, within } => StepKind::WaitRecovered {
                probe,
                within: self.bound(within),
            },
            StepKind::Sleep(span) => StepKind::Sleep(self.bound(span)),
            kind @ (StepKind::Fault { .. } | StepKind::Restore { .. }) => kind,
        };
        Step { kind, ..step }
    }

    fn expect(self, expect: Expect) -> Expect {
        Expect {
            outage_max: expect.outage_max.map(|span| self.bound(span)),
            ..expect
        }
    }

    /// A stall is as long as an outage, and what TCP adds to it.
    fn load_expect(self, expect: LoadExpect) -> LoadExpect {
        LoadExpect {
            stall: expect.stall.map(|stall| Bounds {
                at_least: stall.at_least.map(|span| self.of(span, Span::ZERO)),
                at_most: stall.at_most.map(|span| self.bound(span)),
            }),
            ..expect
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn timers(hold: u64, keepalive: u64) -> BgpTimers {
        BgpTimers {
            hold: Span::from_secs(hold),
            keepalive: Span::from_secs(keepalive),
            connect_retry: SECOND,
        }
    }

    #[test]
    fn awss_timers_at_one_to_ten() {
        let ten = Factor::new(10).unwrap();
        assert_eq!(ten.bgp(timers(90, 30)), timers(9, 3));
        assert_eq!(ten.bgp(timers(30, 10)), timers(3, 1));
        // As fast as BGP can be already, or rounded to what it can say.
        assert_eq!(ten.bgp(timers(3, 1)), timers(3, 1));
        assert_eq!(ten.bgp(timers(35, 11)), timers(4, 1));
        assert_eq!(ten.bgp(timers(0, 0)), timers(0, 0));
        let dpd = Dpd {
            delay: Span::from_secs(10),
            timeout: Span::from_secs(30),
        };
        let fast = ten.dpd(dpd);
        assert_eq!((fast.delay.as_secs(), fast.timeout.as_secs()), (1, 3));
    }

    #[test]
    fn bounds_leave_room_for_the_least_hold_time() {
        let ten = Factor::new(10).unwrap();
        let bound = |ms| ten.bound(Span::from_millis(ms)).as_millis();
        assert_eq!(bound(95_000), 9_500);
        assert_eq!(bound(35_000), 4_000);
        assert_eq!(bound(1_200), 1_200);
    }

    #[test]
    fn a_factor_of_one_is_none() {
        assert_eq!(Factor::new(1), None);
        assert_eq!(Factor::new(0), None);
    }

    proptest! {
        /// What scaling makes of timers that the file's reader takes, it would take as well.
        #[test]
        fn scaled_timers_are_valid_and_never_slower(
            factor in 2_u32..=30, hold in 3_u64..=65_535, share in 1_u64..=1000,
            delay in 1_u64..=600, patience in 1_u64..=600, tx in 10_u64..=60_000,
        ) {
            let factor = Factor::new(factor).unwrap();
            let keepalive = (hold * share / 1001).max(1);
            let fast = factor.bgp(timers(hold, keepalive));
            prop_assert!(fast.hold >= LEAST_HOLD && fast.hold <= Span::from_secs(hold));
            prop_assert!(fast.keepalive >= SECOND && fast.keepalive < fast.hold);
            let dpd = factor.dpd(Dpd {
                delay: Span::from_secs(delay),
                timeout: Span::from_secs(delay + patience),
            });
            prop_assert!(dpd.timeout > dpd.delay && dpd.delay >= SECOND);
            let tx = Span::from_millis(tx);
            let bfd = factor.bfd(BfdConfig { min_tx: tx, min_rx: tx, multiplier: 3 });
            prop_assert!(bfd.min_tx <= tx && bfd.min_tx >= tx.min(LEAST_BFD));
        }
    }
}
