//! `backhoe plan`.

use super::{Exit, args::PlanArgs};

pub(super) fn run(_: &PlanArgs) -> Result<(), Exit> {
    Ok(())
}
