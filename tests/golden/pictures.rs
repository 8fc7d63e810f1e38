//! Labs in, pictures out.

use std::{fs, path::Path};

use backhoe::lab::{
    graph::{Format, render},
    model::Lab,
};

use super::{Golden, check, root, yaml_files};

fn lab(path: &Path) -> Lab {
    let (checked, rendered) = check(path);
    checked.lab.unwrap_or_else(|| panic!("{rendered}"))
}

#[test]
fn every_picture_beside_the_labs_is_what_the_tool_draws() {
    let mut golden = Golden::default();
    let mut names = Vec::new();
    let readme = fs::read_to_string(root().join("labs/README.md")).unwrap();
    for path in yaml_files("labs") {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let picture = root().join(format!("labs/pictures/{name}.svg"));
        golden.compare(&picture, &render(&lab(&path), Format::Svg));
        if !readme.contains(&format!("](pictures/{name}.svg)")) {
            golden
                .wrong
                .push(format!("labs/README.md does not show {name}"));
        }
        names.push(format!("{name}.svg"));
    }
    for entry in fs::read_dir(root().join("labs/pictures")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        if !names.contains(&name) {
            golden
                .wrong
                .push(format!("labs/pictures/{name} is of no lab"));
        }
    }
    golden.conclude();
}

#[test]
fn every_language_says_what_it_should() {
    let mut golden = Golden::default();
    let mut inputs = yaml_files("tests/golden/graph");
    for name in ["dx-vpn-backup", "lag-member-cut", "two-routers"] {
        inputs.push(root().join(format!("labs/{name}.yaml")));
    }
    assert!(inputs.len() >= 4);
    for path in inputs {
        let expected = root()
            .join("tests/golden/graph")
            .join(path.file_name().unwrap());
        let lab = lab(&path);
        golden.compare(
            &expected.with_extension("mmd"),
            &render(&lab, Format::Mermaid),
        );
        golden.compare(&expected.with_extension("dot"), &render(&lab, Format::Dot));
        // The others' stand beside the labs.
        if expected.exists() {
            golden.compare(&expected.with_extension("svg"), &render(&lab, Format::Svg));
        }
    }
    golden.conclude();
}
