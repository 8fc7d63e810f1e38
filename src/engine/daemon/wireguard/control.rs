//! The supervisor's end of a tunnel process's control stream.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    time::Duration,
};

use anyhow::{Context, bail};

use super::{TunnelEndConfig, TunnelMessage, TunnelRequest, TunnelStatus};
use crate::os::clock;

/// A running tunnel end. Dropping it ends the process.
#[derive(Debug)]
pub struct TunnelControl {
    reader: BufReader<UnixStream>,
    partial: Vec<u8>,
    next_id: u64,
}

impl TunnelControl {
    /// Tells a process that runs [`main`](super::main) at the other end what it is.
    pub fn new(stream: UnixStream, config: &TunnelEndConfig) -> anyhow::Result<Self> {
        let mut control = Self {
            reader: BufReader::new(stream),
            partial: Vec::new(),
            next_id: 0,
        };
        control.say(&serde_json::to_vec(config)?)?;
        Ok(control)
    }

    /// The next message; `None` when none came within `patience`. Fails when
    /// the process has ended.
    pub fn next(&mut self, patience: Duration) -> anyhow::Result<Option<TunnelMessage>> {
        // A timeout of zero would mean none.
        let patience = patience.max(Duration::from_millis(1));
        self.reader.get_ref().set_read_timeout(Some(patience))?;
        match self.reader.read_until(b'\n', &mut self.partial) {
            Ok(_) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                ) =>
            {
                return Ok(None);
            }
            Err(error) => return Err(error).context("listening to a tunnel"),
        }
        let line = std::mem::take(&mut self.partial);
        if !line.ends_with(b"\n") {
            bail!("the tunnel's process has ended");
        }
        serde_json::from_slice(&line)
            .map(Some)
            .context("not a message of a tunnel")
    }

    /// Has the end shake hands, now that there is a path.
    pub fn begin(&mut self) -> anyhow::Result<()> {
        self.say(&serde_json::to_vec(&TunnelRequest::Begin)?)
    }

    /// Asks for the status and waits for it; messages that come first are
    /// handed to `other`.
    pub fn status(
        &mut self,
        patience: Duration,
        mut other: impl FnMut(TunnelMessage),
    ) -> anyhow::Result<TunnelStatus> {
        let asked = self.next_id;
        self.next_id += 1;
        self.say(&serde_json::to_vec(&TunnelRequest::Status { id: asked })?)?;
        let deadline = clock::mono_ns() + patience.as_nanos() as u64;
        loop {
            let left = deadline.saturating_sub(clock::mono_ns());
            if left == 0 {
                bail!("no status from the tunnel within {patience:?}");
            }
            match self.next(Duration::from_nanos(left))? {
                Some(TunnelMessage::Status { id, status }) if id == asked => return Ok(status),
                Some(message) => other(message),
                None => {}
            }
        }
    }

    fn say(&mut self, line: &[u8]) -> anyhow::Result<()> {
        let stream = self.reader.get_mut();
        stream
            .write_all(line)
            .and_then(|()| stream.write_all(b"\n"))
            .context("the tunnel's process has ended")
    }
}
