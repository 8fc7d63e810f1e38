//! backhoe run by backhoe: each lab in a process of its own, so that what happens to one is
//! nothing to the next.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    io,
    path::Path,
    time::Duration,
};

use anyhow::Context as _;

use super::{Exit, interrupt::Interrupts};
use crate::os::{
    clock,
    process::{PidFd, Spawn},
};

/// How long a run may take to take its lab down when its time is up.
const ORDERLY: Duration = Duration::from_secs(15);

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// By itself, or by a signal that was not ours, with this exit code.
    Status(u8),
    /// Its time was up.
    TimedOut,
}

/// Runs this program with `args` and waits for it; what it says goes to `log`. Its exit code.
pub(super) fn run(args: Vec<OsString>, log: &Path, interrupts: &Interrupts) -> Result<u8, Exit> {
    Ok(start(args, log, interrupts)?.wait()?.status())
}

/// The same, but when its time is up it is told to end, and then killed: with it ends its lab.
pub(super) fn run_within(
    args: Vec<OsString>,
    log: &Path,
    timeout: Duration,
    interrupts: &Interrupts,
) -> Result<Ended, Exit> {
    let process = start(args, log, interrupts)?;
    if ended_within(&process, timeout)? {
        return Ok(Ended::Status(process.wait()?.status()));
    }
    // Gone meanwhile is as good.
    let _ = process.terminate();
    if !ended_within(&process, ORDERLY)? {
        process.kill()?;
    }
    process.wait()?;
    Ok(Ended::TimedOut)
}

/// A signal to this process is no end of the other's.
fn ended_within(process: &PidFd, timeout: Duration) -> io::Result<bool> {
    let deadline = clock::mono_ns() + u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX / 2);
    loop {
        let left = Duration::from_nanos(deadline.saturating_sub(clock::mono_ns()));
        match process.ended_within(left) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn start(args: Vec<OsString>, log: &Path, interrupts: &Interrupts) -> Result<PidFd, Exit> {
    let program = env::current_exe().context("where this program is")?;
    let process = Spawn::new(program)
        .args(args)
        .own_group()
        .log(File::create(log)?)?
        .spawn()?;
    interrupts.lab(process.pid());
    Ok(process)
}

/// The last line of what a run said while it ran: what it was doing.
pub(super) fn last_line(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let before = text.split("interrupted: ").next().unwrap_or_default();
    let last = before.lines().rfind(|line| !line.is_empty());
    last.unwrap_or("nothing").to_owned()
}

/// How a line begins that explains why a run came to nothing.
pub(super) const CAUSE: &str = "  cause: ";

/// What explains that a run came to no result, as far as its lab says.
pub(super) fn causes(log: &Path) -> Vec<String> {
    let text = fs::read_to_string(log).unwrap_or_default();
    let causes = text.lines().filter(|line| line.starts_with(CAUSE));
    causes.map(|line| line.trim_start().to_owned()).collect()
}

/// What a run that came to no result said last.
pub(super) fn last_words(log: &Path) -> Vec<String> {
    let text = fs::read_to_string(log).unwrap_or_default();
    let said = text.rsplit("\nbackhoe: ").next().unwrap_or_default();
    let said = said.strip_prefix("backhoe: ").unwrap_or(said);
    let mut lines: Vec<String> = said.lines().take(6).map(str::to_owned).collect();
    lines.push(format!("all of it: {}", log.display()));
    lines
}
