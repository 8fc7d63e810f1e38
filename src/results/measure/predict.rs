//! What timers predict for the detection of a silent cut at a random instant.

use super::{
    goodness,
    input::{BgpTiming, LagInput, SessionInput},
    result::{Prediction, Spacing},
};
use crate::units::Percent;

/// Detection as [`timers`] have it, with how it spreads.
pub fn detection(
    session: &SessionInput,
    node: &str,
    delay_ns: u64,
    by_bfd: bool,
) -> Option<Prediction> {
    let mut prediction = timers(session, node, delay_ns, by_bfd)?;
    prediction.quantiles = goodness::quantiles(&prediction);
    Some(prediction)
}

/// Detection at `node`, an end of `session`, whose packets come from the peer over a link with
/// this one-way delay. `None` when the timer in question is not running.
///
/// BFD (RFC 5880 §6.8.4): the interval is the larger of what the peer wants to send and `node`
/// wants to receive, times the peer's multiplier, counted from the last packet received, which
/// left the peer up to one interval before the cut. The hold timer likewise, with keepalives at
/// a third of it (RFC 4271 §4.4); some daemons jitter the hold timer as well.
fn timers(session: &SessionInput, node: &str, delay_ns: u64, by_bfd: bool) -> Option<Prediction> {
    let here = session.nodes.iter().position(|n| n == node)?;
    let ms = |ns: u64| ns as f64 / 1e6;
    let keepalive = |hold: f64| keepalive_ms(session, 1 - here, hold);
    let hold = hold_ms(session).map(|hold| (hold - keepalive(hold), hold + ms(delay_ns)));
    if by_bfd {
        let [a, b] = session.bfd.as_ref()?;
        let (own, peer) = if here == 0 { (a, b) } else { (b, a) };
        let interval = peer.min_tx.as_nanos().max(own.min_rx.as_nanos());
        let times = u64::from(peer.multiplier);
        return Some(Prediction {
            by: "bfd".to_owned(),
            timers: format!("{} ms x {times}", ms(interval)),
            min_ms: ms(interval * times.saturating_sub(1)),
            max_ms: ms(interval * times + delay_ns),
            delay_ms: ms(delay_ns),
            without_bfd_ms: hold,
            spread: None,
            quantiles: None,
        });
    }
    let (min_ms, max_ms) = hold?;
    let hold_ms = hold_ms(session)?;
    let own = session.timing.get(here).copied().flatten();
    let peer = session.timing.get(1 - here).copied().flatten();
    let spread = own
        .zip(peer)
        .map(|(own, peer)| hold_spread((hold_ms, keepalive(hold_ms)), own, peer));
    Some(Prediction {
        by: "hold".to_owned(),
        timers: format!("hold {} s", hold_ms / 1000.0),
        min_ms: min_ms - spread.map_or(0.0, |spread| spread.timeout_jitter_ms),
        max_ms,
        delay_ms: ms(delay_ns),
        without_bfd_ms: None,
        spread,
        quantiles: None,
    })
}

/// The spread of a hold timer at a speaker that times like `own` and hears keepalives of `peer`.
fn hold_spread((hold_ms, interval_ms): (f64, f64), own: BgpTiming, peer: BgpTiming) -> Spacing {
    let share = |share: Percent| f64::from(share.millionths()) / 1e6;
    Spacing {
        interval_ms,
        interval_jitter_ms: interval_ms * share(peer.keepalive_jitter),
        timeout_jitter_ms: hold_ms * share(own.hold_jitter),
    }
}

/// Detection by LACP at `node`, an end of `lag`, of a member that fell silent: its timeout after
/// the last LACPDU, which left the partner up to one interval before the cut.
pub(super) fn lacp(lag: &LagInput, node: &str, delay_ns: u64) -> Option<Prediction> {
    let here = lag.ends.iter().position(|end| end == node)?;
    let rate = *lag.lacp.get(here)?;
    let ms = |ns: u64| ns as f64 / 1e6;
    let (timeout, interval) = (rate.timeout().as_nanos(), rate.interval().as_nanos());
    Some(Prediction {
        by: "lacp".to_owned(),
        timers: format!("LACP {rate}"),
        min_ms: ms(timeout - interval),
        max_ms: ms(timeout + delay_ns),
        delay_ms: ms(delay_ns),
        without_bfd_ms: None,
        spread: None,
        quantiles: None,
    })
}

/// Time between keepalives of the end at `position`, without jitter: its own, and at most a third
/// of the hold time.
fn keepalive_ms(session: &SessionInput, position: usize, hold_ms: f64) -> f64 {
    let own = session
        .keepalive
        .as_ref()
        .and_then(|ends| ends.get(position));
    let own = own.map_or(f64::INFINITY, |own| own.as_nanos() as f64 / 1e6);
    own.min(hold_ms / 3.0)
}

