//! `journal.jsonl` and everybody who reads along.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    sync::{Arc, mpsc::Receiver},
    thread::{self, JoinHandle},
};

use super::log::Log;
use crate::{
    engine::{api::Feed, board::Board},
    results::event::{Event, EventKind},
};

/// Who is told of every event, in this order.
pub(super) struct Readers {
    /// What is up.
    pub(super) board: Arc<Board>,
    /// Everything, for the measurement.
    pub(super) log: Arc<Log>,
    /// Clients of the API.
    pub(super) feed: Feed,
}

/// Starts the thread that drains `events` until the run is finished: each is told
/// to the readers and becomes a line of `file`.
pub(super) fn start(
    events: Receiver<Event>,
    file: File,
    readers: Readers,
) -> io::Result<JoinHandle<io::Result<()>>> {
    thread::Builder::new()
        .name("journal".to_owned())
        .spawn(move || {
            let written = write(&events, file, &readers);
            readers.feed.close();
            written
        })
}

fn write(events: &Receiver<Event>, file: File, readers: &Readers) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    while let Ok(event) = events.recv() {
        let mut next = Some(event);
        while let Some(event) = next {
            readers.board.post(&event);
            let mut line = serde_json::to_string(&event)?;
            line.push('\n');
            out.write_all(line.as_bytes())?;
            readers.feed.push(line);
            let finished = matches!(event.kind, EventKind::RunFinished { .. });
            readers.log.push(event);
            if finished {
                return out.flush();
            }
            next = events.try_recv().ok();
        }
        // Nothing more is waiting: what has happened should be on disk even if
        // the whole lab is killed the next moment.
        out.flush()?;
    }
    Ok(())
}
