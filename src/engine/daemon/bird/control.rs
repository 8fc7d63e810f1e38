//! BIRD's control socket: a command and a newline in; lines with codes out. The
//! last line of a reply has a blank behind its code, all others a hyphen; a line
//! that begins with a blank continues the code before it.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

/// Why BIRD gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The socket could not be reached, or closed, or stayed silent.
    #[error("BIRD does not answer on its control socket: {0}")]
    Io(#[from] io::Error),
    /// BIRD refused the command.
    #[error("BIRD refused `{command}` ({code:04}): {text}")]
    Refused {
        /// What was asked.
        command: String,
        /// BIRD's code: 8000 and up, it could not; 9000 and up, it did not understand.
        code: u16,
        /// What it said.
        text: String,
    },
}

/// One line of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What sort of line it is.
    pub code: u16,
    /// The line without its code.
    pub text: String,
}

/// Where the socket is in the node, relative to its root directory.
pub(super) const SOCKET: &str = "run/bird/bird.ctl";
/// From this code on a reply is a refusal.
const REFUSAL: u16 = 8000;
/// The largest reply read; a full table with attributes is larger than anything
/// backhoe asks for.
const REPLY_MAX: usize = 256 << 20;
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection to one BIRD.
#[derive(Debug)]
pub struct Control(BufReader<UnixStream>);

impl Control {
    /// Connects to `run/bird/bird.ctl` under `root`, the node's root directory
    /// (`/proc/PID/root` of a process inside it), and hears BIRD's greeting.
    ///
    /// # Errors
    /// Nobody there, or nobody who speaks.
    pub fn connect(root: &Path) -> Result<Self, ControlError> {
        let stream = UnixStream::connect(root.join(SOCKET))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut control = Self(BufReader::new(stream));
        read_reply(&mut control.0)?;
        Ok(control)
    }

    /// Runs one command and returns what it printed.
    ///
    /// # Errors
    /// A refusal, or no answer within five seconds.
    pub fn ask(&mut self, command: &str) -> Result<Vec<Line>, ControlError> {
        self.0
            .get_mut()
            .write_all(format!("{command}\n").as_bytes())?;
        let reply = read_reply(&mut self.0)?;
        match reply.last() {
            Some(last) if last.code >= REFUSAL => Err(ControlError::Refused {
                command: command.to_owned(),
                code: last.code,
                text: last.text.trim().to_owned(),
            }),
            Some(_) | None => Ok(reply),
        }
    }
}

/// Reads one reply to its last line.
///
/// # Errors
/// What the reader says, an end before the last line, or a reply that never ends.
pub fn read_reply(from: &mut impl BufRead) -> io::Result<Vec<Line>> {
    let mut reply = Vec::new();
    let (mut code, mut length) = (0, 0);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let n = from.read_until(b'\n', &mut bytes)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        length += n;
        if length > REPLY_MAX {
            return Err(io::Error::other("the reply is larger than 256 MiB"));
        }
        let line = String::from_utf8_lossy(&bytes);
        let line = line.trim_end_matches(['\n', '\r']);
        match coded(line) {
            Some((new, is_last, text)) => {
                code = new;
                reply.push(Line {
                    code,
                    text: text.to_owned(),
                });
                if is_last {
                    return Ok(reply);
                }
            }
            // A `+` marks what BIRD says unasked; backhoe never asks for that.
            None => reply.push(Line {
                code,
                text: line.get(1..).unwrap_or_default().to_owned(),
            }),
        }
    }
}

/// The code, whether it is the last line, and the rest.
fn coded(line: &str) -> Option<(u16, bool, &str)> {
    let code = line.get(..4)?;
    if !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let is_last = match line.as_bytes().get(4)? {
        b' ' => true,
        b'-' => false,
        _ => return None,
    };
    Some((code.parse().ok()?, is_last, line.get(5..)?))
}
