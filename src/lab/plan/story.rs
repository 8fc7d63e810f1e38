//! Probes, steps and expectations in the engine's words.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{
    ExpectAfter, ExpectPlan, FaultPlan, FlowPlan, PlanError, StepPlan,
    net::{Net, cables::shape},
};
use crate::{
    lab::model::{self, Endpoint, Fault, StepKind},
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
                .find(|address| family_of(address) == family)?;
            Some((space.clone(), address.addr()))
        })
        .ok_or_else(|| PlanError::Broken(format!("that probe end `{end}` has an address")))
}

fn family_of(address: &IpNet) -> Family {
    match address {
        IpNet::V4(_) => Family::Ipv4Unicast,
        IpNet::V6(_) => Family::Ipv6Unicast,
    }
}

pub(super) fn step(step: &model::Step) -> StepPlan {
    match &step.kind {
        StepKind::Fault { label, fault: what } => StepPlan::Fault {
            label: label.clone(),
            fault: fault(what),
        },
        StepKind::Restore { label } => StepPlan::Restore {
            label: label.clone(),
        },
        StepKind::Wait { probe, within } => StepPlan::WaitRecovered {
            probe: probe.clone(),
            within: *within,
        },
        StepKind::Sleep(span) => StepPlan::Sleep(*span),
    }
}

fn fault(fault: &Fault) -> FaultPlan {
    match fault.clone() {
        Fault::Silent { link, from } => FaultPlan::Silent { link, from },
        Fault::Carrier { link, at } => FaultPlan::Carrier { link, at },
        Fault::Drop { link, packets } => FaultPlan::DropNumbered { link, packets },
        Fault::BgpShutdown { session, node } => FaultPlan::BgpShutdown { session, node },
        Fault::Kill { node } => FaultPlan::Kill { node },
        Fault::Freeze { node } => FaultPlan::Freeze { node },
        Fault::NodeDeath { node, links } => FaultPlan::NodeDeath { node, links },
        Fault::Degrade { link, shape: new } => FaultPlan::Degrade {
            link,
            shape: new.each_ref().map(shape),
        },
    }
}

pub(super) fn expect(expect: &model::Expect) -> ExpectPlan {
    ExpectPlan {
        after: match &expect.after {
            model::ExpectAfter::Fault(label) => ExpectAfter::Fault(label.clone()),
            model::ExpectAfter::Restore(label) => ExpectAfter::Restore(label.clone()),
        },
        probe: expect.probe.clone(),
        outage_max: expect.outage_max,
        lost: expect.lost,
        via: expect.via.clone(),
        line: expect.line,
    }
}
