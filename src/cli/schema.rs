//! `backhoe schema`.

use super::{Exit, args::SchemaArgs};

pub(super) fn run(_: &SchemaArgs) -> Result<(), Exit> {
    Ok(())
}
