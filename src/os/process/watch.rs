//! One thread that notices the end of every child.

use std::{
    io::{self, Read, Write},
    os::{fd::AsFd, unix::net::UnixStream},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use super::{Exit, PidFd};

type Callback = Box<dyn FnOnce(Exit) + Send>;

/// Reaps watched children and tells. Cheap to clone; watching ends with the last handle.
#[derive(Debug, Clone)]
pub struct Watcher {
    wake: std::sync::Arc<UnixStream>,
    add: Sender<(PidFd, Callback)>,
}

impl Watcher {
    /// Starts the thread.
    pub fn start() -> io::Result<Self> {
        let (wake, woken) = UnixStream::pair()?;
        woken.set_nonblocking(true)?;
        let (add, added) = channel();
        thread::Builder::new()
            .name("children".to_owned())
            .spawn(move || watch(&woken, &added))?;
        Ok(Self {
            wake: wake.into(),
            add,
        })
    }

    /// Calls `then` on the watching thread when the child behind `process` has ended.
    pub fn watch(
        &self,
        process: &PidFd,
        then: impl FnOnce(Exit) + Send + 'static,
    ) -> io::Result<()> {
        self.add
            .send((process.try_clone()?, Box::new(then)))
            .map_err(|_| io::Error::other("the watching thread is gone"))?;
        (&*self.wake).write_all(&[1])
    }
}

fn watch(woken: &UnixStream, added: &Receiver<(PidFd, Callback)>) {
    let mut children: Vec<(PidFd, Callback)> = Vec::new();
    loop {
        let mut fds = vec![PollFd::new(woken.as_fd(), PollFlags::POLLIN)];
        fds.extend(
            children
                .iter()
                .map(|(child, _)| PollFd::new(child.as_fd(), PollFlags::POLLIN)),
        );
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return,
        }
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any() == Some(true)).collect();
        let mut index = 0;
        let mut rest = Vec::with_capacity(children.len());
        for (child, then) in children.drain(..) {
            index += 1;
            if ready.get(index) == Some(&true) {
                if let Ok(exit) = child.wait() {
                    then(exit);
                }
            } else {
                rest.push((child, then));
            }
        }
        children = rest;
        if ready.first() == Some(&true) {
            let mut buffer = [0; 64];
            // Zero bytes: every handle is gone and so is the need to watch.
            if matches!((&*woken).read(&mut buffer), Ok(0)) {
                return;
            }
            children.extend(added.try_iter());
        }
    }
}
