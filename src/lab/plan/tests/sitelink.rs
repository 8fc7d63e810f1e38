//! What a Direct Connect location does with SiteLink.

use std::collections::BTreeMap;

use super::{
    labs::{announce, empty, link, link_name, name, node, session, session_name, timers, vif},
    *,
};
use crate::units::RouteTable;

/// Two sites at two locations of two Regions, and a VIF at each with SiteLink or not.
fn lab(sitelink: [bool; 2]) -> Lab {
    let mut lab = empty();
    let associations = BTreeMap::from([(name("vgw-us"), vec![]), (name("vgw-eu"), vec![])]);
    let kinds = [
        ("dc1", Kind::DataCenter, Some(65001), None),
        ("dc2", Kind::DataCenter, Some(65001), None),
        ("us", Kind::DxLocation, None, Some("us-east-1")),
        ("eu", Kind::DxLocation, None, Some("eu-west-1")),
        ("dxgw", Kind::Dxgw { associations }, Some(64520), None),
        ("vgw-us", Kind::Vgw, Some(64512), Some("us-east-1")),
        ("vgw-eu", Kind::Vgw, Some(64513), Some("eu-west-1")),
    ];
    for (called, kind, asn, region) in kinds {
        let mut node = node(kind, asn, Daemon::Embedded);
        node.region = region.map(|region| crate::units::RegionName::new(region).unwrap());
        lab.nodes.insert(name(called), node);
    }
    for (called, a, b) in [
        ("c1", "dc1", "us"),
        ("c2", "dc2", "eu"),
        ("b1", "us", "dxgw"),
        ("b2", "eu", "dxgw"),
        ("r1", "dxgw", "vgw-us"),
        ("r2", "dxgw", "vgw-eu"),
    ] {
        lab.links.insert(link_name(called), link(a, b, 1));
    }
    for (index, (called, site, location)) in [("s1", "dc1", "us"), ("s2", "dc2", "eu")]
        .into_iter()
        .enumerate()
    {
        let number = index + 1;
        let mut kind = vif(&format!("c{number}"), "dxgw", &format!("b{number}"));
        if let crate::lab::model::SessionKind::Vif(vif) = &mut kind {
            vif.sitelink = sitelink[index];
        }
        let made = session(kind, [site, location], timers(90, 30));
        lab.sessions.insert(session_name(called), made);
        let routing = BTreeMap::from([(session_name(called), announce(&["10.0.0.0/15"], None))]);
        lab.routing.insert(name(site), routing);
    }
    lab
}

/// Name, whose packets it routes and whose routes are in it.
fn told_apart(tables: &[RouteTable]) -> Vec<String> {
    let words = |of: &[crate::units::SessionName]| {
        let words: Vec<&str> = of.iter().map(crate::units::SessionName::as_str).collect();
        words.join(" ")
    };
    let line = |table: &RouteTable| {
        format!(
            "{}: {} by {}",
            table.name.as_str(),
            words(&table.associated),
            words(&table.propagated)
        )
    };
    tables.iter().map(line).collect()
}

#[test]
fn what_the_gateway_sends_leaves_by_the_locations_own_vifs() {
    let plan = compile(&lab([true, true]));
    assert_eq!(
        told_apart(&speaker(&plan, "us").tables),
        ["dxgw: aws-b1 by s1", "dxgw.sitelink: s1 by s1 aws-b1"]
    );
    assert_eq!(
        told_apart(&speaker(&plan, "eu").tables),
        ["dxgw: aws-b2 by s2", "dxgw.sitelink: s2 by s2 aws-b2"]
    );
}

#[test]
fn a_location_without_sitelink_hears_of_no_other_locations_vifs() {
    let plan = compile(&lab([true, false]));
    assert_eq!(speaker(&plan, "eu").tables, []);
    let dxgw = speaker(&plan, "dxgw");
    let rules = |session: &str| {
        let mut peers = dxgw.peers.iter();
        let peer = peers.find(|peer| peer.session.as_str() == session);
        peer.unwrap().export.rules.len()
    };
    // What is behind the gateway; and to where SiteLink is, what others with it announce.
    assert_eq!((rules("aws-b1"), rules("aws-b2")), (2, 1));
}

#[test]
fn vifs_with_and_without_sitelink_at_one_location_are_told_apart() {
    let mut lab = lab([true, true]);
    lab.nodes.insert(
        name("dc3"),
        node(Kind::DataCenter, Some(65003), Daemon::Embedded),
    );
    lab.links.insert(link_name("c3"), link("dc3", "us", 1));
    let third = session(vif("c3", "dxgw", "b1"), ["dc3", "us"], timers(90, 30));
    lab.sessions.insert(session_name("s3"), third);
    let plan = compile(&lab);
    assert_eq!(
        told_apart(&speaker(&plan, "us").tables),
        [
            "dxgw: aws-b1 by s1 s3",
            "dxgw.sitelink: s1 by s1 aws-b1",
            "dxgw.vifs: s3 by aws-b1"
        ]
    );
}
