//! What the start of every daemon of somebody else's needs: its node as seen from
//! outside, conditions to wait for, and programs that give it its configuration.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, Read},
    os::fd::OwnedFd,
    path::PathBuf,
    time::Duration,
};

use anyhow::bail;

use crate::os::{
    clock,
    process::{PidFd, Spawn},
};

/// How long each step of a start may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often a condition is looked at meanwhile, in nanoseconds.
const LOOK_NS: u64 = 5_000_000;

/// The root directory of the node that `holder` keeps.
pub(super) fn root_of(holder: &PidFd) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root", holder.pid()))
}

/// Looks until `look` finds what it looks for; until then it says what is missing.
///
/// # Errors
/// It is still missing after 15 s, or one of the daemon's processes, named in the
/// lab's words, has ended.
pub(super) fn wait_for<T>(
    processes: &[(&str, &PidFd)],
    mut look: impl FnMut() -> Result<T, String>,
) -> anyhow::Result<T> {
    let deadline = clock::now() + PATIENCE;
    loop {
        let missing = match look() {
            Ok(found) => return Ok(found),
            Err(missing) => missing,
        };
        for (name, process) in processes {
            if process.ended_within(Duration::ZERO)? {
                bail!("{name} exited while the lab waited for {missing}; see its log");
            }
        }
        if clock::now() > deadline {
            bail!(
                "gave up waiting for {missing} after {} s",
                PATIENCE.as_secs()
            );
        }
        clock::sleep_until(clock::mono_ns() + LOOK_NS);
    }
}

/// Runs a program in the node of `holder` to its end.
///
/// # Errors
/// It cannot be started; what it prints when it fails is the other `Err`.
pub(super) fn run_to_end(
    holder: &PidFd,
    program: impl AsRef<OsStr>,
    args: &[impl AsRef<OsStr>],
) -> io::Result<Result<(), String>> {
    let (mut output, theirs) = io::pipe()?;
    let process = Spawn::new(program)
        .node(holder.try_clone()?)
        .args(args.iter().map(AsRef::as_ref))
        .log(File::from(OwnedFd::from(theirs)))?
        .spawn()?;
    let mut text = String::new();
    output.read_to_string(&mut text)?;
    Ok(if process.wait()?.status() == 0 {
        Ok(())
    } else {
        Err(text)
    })
}
