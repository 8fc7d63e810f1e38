//! Scheduling of threads that must be on time.
#![expect(unsafe_code, reason = "sched_setscheduler has no safe wrapper")]

use std::{fs, io, sync::OnceLock, time::Duration};

/// Asks somebody outside the user namespace for SCHED_FIFO: thread, priority.
pub type Granter = Box<dyn Fn(i32, u8) -> io::Result<()> + Send + Sync>;

static GRANTER: OnceLock<Granter> = OnceLock::new();

/// Names whom this process asks where the kernel itself refuses. Only the first
/// call counts.
pub fn set_granter(granter: Granter) {
    let _ = GRANTER.set(granter);
}

/// Asks for SCHED_FIFO at `priority` (1–99) for the calling thread. Refused
/// (EPERM) inside a user namespace, even to root, and to ordinary users
/// without RLIMIT_RTPRIO; then the granter is asked, where there is one.
pub fn try_fifo(priority: u8) -> io::Result<()> {
    try_fifo_for(0, priority).or_else(|refused| grant(thread_id(), priority, refused))
}

/// The same for the thread called `name` of process `pid`.
pub fn try_fifo_named(pid: i32, name: &str, priority: u8) -> io::Result<()> {
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = task?;
        if fs::read_to_string(task.path().join("comm"))?.trim_end() != name {
            continue;
        }
        let tid = task
            .file_name()
            .to_string_lossy()
            .parse()
            .map_err(io::Error::other)?;
        return try_fifo_for(tid, priority).or_else(|refused| grant(tid, priority, refused));
    }
    Err(io::ErrorKind::NotFound.into())
}

/// Whether a thread of this process could have SCHED_FIFO; tried on one that ends at once.
pub fn may_be_realtime() -> bool {
    std::thread::spawn(|| try_fifo(1).is_ok())
        .join()
        .unwrap_or(false)
}

/// Processor time of this process's thread called `name` so far.
///
/// # Errors
/// There is no such thread, or the kernel keeps no account (schedstat).
pub fn cpu_time_named(name: &str) -> io::Result<Duration> {
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if fs::read_to_string(task.join("comm"))?.trim_end() != name {
            continue;
        }
        let account = fs::read_to_string(task.join("schedstat"))?;
        let ns = account.split(' ').next().unwrap_or_default();
        return Ok(Duration::from_nanos(ns.parse().map_err(io::Error::other)?));
    }
    Err(io::ErrorKind::NotFound.into())
}

fn grant(tid: i32, priority: u8, refused: io::Error) -> io::Result<()> {
    match GRANTER.get() {
        Some(granter) if refused.kind() == io::ErrorKind::PermissionDenied => {
            granter(tid, priority)
        }
        _ => Err(refused),
    }
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

/// Gives up what [`try_fifo`] gave to the calling thread.
pub fn back_to_ordinary() -> io::Result<()> {
    let param = libc::sched_param { sched_priority: 0 };
    // SAFETY: `param` is a valid sched_param that outlives the call.
    let done = unsafe { libc::sched_setscheduler(0, libc::SCHED_OTHER, &raw const param) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// From now on the calling thread runs only where nobody else wants to (SCHED_IDLE).
pub fn give_way_to_all() -> io::Result<()> {
    let param = libc::sched_param { sched_priority: 0 };
    // SAFETY: `param` is a valid sched_param that outlives the call.
    let done = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const param) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The processor that the calling thread runs on.
pub fn processor() -> io::Result<usize> {
    Ok(nix::sched::sched_getcpu()?)
}

/// From now on the calling thread runs on this processor only.
pub fn stay_on(processor: usize) -> io::Result<()> {
    let mut one = nix::sched::CpuSet::new();
    one.set(processor)?;
    let calling = nix::unistd::Pid::from_raw(0);
    Ok(nix::sched::sched_setaffinity(calling, &one)?)
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
