//! When traffic is on a backup, and when a backup is dead: one definition, for a lab that is up,
//! where its kernels' routes tell each flow's way, and for a run that is over, where packets do.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    input::{SessionInput, Topology},
    result::Hop,
    topology::Map,
};
use crate::{lab::model::Alert, results::event::MonoNs};

/// How long all ways must stay as they are, once the lab has converged, to be the usual ones.
const SETTLED_NS: u64 = 1_000_000_000;
/// How long a state must last to be told while the lab is up: ends do not change at the same time.
const SUSTAINED_NS: u64 = 500_000_000;

/// The sessions a flow takes.
pub type Way = BTreeSet<String>;

/// The sessions of a path, AWS's inside left out; its links where it has none.
pub fn way(topology: &Topology, hops: &[Hop]) -> Way {
    carriers(&Map::new(topology), hops)
}

pub(super) fn carriers(map: &Map<'_>, hops: &[Hop]) -> Way {
    let sessions = hops.iter().flat_map(|hop| map.sessions_on(hop));
    let named: Way = sessions
        .filter(|session| !session.modelled)
        .map(|session| whole(session).to_owned())
        .collect();
    match named.is_empty() {
        true => hops.iter().map(|hop| hop.link.clone()).collect(),
        false => named,
    }
}

/// The session as the lab file names it: `backup` of `backup.1`, one tunnel of the VPN.
fn whole(session: &SessionInput) -> &str {
    match session.name.rsplit_once('.') {
        Some((name, number))
            if session.kind == "vpn" && number.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            name
        }
        _ => &session.name,
    }
}

/// Whether a flow is on a backup: on another way than its `own`. Not where a hash has moved it,
/// and all flows between its two hosts `together` use what they `usually` did.
pub(super) fn is_on_backup(own: &Way, now: &Way, usually: &Way, together: &Way) -> bool {
    now != own && together != usually
}

/// Sessions that are on no flow's usual way, by the name of the lab file.
pub(super) fn backups<'t>(
    topology: &'t Topology,
    usual: &Way,
) -> BTreeMap<&'t str, Vec<&'t SessionInput>> {
    let mut backups: BTreeMap<&str, Vec<&SessionInput>> = BTreeMap::new();
    let all = topology.sessions.iter();
    for session in all.filter(|session| !session.modelled && !usual.contains(whole(session))) {
        backups.entry(whole(session)).or_default().push(session);
    }
    backups
}

/// Whether one of a backup's sessions is up at both ends.
pub(super) fn is_alive(sessions: &[&SessionInput], is_up: impl Fn(&str, &str) -> bool) -> bool {
    sessions.iter().any(|session| {
        let [a, b] = &session.nodes;
        is_up(&session.name, a) && is_up(&session.name, b)
    })
}

/// What CloudWatch calls a session's state: 1 while it is up.
pub(super) fn metric(session: &SessionInput) -> Option<String> {
    match session.kind.as_str() {
        "vpn" => Some("TunnelState".to_owned()),
        kind if kind.ends_with("-vif") => Some("VirtualInterfaceBgpStatus".to_owned()),
        _ => None,
    }
}

/// A flow of a lab that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowSeen {
    /// Its probe.
    pub probe: String,
    /// From where to where.
    pub hosts: [String; 2],
    /// Where the routes lead it; none where they lead nowhere.
    pub way: Option<Way>,
}

/// A lab that is up, at one instant.
pub struct Sight<'s> {
    /// When.
    pub now: MonoNs,
    /// Every flow, always in the same order.
    pub flows: &'s [FlowSeen],
    /// Whether a session is Established at a node.
    pub is_up: &'s dyn Fn(&str, &str) -> bool,
    /// Whether everything is up, and no fault in force.
    pub is_whole: bool,
}

/// An alert that is raised, or may be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Standing {
    /// Which.
    pub alert: Alert,
    /// Of traffic on a backup: whose.
    pub probe: Option<String>,
    /// The sessions it speaks of; of traffic on a backup, those it takes.
    pub about: String,
    /// AWS's metric of that state.
    pub metric: Option<String>,
}

impl Standing {
    /// What stays the same while it is raised: of traffic on a backup, whose.
    pub fn key(&self) -> (Alert, String) {
        let of = self.probe.as_ref().unwrap_or(&self.about);
        (self.alert, of.clone())
    }
}

/// Watches a lab that is up and remembers what has been told.
#[derive(Debug, Default)]
pub struct Watch {
    /// Each flow's way before anything failed.
    usual: Option<Vec<Option<Way>>>,
    settling: Option<(MonoNs, Vec<Option<Way>>)>,
    /// Backups that have been up.
    seen_alive: BTreeSet<String>,
    /// States about to change, since when.
    pending: BTreeMap<(Alert, String), MonoNs>,
    raised: BTreeMap<(Alert, String), (MonoNs, Standing)>,
}

