//! What is known to be up, folded from the event stream. Readiness is an
//! observed event with a deadline and a name: whoever waits looks here.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    lab::plan::{FlowPlan, Plan},
    os::clock,
    results::event::{Event, EventKind},
};

/// One thing that can be up: a session at one of its ends, and so on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// A BGP session as one end sees it.
    Bgp {
        /// The session.
        session: String,
        /// The end.
        node: String,
    },
    /// A BFD session as one end sees it.
    Bfd {
        /// The session.
        session: String,
        /// The end.
        node: String,
    },
    /// A LAG's member as one end sees it.
    Lacp {
        /// The member link.
        link: String,
        /// The end.
        node: String,
    },
    /// A tunnel as one end sees it.
    Tunnel {
        /// The tunnel.
        tunnel: String,
        /// The end.
        node: String,
    },
    /// An endpoint of a name as the health checks of its server see it.
    Health {
        /// The name.
        name: String,
        /// The endpoint's host.
        endpoint: String,
        /// The server.
        node: String,
    },
    /// A probe's client, which uses a name's primary.
    Client {
        /// The probe.
        probe: String,
        /// The client.
        node: String,
    },
}

impl Item {
    /// The end at which it is seen.
    pub fn node(&self) -> &str {
        match self {
            Self::Bgp { node, .. }
            | Self::Bfd { node, .. }
            | Self::Lacp { node, .. }
            | Self::Tunnel { node, .. }
            | Self::Health { node, .. }
            | Self::Client { node, .. } => node,
        }
    }

    /// Its name, and why it is not up.
    pub fn because(&self, reason: Option<&str>) -> String {
        match reason {
            Some(reason) => format!("{self} ({reason})"),
            None => self.to_string(),
        }
    }
}

impl std::fmt::Display for Item {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bgp { session, node } => write!(f, "BGP {session} at {node}"),
            Self::Bfd { session, node } => write!(f, "BFD {session} at {node}"),
            Self::Lacp { link, node } => write!(f, "LACP {link} at {node}"),
            Self::Tunnel { tunnel, node } => write!(f, "tunnel {tunnel} at {node}"),
            Self::Health {
                name,
                endpoint,
                node,
            } => write!(f, "health of {endpoint} for {name} at {node}"),
            Self::Client { probe, node } => write!(f, "{node} back at the primary of {probe}"),
        }
    }
}

/// The latest news of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// The state's name.
    pub state: String,
    /// Why, where told.
    pub reason: Option<String>,
    /// When, on the run's clock.
    pub since: u64,
    /// Negotiated BFD detection time, microseconds.
    pub detect_us: Option<u64>,
}

/// Everything a lab must bring up to be converged.
pub fn wanted(plan: &Plan) -> BTreeSet<Item> {
    let mut items = BTreeSet::new();
    for session in &plan.sessions {
        for end in &session.ends {
            let (session_name, node) = (session.session.to_string(), end.node.to_string());
            if session.bfd.is_some() {
                items.insert(Item::Bfd {
                    session: session_name.clone(),
                    node: node.clone(),
                });
            }
            items.insert(Item::Bgp {
                session: session_name,
                node,
            });
        }
    }
    for lag in &plan.lags {
        for link in &lag.links {
            for end in &lag.ends {
                items.insert(Item::Lacp {
                    link: link.to_string(),
                    node: end.node.to_string(),
                });
            }
        }
    }
    for tunnel in &plan.tunnels {
        for end in &tunnel.ends {
            items.insert(Item::Tunnel {
                tunnel: tunnel.tunnel.to_string(),
                node: end.node.to_string(),
            });
        }
    }
    for service in &plan.services {
        let Some(dns) = &service.dns else {
            continue;
        };
        for end in &service.endpoints {
            items.insert(Item::Health {
                name: service.name.as_str().to_ascii_lowercase(),
                endpoint: end.host.to_string(),
                node: dns.server.host.to_string(),
            });
        }
    }
    items
}

