//! Waiting for descriptors without a runtime.

use std::{
    io,
    os::fd::BorrowedFd,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, ppoll},
    sys::time::TimeSpec,
};

use super::clock;

/// Sleeps until one of the descriptors can be read, has failed, or `until` has
/// come (to the nanosecond, unlike poll(2)); without `until`, for as long as it takes.
///
/// # Errors
/// When the kernel is out of memory; an interrupted sleep just ends.
pub fn wait_readable(descriptors: &[BorrowedFd<'_>], until: Option<Instant>) -> io::Result<()> {
    let mut polled: Vec<PollFd<'_>> = descriptors
        .iter()
        .map(|descriptor| PollFd::new(*descriptor, PollFlags::POLLIN))
        .collect();
    let timeout = until.map(|until| until.saturating_duration_since(clock::now()));
    let timeout = timeout.map(|left: Duration| TimeSpec::from_duration(left));
    match ppoll(&mut polled, timeout, None) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
