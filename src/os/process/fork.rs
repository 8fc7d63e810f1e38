//! Forks without exec, safe because they insist on a single thread.
#![expect(unsafe_code, reason = "fork and _exit")]

use std::{
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
    time::Duration,
};

use nix::{
    sys::{
        prctl,
        signal::{self, SigHandler, Signal},
    },
    unistd::{self, ForkResult},
};

use super::PidFd;
use crate::os::netns;

/// Status of a child that panicked, as for a Rust program that does.
const PANICKED: u8 = 101;
/// A joined thread still counts until the kernel has put it away, which on a
/// busy single CPU takes a while.
const LOOK_AGAIN: Duration = Duration::from_millis(1);
const LOOKS: u32 = 500;

/// Forks a child that runs `work` and exits with its value. Returns its pid.
///
/// # Errors
/// The process has more than one thread, or fork(2)'s.
pub fn fork(work: impl FnOnce() -> u8) -> io::Result<i32> {
    require_single_thread()?;
    // SAFETY: there is one thread, so no lock or allocator state can be held by
    // another one that does not exist in the child.
    match unsafe { unistd::fork() }? {
        ForkResult::Parent { child } => Ok(child.as_raw()),
        ForkResult::Child => finish_child(work),
    }
}

/// Moves the calling process into the lab whose PID 1 is `init` and forks a child
/// there, which runs `work` and exits with its value.
///
/// # Errors
/// The process has more than one thread, or may not enter.
pub fn fork_in_lab(init: &PidFd, work: impl FnOnce() -> u8) -> io::Result<PidFd> {
    // Before entering: the lab's /proc does not show this process.
    require_single_thread()?;
    netns::enter_lab(init)?;
    // SAFETY: as in `fork`.
    match unsafe { unistd::fork() }? {
        // Its number is one of this process's own PID namespace, which entering leaves.
        ForkResult::Parent { child } => PidFd::open(child.as_raw()),
        ForkResult::Child => finish_child(work),
    }
}

/// Ignores signals in this process.
pub(super) fn ignore(signals: &[Signal]) -> io::Result<()> {
    for &signal in signals {
        // SAFETY: ignoring runs no handler.
        unsafe { signal::signal(signal, SigHandler::SigIgn) }?;
    }
    Ok(())
}

/// Asks to be killed the moment the thread that created this process dies.
pub fn die_with_parent() -> io::Result<()> {
    Ok(prctl::set_pdeathsig(Signal::SIGKILL)?)
}

/// The parent's pid; 0 when it lives in an outer PID namespace.
pub fn parent_pid() -> i32 {
    unistd::getppid().as_raw()
}

pub(in crate::os) fn finish_child(work: impl FnOnce() -> u8) -> ! {
    // Unwinding past this frame would run the parent's code in the child.
    let status = catch_unwind(AssertUnwindSafe(work)).unwrap_or(PANICKED);
    // SAFETY: ends the process without running the parent's exit handlers.
    unsafe { libc::_exit(status.into()) }
}

pub(in crate::os) fn require_single_thread() -> io::Result<()> {
    let mut looks = 0;
    while count_threads()? != Some(1) {
        if looks == LOOKS {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a process with threads cannot fork a helper or enter namespaces",
            ));
        }
        looks += 1;
        thread::sleep(LOOK_AGAIN);
    }
    Ok(())
}

fn count_threads() -> io::Result<Option<u32>> {
    // The last field but a few of stat counts threads; field 3 onwards follow the
    // command's closing parenthesis.
    let stat = fs::read_to_string("/proc/self/stat")?;
    Ok(stat
        .rsplit_once(')')
        .and_then(|(_, fields)| fields.split_whitespace().nth(17))
        .and_then(|threads| threads.parse().ok()))
}
