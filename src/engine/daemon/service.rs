//! A host's service process as a child of the lab.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    os::unix::net::UnixStream,
};

use super::own;
use crate::{
    engine::{
        service::{FromService, Notice},
        sink::EventSink,
    },
    os::process::PidFd,
    results::event::EventKind,
    units::NodeName,
};

/// The hidden subcommand that it is.
pub const SUBCOMMAND: &str = "internal-service";

/// A running service process.
#[derive(Debug)]
pub struct Service {
    process: PidFd,
    /// The process ends when this is closed.
    _control: UnixStream,
}

impl Service {
    /// Starts it in the host of `holder`, with its configuration in the open file `config`,
    /// and begins to report what it says.
    ///
    /// # Errors
    /// The process cannot be started.
    pub fn start(
        node: &NodeName,
        holder: PidFd,
        config: File,
        log: File,
        sink: EventSink,
    ) -> anyhow::Result<Self> {
        let (process, ours) = own::spawn((SUBCOMMAND, "service"), (node, holder), config, log)?;
        let reader = ours.try_clone()?;
        std::thread::Builder::new()
            .name(format!("svc-{node}"))
            .spawn({
                let node = node.clone();
                move || listen(reader, &node, &sink)
            })?;
        Ok(Self {
            process,
            _control: ours,
        })
    }

    /// Its process.
    pub fn process(&self) -> &PidFd {
        &self.process
    }
}

/// Reads its lines until it is gone.
fn listen(stream: UnixStream, node: &NodeName, sink: &EventSink) {
    for text in BufReader::new(stream).lines().map_while(Result::ok) {
        match serde_json::from_str::<FromService>(&text) {
            Ok(line) => sink.at(line.at_ns, event(node, line.notice)),
            Err(error) => sink.warn(
                "service-line",
                format!("{node}: a line from the service cannot be read: {error}"),
                false,
            ),
        }
    }
}

fn event(node: &NodeName, notice: Notice) -> EventKind {
    let node = node.to_string();
    match notice {
        Notice::Ready => EventKind::Daemon {
            node,
            program: "service".to_owned(),
            state: "ready".to_owned(),
            detail: None,
            version: None,
        },
        Notice::Check {
            name,
            endpoint,
            passed,
            in_a_row,
            threshold,
            healthy,
            reason,
        } => EventKind::HealthCheck {
            name,
            node,
            endpoint,
            passed,
            in_a_row,
            threshold,
            healthy,
            reason,
        },
        Notice::Answer {
            name,
            endpoint,
            addresses,
        } => EventKind::DnsAnswer {
            name,
            node,
            endpoint,
            addresses,
        },
    }
}
