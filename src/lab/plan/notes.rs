//! What every report must repeat: stand-ins, simplifications, modelled parts.

use std::net::IpAddr;

use super::{cap, facts::HostFacts, mss, net::Net, routing::Leg};
use crate::lab::model::{Daemon, KNOWN_DEFECT, LIBIPSEC_MTU, Service, ServiceBy, SessionKind};

/// The notes, and apart from them what stands in for something else.
pub(super) fn notes(net: &Net<'_>, legs: &[Leg], host: &HostFacts) -> (Vec<String>, Vec<String>) {
    let mut notes = net.lab.notes.clone();
    let mut stand_ins = Vec::new();
    let mut note = |text: String| {
        if !notes.contains(&text) {
            notes.push(text);
        }
    };
    for one in &net.lab.survives {
        note(format!(
            "`survives` (line {}) is held by `backhoe sweep`, which makes everything fail, not by a scenario",
            one.line
        ));
    }
    for (name, session) in &net.lab.sessions {
        match &session.kind {
            SessionKind::Vif(vif) => {
                if let Some(vlan) = vif.vlan.filter(|_| !host.vlan) {
                    note(format!(
                        "{} runs untagged instead of with VLAN {vlan} ({name}): this kernel has no 802.1Q",
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
                if session.ipsec().is_some() {
                    note(match (host.xfrm, to_aws) {
                        (true, _) => format!("{name}: IPsec by strongSwan, ESP in the kernel"),
                        (false, true) => format!(
                            "{name}: IPsec by strongSwan with ESP in user space (libipsec, always in UDP, MTU at most {LIBIPSEC_MTU}): this kernel has no XFRM interfaces; AWS's own carries up to 1446"
                        ),
                        (false, false) => format!(
                            "{name}: IPsec by strongSwan with ESP in user space (libipsec, always in UDP, MTU at most {LIBIPSEC_MTU}): this kernel has no XFRM interfaces"
                        ),
                    });
                } else if to_aws {
                    stand_ins.push(format!("{name}: WireGuard stands in for AWS's IPsec"));
                }
                if session.fixed().is_some() && session.ipsec().is_none() {
                    note(format!(
                        "{name}: WireGuard asks no peer whether it lives, so these static routes stay whatever happens to the path beneath"
                    ));
                }
            }
            SessionKind::Ebgp { .. } | SessionKind::Ibgp { .. } => {}
        }
    }
    let by_dns = |service: &&Service| matches!(service.by, ServiceBy::Dns(_));
    if net.lab.services.values().any(|service| by_dns(&service)) {
        note(
            "names: one checker stands in for Route 53's many, and the client asks the server \
             itself: no resolver between them keeps answers"
                .to_owned(),
        );
    }
    for (name, session) in &net.lab.sessions {
        if session.graceful_restart.is_some() && session.bfd.is_some() {
            note(format!(
                "{name}: graceful restart beside BFD keeps the routes that BFD finds dead; AWS advises against having both"
            ));
        }
    }
    for name in mss::unclamped(net, host) {
        note(format!(
            "{name}: TCP's MSS is not clamped as a customer gateway would: this kernel has no nftables"
        ));
    }
    for text in cap::notes(net, host) {
        note(text);
    }
    if let Some([bfd, _]) = legs
        .iter()
        .filter(|leg| leg.modelled)
        .find_map(|leg| leg.bfd)
    {
        stand_ins.push(format!(
            "AWS's inside (location to gateway) is modelled: BGP with BFD {} ms x {}; \
             AWS publishes no figure",
            bfd.min_tx.as_millis(),
            bfd.multiplier
        ));
    }
    for node in net.lab.nodes.values() {
        if let Daemon::External(external) = &node.daemon
            && let Some(facts) = host.suite(external.suite, external.install.as_deref())
            && let Some(bad) = &facts.known_bad
        {
            note(format!(
                "{KNOWN_DEFECT}{} {}: {bad}; install another release, or name this one with the number",
                facts.suite, facts.version
            ));
        }
    }
    for text in strangers(net, legs) {
        note(text);
    }
    (notes, stand_ins)
}

/// Peers that a user's own configuration does not name: nothing will come up there.
fn strangers(net: &Net<'_>, legs: &[Leg]) -> Vec<String> {
    let ends = legs
        .iter()
        .flat_map(|leg| [0, 1].map(|side| (leg, &leg.ends[side], &leg.ends[1 - side])));
    ends.filter_map(|(leg, own, peer)| {
        let Daemon::External(external) = &net.lab.nodes.get(&own.node)?.daemon else {
            return None;
        };
        let config = external.config.as_ref()?;
        let named = config
            .text
            .split(|c: char| !(c.is_ascii_hexdigit() || matches!(c, '.' | ':')))
            .filter_map(|word| word.parse::<IpAddr>().ok())
            .any(|address| address == peer.address);
        (!named).then(|| {
            format!(
                "{} names no {}, the peer of `{}` at {}: that session will not come up unless it listens for a range",
                config.path, peer.address, leg.session, own.node
            )
        })
    })
    .collect()
}