/// The negotiated hold time: the smaller offer; zero turns the timer off.
fn hold_ms(session: &SessionInput) -> Option<f64> {
    let [a, b] = session.hold;
    Some(a.min(b).as_nanos() as f64 / 1e6).filter(|&ms| ms > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{BfdConfig, LacpRate, Span};

    fn session(bfd: Option<[(u64, u64, u8); 2]>, hold: [u64; 2]) -> SessionInput {
        SessionInput {
            name: "prod".to_owned(),
            kind: "private-vif".to_owned(),
            over: "circuit".to_owned(),
            vlan: None,
            nodes: ["dc1".to_owned(), "east".to_owned()],
            modelled: false,
            bfd: bfd.map(|ends| {
                ends.map(|(tx, rx, multiplier)| BfdConfig {
                    min_tx: Span::from_millis(tx),
                    min_rx: Span::from_millis(rx),
                    multiplier,
                })
            }),
            hold: hold.map(Span::from_secs),
            keepalive: None,
            timing: [None, None],
        }
    }

    #[test]
    fn three_hundred_by_three_predicts_six_hundred_to_nine_hundred_plus_delay() {
        let session = session(Some([(300, 300, 3); 2]), [90, 90]);
        let p = detection(&session, "dc1", 4_000_000, true).unwrap();
        assert_eq!((p.min_ms, p.max_ms), (600.0, 904.0));
        assert_eq!(p.timers, "300 ms x 3");
        assert_eq!(p.without_bfd_ms, Some((60_000.0, 90_004.0)));
    }

    /// Against 200,000 simulated cuts: BFD 300 ms x 3 detects after 644, 769 and 887 ms at 5, 50
    /// and 95 %, a hold time of 90 s with jittered keepalives after 64.4, 76.9 and 88.7 s.
    #[test]
    fn the_spread_is_that_of_simulated_cuts() {
        let by_bfd = session(Some([(300, 300, 3); 2]), [90, 90]);
        let by_hold = session(None, [90, 90]);
        for (session, by_bfd, expected, tolerance) in [
            (by_bfd, true, [644.0, 769.0, 887.0], 1.0),
            (by_hold, false, [64_400.0, 76_900.0, 88_700.0], 100.0),
        ] {
            let q = detection(&session, "dc1", 0, by_bfd)
                .unwrap()
                .quantiles
                .unwrap();
            for (found, expected) in [q.p5_ms, q.p50_ms, q.p95_ms].into_iter().zip(expected) {
                assert!((found - expected).abs() <= tolerance, "{found} {expected}");
            }
        }
    }

    /// One end jitters keepalives and hold timer, the other neither.
    #[test]
    fn a_hold_timer_spreads_by_its_own_daemon_and_the_peers_keepalives() {
        let quarter: Percent = "25%".parse().unwrap();
        let timing = |share| BgpTiming {
            keepalive_jitter: share,
            hold_jitter: share,
        };
        let session = SessionInput {
            timing: [Some(timing(quarter)), Some(timing(Percent::default()))],
            ..session(None, [3, 3])
        };
        let at = |node| detection(&session, node, 4_000_000, false).unwrap();
        let (dc1, east) = (at("dc1"), at("east"));
        assert_eq!((dc1.min_ms, dc1.max_ms), (1_250.0, 3_004.0));
        assert_eq!((east.min_ms, east.max_ms), (2_000.0, 3_004.0));
        let spread = |p: &Prediction| {
            let s = p.spread.unwrap();
            (s.interval_ms, s.interval_jitter_ms, s.timeout_jitter_ms)
        };
        assert_eq!(spread(&dc1), (1_000.0, 0.0, 750.0));
        assert_eq!(spread(&east), (1_000.0, 250.0, 0.0));
        let median = dc1.quantiles.unwrap().p50_ms;
        assert!((median - 2_129.0).abs() < 2.0, "{median}");
    }

    #[test]
    fn each_end_detects_by_its_own_negotiated_interval_and_its_peers_multiplier() {
        let session = session(Some([(100, 50, 5), (300, 200, 3)]), [90, 90]);
        let at_dc1 = detection(&session, "dc1", 0, true).unwrap();
        assert_eq!((at_dc1.min_ms, at_dc1.max_ms), (600.0, 900.0));
        let at_east = detection(&session, "east", 0, true).unwrap();
        assert_eq!((at_east.min_ms, at_east.max_ms), (800.0, 1000.0));
    }

    #[test]
    fn a_silent_member_is_missed_after_three_lacpdus_at_this_ends_rate() {
        let lag = LagInput {
            name: "dx".to_owned(),
            links: vec!["c1".to_owned(), "c2".to_owned()],
            ends: ["dc1".to_owned(), "east".to_owned()],
            lacp: [LacpRate::Fast, LacpRate::Slow],
        };
        let at = |node| lacp(&lag, node, 4_000_000);
        let at_dc1 = at("dc1").unwrap();
        assert_eq!((at_dc1.min_ms, at_dc1.max_ms), (2_000.0, 3_004.0));
        assert_eq!(
            (at_dc1.by.as_str(), at_dc1.timers.as_str()),
            ("lacp", "LACP fast")
        );
        let at_east = at("east").unwrap();
        assert_eq!((at_east.min_ms, at_east.max_ms), (60_000.0, 90_004.0));
        assert_eq!(at("vgw"), None);
    }

    #[test]
    fn the_smaller_hold_time_counts_and_zero_never_expires() {
        let p = detection(&session(None, [30, 90]), "east", 0, false).unwrap();
        assert_eq!((p.min_ms, p.max_ms), (20_000.0, 30_000.0));
        assert_eq!(p.timers, "hold 30 s");
        assert_eq!(detection(&session(None, [0, 90]), "east", 0, false), None);
        assert_eq!(detection(&session(None, [30, 30]), "east", 0, true), None);
        assert_eq!(detection(&session(None, [30, 30]), "vgw", 0, false), None);
    }
}
