//! VRFs of routers: which of a node's links, LAGs and hosts have a routing table
//! of their own.

use std::collections::BTreeMap;

use super::{
    super::{
        At,
        raw::{Key, Tree, Value},
        reader::Fields,
    },
    Lower, Section,
    nodes::overlaps,
};
use crate::{
    lab::model::{Daemon, Vrf},
    units::{IfName, LinkName, NodeName},
};

impl Lower<'_> {
    /// Reads `vrfs` of every node; links, LAGs and hosts are known by now.
    pub(super) fn vrfs(&mut self, fields: &Fields<'_>) {
        let Some((_, tree)) = fields.get("nodes") else {
            return;
        };
        let Value::Map(entries) = &tree.value else {
            return;
        };
        for (key, node_tree) in entries {
            let (Some((name, _)), Value::Map(keys)) = (
                self.lab.nodes.get_key_value(key.text.as_str()),
                &node_tree.value,
            ) else {
                continue;
            };
            let name = name.clone();
            let Some((at, tree)) = keys.iter().find(|(key, _)| key.text == "vrfs") else {
                continue;
            };
            let vrfs = self.read_vrfs(&name, at.at, tree);
            if let Some(node) = self.lab.nodes.get_mut(&name) {
                node.vrfs = vrfs;
            }
            self.check_shared_networks(at.at, &name);
        }
    }

    fn read_vrfs(&mut self, node: &NodeName, at: At, tree: &Tree) -> BTreeMap<IfName, Vrf> {
        let mut vrfs = BTreeMap::new();
        let mut taken: BTreeMap<String, String> = BTreeMap::new();
        for (key, tree) in self.f.entries(tree, at, "vrfs") {
            let name = if key.text.len() > IfName::MAX {
                let message = format!(
                    "a VRF's name has at most {} bytes, for it is an interface too; `{}` has {}",
                    IfName::MAX,
                    key.text,
                    key.text.len()
                );
                self.f.error(key.at, "bad-name", message);
                None
            } else {
                self.f.name::<IfName>(key.at, &key.text)
            };
            self.check_vrf_name(node, key);
            let mut vrf = Vrf::default();
            for item in self.f.items(key.at, tree, &key.text).unwrap_or_default() {
                let Some(text) = self.f.text(item.at, item, "vrfs") else {
                    continue;
                };
                if let Some(other) = taken.insert(text.to_owned(), key.text.clone()) {
                    let message = format!("`{text}` is in the VRF `{other}` already");
                    self.f.error(item.at, "duplicate", message);
                    continue;
                }
                self.vrf_member(node, (item.at, text), &mut vrf);
            }
            if let Some(name) = name {
                vrfs.insert(name, vrf);
            }
        }
        vrfs
    }

    /// The kernel's VRF is an interface among the node's others.
    fn check_vrf_name(&mut self, node: &NodeName, key: &Key) {
        let is_link = self.is_known(Section::Links, &key.text)
            || self.is_known(Section::Lags, &key.text)
            || self.is_known(Section::Sessions, &key.text);
        let own = self.lab.nodes.get(node);
        let is_host = own.is_some_and(|node| node.hosts.contains_key(key.text.as_str()));
        if is_link || is_host || matches!(key.text.as_str(), "lo" | "default" | "main") {
            let message = format!(
                "a VRF cannot be called `{}`: that is another thing's name",
                key.text
            );
            self.f.error(key.at, "duplicate", message);
        }
    }

    fn vrf_member(&mut self, node: &NodeName, (at, text): (At, &str), vrf: &mut Vrf) {
        let Some(own) = self.lab.nodes.get(node) else {
            return;
        };
        if let Some((host, _)) = own.hosts.get_key_value(text) {
            let host = host.clone();
            vrf.hosts.push(host);
            return;
        }
        let hosts: Vec<String> = own.hosts.keys().map(ToString::to_string).collect();
        let known = LinkName::new(text)
            .ok()
            .filter(|_| self.is_known(Section::Links, text) || self.is_known(Section::Lags, text));
        let Some(link) = known else {
            let links = self.lab.links.iter();
            let links = links.filter(|(_, link)| link.ends.contains(node));
            let mut words: Vec<String> = links.map(|(name, _)| name.to_string()).collect();
            words.extend(hosts);
            let message = format!("`{node}` has no link, LAG or host `{text}`");
            self.f
                .error(at, "unknown-name", message)
                .one_of(text, words.iter().map(String::as_str));
            return;
        };
        match self.way_ends(at, &link) {
            Some(ends) if !ends.contains(node) => {
                let message = format!("`{link}` does not end at `{node}`");
                self.f.error(at, "ends", message);
            }
            Some(_) => vrf.links.push(link),
            None => {}
        }
    }

    /// Hosts on one network are behind one interface.
    fn check_shared_networks(&mut self, at: At, name: &NodeName) {
        let Some(node) = self.lab.nodes.get(name) else {
            return;
        };
        let vrf_of = |host| node.vrfs.values().position(|vrf| vrf.hosts.contains(host));
        let mut found = None;
        for (host, spec) in &node.hosts {
            for (other, other_spec) in &node.hosts {
                let shares = spec.addresses.iter().any(|a| {
                    let mut others = other_spec.addresses.iter();
                    others.any(|b| overlaps(&a.trunc(), &b.trunc()))
                });
                if host < other && shares && vrf_of(host) != vrf_of(other) {
                    found = Some(format!(
                        "`{host}` and `{other}` share a network, and so their VRF"
                    ));
                }
            }
        }
        if let Some(message) = found {
            self.f.error(at, "vrf", message);
        }
    }

    /// A node's sessions are all in one table, and only the embedded speaker knows VRFs.
    pub(super) fn check_vrf_sessions(&mut self) {
        let mut found = Vec::new();
        for (name, node) in &self.lab.nodes {
            let mine = self
                .lab
                .sessions
                .iter()
                .filter(|(_, s)| s.ends.contains(name));
            let tables: Vec<(String, Option<&IfName>)> = mine
                .map(|(session, spec)| {
                    let link = spec.kind.link();
                    let mut vrfs = node.vrfs.iter();
                    let vrf = vrfs.find(|(_, vrf)| link.is_some_and(|l| vrf.links.contains(l)));
                    (session.to_string(), vrf.map(|(vrf, _)| vrf))
                })
                .collect();
            let Some((inside, Some(vrf))) = tables.iter().find(|(_, vrf)| vrf.is_some()) else {
                continue;
            };
            if let Some((other, _)) = tables.iter().find(|(_, other)| *other != Some(*vrf)) {
                found.push((other.clone(), "later", format!(
                    "`{inside}` is in the VRF `{vrf}` of `{name}`, and `{other}` is not: a node's sessions are all in one table"
                )));
            }
            if node.daemon != Daemon::Embedded {
                found.push((inside.clone(), "later", format!(
                    "`{inside}` is in the VRF `{vrf}` of `{name}`: only `daemon: embedded` runs sessions in a VRF"
                )));
            }
        }
        for (session, code, message) in found {
            let at = self.at(Section::Sessions, &session);
            self.f.error(at, code, message);
        }
    }
}
