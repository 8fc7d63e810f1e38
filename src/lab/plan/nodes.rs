//! Each namespace with what runs in it and the files it sees.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    DaemonPlan, NodePlan, PlanError,
    config::frr,
    facts::HostFacts,
    net::{Net, Space},
};
use crate::{
    lab::model::{Daemon, Node},
    units::{NodeName, SpeakerConfig},
};

const FRR_CONF: &str = "/etc/frr/frr.conf";
const VTYSH_CONF: &str = "/etc/frr/vtysh.conf";

pub(super) fn nodes(
    net: &Net<'_>,
    mut speakers: BTreeMap<NodeName, SpeakerConfig>,
    host: &HostFacts,
    errors: &mut Vec<PlanError>,
) -> Vec<NodePlan> {
    let hosts = hosts_file(net);
    net.spaces
        .iter()
        .map(|space| {
            let mut plan = NodePlan {
                name: space.name.clone(),
                kind: "host".to_owned(),
                behind: space.behind.as_ref().map(|(node, _)| node.clone()),
                daemon: DaemonPlan::None,
                files: BTreeMap::from([("/etc/hosts".to_owned(), hosts.clone())]),
            };
            if let Some(node) = declared(net, space) {
                plan.kind = node.kind.word().to_owned();
                let speaker = speakers.remove(&space.name);
                match daemon(&mut plan, node, speaker, host) {
                    Ok(()) => {}
                    Err(more) => errors.extend(more),
                }
            }
            plan
        })
        .collect()
}

fn declared<'a>(net: &Net<'a>, space: &Space) -> Option<&'a Node> {
    match space.behind {
        None => net.lab.nodes.get(&space.name),
        Some(_) => None,
    }
}

fn daemon(
    plan: &mut NodePlan,
    node: &Node,
    speaker: Option<SpeakerConfig>,
    host: &HostFacts,
) -> Result<(), Vec<PlanError>> {
    match (&node.daemon, speaker) {
        (Daemon::None, _) | (Daemon::Embedded | Daemon::Frr { config: None }, None) => {}
        (Daemon::Embedded, Some(config)) => plan.daemon = DaemonPlan::Embedded(config),
        (Daemon::Frr { .. }, _) if host.frr.is_none() => {
            return Err(vec![PlanError::NoFrr {
                node: plan.name.clone(),
            }]);
        }
        (Daemon::Frr { config: Some(text) }, _) => {
            plan.daemon = DaemonPlan::Frr {
                own_config: true,
                daemons: frr::daemons_of_text(text),
            };
            frr_files(plan, text.clone());
        }
        (Daemon::Frr { config: None }, Some(config)) => {
            let text = frr::render(&config).map_err(|errors| {
                let node = &plan.name;
                let wrap = |source| PlanError::Frr {
                    node: node.clone(),
                    source,
                };
                errors.into_iter().map(wrap).collect::<Vec<_>>()
            })?;
            plan.daemon = DaemonPlan::Frr {
                own_config: false,
                daemons: frr::daemons(&config),
            };
            frr_files(plan, text);
        }
    }
    Ok(())
}

fn frr_files(plan: &mut NodePlan, config: String) {
    plan.files.insert(FRR_CONF.to_owned(), config);
    plan.files
        .insert(VTYSH_CONF.to_owned(), frr::vtysh_conf(&plan.name));
}

/// One `/etc/hosts` for all: every namespace by its most telling address of each family.
fn hosts_file(net: &Net<'_>) -> String {
    let mut out = String::from("127.0.0.1 localhost\n::1 localhost\n");
    for space in &net.spaces {
        let addresses = net.addresses_of(&space.name);
        let v4 = addresses.iter().find(|address| address.addr().is_ipv4());
        let v6 = addresses.iter().find(|address| address.addr().is_ipv6());
        for address in v4.into_iter().chain(v6) {
            writeln!(out, "{} {}", address.addr(), space.name).unwrap_or_default();
        }
    }
    out
}
