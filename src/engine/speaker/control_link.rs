//! The speaker's end of the control socket.

use std::os::fd::RawFd;

use anyhow::Context as _;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    sync::mpsc,
    task::JoinHandle,
};

use super::control::{Command, FromSpeaker, Notice, Reply};
use crate::os::{clock, fd};

/// Requests that wait to be answered before the supervisor is made to wait.
const REQUESTS: usize = 16;

/// Tells the supervisor, or the log where there is none.
#[derive(Debug)]
pub(super) struct ControlLink {
    outbox: Option<mpsc::UnboundedSender<FromSpeaker>>,
    writer: Option<JoinHandle<()>>,
}

impl ControlLink {
    /// Takes over the inherited descriptor. The receiver ends when the supervisor
    /// closes its end; without a descriptor it never does.
    pub(super) fn open(fd: Option<RawFd>) -> anyhow::Result<(Self, Commands)> {
        let (inbox, commands) = mpsc::channel(REQUESTS);
        let Some(fd) = fd else {
            let link = Self {
                outbox: None,
                writer: None,
            };
            return Ok((
                link,
                Commands {
                    commands,
                    _unused: Some(inbox),
                },
            ));
        };
        let stream =
            fd::inherited_stream(fd).with_context(|| format!("control descriptor {fd}"))?;
        let (read, mut write) = UnixStream::from_std(stream)?.into_split();
        let (outbox, mut lines) = mpsc::unbounded_channel::<FromSpeaker>();
        let refusals = outbox.clone();
        tokio::spawn(async move {
            let mut read = BufReader::new(read).lines();
            while let Ok(Some(line)) = read.next_line().await {
                match serde_json::from_str::<Command>(&line) {
                    Ok(command) => {
                        if inbox.send(command).await.is_err() {
                            return;
                        }
                    }
                    Err(error) => {
                        let id = serde_json::from_str::<serde_json::Value>(&line)
                            .ok()
                            .and_then(|value| value.get("id")?.as_u64())
                            .unwrap_or(0);
                        let reply = Reply::Error(error.to_string());
                        let _ = refusals.send(FromSpeaker::Reply { id, reply });
                    }
                }
            }
        });
        let writer = tokio::spawn(async move {
            let mut batch = Vec::new();
            while lines.recv_many(&mut batch, 64).await > 0 {
                let mut text = Vec::new();
                for line in batch.drain(..) {
                    // These types have no map with other keys than text: it cannot fail.
                    if serde_json::to_writer(&mut text, &line).is_ok() {
                        text.push(b'\n');
                    }
                }
                if write.write_all(&text).await.is_err() {
                    return;
                }
            }
        });
        let link = Self {
            outbox: Some(outbox),
            writer: Some(writer),
        };
        Ok((
            link,
            Commands {
                commands,
                _unused: None,
            },
        ))
    }

    /// Something happened at `at_ns`.
    pub(super) fn tell(&self, at_ns: u64, event: Notice) {
        match &self.outbox {
            Some(outbox) => drop(outbox.send(FromSpeaker::Event { at_ns, event })),
            None => tracing::info!(at_ns, ?event, "speaker"),
        }
    }

    /// Something happened just now.
    pub(super) fn tell_now(&self, event: Notice) {
        self.tell(clock::mono_ns(), event);
    }

    /// Answers a request.
    pub(super) fn reply(&self, id: u64, reply: Reply) {
        if let Some(outbox) = &self.outbox {
            let _ = outbox.send(FromSpeaker::Reply { id, reply });
        }
    }

    /// What is written has a moment to get through before the process ends.
    pub(super) async fn flush(mut self, limit: std::time::Duration) {
        self.outbox = None;
        if let Some(writer) = self.writer.take() {
            let _ = tokio::time::timeout(limit, writer).await;
        }
    }
}

/// Requests of the supervisor.
#[derive(Debug)]
pub(super) struct Commands {
    commands: mpsc::Receiver<Command>,
    /// Held where there is no supervisor, so that the channel does not end.
    _unused: Option<mpsc::Sender<Command>>,
}

impl Commands {
    /// The next request; `None` when the supervisor is gone. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<Command> {
        self.commands.recv().await
    }
}
