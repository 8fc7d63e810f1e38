//! What one direction waited for: detection, the news by BGP, the FIB, the first packet through.

use std::net::IpAddr;

use super::{
    flow::FlowView,
    input::Transition,
    names,
    outage::Scene,
    predict,
    result::{CriticalStep, DnsShare, Hop, Phases, Prediction},
    ways::Ways,
    window::Window,
};
use crate::{
    lab::model::is_tunnel_of,
    results::event::{EventKind, MonoNs},
};

/// Observers on different threads may stamp one moment this far apart.
pub(super) const SLACK_NS: u64 = 2_000_000;
/// The news of a failure travels at most this many nodes to the pivot.
const MAX_CHAIN: usize = 8;

/// The phases of one flow in one transition.
#[derive(Default)]
pub(super) struct Story {
    pub(super) phases: Phases,
    pub(super) pivot: Option<String>,
    pub(super) critical: Vec<CriticalStep>,
    pub(super) modelled: bool,
    pub(super) predicted: Option<Prediction>,
    pub(super) detection_share: Option<f64>,
    pub(super) dns: Option<DnsShare>,
    /// How far the phases are out of order, milliseconds.
    pub(super) disorder_ms: f64,
    /// How long a packet takes from the sender to the pivot, milliseconds.
    pub(super) ripple_ms: f64,
}

/// Reads the phases off the journal.
pub(super) fn tell(scene: &Scene<'_>, view: &FlowView<'_>, window: &Window, ways: &Ways) -> Story {
    let story = names::tell(scene, view, window, ways);
    story.map_or_else(
        || of_routing(scene, view, window, ways),
        |story| concluded(story, 0),
    )
}

/// What the phases of a complete story say about each other.
fn concluded(mut story: Story, ripple_ns: u64) -> Story {
    story.ripple_ms = ripple_ns as f64 / 1e6;
    story.disorder_ms = disorder_ms(&story.phases, story.ripple_ms);
    let recovered = story.phases.recovered.filter(|&r| r > 0.0);
    story.detection_share = story
        .phases
        .detected
        .zip(recovered)
        .map(|(detected, recovered)| (detected / recovered).clamp(0.0, 1.0));
    story
}

fn of_routing(scene: &Scene<'_>, view: &FlowView<'_>, window: &Window, ways: &Ways) -> Story {
    let recovered = ways.settled();
    let pivot = pivot(scene, view, window, ways);
    let mut story = Story {
        phases: Phases {
            recovered: recovered.map(|at| window.ms(at)),
            ..Phases::default()
        },
        pivot: pivot.clone(),
        ..Story::default()
    };
    let mut ripple = 0;
    let witness = Witness::new(scene, view, window, ways);
    if let Some(pivot) = &pivot {
        ripple = witness.way_to(pivot);
        witness.explain(pivot, recovered, &mut story);
    } else if let Some(reason) = witness.ended_session() {
        story.critical.push(reason);
    }
    if let Some(at) = recovered {
        let what = if ways.recovered.is_some() {
            "first delivered send"
        } else {
            "first send on the new path"
        };
        story.critical.push(CriticalStep {
            at_ms: window.ms(at),
            node: view.log.from.clone(),
            what: what.to_owned(),
        });
    }
    concluded(story, ripple)
}

/// The last node that both paths share before they part. Where only one path is known (or the
/// path did not change), the node that sends into the faulted link.
fn pivot(scene: &Scene<'_>, view: &FlowView<'_>, window: &Window, ways: &Ways) -> Option<String> {
    if ways.changed() {
        let sender = view.sender(view.first_since(window.before));
        let before = route(scene, sender, &ways.before);
        let after = route(scene, sender, &ways.after);
        return before
            .iter()
            .zip(&after)
            .take_while(|(a, b)| a == b)
            .filter_map(|(step, _)| match step {
                Step::Node(node) => Some((*node).to_owned()),
                Step::Link(_) => None,
            })
            .last();
    }
    ways.before
        .iter()
        .chain(&ways.after)
        .find(|hop| scene.map.is_hit(&hop.link, window))
        .map(|hop| hop.from.clone())
}

#[derive(PartialEq, Eq)]
enum Step<'a> {
    Node(&'a str),
    Link(&'a str),
}

fn route<'s>(scene: &Scene<'s>, sender: &'s str, hops: &'s [Hop]) -> Vec<Step<'s>> {
    let mut steps = vec![Step::Node(sender)];
    let behind = scene.map.behind(sender);
    steps.extend(
        behind
            .filter(|_| hops.first().is_none_or(|h| h.from != sender))
            .map(Step::Node),
    );
    for hop in hops {
        steps.extend([
            Step::Node(&hop.from),
            Step::Link(&hop.link),
            Step::Node(&hop.to),
        ]);
    }
    steps.dedup();
    steps
}

