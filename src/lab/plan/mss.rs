//! Which routers clamp TCP's MSS for their tunnels, and to what.

use super::{
    KernelFeature, PlanError, TunnelPlan,
    facts::HostFacts,
    net::{Net, Port},
};
use crate::{
    lab::{
        model::{Kind, Mss, SessionKind, Vpn},
        op::{Netns, Op},
    },
    units::{Bytes, SessionName},
};

/// Headers of IP and TCP without options.
const IPV4_AND_TCP: u64 = 40;
const IPV6_AND_TCP: u64 = 60;

/// An operation for each end that clamps and each family inside it.
///
/// # Errors
/// A VPN asks for it by name, and the kernel has no nftables.
pub(super) fn clamps(
    net: &Net<'_>,
    tunnels: &[TunnelPlan],
    host: &HostFacts,
) -> Result<Vec<Op>, PlanError> {
    let mut ops = Vec::new();
    for (name, vpn, mss) in clamped(net) {
        if !host.nftables {
            if vpn.mss.is_some() {
                return Err(PlanError::Lacks {
                    what: format!("`mss` of `{name}`"),
                    feature: KernelFeature::Nftables,
                });
            }
            continue;
        }
        for ports in net.tunnels.get(name).into_iter().flatten() {
            let Some(tunnel) = tunnels.iter().find(|plan| plan.tunnel == ports.tunnel) else {
                continue;
            };
            for port in ports.ends.iter().filter(|port| !is_aws(net, port)) {
                ops.extend(of_end(port, mss, tunnel.mtu));
            }
        }
    }
    Ok(ops)
}

/// VPNs with a default that this host cannot do.
pub(super) fn unclamped(net: &Net<'_>, host: &HostFacts) -> Vec<SessionName> {
    clamped(net)
        .filter(|_| !host.nftables)
        .map(|(name, ..)| name.clone())
        .collect()
}

fn clamped<'n>(net: &'n Net<'_>) -> impl Iterator<Item = (&'n SessionName, &'n Vpn, Mss)> {
    net.lab.sessions.iter().filter_map(|(name, session)| {
        let SessionKind::Vpn(vpn) = &session.kind else {
            return None;
        };
        let mut ends = session.ends.iter().filter_map(|end| net.lab.nodes.get(end));
        let default = if ends.any(|node| node.kind.is_aws()) {
            Mss::Mtu
        } else {
            Mss::Unclamped
        };
        let mss = vpn.mss.unwrap_or(default);
        (mss != Mss::Unclamped).then_some((name, vpn, mss))
    })
}

fn is_aws(net: &Net<'_>, port: &Port) -> bool {
    let node = net.lab.nodes.get(&port.node);
    node.map(|node| &node.kind).is_some_and(Kind::is_aws)
}

fn of_end(port: &Port, mss: Mss, mtu: Bytes) -> impl Iterator<Item = Op> {
    let families = [(false, IPV4_AND_TCP), (true, IPV6_AND_TCP)];
    families.into_iter().filter_map(move |(ipv6, headers)| {
        let inside = &port.addresses;
        inside.iter().find(|net| net.addr().is_ipv6() == ipv6)?;
        let bytes = match mss {
            Mss::Unclamped => return None,
            Mss::Mtu => mtu.get().saturating_sub(headers),
            Mss::Size(bytes) => bytes.get(),
        };
        Some(Op::ClampMss {
            netns: Netns::Node(port.node.clone()),
            dev: port.interface.clone(),
            ipv6,
            mss: u16::try_from(bytes).unwrap_or(u16::MAX),
        })
    })
}
