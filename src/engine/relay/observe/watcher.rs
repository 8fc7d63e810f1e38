//! One direction of one wire or tunnel, watched.

use crate::{
    engine::sink::EventSink,
    results::event::{EventKind, MonoNs},
};

use super::{Seen, Transport, bfd};

/// How a packet fared, as far as it is known when it is seen.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine::relay) struct Passage {
    /// When the kernel received it.
    pub(in crate::engine::relay) at: MonoNs,
    /// Whether the wire dropped it.
    pub(in crate::engine::relay) dropped: bool,
}

/// Watches the control protocols of one direction and reports what they say.
#[derive(Debug)]
pub(in crate::engine::relay) struct Watcher {
    link: String,
    from: String,
    bfd: bfd::Announced,
    sink: EventSink,
}

impl Watcher {
    pub(in crate::engine::relay) fn new(
        link: &str,
        from: &str,
        _to: &str,
        sink: EventSink,
    ) -> Self {
        Self {
            link: link.to_owned(),
            from: from.to_owned(),
            bfd: bfd::Announced::default(),
            sink,
        }
    }

    /// Takes note of a packet.
    pub(in crate::engine::relay) fn see(&mut self, seen: &Seen<'_>, passage: Passage) {
        match seen.transport {
            Transport::Udp { to, payload } if bfd::PORTS.contains(&to) => {
                let session = (seen.vlan, seen.source, seen.destination);
                if let Some((state, diagnostic)) = self.bfd.read(session, payload) {
                    self.sink.at(
                        passage.at,
                        EventKind::WireBfd {
                            link: self.link.clone(),
                            from: self.from.clone(),
                            state: state.to_string(),
                            diagnostic: diagnostic.to_string(),
                            dropped: passage.dropped,
                        },
                    );
                }
            }
            Transport::Udp { .. } | Transport::Tcp { .. } => {}
        }
    }
}
