//! Namespaces. Every `setns` and `unshare` of the program is in this file.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    thread,
};

use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace held open.
#[derive(Debug)]
pub struct NetnsFd(OwnedFd);

impl NetnsFd {
    /// The calling thread's own namespace.
    pub fn current() -> io::Result<Self> {
        Ok(Self(File::open("/proc/thread-self/ns/net")?.into()))
    }

    /// A namespace file: `/run/netns/NAME`, `/proc/PID/ns/net`.
    pub fn open(path: impl AsRef<std::path::Path>) -> io::Result<Self> {
        Ok(Self(File::open(path)?.into()))
    }

    /// A fresh namespace that only this value keeps alive.
    pub fn fresh() -> io::Result<Self> {
        on_own_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET)?;
            Self::current()
        })
    }

    /// A second handle to the same namespace.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self(self.0.try_clone()?))
    }

    /// Moves the calling thread into the namespace, for good.
    pub fn enter(&self) -> io::Result<()> {
        Ok(setns(&self.0, CloneFlags::CLONE_NEWNET)?)
    }

    /// Runs `work` on a thread of its own inside the namespace. Sockets it
    /// returns stay in the namespace.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
        on_own_thread(|| {
            self.enter()?;
            work()
        })
    }

    /// Runs `work` on the calling thread inside the namespace and returns to
    /// `home`, which must be the namespace the thread is in. Ten times cheaper
    /// than [`Self::run`]; `work` must not block for long or panic.
    pub fn visit<T>(&self, home: &Self, work: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.enter()?;
        let result = work();
        if home.enter().is_err() {
            // A thread that stays in the wrong namespace would change the wrong
            // node from now on. Ending the process ends the lab, which is clean.
            std::process::abort();
        }
        result
    }
}

impl AsFd for NetnsFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A mount namespace held open.
#[derive(Debug)]
pub struct MountNsFd(OwnedFd);

impl MountNsFd {
    /// The calling process's own namespace.
    pub fn current() -> io::Result<Self> {
        Ok(Self(File::open("/proc/self/ns/mnt")?.into()))
    }
}

/// Gives the calling process a copy of its mount namespace. It must have one thread.
pub fn unshare_mounts() -> io::Result<()> {
    Ok(unshare(CloneFlags::CLONE_NEWNS)?)
}

/// Turns the calling, single-threaded process into an inhabitant of a node: a
/// copy of the template's mounts, a host name of its own, the node's network.
pub fn enter_new_node(template: &MountNsFd, net: &NetnsFd) -> io::Result<()> {
    setns(&template.0, CloneFlags::CLONE_NEWNS)?;
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS)?;
    net.enter()
}

/// Moves the calling, single-threaded process into the mounts, network and host
/// name of the process behind `pidfd`. Async-signal-safe: one system call.
pub fn enter_node(pidfd: impl AsFd) -> io::Result<()> {
    Ok(setns(
        pidfd,
        CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS,
    )?)
}

/// Moves the calling, single-threaded process into every namespace of the lab
/// whose init is behind `pidfd`; its children will live in the lab's PID namespace.
pub fn enter_lab(pidfd: impl AsFd) -> io::Result<()> {
    Ok(setns(
        pidfd,
        CloneFlags::CLONE_NEWUSER
            | CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWNET
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC,
    )?)
}

fn on_own_thread<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| {
        scope
            .spawn(work)
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("a namespace thread panicked")))
    })
}

/// Moves the calling process into fresh namespaces, for good.
pub fn isolate(flags: CloneFlags) -> Result<(), nix::errno::Errno> {
    unshare(flags)
}
