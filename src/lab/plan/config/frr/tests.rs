use super::*;
use crate::units::{
    Match, Policy, PrefixMatch, Set,
    fixture::{self, accepting},
};

fn peer(session: &str, remote: &str, asn: u32) -> PeerConfig {
    PeerConfig {
        export: Policy::default(),
        ..fixture::peer(session, "169.254.9.2", remote, asn)
    }
}

fn config(peers: Vec<PeerConfig>) -> SpeakerConfig {
    fixture::speaker("dc1", 65001, "10.0.1.1", peers)
}

fn prefixes(list: &[(&str, u8, u8)]) -> Match {
    Match::Prefix(
        list.iter()
            .map(|&(prefix, ge, le)| PrefixMatch {
                prefix: prefix.parse().unwrap(),
                ge,
                le,
            })
            .collect(),
    )
}

/// Whether the lines follow each other somewhere in the text.
fn has(text: &str, lines: &[&str]) -> bool {
    let all: Vec<&str> = text.lines().collect();
    all.windows(lines.len()).any(|window| window == lines)
}

#[test]
fn what_costs_seconds_when_forgotten_is_there() {
    let text = render(&config(vec![peer("prod", "169.254.9.1", 64512)])).unwrap();
    for line in [
        "bgp route-map delay-timer 0",
        " no bgp network import-check",
        " bgp graceful-restart-disable",
        " neighbor 169.254.9.1 timers 30 90",
        " neighbor 169.254.9.1 timers connect 1",
        " neighbor 169.254.9.1 advertisement-interval 0",
        "  maximum-paths 1",
    ] {
        assert!(has(&text, &[line]), "{line} in\n{text}");
    }
    let map = text.find("route-map prod-in-v4 permit").unwrap();
    assert!(map < text.find("router bgp").unwrap());
    assert!(!text.contains("ebgp-multihop"));
}

#[test]
fn ranges_of_prefixes_are_written_as_frr_reads_them() {
    let mut one = peer("prod", "169.254.9.1", 64512);
    one.export = accepting(
        vec![prefixes(&[
            ("10.0.0.0/8", 8, 8),
            ("10.0.0.0/8", 8, 24),
            ("10.0.0.0/8", 16, 24),
            ("10.0.0.0/8", 24, 24),
            ("fd00::/8", 8, 64),
        ])],
        Vec::new(),
    );
    let text = render(&config(vec![one])).unwrap();
    assert!(
        has(
            &text,
            &[
                "ip prefix-list prod-out-v4-1 seq 5 permit 10.0.0.0/8",
                "ip prefix-list prod-out-v4-1 seq 10 permit 10.0.0.0/8 le 24",
                "ip prefix-list prod-out-v4-1 seq 15 permit 10.0.0.0/8 ge 16 le 24",
                "ip prefix-list prod-out-v4-1 seq 20 permit 10.0.0.0/8 ge 24 le 24",
            ]
        ),
        "{text}"
    );
    assert!(!text.contains("fd00"), "the session carries no IPv6");
}

#[test]
fn where_a_route_came_from_is_told_by_tags() {
    let from = |name: &str| PolicySource::Session(SessionName::new(name).unwrap());
    let mut east = peer("east", "169.254.9.1", 64512);
    let sources = vec![PolicySource::Local, from("west")];
    east.export = accepting(vec![Match::From(sources)], vec![Set::Med(7)]);
    let west = peer("west", "169.254.10.1", 64513);
    let text = render(&config(vec![east, west])).unwrap();
    assert!(has(
        &text,
        &["route-map west-in-v4 permit 10", " set tag 3"]
    ));
    assert!(has(&text, &["route-map local permit 10", " set tag 1"]));
    for (entry, tag) in [(10, 1), (20, 3)] {
        let head = format!("route-map east-out-v4 permit {entry}");
        let wanted = format!(" match tag {tag}");
        assert!(has(&text, &[&head, &wanted, " set metric 7"]), "{text}");
    }
}