impl Watch {
    /// What is newly raised (`true`), and what is over.
    pub fn look(&mut self, topology: &Topology, seen: &Sight<'_>) -> Vec<(bool, Standing)> {
        self.settle(seen);
        let Some(usual) = &self.usual else {
            return Vec::new();
        };
        let mut standing: BTreeMap<(Alert, String), Standing> = BTreeMap::new();
        let (away, lost) = away(usual, seen.flows);
        for (probe, via) in &away {
            let one = Standing {
                alert: Alert::RunningOnBackup,
                probe: Some(probe.clone()),
                about: via.iter().cloned().collect::<Vec<_>>().join(", "),
                metric: None,
            };
            standing.insert(one.key(), one);
        }
        let own: Way = usual.iter().flatten().flatten().cloned().collect();
        for (name, sessions) in backups(topology, &own) {
            let one = Standing {
                alert: Alert::BackupDead,
                probe: None,
                about: name.to_owned(),
                metric: sessions.first().and_then(|session| metric(session)),
            };
            let is_alive = is_alive(&sessions, seen.is_up);
            if is_alive {
                self.seen_alive.insert(name.to_owned());
            }
            let is_known = self.raised.contains_key(&one.key());
            let all_is_well = away.is_empty() && lost.is_empty();
            if !is_alive && self.seen_alive.contains(name) && (all_is_well || is_known) {
                standing.insert(one.key(), one);
            }
        }
        // Traffic that gets nowhere has not come back.
        for (key, (_, one)) in &self.raised {
            if one.probe.as_ref().is_some_and(|probe| lost.contains(probe)) {
                standing.entry(key.clone()).or_insert_with(|| one.clone());
            }
        }
        self.tell(seen.now, standing)
    }

    /// What is raised, and since when.
    pub fn raised(&self) -> impl Iterator<Item = &(MonoNs, Standing)> {
        self.raised.values()
    }

    /// Everything that can be raised in this lab, once its usual ways are known.
    pub fn possible(&self, topology: &Topology, flows: &[FlowSeen]) -> Vec<(Alert, String)> {
        let Some(usual) = &self.usual else {
            return Vec::new();
        };
        let own: Way = usual.iter().flatten().flatten().cloned().collect();
        let probes: BTreeSet<&String> = flows.iter().map(|flow| &flow.probe).collect();
        let backups = backups(topology, &own).into_keys();
        let dead = backups.map(|name| (Alert::BackupDead, name.to_owned()));
        let on = probes.into_iter().cloned();
        on.map(|probe| (Alert::RunningOnBackup, probe))
            .chain(dead)
            .collect()
    }

    fn settle(&mut self, seen: &Sight<'_>) {
        if self.usual.is_some() {
            return;
        }
        let ways: Vec<Option<Way>> = seen.flows.iter().map(|flow| flow.way.clone()).collect();
        match &self.settling {
            // What a fault has changed is not usual, however long it lasts.
            Some((_, before)) if !seen.is_whole => self.usual = Some(before.clone()),
            Some((since, before)) if *before == ways => {
                let is_settled = seen.now.saturating_sub(*since) >= SETTLED_NS;
                self.usual = is_settled.then_some(ways);
            }
            _ if seen.is_whole => self.settling = Some((seen.now, ways)),
            _ => {}
        }
    }

    fn tell(
        &mut self,
        now: MonoNs,
        mut standing: BTreeMap<(Alert, String), Standing>,
    ) -> Vec<(bool, Standing)> {
        let keys: BTreeSet<_> = standing.keys().chain(self.raised.keys()).cloned().collect();
        let changing =
            |key: &&(Alert, String)| standing.contains_key(*key) != self.raised.contains_key(*key);
        let changing: BTreeSet<_> = keys.iter().filter(changing).cloned().collect();
        self.pending.retain(|key, _| changing.contains(key));
        let mut told = Vec::new();
        for key in changing {
            let since = *self.pending.entry(key.clone()).or_insert(now);
            if now.saturating_sub(since) < SUSTAINED_NS {
                continue;
            }
            self.pending.remove(&key);
            if let Some(one) = standing.remove(&key) {
                self.raised.insert(key, (since, one.clone()));
                told.push((true, one));
            } else if let Some((_, one)) = self.raised.remove(&key) {
                told.push((false, one));
            }
        }
        told
    }
}

