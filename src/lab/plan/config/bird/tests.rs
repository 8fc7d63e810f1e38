use super::*;
use crate::units::{
    Asn, BfdConfig, Match, Policy, PolicySource, PrefixMatch, Set, Span,
    fixture::{self, accepting},
};

fn peer(session: &str, asn: u32) -> PeerConfig {
    PeerConfig {
        export: Policy::default(),
        ..fixture::peer(session, "169.254.9.2", "169.254.9.1", asn)
    }
}

fn config(peers: Vec<PeerConfig>) -> SpeakerConfig {
    fixture::speaker("dc1", 65001, "10.0.1.1", peers)
}

fn originate(prefix: &str, blackhole: bool) -> Origination {
    Origination {
        prefix: prefix.parse().unwrap(),
        blackhole,
        while_known: None,
    }
}

/// The block that begins with this line, as lines without indentation.
fn block(text: &str, head: &str) -> Vec<String> {
    let lines = text.lines().skip_while(|line| *line != head);
    let block: Vec<String> = lines
        .skip(1)
        .take_while(|line| *line != "}")
        .map(|line| line.trim().to_owned())
        .collect();
    assert!(!block.is_empty(), "no `{head}` in\n{text}");
    block
}

#[test]
fn an_empty_policy_denies_everything_aloud() {
    let text = render(&config(vec![peer("prod", 64512)])).unwrap();
    assert_eq!(block(&text, "filter 'prod-out-v4' {"), ["reject;"]);
    assert_eq!(block(&text, "filter 'prod-in-v4' {"), ["accept;"]);
    let session = block(&text, "protocol bgp 'bgp-prod' {");
    assert!(session.contains(&"import filter 'prod-in-v4';".to_owned()));
    assert!(session.contains(&"export filter 'prod-out-v4';".to_owned()));
}

#[test]
fn a_rule_is_conditions_and_changes() {
    let mut one = peer("backup.1", 64512);
    let prefixes = [
        ("10.0.0.0/8", 8, 8),
        ("10.0.0.0/8", 16, 24),
        ("fd00::/8", 8, 64),
    ];
    let prefixes = prefixes.map(|(prefix, ge, le)| PrefixMatch {
        prefix: prefix.parse().unwrap(),
        ge,
        le,
    });
    let asn = |n| Asn::new(n).unwrap();
    one.export = accepting(
        vec![
            Match::Prefix(prefixes.into()),
            Match::Community(vec![
                "7224:7300".parse().unwrap(),
                "no-export".parse().unwrap(),
            ]),
            Match::AsPathContains(asn(65009)),
            Match::AsPathOrigin(asn(65010)),
            Match::AsPathEmpty,
            Match::From(vec![
                PolicySource::Local,
                PolicySource::Session(SessionName::new("backup.1").unwrap()),
            ]),
        ],
        vec![
            Set::LocalPref(200),
            Set::Med(7),
            Set::Prepend(2),
            Set::AddCommunity("65001:1".parse().unwrap()),
            Set::RemoveCommunity("65001:2".parse().unwrap()),
            Set::NextHopSelf,
        ],
    );
    let text = render(&config(vec![one])).unwrap();
    assert_eq!(
        block(&text, "filter 'backup.1-out-v4' {"),
        [
            "if net ~ [ 10.0.0.0/8, 10.0.0.0/8{16,24} ] \
             && bgp_community ~ [ (7224,7300), (65535,65281) ] \
             && bgp_path ~ [= * 65009 * =] && bgp_path ~ [= * 65010 =] && bgp_path.len = 0 \
             && (source = RTS_STATIC || proto = \"bgp-backup.1\") then {",
            "bgp_local_pref = 200;",
            "bgp_med = 7;",
            "bgp_path.prepend(65001);",
            "bgp_path.prepend(65001);",
            "bgp_community.add((65001,1));",
            "bgp_community.delete((65001,2));",
            "bgp_next_hop = 169.254.9.2;",
            "accept;",
            "}",
            "reject;",
        ]
    );
}

#[test]
fn a_rule_of_the_other_family_is_left_out() {
    let mut one = peer("prod", 64512);
    let v6 = PrefixMatch::exact("fd00::/8".parse().unwrap());
    one.export = accepting(vec![Match::Prefix(vec![v6])], Vec::new());
    let text = render(&config(vec![one])).unwrap();
    assert_eq!(block(&text, "filter 'prod-out-v4' {"), ["reject;"]);
}

#[test]
fn what_the_kernel_reaches_by_itself_is_announced_and_left_to_it() {
    let mut all = config(vec![peer("prod", 64512)]);
    all.originate = vec![
        originate("10.0.0.0/15", true),
        originate("10.0.1.0/24", false),
    ];
    let text = render(&all).unwrap();
    assert!(
        block(&text, "protocol static null4 {").contains(&"route 10.0.0.0/15 blackhole;".into())
    );
    assert!(
        block(&text, "protocol static reached4 {").contains(&"route 10.0.1.0/24 blackhole;".into())
    );
    let kernel = block(&text, "protocol kernel kernel4 {");
    assert!(kernel.contains(&"export where proto != \"reached4\";".into()));
    assert!(kernel.contains(&"metric 20;".into()));
    assert!(!text.contains("kernel6"), "nothing here is IPv6");
}

