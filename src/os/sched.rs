//! Scheduling of threads that must be on time.
#![expect(unsafe_code, reason = "sched_setscheduler has no safe wrapper")]

use std::io;

/// Asks for SCHED_FIFO at `priority` (1–99) for the calling thread. Refused
/// (EPERM) inside a user namespace, even to root, and to ordinary users
/// without RLIMIT_RTPRIO.
pub fn try_fifo(priority: u8) -> io::Result<()> {
    let param = libc::sched_param {
        sched_priority: priority.into(),
    };
    // SAFETY: `param` is a valid sched_param that outlives the call; pid 0 is the calling thread.
    let done = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const param) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Lets the kernel delay the calling thread's timers by 1 ns at most, instead
/// of the default 50 µs it may use to batch wake-ups.
pub fn tight_timers() -> io::Result<()> {
    Ok(nix::sys::prctl::set_timerslack(1)?)
}
