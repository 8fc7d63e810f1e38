//! What every report must repeat: stand-ins, simplifications, modelled parts.

use super::{facts::HostFacts, net::Net, routing::Leg};
use crate::lab::model::{Daemon, SessionKind};

/// The notes, and apart from them what stands in for something else.
pub(super) fn notes(net: &Net<'_>, legs: &[Leg], host: &HostFacts) -> (Vec<String>, Vec<String>) {
    let mut notes = net.lab.notes.clone();
    let mut stand_ins = Vec::new();
    let mut note = |text: String| {
        if !notes.contains(&text) {
            notes.push(text);
        }
    };
    for (name, session) in &net.lab.sessions {
        match &session.kind {
            SessionKind::Vif(vif) => {
                if let Some(vlan) = vif.vlan {
                    let why = if host.vlan {
                        "its only VIF needs no tag"
                    } else {
                        "this kernel has no 802.1Q"
                    };
                    note(format!(
                        "{} runs untagged instead of with VLAN {vlan} ({name}): {why}",
                        vif.link
                    ));
                }
            }
            SessionKind::Vpn(_) => {
                let to_aws = session
                    .ends
                    .iter()
                    .filter_map(|end| net.lab.nodes.get(end))
                    .any(|node| node.kind.is_aws());
                if to_aws {
                    stand_ins.push(format!("{name}: WireGuard stands in for AWS's IPsec"));
                }
            }
            SessionKind::Ebgp { .. } | SessionKind::Ibgp { .. } => {}
        }
    }
    if legs.iter().any(|leg| leg.modelled) {
        stand_ins.push(
            "AWS's inside (location to gateway) is modelled: iBGP with BFD 300 ms x 3; \
             AWS publishes no figure"
                .to_owned(),
        );
    }
    for node in net.lab.nodes.values() {
        if let Daemon::External(external) = &node.daemon
            && let Some(facts) = host.suite(external.suite, external.install.as_deref())
            && let Some(bad) = &facts.known_bad
        {
            note(format!("{} {}: {bad}", facts.suite, facts.version));
        }
    }
    (notes, stand_ins)
}