/// What is so besides while probes flow and nothing is wrong: clients use the primaries of names.
pub fn wanted_of_probes(plan: &Plan) -> BTreeSet<Item> {
    let client = |flow: &FlowPlan| {
        let service = flow.service.as_ref()?;
        (service.towards && service.resolver.is_some()).then(|| Item::Client {
            probe: flow.probe.to_string(),
            node: flow.from.to_string(),
        })
    };
    plan.flows.iter().filter_map(client).collect()
}

/// How far along the wanted items are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// How many are up.
    pub up: usize,
    /// The rest, by name.
    pub waiting: Vec<String>,
}

impl Progress {
    /// Whether everything is up.
    pub fn is_complete(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// Reasons after which a daemon does not begin anew by itself, in the words of any.
const FOR_GOOD: [&str; 3] = ["aximum", "Bad Peer AS", "Administrative"];

/// The board. One thread posts, any number look or wait.
#[derive(Debug, Default)]
pub struct Board {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    news: BTreeMap<Item, News>,
    /// What an item that is not up last gave as its reason.
    reasons: BTreeMap<Item, String>,
    /// Links without light, and the ends that see it.
    dark: BTreeSet<(String, String)>,
    failed: Option<String>,
}

impl Board {
    /// Takes note of an event.
    pub fn post(&self, event: &Event) {
        if let EventKind::Carrier {
            node,
            link: Some(link),
            up,
            ..
        } = &event.kind
        {
            let end = (link.clone(), node.clone());
            let mut state = self.lock();
            match up {
                true => state.dark.remove(&end),
                false => state.dark.insert(end),
            };
        }
        let Some((item, state, reason, detect_us)) = news(&event.kind) else {
            return;
        };
        let news = News {
            state,
            reason,
            since: event.at,
            detect_us,
        };
        let mut state = self.lock();
        match &news.reason {
            _ if is_up(&item, &news.state) => drop(state.reasons.remove(&item)),
            Some(reason) => drop(state.reasons.insert(item.clone(), reason.clone())),
            None => {}
        }
        state.news.insert(item, news);
        drop(state);
        self.changed.notify_all();
    }

    /// Makes everyone who waits give up, with this reason.
    pub fn fail(&self, reason: impl Into<String>) {
        self.lock().failed.get_or_insert_with(|| reason.into());
        self.changed.notify_all();
    }

    /// Whether an end of a link sees no light.
    pub fn is_dark(&self, link: &str, node: &str) -> bool {
        let end = (link.to_owned(), node.to_owned());
        self.lock().dark.contains(&end)
    }

    /// The latest news of everything.
    pub fn news(&self) -> BTreeMap<Item, News> {
        self.lock().news.clone()
    }

    /// How many of `wanted` are up.
    pub fn progress(&self, wanted: &BTreeSet<Item>) -> Progress {
        progress(&self.lock(), wanted)
    }

    /// Those of `wanted` that are not up, and what they last gave as their reason.
    pub fn missing(&self, wanted: &BTreeSet<Item>) -> BTreeMap<Item, Option<String>> {
        let state = self.lock();
        missing(&state, wanted)
            .map(|item| (item.clone(), state.reasons.get(item).cloned()))
            .collect()
    }

    /// Those of `wanted` that are not up, each with the last reason it gave: `BGP prod at
    /// east (Maximum Number of Prefixes Reached)`.
    pub fn obstacles(&self, wanted: &BTreeSet<Item>) -> Vec<String> {
        let said = |(item, reason): (Item, Option<String>)| item.because(reason.as_deref());
        self.missing(wanted).into_iter().map(said).collect()
    }

    /// Whether an item that is not up will hardly come up by itself: BFD of a session that is
    /// established without it, or a session that its own end has put down for good.
    pub fn is_hopeless(&self, item: &Item) -> bool {
        let state = self.lock();
        match item {
            Item::Bfd { session, .. } => {
                let of_it =
                    |item: &Item| matches!(item, Item::Bgp { session: s, .. } if s == session);
                let mut ends = state.news.iter().filter(|(item, _)| of_it(item)).peekable();
                ends.peek().is_some() && ends.all(|(item, news)| is_up(item, &news.state))
            }
            Item::Bgp { session, .. } => {
                let of_it =
                    |item: &Item| matches!(item, Item::Bgp { session: s, .. } if s == session);
                let mut said = state.reasons.iter().filter(|(item, _)| of_it(item));
                said.any(|(_, reason)| FOR_GOOD.iter().any(|words| reason.contains(words)))
            }
            Item::Lacp { .. } | Item::Tunnel { .. } | Item::Health { .. } | Item::Client { .. } => {
                false
            }
        }
    }

    /// Waits until all of `wanted` are up, telling `tell` of every step. At the
    /// deadline, returns what is still missing.
    pub fn wait(
        &self,
        wanted: &BTreeSet<Item>,
        within: Duration,
        mut tell: impl FnMut(&Progress),
    ) -> anyhow::Result<Progress> {
        let deadline: Instant = clock::now() + within;
        let mut state = self.lock();
        let mut told = None;
        loop {
            if let Some(reason) = &state.failed {
                anyhow::bail!("{reason}");
            }
            let progress = progress(&state, wanted);
            if told.as_ref() != Some(&progress) {
                tell(&progress);
                told = Some(progress.clone());
            }
            let left = deadline.saturating_duration_since(clock::now());
            if progress.is_complete() || left.is_zero() {
                return Ok(progress);
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn progress(state: &State, wanted: &BTreeSet<Item>) -> Progress {
    let waiting: Vec<String> = missing(state, wanted).map(ToString::to_string).collect();
    Progress {
        up: wanted.len() - waiting.len(),
        waiting,
    }
}

fn missing<'w>(state: &State, wanted: &'w BTreeSet<Item>) -> impl Iterator<Item = &'w Item> {
    wanted.iter().filter(|item| {
        !state
            .news
            .get(item)
            .is_some_and(|news| is_up(item, &news.state))
    })
}

fn is_up(item: &Item, state: &str) -> bool {
    match item {
        Item::Bgp { .. } => state == "Established",
        Item::Bfd { .. } => state == "Up",
        Item::Tunnel { .. } | Item::Lacp { .. } => state == "up",
        Item::Health { .. } => state == "healthy",
        Item::Client { .. } => state == "primary",
    }
}

type Posted = (Item, String, Option<String>, Option<u64>);

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "events that say nothing of readiness are many and will be more"
)]
fn news(kind: &EventKind) -> Option<Posted> {
    Some(match kind {
        EventKind::Session {
            session,
            node,
            state,
            reason,
        } => (
            Item::Bgp {
                session: session.clone(),
                node: node.clone(),
            },
            state.clone(),
            reason.clone(),
            None,
        ),
        EventKind::Bfd {
            session,
            node,
            state,
            diagnostic,
            detect_us,
        } => (
            Item::Bfd {
                session: session.clone(),
                node: node.clone(),
            },
            state.clone(),
            diagnostic.clone(),
            *detect_us,
        ),
        EventKind::Lacp {
            node,
            link: Some(link),
            up,
            ..
        } => (
            Item::Lacp {
                link: link.clone(),
                node: node.clone(),
            },
            if *up { "up" } else { "down" }.to_owned(),
            None,
            None,
        ),
        EventKind::Tunnel {
            tunnel,
            node,
            state,
            reason,
            ..
        } => (
            Item::Tunnel {
                tunnel: tunnel.clone(),
                node: node.clone(),
            },
            state.clone(),
            reason.clone(),
            None,
        ),
        EventKind::HealthCheck {
            name,
            node,
            endpoint,
            healthy,
            reason,
            ..
        } => (
            Item::Health {
                name: name.clone(),
                endpoint: endpoint.clone(),
                node: node.clone(),
            },
            match healthy {
                Some(true) => "healthy",
                Some(false) => "unhealthy",
                None => "unknown",
            }
            .to_owned(),
            reason.clone(),
            None,
        ),
        EventKind::Resolved {
            probe,
            node,
            primary,
            ..
        } => (
            Item::Client {
                probe: probe.clone(),
                node: node.clone(),
            },
            if *primary { "primary" } else { "secondary" }.to_owned(),
            None,
            None,
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_up_keeps_its_last_reason_until_it_is() {
        let session = |state: &str, reason: Option<&str>| Event {
            at: 1,
            kind: EventKind::Session {
                session: "prod".into(),
                node: "east".into(),
                state: state.into(),
                reason: reason.map(str::to_owned),
            },
        };
        let wanted: BTreeSet<Item> = [Item::Bgp {
            session: "prod".into(),
            node: "east".into(),
        }]
        .into();
        let board = Board::default();
        assert_eq!(board.obstacles(&wanted), ["BGP prod at east"]);
        board.post(&session("Idle", Some("more than 100 prefixes")));
        board.post(&session("Connect", None));
        let said = "BGP prod at east (more than 100 prefixes)";
        assert_eq!(board.obstacles(&wanted), [said]);
        board.post(&session("Established", None));
        assert_eq!(board.obstacles(&wanted), Vec::<String>::new());
        board.post(&session("Idle", None));
        assert_eq!(board.obstacles(&wanted), ["BGP prod at east"]);
    }

    #[test]
    fn a_tunnel_that_is_refused_says_by_what() {
        let event = |state: &str, reason: Option<&str>| Event {
            at: 1,
            kind: EventKind::Tunnel {
                tunnel: "backup.1".into(),
                node: "dc1".into(),
                state: state.into(),
                backend: "libipsec".into(),
                reason: reason.map(str::to_owned),
            },
        };
        let wanted = [Item::Tunnel {
            tunnel: "backup.1".into(),
            node: "dc1".into(),
        }]
        .into();
        let board = Board::default();
        board.post(&event("down", Some("received AUTHENTICATION_FAILED")));
        let said = "tunnel backup.1 at dc1 (received AUTHENTICATION_FAILED)";
        assert_eq!(board.obstacles(&wanted), [said]);
        board.post(&event("up", None));
        assert_eq!(board.obstacles(&wanted), Vec::<String>::new());
    }

    fn bfd(state: &str) -> Event {
        Event {
            at: 1,
            kind: EventKind::Bfd {
                session: "prod".into(),
                node: "dc1".into(),
                state: state.into(),
                diagnostic: None,
                detect_us: Some(900_000),
            },
        }
    }

    fn wanted() -> BTreeSet<Item> {
        [Item::Bfd {
            session: "prod".into(),
            node: "dc1".into(),
        }]
        .into()
    }

    #[test]
    fn waiting_ends_when_the_event_is_seen() {
        let board = Board::default();
        let told = std::thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                let mut told = Vec::new();
                let end = board.wait(&wanted(), Duration::from_secs(30), |p| told.push(p.up));
                (told, end.unwrap())
            });
            board.post(&bfd("Init"));
            board.post(&bfd("Up"));
            waiter.join().unwrap()
        });
        assert!(told.1.is_complete());
        assert_eq!(told.0.last(), Some(&1));
    }

    #[test]
    fn at_the_deadline_the_missing_are_named() {
        let board = Board::default();
        board.post(&bfd("Down"));
        let end = board
            .wait(&wanted(), Duration::from_millis(1), |_| {})
            .unwrap();
        assert_eq!(end.waiting, ["BFD prod at dc1"]);
    }

    #[test]
    fn a_failure_ends_the_waiting_with_its_reason() {
        let board = Board::default();
        board.fail("zebra of dc1 exited");
        let error = board
            .wait(&wanted(), Duration::from_secs(30), |_| {})
            .unwrap_err();
        assert_eq!(error.to_string(), "zebra of dc1 exited");
    }
}
