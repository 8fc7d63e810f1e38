//! Exit codes, and how an error becomes one.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use serde::Serialize;

use super::{finding::Finding, output};
use crate::engine::{
    api::{ClientError, ErrorInfo},
    init::LaunchError,
};

/// Why a command did not simply succeed.
#[derive(Debug)]
pub enum Exit {
    /// 2: the command line is wrong, or means something that is not there.
    Usage(String),
    /// 2: a lab file is refused. Its findings have been printed.
    LabFile(String, Vec<Finding>),
    /// 2: the lab refuses: what was asked for makes no sense for it, or not now.
    Refused(ErrorInfo),
    /// 3: the host lacks something.
    Host(String),
    /// 4: the lab stood, and did not get as far as a result.
    Failed(String),
    /// 5: a daemon, or the lab itself, does not answer.
    Unresponsive(String),
    /// 128 and the number of the signal that interrupted the command; the lab is down.
    Interrupted(u8),
    /// Everything has been said, in JSON too; this code remains: another program's own
    /// (`exec`, `shell`), or that of an answer which says itself what is wrong.
    Status(u8),
    /// 1: anything else.
    Bug(anyhow::Error),
}

/// `error` of a JSON answer.
#[derive(Debug, Serialize)]
pub(super) struct Error {
    /// `usage`, `lab-file`, `host`, `failed`, `unresponsive`, `interrupted`, `bug`, or the
    /// kind that the lab's API gave.
    pub(super) kind: String,
    /// In words.
    pub(super) message: String,
    /// What is wrong with the lab file, and where.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    diagnostics: Vec<Finding>,
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
            ClientError::NotUp(_) | ClientError::NotYours { .. } => Self::Usage(error.to_string()),
            ClientError::Wrong(info) => Self::Refused(info),
            ClientError::Unresponsive(_) | ClientError::Silent(..) => {
                Self::Unresponsive(error.to_string())
            }
            ClientError::Refused(_) | ClientError::Broken(_) => Self::Bug(error.into()),
        }
    }
}

impl Exit {
    /// Why there is no lab.
    pub(super) fn no_lab(error: anyhow::Error) -> Self {
        match error.downcast_ref::<LaunchError>() {
            Some(taken @ LaunchError::Taken(_)) => Self::Usage(taken.to_string()),
            Some(LaunchError::Host(lack)) => Self::Host(lack.clone()),
            Some(LaunchError::Failed(_)) | None => Self::Bug(error),
        }
    }

    /// The documented code.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Bug(_) => 1,
            Self::Usage(_) | Self::LabFile(..) | Self::Refused(_) => 2,
            Self::Host(_) => 3,
            Self::Failed(_) => 4,
            Self::Unresponsive(_) => 5,
            Self::Interrupted(signal) => 128_u8.saturating_add(*signal),
            Self::Status(status) => *status,
        }
    }

    /// What is left to say; `None` when everything has been said.
    pub(super) fn error(&self) -> Option<Error> {
        let (kind, message) = match self {
            Self::Usage(text) => ("usage", text.clone()),
            Self::LabFile(text, _) => ("lab-file", text.clone()),
            Self::Refused(info) => (info.kind.as_str(), info.message.clone()),
            Self::Host(text) => ("host", text.clone()),
            Self::Failed(text) => ("failed", text.clone()),
            Self::Unresponsive(text) => ("unresponsive", text.clone()),
            Self::Interrupted(signal) => (
                "interrupted",
                format!("interrupted by signal {signal}; the lab was taken down"),
            ),
            Self::Bug(error) => ("bug", format!("{error:#}")),
            Self::Status(_) => return None,
        };
        let diagnostics = if let Self::LabFile(_, findings) = self {
            findings.clone()
        } else {
            Vec::new()
        };
        Some(Error {
            kind: kind.to_owned(),
            message: message.trim_end().to_owned(),
            diagnostics,
        })
    }

    /// Says it on stderr.
    pub(super) fn say(&self) {
        match (self, self.error()) {
            // The signal's own line has said it.
            (Self::Interrupted(_), _) | (_, None) => {}
            // With stderr gone there is nobody left to tell.
            (_, Some(error)) => drop(writeln!(io::stderr(), "backhoe: {}", error.message)),
        }
    }
}

/// Says what is left to say, as JSON too where that was asked for, and picks the code.
pub(super) fn code(result: Result<(), Exit>, json: bool) -> ExitCode {
    let Err(exit) = result else {
        return ExitCode::SUCCESS;
    };
    // A reader that has seen enough (`| head`) is no error.
    if matches!(&exit, Exit::Bug(error) if is_broken_pipe(error)) {
        return ExitCode::SUCCESS;
    }
    exit.say();
    if let Some(error) = exit.error().filter(|_| json) {
        // The code says it even where nobody reads.
        let _ = output::json(&serde_json::json!({ "error": error }));
    }
    ExitCode::from(exit.code())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
