//! Real results against their published schemas.

use serde_json::Value;

use crate::bench::Bench;

#[path = "../../src/results/schema/strict.rs"]
mod strict;

/// Fails unless `document` is what `backhoe schema NAME` describes, and nothing more.
pub(crate) fn fits(bench: &Bench, name: &str, document: &Value) {
    all_fit(bench, name, std::slice::from_ref(document));
}

/// The same of several documents, such as the lines of a journal.
pub(crate) fn all_fit(bench: &Bench, name: &str, documents: &[Value]) {
    let mut schema = bench.json(&["schema", name]);
    strict::strict(&mut schema);
    let validator = jsonschema::validator_for(&schema).unwrap();
    for document in documents {
        let misfits: Vec<String> = validator
            .iter_errors(document)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(misfits.is_empty(), "{name}: {misfits:#?} {document}");
    }
}
