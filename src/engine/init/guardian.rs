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

    /// From now on, whoever in this process is refused SCHED_FIFO asks here.
    pub fn install(self) {
        sched::set_granter(Box::new(move |tid, priority| self.grant(tid, priority)));
    }

    /// Asks for SCHED_FIFO at `priority` for a thread of the lab.
    ///
    /// # Errors
    /// EPERM where the user is not root and RLIMIT_RTPRIO forbids it.
    fn grant(&self, tid: i32, priority: u8) -> io::Result<()> {
        // One question at a time, or threads would read each other's answers.
        let line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        credentials::send_thread(&line, tid, priority.into())?;
        match credentials::receive_number(&line)? {
            0 => Ok(()),
            errno => Err(io::Error::from_raw_os_error(errno)),
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
