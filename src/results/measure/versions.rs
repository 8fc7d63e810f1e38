//! Which releases of which daemons were measured, as they said themselves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::results::event::{Event, EventKind};

/// A program that ran, in one release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DaemonVersion {
    /// `frr`, `bird`, `charon` (strongSwan), or backhoe's own `speaker` and `service`.
    pub program: String,
    /// Its release; null: it did not say.
    pub version: Option<String>,
    /// At which nodes.
    pub nodes: Vec<String>,
}

/// Every one of the journal, in the order in which they started.
pub(super) fn of(events: &[Event]) -> Vec<DaemonVersion> {
    let mut all = Vec::new();
    for event in events {
        if let EventKind::Daemon {
            node,
            program,
            state,
            version,
            ..
        } = &event.kind
            && state == "started"
        {
            add(&mut all, (program, version), std::slice::from_ref(node));
        }
    }
    all
}

/// All of several runs or series, each release once.
pub fn all_daemons<'a>(each: impl IntoIterator<Item = &'a DaemonVersion>) -> Vec<DaemonVersion> {
    let mut all = Vec::new();
    for daemon in each {
        add(&mut all, (&daemon.program, &daemon.version), &daemon.nodes);
    }
    all
}

fn add(
    all: &mut Vec<DaemonVersion>,
    (program, version): (&str, &Option<String>),
    nodes: &[String],
) {
    let same = |known: &&mut DaemonVersion| known.program == program && known.version == *version;
    let nodes = nodes.iter().cloned();
    match all.iter_mut().find(same) {
        Some(known) => {
            let new: Vec<String> = nodes.filter(|node| !known.nodes.contains(node)).collect();
            known.nodes.extend(new);
        }
        None => all.push(DaemonVersion {
            program: program.to_owned(),
            version: version.clone(),
            nodes: nodes.collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started(node: &str, program: &str, version: Option<&str>) -> Event {
        Event {
            at: 1,
            kind: EventKind::Daemon {
                node: node.to_owned(),
                program: program.to_owned(),
                state: "started".to_owned(),
                detail: None,
                version: version.map(str::to_owned),
            },
        }
    }

    #[test]
    fn nodes_of_one_release_are_told_together_and_a_restart_is_no_other() {
        let daemon = |program: &str, version: Option<&str>, nodes: &[&str]| DaemonVersion {
            program: program.to_owned(),
            version: version.map(str::to_owned),
            nodes: nodes.iter().copied().map(str::to_owned).collect(),
        };
        let found = of(&[
            started("dc1", "frr", Some("8.4.4")),
            started("vgw", "speaker", Some("0.1.0")),
            started("east", "frr", Some("8.4.4")),
            started("west", "frr", Some("10.2")),
            started("dc1", "frr", Some("8.4.4")),
            started("dc2", "bird", None),
        ]);
        let wanted = [
            daemon("frr", Some("8.4.4"), &["dc1", "east"]),
            daemon("speaker", Some("0.1.0"), &["vgw"]),
            daemon("frr", Some("10.2"), &["west"]),
            daemon("bird", None, &["dc2"]),
        ];
        assert_eq!(found, wanted);
    }
}
