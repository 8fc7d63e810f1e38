//! How AWS's gateways choose, what is attached to them, and what they take from and give
//! to one another.

use ipnet::IpNet;

use super::{
    super::{
        PlanError,
        net::{Net, attached},
        statics,
    },
    Leg,
    legs::{association, prefix_limit, vifs},
    locations,
    policy::{Sides, accept},
    public, static_vpn, subnets,
};
use crate::{
    lab::{
        model::{Kind, Lab, Node, SessionKind, StaticRoute, aws},
        op::RouteTarget,
        plan::Medium,
    },
    units::{
        Attachment, Community, Match, NodeName, Policy, PolicySource, PrefixMatch, RegionName,
        RouteChoice, Rule, SessionName, Set, StaticHop, StaticPath, Verdict,
    },
};

/// Marks routes of VIFs with SiteLink inside a Direct Connect gateway; from AWS's own range,
/// so no customer's.
const SITELINK: Community = Community(7224 << 16 | 65_000);

/// Whose rules a node chooses its ways by.
pub(super) fn choice(kind: &Kind) -> RouteChoice {
    match kind {
        Kind::Vgw => RouteChoice::Vgw,
        Kind::DxLocation | Kind::Dxgw { .. } | Kind::AwsPublic { .. } => RouteChoice::DirectConnect,
        Kind::Tgw { vpn_ecmp, .. } => RouteChoice::Tgw {
            vpn_ecmp: *vpn_ecmp,
        },
        Kind::Vpc { .. } => RouteChoice::Vpc,
        Kind::Host | Kind::Router | Kind::Switch | Kind::DataCenter | Kind::Internet => {
            RouteChoice::Standard
        }
    }
}

/// How the far end of a leg is attached, if this end is a gateway of AWS's.
pub(super) fn attachment(lab: &Lab, leg: &Leg, side: usize) -> Option<Attachment> {
    if matches!(kind_at(lab, leg, 1 - side), Some(Kind::Vpc { .. })) {
        return None;
    }
    match (kind_at(lab, leg, side)?, &leg.over) {
        (Kind::DxLocation, _) => (!leg.modelled).then_some(Attachment::DirectConnect),
        (Kind::Dxgw { .. } | Kind::AwsPublic { .. }, _) => {
            is_location(lab, leg, 1 - side).then_some(Attachment::DirectConnect)
        }
        (Kind::Vgw | Kind::Tgw { .. }, Medium::Link(_)) => Some(Attachment::DirectConnect),
        (Kind::Vgw | Kind::Tgw { .. }, Medium::Tunnel(_)) => Some(
            match lab.sessions.get(&leg.declared).map(|session| &session.kind) {
                Some(SessionKind::Vpn(vpn)) if lab.is_dxgw(&vpn.beyond) => Attachment::PrivateIpVpn,
                _ => Attachment::Vpn,
            },
        ),
        _ => None,
    }
}

/// The Region that the location at the far end of a leg is associated with.
pub(super) fn region(lab: &Lab, leg: &Leg, side: usize) -> Option<RegionName> {
    let far = lab.nodes.get(&leg.ends[1 - side].node)?;
    let is_location = far.kind == Kind::DxLocation;
    far.region.clone().filter(|_| is_location)
}

/// What competes with learned routes: a transit gateway's static routes and the ranges of
/// its VPCs, and what a Direct Connect gateway advertises for transit gateways.
pub(super) fn statics(
    net: &Net<'_>,
    name: &NodeName,
    node: &Node,
) -> Result<Vec<StaticPath>, PlanError> {
    match &node.kind {
        // With route tables each has its own.
        Kind::Tgw { tables, .. } if !tables.is_empty() => Ok(Vec::new()),
        Kind::Tgw { .. } => of_tgw(net, name, node),
        Kind::AwsPublic { .. } => Ok(public::statics(net, name)),
        Kind::Vpc { .. } if net.lab.keeps_tables(name).is_some() => {
            let mut paths = written(net, name, node)?;
            paths.extend(subnets::defaults(net, name, node));
            Ok(paths)
        }
        Kind::Dxgw { associations } => {
            let mut paths = Vec::new();
            for (gateway, allowed) in associations {
                if !net.lab.is_tgw(gateway) {
                    continue;
                }
                let link = association(net.lab, name, gateway)?;
                let port = net.port(link, gateway)?;
                for prefix in allowed {
                    let address = port.address_like(prefix).ok_or_else(|| {
                        PlanError::Broken(format!("that `{link}` carries what is like {prefix}"))
                    })?;
                    paths.push(StaticPath {
                        prefix: *prefix,
                        to: StaticHop::Via(address.addr()),
                        propagated: None,
                        floating: false,
                    });
                }
            }
            Ok(paths)
        }
        Kind::Host
        | Kind::Router
        | Kind::Switch
        | Kind::DataCenter
        | Kind::Internet
        | Kind::DxLocation
        | Kind::Vgw
        | Kind::Vpc { .. } => Ok(Vec::new()),
    }
}

