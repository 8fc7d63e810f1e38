//! The lab's own processes. They are this same program, started under names that
//! no user types, and they enter their namespaces before any thread exists.

use std::process::ExitCode;

use crate::engine::init;

/// Runs one of them if the command line asks for it.
pub(super) fn dispatch() -> Option<ExitCode> {
    match std::env::args().nth(1)?.as_str() {
        init::SUBCOMMAND => Some(init::internal_lab()),
        _ => None,
    }
}
