//! Which way AWS's gateways send a packet, by its documents: each case is a table of
//! routes, learned over sessions of a real RIB, and a destination.

use std::fmt::Write as _;

use super::*;
use crate::units::{
    Attachment, RouteChoice, RouteTable, RouteTableName, SessionName, SpeakerConfig, StaticHop,
    StaticPath,
};

/// The gateway's own AS.
const GATEWAY: u32 = 64512;

/// A destination, the routes for it, and what says who wins. A winning route begins with
/// `*`; several: the gateway spreads traffic over them. None: it drops the packet.
///
/// A route is a prefix, how it comes in, and what it carries: `path` with ASes, `med`,
/// `tag` with the number after 7224:, and `down` where its link or tunnel is.
struct Case {
    to: &'static str,
    routes: &'static [&'static str],
    rule: &'static str,
}

const fn case(to: &'static str, routes: &'static [&'static str], rule: &'static str) -> Case {
    Case { to, routes, rule }
}

const VPN_GUIDE: &str = "Site-to-Site VPN User Guide, Route tables and route priority";
const DX_GUIDE: &str = "Direct Connect User Guide, Routing policies and BGP communities";
const VPC_GUIDE: &str = "VPC User Guide, Route priority";
const TGW_GUIDE: &str = "Transit Gateway Guide, Route evaluation order";

#[rustfmt::skip]
const VGW: &[Case] = &[
    case("10.1.2.3", &["* 10.1.0.0/16 dx path 65001", "10.1.0.0/16 vpn path 65001"], "Direct Connect before VPN"),
    case("10.1.2.3", &["10.1.0.0/16 vpn path 65001", "* 10.1.0.0/16 dx path 65001"], "whatever the order they came in"),
    case("10.1.2.3", &["* 10.1.0.0/16 dx path 65001 65001 65001 65001", "10.1.0.0/16 vpn path 65001"], "no AS_PATH makes up for it"),
    case("10.1.2.3", &["* 10.1.0.0/16 dx path 65001 med 900", "10.1.0.0/16 vpn path 65001 med 1"], "nor a MED"),
    case("10.1.2.3", &["* 10.1.0.0/16 dx path 65001 tag 7100", "10.1.0.0/16 vpn path 65001 tag 7300"], "nor a community"),
    case("10.1.2.3", &["10.1.0.0/16 dx path 65001", "* 10.1.2.0/24 vpn path 65001"], "longest prefix first: a longer one over the VPN wins"),
    case("10.1.9.9", &["* 10.1.0.0/16 dx path 65001", "10.1.2.0/24 vpn path 65001"], "but only for what it covers"),
    case("10.1.2.3", &["* 10.1.0.0/16 dx path 65001", "10.1.0.0/16 vpn-static"], "Direct Connect before a static VPN"),
    case("10.1.2.3", &["* 10.1.0.0/16 vpn-static", "10.1.0.0/16 vpn path 65001"], "a static VPN before a dynamic one"),
    case("10.1.2.3", &["10.1.0.0/16 dx path 65001 down", "10.1.0.0/16 vpn path 65001", "* 10.1.0.0/16 vpn-static"], "static before BGP among VPNs, with a VIF that is down"),
    case("10.1.2.3", &["10.1.0.0/16 vpn-static down", "* 10.1.0.0/16 vpn path 65001 65001"], "a tunnel's health before all attributes"),
    case("10.1.2.3", &["10.1.0.0/16 vpn path 65001 down", "* 10.1.0.0/16 vpn path 65001 65001 65001"], "a tunnel's health before AS_PATH"),
    case("10.1.2.3", &["10.1.0.0/16 vpn path 65001 65001", "* 10.1.0.0/16 vpn path 65001"], "shorter AS_PATH among VPNs"),
    case("10.1.2.3", &["10.1.0.0/16 vpn path 65001 65009 65008", "* 10.1.0.0/16 vpn path 65002 65009"], "shorter AS_PATH among customers"),
    case("10.1.2.3", &["10.1.0.0/16 vpn path 65001 med 200", "* 10.1.0.0/16 vpn path 65001 med 100"], "lower MED from one AS: AWS's own way of preferring a tunnel during maintenance"),
    case("10.1.2.3", &["10.1.0.0/16 vpn path 65001 med 100", "* 10.1.0.0/16 vpn path 65001"], "a missing MED is 0"),
    case("10.1.2.3", &["* 10.1.0.0/16 vpn path 65001", "10.1.0.0/16 vpn path 65001"], "one tunnel, never ECMP over VPN"),
    case("10.1.2.3", &["10.1.0.0/16 vpn path 65001 65001 med 1", "* 10.1.0.0/16 vpn path 65001 med 900"], "AS_PATH before MED"),
    case("10.1.2.3", &["* 10.1.0.0/16 vpn path 65001 med 900", "10.1.0.0/16 vpn path 65002 med 1"], "MED only where the first AS is the same"),
    case("10.1.2.3", &["* 10.1.0.0/16 dx path 65001", "* 10.1.0.0/16 dx path 65001"], "ECMP over equal VIFs"),
    case("10.1.2.3", &["* 10.1.0.0/16 dx path 65001", "* 10.1.0.0/16 dx path 65002"], "ECMP over VIFs whose ASNs differ"),
    case("10.1.2.3", &["* 10.1.0.0/16 dx path 65001", "* 10.1.0.0/16 dx path 65001", "10.1.0.0/16 vpn path 65001"], "ECMP over VIFs, no VPN with it"),
    case("10.1.2.3", &["10.1.0.0/16 dx path 65001 65001", "* 10.1.0.0/16 dx path 65001"], "shorter AS_PATH among VIFs"),
    case("10.1.2.3", &["10.0.0.0/8 dx path 65001", "0.0.0.0/0 vpn path 65001", "* 10.1.0.0/16 vpn path 65001 65001"], "prefix length before everything"),
    case("192.0.2.1", &["10.0.0.0/8 dx path 65001", "10.1.0.0/16 vpn path 65001"], "what it has no route for it drops"),
    case("192.0.2.1", &["10.0.0.0/8 dx path 65001", "* 0.0.0.0/0 vpn path 65001"], "a default route over the VPN takes the rest"),
    case("172.31.1.1", &["172.31.0.0/16 dx path 65001", "* 172.31.0.0/16 vpc"], "the VPC's own range is its own"),
];

#[rustfmt::skip]
const DIRECT_CONNECT: &[Case] = &[
    case("10.1.2.3", &["10.1.0.0/16 dx path 65001", "* 10.1.0.0/16 dx path 65001 tag 7300"], "7224:7300 before none, which is medium"),
    case("10.1.2.3", &["* 10.1.0.0/16 dx path 65001", "10.1.0.0/16 dx path 65001 tag 7100"], "none before 7224:7100"),
    case("10.1.2.3", &["10.1.0.0/16 dx path 65001 tag 7200", "* 10.1.0.0/16 dx path 65001 tag 7300"], "high before medium"),
    case("10.1.2.3", &["* 10.1.0.0/16 dx path 65001 tag 7200", "10.1.0.0/16 dx path 65001 tag 7100"], "medium before low"),
    case("10.1.2.3", &["* 10.1.0.0/16 dx path 65001 tag 7200", "* 10.1.0.0/16 dx path 65001"], "7224:7200 is what none means"),
    case("10.1.2.3", &["* 10.1.0.0/16 dx path 65001 65001 65001 tag 7300", "10.1.0.0/16 dx path 65001"], "the community before AS_PATH"),
    case("10.1.2.3", &["10.1.0.0/16 dx path 65001 tag 7100", "* 10.1.0.0/16 dx path 65001 65001 65001"], "the community before AS_PATH, the other way"),
    case("10.1.2.3", &["* 10.1.0.0/16 dx path 65001 tag 7300", "10.1.0.0/16 dx path 65001 65001 tag 7300"], "AS_PATH between equal communities"),
    case("10.1.2.3", &["* 10.1.0.0/16 dx path 65001 tag 7300", "* 10.1.0.0/16 dx path 65001 tag 7300"], "equal communities share"),
    case("10.1.2.3", &["10.1.0.0/16 dx path 65001 med 20", "* 10.1.0.0/16 dx path 65001 med 10"], "lower MED"),
    case("10.1.2.3", &["* 10.1.0.0/16 dx path 65001 med 20", "10.1.0.0/16 dx path 65001 65001 med 10"], "AS_PATH before MED"),
    case("10.1.2.3", &["10.1.0.0/16 dx path 65001 med 5", "* 10.1.0.0/16 dx path 65001"], "a missing MED is 0"),
    case("10.1.2.3", &["10.0.0.0/15 dx path 65001 tag 7300", "* 10.1.0.0/16 dx path 65001 tag 7100"], "longest prefix before the community"),
    case("10.0.2.3", &["* 10.0.0.0/15 dx path 65001", "10.1.0.0/16 dx path 65002"], "each site by its own specific, the rest by the summary"),
    case("10.1.2.3", &["10.0.0.0/15 dx path 65001", "10.1.0.0/16 dx path 65002 down", "* 10.0.0.0/15 dx path 65002 65002 tag 7300"], "without the specific the summary carries it"),
    case("10.1.2.3", &["* 10.1.0.0/16 dx path 65001 65100", "* 10.1.0.0/16 dx path 65002 65200"], "ECMP by equal length; the ASNs need not match"),
    case("10.1.2.3", &["* 10.1.0.0/16 dx path 65001", "* 10.1.0.0/16 dx path 65001", "* 10.1.0.0/16 dx path 65002", "* 10.1.0.0/16 dx path 65002"], "ECMP over four"),
    case("10.1.2.3", &["10.1.0.0/16 dx path 65001 65001", "10.1.0.0/16 dx path 65001 65001", "* 10.1.0.0/16 dx path 65001 65001 tag 7300"], "one that is preferred takes all"),
    case("10.1.2.3", &["10.1.0.0/16 dx path 65001 tag 7300 down", "* 10.1.0.0/16 dx path 65001 tag 7100"], "the last one carries, preferred or not"),
];

#[rustfmt::skip]
const TGW: &[Case] = &[
    case("10.1.2.3", &["* 10.1.0.0/16 static", "10.1.0.0/16 vpc"], "static before a VPC's propagated route"),
    case("10.1.2.3", &["* 10.1.0.0/16 vpc", "10.1.0.0/16 dx path 65001"], "VPC before Direct Connect gateway"),
    case("10.1.2.3", &["* 10.1.0.0/16 dx path 65001 65001 65001", "10.1.0.0/16 vpn path 65001"], "Direct Connect gateway before VPN, whatever the AS_PATH"),
    case("10.1.2.3", &["* 10.1.0.0/16 dx path 65001", "10.1.0.0/16 connect path 65001"], "Direct Connect gateway before Connect"),
    case("10.1.2.3", &["* 10.1.0.0/16 connect path 65001 65001", "10.1.0.0/16 vpn path 65001"], "Connect before VPN"),
    case("10.1.2.3", &["* 10.1.0.0/16 connect path 65001 65001", "10.1.0.0/16 private-vpn path 65001"], "Connect before private-IP VPN"),
    case("10.1.2.3", &["* 10.1.0.0/16 private-vpn path 65001 65001", "10.1.0.0/16 vpn path 65001"], "private-IP VPN before VPN"),
    case("10.1.2.3", &["* 10.1.0.0/16 static", "10.1.0.0/16 dx path 65001", "10.1.0.0/16 vpn path 65001"], "static before everything learned"),
    case("10.1.2.3", &["10.1.0.0/16 static down", "* 10.1.0.0/16 vpn path 65001"], "a static route whose attachment is gone is none"),
    case("10.1.2.3", &["10.1.0.0/16 blackhole", "10.1.0.0/16 vpc"], "a blackhole is a static route and drops"),
    case("10.1.2.3", &["10.0.0.0/8 blackhole", "* 10.1.0.0/16 vpn path 65001"], "and takes only what nothing longer does"),
    case("10.1.2.3", &["10.1.0.0/16 static", "* 10.1.2.0/24 vpn path 65001"], "longest prefix before static"),
    case("10.1.2.3", &["* 10.1.0.0/16 vpn path 65001", "10.1.0.0/16 vpn path 65001 65001"], "shorter AS_PATH in one attachment type"),
    case("10.1.2.3", &["* 10.1.0.0/16 vpn path 65001 med 10", "10.1.0.0/16 vpn path 65001 med 20"], "lower MED in one attachment type"),
    case("10.1.2.3", &["* 10.1.0.0/16 vpn path 65001 med 99", "10.1.0.0/16 vpn path 65001"], "a missing MED over a VPN is 100"),
    case("10.1.2.3", &["10.1.0.0/16 vpn path 65001 med 101", "* 10.1.0.0/16 vpn path 65001"], "so 101 is worse than none"),
    case("10.1.2.3", &["10.1.0.0/16 connect path 65001", "* 10.1.0.0/16 connect path 65001 med 50"], "a missing MED over Connect is 100"),
    case("10.1.2.3", &["* 10.1.0.0/16 dx path 65001", "10.1.0.0/16 dx path 65001 med 50"], "a missing MED over Direct Connect is 0"),
    case("10.1.2.3", &["* 10.1.0.0/16 vpn path 65001", "* 10.1.0.0/16 vpn path 65001"], "ECMP over VPNs, where the option is on"),
    case("10.1.2.3", &["* 10.1.0.0/16 connect path 65001", "* 10.1.0.0/16 connect path 65001"], "ECMP over Connect"),
    case("10.1.2.3", &["* 10.1.0.0/16 dx path 65001", "* 10.1.0.0/16 dx path 65001"], "ECMP over Direct Connect gateways with one AS_PATH"),
    case("10.1.2.3", &["* 10.1.0.0/16 dx path 65001", "10.1.0.0/16 dx path 65002"], "none where AS_PATHs differ, be they equally long"),
    case("10.1.2.3", &["* 10.1.0.0/16 dx path 65001", "10.1.0.0/16 vpn path 65001", "10.1.0.0/16 connect path 65001"], "never between attachment types"),
    case("10.1.2.3", &["10.1.0.0/16 dx path 65001 down", "* 10.1.0.0/16 vpn path 65001 65001"], "the VPN takes over when Direct Connect is withdrawn"),
    case("10.1.2.3", &["10.1.0.0/16 dx path 65001 down", "10.1.0.0/16 vpn path 65001 down"], "nothing left"),
];

#[rustfmt::skip]
const VPC: &[Case] = &[
    case("10.1.2.3", &["* 10.1.0.0/16 static", "10.1.0.0/16 propagated path 65001"], "what is written before what is propagated"),
    case("10.1.2.3", &["10.0.0.0/8 static", "* 10.1.0.0/16 propagated path 65001"], "longest prefix before that"),
    case("10.1.2.3", &["* 10.1.2.0/24 static", "10.1.0.0/16 propagated path 65001"], "whichever it is"),
    case("10.1.2.3", &["10.1.0.0/16 static down", "* 10.1.0.0/16 propagated path 65001"], "a written route whose target is gone is none"),
    case("192.0.2.1", &["10.0.0.0/8 static", "10.1.0.0/16 propagated path 65001"], "what is in no route is dropped"),
    case("10.1.2.3", &["0.0.0.0/0 static", "* 10.1.0.0/16 propagated path 65001"], "a written default route is the shortest of all"),
    case("10.1.2.3", &["10.1.0.0/16 withheld path 65001"], "a subnet's table without propagation has none of it"),
    case("10.1.2.3", &["* 10.0.0.0/8 static", "10.1.2.0/24 withheld path 65001"], "so a written route wins there, however short"),
    case("10.1.2.3", &["10.1.0.0/16 static down", "10.1.0.0/16 withheld path 65001"], "and without one it drops"),
];

/// One route of a case, as its index tells.
struct Route {
    wins: bool,
    prefix: IpNet,
    word: String,
    path: Vec<u32>,
    med: Option<u32>,
    tag: Option<u32>,
    down: bool,
}

fn route(text: &str) -> Route {
    let mut words = text.split(' ').peekable();
    let wins = words.next_if_eq(&"*").is_some();
    let mut route = Route {
        wins,
        prefix: net(words.next().unwrap()),
        word: words.next().unwrap().to_owned(),
        path: Vec::new(),
        med: None,
        tag: None,
        down: false,
    };
    while let Some(word) = words.next() {
        match word {
            "path" => {
                while let Some(asn) = words.next_if(|word| word.parse::<u32>().is_ok()) {
                    route.path.push(asn.parse().unwrap());
                }
            }
            "med" => route.med = Some(words.next().unwrap().parse().unwrap()),
            "tag" => route.tag = Some(words.next().unwrap().parse().unwrap()),
            "down" => route.down = true,
            other => panic!("`{other}` in `{text}`"),
        }
    }
    route
}

impl Route {
    fn attachment(&self) -> Option<Attachment> {
        match self.word.as_str() {
            "dx" | "propagated" | "withheld" => Some(Attachment::DirectConnect),
            "vpn" => Some(Attachment::Vpn),
            "connect" => Some(Attachment::Connect),
            "private-vpn" => Some(Attachment::PrivateIpVpn),
            "vpc" | "vpn-static" | "static" | "blackhole" => None,
            other => panic!("no way in called `{other}`"),
        }
    }
}

fn next_hop(index: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 200, index as u8, 2))
}

