//! What good files mean; bad ones are in `tests/golden/bad`.

use super::{check, parse};
use crate::{
    lab::model::{
        Daemon, Endpoint, Expect, ExpectAfter, External, Fault, How, Kind, Lab, OwnConfig, Routing,
        SessionKind, StepKind, Tag, Via,
    },
    units::{
        Bytes, Community, Family, LinkName, Match, NodeName, PolicySource, PrefixMatch, Set, Span,
        Suite, Verdict,
    },
};

fn lab(text: &str) -> Lab {
    let read = |path: &str| match path {
        "a/frr.conf" => Ok("router bgp 65001\n".to_owned()),
        _ => Err("not here".to_owned()),
    };
    match parse("dir/some-lab.yaml", text, &read) {
        Ok(lab) => lab,
        Err(found) => panic!("{}", found.render("lab.yaml", text)),
    }
}

fn name<T: TryFrom<String>>(text: &str) -> T
where
    T::Error: std::fmt::Debug,
{
    T::try_from(text.to_owned()).unwrap()
}

#[test]
fn the_headline_lab_means_what_it_says() {
    let lab = lab(include_str!("../../../labs/dx-vpn-backup.yaml"));
    assert_eq!(lab.name.as_str(), "dx-vpn-backup");
    assert_eq!(lab.notes, Vec::<String>::new());

    let prod = &lab.sessions["prod"];
    let SessionKind::Vif(vif) = &prod.kind else {
        panic!("{prod:?}");
    };
    assert_eq!(prod.ends, [name::<NodeName>("dc1"), name("east")]);
    assert_eq!(vif.backbones, [name::<LinkName>("backbone")]);
    assert_eq!(vif.vlan, Some(101));
    let bfd = prod.bfd.unwrap();
    assert_eq!(bfd[0], bfd[1]);
    assert_eq!(bfd[0].min_tx, Span::from_millis(300));
    assert_eq!(prod.timers[0].hold, Span::from_secs(90));

    let backup = &lab.sessions["backup"];
    let SessionKind::Vpn(vpn) = &backup.kind else {
        panic!("{backup:?}");
    };
    assert_eq!(backup.ends, [name::<NodeName>("dc1"), name("vgw")]);
    assert_eq!(vpn.underlay, [name::<LinkName>("uplink"), name("edge")]);
    assert_eq!(backup.timers[1].hold, Span::from_secs(30));
    assert_eq!(backup.bfd, None);

    assert_eq!(lab.nodes["dc1"].daemon, Daemon::Embedded);
    assert_eq!(lab.nodes["isp"].daemon, Daemon::None);
    assert_eq!(lab.links["circuit"].shape[1].delay, Span::from_millis(4));
    assert_eq!(lab.links["circuit"].tags.provider.as_deref(), Some("acme"));

    let steps: Vec<&StepKind> = lab.scenario.iter().map(|step| &step.kind).collect();
    assert_eq!(
        steps,
        [
            &StepKind::Fault {
                label: "cut".to_owned(),
                fault: Fault::Silent {
                    link: name("circuit"),
                    from: None
                }
            },
            &StepKind::WaitRecovered {
                probe: name("app"),
                within: Span::from_secs(5)
            },
            &StepKind::Restore {
                label: "cut".to_owned()
            },
        ]
    );
    assert_eq!(
        lab.expect,
        [
            Expect {
                after: ExpectAfter::Fault("cut".to_owned()),
                probe: name("app"),
                outage_max: Some(Span::from_millis(1200)),
                lost: None,
                via: Some(name("backup")),
                recovered: None,
                alert: None,
                loss: None,
                delay: None,
                delay_p99: None,
                further: crate::lab::model::Further::default(),
                line: 31,
            },
            Expect {
                after: ExpectAfter::Restore("cut".to_owned()),
                probe: name("app"),
                outage_max: None,
                lost: Some(0),
                via: Some(name("prod")),
                recovered: None,
                alert: None,
                loss: None,
                delay: None,
                delay_p99: None,
                further: crate::lab::model::Further::default(),
                line: 32,
            },
        ]
    );
}

