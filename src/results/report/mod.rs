//! Results for people and machines: text out of a measured run, nothing measured anew.

use super::measure::RunResult;

/// How it is written.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// With colours.
    pub colour: bool,
}

/// For a terminal.
pub fn terminal(result: &RunResult, _: Style) -> String {
    serde_json::to_string_pretty(result).unwrap_or_default()
}
