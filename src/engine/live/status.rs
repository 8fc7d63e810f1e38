//! A living lab as `status` shows it: the same form for every daemon.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError},
    thread,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Live, daemons::Daemon};
use crate::{
    engine::{
        board::Item,
        daemon::{BfdView, BgpView, NodeView, wireguard::TunnelStatus},
        wire::LinkCounters,
    },
    lab::{model::Fault, plan::DaemonPlan},
    units::{LinkName, NodeName},
};

/// Why a daemon is silent that nothing is known against.
const NO_ANSWER: &str = "no answer";

/// Everything at one instant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LabStatus {
    /// The lab.
    pub lab: String,
    /// Timers run this many times faster than the lab file says (`--fast`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timers_scaled: Option<u32>,
    /// Nodes and hosts.
    pub nodes: Vec<NodeStatus>,
    /// Links through the wire.
    pub links: Vec<LinkStatus>,
    /// Sessions, each as both ends see it.
    pub sessions: Vec<SessionStatus>,
    /// Tunnels, each as both ends see it.
    pub tunnels: Vec<TunnelState>,
    /// Faults in force.
    pub faults: Vec<FaultStatus>,
    /// Alerts that are raised.
    #[serde(default)]
    pub alerts: Vec<AlertStatus>,
    /// Sentences every report repeats.
    pub notes: Vec<String>,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// The lab file's word for it.
    pub kind: String,
    /// For a host: the node it stands behind.
    pub behind: Option<String>,
    /// `embedded`, `frr`, `bird`, `strongswan` or none.
    pub daemon: Option<String>,
    /// Whether the daemon answers.
    pub answers: Option<bool>,
    /// Why it does not: `killed`, `frozen`, `node is dead`, `ended by itself`, or, where
    /// nothing is known, `no answer`.
    pub silent: Option<String>,
}

/// One direction of one link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LinkStatus {
    /// The link.
    pub link: String,
    /// Sending node.
    pub from: String,
    /// Receiving node.
    pub to: String,
    /// Declared one-way delay, milliseconds.
    pub declared_delay_ms: f64,
    /// Declared rate, bits a second.
    pub declared_rate_bps: Option<u64>,
    /// As measured when the lab came up, where it was.
    pub measured: Option<LinkMeasured>,
    /// The fault in force on this direction, by its taxonomy name.
    pub fault: Option<String>,
    /// Packets offered, carried, and dropped by a cut, by loss, by a full queue.
    pub counters: Option<LinkCounts>,
}

/// What one direction of a link was measured to do.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LinkMeasured {
    /// Median one-way delay, milliseconds.
    pub delay_p50_ms: f64,
    /// 99th percentile of it.
    pub delay_p99_ms: f64,
    /// Rate, bits a second.
    pub rate_bps: Option<u64>,
}

/// A fault in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FaultStatus {
    /// What `restore` calls it.
    pub label: String,
    /// The taxonomy's word.
    pub fault: String,
    /// What it hits.
    pub target: String,
    /// Since when, on the run's clock.
    pub since: u64,
}

/// An alert that is raised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertStatus {
    /// `running-on-backup`, `backup-dead` or `load-exceeds-backup`.
    pub alert: String,
    /// The sessions it speaks of; of traffic on a backup, `PROBE via SESSIONS`.
    pub about: String,
    /// Since when, on the run's clock.
    pub since: u64,
    /// Of a load: how much there was when it was raised, bits a second.
    pub load_bps: Option<u64>,
    /// Of a load: how much of it would have fitted without its circuit.
    pub room_bps: Option<u64>,
}

/// Packet counts of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LinkCounts {
    /// Offered to the wire.
    pub offered: u64,
    /// Delivered.
    pub delivered: u64,
    /// Dropped by a cut or a numbered drop.
    pub cut: u64,
    /// Dropped by declared random loss.
    pub loss: u64,
    /// Dropped by a full queue.
    pub queue: u64,
}

/// One end of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SessionStatus {
    /// The session.
    pub session: String,
    /// `private-vif`, `vpn`, `ebgp`, `ibgp`, `modelled`.
    pub kind: String,
    /// The link or tunnel that carries it.
    pub over: String,
    /// This end.
    pub node: String,
    /// The other end.
    pub peer: String,
    /// BGP as the daemon says it.
    pub bgp: Option<BgpView>,
    /// BFD as the daemon says it.
    pub bfd: Option<BfdState>,
}

/// BFD of one end of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BfdState {
    /// As the daemon says it; `None` when it does not answer.
    pub view: Option<BfdView>,
    /// When the state was entered, on the run's clock, if seen.
    pub since: Option<u64>,
}

