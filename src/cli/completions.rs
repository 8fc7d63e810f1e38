//! `backhoe completions`.

use clap::CommandFactory;

use super::{
    Exit,
    args::{Args, CompletionsArgs},
    output,
};

pub(super) fn run(args: &CompletionsArgs) -> Result<(), Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "backhoe", &mut script);
    output::data(&String::from_utf8_lossy(&script))
}
