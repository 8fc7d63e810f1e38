//! The lab file: text in, a [`Lab`](super::model::Lab) or everything that is
//! wrong with it out.
//!
//! `raw` reads YAML into a tree with positions, `keys` is the table of the
//! language's words, `reader` turns tree nodes into typed values, `lower` makes
//! the model and checks what spans sections, `schema` prints the table for editors.

mod diagnostic;
mod keys;
mod lower;
mod meant;
mod parse;
mod raw;
mod reader;
mod schema;
mod vary;

pub use diagnostic::{At, Diagnostic, Diagnostics, Severity};
pub use parse::{Checked, NOT_TEXT, check, parse};
pub use schema::schema;
pub use vary::{UNSET, VaryError, set, values};

#[cfg(test)]
mod tests;
