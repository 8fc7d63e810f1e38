//! Probes as flows: two for each, one each way.

use std::net::{IpAddr, SocketAddr};

use super::{FlowPlan, PlanError, ServiceFlow, ServiceTarget, net::Net};
use crate::{
    lab::model::{Endpoint, Probe, ServiceBy},
    units::{DNS_PORT, Family, NodeName, PROBE_PORT_BASE},
};

/// Two flows for each probe, in the order of the probes' names.
pub(super) fn flows(net: &Net<'_>) -> Result<Vec<FlowPlan>, PlanError> {
    let mut flows = Vec::new();
    for (name, probe) in &net.lab.probes {
        let ends = [
            endpoint(net, &probe.ends[0], probe.family)?,
            endpoint(net, &probe.ends[1], probe.family)?,
        ];
        for (from, to) in [(0, 1), (1, 0)] {
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
                from: ends[from].0.clone(),
                to: ends[to].0.clone(),
                source: ends[from].1,
                destination: ends[to].1,
                port,
                rate: probe.rate,
                size,
                service: service(net, probe, from)?,
                dont_fragment: probe.dont_fragment,
            });
        }
    }
    Ok(flows)
}

/// The service at one end of a flow that `ends[from]` sends.
fn service(net: &Net<'_>, probe: &Probe, from: usize) -> Result<Option<ServiceFlow>, PlanError> {
    let at = |side: usize| match &probe.ends[side] {
        Endpoint::Service(name) => Some((name, side)),
        Endpoint::Node(_) | Endpoint::Behind { .. } => None,
    };
    let Some((name, side)) = at(0).or_else(|| at(1)) else {
        return Ok(None);
    };
    let Some(service) = net.lab.services.get(name) else {
        return Ok(None);
    };
    let target = |end: &Endpoint| {
        let (host, address) = endpoint(net, end, probe.family)?;
        Ok(ServiceTarget { host, address })
    };
    let endpoints = service.endpoints.iter().map(target);
    let resolver = match &service.by {
        ServiceBy::Anycast => None,
        ServiceBy::Dns(dns) => {
            let server = space_of(net, &dns.server);
            let addresses = server.map_or_else(Vec::new, |server| net.addresses_of(server));
            let client = space_of(net, &probe.ends[1 - side]);
            let own = client.map_or_else(Vec::new, |client| net.addresses_of(client));
            // The client asks over a family that it has, whatever the answer's is.
            let common = addresses.iter().find(|address| {
                let mut own = own.iter();
                own.any(|own| own.addr().is_ipv4() == address.addr().is_ipv4())
            });
            let address = common.ok_or_else(|| PlanError::NoServer {
                probe: probe.ends[1 - side].to_string(),
                name: name.clone(),
                server: dns.server.to_string(),
            })?;
            Some(SocketAddr::new(address.addr(), DNS_PORT))
        }
    };
    Ok(Some(ServiceFlow {
        name: name.clone(),
        towards: side != from,
        endpoints: endpoints.collect::<Result<_, PlanError>>()?,
        resolver,
    }))
}

/// The namespace of a host.
pub(super) fn space_of<'n>(net: &'n Net<'_>, end: &'n Endpoint) -> Option<&'n NodeName> {
    match end {
        Endpoint::Node(node) => Some(node),
        Endpoint::Behind { node, host } => net.hosts.get(&(node.clone(), host.clone())),
        Endpoint::Service(_) => None,
    }
}

/// The namespace and address a probe ends at; of a service its name, and the address of its
/// first endpoint.
pub(super) fn endpoint(
    net: &Net<'_>,
    end: &Endpoint,
    family: Family,
) -> Result<(NodeName, IpAddr), PlanError> {
    if let Endpoint::Service(name) = end
        && let Some(service) = net.lab.services.get(name)
        && let Some(first) = service.endpoints.first()
    {
        let (_, address) = endpoint(net, first, family)?;
        return Ok((name.clone(), address));
    }
    space_of(net, end)
        .and_then(|space| {
            let address = net
                .addresses_of(space)
                .into_iter()
                .find(|address| Family::of(address) == family)?;
            Some((space.clone(), address.addr()))
        })
        .ok_or_else(|| PlanError::Broken(format!("that probe end `{end}` has an address")))
}
