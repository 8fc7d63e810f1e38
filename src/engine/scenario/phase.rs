//! When to cut. A cut in step with a timer always meets the same phase of it and
//! measures one number again and again, so the instant is uniform over the
//! slowest timer that detects the fault.

use std::time::Duration;

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::{
    lab::{
        model::{Fault, How},
        plan::{LagPlan, Medium, Plan, SessionPlan},
    },
    units::{BfdConfig, LinkName},
};

/// What nothing in the plan times: AWS's dead peer detection (30 s), and a repetition.
const UNANSWERED: Duration = Duration::from_secs(40);

/// Where a cut meets the timers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Anywhere.
    #[default]
    Random,
    /// Right behind a BFD packet: a cutter in step, to see that it is found out.
    BehindBfd,
}

/// Never wait longer than this for the sake of phase.
const LONGEST: Duration = Duration::from_secs(30);
/// Without any session there is still the probes' own interval to be out of step with.
const SHORTEST: Duration = Duration::from_millis(20);

/// How long to wait before applying `fault`.
pub(super) fn draw(plan: &Plan, fault: &Fault, rng: &mut impl Rng) -> Duration {
    let slowest = slowest_timer(plan, fault).clamp(SHORTEST, LONGEST);
    Duration::from_nanos(rng.random_range(0..slowest.as_nanos() as u64))
}

/// The longest interval among the timers that can notice the fault: BFD where it
/// runs, else keepalives, and LACP's.
fn slowest_timer(plan: &Plan, fault: &Fault) -> Duration {
    let lacp = plan.lags.iter().filter(|lag| loses_a_member(lag, fault));
    let lacp = lacp.flat_map(|lag| &lag.ends);
    let lacp = lacp.map(|end| end.lacp.interval().as_duration());
    let sessions = plan
        .sessions
        .iter()
        .filter(|session| concerns(plan, session, fault))
        .map(|session| match &session.bfd {
            Some(ends) => {
                let [a, b] = ends;
                a.min_tx
                    .max(b.min_rx)
                    .max(b.min_tx.max(a.min_rx))
                    .as_duration()
            }
            None => session
                .hold
                .iter()
                .min()
                .map_or(Duration::ZERO, |hold| hold.as_duration() / 3),
        });
    sessions
        .chain(lacp)
        .chain(names(plan))
        .max()
        .unwrap_or(Duration::ZERO)
}

/// How long what a fault takes may go unnoticed: BFD's detection time where it runs, else the
/// hold time, of every session that it concerns; those in tunnels over a link that it takes, too.
/// A fault that concerns none is noticed, if at all, by what the whole lab has.
pub(super) fn slowest_detection(plan: &Plan, fault: &Fault) -> Duration {
    let detection = |session: &SessionPlan| match &session.bfd {
        Some([a, b]) => {
            let heard = |of: &BfdConfig, by: &BfdConfig| {
                of.min_tx.max(by.min_rx).as_duration() * u32::from(of.multiplier)
            };
            heard(a, b).max(heard(b, a))
        }
        None => session
            .hold
            .iter()
            .map(|hold| hold.as_duration())
            .filter(|hold| !hold.is_zero())
            .min()
            .unwrap_or(UNANSWERED),
    };
    let underlay = |session: &&SessionPlan| {
        let Medium::Tunnel(name) = &session.over else {
            return false;
        };
        let mut tunnels = plan.tunnels.iter().filter(|tunnel| tunnel.tunnel == *name);
        tunnels.any(|tunnel| tunnel.underlay.iter().any(|link| hits(plan, fault, link)))
    };
    let all = plan.sessions.iter();
    let own: Vec<Duration> = all
        .clone()
        .filter(|session| concerns(plan, session, fault) || underlay(session))
        .map(detection)
        .collect();
    let sessions = match own.is_empty() {
        true => all.map(detection).max(),
        false => own.into_iter().max(),
    };
    let lacp = plan.lags.iter().filter(|lag| loses_a_member(lag, fault));
    let lacp = lacp
        .flat_map(|lag| &lag.ends)
        .map(|end| end.lacp.timeout().as_duration());
    let dns = plan
        .services
        .iter()
        .filter_map(|service| service.dns.as_ref());
    let dns = dns.map(|dns| {
        let checks = dns.check.interval.as_duration() * (dns.check.threshold + 1);
        checks + dns.check.timeout.as_duration() + Duration::from_secs(u64::from(dns.ttl))
    });
    // A tunnel with static routes has no session: its ends notice by themselves.
    let bare = plan.tunnels.iter().filter(|tunnel| {
        let carries = |session: &SessionPlan| {
            matches!(&session.over, Medium::Tunnel(name) if *name == tunnel.tunnel)
        };
        !plan.sessions.iter().any(carries)
    });
    let bare = bare.map(|_| UNANSWERED);
    sessions
        .into_iter()
        .chain(lacp)
        .chain(dns)
        .chain(bare)
        .max()
        .unwrap_or(Duration::ZERO)
}

