//! Services as what runs at which host, and as what a client may reach.

use std::{collections::BTreeMap, net::SocketAddr};

use super::{FlowEnd, PlanError, ServicePlan, flows::space_of, net::Net, types::DnsPlan};
use crate::{
    lab::model::{Dns, Endpoint, Service, ServiceBy},
    units::{DNS_PORT, FailoverRecord, NodeName, RecordEndpoint, ServiceConfig},
};

/// Every service with its endpoints' namespaces and addresses.
pub(super) fn services(net: &Net<'_>) -> Result<Vec<ServicePlan>, PlanError> {
    let plan = |(name, service): (&NodeName, &Service)| {
        let ends = service.endpoints.iter().map(|end| flow_end(net, end));
        let dns = match &service.by {
            ServiceBy::Anycast => None,
            ServiceBy::Dns(dns) => Some(DnsPlan {
                server: flow_end(net, &dns.server)?,
                ttl: dns.ttl,
                check: dns.check,
            }),
        };
        Ok(ServicePlan {
            name: name.clone(),
            endpoints: ends.collect::<Result<_, PlanError>>()?,
            dns,
        })
    };
    net.lab.services.iter().map(plan).collect()
}

fn flow_end(net: &Net<'_>, end: &Endpoint) -> Result<FlowEnd, PlanError> {
    let host = space_of(net, end)
        .ok_or_else(|| PlanError::Broken(format!("that `{end}` is a host")))?
        .clone();
    let addresses = net.addresses_of(&host);
    Ok(FlowEnd {
        addresses: addresses.iter().map(|address| address.addr()).collect(),
        host,
    })
}

/// What each host's service process does, for hosts that need one.
pub(super) fn processes(net: &Net<'_>) -> Result<BTreeMap<NodeName, ServiceConfig>, PlanError> {
    let mut all: BTreeMap<NodeName, ServiceConfig> = BTreeMap::new();
    let empty = |node: &NodeName| ServiceConfig {
        node: node.clone(),
        dns: Vec::new(),
        records: Vec::new(),
        accept: Vec::new(),
    };
    for (name, service) in &net.lab.services {
        let ServiceBy::Dns(dns) = &service.by else {
            continue;
        };
        let record = record(net, name, service, dns)?;
        for endpoint in &record.endpoints {
            let process = all
                .entry(endpoint.host.clone())
                .or_insert_with(|| empty(&endpoint.host));
            if !process.accept.contains(&endpoint.target) {
                process.accept.push(endpoint.target);
            }
        }
        let server = flow_end(net, &dns.server)?;
        let process = all
            .entry(server.host.clone())
            .or_insert_with(|| empty(&server.host));
        if process.dns.is_empty() {
            let sockets = server.addresses.iter();
            process.dns = sockets.map(|a| SocketAddr::new(*a, DNS_PORT)).collect();
        }
        process.records.push(record);
    }
    Ok(all)
}

fn record(
    net: &Net<'_>,
    name: &NodeName,
    service: &Service,
    dns: &Dns,
) -> Result<FailoverRecord, PlanError> {
    let server = flow_end(net, &dns.server)?;
    let endpoint = |side: usize| {
        let broken = || PlanError::Broken(format!("that `{name}` has two endpoints it can check"));
        let end = service.endpoints.get(side).ok_or_else(broken)?;
        let end = flow_end(net, end)?;
        let reachable = |address: &&std::net::IpAddr| {
            let mut own = server.addresses.iter();
            own.any(|own| own.is_ipv4() == address.is_ipv4())
        };
        let target = end.addresses.iter().find(reachable).ok_or_else(broken)?;
        Ok::<_, PlanError>(RecordEndpoint {
            target: SocketAddr::new(*target, dns.port),
            host: end.host,
            addresses: end.addresses,
        })
    };
    Ok(FailoverRecord {
        name: name.as_str().to_ascii_lowercase(),
        ttl: dns.ttl,
        check: dns.check,
        endpoints: [endpoint(0)?, endpoint(1)?],
    })
}
