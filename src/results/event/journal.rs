//! Reading a journal back: one JSON object a line.

use super::Event;

/// Why a journal was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the journal is not an event: {reason}")]
pub struct JournalError {
    /// Counted from 1.
    pub line: usize,
    /// What the JSON reader says.
    pub reason: String,
}

/// Reads a whole journal. Empty lines are skipped. A last line without its newline that does
/// not parse is left out: a run killed while writing leaves exactly that, and everything
/// before it is still true. A bad line anywhere else is an error.
pub fn read_journal(text: &str) -> Result<Vec<Event>, JournalError> {
    let mut events = Vec::new();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let whole = line.ends_with('\n');
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        match serde_json::from_str(line) {
            Ok(event) => events.push(event),
            Err(_) if !whole => break,
            Err(error) => {
                return Err(JournalError {
                    line: index + 1,
                    reason: error.to_string(),
                });
            }
        }
    }
    Ok(events)
}

#[cfg(test)]
mod tests;
