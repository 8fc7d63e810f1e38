//! What a plan must know of the host.

use std::collections::BTreeSet;

use super::kernel::has_ipsec;
use crate::{
    engine::daemon::{self, strongswan},
    lab::{
        model::{Daemon, Lab},
        plan::{HostFacts, TunDevice},
    },
    os::host::HostProbe,
    units::Suite,
};

/// The facts of this host, with those programs that the lab uses: to ask
/// one for its version costs a process.
pub fn facts(probe: &HostProbe, lab: &Lab) -> HostFacts {
    let wants_ipsec = lab.sessions.values().any(|s| s.ipsec().is_some());
    HostFacts {
        netem: probe.netem && probe.wire,
        wireguard: probe.wireguard,
        vlan: probe.vlan,
        bond: probe.bond,
        vrf: probe.vrf,
        nftables: probe.nftables,
        tun: if probe.tun {
            TunDevice::Opens
        } else if probe.refused.contains_key("tun") {
            TunDevice::Refused
        } else {
            TunDevice::Absent
        },
        xfrm: has_ipsec(probe),
        ipsec: wants_ipsec.then(strongswan::find).flatten(),
        suites: suites(lab)
            .into_iter()
            .filter_map(|(suite, install)| daemon::suite_facts(suite, install))
            .collect(),
    }
}

/// Each installation that a lab uses.
pub fn suites(lab: &Lab) -> BTreeSet<(Suite, Option<&str>)> {
    lab.nodes
        .values()
        .filter_map(|node| match &node.daemon {
            Daemon::External(external) => Some((external.suite, external.install.as_deref())),
            Daemon::None | Daemon::Embedded => None,
        })
        .collect()
}
