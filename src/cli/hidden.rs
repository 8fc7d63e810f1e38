//! The lab's own processes. They are this same program, started under names that
//! no user types, and they enter their namespaces before any thread exists.

use std::process::ExitCode;

/// Runs one of them if the command line asks for it.
pub(super) fn dispatch() -> Option<ExitCode> {
    None
}
