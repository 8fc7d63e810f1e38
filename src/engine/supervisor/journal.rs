//! `journal.jsonl` and everybody who reads along.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    sync::mpsc::Receiver,
    thread::{self, JoinHandle},
};

use crate::{
    engine::api::Feed,
    results::event::{Event, EventKind},
};

/// Starts the thread that drains `events` until the run is finished: each becomes
/// a line of `file` and of the feed.
pub(super) fn start(
    events: Receiver<Event>,
    file: File,
    feed: Feed,
) -> io::Result<JoinHandle<io::Result<()>>> {
    thread::Builder::new()
        .name("journal".to_owned())
        .spawn(move || {
            let written = write(&events, file, &feed);
            feed.close();
            written
        })
}

fn write(events: &Receiver<Event>, file: File, feed: &Feed) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    while let Ok(event) = events.recv() {
        let mut next = Some(event);
        while let Some(event) = next {
            let mut line = serde_json::to_string(&event)?;
            line.push('\n');
            out.write_all(line.as_bytes())?;
            feed.push(line);
            if matches!(event.kind, EventKind::RunFinished { .. }) {
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
