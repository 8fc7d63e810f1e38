//! Schemas that allow nothing but what they describe, for tests; those of the command line use it
//! as well.

use serde_json::Value;

/// Lets a schema allow nothing that it does not describe. What a place allows may be put together
/// of several schemas, so only the whole of them is closed.
pub(crate) fn strict(schema: &mut Value) {
    const OF_SEVERAL: [&str; 3] = ["oneOf", "anyOf", "allOf"];
    let Value::Object(map) = schema else {
        return;
    };
    if let Some(Value::Object(shared)) = map.get_mut("$defs") {
        shared.values_mut().for_each(parts);
    }
    parts_of(map);
    let closed = OF_SEVERAL.into_iter().chain(["properties", "$ref"]);
    if closed.into_iter().any(|word| map.contains_key(word)) {
        map.insert("unevaluatedProperties".to_owned(), Value::Bool(false));
    }

    fn parts(schema: &mut Value) {
        if let Value::Object(map) = schema {
            parts_of(map);
        }
    }

    fn parts_of(map: &mut serde_json::Map<String, Value>) {
        if let Some(Value::Object(fields)) = map.get_mut("properties") {
            fields.values_mut().for_each(strict);
        }
        for word in ["items", "additionalProperties"] {
            map.get_mut(word).into_iter().for_each(strict);
        }
        if let Some(Value::Array(items)) = map.get_mut("prefixItems") {
            items.iter_mut().for_each(strict);
        }
        for word in OF_SEVERAL {
            if let Some(Value::Array(branches)) = map.get_mut(word) {
                branches.iter_mut().for_each(parts);
            }
        }
    }
}