/// One end of a tunnel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TunnelState {
    /// The tunnel.
    pub tunnel: String,
    /// This end.
    pub node: String,
    /// `up`, `down` or `gone`.
    pub state: String,
    /// WireGuard: `kernel` or `userspace`. IPsec: `kernel ESP` or `libipsec`.
    pub backend: Option<String>,
    /// Milliseconds since the last handshake; of IPsec since the Child SA was made.
    pub handshake_age_ms: Option<u64>,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets dropped instead of carried, by the reason; the kernel's WireGuard does not say.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub drops: BTreeMap<String, u64>,
}

fn dropped(status: &TunnelStatus) -> BTreeMap<String, u64> {
    let drops = status.drops.iter();
    drops
        .map(|(reason, count)| (reason.to_string(), count))
        .collect()
}

impl Live {
    /// Asks every part what it is doing.
    pub fn status(&self) -> LabStatus {
        let views = self.views();
        let view_of = |node: &str| views.iter().find(|(name, _)| name == node);
        let silent = |node: &str| view_of(node)?.1.as_ref().err().map(ToString::to_string);
        LabStatus {
            lab: self.plan().lab.to_string(),
            timers_scaled: self.plan().timers_scaled,
            nodes: self
                .plan()
                .nodes
                .iter()
                .map(|node| NodeStatus {
                    name: node.name.to_string(),
                    kind: node.kind.clone(),
                    behind: node.behind.as_ref().map(ToString::to_string),
                    daemon: match node.daemon {
                        DaemonPlan::None => None,
                        DaemonPlan::Embedded(_) => Some("embedded".to_owned()),
                        DaemonPlan::Frr { .. } => Some("frr".to_owned()),
                        DaemonPlan::Bird { .. } => Some("bird".to_owned()),
                        DaemonPlan::Charon(_) => Some("strongswan".to_owned()),
                        DaemonPlan::Service(_) => Some("service".to_owned()),
                    },
                    answers: view_of(node.name.as_str()).map(|(_, view)| view.is_ok()),
                    silent: silent(node.name.as_str()),
                })
                .collect(),
            links: self.link_statuses(),
            sessions: self.session_statuses(&|node| view_of(node)?.1.as_ref().ok()),
            tunnels: self
                .tunnels
                .statuses()
                .into_iter()
                .map(|(tunnel, node, status)| TunnelState {
                    tunnel,
                    node,
                    state: status
                        .as_ref()
                        .map_or("gone", |s| if s.up { "up" } else { "down" })
                        .to_owned(),
                    backend: status.as_ref().map(|s| s.backend.to_string()),
                    handshake_age_ms: status.as_ref().and_then(|s| s.handshake_age_ms),
                    rx_bytes: status.as_ref().map_or(0, |s| s.rx_bytes),
                    tx_bytes: status.as_ref().map_or(0, |s| s.tx_bytes),
                    drops: status.as_ref().map(dropped).unwrap_or_default(),
                })
                .chain(self.ipsec_statuses())
                .collect(),
            faults: self
                .faults()
                .into_iter()
                .map(|(label, applied)| FaultStatus {
                    label,
                    fault: applied.fault.name().to_owned(),
                    target: applied.fault.target(),
                    since: applied.at.before,
                })
                .collect(),
            alerts: Vec::new(),
            notes: [&self.plan().notes[..], &self.plan().stand_ins].concat(),
        }
    }

    fn ipsec_statuses(&self) -> Vec<TunnelState> {
        // Nothing stays locked while they are asked.
        let daemons: Vec<Arc<Daemon>> = {
            let daemons = self.daemons.lock().unwrap_or_else(PoisonError::into_inner);
            daemons
                .iter()
                .map(|(_, daemon)| Arc::clone(daemon))
                .collect()
        };
        daemons
            .iter()
            .filter_map(|daemon| daemon.charon())
            .map(|charon| {
                let plan = charon.plan();
                let status = charon.status().ok();
                TunnelState {
                    tunnel: plan.tunnel.to_string(),
                    node: plan.node.to_string(),
                    state: match status {
                        Some(status) if status.up => "up",
                        Some(_) => "down",
                        None => "gone",
                    }
                    .to_owned(),
                    backend: Some(plan.backend.to_string()),
                    handshake_age_ms: status.and_then(|status| status.age_ms),
                    rx_bytes: status.map_or(0, |status| status.rx_bytes),
                    tx_bytes: status.map_or(0, |status| status.tx_bytes),
                    drops: BTreeMap::new(),
                }
            })
            .collect()
    }

