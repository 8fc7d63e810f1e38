//! The published schemas of what is written and printed as JSON.

use std::{collections::BTreeSet, fs};

use backhoe::{engine::api::status_schema, results::schema::Document};

use super::{Golden, root};

#[test]
fn every_published_schema_is_that_of_the_types() {
    let mut golden = Golden::default();
    let directory = root().join("docs/schema");
    let mut names = BTreeSet::new();
    let results = Document::ALL.map(|document| (document.name(), document.schema()));
    for (name, schema) in results.into_iter().chain([("status", status_schema())]) {
        let name = format!("{name}.json");
        let text = serde_json::to_string_pretty(&schema).unwrap();
        golden.compare(&directory.join(&name), &(text + "\n"));
        names.insert(name);
    }
    let there = fs::read_dir(directory).unwrap();
    let there: BTreeSet<String> = there
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(there, names);
    golden.conclude();
}
