//! Background load, with its namespaces, addresses and ports.

use super::{LoadPlan, PlanError, flows::endpoint, net::Net};
use crate::{
    lab::model::Load,
    units::{LOAD_PORT_BASE, LoadName},
};

/// Every load, in the order of their names.
pub(super) fn load(net: &Net<'_>) -> Result<Vec<LoadPlan>, PlanError> {
    let numbered = net.lab.load.iter().zip(LOAD_PORT_BASE..);
    let plan = |((name, load), port): ((&LoadName, &Load), u16)| {
        let (from, source) = endpoint(net, &load.ends[0], load.family)?;
        let (to, destination) = endpoint(net, &load.ends[1], load.family)?;
        Ok(LoadPlan {
            load: name.clone(),
            from,
            to,
            source,
            destination,
            port,
            transport: load.transport.clone(),
            sampling: load.sampling,
        })
    };
    numbered.map(plan).collect()
}
