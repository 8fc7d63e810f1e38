//! What a plan must know of the host.

use crate::{
    engine::daemon::frr,
    lab::plan::{FrrFacts, HostFacts},
    os::host::HostProbe,
};

/// The facts of this host.
pub fn facts(probe: &HostProbe) -> HostFacts {
    HostFacts {
        netem: probe.netem,
        wireguard: probe.wireguard,
        vlan: probe.vlan,
        tun: probe.tun,
        frr: frr::find().map(|(_, version)| FrrFacts {
            version: version.to_string(),
            known_bad: frr::known_defect(version).map(str::to_owned),
        }),
    }
}
