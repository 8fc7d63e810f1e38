//! Which directions a link is: both backends of the wire number them alike.

use std::collections::BTreeMap;

use anyhow::{anyhow, bail};

use crate::{
    lab::plan::WirePlan,
    units::{LinkName, NodeName},
};

/// Every link with its first direction and the senders of its two.
#[derive(Debug)]
pub(in crate::engine) struct Links(BTreeMap<LinkName, (usize, [NodeName; 2])>);

impl Links {
    /// Numbers the directions of the wires in order, two for each.
    pub(in crate::engine) fn new(wires: &[WirePlan]) -> anyhow::Result<Self> {
        let mut links = BTreeMap::new();
        for (n, wire) in wires.iter().enumerate() {
            let senders = wire.ends.each_ref().map(|end| end.node.clone());
            if links.insert(wire.link.clone(), (2 * n, senders)).is_some() {
                bail!("link {} is planned twice", wire.link);
            }
        }
        Ok(Self(links))
    }

    /// The directions of a link: both, or that of what `from` sends.
    pub(in crate::engine) fn directions(
        &self,
        link: &LinkName,
        from: Option<&NodeName>,
    ) -> anyhow::Result<Vec<usize>> {
        let (first, senders) = self
            .0
            .get(link)
            .ok_or_else(|| anyhow!("link {link} does not run through the wire"))?;
        let Some(from) = from else {
            return Ok(vec![*first, first + 1]);
        };
        let side = senders
            .iter()
            .position(|sender| sender == from)
            .ok_or_else(|| anyhow!("{from} is not an end of link {link}"))?;
        Ok(vec![first + side])
    }

    /// Both directions of several links.
    pub(in crate::engine) fn many(&self, links: &[LinkName]) -> anyhow::Result<Vec<usize>> {
        let mut directions = Vec::with_capacity(2 * links.len());
        for link in links {
            directions.extend(self.directions(link, None)?);
        }
        Ok(directions)
    }
}