fn of_tgw(net: &Net<'_>, name: &NodeName, node: &Node) -> Result<Vec<StaticPath>, PlanError> {
    let mut paths = Vec::new();
    for (vpc, _, ranges) in attached(net.lab).filter(|(_, gateway, _)| *gateway == name) {
        let propagates = matches!(
            net.lab.nodes.get(vpc).map(|node| &node.kind),
            Some(Kind::Vpc {
                propagate: true,
                ..
            })
        );
        let port = net.attachments.get(vpc).and_then(|cable| cable.at(vpc));
        for range in ranges.iter().filter(|_| propagates) {
            let address = port.and_then(|port| port.address_like(range));
            let address = address.ok_or_else(|| {
                PlanError::Broken(format!("that `{vpc}` has an address like {range}"))
            })?;
            paths.push(StaticPath {
                prefix: *range,
                to: StaticHop::Via(address.addr()),
                propagated: Some(Attachment::Vpc),
                floating: false,
            });
        }
    }
    paths.extend(written(net, name, node)?);
    Ok(paths)
}

/// The file's static routes.
fn written(net: &Net<'_>, name: &NodeName, node: &Node) -> Result<Vec<StaticPath>, PlanError> {
    let path = |route: &StaticRoute| {
        Ok(StaticPath {
            prefix: route.prefix,
            to: match statics::target(net, name, route)? {
                RouteTarget::Via(address) => StaticHop::Via(address),
                RouteTarget::Blackhole => StaticHop::Blackhole,
            },
            propagated: None,
            floating: false,
        })
    };
    node.routes.iter().map(path).collect()
}

pub(super) fn kind_at<'a>(lab: &'a Lab, leg: &Leg, side: usize) -> Option<&'a Kind> {
    lab.nodes.get(&leg.ends[side].node).map(|node| &node.kind)
}

fn is_location(lab: &Lab, leg: &Leg, side: usize) -> bool {
    matches!(kind_at(lab, leg, side), Some(Kind::DxLocation))
}

/// The policies of one of AWS's ends; `None`: not AWS's.
pub(super) fn sides(lab: &Lab, legs: &[Leg], leg: &Leg, side: usize) -> Option<Sides> {
    let mut sides = sides_of(lab, legs, leg, side)?;
    let to_vpc = matches!(kind_at(lab, leg, 1 - side), Some(Kind::Vpc { .. }));
    if matches!(kind_at(lab, leg, side), Some(Kind::Vgw)) && !to_vpc {
        let untold = static_vpn::untold(lab, &leg.ends[side].node);
        sides.export.rules.splice(0..0, untold);
    }
    Some(sides)
}

fn sides_of(lab: &Lab, legs: &[Leg], leg: &Leg, side: usize) -> Option<Sides> {
    let kind = kind_at(lab, leg, side)?;
    let open = || Sides {
        import: Policy::accept_all(),
        export: Policy::accept_all(),
        max_prefix: None,
    };
    Some(match kind {
        Kind::DxLocation if leg.modelled => open(),
        Kind::DxLocation if public::vif(lab, leg).is_some() => public::location(lab, legs, leg)?,
        Kind::AwsPublic { scope, .. } => public::network(lab, legs, leg, side, *scope),
        Kind::DxLocation => Sides {
            max_prefix: prefix_limit(lab, leg),
            ..location(lab, legs, leg)
        },
        Kind::Dxgw { associations } => dxgw(lab, legs, leg, side, associations),
        Kind::Vgw if matches!(kind_at(lab, leg, 1 - side), Some(Kind::Vpc { .. })) => Sides {
            import: Policy::default(),
            ..open()
        },
        // Its own range is local, even where the vgw knows a part of it.
        Kind::Vpc { cidrs, .. } => Sides {
            import: outside(cidrs),
            export: Policy::default(),
            max_prefix: None,
        },
        Kind::Vgw if is_location(lab, leg, 1 - side) => open(),
        // What a vgw learned over its VPNs is no business of a Direct Connect gateway's.
        Kind::Vgw if leg.modelled => Sides {
            export: accept(vec![Match::From(vec![PolicySource::Local])], Vec::new()),
            ..open()
        },
        Kind::Vgw => Sides {
            max_prefix: Some(aws::VPN_MAX_PREFIX),
            ..open()
        },
        // Its allowed prefixes are advertised for it.
        Kind::Tgw { .. } if leg.modelled => Sides {
            export: Policy::default(),
            ..open()
        },
        Kind::Tgw { .. } => Sides {
            max_prefix: Some(aws::TGW_VPN_MAX_PREFIX),
            ..open()
        },
        Kind::Host | Kind::Router | Kind::Switch | Kind::DataCenter | Kind::Internet => {
            return None;
        }
    })
}

