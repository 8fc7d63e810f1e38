//! `backhoe man`.

use clap::CommandFactory;

use super::{Exit, args::Args, output};

pub(super) fn run() -> Result<(), Exit> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Args::command()).render(&mut page)?;
    output::data(&String::from_utf8_lossy(&page))
}
