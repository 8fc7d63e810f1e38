//! The captures of a living lab's links.

use std::path::PathBuf;

use super::Live;
use crate::{
    engine::capture::{Captured, DIRECTORY},
    results::{capture::notes, event::WireFlowLog, measure::RunResult},
};

impl Live {
    /// Captures go below `directory` of the run's from now on.
    pub fn begin_captures(&self, directory: &str) {
        if let Some(captures) = &self.captures {
            captures.begin(PathBuf::from(directory).join(DIRECTORY));
        }
    }

    /// Closes the captures, and warns of what is missing in them.
    pub(in crate::engine) fn end_captures(&self) -> Vec<Captured> {
        let (Some(captures), Some(wire)) = (&self.captures, &self.wire) else {
            return Vec::new();
        };
        wire.flush_capture();
        let captured = captures.end();
        for (code, text) in captured.iter().filter_map(Captured::complaint) {
            self.sink().warn(code, text, false);
        }
        captured
    }

    /// Adds to closed captures what the measurement found.
    pub(in crate::engine) fn finish_captures(
        &self,
        captured: &[Captured],
        result: &RunResult,
        wires: &[WireFlowLog],
    ) {
        let Some(captures) = &self.captures else {
            return;
        };
        if let Err(error) = captures.finish(captured, &notes(result), wires) {
            // The packets are there; what is missing is in the journal.
            let text = format!("captures without comments of the phases: {error:#}");
            self.sink().warn("pcap-incomplete", text, false);
        }
    }
}
