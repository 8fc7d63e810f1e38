//! `backhoe man`.

use clap::CommandFactory;

use super::{
    Exit,
    args::{Args, ManArgs},
    output,
};

pub(super) fn run(_: &ManArgs) -> Result<(), Exit> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Args::command()).render(&mut page)?;
    output::data(&String::from_utf8_lossy(&page))
}
