//! Scheduling of threads that must be on time.
#![expect(unsafe_code, reason = "sched_setscheduler has no safe wrapper")]

use std::io;

/// Asks for SCHED_FIFO at `priority` (1–99) for the calling thread. Refused
/// (EPERM) inside a user namespace, even to root, and to ordinary users
/// without RLIMIT_RTPRIO.
pub fn try_fifo(priority: u8) -> io::Result<()> {
    try_fifo_for(0, priority)
}

/// The same for the thread `tid`, as the calling process's PID namespace numbers it.
pub fn try_fifo_for(tid: i32, priority: u8) -> io::Result<()> {
    let param = libc::sched_param {
        sched_priority: priority.into(),
    };
    // Children of the thread must not inherit it: a daemon forked by a realtime
    // thread would starve the machine.
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: `param` is a valid sched_param that outlives the call.
    let done = unsafe { libc::sched_setscheduler(tid, policy, &raw const param) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The calling thread's number in its PID namespace.
pub fn thread_id() -> i32 {
    nix::unistd::gettid().as_raw()
}

/// Lets the kernel delay the calling thread's timers by 1 ns at most, instead
/// of the default 50 µs it may use to batch wake-ups.
pub fn tight_timers() -> io::Result<()> {
    Ok(nix::sys::prctl::set_timerslack(1)?)
}
