//! What is wrong with a lab file, as JSON.

use std::fmt;

use serde::Serialize;

use crate::lab::spec::{Diagnostics, Severity};

/// One finding.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    file: String,
    /// From 1; null when it concerns the whole file.
    line: Option<u32>,
    /// In characters, from 1.
    column: Option<u32>,
    severity: &'static str,
    code: String,
    message: String,
    help: Option<String>,
}

impl Finding {
    /// Everything that was found in `file`.
    pub(super) fn all(file: &str, found: &Diagnostics) -> Vec<Self> {
        let finding = |d: &crate::lab::spec::Diagnostic| Self {
            file: file.to_owned(),
            line: Some(d.line),
            column: Some(d.column),
            severity: match d.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            code: d.code.to_owned(),
            message: d.message.clone(),
            help: d.help.clone(),
        };
        found.0.iter().map(finding).collect()
    }

    /// An error at a line, from 1, and perhaps a column of it.
    pub(super) fn at(
        file: &str,
        (line, column): (u32, Option<u32>),
        code: &str,
        message: String,
    ) -> Self {
        Self {
            line: Some(line),
            column,
            ..Self::whole(file, code, message)
        }
    }

    /// An error of the whole file.
    pub(super) fn whole(file: &str, code: &str, message: String) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            column: None,
            severity: "error",
            code: code.to_owned(),
            message,
            help: None,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        for place in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{place}")?;
        }
        write!(f, ": {}: {}", self.severity, self.message)
    }
}
