//! Virtual interfaces: which circuit, which gateway, and AWS's rules for both.

use super::{
    super::{
        At,
        raw::Key,
        reader::{Fields, an},
    },
    Lower, Section,
};
use crate::{
    lab::model::{
        DEFAULT_MTU, Kind, MAX_MTU, MIN_MTU, Scope, Session, SessionKind, Vif, VifKind, aws,
    },
    units::{Bytes, LinkName, NodeName, SessionName},
};

impl Lower<'_> {
    pub(super) fn vif(&mut self, fields: &Fields<'_>, name: &Key) -> Option<Session> {
        let kind = self.vif_kind(fields);
        let link = self
            .needed_text(fields, "vif", "link")
            .and_then(|(at, text)| self.way_named(at, text));
        let gateway = self
            .needed_text(fields, "vif", "gateway")
            .and_then(|(at, text)| self.node_named(at, text));
        let vlan = fields.number(&mut self.f, "vlan");
        if fields.has("vlan") && vlan.is_none() {
            self.f.help_last("a VIF's frames are tagged with an IEEE 802.1Q VLAN ID, of which 0 and 4095 are reserved (Direct Connect User Guide, \"Prerequisites for virtual interfaces\")");
        }
        if fields.has("vlan") {
            let at = fields.at_value("vlan");
            self.declare(Section::Vlans, name.text.clone(), at);
        }
        let unlike_aws = fields.flag(&mut self.f, "unlike-aws").unwrap_or(false);
        let timers = self.timers(fields, aws::VIF_HOLD, aws::VIF_KEEPALIVE, !unlike_aws);
        let bfd = self.vif_bfd(fields, unlike_aws);
        let restart = self.graceful_restart(fields);
        let md5 = self.md5(fields);
        self.check_vif_md5(fields, md5.as_deref(), unlike_aws);
        let (link, gateway) = (link?, gateway?);
        self.check_gateway(fields.at_value("gateway"), kind, &gateway);
        let sitelink = self.sitelink(fields, kind, &gateway);
        let prefix_limit = self.vif_prefix_limit(fields, kind);
        let prefixes = self.verified(fields, kind);
        let hosted = fields.flag(&mut self.f, "hosted").unwrap_or(false);
        let ends = self.circuit_ends(fields.at_value("link"), &link)?;
        let backbones = self.backbones(fields.at_value("gateway"), &ends[1], &gateway)?;
        let mtu = self.vif_mtu(fields, kind, (&link, &backbones), unlike_aws);
        let addresses = self.inside(fields, &ends, false);
        Some(Session {
            kind: SessionKind::Vif(Vif {
                kind,
                sitelink,
                prefix_limit,
                link,
                gateway,
                backbones,
                vlan,
                mtu,
                hosted,
                prefixes,
            }),
            ends,
            timers: [timers, Self::aws_timers(aws::VIF_HOLD, aws::VIF_KEEPALIVE)],
            bfd,
            graceful_restart: restart.map(|time| match unlike_aws {
                true => [time, time],
                false => [time, aws::GRACEFUL_RESTART],
            }),
            md5,
            addresses,
            passive: None,
            unlike_aws,
            line: fields.at.line,
        })
    }

    /// AWS's classes; at most what the circuit and AWS's inside carry.
    fn vif_mtu(
        &mut self,
        fields: &Fields<'_>,
        kind: VifKind,
        (circuit, backbones): (&LinkName, &[LinkName]),
        unlike_aws: bool,
    ) -> Bytes {
        let carried = match self.lab.lags.get(circuit) {
            Some(lag) => lag.mtu,
            None => self.link(circuit).map_or(DEFAULT_MTU, |link| link.mtu),
        };
        let Some(mtu) = fields.parse::<Bytes>(&mut self.f, "mtu") else {
            return aws::VIF_MTU.min(carried);
        };
        let at = fields.at_value("mtu");
        let (word, classes, other, others) = match kind {
            VifKind::Private => (
                "private",
                aws::PRIVATE_VIF_MTUS,
                "transit",
                aws::TRANSIT_VIF_MTUS,
            ),
            VifKind::Transit => (
                "transit",
                aws::TRANSIT_VIF_MTUS,
                "private",
                aws::PRIVATE_VIF_MTUS,
            ),
            VifKind::Public => {
                if mtu != aws::VIF_MTU && !unlike_aws {
                    let message = format!("the MTU of a public VIF is {}, not {mtu}", aws::VIF_MTU);
                    self.f
                        .error(at, "aws-mtu", message)
                        .help("jumbo frames are for private and transit VIFs (Direct Connect User Guide, \"MTU\")");
                }
                return aws::VIF_MTU.min(carried);
            }
        };
        if !unlike_aws && !classes.contains(&mtu) {
            let [plain, jumbo] = classes;
            let found = self.f.error(
                at,
                "aws-mtu",
                format!("the MTU of a {word} VIF is {plain} or {jumbo}, not {mtu}"),
            );
            if others.contains(&mtu) {
                found.help(format!(
                    "that is a {other} VIF's (Direct Connect User Guide, \"MTU\")"
                ));
            } else {
                found.help("`unlike-aws: true` on the session insists (Direct Connect User Guide, \"MTU\")");
            }
            return carried;
        }
        if !(MIN_MTU..=MAX_MTU).contains(&mtu) {
            let message = format!("`mtu` is {mtu}, but may be {MIN_MTU} to {MAX_MTU}");
            self.f.error(at, "out-of-range", message);
            return carried;
        }
        if mtu > carried {
            self.f
                .error(
                    at,
                    "mtu",
                    format!("a VIF of {mtu} on `{circuit}`, whose MTU is {carried}"),
                )
                .help(format!("give `{circuit}` `mtu: {mtu}`"));
        }
        for backbone in backbones {
            let inside = self.link(backbone).map(|link| link.mtu);
            let Some(inside) = inside.filter(|&inside| inside < mtu) else {
                continue;
            };
            self.f
                .error(
                    at,
                    "mtu",
                    format!("a VIF of {mtu}, but behind it `{backbone}` carries {inside}"),
                )
                .help(format!(
                    "give `{backbone}` `mtu: {mtu}`: AWS's inside carries jumbo frames"
                ));
        }
        mtu
    }

    fn vif_kind(&mut self, fields: &Fields<'_>) -> VifKind {
        match fields.choice(&mut self.f, "vif") {
            Some("transit") => VifKind::Transit,
            Some("public") => VifKind::Public,
            _ => VifKind::Private,
        }
    }

    /// Whether the VIF has SiteLink (Direct Connect User Guide, "SiteLink").
    fn sitelink(&mut self, fields: &Fields<'_>, kind: VifKind, gateway: &NodeName) -> bool {
        let wanted = fields.flag(&mut self.f, "sitelink").unwrap_or(false);
        if wanted && kind == VifKind::Public {
            self.refuse_public_sitelink(fields.at_key("sitelink"));
            return false;
        }
        if wanted && matches!(self.kind(gateway), Some(Kind::Vgw)) {
            self.f
                .error(
                    fields.at_key("sitelink"),
                    "aws-sitelink",
                    format!("SiteLink is between VIFs of a Direct Connect gateway, and `{gateway}` is a vgw"),
                )
                .help("put a `dxgw` between the locations and the vgw (Direct Connect User Guide, \"SiteLink\")");
        }
        wanted
    }

    /// A private VIF leads to a vgw or to a dxgw of vgws, a transit VIF to a dxgw of tgws
    /// (Direct Connect User Guide, "Direct Connect gateways").
    fn check_gateway(&mut self, at: At, vif: VifKind, gateway: &NodeName) {
        let message = match (self.kind(gateway), vif) {
            (None, _)
            | (Some(Kind::Vgw), VifKind::Private)
            | (
                Some(Kind::AwsPublic {
                    scope: Scope::Region,
                    ..
                }),
                VifKind::Public,
            ) => return,
            (Some(Kind::AwsPublic { .. }), VifKind::Public) => {
                format!(
                    "a public VIF leads to the part of AWS's network in its Region, and `{gateway}` is elsewhere"
                )
            }
            (Some(Kind::AwsPublic { .. }), _) => {
                format!("`{gateway}` is AWS's public network: a public VIF leads there")
            }
            (Some(kind), VifKind::Public) => {
                let message = format!(
                    "a public VIF leads to AWS's public network, and `{gateway}` is {}",
                    an(kind.word())
                );
                self.f
                    .error(at, "wrong-kind", message)
                    .help("a private VIF leads to a vgw, and to a dxgw of vgws; give a public one a node of kind `aws-public`");
                return;
            }
            (Some(Kind::Dxgw { associations }), vif) => {
                let transit = vif == VifKind::Transit;
                let is_tgw = |name: &NodeName| self.lab.is_tgw(name);
                // One of both sorts has been reported.
                let is_mixed = associations.keys().any(|name| is_tgw(name) == transit);
                let mut keys = associations.keys().filter(|_| !is_mixed);
                let Some(other) = keys.find(|name| is_tgw(name) != transit) else {
                    return;
                };
                if transit {
                    format!("a transit VIF leads to tgws, but `{gateway}` has the vgw `{other}`")
                } else {
                    format!("a private VIF leads to vgws, but `{gateway}` has the tgw `{other}`")
                }
            }
            (Some(Kind::Vgw), VifKind::Transit) => {
                format!("a transit VIF leads to a dxgw, and `{gateway}` is a vgw")
            }
            (Some(kind @ Kind::Tgw { .. }), _) => {
                let message = format!("a VIF does not lead to {} itself", an(kind.word()));
                self.f
                    .error(at, "wrong-kind", message)
                    .help("put a `dxgw` between, and let the VIF be `vif: transit` (Direct Connect User Guide, \"Direct Connect virtual interfaces and hosted virtual interfaces\")");
                return;
            }
            (Some(kind), _) => {
                format!("`{gateway}` is no vgw or dxgw but {}", an(kind.word()))
            }
        };
        let help = match (self.kind(gateway), vif) {
            (Some(Kind::Vgw), VifKind::Transit) => Some(
                "to a vgw it is `vif: private`; a transit VIF is for a dxgw of tgws (Direct Connect User Guide, \"Direct Connect virtual interfaces and hosted virtual interfaces\")",
            ),
            (Some(Kind::Dxgw { .. }), VifKind::Private) => Some(
                "write `vif: transit`, or a dxgw of vgws as the gateway (Direct Connect User Guide, \"Direct Connect virtual interfaces and hosted virtual interfaces\")",
            ),
            (Some(Kind::Dxgw { .. }), VifKind::Transit) => Some(
                "write `vif: private`, or a dxgw of tgws as the gateway (Direct Connect User Guide, \"Direct Connect virtual interfaces and hosted virtual interfaces\")",
            ),
            (Some(Kind::AwsPublic { .. }), VifKind::Private | VifKind::Transit) => {
                Some("write `vif: public` and your `prefixes`")
            }
            _ => None,
        };
        let found = self.f.error(at, "wrong-kind", message);
        if let Some(help) = help {
            found.help(help);
        }
    }

    /// The customer's router and the location at the ends of a circuit.
    fn circuit_ends(&mut self, at: At, link: &LinkName) -> Option<[NodeName; 2]> {
        let [a, b] = self.way_ends(at, link)?;
        let (customer, location) = match (self.kind(&a)?, self.kind(&b)?) {
            (Kind::DxLocation, _) => (b, a),
            (_, Kind::DxLocation) => (a, b),
            (first, second) => {
                let message = format!(
                    "`{link}` is no circuit: it connects {} and {}, and neither is a dx-location",
                    an(first.word()),
                    an(second.word())
                );
                self.f.error(at, "wrong-kind", message);
                return None;
            }
        };
        let other = self.kind(&customer)?;
        if other.is_router() {
            return Some([customer, location]);
        }
        let message = format!(
            "a VIF runs between a data-center or router and a dx-location, not from {}",
            an(other.word())
        );
        self.f.error(at, "wrong-kind", message);
        None
    }

    /// AWS's own circuits between a location and a gateway.
    fn backbones(
        &mut self,
        at: At,
        location: &NodeName,
        gateway: &NodeName,
    ) -> Option<Vec<LinkName>> {
        let links = self.links_between(location, gateway);
        if !links.is_empty() {
            return Some(links);
        }
        let is_gateway = matches!(
            self.kind(gateway),
            Some(Kind::Vgw | Kind::Dxgw { .. } | Kind::AwsPublic { .. })
        );
        if is_gateway && self.links_complete() {
            let message = format!("`{location}` has no link to `{gateway}`");
            self.f
                .error(at, "no-backbone", message)
                .help("AWS's own way from the location to the gateway is a link too");
        }
        None
    }

    /// VIFs that share a circuit are told apart by their tags; a hosted connection has one.
    pub(super) fn check_circuits(&mut self) {
        let vifs: Vec<(SessionName, Session)> = self
            .lab
            .sessions
            .iter()
            .filter(|(_, session)| matches!(session.kind, SessionKind::Vif(_)))
            .map(|(name, session)| (name.clone(), session.clone()))
            .collect();
        for (index, (name, session)) in vifs.iter().enumerate() {
            let at = self.at(Section::Sessions, name.as_str());
            let SessionKind::Vif(vif) = &session.kind else {
                continue;
            };
            self.check_vlan((name, vif), vifs.iter().take(index));
            self.check_hosted(at, (name, vif), vifs.iter().take(index));
            let has_it = |(other, session): &(SessionName, Session)| {
                let other_vif = session.vif().filter(|of| of.gateway == vif.gateway);
                other != name && other_vif.is_some_and(|of| of.sitelink)
            };
            let of_dxgw = matches!(self.kind(&vif.gateway), Some(Kind::Dxgw { .. }));
            if vif.sitelink && of_dxgw && !vifs.iter().any(has_it) {
                self.warn_lonely_sitelink(at, (name, vif));
            }
        }
        self.check_vif_quota();
        self.check_gateway_quota();
    }

    /// AWS's limits of a key.
    fn check_vif_md5(&mut self, fields: &Fields<'_>, md5: Option<&str>, unlike_aws: bool) {
        let fits = |key: &str| aws::VIF_MD5_LENGTH.contains(&key.len());
        if let Some(key) = md5.filter(|key| !unlike_aws && !fits(key)) {
            let message = format!(
                "AWS takes a key of {} to {} characters, not of {}",
                aws::VIF_MD5_LENGTH.start(),
                aws::VIF_MD5_LENGTH.end(),
                key.len()
            );
            self.f.error(fields.at_value("md5"), "aws-md5", message).help(
                "a VIF's authentication key (Direct Connect API Reference, \"NewPrivateVirtualInterface\")",
            );
        }
    }

    /// SiteLink is between VIFs (Direct Connect User Guide, "SiteLink").
    fn warn_lonely_sitelink(&mut self, at: At, (name, vif): (&SessionName, &Vif)) {
        let message = format!(
            "`{name}` has SiteLink, and no other VIF of `{}` has: it leads to no other site",
            vif.gateway
        );
        self.f.warn(at, "aws-sitelink", message).help(
            "SiteLink is between VIFs that both have it: `sitelink: true` (Direct Connect User Guide, \"SiteLink\")",
        );
    }

    /// A hosted connection has one VIF (Direct Connect User Guide, "Direct Connect virtual
    /// interfaces and hosted virtual interfaces").
    fn check_hosted<'s>(
        &mut self,
        at: At,
        (name, vif): (&SessionName, &Vif),
        mut others: impl Iterator<Item = &'s (SessionName, Session)>,
    ) {
        if !self.link(&vif.link).is_some_and(|link| link.hosted) {
            return;
        }
        let first = others.find(|(_, other)| other.kind.link() == Some(&vif.link));
        if let Some((first, _)) = first {
            let message = format!(
                "`{}` is a hosted connection, which has one VIF: `{first}` and `{name}` are two",
                vif.link
            );
            self.f
                .error(at, "aws-hosted", message)
                .help("at AWS order a second hosted connection, or a dedicated one, which has several VIFs (\"AWS Direct Connect quotas\")");
        }
    }

    /// A VIF's tag is its own on its circuit.
    fn check_vlan<'s>(
        &mut self,
        (name, vif): (&SessionName, &Vif),
        others: impl Iterator<Item = &'s (SessionName, Session)>,
    ) {
        let mut alike = others.filter_map(|(other_name, other)| {
            let SessionKind::Vif(other) = &other.kind else {
                return None;
            };
            let clash = vif.vlan.is_none() || other.vlan.is_none() || vif.vlan == other.vlan;
            (vif.link == other.link && clash).then_some((other_name, other))
        });
        // A tag that is none has been reported.
        let is_broken = |cx: &Self, name: &SessionName, vif: &Vif| {
            vif.vlan.is_none() && cx.is_known(Section::Vlans, name.as_str())
        };
        if is_broken(self, name, vif) {
            return;
        }
        let Some((other, _)) = alike.find(|(other, with)| !is_broken(self, other, with)) else {
            return;
        };
        let at = if vif.vlan.is_some() {
            self.at(Section::Vlans, name.as_str())
        } else {
            self.at(Section::Sessions, name.as_str())
        };
        let message = format!(
            "`{name}` and `{other}` share `{}` and need different `vlan`s",
            vif.link
        );
        self.f.error(at, "vlan", message).help(
            "at AWS each VIF of a connection has a VLAN of its own, 1 to 4094 (IEEE 802.1Q); one VIF alone may be untagged here",
        );
    }
}
