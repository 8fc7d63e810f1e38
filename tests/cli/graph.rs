//! `graph`: which picture goes where.

use std::fs;

use super::{Bench, headline};

#[test]
fn the_format_is_what_is_asked_for_or_what_the_name_says() {
    let bench = Bench::new("graph");
    let lab = headline();
    assert!(bench.ok(&["graph", &lab]).starts_with("flowchart LR\n"));
    assert!(
        bench
            .ok(&["graph", &lab, "--format", "dot"])
            .starts_with("graph \"dx-vpn-backup\" {\n")
    );
    let picture =
        fs::read_to_string(super::root().join("labs/pictures/dx-vpn-backup.svg")).unwrap();
    assert_eq!(bench.ok(&["graph", &lab, "--format", "svg"]), picture);

    assert_eq!(bench.ok(&["graph", &lab, "--out", "picture.svg"]), "");
    let written = |name: &str| fs::read_to_string(bench.dir.path().join(name)).unwrap();
    assert_eq!(written("picture.svg"), picture);
    bench.ok(&["graph", &lab, "-o", "picture.txt", "--format", "dot"]);
    assert!(written("picture.txt").starts_with("graph "));

    let unsaid = bench.fails(2, &["graph", &lab, "-o", "picture.png"]);
    assert!(
        unsaid.contains("end it in .svg, .mmd, .dot or .gv"),
        "{unsaid}"
    );
    let nowhere = bench.fails(2, &["graph", &lab, "-o", "no/such/picture.svg"]);
    assert!(
        nowhere.contains("no/such/picture.svg: error: cannot be written"),
        "{nowhere}"
    );
    bench.fails(2, &["graph", "nothing.yaml"]);
}
