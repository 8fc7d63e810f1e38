//! Cuts by hand.

use super::{compile, labs};
use crate::lab::{
    model::{Fault, How, Lab},
    plan::{Cut, CutError, cut},
};

fn fault(target: &str, how: Option<How>) -> Result<Fault, CutError> {
    let ask = Cut {
        target,
        how,
        from: None,
        at: None,
    };
    cut(&compile(&labs::dx_vpn_backup()), &ask)
}

fn refusal(ask: &Cut<'_>) -> String {
    let refused = cut(&compile(&labs::dx_vpn_backup()), ask);
    refused.unwrap_err().to_string()
}

#[test]
fn a_target_alone_is_cut_the_usual_way() {
    assert_eq!(fault("circuit", None).unwrap().name(), "silent");
    let shutdown = fault("prod", None).unwrap();
    let Fault::BgpShutdown { node, .. } = &shutdown else {
        panic!("{shutdown:?}")
    };
    assert_eq!(node.as_str(), "east", "AWS does it");
    let text = fault("dc1", None).unwrap_err().to_string();
    assert!(text.contains("kill or freeze"), "{text}");
}

#[test]
fn every_word_of_the_file_works_by_hand() {
    for word in How::NAMES {
        let how = How::parse(word).unwrap();
        assert_eq!(how.to_string(), word);
        if word == "maintenance" {
            // AWS maintains tunnels; a virtual interface and WireGuard have none of its.
            let refused = fault("prod", Some(how)).unwrap_err().to_string();
            assert!(
                refused.contains("no tunnel of a VPN connection"),
                "{refused}"
            );
            continue;
        }
        let ask = Cut {
            target: match how.hits() {
                "link" => "circuit",
                "session" => "prod",
                _ => "vgw",
            },
            how: Some(how),
            from: how.takes_from().then_some("dc1"),
            at: None,
        };
        let fault = cut(&compile(&labs::dx_vpn_backup()), &ask).unwrap();
        assert_eq!((fault.name(), fault.target().as_str()), (word, ask.target));
    }
}

#[test]
fn a_dying_node_takes_all_its_links_with_it() {
    let death = fault("vgw", Some(How::Node)).unwrap();
    let Fault::NodeDeath { links, .. } = &death else {
        panic!("{death:?}")
    };
    let names: Vec<&str> = links.iter().map(|link| link.as_str()).collect();
    assert_eq!(names, ["backbone", "edge"]);
}

#[test]
fn refusals_say_what_would_do() {
    let ask = Cut {
        target: "circuit",
        how: None,
        from: None,
        at: None,
    };
    for (ask, words) in [
        (
            Cut {
                target: "circiut",
                ..ask
            },
            "did you mean `circuit`?",
        ),
        (
            Cut {
                target: "moon",
                how: Some(How::Silent),
                ..ask
            },
            "no link is called `moon`; there are backbone, circuit, edge, uplink",
        ),
        (
            Cut {
                how: Some(How::Kill),
                ..ask
            },
            "a kill cut hits a node, and `circuit` is a link: silent, one-way or carrier",
        ),
        (
            Cut {
                from: Some("dc1"),
                ..ask
            },
            "a silent cut has no `from`",
        ),
        (
            Cut {
                how: Some(How::OneWay),
                ..ask
            },
            "whose packets vanish: dc1 or east",
        ),
        (
            Cut {
                how: Some(How::Carrier),
                at: Some("vgw"),
                ..ask
            },
            "the ends are dc1 and east",
        ),
        (
            Cut {
                target: "isp",
                how: Some(How::Freeze),
                ..ask
            },
            "`isp` runs no daemon to freeze",
        ),
        (
            Cut {
                target: "app",
                how: Some(How::Kill),
                ..ask
            },
            "no node is called `app`",
        ),
    ] {
        let text = refusal(&ask);
        assert!(text.contains(words), "{text}");
    }
}

/// The headline lab with a location, a provider and a site.
fn tagged() -> Lab {
    let mut lab = labs::dx_vpn_backup();
    let word = || Some("cloud".to_owned());
    for node in ["vgw", "vpc1"] {
        lab.nodes.get_mut(node).unwrap().tags.site = word();
    }
    let east = &mut lab.nodes.get_mut("east").unwrap().tags;
    east.location = Some("EAST".to_owned());
    for link in ["circuit", "uplink"] {
        let tags = &mut lab.links.get_mut(link).unwrap().tags;
        tags.provider = Some("acme".to_owned());
    }
    lab
}

fn by_tag(target: &str, how: Option<How>) -> Result<Fault, CutError> {
    let ask = Cut {
        target,
        how,
        from: None,
        at: None,
    };
    cut(&compile(&tagged()), &ask)
}

#[test]
fn a_tag_is_cut_with_all_that_carries_it() {
    let hits = |target: &str, how: Option<How>| {
        let fault = by_tag(target, how).unwrap();
        assert_eq!(fault.target(), target);
        let Fault::Tagged { links, nodes, .. } = &fault else {
            panic!("{fault:?}")
        };
        let links: Vec<String> = links.iter().map(ToString::to_string).collect();
        let nodes: Vec<String> = nodes.iter().map(ToString::to_string).collect();
        (fault.name(), links.join(" "), nodes.join(" "))
    };
    let told =
        |how: &'static str, links: &str, nodes: &str| (how, links.to_owned(), nodes.to_owned());
    // A node brings all its links, a link only itself.
    assert_eq!(
        hits("location:EAST", None),
        told("silent", "backbone circuit", "")
    );
    assert_eq!(
        hits("provider:acme", Some(How::Carrier)),
        told("carrier", "circuit uplink", "")
    );
    assert_eq!(
        hits("location:EAST", Some(How::Node)),
        told("node", "backbone circuit", "east")
    );
    // A vpc is no machine.
    assert_eq!(
        hits("site:cloud", Some(How::Node)),
        told("node", "backbone edge", "vgw")
    );
}

#[test]
fn a_tag_that_is_not_there_or_cut_otherwise_is_refused() {
    for (target, how, words) in [
        ("location:EATS", None, "did you mean `EAST`?"),
        ("location:EAST", Some(How::Kill), "silent, carrier or node"),
        (
            "colour:red",
            Some(How::Silent),
            "no link is called `colour:red`",
        ),
    ] {
        let text = by_tag(target, how).unwrap_err().to_string();
        assert!(text.contains(words), "{text}");
    }
    let ask = Cut {
        target: "location:EAST",
        how: None,
        from: Some("dc1"),
        at: None,
    };
    let text = cut(&compile(&tagged()), &ask).unwrap_err().to_string();
    assert!(text.contains("has no `from`"), "{text}");
    let text = refusal(&Cut {
        target: "site:cloud",
        ..Cut { from: None, ..ask }
    });
    assert!(text.contains("this lab has none"), "{text}");
}
