//! `backhoe schema`.

use super::{Exit, output};
use crate::lab::spec;

pub(super) fn run() -> Result<(), Exit> {
    output::json(&spec::schema())
}
