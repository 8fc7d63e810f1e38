//! Programs inside a node.
#![expect(unsafe_code, reason = "code between fork and exec, raw descriptors")]

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::{Command, Stdio},
};

use nix::sys::{
    prctl,
    signal::{SigSet, SigmaskHow, Signal, sigprocmask},
};

use super::{PidFd, TITLE};
use crate::os::netns;

/// A program to be started: with the lab's /dev/null as input, its output in a
/// file, and no descriptor of ours beyond those handed over.
#[derive(Debug)]
pub struct Spawn {
    command: Command,
    inherit: Vec<OwnedFd>,
    node: Option<PidFd>,
}

impl Spawn {
    /// `program` is looked up in PATH as execvp(3) does.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/");
        Self {
            command,
            inherit: Vec::new(),
            node: None,
        }
    }

    /// What `ps` shows of it: `backhoe: what`, and then its arguments, in place of its path.
    #[must_use]
    pub fn title(mut self, what: &str) -> Self {
        self.command.arg0(format!("{TITLE}{what}"));
        self
    }

    /// Runs it in the namespaces of this process (a node's holder).
    #[must_use]
    pub fn node(mut self, holder: PidFd) -> Self {
        self.node = Some(holder);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.command.args(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// It gets a process group of its own: Ctrl-C at the terminal is for the caller, who
    /// passes it on.
    #[must_use]
    pub fn own_group(mut self) -> Self {
        self.command.process_group(0);
        self
    }

    /// Standard output and error go to this file.
    pub fn log(mut self, file: File) -> io::Result<Self> {
        self.command.stderr(file.try_clone()?).stdout(file);
        Ok(self)
    }

    /// The program inherits this descriptor under the same number.
    #[must_use]
    pub fn inherit(mut self, fd: OwnedFd) -> Self {
        self.inherit.push(fd);
        self
    }

    /// Starts it. It is killed when the calling *thread* ends, so call from one
    /// that lives as long as the lab. Reap it with [`PidFd::wait`] or a `Watcher`.
    pub fn spawn(mut self) -> io::Result<PidFd> {
        let node = self.node.take();
        let inherit: Vec<i32> = self.inherit.iter().map(AsRawFd::as_raw_fd).collect();
        let enter = move || {
            if let Some(holder) = &node {
                netns::enter_node(holder.as_fd())?;
                nix::unistd::chdir("/")?;
            }
            prctl::set_pdeathsig(Signal::SIGKILL)?;
            sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
            for &fd in &inherit {
                // SAFETY: the descriptor belongs to `self`, which lives until after exec.
                if unsafe { libc::fcntl(fd, libc::F_SETFD, 0) } < 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(())
        };
        // SAFETY: the closure makes system calls only; it neither allocates nor locks.
        unsafe { self.command.pre_exec(enter) };
        let child = self.command.spawn()?;
        // Nobody reaps it before we have the handle, so the number is still its own.
        PidFd::open(i32::try_from(child.id()).map_err(io::Error::other)?)
    }
}

/// This machine's calling convention, `AUDIT_ARCH_*` of linux/audit.h: the ELF machine,
/// 64 bit, little-endian. A number means another system call in another one.
#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xC000_00B7;
/// No filter matches: `setgroups` is refused, as without one.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const NATIVE: u32 = 0;

/// Why a program did not start in a node.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The node could not be entered.
    #[error("cannot enter the node: {0}")]
    Enter(io::Error),
    /// The program could not be run.
    #[error("{0}")]
    Exec(io::Error),
}

/// Replaces the calling, single-threaded process by `argv` in the node whose
/// holder has this pid. Returns only when that failed. The program is killed
/// when the process that forked the caller ends.
pub fn exec_in_node(holder: i32, argv: &[OsString], env: &[(&str, &str)]) -> ExecError {
    let Some((program, args)) = argv.split_first() else {
        return ExecError::Exec(io::Error::new(
            io::ErrorKind::InvalidInput,
            "no command given",
        ));
    };
    let enter = || {
        super::die_with_parent()?;
        netns::enter_node(PidFd::open(holder)?)?;
        excuse_setgroups()?;
        Ok(nix::unistd::chdir("/")?)
    };
    if let Err(error) = enter() {
        return ExecError::Enter(error);
    }
    let error = Command::new(program)
        .args(args)
        .envs(env.iter().copied())
        .exec();
    ExecError::Exec(error)
}

/// In a lab of an ordinary user nobody may set supplementary groups, and programs that
/// make a point of it give up (`tcpdump -Z root`). Here the kernel answers 0 and does
/// nothing: the groups stay those of the user, who could not have had others.
fn excuse_setgroups() -> io::Result<()> {
    if std::fs::read_to_string("/proc/self/setgroups")?.trim() != "deny" {
        return Ok(());
    }
    // Offsets in struct seccomp_data.
    const NUMBER: u32 = 0;
    const ARCH: u32 = 4;
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const ANSWER: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut steps = [
        step(LOAD, 0, 0, ARCH),
        step(IF_EQUAL, 0, 3, NATIVE),
        step(LOAD, 0, 0, NUMBER),
        step(IF_EQUAL, 0, 1, libc::SYS_setgroups as u32),
        // Error number 0: success.
        step(ANSWER, 0, 0, libc::SECCOMP_RET_ERRNO),
        step(ANSWER, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: steps.len() as u16,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: the program and its steps live until the call returns; the kernel copies them.
    let set = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
            &raw const program,
        )
    };
    match set {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

pub(super) fn close_range(first: i32, last: i32) -> io::Result<()> {
    // SAFETY: callers are processes that use no descriptor of the range any more.
    if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
