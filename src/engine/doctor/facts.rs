//! What a plan must know of the host.

use crate::{
    engine::daemon::frr,
    lab::plan::{FrrFacts, HostFacts},
    os::host::HostProbe,
};

/// The facts of this host. FRR is asked for its version only where a lab uses it:
/// that costs a process.
pub fn facts(probe: &HostProbe, with_frr: bool) -> HostFacts {
    HostFacts {
        netem: probe.netem && probe.wire,
        wireguard: probe.wireguard,
        vlan: probe.vlan,
        tun: probe.tun,
        frr: with_frr
            .then(frr::find)
            .flatten()
            .map(|(_, version)| FrrFacts {
                version: version.to_string(),
                known_bad: frr::known_defect(version).map(str::to_owned),
            }),
    }
}
