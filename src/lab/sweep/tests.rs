//! What the labs that come with backhoe say of themselves.

use std::{fs, path::Path};

use super::{Element, Manner, Topology, Verdict, What, cases, elements, reduce, renamings};
use crate::lab::{
    model::{Lab, Routing, Shorthand},
    spec,
};

fn lab(name: &str) -> Lab {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("labs/{name}.yaml"));
    let text = fs::read_to_string(path).unwrap();
    let checked = spec::check(name, &text, &|_| Ok(String::new()));
    checked.lab.unwrap()
}

/// The elements of which a failure has this verdict for some probe.
fn with(lab: &Lab, wanted: Verdict) -> Vec<String> {
    let topology = Topology::of(lab);
    let (all, _) = elements(lab);
    let has = |one: &&Element| {
        let mut probes = topology.probes();
        probes.any(|probe| topology.verdict(probe, &[one]) == wanted)
    };
    all.iter().filter(has).map(ToString::to_string).collect()
}

#[test]
fn one_circuit_is_cut_by_everything_on_it() {
    let lab = lab("single-dx");
    assert_eq!(
        with(&lab, Verdict::Cut),
        ["backbone", "circuit", "node east", "daemon of east"]
    );
    assert_eq!(
        with(&lab, Verdict::End),
        ["node dc1", "node vgw", "daemon of dc1", "daemon of vgw"]
    );
    let topology = Topology::of(&lab);
    let probe = topology.probes().next().unwrap().clone();
    assert_eq!(topology.min_cut(&probe).map(|cut| cut.len()), Some(1));
}

#[test]
fn maximum_resiliency_has_no_single_point_of_failure() {
    let lab = lab("dx-resiliency-maximum");
    assert_eq!(with(&lab, Verdict::Cut), Vec::<String>::new());
    let topology = Topology::of(&lab);
    for probe in topology.probes() {
        assert_eq!(
            topology.min_cut(probe).map(|cut| cut.len()),
            Some(3),
            "{probe}"
        );
    }
    // The two locations together are all there is.
    let (all, _) = elements(&lab);
    let locations: Vec<&Element> = all
        .iter()
        .filter(|one| one.name == "EAST" || one.name == "WEST")
        .collect();
    for probe in topology.probes() {
        assert_eq!(topology.verdict(probe, &locations), Verdict::Cut);
    }
}

#[test]
fn what_does_not_apply_is_left_out_with_a_reason_and_pairs_say_something_new() {
    let lab = lab("dx-resiliency-maximum");
    let (all, vpc) = elements(&lab);
    assert_eq!(vpc.len(), 1, "{vpc:?}");
    let (single, left_out) = cases(&all, (1, &Manner::ALL), |_| false);
    let silent = single
        .iter()
        .filter(|case| case.manner == Manner::Silent)
        .count();
    assert_eq!(silent, all.len());
    let fits = |one: &&Element| matches!(one.what, What::Link | What::Tag(_));
    assert_eq!(single.len() - silent, all.iter().filter(fits).count());
    assert_eq!(left_out.len(), 2, "{left_out:?}");

    let (double, left_out) = cases(&all, (2, &[Manner::Silent]), |one| one.name == "vgw");
    let named = |parts: &[usize]| {
        parts
            .iter()
            .map(|&at| all[at].to_string())
            .collect::<Vec<_>>()
    };
    let pairs: Vec<Vec<String>> = double.iter().map(|case| named(&case.parts)).collect();
    let has = |a: &str, b: &str| pairs.contains(&vec![a.to_owned(), b.to_owned()]);
    assert!(has("c1", "c2") && has("location EAST", "location WEST"));
    assert!(!has("c1", "node dc1"), "a node takes its links with it");
    assert!(!has("c1", "provider acme"), "a tag takes its links with it");
    assert!(!has("node dc1", "daemon of dc1"));
    assert!(!has("c1", "node vgw"), "nothing is left to lose");
    assert!(
        left_out
            .iter()
            .any(|one| one.why.contains("takes the other with it"))
    );
}

#[test]
fn two_sites_alike_are_one_by_other_names_and_a_single_circuit_is_like_nothing() {
    assert_eq!(renamings(&lab("single-dx")), []);
    let lab = lab("dx-resiliency-maximum");
    let found = renamings(&lab);
    let [swap] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(
        (swap.probe("app"), swap.path("e1, w1")),
        ("dev".to_owned(), "e2, w2".to_owned())
    );
    let (all, _) = elements(&lab);
    let (single, _) = cases(&all, (1, &Manner::ALL), |_| false);
    let made = reduce(&single, &all, &found);
    assert_eq!(
        (
            single.len(),
            made.iter().filter(|one| one.is_none()).count()
        ),
        (44, 26)
    );

    // A preference that only one of the two has makes them two.
    let mut other = lab;
    let routing = other.routing.values_mut().next().unwrap();
    *routing.values_mut().next().unwrap() = Routing::Shorthand(Shorthand::default());
    assert_eq!(renamings(&other), []);
}
