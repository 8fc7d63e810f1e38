//! Speakers as processes in namespaces, and what they say on their control sockets.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Write},
    os::{fd::AsRawFd, unix::net::UnixStream},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use backhoe::{
    engine::speaker::control::{self, FromSpeaker, Notice, Reply, Request},
    os::netns::NetnsFd,
    units::SpeakerConfig,
};

/// Tells the test binary to be a speaker: the configuration's path.
const CONFIG: &str = "BACKHOE_TEST_SPEAKER_CONFIG";
/// The control descriptor's number.
const CONTROL: &str = "BACKHOE_TEST_SPEAKER_CONTROL";

/// What the test binary runs when a test starts it as a speaker; alone it passes.
#[test]
fn speaker_child() {
    let Ok(config) = std::env::var(CONFIG) else {
        return;
    };
    let control = std::env::var(CONTROL).unwrap().parse().unwrap();
    backhoe::engine::speaker::run(config.as_ref(), Some(control)).unwrap();
}

/// A running speaker; killed when dropped.
pub(crate) struct SpeakerProcess {
    child: Child,
    control: Option<UnixStream>,
    lines: mpsc::Receiver<FromSpeaker>,
    /// Everything heard and not yet taken.
    heard: VecDeque<FromSpeaker>,
    next_id: u64,
    /// Events before this are history, CLOCK_MONOTONIC nanoseconds.
    since_ns: u64,
    _config: tempfile::NamedTempFile,
}

impl SpeakerProcess {
    pub(crate) fn start(namespace: &NetnsFd, config: &SpeakerConfig) -> Self {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        serde_json::to_writer(&mut file, config).unwrap();
        file.flush().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        nix::fcntl::fcntl(
            &theirs,
            nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty()),
        )
        .unwrap();
        let child = namespace
            .run(|| {
                Command::new(std::env::current_exe()?)
                    .args(["speaker_process::speaker_child", "--exact", "--nocapture"])
                    .env(CONFIG, file.path())
                    .env(CONTROL, theirs.as_raw_fd().to_string())
                    .stdout(Stdio::null())
                    .spawn()
            })
            .unwrap();
        drop(theirs);
        let (sender, lines) = mpsc::channel();
        let read = BufReader::new(ours.try_clone().unwrap());
        std::thread::spawn(move || {
            for line in read.lines() {
                let Ok(line) = line else { return };
                let parsed = serde_json::from_str(&line)
                    .unwrap_or_else(|error| panic!("the speaker said `{line}`: {error}"));
                if sender.send(parsed).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            control: Some(ours),
            lines,
            heard: VecDeque::new(),
            next_id: 1,
            since_ns: 0,
            _config: file,
        }
    }

    /// From now on only what happens after `since_ns` is expected.
    pub(crate) fn forget_before(&mut self, since_ns: u64) {
        self.since_ns = since_ns;
    }

    /// Waits for the first event `wanted` accepts; earlier ones are passed over.
    pub(crate) fn expect<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut wanted: impl FnMut(&Notice) -> Option<T>,
    ) -> (u64, T) {
        let end = now() + limit;
        let mut passed = Vec::new();
        loop {
            while let Some(line) = self.heard.pop_front() {
                if let FromSpeaker::Event { at_ns, event } = &line
                    && *at_ns >= self.since_ns
                    && let Some(found) = wanted(event)
                {
                    return (*at_ns, found);
                }
                passed.push(line);
            }
            let left = end.saturating_duration_since(now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.heard.push_back(line),
                Err(error) => panic!("waited {limit:?} for {what} ({error}); heard {passed:#?}"),
            }
        }
    }

    pub(crate) fn ask(&mut self, request: Request) -> Reply {
        let id = self.next_id;
        self.next_id += 1;
        let command = control::Command { id, request };
        let mut line = serde_json::to_vec(&command).unwrap();
        line.push(b'\n');
        self.control.as_ref().unwrap().write_all(&line).unwrap();
        loop {
            let line = self
                .lines
                .recv_timeout(Duration::from_secs(5))
                .unwrap_or_else(|error| panic!("no answer to {command:?}: {error}"));
            if let FromSpeaker::Reply {
                id: answered,
                reply,
            } = line
            {
                assert_eq!(answered, id, "answers come in order");
                return reply;
            }
            self.heard.push_back(line);
        }
    }

    pub(crate) fn status(&mut self) -> control::Status {
        let reply = self.ask(Request::Status);
        let Reply::Status(status) = reply else {
            panic!("asked for the status, got {reply:?}");
        };
        *status
    }

    /// The supervisor hangs up.
    pub(crate) fn hang_up(&mut self) {
        let control = self.control.take().unwrap();
        control.shutdown(std::net::Shutdown::Both).unwrap();
    }

    pub(crate) fn terminate(&self) {
        let pid = nix::unistd::Pid::from_raw(self.child.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    }

    /// Waits for the process to end by itself.
    pub(crate) fn exit(&mut self, limit: Duration) -> ExitStatus {
        let child = &mut self.child;
        super::common::await_some("the speaker's exit", limit, || child.try_wait().unwrap())
    }
}

impl Drop for SpeakerProcess {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "kernel tests run in real time")]
fn now() -> Instant {
    Instant::now()
}