#[test]
fn an_empty_policy_denies_everything_aloud() {
    let text = render(&config(vec![peer("prod", "169.254.9.1", 64512)])).unwrap();
    assert!(has(&text, &["route-map prod-out-v4 deny 65535"]));
    assert!(!text.contains("route-map prod-out-v4 permit"));
    assert!(has(
        &text,
        &["  neighbor 169.254.9.1 route-map prod-out-v4 out"]
    ));
}

#[test]
fn summaries_are_null_routed_and_conditional_ones_are_aggregates() {
    let prefix: IpNet = "10.0.0.0/15".parse().unwrap();
    let mut wanted = config(vec![peer("prod", "169.254.9.1", 64512)]);
    wanted.originate = vec![Origination {
        prefix,
        blackhole: true,
        while_known: None,
    }];
    let text = render(&wanted).unwrap();
    assert!(has(&text, &["ip route 10.0.0.0/15 blackhole 254"]));
    assert!(has(&text, &["  network 10.0.0.0/15 route-map local"]));
    assert_eq!(daemons(&wanted), ["staticd", "bgpd"]);

    wanted.originate[0].while_known = Some(prefix);
    let text = render(&wanted).unwrap();
    assert!(has(
        &text,
        &["  aggregate-address 10.0.0.0/15 route-map local"]
    ));
    assert!(!text.contains("blackhole"));

    wanted.originate[0].while_known = Some("10.9.0.0/16".parse().unwrap());
    let errors = render(&wanted).unwrap_err();
    assert!(matches!(errors[..], [FrrError::ForeignCondition { .. }]));
}

#[test]
fn what_frr_cannot_say_is_refused_not_weakened() {
    let mut one = peer("prod", "169.254.9.1", 64512);
    let asn = Asn::new(65009).unwrap();
    one.import = accepting(
        vec![Match::AsPathContains(asn), Match::AsPathOrigin(asn)],
        Vec::new(),
    );
    let ghost = PolicySource::Session(SessionName::new("ghost").unwrap());
    one.export = accepting(vec![Match::From(vec![ghost])], Vec::new());
    let errors = render(&config(vec![one])).unwrap_err();
    assert!(
        matches!(
            errors[..],
            [FrrError::TwoMatches { .. }, FrrError::UnknownSource { .. }]
        ),
        "{errors:?}"
    );
}

#[test]
fn a_users_own_text_tells_its_daemons() {
    let text = "! no bgp here\nip route 10.0.0.0/8 blackhole\nrouter ospf\nrouter bgp 65001\n neighbor 10.0.0.1 bfd\n";
    assert_eq!(daemons_of_text(text), ["staticd", "bfdd", "ospfd", "bgpd"]);
    assert!(daemons_of_text("hostname x\n").is_empty());
}

/// Of two tunnels the second is the spare of the first; what is static is told as what the router
/// itself says.
#[test]
fn static_routes_over_tunnels_are_ranked_and_told() {
    let mut wanted = config(vec![peer("inside", "10.9.0.2", 65010)]);
    wanted.statics = fixture::over_tunnels("172.31.0.0/16", &["169.254.7.1", "169.254.8.1"], false);
    let text = render(&wanted).unwrap();
    let routes = [
        "ip route 172.31.0.0/16 169.254.7.1 1",
        "ip route 172.31.0.0/16 169.254.8.1 2",
    ];
    assert!(has(&text, &routes), "{text}");
    let map = [
        "ip prefix-list static-v4 seq 5 permit 172.31.0.0/16",
        "route-map static-v4 permit 10",
        " match ip address prefix-list static-v4",
        " set tag 1",
    ];
    assert!(has(&text, &map), "{text}");
    assert!(has(&text, &["  redistribute static route-map static-v4"]));
    assert_eq!(daemons(&wanted), ["staticd", "bgpd"]);

    wanted.multipath = 2;
    wanted.statics = fixture::over_tunnels("172.31.0.0/16", &["169.254.7.1", "169.254.8.1"], true);
    let text = render(&wanted).unwrap();
    let routes = [
        "ip route 172.31.0.0/16 169.254.7.1 240",
        "ip route 172.31.0.0/16 169.254.8.1 240",
    ];
    assert!(has(&text, &routes), "{text}");
}
