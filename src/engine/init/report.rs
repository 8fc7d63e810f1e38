//! The one line a new lab sends back to the command: it is there, or why not.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::LabName;

/// The lab is built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ready {
    /// Pid of the outer process, as the host numbers it.
    pub outer_pid: u32,
    /// Pid of the lab's PID 1, as the host numbers it.
    pub init_pid: i32,
    /// Where the time went.
    pub timings: Timings,
}

/// Milliseconds of each part of the bring-up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timings {
    /// From the command's start to the supervisor's first instruction.
    pub processes_ms: f64,
    /// Network namespaces.
    pub namespaces_ms: f64,
    /// Links, addresses, sysctls, routes.
    pub links_ms: f64,
    /// Waiting for the nodes' own processes, which work beside the links.
    pub nodes_ms: f64,
    /// From the command's start until everything stood.
    pub total_ms: f64,
}

/// Why there will be no lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum LaunchError {
    /// A lab of this name is up.
    #[error(
        "lab {0} is already up (take it down with: backhoe down {0}; or choose another name: --name)"
    )]
    Taken(LabName),
    /// The host forbids what a lab needs; the words include the command that helps.
    #[error("{0}")]
    Host(String),
    /// Something else went wrong.
    #[error("{0}")]
    Failed(String),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Ready(Ready),
    Failed(LaunchError),
}

/// The lab's end of the line to the command.
#[derive(Debug)]
pub struct Reporter(UnixStream);

impl Reporter {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self(stream)
    }

    pub(in crate::engine) fn try_clone(&self) -> std::io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// Says that the lab stands.
    pub fn ready(self, ready: Ready) {
        self.say(&Line::Ready(ready));
    }

    /// Says why there will be no lab.
    pub fn failed(self, error: &anyhow::Error) {
        self.say(&Line::Failed(match error.downcast_ref::<LaunchError>() {
            Some(known) => known.clone(),
            None => LaunchError::Failed(format!("{error:#}")),
        }));
    }

    fn say(mut self, line: &Line) {
        if let Ok(mut text) = serde_json::to_vec(line) {
            text.push(b'\n');
            // A command that is gone needs no answer.
            let _ = self.0.write_all(&text);
        }
    }
}

/// What the lab said; `None` when it ended without a word.
pub(super) fn listen(
    stream: &mut UnixStream,
) -> anyhow::Result<Option<Result<Ready, LaunchError>>> {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    while !text.contains(&b'\n') {
        match stream.read(&mut buffer)? {
            0 => return Ok(None),
            got => text.extend_from_slice(buffer.get(..got).unwrap_or_default()),
        }
    }
    Ok(Some(match serde_json::from_slice(&text)? {
        Line::Ready(ready) => Ok(ready),
        Line::Failed(why) => Err(why),
    }))
}
