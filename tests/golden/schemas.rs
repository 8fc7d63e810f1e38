//! The published schemas of results.

use std::{collections::BTreeSet, fs};

use backhoe::results::schema::Document;

use super::{Golden, root};

#[test]
fn every_published_schema_is_that_of_the_types() {
    let mut golden = Golden::default();
    let directory = root().join("docs/schema");
    let mut names = BTreeSet::new();
    for document in Document::ALL {
        let name = format!("{}.json", document.name());
        let text = serde_json::to_string_pretty(&document.schema()).unwrap();
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
