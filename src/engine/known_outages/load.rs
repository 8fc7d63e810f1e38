//! Processors that have something else to do.

use std::{
    hint,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use anyhow::Context as _;

/// Ordinary threads that never rest, one for each processor; they end with this.
#[derive(Debug)]
pub(super) struct Busy {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Busy {
    pub(super) fn start() -> anyhow::Result<Self> {
        let mut busy = Self {
            stop: Arc::new(AtomicBool::new(false)),
            threads: Vec::new(),
        };
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            let stop = Arc::clone(&busy.stop);
            let thread = thread::Builder::new()
                .name("load".to_owned())
                .spawn(move || {
                    let mut number = 1u64;
                    while !stop.load(Ordering::Relaxed) {
                        for _ in 0..4096 {
                            number = hint::black_box(number.wrapping_mul(0x5851_F42D_4C95_7F2D));
                        }
                    }
                })
                .context("starting a thread that takes a processor")?;
            busy.threads.push(thread);
        }
        Ok(busy)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // It cannot have panicked.
            let _ = thread.join();
        }
    }
}