#[test]
fn a_lab_without_a_name_is_called_after_its_file() {
    assert_eq!(
        lab("nodes: { a: { kind: router } }").name.as_str(),
        "some-lab"
    );
}

#[test]
fn directions_of_a_link_differ_where_the_file_says_so() {
    let lab = lab(
        "nodes: { a: { kind: router }, b: { kind: router } }
links:
  x: { ends: [b, a], delay: { a: 3ms, b: 9ms }, loss: { b: 1% }, rate: 10mbit, queue: 64kB, mtu: 9000B }
  y: { ends: [a, b], shaped: true }
  z: { ends: [a, b], addresses: { a: [\"2001:db8::1/64\", 10.0.0.1/31], b: [10.0.0.0/31, \"2001:db8::2/64\"] } }
",
    );
    let [from_b, from_a] = &lab.links["x"].shape;
    assert_eq!(
        (from_b.delay, from_a.delay),
        (Span::from_millis(9), Span::from_millis(3))
    );
    assert_eq!(
        (from_b.loss.millionths(), from_a.loss.millionths()),
        (10_000, 0)
    );
    assert_eq!(from_a.queue, Some(Bytes::new(64_000)));
    assert!(lab.links["x"].shaped && lab.links["y"].shaped && !lab.links["z"].shaped);
    assert!(lab.links["y"].shape[0].is_transparent());
    let [a, b] = &lab.links["z"].addresses;
    assert_eq!(a[0].to_string(), "10.0.0.1/31");
    assert_eq!(b[1].to_string(), "2001:db8::2/64");
}

#[test]
fn hosts_switches_and_static_routes() {
    let lab = lab(
        "nodes:
  a:  { kind: router, routes: { default: up, 10.9.0.0/16: b, 10.8.0.0/16: blackhole, 10.7.0.0/16: 10.1.1.1 } }
  b:  { kind: router }
  c:  { kind: router }
  sw: { kind: switch }
  h1: { kind: host, routes: { default: 10.5.0.1 } }
  h2: { kind: host }
links:
  up:   { ends: [a, c] }
  down: { ends: [a, b] }
  p1:   { ends: [h1, sw], addresses: { h1: 10.5.0.10/24 } }
  p2:   { ends: [sw, h2], addresses: { h2: 10.5.0.11/24 } }
probes:
  app: { between: [h1, h2] }
",
    );
    let routes: Vec<(String, Via)> = lab.nodes["a"]
        .routes
        .iter()
        .map(|route| (route.prefix.to_string(), route.via.clone()))
        .collect();
    assert_eq!(
        routes,
        [
            ("0.0.0.0/0".to_owned(), Via::Link(name("up"))),
            ("10.9.0.0/16".to_owned(), Via::Link(name("down"))),
            ("10.8.0.0/16".to_owned(), Via::Blackhole),
            ("10.7.0.0/16".to_owned(), Via::Address([10, 1, 1, 1].into())),
        ]
    );
    assert_eq!(lab.nodes["h1"].routes.len(), 1);
    assert_eq!(lab.nodes["sw"].kind, Kind::Switch);
    let probe = &lab.probes["app"];
    assert_eq!(probe.ends[0], Endpoint::Node(name("h1")));
    assert_eq!(
        (probe.rate, probe.size, probe.family),
        (1000, Bytes::new(200), Family::Ipv4Unicast)
    );
}

const PLAIN: &str = "nodes:
  a: { kind: router, asn: 65001, daemon: frr, config: a/frr.conf, originate: [10.1.0.0/16] }
  b: { kind: router, asn: 65002, hosts: { h: 10.2.0.10/24 } }
links:
  left:  { ends: [a, b], delay: 2ms }
  right: { ends: [a, b] }
sessions:
  one: { ebgp: left, hold: 9s, bfd: { tx: 50ms, rx: 60ms, multiplier: 4 }, md5: secret, passive: b }
  two: { ebgp: right, hold: 0s, keepalive: 0s }
";

#[test]
fn timers_of_plain_sessions_are_both_ends() {
    let lab = lab(PLAIN);
    let one = &lab.sessions["one"];
    assert_eq!(one.timers[0], one.timers[1]);
    assert_eq!(one.timers[0].keepalive, Span::from_secs(3));
    let bfd = one.bfd.unwrap()[1];
    assert_eq!(
        (bfd.min_tx, bfd.min_rx, bfd.multiplier),
        (Span::from_millis(50), Span::from_millis(60), 4)
    );
    assert_eq!(one.md5.as_deref(), Some("secret"));
    assert_eq!(one.passive, Some(name("b")));
    assert_eq!(lab.sessions["two"].timers[0].hold, Span::ZERO);
    assert_eq!(
        lab.nodes["a"].daemon,
        Daemon::External(External {
            suite: Suite::Frr,
            install: None,
            config: Some(OwnConfig {
                path: "a/frr.conf".to_owned(),
                text: "router bgp 65001\n".to_owned(),
            }),
        })
    );
}

#[test]
fn explicit_rules_keep_their_order_and_default_to_deny() {
    let lab = lab(&format!(
        "{PLAIN}routing:
  a:
    one:
      max-prefix: 50
      import:
        - {{ match: {{ prefix: 10.0.0.0/8 le 24, community: 7224:7300 }}, set: {{ local-pref: 200 }} }}
        - {{ match: {{ as-path-empty: true }}, then: reject }}
      export:
        - {{ match: {{ from: [local, two], as-path-origin: 65009 }}, set: {{ prepend: 2, add-community: [no-export] }} }}
    two: {{ export: [] }}
"
    ));
    let Routing::Rules(rules) = &lab.routing["a"]["one"] else {
        panic!("not rules");
    };
    assert_eq!(rules.max_prefix, Some(50));
    assert_eq!(
        rules.import.rules[0].matches,
        [
            Match::Prefix(vec![PrefixMatch {
                prefix: "10.0.0.0/8".parse().unwrap(),
                ge: 8,
                le: 24
            }]),
            Match::Community(vec![Community(7224 << 16 | 7300)]),
        ]
    );
    assert_eq!(rules.import.rules[0].set, [Set::LocalPref(200)]);
    assert_eq!(rules.import.rules[1].verdict, Verdict::Reject);
    assert_eq!(
        rules.export.rules[0].matches[1],
        Match::From(vec![
            PolicySource::Local,
            PolicySource::Session(name("two"))
        ])
    );
    assert_eq!(
        rules.export.rules[0].set,
        [Set::Prepend(2), Set::AddCommunity(Community::NO_EXPORT)]
    );
    let Routing::Rules(two) = &lab.routing["a"]["two"] else {
        panic!("not rules");
    };
    assert_eq!(two.import.rules.len(), 1, "no `import` takes everything");
    assert_eq!(two.export.rules.len(), 0, "an empty `export` gives nothing");
}

#[test]
fn faults_of_every_kind_have_labels_and_targets() {
    let lab = lab(&format!(
        "{PLAIN}scenario:
  - cut: {{ link: left, how: one-way, from: b, as: first }}
  - restore: left
  - cut: {{ link: left, how: carrier, at: a }}
  - restore: cut
  - degrade: {{ link: left, delay: 9ms, loss: {{ a: 2% }} }}
  - restore: degrade
  - drop: {{ link: right, packets: 37 }}
  - cut: {{ session: one, how: bgp-shutdown, at: b, as: shut }}
  - cut: {{ node: a, how: freeze, as: ice }}
  - restore: ice
  - cut: {{ node: a, how: node, as: dead }}
  - sleep: 1.5s
probes: {{ p: {{ between: [b.h, x] }} }}
expect:
  - {{ after: first, p: {{ lost: 3 }} }}
  - {{ after: {{ restore: degrade }}, p: {{ outage: 1s }} }}
"
    )
    .replace("nodes:\n", "nodes:\n  x: { kind: host }\n")
    .replace("links:\n", "links:\n  xl: { ends: [x, a] }\n"));
    let faults: Vec<(&str, &Fault)> = lab
        .scenario
        .iter()
        .filter_map(|step| match &step.kind {
            StepKind::Fault { label, fault } => Some((label.as_str(), fault)),
            StepKind::Restore { .. } | StepKind::WaitRecovered { .. } | StepKind::Sleep(_) => None,
        })
        .collect();
    let labels: Vec<&str> = faults.iter().map(|(label, _)| *label).collect();
    assert_eq!(
        labels,
        ["first", "cut", "degrade", "drop", "shut", "ice", "dead"]
    );
    assert_eq!(
        faults[0].1,
        &Fault::Silent {
            link: name("left"),
            from: Some(name("b"))
        }
    );
    let Fault::Degrade { shape, .. } = faults[2].1 else {
        panic!("{:?}", faults[2]);
    };
    assert_eq!(shape[1].delay, Span::from_millis(9));
    assert_eq!(
        (shape[0].loss.millionths(), shape[1].loss.millionths()),
        (20_000, 0)
    );
    assert_eq!(
        faults[6].1,
        &Fault::NodeDeath {
            node: name("a"),
            links: vec![name("left"), name("right"), name("xl")]
        }
    );
    assert_eq!(
        lab.expect[1].after,
        ExpectAfter::Restore("degrade".to_owned())
    );
}

#[test]
fn a_count_of_prefixes_is_as_many_networks_in_a_row() {
    let text = include_str!("../../../labs/two-routers.yaml").replace(
        "announce: [10.1.0.0/24, \"2001:db8:1::/64\"], local-pref: 200",
        "announce: [{ prefix: 10.99.254.0/24, count: 3 }, { prefix: \"2001:db8:1:ffff::/64\", count: 2 }]",
    );
    let lab = lab(&text);
    let Routing::Shorthand(short) = &lab.routing["a"]["primary"] else {
        panic!("{:?}", lab.routing)
    };
    let prefixes: Vec<String> = short
        .announce
        .iter()
        .map(|announce| announce.prefix.to_string())
        .collect();
    assert_eq!(
        prefixes,
        [
            "10.99.254.0/24",
            "10.99.255.0/24",
            "10.100.0.0/24",
            "2001:db8:1:ffff::/64",
            "2001:db8:2::/64"
        ]
    );
}

#[test]
fn a_tag_falls_with_its_links_and_the_links_of_its_nodes() {
    let lab = lab(&include_str!("../../../labs/dx-vpn-backup.yaml")
        .replace("kind: dx-location }", "kind: dx-location, location: EAST }")
        .replace("link: circuit, how: silent", "location: EAST, how: node")
        .replace("restore: circuit", "restore: EAST"));
    let StepKind::Fault { label, fault } = &lab.scenario[0].kind else {
        panic!("{:?}", lab.scenario[0])
    };
    assert_eq!(label, "cut");
    assert_eq!(
        fault,
        &Fault::Tagged {
            tag: Tag::Location,
            value: "EAST".to_owned(),
            how: How::Node,
            links: vec![name("backbone"), name("circuit")],
            nodes: vec![name("east")],
        }
    );
    assert_eq!(
        fault.to_string(),
        "node location:EAST backbone circuit; dead: east"
    );
}

#[test]
fn the_user_may_insist_on_what_aws_does_not_do() {
    let text = include_str!("../../../labs/dx-vpn-backup.yaml")
        .replace("bfd: 300ms/3", "bfd: 50ms/3, unlike-aws: true");
    let lab = lab(&text);
    let bfd = lab.sessions["prod"].bfd.unwrap();
    assert_eq!(bfd[1].min_tx, Span::from_millis(50));
    assert!(lab.sessions["prod"].unlike_aws);
}

#[test]
fn anchors_and_aliases_are_only_yaml() {
    let lab = lab("nodes: { a: { kind: router }, b: { kind: router } }
links:
  x: &same { ends: [a, b], delay: 2ms }
  y: *same
");
    assert_eq!(lab.links["x"].shape, lab.links["y"].shape);
}

#[test]
fn a_file_beyond_the_limit_is_refused_before_it_is_read() {
    let text = format!("name: x\n# {}\n", "x".repeat(10 << 20));
    let found = check("big.yaml", &text, &|_| Err(String::new())).diagnostics;
    assert_eq!(found.0.len(), 1);
    assert_eq!(found.0[0].code, "too-large");
    assert!(found.render("big.yaml", &text).len() < 1000);
}

#[test]
fn findings_are_counted_even_when_they_are_too_many_to_keep() {
    let mut text = "nodes: { a: { kind: router } }\nlinks:\n".to_owned();
    for n in 0..5_000 {
        text.push_str(&format!("  l{n}: {{ ends: [x, y] }}\n"));
    }
    let checked = check("many.yaml", &text, &|_| Err(String::new()));
    assert_eq!(checked.lab, None);
    assert_eq!(checked.diagnostics.0.len(), 200);
}

mod any_input {
    use proptest::prelude::*;

    use super::super::check;

    const SEEDS: [&str; 4] = [
        include_str!("../../../labs/dx-vpn-backup.yaml"),
        include_str!("../../../labs/two-routers.yaml"),
        include_str!("../../../labs/known-outage.yaml"),
        super::PLAIN,
    ];

    /// Whatever comes in, nothing panics and every finding is inside the text.
    fn survives(text: &str) {
        let checked = check("x.yaml", text, &|_| Err("no".to_owned()));
        assert_eq!(checked.lab.is_none(), checked.diagnostics.has_errors());
        let lines: Vec<&str> = text.lines().collect();
        for found in &checked.diagnostics.0 {
            let line = usize::try_from(found.line).unwrap();
            assert!(
                (1..=lines.len().max(1)).contains(&line),
                "{found:?} in {text:?}"
            );
            let width = lines.get(line - 1).map_or(0, |line| line.chars().count());
            let end = usize::try_from(found.column - 1 + found.length).unwrap();
            assert!(
                found.column >= 1 && found.length >= 1 && end <= width + 1,
                "{found:?} in {text:?}"
            );
        }
        checked.diagnostics.render("x.yaml", text);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn any_text(text in "\\PC{0,200}") {
            survives(&text);
        }

        #[test]
        fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            survives(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn yaml_like(text in "[a-c0-9:{}\\[\\],&*!|>\\-'\"#% \t\n\r~<?]{0,120}") {
            survives(&text);
        }

        #[test]
        fn mutated_labs(
            seed in 0..SEEDS.len(),
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<prop::sample::Index>()), 1..4),
        ) {
            let mut words: Vec<String> = SEEDS[seed]
                .split_inclusive([' ', ',', '\n'])
                .map(str::to_owned)
                .collect();
            for (from, to, how) in edits {
                let (from, to) = (from.index(words.len()), to.index(words.len()));
                match how.index(5) {
                    0 => words.swap(from, to),
                    1 => {
                        let word = words[from].clone();
                        words.insert(to, word);
                    }
                    2 => { words.remove(from); }
                    3 => words[from] = "4294967296000 ".to_owned(),
                    _ => words[from] = "\"é\" ".to_owned(),
                }
            }
            survives(&words.concat());
        }

        #[test]
        fn truncated_labs(seed in 0..SEEDS.len(), at in any::<prop::sample::Index>()) {
            let text = SEEDS[seed];
            let mut end = at.index(text.len());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            survives(&text[..end]);
        }
    }
}

#[test]
fn a_default_route_takes_the_families_that_the_link_has() {
    let defaults = |hosts: [&str; 2], via: &str| -> Vec<String> {
        let text = format!(
            "nodes:
  a: {{ kind: router, routes: {{ default: {via} }}, hosts: {{ h1: {} }} }}
  b: {{ kind: router, routes: {{ default: a }}, hosts: {{ h2: {} }} }}
links: {{ l: {{ ends: [a, b], delay: 1ms }} }}
",
            hosts[0], hosts[1]
        );
        let lab = lab(&text);
        let routes = lab.nodes["a"].routes.iter();
        routes
            .inspect(|route| assert_eq!(route.via, Via::Link(name("l"))))
            .map(|route| route.prefix.to_string())
            .collect()
    };
    let v4 = ["10.1.0.10/24", "10.2.0.10/24"];
    let both = ["10.1.0.10/24", "'2001:db8:2::10/64'"];
    for via in ["b", "l"] {
        assert_eq!(defaults(v4, via), ["0.0.0.0/0"], "{via}");
        assert_eq!(defaults(both, via), ["0.0.0.0/0", "::/0"], "{via}");
    }
}
