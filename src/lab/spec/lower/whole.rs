//! What only the whole lab shows: overlaps, and choices left to chance.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::{super::At, Lower, Section, nodes::overlaps};
use crate::{
    lab::model::{Kind, StepKind},
    units::NodeName,
};

/// A network and who has it.
struct Used {
    net: IpNet,
    node: NodeName,
    what: String,
    line: u32,
}

impl Lower<'_> {
    pub(super) fn whole(&mut self) {
        self.check_overlaps();
        self.check_duplicate_addresses();
        self.check_preference();
        self.check_ipv6_backup();
        self.check_scenario();
    }

    fn networks(&self) -> Vec<Used> {
        let mut used = Vec::new();
        for (name, node) in &self.lab.nodes {
            if let Kind::Vpc { cidrs, .. } = &node.kind {
                used.extend(cidrs.iter().map(|cidr| Used {
                    net: *cidr,
                    node: name.clone(),
                    what: format!("vpc `{name}`"),
                    line: node.line,
                }));
                continue;
            }
            for (host, spec) in &node.hosts {
                used.extend(spec.addresses.iter().map(|net| Used {
                    net: net.trunc(),
                    node: name.clone(),
                    what: format!("host `{name}.{host}`"),
                    line: spec.line,
                }));
            }
        }
        for (name, link) in &self.lab.links {
            for (end, list) in link.ends.iter().zip(&link.addresses) {
                used.extend(list.iter().map(|net| Used {
                    net: net.trunc(),
                    node: end.clone(),
                    what: format!("link `{name}`"),
                    line: link.line,
                }));
            }
        }
        for (name, session) in &self.lab.sessions {
            for (end, list) in session.ends.iter().zip(&session.addresses) {
                used.extend(list.iter().map(|net| Used {
                    net: net.trunc(),
                    node: end.clone(),
                    what: format!("session `{name}`"),
                    line: session.line,
                }));
            }
        }
        used
    }

    /// Networks at different places do not overlap; hosts of one node may share one.
    fn check_overlaps(&mut self) {
        let used = self.networks();
        let mut found = Vec::new();
        for (index, b) in used.iter().enumerate() {
            for a in used.iter().take(index) {
                let hosts = a.what.starts_with("host") && b.what.starts_with("host");
                let shared = (hosts && a.node == b.node && a.net == b.net)
                    || a.what == b.what
                    || self.same_switch(a, b);
                if !shared && overlaps(&a.net, &b.net) {
                    let (first, second) = if a.line <= b.line { (a, b) } else { (b, a) };
                    found.push((
                        second.line,
                        format!(
                            "`{}` of {} overlaps `{}` of {}",
                            second.net, second.what, first.net, first.what
                        ),
                    ));
                }
            }
        }
        for (line, message) in found {
            self.f.error(line_start(line), "overlap", message);
        }
    }

    /// Two links that are ports of one switch are one network.
    fn same_switch(&self, a: &Used, b: &Used) -> bool {
        let switches = |what: &str| -> Vec<NodeName> {
            what.strip_prefix("link `")
                .and_then(|rest| rest.strip_suffix('`'))
                .and_then(|name| self.lab.links.get(name))
                .into_iter()
                .flat_map(|link| link.ends.iter())
                .filter(|end| matches!(self.kind(end), Some(Kind::Switch)))
                .cloned()
                .collect()
        };
        let of_a = switches(&a.what);
        a.net == b.net && switches(&b.what).iter().any(|switch| of_a.contains(switch))
    }

    fn check_duplicate_addresses(&mut self) {
        let mut seen: BTreeMap<std::net::IpAddr, String> = BTreeMap::new();
        let mut found = Vec::new();
        let hosts = self.lab.nodes.iter().flat_map(|(node, spec)| {
            spec.hosts
                .iter()
                .map(move |(host, spec)| (format!("{node}.{host}"), spec))
        });
        for (name, host) in hosts {
            for net in &host.addresses {
                if let Some(other) = seen.insert(net.addr(), name.clone()) {
                    found.push((
                        host.line,
                        format!(
                            "`{name}` and `{other}` have the same address {}",
                            net.addr()
                        ),
                    ));
                }
            }
        }
        for (line, message) in found {
            self.f.error(line_start(line), "duplicate", message);
        }
    }

    fn check_scenario(&mut self) {
        let faults = self
            .lab
            .scenario
            .iter()
            .any(|step| matches!(step.kind, StepKind::Fault { .. }));
        if faults && self.lab.probes.is_empty() {
            let has_probes = self.lab.scenario.first().map_or(1, |step| step.line);
            if !self.any_declared(Section::Probes) {
                self.f.warn(
                    line_start(has_probes),
                    "no-probes",
                    "the scenario cuts something, but no probe measures it",
                );
            }
        }
    }
}

fn line_start(line: u32) -> At {
    At {
        line,
        column: 1,
        length: 1,
    }
}
