//! What tunnels to AWS let through, and where what is beyond that is dropped: where packets come
//! out of a tunnel, at either end.

use super::{TunnelPlan, facts::HostFacts, net::Net};
use crate::{
    lab::{
        model::{SessionKind, aws::VPN_TUNNEL_CAP},
        op::{Netns, Op},
    },
    units::{SessionName, TunnelCap},
};

/// An operation for each end of each tunnel that has a cap.
pub(super) fn caps(tunnels: &[TunnelPlan], host: &HostFacts) -> Vec<Op> {
    let capped = tunnels.iter().filter(|_| host.nftables);
    let ops = capped.flat_map(|tunnel| {
        let ends = tunnel.ends.iter();
        ends.filter_map(|end| {
            Some(Op::CapTunnel {
                netns: Netns::Node(end.node.clone()),
                dev: end.interface.clone(),
                cap: tunnel.cap?,
            })
        })
    });
    ops.collect()
}

/// What reports repeat of a VPN's cap.
pub(super) fn notes(net: &Net<'_>, host: &HostFacts) -> Vec<String> {
    let of = |(name, cap): (&SessionName, TunnelCap)| {
        let changed = (cap != VPN_TUNNEL_CAP).then(|| {
            format!(
                "{name}: each tunnel carries at most {} and {}, as the lab has it; AWS's carry {} and {}",
                cap.bits_in_words(),
                cap.packets_in_words(),
                VPN_TUNNEL_CAP.bits_in_words(),
                VPN_TUNNEL_CAP.packets_in_words(),
            )
        });
        let lacking = (!host.nftables).then(|| {
            format!(
                "{name}: its tunnels' cap of {} and {} is not enforced: this kernel has no nftables",
                cap.bits_in_words(),
                cap.packets_in_words(),
            )
        });
        changed.into_iter().chain(lacking)
    };
    capped(net).flat_map(of).collect()
}

fn capped<'n>(net: &'n Net<'_>) -> impl Iterator<Item = (&'n SessionName, TunnelCap)> {
    net.lab.sessions.iter().filter_map(|(name, session)| {
        let SessionKind::Vpn(vpn) = &session.kind else {
            return None;
        };
        Some((name, vpn.cap?))
    })
}
