//! JSON Schema (2020-12) of the lab file, for editors: made from the same table
//! of keys that the readers use. It knows shapes, not references or AWS's rules.

use serde_json::{Map, Value, json};

use super::keys::{Holds, LAB, Table};

/// The schema of a lab file.
pub fn schema() -> Value {
    let mut schema = object(&LAB);
    if let Value::Object(map) = &mut schema {
        map.insert(
            "$schema".to_owned(),
            json!("https://json-schema.org/draft/2020-12/schema"),
        );
        map.insert("title".to_owned(), json!("backhoe lab"));
    }
    schema
}

fn object(table: &Table) -> Value {
    let mut properties = Map::new();
    for word in table.keys {
        let mut value = shape(&word.holds);
        if let Value::Object(map) = &mut value {
            map.insert("description".to_owned(), json!(word.doc));
        }
        properties.insert(word.key.to_owned(), value);
    }
    let required: Vec<&str> = table
        .keys
        .iter()
        .filter(|word| word.required)
        .map(|word| word.key)
        .collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": table.others.map_or(json!(false), shape),
    })
}

/// A string written like this.
fn pattern(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

fn shape(holds: &Holds) -> Value {
    match holds {
        Holds::Text => json!({ "type": ["string", "number"] }),
        // A name may look like a number to YAML.
        Holds::Name => json!({ "type": ["string", "integer"] }),
        Holds::Flag => json!({ "type": "boolean" }),
        Holds::Number(low, high) => {
            json!({ "type": "integer", "minimum": low, "maximum": high })
        }
        Holds::Duration => json!({ "anyOf": [
            pattern(r"^\d+(\.\d+)? ?(ns|us|µs|ms|s|m|min|h)$"),
            { "const": 0 },
        ]}),
        Holds::Rate => pattern(r"^\d+(\.\d+)? ?([kKmMgG]?(bit|bps))$"),
        Holds::PacketRate => pattern(r"^\d+ ?/s$"),
        Holds::Size => pattern(r"^\d+(\.\d+)? ?(B|b|kB|KB|k|MB)$"),
        Holds::Percent => pattern(r"^\d+(\.\d+)? ?%$"),
        Holds::Prefix => pattern(r"^[0-9a-fA-F.:]+/\d+$"),
        Holds::Bfd => pattern(r"^\d+(\.\d+)?(us|ms|s)/\d+$"),
        Holds::OneOf(words) => json!({ "enum": words }),
        Holds::ListOf(item) => json!({ "type": "array", "items": shape(item) }),
        Holds::OneOrList(item) => json!({ "anyOf": [
            shape(item),
            { "type": "array", "items": shape(item) },
        ]}),
        Holds::MapOf(item) => json!({ "type": "object", "additionalProperties": shape(item) }),
        Holds::Either(shapes) => {
            let shapes: Vec<Value> = shapes.iter().map(shape).collect();
            json!({ "anyOf": shapes })
        }
        Holds::Keys(table) => object(table),
        Holds::Steps(table) => {
            let mut step = object(table);
            if let Value::Object(map) = &mut step {
                map.insert("minProperties".to_owned(), json!(1));
                map.insert("maxProperties".to_owned(), json!(1));
            }
            json!({ "type": "array", "items": step })
        }
    }
}
