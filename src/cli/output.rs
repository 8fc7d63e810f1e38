//! Data on stdout, talk on stderr.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use super::Exit;

/// Writes data. A reader that has seen enough (`| head`) is no error: what the command has found
/// out is in its exit code too.
pub(super) fn data(text: &str) -> Result<(), Exit> {
    match stream(text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// Writes data of which there is no end; fails when nobody reads it any more.
pub(super) fn stream(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        stdout.write_all(b"\n")?;
    }
    stdout.flush()
}

/// Writes one JSON document.
pub(super) fn json(value: &impl Serialize) -> Result<(), Exit> {
    let text = serde_json::to_string_pretty(value).map_err(anyhow::Error::from)?;
    data(&text)
}

/// Says something that is not data.
pub(super) fn talk(text: &str) {
    // With stderr gone there is nobody left to tell.
    let _ = writeln!(io::stderr(), "{text}");
}

/// Whether colours may be used on stdout.
pub(super) fn colour() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
