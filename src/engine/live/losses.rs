//! What kernels dropped while packets were counted, by their own counters: no wire
//! sees that.

use std::{collections::BTreeMap, io};

use super::Live;
use crate::{
    engine::daemon::wireguard::TunnelStatus,
    lab::plan::{CharonPlan, DaemonPlan},
    os::{
        device_counters::without_member,
        ip_counters::{no_route, too_large},
        ipsec::{self, Losses},
        nftables::{OverCap, over_cap},
        wireguard::Drops,
    },
    results::measure::{DropCause, NodeDrops, TunnelDrops},
    units::NodeName,
};

/// Every counter when counting began.
#[derive(Debug, Clone, Default)]
pub(super) struct Baseline {
    /// Of IPsec's endpoints.
    esp: BTreeMap<NodeName, Losses>,
    /// What nodes dropped.
    nodes: BTreeMap<NodeName, NodeDrops>,
    /// What ends of WireGuard tunnels dropped: by tunnel and node.
    tunnels: BTreeMap<(String, String), Drops>,
    /// What was beyond the caps of tunnels: by tunnel and node.
    caps: BTreeMap<(String, String), OverCap>,
}

impl Live {
    pub(super) fn losses(&self) -> Baseline {
        Baseline {
            esp: self.esp_losses(),
            nodes: self.node_drops(),
            tunnels: self.tunnel_drops(),
            caps: self.over_caps(),
        }
    }

    /// What was beyond each tunnel's cap, where it came out.
    fn over_caps(&self) -> BTreeMap<(String, String), OverCap> {
        let capped = self.plan().tunnels.iter().filter(|t| t.cap.is_some());
        let ends = capped.flat_map(|tunnel| tunnel.ends.iter().map(move |end| (tunnel, end)));
        let drops = ends.filter_map(|(tunnel, end)| {
            let all = over_cap(self.namespaces().get(&end.node)?).ok()?;
            let of = all.get(end.interface.as_str())?;
            Some(((tunnel.tunnel.to_string(), end.node.to_string()), *of))
        });
        drops.collect()
    }

    /// What was beyond each tunnel's cap since [`begin_counting`](Self::begin_counting).
    fn dropped_by_caps(&self) -> Vec<TunnelDrops> {
        let before = self.baseline().caps;
        let mut all = Vec::new();
        for (end, now) in self.over_caps() {
            let before = before.get(&end).copied().unwrap_or_default();
            let (tunnel, node) = end;
            let mut tunnels = self.plan().tunnels.iter();
            let plan = tunnels.find(|plan| plan.tunnel.as_str() == tunnel);
            let Some(cap) = plan.and_then(|plan| plan.cap) else {
                continue;
            };
            let limits = [
                (cap.bits_in_words(), now.bytes.saturating_sub(before.bytes)),
                (
                    cap.packets_in_words(),
                    now.packets.saturating_sub(before.packets),
                ),
            ];
            let beyond = limits.into_iter().filter(|(_, count)| *count > 0);
            all.extend(beyond.map(|(limit, count)| TunnelDrops {
                tunnel: tunnel.clone(),
                node: node.clone(),
                reason: format!("over its cap of {limit}"),
                count,
                cause: DropCause::Cap,
            }));
        }
        all
    }

    fn tunnel_drops(&self) -> BTreeMap<(String, String), Drops> {
        let drops = |status: Option<TunnelStatus>| status.map(|status| status.drops);
        let ends = self.tunnels.statuses().into_iter();
        ends.filter_map(|(tunnel, node, status)| Some(((tunnel, node), drops(status)?)))
            .collect()
    }

    /// What each end of a WireGuard tunnel, and each tunnel's cap, dropped since
    /// [`begin_counting`](Self::begin_counting), by the reason.
    pub fn dropped_by_tunnels(&self) -> Vec<TunnelDrops> {
        let before = self.baseline().tunnels;
        let none = Drops::default();
        let mut all = self.dropped_by_caps();
        for (end, now) in self.tunnel_drops() {
            let more = now.since(before.get(&end).unwrap_or(&none));
            let (tunnel, node) = end;
            all.extend(more.iter().map(|(reason, count)| TunnelDrops {
                tunnel: tunnel.clone(),
                node: node.clone(),
                reason: reason.to_string(),
                count,
                cause: match (reason.is_the_hosts(), reason.is_the_networks()) {
                    (true, _) => DropCause::Host,
                    (false, true) => DropCause::Network,
                    (false, false) => DropCause::Tunnel,
                },
            }));
        }
        all
    }

    fn node_drops(&self) -> BTreeMap<NodeName, NodeDrops> {
        self.holders()
            .filter_map(|(node, holder)| {
                let pid = holder.pid();
                let drops = NodeDrops {
                    no_route: no_route(pid).ok()?,
                    no_member: self.no_member(node, pid).ok()?,
                    too_large: too_large(pid).ok()?,
                };
                Some((node.clone(), drops))
            })
            .collect()
    }

    fn no_member(&self, node: &NodeName, pid: i32) -> io::Result<u64> {
        let ends = self.plan().lags.iter().flat_map(|lag| &lag.ends);
        ends.filter(|end| end.node == *node)
            .map(|end| without_member(pid, &end.interface, &end.members))
            .sum()
    }

    /// What each node dropped since [`begin_counting`](Self::begin_counting), by its own
    /// counters; only nodes that dropped something.
    pub fn dropped_by_nodes(&self) -> BTreeMap<NodeName, NodeDrops> {
        let before = self.baseline().nodes;
        let mut now = self.node_drops();
        for (node, drops) in &mut now {
            let before = before.get(node).copied().unwrap_or_default();
            *drops = drops.since(before);
        }
        now.retain(|_, drops| drops.all() > 0);
        now
    }

    fn esp_losses(&self) -> BTreeMap<NodeName, Losses> {
        let nodes = self.plan().nodes.iter();
        let endpoints = nodes.filter_map(|node| match &node.daemon {
            DaemonPlan::Charon(charon) => Some((&node.name, charon)),
            DaemonPlan::None
            | DaemonPlan::Embedded(_)
            | DaemonPlan::Frr { .. }
            | DaemonPlan::Bird { .. }
            | DaemonPlan::Service(_) => None,
        });
        endpoints
            // Of one that has ended nothing is known; that it has is told elsewhere.
            .filter_map(|(name, charon)| Some((name.clone(), self.losses_at(name, charon)?)))
            .collect()
    }

    fn losses_at(&self, endpoint: &NodeName, charon: &CharonPlan) -> Option<Losses> {
        let pid = |node: &NodeName| self.holders.get(node).map(|holder| holder.pid());
        ipsec::losses(pid(endpoint)?, pid(&charon.node)?, &charon.interface).ok()
    }

    /// Warns of what each endpoint dropped since [`begin_counting`](Self::begin_counting).
    pub fn warn_of_esp_losses(&self) {
        let before = self.baseline().esp;
        let none = Losses::new();
        for (endpoint, now) in self.esp_losses() {
            let lost = ipsec::since(before.get(&endpoint).unwrap_or(&none), now);
            let lost: Vec<String> = lost
                .into_iter()
                .map(|(reason, count)| format!("{reason} {count}"))
                .collect();
            if !lost.is_empty() {
                let text = format!("IPsec at {endpoint} dropped packets: {}", lost.join(", "));
                self.sink().warn("esp-drops", text, false);
            }
        }
    }
}
