//! A process whose whole life is to look after one child, and small duties of
//! processes that do nothing else.

use std::{
    ffi::CString,
    fs::{self, File},
    io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::FileExt,
    },
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, fcntl},
    sys::{
        prctl,
        resource::{Resource, getrlimit, setrlimit},
        signal::{SigSet, Signal, kill},
        wait::{WaitPidFlag, waitpid},
    },
    unistd::{self, Pid},
};

use super::Exit;

/// The signals a tending process takes one by one. Made before the child, so
/// that its end cannot be missed.
#[derive(Debug)]
pub struct Tend {
    signals: SigSet,
}

impl Tend {
    /// Blocks SIGCHLD and the signals that ask for an orderly end.
    pub fn begin() -> io::Result<Self> {
        let signals: SigSet = [
            Signal::SIGCHLD,
            Signal::SIGTERM,
            Signal::SIGINT,
            Signal::SIGHUP,
        ]
        .into_iter()
        .collect();
        signals.thread_block()?;
        Ok(Self { signals })
    }

    /// Undoes [`Self::begin`] in the child.
    pub fn release(&self) -> io::Result<()> {
        Ok(self.signals.thread_unblock()?)
    }

    /// Reaps everything until `child` ends; passes SIGTERM, SIGINT and SIGHUP on
    /// to it as SIGTERM.
    pub fn until_exit(&self, child: i32) -> io::Result<Exit> {
        loop {
            if self.signals.wait()? != Signal::SIGCHLD {
                terminate(child)?;
            } else if let Some(exit) = reap(child)? {
                return Ok(exit);
            }
        }
    }
}

fn reap(child: i32) -> io::Result<Option<Exit>> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(status) => {
                let Some(pid) = status.pid() else {
                    return Ok(None);
                };
                if pid.as_raw() == child
                    && let Some(exit) = Exit::of(status)
                {
                    return Ok(Some(exit));
                }
            }
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// SIGTERM to a child; one that has just ended is none to complain about.
pub fn terminate(child: i32) -> io::Result<()> {
    match kill(Pid::from_raw(child), Signal::SIGTERM) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Leaves Ctrl-C and Ctrl-\\ to the program this process waits for.
pub fn ignore_terminal_signals() -> io::Result<()> {
    super::fork::ignore(&[Signal::SIGINT, Signal::SIGQUIT])
}

/// Sleeps until killed.
pub fn pause_forever() -> ! {
    loop {
        unistd::pause();
    }
}

/// Makes /dev/null the standard input.
pub fn forget_stdin() -> io::Result<()> {
    Ok(unistd::dup2_stdin(File::open("/dev/null")?)?)
}

/// Begins a session of its own: no terminal sends it signals.
pub fn leave_terminal() -> io::Result<()> {
    unistd::setsid()?;
    Ok(())
}

/// What every title of a lab's process begins with.
pub const TITLE: &str = "backhoe: ";

/// Names the process for `ps`, `top` and `pgrep`: `backhoe: what` in place of the command
/// line that it, or the process it was forked from, was started with, as far as that was
/// long, and `what` as its short name, of which the kernel keeps 15 bytes.
/// The arguments must have been read before: afterwards they are not there any more.
pub fn set_title(what: &str) {
    // A name is decoration; without it the process works the same.
    if let Ok(name) = CString::new(what) {
        let _ = prctl::set_name(&name);
    }
    let _ = overwrite_command_line(&format!("{TITLE}{what}"));
}

fn overwrite_command_line(title: &str) -> io::Result<()> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // proc(5): arg_start and arg_end are fields 48 and 49; after the command's closing
    // parenthesis comes field 3.
    let mut fields = stat
        .rsplit_once(')')
        .ok_or(io::ErrorKind::InvalidData)?
        .1
        .split_whitespace()
        .skip(45)
        .map_while(|field| field.parse::<u64>().ok());
    let (Some(start), Some(end)) = (fields.next(), fields.next()) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let room = usize::try_from(end.saturating_sub(start)).map_err(io::Error::other)?;
    let mut line: Vec<u8> = title.bytes().take(room.saturating_sub(1)).collect();
    // The last byte stays NUL: with another there, the kernel would go on into the environment.
    line.resize(room, 0);
    let memory = File::options().write(true).open("/proc/self/mem")?;
    memory.write_all_at(&line, start)
}

/// Names the UTS namespace the process is in.
pub fn set_host_name(name: &str) -> io::Result<()> {
    Ok(unistd::sethostname(name)?)
}

/// Raises the limit of open files as far as allowed and makes the kernel's table
/// of them large now: growing it later costs a grace period of RCU each time,
/// half of the time it takes to make a namespace.
pub fn raise_file_limit(expected: usize) -> io::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    let top = hard.saturating_sub(1).min(expected as u64);
    let null = File::open("/dev/null")?;
    let floor = i32::try_from(top).unwrap_or(i32::MAX);
    let high = fcntl(&null, FcntlArg::F_DUPFD_CLOEXEC(floor))?;
    Ok(unistd::close(high)?)
}

/// Closes every descriptor above standard error except `keep`.
pub fn keep_only(keep: Option<&OwnedFd>) -> io::Result<()> {
    let keep = keep.map(AsRawFd::as_raw_fd);
    let mut from = 3;
    if let Some(keep) = keep {
        if keep > from {
            close_range(from, keep - 1)?;
        }
        from = keep + 1;
    }
    close_range(from, i32::MAX)
}

fn close_range(first: i32, last: i32) -> io::Result<()> {
    super::spawn::close_range(first, last)
}