    fn link_statuses(&self) -> Vec<LinkStatus> {
        let counters = self
            .wire
            .as_ref()
            .map(|wire| wire.counters())
            .unwrap_or_default();
        let faults = self.faults();
        let mut links = Vec::new();
        for wire in &self.plan().wires {
            for direction in 0..2 {
                let (from, to) = (&wire.ends[direction].node, &wire.ends[1 - direction].node);
                let shape = &wire.shape[direction];
                links.push(LinkStatus {
                    link: wire.link.to_string(),
                    from: from.to_string(),
                    to: to.to_string(),
                    declared_delay_ms: shape.delay.as_millis_f64(),
                    declared_rate_bps: shape.rate.map(|rate| rate.bits_per_second()),
                    measured: None,
                    fault: faults
                        .values()
                        .find(|applied| hits(&applied.fault, &wire.link, from))
                        .map(|applied| applied.fault.name().to_owned()),
                    counters: counters
                        .iter()
                        .find(|c| c.link == wire.link.as_str() && c.from == from.as_str())
                        .map(counts),
                });
            }
        }
        links
    }

    fn session_statuses<'a>(
        &self,
        view_of: &dyn Fn(&str) -> Option<&'a NodeView>,
    ) -> Vec<SessionStatus> {
        let news = self.board().news();
        let mut sessions = Vec::new();
        for plan in &self.plan().sessions {
            for (own, peer) in [(0, 1), (1, 0)] {
                let (own, peer) = (&plan.ends[own], &plan.ends[peer]);
                let view = view_of(own.node.as_str());
                let bgp = view.and_then(|view| {
                    view.bgp
                        .iter()
                        .find(|bgp| bgp.remote == peer.address)
                        .cloned()
                });
                let bfd = plan.bfd.is_some().then(|| BfdState {
                    view: view.and_then(|view| {
                        view.bfd
                            .iter()
                            .find(|bfd| bfd.remote == peer.address)
                            .cloned()
                    }),
                    since: news
                        .get(&Item::Bfd {
                            session: plan.session.to_string(),
                            node: own.node.to_string(),
                        })
                        .map(|news| news.since),
                });
                sessions.push(SessionStatus {
                    session: plan.session.to_string(),
                    kind: plan.kind.clone(),
                    over: plan.over.name().to_owned(),
                    node: own.node.to_string(),
                    peer: peer.node.to_string(),
                    bgp,
                    bfd,
                });
            }
        }
        sessions
    }

    /// What every daemon says, by node, or why it says nothing. All are asked at once,
    /// so those that do not answer cost their time together, not one after the other;
    /// who is known not to answer is not asked.
    fn views(&self) -> Vec<(String, Result<NodeView, &'static str>)> {
        let view = |node: &NodeName| match self.silence(node) {
            Some(silence) => Err(silence.word()),
            None => self
                .daemon(node)
                .and_then(|daemon| daemon.view())
                .map_err(|_| NO_ANSWER),
        };
        let nodes = self.plan().nodes.iter();
        let nodes = nodes.filter(|node| node.daemon != DaemonPlan::None);
        thread::scope(|scope| {
            let asked: Vec<_> = nodes
                .map(|node| (&node.name, scope.spawn(move || view(&node.name))))
                .collect();
            asked
                .into_iter()
                .map(|(node, view)| (node.to_string(), view.join().unwrap_or(Err(NO_ANSWER))))
                .collect()
        })
    }
}

impl LabStatus {
    /// What of `wanted` is not up, by name and with the last reason it gave, after the
    /// daemons that are silent. `missing` is what the events say; whoever answers knows
    /// better, and whoever does not has nothing up.
    pub fn waiting(
        &self,
        wanted: &BTreeSet<Item>,
        missing: &BTreeMap<Item, Option<String>>,
    ) -> Vec<String> {
        let mut waiting = Vec::new();
        for node in &self.nodes {
            if let Some(why) = &node.silent {
                waiting.push(format!("the daemon of {} ({why})", node.name));
            }
        }
        for item in wanted {
            let is_daemons = matches!(item, Item::Bgp { .. } | Item::Bfd { .. });
            match self.silence_of(item.node()).filter(|_| is_daemons) {
                Some(why) => waiting.push(item.because(Some(why))),
                None if !self
                    .says(item)
                    .unwrap_or_else(|| !missing.contains_key(item)) =>
                {
                    let reason = missing.get(item).and_then(Option::as_deref);
                    waiting.push(item.because(reason));
                }
                None => {}
            }
        }
        waiting
    }

