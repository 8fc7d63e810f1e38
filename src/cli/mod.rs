//! The user's terminal: arguments, subcommands, progress, exit codes.

/// Runs the command line and returns the documented exit code.
pub fn main() -> std::process::ExitCode {
    std::process::ExitCode::SUCCESS
}