#[test]
fn bfd_timers_are_the_sessions_own_and_graceful_restart_is_off() {
    let mut one = peer("prod", 64512);
    one.bfd = Some(BfdConfig {
        min_tx: Span::from_millis(50),
        min_rx: Span::from_millis(60),
        multiplier: 4,
    });
    one.md5 = Some("secret".to_owned());
    let text = render(&config(vec![one])).unwrap();
    assert!(text.contains("\nprotocol bfd { }\n"));
    let session = block(&text, "protocol bgp 'bgp-prod' {");
    for line in [
        "min tx interval 50000 us;",
        "min rx interval 60000 us;",
        "multiplier 4;",
        "graceful restart off;",
        "prefer older off;",
        "check link yes;",
        "password \"secret\";",
        "hold time 90;",
        "keepalive time 30;",
    ] {
        assert!(session.iter().any(|l| l == line), "{line} in {session:#?}");
    }
}

#[test]
fn internal_sessions_look_next_hops_up_among_connected_networks() {
    let mut one = peer("inside", 65001);
    one.ttl = 64;
    one.next_hop_self = true;
    let mut all = config(vec![one, peer("prod", 64512)]);
    all.multipath = 4;
    let text = render(&all).unwrap();
    let session = block(&text, "protocol bgp 'bgp-inside' {");
    for line in [
        "direct;",
        "check link no;",
        "igp table connected4;",
        "gateway recursive;",
        "next hop self;",
    ] {
        assert!(session.iter().any(|l| l == line), "{line} in {session:#?}");
    }
    let external = block(&text, "protocol bgp 'bgp-prod' {");
    assert!(!external.iter().any(|line| line.contains("igp table")));
    let kernel = block(&text, "protocol kernel kernel4 {");
    assert!(kernel.contains(&"merge paths yes limit 4;".into()));
}

#[test]
fn a_family_the_transport_does_not_carry_has_its_own_next_hop() {
    let mut one = peer("prod", 64512);
    one.families.push(Family::Ipv6Unicast);
    one.next_hop_other_family = Some("fd00::2".parse().unwrap());
    one.export = accepting(Vec::new(), vec![Set::NextHopSelf]);
    let text = render(&config(vec![one])).unwrap();
    assert_eq!(text.matches("next hop address fd00::2;").count(), 1);
    assert!(block(&text, "filter 'prod-out-v6' {").contains(&"bgp_next_hop = fd00::2;".into()));
    assert!(block(&text, "filter 'prod-out-v4' {").contains(&"bgp_next_hop = 169.254.9.2;".into()));
}

#[test]
fn what_bird_cannot_say_is_refused_all_at_once() {
    let mut one = peer("prod", 64512);
    one.md5 = Some("a\"b".to_owned());
    let stranger = SessionName::new("elsewhere").unwrap();
    one.export = accepting(
        vec![Match::From(vec![PolicySource::Session(stranger.clone())])],
        Vec::new(),
    );
    let session = one.session.clone();
    let mut all = config(vec![one]);
    all.originate = vec![Origination {
        while_known: Some("10.0.1.0/24".parse().unwrap()),
        ..originate("10.0.0.0/15", true)
    }];
    assert_eq!(
        render(&all).unwrap_err(),
        [
            BirdError::Condition {
                prefix: "10.0.0.0/15".parse().unwrap(),
                inside: "10.0.1.0/24".parse().unwrap(),
            },
            BirdError::Key {
                session: session.clone(),
            },
            BirdError::UnknownSource {
                session,
                other: stranger,
            },
        ]
    );
}

/// Of two tunnels the second is the spare of the first; floating ones yield to BGP's.
#[test]
fn static_routes_over_tunnels_are_ranked() {
    let mut wanted = fixture::speaker("dc1", 65001, "10.0.1.1", Vec::new());
    wanted.statics = fixture::over_tunnels("172.31.0.0/16", &["169.254.7.1", "169.254.8.1"], false);
    let text = render(&wanted).unwrap();
    for (rank, preference, via) in [(1, 200, "169.254.7.1"), (2, 199, "169.254.8.1")] {
        let protocol = format!(
            "protocol static 'vpn4-{rank}' {{\n  check link yes;\n  ipv4 {{ preference {preference}; }};\n  route 172.31.0.0/16 via {via};\n}}\n"
        );
        assert!(text.contains(&protocol), "{text}");
    }
    assert!(text.contains("protocol kernel kernel4"), "{text}");
    wanted.multipath = 2;
    wanted.statics = fixture::over_tunnels("172.31.0.0/16", &["169.254.7.1", "169.254.8.1"], true);
    let text = render(&wanted).unwrap();
    let protocol = "protocol static 'floating4-1' {\n  check link yes;\n  ipv4 { preference 50; };\n  route 172.31.0.0/16 via 169.254.7.1 via 169.254.8.1;\n}\n";
    assert!(text.contains(protocol), "{text}");
}
