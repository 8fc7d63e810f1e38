//! Waiting for many descriptors and a deadline on CLOCK_MONOTONIC with
//! nanosecond grain (epoll; needs Linux 5.11), and waking a waiter from another thread.
#![expect(
    unsafe_code,
    reason = "libc has epoll_pwait2 only as a bare system call"
)]

use std::{
    io,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
    sync::Arc,
};

use super::clock;

/// Readiness of one descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// The number it was added with.
    pub token: u64,
    /// The socket holds an error that wants to be taken.
    pub error: bool,
}

/// Waits for many descriptors.
#[derive(Debug)]
pub struct Poller {
    epoll: OwnedFd,
    events: Vec<libc::epoll_event>,
}

/// Above this, a deadline is approached in two steps: the kernel rounds a
/// timeout up by a thousandth of its length.
const TWO_STEPS_FROM: u64 = 2_000_000;

impl Poller {
    /// Waits for nothing yet.
    pub fn new() -> io::Result<Self> {
        // SAFETY: plain call; the result is checked.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            // SAFETY: the descriptor was just made and nobody else owns it.
            epoll: unsafe { OwnedFd::from_raw_fd(fd) },
            events: Vec::with_capacity(64),
        })
    }

    /// Also waits for `fd` to become readable. The caller keeps it open.
    pub fn add(&self, fd: impl AsFd, token: u64) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: libc::EPOLLIN as u32,
            u64: token,
        };
        // SAFETY: both descriptors are open and `event` lives through the call.
        let result = unsafe {
            libc::epoll_ctl(
                self.epoll.as_raw_fd(),
                libc::EPOLL_CTL_ADD,
                fd.as_fd().as_raw_fd(),
                &raw mut event,
            )
        };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    /// Waits until something is ready or the deadline (CLOCK_MONOTONIC
    /// nanoseconds) has passed; `None` waits for ever. May return early with nothing.
    pub fn wait(&mut self, deadline: Option<u64>) -> io::Result<impl Iterator<Item = Ready>> {
        let timeout = deadline.map(|deadline| {
            let left = deadline.saturating_sub(clock::mono_ns());
            let left = if left > TWO_STEPS_FROM {
                left - left / 500
            } else {
                left
            };
            libc::timespec {
                tv_sec: (left / 1_000_000_000) as libc::time_t,
                tv_nsec: (left % 1_000_000_000) as libc::c_long,
            }
        });
        self.events.clear();
        let pointer = timeout
            .as_ref()
            .map_or(std::ptr::null(), std::ptr::from_ref);
        // SAFETY: the buffer has room for `capacity` events, and the timeout is
        // null or points at a live timespec.
        let count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.epoll.as_raw_fd(),
                self.events.as_mut_ptr(),
                self.events.capacity() as libc::c_int,
                pointer,
                std::ptr::null::<libc::sigset_t>(),
                0usize,
            )
        };
        if count < 0 {
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        // SAFETY: the kernel initialised that many events.
        unsafe { self.events.set_len(usize::try_from(count).unwrap_or(0)) };
        Ok(self.events.iter().map(|event| Ready {
            token: event.u64,
            error: event.events & (libc::EPOLLERR | libc::EPOLLHUP) as u32 != 0,
        }))
    }
}

/// Wakes a [`Poller`] that was given a clone of it.
#[derive(Debug, Clone)]
pub struct Waker(Arc<OwnedFd>);

impl Waker {
    /// An event counter at rest.
    pub fn new() -> io::Result<Self> {
        // SAFETY: plain call; the result is checked.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made and nobody else owns it.
        Ok(Self(Arc::new(unsafe { OwnedFd::from_raw_fd(fd) })))
    }

    /// Makes the poller return.
    pub fn wake(&self) {
        // A full counter wakes as well, so the result does not matter.
        let _ = nix::unistd::write(&*self.0, &1u64.to_ne_bytes());
    }

    /// Puts the counter at rest again.
    pub fn rest(&self) {
        let _ = nix::unistd::read(&*self.0, &mut [0; 8]);
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}
