//! The side of whoever keeps the run.

use std::{
    fs, io,
    path::PathBuf,
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc::{Sender, channel},
    },
    thread,
    time::Duration,
};

use anyhow::Context as _;

use crate::{
    engine::init::RunDir,
    results::{
        capture::{self, Additions, Note},
        event::WireFlowLog,
    },
};

use super::{
    Capture, Recorder,
    writer::{Captured, LIMIT, Message, Writer},
};

/// How long the writer may take to close its files: it may have 8 MB to write.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is captured, and what every capture says of its run.
#[derive(Debug, Clone)]
pub(in crate::engine) struct About {
    /// What.
    pub(in crate::engine) capture: Capture,
    /// The lab, versions, the seed: a line each.
    pub(in crate::engine) text: String,
    /// Wall time less the run's clock, nanoseconds.
    pub(in crate::engine) offset: i64,
    /// Where the first trial's captures go, in the run's directory.
    pub(in crate::engine) directory: PathBuf,
}

/// The captures of a lab.
#[derive(Debug)]
pub(in crate::engine) struct Captures {
    about: About,
    run_dir: RunDir,
    writer: Sender<Message>,
    /// The probe run that is measured.
    run: AtomicU64,
}

impl Captures {
    /// Starts the writer, and the first captures; `None` where nothing is wanted.
    ///
    /// # Errors
    /// The thread could not be started.
    pub(in crate::engine) fn start(
        about: About,
        run_dir: &RunDir,
    ) -> io::Result<Option<(Self, Recorder)>> {
        if about.capture == Capture::Off {
            return Ok(None);
        }
        let (writer, messages) = channel();
        let (recorder, back) = Recorder::new(about.capture, writer.clone());
        let thread = Writer {
            run_dir: run_dir.try_clone()?,
            about: about.text.clone(),
            offset: about.offset,
            back,
            directory: Some(about.directory.clone()),
            directions: Vec::new(),
            links: Vec::new(),
        };
        thread::Builder::new()
            .name("capture".to_owned())
            .spawn(move || thread.run(&messages))?;
        let captures = Self {
            about,
            run_dir: run_dir.try_clone()?,
            writer,
            run: AtomicU64::new(0),
        };
        Ok(Some((captures, recorder)))
    }

    /// Follows another probe run.
    pub(in crate::engine) fn follow(&self, run: u64) {
        self.run.store(run, Ordering::Relaxed);
    }

    /// Packets go into files of `directory` from now on.
    pub(in crate::engine) fn begin(&self, directory: PathBuf) {
        // A writer that has gone captures nothing.
        let _ = self.writer.send(Message::Begin(directory));
    }

    /// Closes the files. Whoever sees the packets must have flushed what it has.
    pub(in crate::engine) fn end(&self) -> Vec<Captured> {
        let (reply, answer) = channel();
        let asked = self.writer.send(Message::End(reply));
        let answer = asked.ok().and_then(|()| answer.recv_timeout(PATIENCE).ok());
        answer.unwrap_or_default()
    }

    /// Adds to closed captures what is known by now.
    ///
    /// # Errors
    /// A file that could not be read or written.
    pub(in crate::engine) fn finish(
        &self,
        captured: &[Captured],
        notes: &[Note],
        wires: &[WireFlowLog],
    ) -> anyhow::Result<()> {
        for one in captured.iter().filter(|one| one.broken.is_none()) {
            let path = one.path.display();
            let own: Vec<_> = wires
                .iter()
                .filter(|wire| wire.link == one.link.name)
                .cloned()
                .collect();
            let additions = Additions {
                about: &self.text(one),
                notes,
                offset: self.about.offset,
                ends: &one.link.ends,
                wires: &own,
                run: self.run.load(Ordering::Relaxed),
            };
            let file = self.run_dir.read(&one.path);
            let file = file.with_context(|| format!("reading {path}"))?;
            let whole = capture::finish(&file, &additions);
            let whole = whole.with_context(|| format!("reading {path}"))?;
            self.replace(one, &whole)
                .with_context(|| format!("writing {path}"))?;
        }
        Ok(())
    }

    /// As a whole or not at all.
    fn replace(&self, one: &Captured, bytes: &[u8]) -> io::Result<()> {
        let path = self.run_dir.path().join(&one.path);
        let fresh = path.with_extension("pcapng.new");
        fs::write(&fresh, bytes)?;
        fs::rename(fresh, path)
    }

    fn text(&self, one: &Captured) -> String {
        let mut text = self.about.text.clone();
        if one.missed > 0 {
            text += &format!("\n{} packets are missing: no buffer was free", one.missed);
        }
        if one.left_out > 0 {
            text += &format!(
                "\n{} packets other than control are left out: the file has its {} MiB of them",
                one.left_out,
                LIMIT >> 20
            );
        }
        text
    }
}

impl Captured {
    /// How this capture is not what was asked for: a warning's code and text.
    pub(in crate::engine) fn complaint(&self) -> Option<(&'static str, String)> {
        let link = &self.link.name;
        if let Some(why) = &self.broken {
            let text = format!("the capture of {link} ends early: {why}");
            return Some(("pcap-incomplete", text));
        }
        if self.missed > 0 {
            let text = format!(
                "{} packets on {link} are missing in its capture: it could not be written fast enough",
                self.missed
            );
            return Some(("pcap-incomplete", text));
        }
        (self.left_out > 0).then(|| {
            let text = format!(
                "the capture of {link} has its {} MiB of traffic; {} packets that are no control traffic are left out",
                LIMIT >> 20,
                self.left_out
            );
            ("pcap-limit", text)
        })
    }
}