/// The route table of a VPC's subnet, into which some of the routes are propagated.
fn subnet_table(config: &SpeakerConfig, routes: &[Route]) -> RouteTable {
    let propagated = routes.iter().enumerate();
    let propagated = propagated.filter(|(_, route)| route.word == "propagated");
    let session = |(index, _)| SessionName::new(format!("s{index}")).unwrap();
    RouteTable {
        name: RouteTableName::new("subnet").unwrap(),
        table: 101,
        region: None,
        associated: Vec::new(),
        propagated: propagated.map(session).collect(),
        statics: config.statics.clone(),
    }
}

/// Where a gateway that knows these routes sends a packet to `to`: indices of routes.
fn ways(choice: RouteChoice, to: &str, routes: &[Route]) -> Vec<usize> {
    let mut peers = Vec::new();
    let mut statics = Vec::new();
    for (index, route) in routes.iter().enumerate() {
        let Some(attachment) = route.attachment() else {
            statics.push(StaticPath {
                prefix: route.prefix,
                to: match route.word.as_str() {
                    "blackhole" => StaticHop::Blackhole,
                    _ => StaticHop::Via(next_hop(index)),
                },
                propagated: (route.word == "vpc").then_some(Attachment::Vpc),
                floating: false,
            });
            continue;
        };
        let inside = attachment == Attachment::DirectConnect;
        let asn = if inside { GATEWAY } else { route.path[0] };
        let local = format!("10.200.{index}.1");
        let mut peer = fixture::peer(
            &format!("s{index}"),
            &local,
            &next_hop(index).to_string(),
            asn,
        );
        peer.attachment = Some(attachment);
        // A transit gateway's way to a Direct Connect gateway, whose AS is another.
        peer.transparent = inside && matches!(choice, RouteChoice::Tgw { .. });
        peers.push((index, peer));
    }
    let configs = peers.iter().map(|(_, peer)| peer.clone()).collect();
    let mut config = fixture::speaker("gateway", GATEWAY, "1.1.1.1", configs);
    config.choice = choice;
    config.multipath = 8;
    config.statics = statics;
    let subnet = (choice == RouteChoice::Vpc).then(|| subnet_table(&config, routes));
    let mut rib = Rib::of(&config, subnet.as_ref());
    let interfaces = routes.iter().enumerate().map(|(index, route)| Interface {
        name: IfName::new(format!("l{index}")).unwrap(),
        up: !route.down,
        prefixes: vec![net(&format!("10.200.{index}.1/30"))],
    });
    rib.set_interfaces(interfaces.collect());
    rib.start();
    for (number, (index, _)) in peers.iter().enumerate() {
        let route = &routes[*index];
        rib.peer_up(number, negotiated(*index as u8));
        let mut attributes = Attributes {
            as_path: AsPath::sequence(route.path.iter().copied()),
            med: route.med,
            ..Attributes::local(next_hop(*index))
        };
        if let Some(tag) = route.tag {
            attributes.add_community(Community(7224 << 16 | tag));
        }
        rib.receive(number, reach(attributes, &[&route.prefix.to_string()]))
            .unwrap();
    }
    rib.flush();
    let to: IpAddr = to.parse().unwrap();
    let longest = rib
        .fib()
        .filter(|(prefix, _)| prefix.contains(&to))
        .max_by_key(|(prefix, _)| prefix.prefix_len());
    let hops = longest.map(|(_, hops)| hops).unwrap_or_default();
    let mut ways: Vec<usize> = hops
        .iter()
        .map(|hop| (0..routes.len()).find(|&index| next_hop(index) == hop.gateway))
        .map(Option::unwrap)
        .collect();
    ways.sort_unstable();
    ways
}

