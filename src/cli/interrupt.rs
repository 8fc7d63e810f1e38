//! Ctrl-C, SIGTERM and SIGHUP while a command has a lab on its hands: the lab is
//! taken down in order, and the command ends with the signal's status.

use std::{
    io::{self, IsTerminal},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Exit, output};
use crate::os::process::PidFd;

/// How long an orderly end may take.
const ORDERLY: Duration = Duration::from_secs(10);

/// The signals caught since, and the labs that end with them.
#[derive(Debug, Clone)]
pub(super) struct Interrupts(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// The first signal's number; 0: none.
    caught: AtomicU8,
    labs: Mutex<Vec<PidFd>>,
}

impl Interrupts {
    /// From here on signals are caught.
    pub(super) fn catch() -> Result<Self, Exit> {
        let interrupts = Self(Arc::default());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let mut signals = {
            let _inside = runtime.enter();
            Signals {
                int: signal(SignalKind::interrupt())?,
                term: signal(SignalKind::terminate())?,
                hup: signal(SignalKind::hangup())?,
            }
        };
        let state = Arc::clone(&interrupts.0);
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    let first = signals.next().await;
                    state.caught.store(first, Ordering::SeqCst);
                    state.end(PidFd::terminate);
                    // The terminal's cursor stands behind the bar, or behind `^C`.
                    let line = if io::stderr().is_terminal() { "\n" } else { "" };
                    output::talk(&format!(
                        "{line}interrupted: taking the lab down (once more: kill it)"
                    ));
                    // Patience ends with time or with a second signal.
                    let _ = tokio::time::timeout(ORDERLY, signals.next()).await;
                    state.end(PidFd::kill);
                });
            })?;
        Ok(interrupts)
    }

    /// A lab's outer process, or a command's that has labs of its own: all of it ends with that.
    pub(super) fn lab(&self, pid: i32) {
        let mut labs = self.0.lock();
        // A process that is gone needs no end.
        labs.retain(|lab| !lab.ended_within(Duration::ZERO).unwrap_or(true));
        labs.extend(PidFd::open(pid));
        drop(labs);
        if self.caught().is_some() {
            self.0.end(PidFd::terminate);
        }
    }

    /// Whether a signal came: how the command ends, once the lab has.
    pub(super) fn caught(&self) -> Option<Exit> {
        match self.0.caught.load(Ordering::SeqCst) {
            0 => None,
            number => Some(Exit::Interrupted(number)),
        }
    }
}

/// How a launch ends that came to nothing: by a signal, or because of `error`.
pub(super) fn no_lab(interrupts: &Interrupts, error: anyhow::Error) -> Exit {
    match interrupts.caught() {
        Some(caught) => {
            output::talk("the lab is down; it was not built yet");
            caught
        }
        None => Exit::no_lab(error),
    }
}

impl State {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<PidFd>> {
        self.labs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, how: fn(&PidFd) -> io::Result<()>) {
        for lab in &*self.lock() {
            // Gone already is as good.
            let _ = how(lab);
        }
    }
}

struct Signals {
    int: Signal,
    term: Signal,
    hup: Signal,
}

impl Signals {
    /// The number of the next one.
    async fn next(&mut self) -> u8 {
        let kind = tokio::select! {
            _ = self.int.recv() => SignalKind::interrupt(),
            _ = self.term.recv() => SignalKind::terminate(),
            _ = self.hup.recv() => SignalKind::hangup(),
        };
        u8::try_from(kind.as_raw_value()).unwrap_or(u8::MAX)
    }
}
