//! The daemons' own terminals: a command and a NUL in; text, three NULs and a status out.

use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

/// Why a daemon's terminal gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum VtyError {
    /// The socket could not be reached, or closed, or stayed silent.
    #[error("{daemon} does not answer on its terminal: {source}")]
    Io {
        /// Which daemon.
        daemon: String,
        /// Why.
        source: io::Error,
    },
    /// The daemon refused the command.
    #[error("{daemon} refused `{command}` (status {status}): {text}")]
    Refused {
        /// Which daemon.
        daemon: String,
        /// What was asked.
        command: String,
        /// FRR's status.
        status: u8,
        /// What it said.
        text: String,
    },
}

/// The largest reply read; a full table's JSON is larger than anything backhoe asks for.
const REPLY_MAX: usize = 64 << 20;

/// A terminal of one daemon.
#[derive(Debug)]
pub struct Vty {
    daemon: String,
    stream: UnixStream,
}

impl Vty {
    /// Connects to `run/frr/DAEMON.vty` under `root`, the node's root directory
    /// (`/proc/PID/root` of a process inside it).
    pub fn connect(root: &Path, daemon: &str) -> Result<Self, VtyError> {
        let io = |source| VtyError::Io {
            daemon: daemon.to_owned(),
            source,
        };
        let stream = UnixStream::connect(root.join(format!("run/frr/{daemon}.vty"))).map_err(io)?;
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .map_err(io)?;
        let mut vty = Self {
            daemon: daemon.to_owned(),
            stream,
        };
        vty.ask("enable")?;
        Ok(vty)
    }

    /// Runs one command and returns what it printed.
    pub fn ask(&mut self, command: &str) -> Result<String, VtyError> {
        let (text, status) = self.exchange(command).map_err(|source| VtyError::Io {
            daemon: self.daemon.clone(),
            source,
        })?;
        if status == 0 {
            Ok(text)
        } else {
            Err(VtyError::Refused {
                daemon: self.daemon.clone(),
                command: command.to_owned(),
                status,
                text: text.trim().to_owned(),
            })
        }
    }

    fn exchange(&mut self, command: &str) -> io::Result<(String, u8)> {
        self.stream.write_all(command.as_bytes())?;
        self.stream.write_all(&[0])?;
        let mut reply = Vec::new();
        let mut chunk = vec![0; 65_536];
        loop {
            let n = self.stream.read(&mut chunk)?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            reply.extend_from_slice(chunk.get(..n).unwrap_or_default());
            if let [text @ .., 0, 0, 0, status] = reply.as_slice() {
                return Ok((String::from_utf8_lossy(text).into_owned(), *status));
            }
            if reply.len() > REPLY_MAX {
                return Err(io::Error::other("the reply is larger than 64 MiB"));
            }
        }
    }
}