/// Probes that are on a backup, with the sessions they take there; and those of which a flow
/// that had a way has none.
fn away(usual: &[Option<Way>], flows: &[FlowSeen]) -> (BTreeMap<String, Way>, BTreeSet<String>) {
    let (mut away, mut lost) = (BTreeMap::<String, Way>::new(), BTreeSet::new());
    let with = || usual.iter().zip(flows);
    for (own, flow) in with() {
        let Some(own) = own else { continue };
        let Some(now) = &flow.way else {
            lost.insert(flow.probe.clone());
            continue;
        };
        let alike = || with().filter(|(_, other)| other.hosts == flow.hosts);
        let usually: Way = alike()
            .filter_map(|(own, _)| own.clone())
            .flatten()
            .collect();
        let together: Way = alike()
            .filter_map(|(_, one)| one.way.clone())
            .flatten()
            .collect();
        if is_on_backup(own, now, &usually, &together) {
            away.entry(flow.probe.clone())
                .or_default()
                .extend(now.clone());
        }
    }
    (away, lost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::measure::tests::lab;

    const LOOK_NS: u64 = 250_000_000;

    /// A lab with the circuit's VIF `prod` and the VPN `backup`, looked at four times a second.
    struct Lab {
        topology: Topology,
        watch: Watch,
        now: MonoNs,
        told: Vec<(u64, bool, Alert, String)>,
    }

    impl Lab {
        fn new() -> Self {
            Self {
                topology: lab::run(false).topology,
                watch: Watch::default(),
                now: 0,
                told: Vec::new(),
            }
        }

        /// For `ms`: over which session the probe goes, and which are down.
        fn pass(&mut self, ms: u64, via: Option<&str>, down: &[&str], is_whole: bool) {
            let way = via.map(|via| Way::from([via.to_owned()]));
            let flow = |hosts: [&str; 2]| FlowSeen {
                probe: "app".to_owned(),
                hosts: hosts.map(str::to_owned),
                way: way.clone(),
            };
            let flows = [flow(["app", "db"]), flow(["db", "app"])];
            let end = self.now + ms * 1_000_000;
            while self.now < end {
                let seen = Sight {
                    now: self.now,
                    flows: &flows,
                    is_up: &|session, _| !down.iter().any(|name| session.starts_with(name)),
                    is_whole,
                };
                for (raised, one) in self.watch.look(&self.topology, &seen) {
                    let ms = self.now / 1_000_000;
                    self.told.push((ms, raised, one.alert, one.about));
                }
                self.now += LOOK_NS;
            }
        }
    }

    #[test]
    fn traffic_on_a_backup_is_told_once_it_lasts_and_once_it_is_over() {
        let mut lab = Lab::new();
        lab.pass(2000, Some("prod"), &[], true);
        lab.pass(2000, None, &["prod"], false);
        lab.pass(2000, Some("backup"), &["prod"], false);
        // Nowhere is not back.
        lab.pass(2000, None, &["prod", "backup"], false);
        lab.pass(2000, Some("prod"), &[], true);
        let on = |ms, raised| (ms, raised, Alert::RunningOnBackup, "backup".to_owned());
        assert_eq!(lab.told, [on(4500, true), on(8500, false)]);
    }

    #[test]
    fn a_backup_that_dies_while_all_is_well_is_told_and_one_that_dies_in_an_outage_after_it() {
        let mut lab = Lab::new();
        lab.pass(2000, Some("prod"), &[], true);
        lab.pass(2000, Some("prod"), &["backup"], false);
        lab.pass(1000, Some("prod"), &[], true);
        let dead = |ms, raised| (ms, raised, Alert::BackupDead, "backup".to_owned());
        assert_eq!(lab.told, [dead(2500, true), dead(4500, false)]);
        lab.told.clear();
        lab.pass(2000, None, &["prod", "backup"], false);
        lab.pass(1000, Some("prod"), &["backup"], false);
        assert_eq!(lab.told, [dead(7500, true)]);
        assert_eq!(lab.watch.raised().count(), 1);
    }

    #[test]
    fn what_is_usual_is_what_was_so_before_the_first_fault() {
        let mut lab = Lab::new();
        lab.pass(500, Some("backup"), &[], true);
        lab.pass(500, Some("prod"), &[], true);
        // Sooner than a second.
        lab.pass(2000, Some("backup"), &["prod"], false);
        let on = (1500, true, Alert::RunningOnBackup, "backup".to_owned());
        assert_eq!(lab.told, [on]);
        let all = [
            (Alert::RunningOnBackup, "app".to_owned()),
            (Alert::BackupDead, "backup".to_owned()),
        ];
        let flows = [FlowSeen {
            probe: "app".to_owned(),
            hosts: ["app", "db"].map(str::to_owned),
            way: None,
        }];
        assert_eq!(lab.watch.possible(&lab.topology, &flows), all);
    }

    #[test]
    fn a_hash_that_moves_flows_among_what_they_share_is_no_backup() {
        let [one, two] = ["one", "two"].map(|name| Way::from([name.to_owned()]));
        let both: Way = one.union(&two).cloned().collect();
        assert!(!is_on_backup(&one, &two, &both, &both));
        assert!(is_on_backup(&one, &two, &both, &two));
    }
}
