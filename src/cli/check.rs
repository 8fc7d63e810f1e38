//! `backhoe check`.

use super::{Exit, args::CheckArgs};

pub(super) fn run(_: &CheckArgs) -> Result<(), Exit> {
    Ok(())
}
