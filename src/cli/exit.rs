//! Exit codes, and how an error becomes one.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use crate::engine::api::ClientError;

/// Why a command did not simply succeed.
#[derive(Debug)]
pub enum Exit {
    /// 2: the command line or the lab file is wrong; the text has been printed if empty.
    Usage(String),
    /// 3: the host lacks something.
    Host(String),
    /// 4: an expectation was missed; the report has said which.
    Missed,
    /// Another program's own status (`exec`, `shell`), or 128 and the signal that
    /// interrupted the command.
    Status(u8),
    /// 1: anything else.
    Bug(anyhow::Error),
}

impl From<anyhow::Error> for Exit {
    fn from(error: anyhow::Error) -> Self {
        Self::Bug(error)
    }
}

impl From<io::Error> for Exit {
    fn from(error: io::Error) -> Self {
        Self::Bug(error.into())
    }
}

impl From<ClientError> for Exit {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::NotUp(_) | ClientError::NotYours { .. } | ClientError::Wrong(_) => {
                Self::Usage(error.to_string())
            }
            ClientError::Refused(_) | ClientError::Silent(..) | ClientError::Broken(_) => {
                Self::Bug(error.into())
            }
        }
    }
}

/// Prints what is left to say and picks the documented code.
pub(super) fn code(result: Result<(), Exit>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Exit::Usage(text)) => say(&text, 2),
        Err(Exit::Host(text)) => say(&text, 3),
        Err(Exit::Missed) => ExitCode::from(4),
        Err(Exit::Status(status)) => ExitCode::from(status),
        // A reader that has seen enough (`| head`) is no error.
        Err(Exit::Bug(error)) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(Exit::Bug(error)) => say(&format!("{error:#}"), 1),
    }
}

fn say(text: &str, code: u8) -> ExitCode {
    if !text.is_empty() {
        // With stderr gone there is nobody left to tell.
        let _ = writeln!(io::stderr(), "backhoe: {}", text.trim_end());
    }
    ExitCode::from(code)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
