//! Names of namespaces and interfaces, derived from the file's names.

use std::collections::{BTreeMap, BTreeSet};

use super::{PlanError, address::hash};
use crate::{
    lab::model::Lab,
    units::{HostName, NodeName},
};

/// A set of names of at most `max` bytes, each given out once.
#[derive(Debug)]
pub(super) struct Claims {
    max: usize,
    taken: BTreeSet<String>,
}

impl Claims {
    pub(super) fn up_to(max: usize) -> Self {
        Self {
            max,
            taken: BTreeSet::new(),
        }
    }

    /// `wanted` itself where it fits and is free; else its beginning and a hash of it.
    pub(super) fn claim(&mut self, wanted: &str) -> String {
        if wanted.len() <= self.max && self.taken.insert(wanted.to_owned()) {
            return wanted.to_owned();
        }
        let mut attempt = 0u32;
        loop {
            let tail = hash("name", &format!("{wanted}/{attempt}")) & 0xffff;
            let keep: String = wanted.chars().take(self.max.saturating_sub(5)).collect();
            let name = format!("{keep}-{tail:04x}");
            if self.taken.insert(name.clone()) {
                return name;
            }
            attempt += 1;
        }
    }
}

/// The namespace of every host behind a node: the host's own name where that is
/// unique in the lab, else `node-host` for all that share the name.
pub(super) fn host_spaces(
    lab: &Lab,
) -> Result<BTreeMap<(NodeName, HostName), NodeName>, PlanError> {
    let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, node) in &lab.nodes {
        *uses.entry(name.as_str()).or_default() += 1;
        for host in node.hosts.keys() {
            *uses.entry(host.as_str()).or_default() += 1;
        }
    }
    let mut claims = Claims::up_to(NodeName::MAX);
    for node in lab.nodes.keys() {
        claims.claim(node.as_str());
    }
    let hosts = || {
        lab.nodes
            .iter()
            .flat_map(|(name, node)| node.hosts.keys().map(move |host| (name, host)))
    };
    let is_unique = |host: &HostName| uses.get(host.as_str()) == Some(&1);
    let mut spaces = BTreeMap::new();
    // The short names first: a long one never takes a short one's place.
    for short in [true, false] {
        for (node, host) in hosts().filter(|(_, host)| is_unique(host) == short) {
            let name = if short {
                claims.claim(host.as_str())
            } else {
                claims.claim(&format!("{node}-{host}"))
            };
            spaces.insert((node.clone(), host.clone()), NodeName::new(name)?);
        }
    }
    Ok(spaces)
}
