//! Probes as flows: two for each, one each way.

use std::net::IpAddr;

use super::{FlowPlan, PlanError, net::Net};
use crate::{
    lab::model::Endpoint,
    units::{Family, NodeName, PROBE_PORT_BASE},
};

/// Two flows for each probe, in the order of the probes' names.
pub(super) fn flows(net: &Net<'_>) -> Result<Vec<FlowPlan>, PlanError> {
    let mut flows = Vec::new();
    for (name, probe) in &net.lab.probes {
        let ends = [
            endpoint(net, &probe.ends[0], probe.family)?,
            endpoint(net, &probe.ends[1], probe.family)?,
        ];
        for (from, to) in [(&ends[0], &ends[1]), (&ends[1], &ends[0])] {
            let id = u16::try_from(flows.len()).ok();
            let (Some(id), Some(port), Ok(size)) = (
                id,
                id.and_then(|id| PROBE_PORT_BASE.checked_add(id)),
                u16::try_from(probe.size.get()),
            ) else {
                return Err(PlanError::Broken(format!(
                    "that probe `{name}` has a port and a size an IP packet can have"
                )));
            };
            flows.push(FlowPlan {
                id,
                probe: name.clone(),
                from: from.0.clone(),
                to: to.0.clone(),
                source: from.1,
                destination: to.1,
                port,
                rate: probe.rate,
                size,
            });
        }
    }
    Ok(flows)
}

/// The namespace and address a probe ends at.
fn endpoint(
    net: &Net<'_>,
    end: &Endpoint,
    family: Family,
) -> Result<(NodeName, IpAddr), PlanError> {
    let space = match end {
        Endpoint::Node(node) => Some(node),
        Endpoint::Behind { node, host } => net.hosts.get(&(node.clone(), host.clone())),
    };
    space
        .and_then(|space| {
            let address = net
                .addresses_of(space)
                .into_iter()
                .find(|address| Family::of(address) == family)?;
            Some((space.clone(), address.addr()))
        })
        .ok_or_else(|| PlanError::Broken(format!("that probe end `{end}` has an address")))
}
