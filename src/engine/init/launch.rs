//! The command's side: start the outer process and wait for its word.

use std::{
    fs::File,
    io::Write,
    net::Shutdown,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Child, Command, ExitStatus, Stdio},
};

use anyhow::{Context as _, bail};

use super::{
    outer::Handover,
    report::{self, Ready},
    spec::{LaunchSpec, Mode},
};

/// The hidden subcommand that becomes a lab.
pub const SUBCOMMAND: &str = "internal-lab";

/// The lab's processes are forks of the first and write their titles over its command line.
const ROOM: &str =
    "                                                                                ";

/// A lab that stands.
#[derive(Debug)]
pub struct Launched {
    outer: Child,
    /// What it said of itself.
    pub ready: Ready,
}

impl Launched {
    /// Waits until the lab and all its processes are gone; the status is the supervisor's.
    pub fn wait(mut self) -> std::io::Result<ExitStatus> {
        self.outer.wait()
    }
}

/// Builds the lab in processes of its own and returns once it stands. In
/// foreground mode the lab is killed when the calling thread ends: call from `main`.
/// `begun` is told the outer process's pid before anything is built: SIGTERM to it
/// ends whatever there is by then.
///
/// # Errors
/// In words for the user, a [`LaunchError`](super::LaunchError) where it is one:
/// the host forbids user namespaces (and the command that helps), a lab of this
/// name is up, the kernel refused an operation (and which).
pub fn launch(spec: &LaunchSpec, begun: impl FnOnce(i32)) -> anyhow::Result<Launched> {
    let (mut ours, theirs) = UnixStream::pair()?;
    let output = match spec.mode {
        Mode::Foreground => Stdio::inherit(),
        Mode::Background => {
            let log = spec.out_dir.join("lab.log");
            File::create(&log)
                .with_context(|| format!("cannot write {}", log.display()))?
                .into()
        }
    };
    let mut outer = Command::new("/proc/self/exe")
        .arg(SUBCOMMAND)
        .arg(ROOM)
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::null())
        .stderr(output)
        .spawn()
        .context("cannot start the lab's first process")?;
    begun(i32::try_from(outer.id())?);
    let handover = serde_json::to_vec(&Handover {
        launcher: std::process::id(),
        spec,
    })?;
    let told = ours
        .write_all(&handover)
        .and_then(|()| ours.shutdown(Shutdown::Write));
    let answer = match told {
        Ok(()) => report::listen(&mut ours)?,
        Err(_) => None,
    };
    match answer {
        Some(Ok(ready)) => Ok(Launched { outer, ready }),
        Some(Err(why)) => {
            outer.wait()?;
            Err(why.into())
        }
        None => {
            let status = outer.wait()?;
            bail!("the lab ended before it stood ({status})")
        }
    }
}
