//! Regions: of gateways, and those that Direct Connect locations are associated with (Direct
//! Connect User Guide, "Routing policies and BGP communities").

use std::collections::BTreeMap;

use super::{super::reader::Fields, Lower, Section};
use crate::{
    lab::model::{Kind, SessionKind, aws},
    units::{NodeName, RegionName},
};

impl Lower<'_> {
    /// One of AWS's Regions.
    pub(super) fn region(&mut self, fields: &Fields<'_>) -> Option<RegionName> {
        let text = fields.text(&mut self.f, "region")?;
        let at = fields.at_value("region");
        if !aws::REGIONS.contains(&text) {
            self.f
                .error(at, "aws-region", format!("AWS has no Region `{text}`"))
                .one_of(text, aws::REGIONS);
            return None;
        }
        self.f.name::<RegionName>(at, text)
    }

    fn region_of(&self, node: &NodeName) -> Option<&RegionName> {
        self.lab.nodes.get(node)?.region.as_ref()
    }

    /// A private VIF leads to a vgw of its location's Region; and behind a Direct Connect
    /// gateway either all say where they are, or nobody.
    pub(super) fn check_regions(&mut self) {
        let mut around: BTreeMap<NodeName, Vec<NodeName>> = BTreeMap::new();
        let mut apart = Vec::new();
        for (name, session) in &self.lab.sessions {
            let SessionKind::Vif(vif) = &session.kind else {
                continue;
            };
            let location = &session.ends[1];
            if let Some(Kind::Dxgw { associations }) = self.kind(&vif.gateway) {
                let all = around.entry(vif.gateway.clone()).or_default();
                all.push(location.clone());
                all.extend(associations.keys().cloned());
                continue;
            }
            let regions = (self.region_of(location), self.region_of(&vif.gateway));
            if let (Some(here), Some(there)) = regions
                && here != there
            {
                let text = format!(
                    "`{location}` is a location of {here}, and the vgw `{}` is in {there}",
                    vif.gateway
                );
                apart.push((self.at(Section::Sessions, name.as_str()), text));
            }
        }
        for (at, text) in apart {
            self.f
                .error(at, "aws-region", text)
                .help("put a `dxgw` between: it reaches the gateways of every Region (Direct Connect User Guide, \"Direct Connect gateways\")");
        }
        for (dxgw, nodes) in around {
            let with = nodes.iter().find(|node| self.region_of(node).is_some());
            let without = nodes.iter().find(|node| self.region_of(node).is_none());
            if let (Some(with), Some(without)) = (with.cloned(), without.cloned()) {
                let at = self.at(Section::Nodes, without.as_str());
                let message = format!(
                    "`{without}` has no `region`, while `{with}` at the same dxgw `{dxgw}` has one"
                );
                self.f
                    .error(at, "aws-region", message)
                    .help("without communities Direct Connect prefers locations of the traffic's own Region");
            }
        }
    }
}