/// Whether a fault takes this link.
fn hits(plan: &Plan, fault: &Fault, link: &LinkName) -> bool {
    match fault {
        Fault::Silent { link: name, .. }
        | Fault::Carrier { link: name, .. }
        | Fault::DropNumbered { link: name, .. }
        | Fault::Degrade { link: name, .. } => name == link || plan.links_of(name).contains(link),
        Fault::NodeDeath { links, .. } | Fault::Tagged { links, .. } => links.contains(link),
        Fault::BgpShutdown { .. }
        | Fault::Maintenance { .. }
        | Fault::Kill { .. }
        | Fault::Freeze { .. } => false,
    }
}

/// Health checks of names. What clients hold is of a random age by itself.
fn names(plan: &Plan) -> impl Iterator<Item = Duration> {
    let dns = plan
        .services
        .iter()
        .filter_map(|service| service.dns.as_ref());
    dns.map(|dns| dns.check.interval.as_duration())
}

/// Whether LACPDUs of the LAG vanish while its member's light stays on.
fn loses_a_member(lag: &LagPlan, fault: &Fault) -> bool {
    match fault {
        Fault::Silent { link, .. } => lag.links.contains(link) || lag.lag == *link,
        Fault::NodeDeath { node, .. } => lag.ends.iter().any(|end| end.node == *node),
        Fault::Tagged { how, links, .. } => {
            *how != How::Carrier && lag.links.iter().any(|link| links.contains(link))
        }
        Fault::Carrier { .. }
        | Fault::DropNumbered { .. }
        | Fault::BgpShutdown { .. }
        | Fault::Maintenance { .. }
        | Fault::Kill { .. }
        | Fault::Freeze { .. }
        | Fault::Degrade { .. } => false,
    }
}

pub(super) fn concerns(plan: &Plan, session: &SessionPlan, fault: &Fault) -> bool {
    let over = |link: &str| match &session.over {
        Medium::Link(name) => {
            name.as_str() == link || plan.links_of(name).iter().any(|l| l.as_str() == link)
        }
        Medium::Tunnel(name) => name.as_str() == link,
    };
    let at = |node: &str| session.ends.iter().any(|end| end.node.as_str() == node);
    match fault {
        Fault::Silent { link, .. }
        | Fault::Carrier { link, .. }
        | Fault::DropNumbered { link, .. }
        | Fault::Degrade { link, .. } => over(link.as_str()),
        Fault::BgpShutdown { session: name, .. } | Fault::Maintenance { tunnel: name, .. } => {
            let sessions = plan.sessions_of(name.as_str());
            sessions.iter().any(|hit| hit.session == session.session)
        }
        Fault::Kill { node } | Fault::Freeze { node } | Fault::NodeDeath { node, .. } => {
            at(node.as_str())
        }
        Fault::Tagged { links, nodes, .. } => {
            links.iter().any(|link| over(link.as_str()))
                || nodes.iter().any(|node| at(node.as_str()))
        }
    }
}
