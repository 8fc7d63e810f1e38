//! The user's terminal: arguments, subcommands, progress, exit codes.
//!
//! Data goes to stdout, talk to stderr. `main` below is the table of contents.

mod args;
mod bench;
mod bench_dir;
mod check;
mod child;
mod compare;
mod completions;
mod conformance;
mod cut;
mod doctor;
mod down;
mod exec;
mod exit;
mod finding;
mod graph;
mod hidden;
mod inspect;
mod interrupt;
mod known_outages;
mod load;
mod logs;
mod ls;
mod man;
mod merge;
mod metrics;
mod output;
mod own_config;
mod plan;
mod progress;
mod report;
mod resume;
mod run;
mod schema;
mod status;
mod sweep;
mod table;
mod test;
mod together;
mod told;
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
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return mistyped(&error),
    };
    let json = args.command.json();
    let result = match args.command {
        Command::Run(args) => run::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Sweep(args) => sweep::run(&args),
        Command::Merge(args) => merge::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Plan(args) => plan::run(&args),
        Command::Graph(args) => graph::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Conformance(args) => conformance::run(&args),
        Command::KnownOutages(args) => known_outages::run(&args),
        Command::Doctor(output) => doctor::run(output),
        Command::Completions(args) => completions::run(&args),
        Command::Man => man::run(),
        Command::Up(args) => up::run(&args),
        Command::Down(args) => down::run(&args),
        Command::Ls(output) => ls::run(output),
        Command::Status(args) => status::run(&args),
        Command::Metrics(args) => metrics::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Logs(args) => logs::run(&args),
        Command::Cut(args) => cut::run(&args),
        Command::Restore(args) => cut::restore(&args),
        Command::Exec(args) => exec::run(&args),
        Command::Shell(args) => exec::shell(&args),
    };
    exit::code(result, json)
}

/// A command line that means nothing; help and version, too.
fn mistyped(error: &clap::Error) -> ExitCode {
    // With its reader gone there is nobody left to tell.
    let _ = error.print();
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    let mut typed = std::env::args_os()
        .skip(1)
        .take_while(|argument| argument != "--");
    let command = typed.next().unwrap_or_default();
    let is_run = command == "run";
    if typed.any(|argument| argument == "--json") {
        let text = error.to_string();
        let text = text.trim_start_matches("error: ").trim_end();
        let exit = Exit::Usage(text.to_owned());
        // The code says it even where nobody reads.
        let _ = match is_run {
            true => run::print_failure(&exit, &run::SoFar::default()),
            false => output::json(&serde_json::json!({ "error": exit.error() })),
        };
    }
    match command == "exec" || command == "shell" {
        true => ExitCode::from(exec::OWN_FAILURE),
        false => ExitCode::from(2),
    }
}