    /// Why the daemon of a node says nothing, if it says nothing.
    pub fn silence_of(&self, node: &str) -> Option<&str> {
        let mut nodes = self.nodes.iter();
        nodes.find(|status| status.name == node)?.silent.as_deref()
    }

    /// Whether an item is up, as the one who should know says it.
    fn says(&self, item: &Item) -> Option<bool> {
        let of = |name: &str, at: &str| {
            let mut sessions = self.sessions.iter();
            sessions.find(|status| status.session == name && status.node == at)
        };
        match item {
            Item::Bgp { session, node } => {
                let bgp = of(session, node)?.bgp.as_ref()?;
                Some(bgp.is_established())
            }
            Item::Bfd { session, node } => {
                let view = of(session, node)?.bfd.as_ref()?.view.as_ref()?;
                Some(view.state == "Up")
            }
            Item::Tunnel { tunnel, node } => {
                let mut tunnels = self.tunnels.iter();
                let status = tunnels.find(|t| t.tunnel == *tunnel && t.node == *node)?;
                Some(status.state == "up")
            }
            Item::Lacp { .. } | Item::Health { .. } | Item::Client { .. } => None,
        }
    }
}

/// Whether a fault touches what `from` sends over `link`.
fn hits(fault: &Fault, link: &LinkName, from: &NodeName) -> bool {
    match fault {
        Fault::Silent {
            link: cut,
            from: sender,
        } => cut == link && sender.as_ref().is_none_or(|sender| sender == from),
        Fault::Carrier { link: cut, .. }
        | Fault::DropNumbered { link: cut, .. }
        | Fault::Degrade { link: cut, .. } => cut == link,
        Fault::NodeDeath { links, .. } | Fault::Tagged { links, .. } => links.contains(link),
        Fault::BgpShutdown { .. }
        | Fault::Maintenance { .. }
        | Fault::Kill { .. }
        | Fault::Freeze { .. } => false,
    }
}

fn counts(link: &LinkCounters) -> LinkCounts {
    LinkCounts {
        offered: link.stats.offered,
        delivered: link.stats.delivered,
        cut: link.stats.cut,
        loss: link.stats.loss,
        queue: link.stats.queue,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, silent: Option<&str>) -> NodeStatus {
        NodeStatus {
            name: name.to_owned(),
            kind: "router".to_owned(),
            behind: None,
            daemon: Some("embedded".to_owned()),
            answers: Some(silent.is_none()),
            silent: silent.map(str::to_owned),
        }
    }

    fn session(node: &str, state: Option<&str>) -> SessionStatus {
        let view = |state: &str| BgpView {
            remote: std::net::Ipv4Addr::LOCALHOST.into(),
            remote_asn: 65_001,
            state: state.to_owned(),
            uptime_ms: None,
            hold_ms: None,
            keepalive_ms: None,
            accepted: None,
            advertised: None,
            reason: None,
        };
        SessionStatus {
            session: "prod".to_owned(),
            kind: "ebgp".to_owned(),
            over: "left".to_owned(),
            node: node.to_owned(),
            peer: "x".to_owned(),
            bgp: state.map(view),
            bfd: None,
        }
    }

    #[test]
    fn who_does_not_answer_has_nothing_up_and_who_answers_knows_best() {
        let bgp = |node: &str| Item::Bgp {
            session: "prod".to_owned(),
            node: node.to_owned(),
        };
        let mut lab = LabStatus {
            lab: "lab".to_owned(),
            timers_scaled: None,
            nodes: vec![node("a", None), node("b", Some("killed"))],
            links: Vec::new(),
            sessions: vec![session("a", Some("Connect")), session("b", None)],
            tunnels: Vec::new(),
            faults: Vec::new(),
            alerts: Vec::new(),
            notes: Vec::new(),
        };
        let wanted: BTreeSet<Item> = [bgp("a"), bgp("b")].into();
        assert_eq!(
            lab.waiting(&wanted, &BTreeMap::new()),
            [
                "the daemon of b (killed)",
                "BGP prod at a",
                "BGP prod at b (killed)"
            ]
        );
        lab.nodes = vec![node("a", None), node("b", None)];
        lab.sessions = vec![session("a", Some("Established")), session("b", None)];
        assert_eq!(
            lab.waiting(&wanted, &[(bgp("a"), None), (bgp("b"), None)].into()),
            ["BGP prod at b"]
        );
        let why = Some("more than 100 prefixes".to_owned());
        assert_eq!(
            lab.waiting(&wanted, &[(bgp("b"), why)].into()),
            ["BGP prod at b (more than 100 prefixes)"]
        );
        assert_eq!(lab.waiting(&wanted, &BTreeMap::new()), Vec::<String>::new());
    }
}
