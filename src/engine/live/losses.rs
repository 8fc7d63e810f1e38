//! What kernels dropped while packets were counted, by their own counters: no wire
//! sees that.

use std::collections::BTreeMap;

use super::Live;
use crate::{
    lab::plan::{CharonPlan, DaemonPlan},
    os::{
        ip_counters::no_route,
        ipsec::{self, Losses},
    },
    units::NodeName,
};

/// Every counter when counting began.
#[derive(Debug, Clone, Default)]
pub(super) struct Baseline {
    /// Of IPsec's endpoints.
    esp: BTreeMap<NodeName, Losses>,
    /// Packets without a route, of every node.
    no_route: BTreeMap<NodeName, u64>,
}

impl Live {
    pub(super) fn losses(&self) -> Baseline {
        Baseline {
            esp: self.esp_losses(),
            no_route: self.no_route(),
        }
    }

    fn no_route(&self) -> BTreeMap<NodeName, u64> {
        self.holders()
            .filter_map(|(node, holder)| Some((node.clone(), no_route(holder.pid()).ok()?)))
            .collect()
    }

    /// Packets for which each node had no route since
    /// [`begin_counting`](Self::begin_counting).
    pub fn without_route(&self) -> BTreeMap<NodeName, u64> {
        let before = self.baseline().no_route;
        let mut now = self.no_route();
        for (node, count) in &mut now {
            *count = count.saturating_sub(before.get(node).copied().unwrap_or(0));
        }
        now.retain(|_, count| *count > 0);
        now
    }

    fn esp_losses(&self) -> BTreeMap<NodeName, Losses> {
        let nodes = self.plan().nodes.iter();
        let endpoints = nodes.filter_map(|node| match &node.daemon {
            DaemonPlan::Charon(charon) => Some((&node.name, charon)),
            DaemonPlan::None
            | DaemonPlan::Embedded(_)
            | DaemonPlan::Frr { .. }
            | DaemonPlan::Bird { .. } => None,
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