/// The location's end of a VIF. Behind a vgw everybody learns of everybody; behind a Direct
/// Connect gateway a VIF learns what is behind that, and of other VIFs only where both have
/// SiteLink.
fn location(lab: &Lab, legs: &[Leg], leg: &Leg) -> Sides {
    let here = &leg.ends[1].node;
    let vifs = || {
        lab.sessions.iter().filter_map(|(name, session)| {
            let SessionKind::Vif(vif) = &session.kind else {
                return None;
            };
            (session.ends[1] == *here).then_some((name, vif))
        })
    };
    let own = vifs().find(|(name, _)| **name == leg.declared);
    let Some((_, own)) = own.filter(|(_, vif)| {
        matches!(
            lab.nodes.get(&vif.gateway).map(|node| &node.kind),
            Some(Kind::Dxgw { .. })
        )
    }) else {
        return Sides {
            import: Policy::accept_all(),
            export: Policy::accept_all(),
            max_prefix: None,
        };
    };
    let inside = locations::inside(legs, here, &own.gateway);
    let unmark = vec![Set::RemoveCommunity(SITELINK)];
    if !own.sitelink {
        let marked = Rule {
            matches: vec![Match::Community(vec![SITELINK])],
            verdict: Verdict::Reject,
            set: Vec::new(),
        };
        let mut export = accept(vec![from(inside)], Vec::new());
        export.rules.insert(0, marked);
        return Sides {
            import: accept(Vec::new(), unmark),
            export,
            max_prefix: None,
        };
    }
    let others = vifs()
        .filter(|(name, _)| **name != leg.declared)
        .filter(|(_, other)| other.sitelink && other.gateway == own.gateway)
        .map(|(name, _)| name.clone());
    Sides {
        import: accept(Vec::new(), vec![Set::AddCommunity(SITELINK)]),
        export: accept(vec![from(inside.chain(others))], unmark),
        max_prefix: None,
    }
}

/// A Direct Connect gateway: what comes from VIFs goes to the gateways of VPCs and the other
/// way round, never from one VPC's to another's; from VIF to VIF only with SiteLink.
fn dxgw(
    lab: &Lab,
    legs: &[Leg],
    leg: &Leg,
    side: usize,
    associations: &std::collections::BTreeMap<NodeName, Vec<IpNet>>,
) -> Sides {
    let own = &leg.ends[side].node;
    let of = |locations: bool| {
        legs.iter().filter_map(move |one| {
            let side = one.ends.iter().position(|end| end.node == *own)?;
            (is_location(lab, one, 1 - side) == locations).then_some(one.session.clone())
        })
    };
    if is_location(lab, leg, 1 - side) {
        let mut behind = from(of(false));
        if let Match::From(sources) = &mut behind {
            sources.push(PolicySource::Local);
        }
        let mut export = accept(vec![behind], Vec::new());
        let others: Vec<_> = of(true).filter(|one| *one != leg.session).collect();
        let location = &leg.ends[1 - side].node;
        let has_it =
            vifs(lab).any(|(at, vif)| at == location && vif.gateway == *own && vif.sitelink);
        if has_it && !others.is_empty() {
            let sitelink = vec![from(others.into_iter()), Match::Community(vec![SITELINK])];
            export.rules.extend(accept(sitelink, Vec::new()).rules);
        }
        return Sides {
            import: Policy::accept_all(),
            export,
            max_prefix: None,
        };
    }
    let export = accept(vec![from(of(true))], vec![Set::RemoveCommunity(SITELINK)]);
    let allowed = associations.get(&leg.ends[1 - side].node);
    let import = match allowed.map(Vec::as_slice) {
        None | Some([]) => Policy::accept_all(),
        Some(allowed) => {
            let wider = allowed.iter().map(|prefix| PrefixMatch {
                prefix: *prefix,
                ge: prefix.prefix_len(),
                le: prefix.max_prefix_len(),
            });
            accept(vec![Match::Prefix(wider.collect())], Vec::new())
        }
    };
    Sides {
        import,
        export,
        max_prefix: None,
    }
}

/// Everything but what is inside these ranges (VPC User Guide, "Route priority").
fn outside(ranges: &[IpNet]) -> Policy {
    let within = ranges.iter().map(|range| PrefixMatch {
        prefix: *range,
        ge: range.prefix_len(),
        le: range.max_prefix_len(),
    });
    let local = Rule {
        matches: vec![Match::Prefix(within.collect())],
        verdict: Verdict::Reject,
        set: Vec::new(),
    };
    let mut policy = Policy::accept_all();
    policy.rules.insert(0, local);
    policy
}

pub(super) fn from(sessions: impl Iterator<Item = SessionName>) -> Match {
    Match::From(sessions.map(PolicySource::Session).collect())
}