/// The journal, asked about one flow in one transition.
struct Witness<'a> {
    scene: &'a Scene<'a>,
    window: &'a Window,
    ways: &'a Ways,
    destination: Option<IpAddr>,
}

/// A node noticed.
struct Notice<'a> {
    at: MonoNs,
    what: String,
    /// The session that told it, if one did.
    session: Option<&'a str>,
}

/// News for a node, on the wire.
#[derive(Clone, Copy)]
struct News<'a> {
    at: MonoNs,
    from: &'a str,
    link: &'a str,
    what: &'static str,
}

impl<'a> Witness<'a> {
    fn new(scene: &'a Scene<'a>, view: &FlowView<'_>, window: &'a Window, ways: &'a Ways) -> Self {
        Self {
            scene,
            window,
            ways,
            destination: view.destination(view.first_since(window.before), scene.map),
        }
    }

    /// Declared delay from the sender to the pivot: a packet meets the pivot's FIB that much later.
    fn way_to(&self, pivot: &str) -> u64 {
        for path in [&self.ways.after, &self.ways.before] {
            if let Some(at) = path.iter().position(|hop| hop.from == pivot) {
                let hops = path.iter().take(at);
                return hops.map(|hop| self.scene.map.declared_delay_ns(hop)).sum();
            }
        }
        0
    }

    fn explain(&self, pivot: &str, recovered: Option<MonoNs>, story: &mut Story) {
        let limit = recovered.map(|at| at + self.way_to(pivot));
        let fib = self.fib(pivot, limit);
        let bound = fib.or(limit).unwrap_or(self.window.end) + SLACK_NS;
        let local = self.notice(pivot, bound);
        let news = self
            .news(pivot, bound)
            .filter(|news| self.news_decides(*news, local.as_ref(), pivot));
        let mut steps: Vec<CriticalStep> = Vec::new();
        let mut detected = None;
        // What the node that noticed did about it.
        let mut effect = fib;
        match news {
            None => detected = local.map(|notice| (pivot, notice)),
            Some(news) => {
                story.phases.updated = Some(self.window.ms(news.at));
                let mut last = news;
                for _ in 0..MAX_CHAIN {
                    steps.push(self.step(last.at, last.from, last.what));
                    story.modelled |= self.scene.map.sessions_over(last.link).any(|s| s.modelled);
                    if let Some(notice) = self.notice(last.from, last.at + SLACK_NS) {
                        detected = Some((last.from, notice));
                        effect = Some(last.at);
                        break;
                    }
                    match self.news(last.from, last.at) {
                        Some(earlier) if earlier.at < last.at => last = earlier,
                        _ => break,
                    }
                }
            }
        }
        if let Some((node, notice)) = detected {
            // A daemon may act before it tells its peer on the wire that it noticed.
            let at = effect.map_or(notice.at, |effect| notice.at.min(effect));
            story.phases.detected = Some(self.window.ms(at));
            story.predicted = self.predict(node, &notice);
            let told_by = notice.session.and_then(|name| self.scene.map.session(name));
            story.modelled |= told_by.is_some_and(|session| session.modelled);
            steps.push(self.step(at, node, &notice.what));
        }
        steps.reverse();
        if let Some(at) = fib {
            story.phases.fib = Some(self.window.ms(at));
            steps.push(self.step(at, pivot, "FIB"));
        }
        story.critical = steps;
    }

    fn step(&self, at: MonoNs, node: &str, what: &str) -> CriticalStep {
        CriticalStep {
            at_ms: self.window.ms(at),
            node: node.to_owned(),
            what: what.to_owned(),
        }
    }

    /// The last change of the node's FIB that covers the destination and comes before `limit`;
    /// else the first just after it.
    fn fib(&self, node: &str, limit: Option<MonoNs>) -> Option<MonoNs> {
        let destination = self.destination?;
        let limit = limit?;
        let covering = || {
            self.events().filter(move |(_, kind)| match kind {
                EventKind::Fib {
                    node: n, prefix, ..
                } => n == node && prefix.contains(&destination),
                _ => false,
            })
        };
        let in_time = covering()
            .map(|(at, _)| at)
            .take_while(|at| *at <= limit)
            .last();
        in_time.or_else(|| {
            covering()
                .map(|(at, _)| at)
                .find(|at| *at <= limit + SLACK_NS)
        })
    }

