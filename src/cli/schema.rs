//! `backhoe schema`.

use super::{Exit, args::SchemaArgs, output};
use crate::lab::spec;

pub(super) fn run(_: &SchemaArgs) -> Result<(), Exit> {
    output::json(&spec::schema())
}