/// Holds every case, in the order given and with its routes the other way round: where the
/// documents decide, the order of arrival and the neighbours' addresses must not.
fn hold(choice: RouteChoice, cases: &[Case], guide: &str) {
    let mut wrong = String::new();
    for case in cases {
        let mut routes: Vec<Route> = case.routes.iter().map(|text| route(text)).collect();
        for turned in [false, true] {
            let wins = |index: &usize| routes[*index].wins;
            let expected: Vec<usize> = (0..routes.len()).filter(wins).collect();
            let found = ways(choice, case.to, &routes);
            let undecided = case.rule.starts_with("one tunnel")
                || case.rule.starts_with("MED only")
                || case.rule.starts_with("none where");
            let right = if undecided {
                found.len() == 1 && (turned || found == expected)
            } else {
                found == expected
            };
            if !right {
                writeln!(
                    wrong,
                    "{}: {:?} to {}: {expected:?} by \"{guide}\", took {found:?}",
                    case.rule, case.routes, case.to
                )
                .unwrap();
            }
            routes.reverse();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_vgw_chooses_as_documented() {
    hold(RouteChoice::Vgw, VGW, VPN_GUIDE);
}

/// At a location and in a Direct Connect gateway alike; a gateway of a VPC's that has only
/// VIFs must come to the same.
#[test]
fn direct_connect_chooses_as_documented() {
    hold(RouteChoice::DirectConnect, DIRECT_CONNECT, DX_GUIDE);
    hold(RouteChoice::Vgw, DIRECT_CONNECT, DX_GUIDE);
}

#[test]
fn a_transit_gateway_chooses_as_documented() {
    hold(RouteChoice::Tgw { vpn_ecmp: true }, TGW, TGW_GUIDE);
}

#[test]
fn a_vpc_chooses_as_documented() {
    hold(RouteChoice::Vpc, VPC, VPC_GUIDE);
}

#[test]
fn a_transit_gateway_without_vpn_ecmp_takes_one_tunnel() {
    let routes = ["10.1.0.0/16 vpn path 65001", "10.1.0.0/16 vpn path 65001"].map(route);
    let choice = RouteChoice::Tgw { vpn_ecmp: false };
    assert_eq!(ways(choice, "10.1.2.3", &routes).len(), 1);
}

#[test]
fn there_are_at_least_sixty_cases() {
    let all = [VGW, DIRECT_CONNECT, TGW, VPC];
    assert!(all.iter().map(|cases| cases.len()).sum::<usize>() >= 60);
}