    /// The earliest sign that `node` itself noticed, up to `bound`.
    fn notice(&self, node: &str, bound: MonoNs) -> Option<Notice<'a>> {
        let back = self.window.transition == Transition::Reversion;
        let word = if back { "up" } else { "down" };
        let flips =
            |state: &str, up: &str| state.eq_ignore_ascii_case(if back { up } else { "Down" });
        self.events()
            .take_while(|(at, _)| *at <= bound)
            .find_map(|(at, kind)| {
                let (what, session) = match kind {
                    EventKind::Bfd {
                        node: n,
                        session,
                        state,
                        ..
                    } if n == node && flips(state, "Up") && self.concerns_session(session) => {
                        ("BFD", Some(session.as_str()))
                    }
                    EventKind::WireBfd {
                        from,
                        link,
                        vlan,
                        state,
                        ..
                    } if from == node && flips(state, "Up") && self.concerns_vif(link, *vlan) => {
                        let mut over = self.scene.map.sessions_over(link);
                        let told = over.find(|s| s.bfd.is_some() && s.may_be_tagged(*vlan));
                        ("BFD", told.map(|s| s.name.as_str()))
                    }
                    EventKind::Session {
                        node: n,
                        session,
                        state,
                        ..
                    } if n == node
                        && state.eq_ignore_ascii_case("Established") == back
                        && self.concerns_session(session) =>
                    {
                        ("BGP", Some(session.as_str()))
                    }
                    EventKind::Carrier {
                        node: n, link, up, ..
                    } if n == node
                        && *up == back
                        && link.as_deref().is_some_and(|l| self.concerns(l)) =>
                    {
                        ("carrier", None)
                    }
                    EventKind::Tunnel {
                        node: n,
                        tunnel,
                        state,
                        ..
                    } if n == node && !back && state == "down" && self.gave_up(tunnel) => {
                        ("DPD", None)
                    }
                    EventKind::Lacp {
                        node: n, link, up, ..
                    } if n == node
                        && *up == back
                        && link.as_deref().is_some_and(|l| self.concerns(l)) =>
                    {
                        ("LACP", None)
                    }
                    _ => return None,
                };
                let what = format!("{what} {word}");
                Some(Notice { at, what, session })
            })
    }

    /// Why traffic is gone of whose path the fault hit nothing: the first session on it that a
    /// daemon ended, in the daemon's own words.
    fn ended_session(&self) -> Option<CriticalStep> {
        let is_gone = self.ways.after.is_empty() && self.window.transition == Transition::Initial;
        let on_path = |name: &str| {
            let session = self.scene.map.session(name);
            session.is_some_and(|session| {
                let mut path = self.path().iter();
                path.any(|hop| self.scene.map.is_part(&hop.link, &session.over))
            })
        };
        self.events()
            .take_while(|(at, _)| is_gone && *at < self.window.end)
            .find_map(|(at, kind)| match kind {
                EventKind::Session {
                    session,
                    node,
                    state,
                    reason: Some(reason),
                } if !state.eq_ignore_ascii_case("Established") && on_path(session) => {
                    Some(self.step(at, node, &format!("ended {session}: {reason}")))
                }
                _ => None,
            })
    }

    /// The last BGP message that told `node` about the destination, up to `bound`.
    fn news(&self, node: &str, bound: MonoNs) -> Option<News<'a>> {
        let covers = |prefixes: &[ipnet::IpNet]| {
            self.destination
                .is_some_and(|d| prefixes.iter().any(|p| p.contains(&d)))
        };
        let told = self
            .events()
            .take_while(|(at, _)| *at <= bound)
            .filter_map(|(at, kind)| {
                let EventKind::WireBgp {
                    link,
                    from,
                    to,
                    message,
                    announced,
                    withdrawn,
                    dropped,
                    ..
                } = kind
                else {
                    return None;
                };
                if to != node || *dropped {
                    return None;
                }
                let what = match message.as_str() {
                    "UPDATE" if covers(announced) => "announced",
                    "UPDATE" if covers(withdrawn) => "withdrawn",
                    "NOTIFICATION" if self.concerns(link) => "NOTIFICATION",
                    _ => return None,
                };
                Some(News {
                    at,
                    from,
                    link,
                    what,
                })
            });
        told.last()
    }

    /// Whether the news, rather than what the node noticed by itself, made the pivot change.
    fn news_decides(&self, news: News<'_>, local: Option<&Notice<'_>>, pivot: &str) -> bool {
        let Some(local) = local else {
            return true;
        };
        if self.window.transition == Transition::Reversion || news.what == "NOTIFICATION" {
            // A session that returns brings its routes by UPDATE, one that is told to go
            // notices because it was told.
            return self.window.transition == Transition::Reversion
                || news.at <= local.at + SLACK_NS;
        }
        // The pivot noticed, had no other route, and was then told of one.
        news.what == "announced"
            && self.events().any(|(at, kind)| match kind {
                EventKind::Fib {
                    node, prefix, via, ..
                } => {
                    node == pivot
                        && via.is_empty()
                        && self.destination.is_some_and(|d| prefix.contains(&d))
                        && (local.at..news.at).contains(&at)
                }
                _ => false,
            })
    }

    /// Whether a link has to do with this transition: on the path that went away or came, or the
    /// fault's target. Of much that a tag took at once, only what this flow was on.
    fn concerns(&self, link: &str) -> bool {
        let map = &self.scene.map;
        let on_path = || self.path().iter().any(|hop| map.is_part(&hop.link, link));
        let hit = || {
            map.is_hit(link, self.window) || self.window.hits().any(|hit| map.is_part(hit, link))
        };
        on_path() || (!self.was_on_the_tagged() && hit())
    }

    /// Whether an IPsec tunnel's end that went down in this transition did so by dead-peer
    /// detection: the fault was silent, and beneath the tunnel.
    fn gave_up(&self, tunnel: &str) -> bool {
        let map = &self.scene.map;
        let mut tunnels = map.topology.tunnels.iter();
        let is_ipsec = tunnels.any(|t| t.name == tunnel && t.stand_in.is_none());
        let silent = matches!(
            self.window.fault.as_str(),
            "silent" | "one-way" | "node" | "freeze"
        );
        is_ipsec && silent && self.concerns(tunnel) && !map.is_hit(tunnel, self.window)
    }

    /// Whether the fault was of a tag, and the flow's path of what carries it.
    fn was_on_the_tagged(&self) -> bool {
        let map = &self.scene.map;
        let mut path = self.path().iter();
        !self.window.links.is_empty() && path.any(|hop| map.is_hit(&hop.link, self.window))
    }

    /// The path that went away or came.
    fn path(&self) -> &'a [Hop] {
        match self.window.transition {
            Transition::Initial => &self.ways.before,
            Transition::Reversion => &self.ways.after,
        }
    }

    /// The same of one VIF of a link. All of a circuit's fall silent with it; this flow waited
    /// for the one that carried it.
    fn concerns_vif(&self, link: &str, vlan: Option<u16>) -> bool {
        let here = self
            .path()
            .iter()
            .filter(|hop| self.scene.map.is_part(&hop.link, link));
        let mut carried = here.filter_map(|hop| hop.vlan).peekable();
        let another =
            vlan.is_some() && carried.peek().is_some() && carried.all(|tag| Some(tag) != vlan);
        self.concerns(link) && !another
    }

    fn concerns_session(&self, name: &str) -> bool {
        self.window.target == name
            || is_tunnel_of(name, &self.window.target)
            || self.scene.map.session(name).is_some_and(|session| {
                let hit = |node: &String| self.window.hits().any(|hit| hit == node);
                session.nodes.iter().any(hit) || self.concerns_vif(&session.over, session.vlan)
            })
    }

    /// Events since the fault, with their times.
    fn events(&self) -> impl Iterator<Item = (MonoNs, &'a EventKind)> {
        let from = self.window.before;
        let start = self.scene.events.partition_point(|e| e.at < from);
        let events = self.scene.events.get(start..).unwrap_or_default();
        events.iter().map(|e| (e.at, &e.kind))
    }

    fn predict(&self, node: &str, notice: &Notice<'_>) -> Option<Prediction> {
        let silent = matches!(
            self.window.fault.as_str(),
            "silent" | "one-way" | "node" | "freeze"
        );
        if self.window.transition == Transition::Reversion || !silent {
            return None;
        }
        let map = &self.scene.map;
        let delay_over = |name: &str| {
            let hops = self.ways.before.iter();
            let hops = hops.filter(|hop| map.is_part(&hop.link, name));
            hops.map(|hop| map.declared_delay_ns(hop))
                .max()
                .unwrap_or(0)
        };
        if let Some(session) = notice.session {
            let session = map.session(session)?;
            let by_bfd = session.bfd.is_some();
            return predict::detection(session, node, delay_over(&session.over), by_bfd);
        }
        let lag = self.window.hits().find_map(|hit| map.lag_of(hit))?;
        predict::lacp(lag, node, delay_over(&lag.name))
    }
}

fn disorder_ms(phases: &Phases, ripple_ms: f64) -> f64 {
    let recovered = phases.recovered.map(|r| r + ripple_ms);
    let seen = [phases.detected, phases.updated, phases.fib, recovered];
    let seen: Vec<f64> = seen.into_iter().flatten().collect();
    seen.windows(2)
        .map(|pair| pair[0] - pair[1])
        .fold(0.0, f64::max)
}
