//! The user's terminal: arguments, subcommands, progress, exit codes.
//!
//! Data goes to stdout, talk to stderr. `main` below is the table of contents.

mod args;
mod check;
mod completions;
mod cut;
mod doctor;
mod down;
mod exec;
mod exit;
mod hidden;
mod inspect;
mod interrupt;
mod load;
mod logs;
mod ls;
mod man;
mod output;
mod plan;
mod progress;
mod run;
mod schema;
mod status;
mod table;
mod up;

use std::process::ExitCode;

use clap::Parser;

pub use exit::Exit;

use args::{Args, Command};

/// Runs the command line and returns the documented exit code.
pub fn main() -> ExitCode {
    // The lab's own processes must enter namespaces before anything else happens.
    if let Some(code) = hidden::dispatch() {
        return code;
    }
    let args = Args::parse();
    let result = match args.command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Up(args) => up::run(&args),
        Command::Down(args) => down::run(&args),
        Command::Ls(args) => ls::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Logs(args) => logs::run(&args),
        Command::Cut(args) => cut::run(&args),
        Command::Restore(args) => cut::restore(&args),
        Command::Exec(args) => exec::run(&args),
        Command::Shell(args) => exec::shell(&args),
    };
    exit::code(result)
}
