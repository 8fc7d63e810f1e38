//! The way in.

use super::{Diagnostics, lower::lower, raw};
use crate::lab::model::Lab;

/// What came of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The lab, unless there are errors.
    pub lab: Option<Lab>,
    /// Errors and warnings in the file's order.
    pub diagnostics: Diagnostics,
}

/// What an `include` says of a file that is not text.
pub const NOT_TEXT: &str = "binary, not text";

/// Reads a lab file and reports everything that is wrong or doubtful in it.
///
/// `include` hands out the text of files the lab mentions (a user's `frr.conf`),
/// by the path as written, or says why it cannot: [`NOT_TEXT`], for one. `file` is the lab file's name;
/// a lab without a `name:` is called after it.
pub fn check(file: &str, text: &str, include: &dyn Fn(&str) -> Result<String, String>) -> Checked {
    let (lab, mut list) = match raw::read(text) {
        Ok(tree) => lower(&tree, stem(file), include),
        Err(found) => (None, vec![found]),
    };
    list.sort_by_key(|found| (found.line, found.column));
    Checked {
        lab,
        diagnostics: Diagnostics(list),
    }
}

/// The lab that a file describes; its warnings are in [`Lab::notes`].
///
/// # Errors
/// Every error and warning of the file, to be shown with [`Diagnostics::render`].
pub fn parse(
    file: &str,
    text: &str,
    include: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Lab, Diagnostics> {
    let Checked { lab, diagnostics } = check(file, text, include);
    lab.ok_or(diagnostics)
}

/// `lab` of `some/where/lab.yaml`.
fn stem(file: &str) -> &str {
    let name = file.rsplit('/').next().unwrap_or(file);
    name.split_once('.').map_or(name, |(stem, _)| stem)
}
