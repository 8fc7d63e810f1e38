//! Each namespace with what runs in it and the files it sees.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{
    DaemonPlan, NodePlan, PlanError,
    config::{bird, frr},
    facts::HostFacts,
    ipsec,
    net::{Net, Space},
    services,
};
use crate::{
    lab::model::{Daemon, External, Node},
    units::{NodeName, SpeakerConfig, Suite},
};

const FRR_CONF: &str = "/etc/frr/frr.conf";
const VTYSH_CONF: &str = "/etc/frr/vtysh.conf";
/// nftables rules of the user's own; in the node's own /run, as no host need have the place.
pub const FIREWALL: &str = "/run/nftables.conf";
/// In the node's own /run: a BIRD of the user's own may have no directory in /etc.
pub const BIRD_CONF: &str = "/run/bird/bird.conf";

pub(super) fn nodes(
    net: &Net<'_>,
    mut speakers: BTreeMap<NodeName, SpeakerConfig>,
    host: &HostFacts,
    errors: &mut Vec<PlanError>,
) -> Vec<NodePlan> {
    let hosts = hosts_file(net);
    let mut endpoints = ipsec::endpoints(net, host).unwrap_or_else(|error| {
        errors.push(error);
        BTreeMap::new()
    });
    let mut services = services::processes(net).unwrap_or_else(|error| {
        errors.push(error);
        BTreeMap::new()
    });
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
            if let Some(found) = net.endpoints.get(&space.name) {
                plan.kind = "vpn-endpoint".to_owned();
                plan.behind = Some(found.parent.clone());
            }
            if let Some(endpoint) = endpoints.remove(&space.name) {
                plan.daemon = DaemonPlan::Charon(endpoint.daemon);
                plan.files.extend(endpoint.files);
            }
            if let Some(service) = services.remove(&space.name) {
                plan.daemon = DaemonPlan::Service(service);
            }
            if let Some(node) = declared(net, space) {
                plan.kind = node.kind.word().to_owned();
                if let Some(rules) = &node.firewall {
                    plan.files.insert(FIREWALL.to_owned(), rules.text.clone());
                }
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
        (Daemon::None, _) | (Daemon::Embedded, None) => Ok(()),
        (Daemon::Embedded, Some(config)) => {
            plan.daemon = DaemonPlan::Embedded(config);
            Ok(())
        }
        (Daemon::External(external), speaker) => {
            self::external(plan, external, speaker.as_ref(), host)
        }
    }
}

fn external(
    plan: &mut NodePlan,
    external: &External,
    speaker: Option<&SpeakerConfig>,
    host: &HostFacts,
) -> Result<(), Vec<PlanError>> {
    if external.config.is_none() && speaker.is_none() {
        return Ok(());
    }
    let install = external.install.clone();
    if host.suite(external.suite, install.as_deref()).is_none() {
        return Err(vec![PlanError::NoSuite {
            node: plan.name.clone(),
            suite: external.suite,
            install,
        }]);
    }
    let own = external.config.as_ref().map(|own| own.text.clone());
    let own_config = own.is_some();
    match external.suite {
        Suite::Frr => {
            let (text, daemons) = match (own, speaker) {
                (Some(text), _) => {
                    let daemons = frr::daemons_of_text(&text);
                    (text, daemons)
                }
                (None, Some(config)) => (render_frr(plan, config)?, frr::daemons(config)),
                (None, None) => return Ok(()),
            };
            plan.daemon = DaemonPlan::Frr {
                own_config,
                daemons,
                install,
            };
            frr_files(plan, text);
        }
        Suite::Bird => {
            let text = match (own, speaker) {
                (Some(text), _) => text,
                (None, Some(config)) => render_bird(plan, config)?,
                (None, None) => return Ok(()),
            };
            plan.daemon = DaemonPlan::Bird {
                own_config,
                install,
            };
            plan.files.insert(BIRD_CONF.to_owned(), text);
        }
    }
    Ok(())
}

fn render_frr(plan: &NodePlan, config: &SpeakerConfig) -> Result<String, Vec<PlanError>> {
    frr::render(config).map_err(|errors| {
        let wrap = |source| PlanError::Frr {
            node: plan.name.clone(),
            source,
        };
        errors.into_iter().map(wrap).collect()
    })
}

fn render_bird(plan: &NodePlan, config: &SpeakerConfig) -> Result<String, Vec<PlanError>> {
    bird::render(config).map_err(|errors| {
        let wrap = |source| PlanError::Bird {
            node: plan.name.clone(),
            source,
        };
        errors.into_iter().map(wrap).collect()
    })
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
