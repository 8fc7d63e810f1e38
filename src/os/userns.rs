//! User namespaces: the one thing that makes a lab rootless.
#![expect(unsafe_code, reason = "clone(2) with namespaces has no safe wrapper")]

use std::{fs, io};

use nix::{
    sched::CloneFlags,
    unistd::{Gid, Uid},
};

use super::{
    netns,
    process::{self, require_single_thread},
};

const APPARMOR: &str = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
const DEBIAN: &str = "/proc/sys/kernel/unprivileged_userns_clone";
const MAXIMUM: &str = "/proc/sys/user/max_user_namespaces";

/// The user as the host sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// Effective uid.
    pub uid: u32,
    /// Effective gid.
    pub gid: u32,
}

impl Owner {
    /// The calling process's.
    pub fn current() -> Self {
        Self {
            uid: Uid::effective().as_raw(),
            gid: Gid::effective().as_raw(),
        }
    }
}

/// Forks a child that is PID 1 of new user, PID, mount, network, UTS and IPC
/// namespaces and runs `work`, whose value is its exit status. Returns the
/// child's pid as the caller sees it. The caller stays outside.
///
/// # Errors
/// EINVAL-like when the process has threads, else the kernel's: see [`explain`].
pub fn spawn_init(work: impl FnOnce() -> u8) -> io::Result<i32> {
    require_single_thread()?;
    let flags = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWIPC
        | libc::SIGCHLD;
    // SAFETY: without CLONE_VM and with a null stack this is fork(2): the child has
    // its own copy of the memory, and with a single thread no lock is held by another.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone,
            i64::from(flags),
            0_i64,
            0_i64,
            0_i64,
            0_i64,
        )
    };
    match pid {
        0 => process::finish_child(work),
        1.. => i32::try_from(pid).map_err(io::Error::other),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Gives the new user namespace of process `init` every user and group that this process's
/// own has, under their own numbers, so that programs in it may change theirs (`tcpdump`
/// insists). To be called from outside; only real root may.
///
/// # Errors
/// Where this process may not, nothing has changed: [`become_root`] still can, from inside.
pub fn map_everybody(init: i32) -> io::Result<()> {
    for map in ["gid_map", "uid_map"] {
        // Each line is `first inside, first outside, how many`; what is inside here is
        // outside there.
        let own = fs::read_to_string(format!("/proc/self/{map}"))?;
        let identity: String = own
            .lines()
            .filter_map(|line| {
                let mut fields = line.split_whitespace();
                let (first, many) = (fields.next()?, fields.nth(1)?);
                Some(format!("{first} {first} {many}\n"))
            })
            .collect();
        fs::write(format!("/proc/{init}/{map}"), identity)?;
    }
    Ok(())
}

/// Moves the calling process into a user, mount and network namespace of its
/// own, in which it is root. It must have one thread.
///
/// # Errors
/// See [`explain`].
pub fn enter_fresh() -> io::Result<()> {
    require_single_thread()?;
    let owner = Owner::current();
    let flags = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET;
    netns::isolate(flags)?;
    become_root(owner)
}

/// Makes `owner` the root of the user namespace the calling process has just entered,
/// and its only user, unless users have been mapped from outside.
pub fn become_root(owner: Owner) -> io::Result<()> {
    if !fs::read_to_string("/proc/self/uid_map")?.is_empty() {
        return Ok(());
    }
    // Required before an unprivileged user may map a group.
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {} 1", owner.uid))?;
    fs::write("/proc/self/gid_map", format!("0 {} 1", owner.gid))
}

/// Why the host refuses user namespaces, and the one command that helps.
pub fn explain(error: &io::Error) -> String {
    let set =
        |path: &str, value: &str| fs::read_to_string(path).is_ok_and(|text| text.trim() == value);
    let reason = if set(MAXIMUM, "0") {
        "this host allows no user namespaces (user.max_user_namespaces = 0); allow them: sudo sysctl -w user.max_user_namespaces=65536"
    } else if set(DEBIAN, "0") {
        "this host keeps user namespaces from unprivileged users; allow them: sudo sysctl -w kernel.unprivileged_userns_clone=1"
    } else if set(APPARMOR, "1") {
        "AppArmor on this host takes all rights away inside unprivileged user namespaces; allow them: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    } else if error.raw_os_error() == Some(libc::ENOSPC) {
        "this host's limit of namespaces is used up; raise it: sudo sysctl -w user.max_user_namespaces=65536 user.max_net_namespaces=65536 user.max_mnt_namespaces=65536"
    } else if error.raw_os_error() == Some(libc::EPERM) {
        "user namespaces are refused here; in a container, start it with a seccomp profile that allows them (docker run --security-opt seccomp=unconfined)"
    } else {
        "a user namespace could not be made"
    };
    format!("{reason} ({error})")
}
