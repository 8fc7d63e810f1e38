//! A processor that does not fall asleep under the sender.
//!
//! A processor with nothing to do halts, and a halted one takes its time to come back: some
//! microseconds on hardware, 100 and more where a hypervisor has lent it to somebody else
//! meanwhile. At high rates that is more than the gap between two packets, and so most of what
//! an error bar consists of.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use crate::os::sched;

/// Between two looks at where the sender runs.
const TURNS: u32 = 4096;

/// Keeps the processor of the thread that made it busy, with what every other thread may
/// interrupt; until dropped.
#[derive(Debug)]
pub(super) struct Wakeful {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    processor: AtomicUsize,
    stop: AtomicBool,
}

impl Wakeful {
    /// # Errors
    /// No thread, or none that gives way to all others.
    pub(super) fn start() -> io::Result<Self> {
        let shared = Arc::new(Shared {
            processor: AtomicUsize::new(sched::processor()?),
            stop: AtomicBool::new(false),
        });
        let its = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("probe-wakeful".to_owned())
            .spawn(move || idle(&its))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// The calling thread, which made it, may have moved.
    pub(super) fn follow(&self) {
        if let Ok(processor) = sched::processor() {
            self.shared.processor.store(processor, Ordering::Relaxed);
        }
    }
}

impl Drop for Wakeful {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It cannot have panicked, and there is nobody to tell.
            let _ = thread.join();
        }
    }
}

fn idle(shared: &Shared) {
    // Without this it would take a share from daemons.
    if sched::give_way_to_all().is_err() {
        return;
    }
    let mut at = None;
    while !shared.stop.load(Ordering::Relaxed) {
        let wanted = shared.processor.load(Ordering::Relaxed);
        if at != Some(wanted) {
            // Elsewhere it would only cost power.
            if sched::stay_on(wanted).is_err() {
                return;
            }
            at = Some(wanted);
        }
        for turn in 0..TURNS {
            // Not `spin_loop`: its PAUSE tells a hypervisor to take the processor away.
            std::hint::black_box(turn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_way_follows_and_ends() {
        let here = sched::processor().unwrap();
        let wakeful = Wakeful::start().unwrap();
        wakeful.follow();
        let name = "probe-wakeful";
        let spent = || sched::cpu_time_named(name).unwrap_or_default();
        let deadline = crate::os::clock::mono_ns() + 20_000_000_000;
        while spent().is_zero() && crate::os::clock::mono_ns() < deadline {
            thread::yield_now();
        }
        assert!(!spent().is_zero(), "on processor {here}");
        drop(wakeful);
        assert!(sched::cpu_time_named(name).is_err());
    }
}
