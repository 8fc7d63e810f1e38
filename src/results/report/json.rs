//! `result.json`.

use serde::Serialize;

/// A result as indented JSON with a final newline. Fails only on a number JSON cannot hold.
pub fn json(result: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(result)?;
    text.push('\n');
    Ok(text)
}
