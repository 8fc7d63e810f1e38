//! Realtime scheduling for a lab. Inside a user namespace SCHED_FIFO is refused
//! even to root; the outer process lives outside and, where the user really is
//! root, may grant it to the lab's threads.

use std::{
    io,
    os::unix::net::UnixStream,
    sync::{Mutex, PoisonError},
    thread,
};

use crate::os::{credentials, sched};

/// The lab's end: asks.
#[derive(Debug)]
pub struct Guardian(Mutex<UnixStream>);

impl Guardian {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self(Mutex::new(stream))
    }

    /// Asks for SCHED_FIFO at `priority` for the calling thread: directly first,
    /// then through the outer process.
    ///
    /// # Errors
    /// EPERM where neither may: the user is not root and RLIMIT_RTPRIO forbids it.
    pub fn fifo(&self, priority: u8) -> io::Result<()> {
        match sched::try_fifo(priority) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                // One question at a time, or threads would read each other's answers.
                let line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                credentials::send_thread(&line, sched::thread_id(), priority.into())?;
                match credentials::receive_number(&line)? {
                    0 => Ok(()),
                    errno => Err(io::Error::from_raw_os_error(errno)),
                }
            }
            done => done,
        }
    }
}

/// The outer end: answers until the lab is gone.
pub(super) fn start(stream: UnixStream) -> io::Result<()> {
    credentials::expect_threads(&stream)?;
    thread::Builder::new()
        .name("guardian".to_owned())
        .spawn(move || {
            while let Ok((tid, priority)) = credentials::receive_thread(&stream) {
                let priority = u8::try_from(priority.clamp(1, 50)).unwrap_or(1);
                let answer = sched::try_fifo_for(tid, priority)
                    .map_or_else(|error| error.raw_os_error().unwrap_or(1), |()| 0);
                if credentials::send_number(&stream, answer).is_err() {
                    return;
                }
            }
        })?;
    Ok(())
}
