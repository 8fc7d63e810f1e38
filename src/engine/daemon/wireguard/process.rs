//! The tunnel end's own process.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    time::Duration,
};

use anyhow::{Context, bail};

use super::{TunnelEndConfig, TunnelMessage, TunnelRequest, TunnelStatus};
use crate::os::{
    clock,
    wireguard::{Observed, Tunnel},
};

/// How often a tunnel without a handshake is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// An initiation without answer is repeated after this long, in nanoseconds:
/// the other end may have started later, or its path come up later. Two tries
/// are made with each patience, so that whoever comes late waits for no more
/// than about half the time it was waited for.
const FIRST_RETRY_NS: u64 = 100_000_000;
/// WireGuard's own REKEY_TIMEOUT.
const LONGEST_RETRY_NS: u64 = 5_000_000_000;
/// Keys older than this carry nothing (WireGuard's REJECT_AFTER_TIME).
const KEY_LIFE: Duration = Duration::from_secs(180);

/// Body of `backhoe internal-tunnel`: reads the configuration, one line of
/// JSON, from `control` and runs the tunnel end until `control` closes.
pub fn main(control: OwnedFd) -> anyhow::Result<()> {
    let control = UnixStream::from(control);
    let mut lines = Lines::new(control)?;
    let first = lines
        .wait(None)
        .context("reading the tunnel's configuration")?
        .context("no configuration came")?;
    let config: TunnelEndConfig = serde_json::from_slice(&first)
        .context("the tunnel's configuration is not what it should be")?;
    serve(config, lines)
}

/// Runs one tunnel end in the calling thread's namespaces until `control` closes.
pub fn run(config: TunnelEndConfig, control: OwnedFd) -> anyhow::Result<()> {
    serve(config, Lines::new(UnixStream::from(control))?)
}

fn serve(config: TunnelEndConfig, mut lines: Lines) -> anyhow::Result<()> {
    let what = format!("tunnel {} at {}", config.tunnel, config.node);
    let initiates = config.initiates;
    let result = Tunnel::up(config.settings)
        .context("setting it up")
        .and_then(|tunnel| attend(&tunnel, initiates, &mut lines))
        .with_context(|| what);
    if let Err(error) = &result {
        // Whoever listens learns why; the status tells whoever does not.
        let _ = lines.say(&TunnelMessage::Failed {
            error: format!("{error:#}"),
        });
    }
    result
}

fn attend(tunnel: &Tunnel, mut initiates: bool, lines: &mut Lines) -> anyhow::Result<()> {
    if initiates {
        tunnel.initiate().context("starting a handshake")?;
    }
    lines.say(&TunnelMessage::Ready {
        backend: tunnel.backend(),
    })?;
    let mut initiated = clock::mono_ns();
    let mut patience = FIRST_RETRY_NS;
    let mut tries = 0u32;
    let mut shaken = false;
    loop {
        if !shaken {
            let observed = tunnel.observe().context("looking for a handshake")?;
            if observed.handshake_age.is_some() {
                shaken = true;
                tunnel.keep_alive().context("keeping the session alive")?;
                lines.say(&TunnelMessage::Handshake {
                    at: clock::mono_ns(),
                })?;
            } else if initiates && clock::mono_ns().saturating_sub(initiated) > patience {
                tunnel.retry_handshake().context("starting a handshake")?;
                initiated = clock::mono_ns();
                tries += 1;
                // A path longer than the first patience must get its answer in the end.
                if tries.is_multiple_of(2) {
                    patience = (2 * patience).min(LONGEST_RETRY_NS);
                }
            }
        }
        match lines.wait((!shaken).then_some(LOOK)) {
            Ok(Some(line)) => match request(&line)? {
                TunnelRequest::Status { id } => answer(tunnel, lines, id)?,
                TunnelRequest::Begin if initiates || shaken => {}
                TunnelRequest::Begin => {
                    tunnel.initiate().context("starting a handshake")?;
                    initiated = clock::mono_ns();
                    initiates = true;
                }
            },
            Ok(None) => return Ok(()),
            Err(error) if timed_out(&error) => {}
            Err(error) => return Err(error).context("reading requests"),
        }
    }
}

fn request(line: &[u8]) -> anyhow::Result<TunnelRequest> {
    serde_json::from_slice(line).context("not a request of a tunnel")
}

fn answer(tunnel: &Tunnel, lines: &mut Lines, id: u64) -> anyhow::Result<()> {
    let observed = tunnel.observe().context("reading the tunnel's status")?;
    lines.say(&TunnelMessage::Status {
        id,
        status: status(tunnel, observed),
    })
}

fn status(tunnel: &Tunnel, observed: Observed) -> TunnelStatus {
    TunnelStatus {
        backend: tunnel.backend(),
        up: observed.handshake_age.is_some_and(|age| age < KEY_LIFE),
        handshake_age_ms: observed.handshake_age.map(|age| age.as_millis() as u64),
        rx_bytes: observed.rx_bytes,
        tx_bytes: observed.tx_bytes,
        drops: observed.drops,
    }
}

fn timed_out(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// JSON lines over a stream, with a patience that may differ from line to line.
struct Lines {
    reader: BufReader<UnixStream>,
    /// The part of a line that came before patience ended.
    partial: Vec<u8>,
}

impl Lines {
    fn new(stream: UnixStream) -> anyhow::Result<Self> {
        stream
            .set_nonblocking(false)
            .context("preparing the control stream")?;
        Ok(Self {
            reader: BufReader::new(stream),
            partial: Vec::new(),
        })
    }

    /// The next line; `None` when the stream is closed; an error when nothing
    /// came within `patience`.
    fn wait(&mut self, patience: Option<Duration>) -> io::Result<Option<Vec<u8>>> {
        self.reader.get_ref().set_read_timeout(patience)?;
        self.reader.read_until(b'\n', &mut self.partial)?;
        let line = std::mem::take(&mut self.partial);
        Ok(line.ends_with(b"\n").then_some(line))
    }

    fn say(&mut self, message: &TunnelMessage) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        if let Err(error) = self.reader.get_mut().write_all(&line) {
            bail!("nobody listens to this tunnel any more: {error}");
        }
        Ok(())
    }
}
