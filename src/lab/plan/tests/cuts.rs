//! Cuts by hand.

use super::{compile, labs};
use crate::lab::{
    model::{Fault, How},
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
        assert_eq!((fault.name(), fault.target()), (word, ask.target));
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
