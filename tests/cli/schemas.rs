//! Real results against their published schemas.

use serde_json::Value;

use crate::bench::Bench;

/// Fails unless `document` is what `backhoe schema NAME` describes, and nothing more.
pub(crate) fn fits(bench: &Bench, name: &str, document: &Value) {
    let mut schema = bench.json(&["schema", name]);
    strict(&mut schema);
    let validator = jsonschema::validator_for(&schema).unwrap();
    let misfits: Vec<String> = validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(misfits.is_empty(), "{name}: {misfits:#?}");
}

/// Lets a schema allow nothing that it does not describe.
fn strict(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.values_mut().for_each(strict);
            if map.contains_key("properties") {
                map.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
        }
        Value::Array(list) => list.iter_mut().for_each(strict),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
