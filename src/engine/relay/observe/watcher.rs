//! One direction of one wire or tunnel, watched.

use std::{collections::BTreeMap, net::IpAddr};

use crate::{
    engine::sink::EventSink,
    results::event::{EventKind, MonoNs},
};

use super::{
    Seen, Transport,
    bfd::{self, Announced},
    bgp,
    stream::{Segment, Stream},
};

/// More connections than live on any wire; beyond it one is forgotten.
const CONNECTIONS: usize = 1024;

/// How a packet fared, as far as it is known when it is seen.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) struct Passage {
    /// When the kernel received it.
    pub(in crate::engine) at: MonoNs,
    /// Whether the wire dropped it.
    pub(in crate::engine) dropped: bool,
}

/// VLAN, source and destination with their ports.
type Connection = (u16, IpAddr, u16, IpAddr, u16);

#[derive(Debug, Default)]
struct Conversation {
    stream: Stream,
    /// Whether a KEEPALIVE has passed.
    kept_alive: bool,
}

/// Watches the control protocols of one direction and reports what they say.
#[derive(Debug)]
pub(in crate::engine) struct Watcher {
    link: String,
    from: String,
    to: String,
    bfd: Announced,
    bgp: BTreeMap<Connection, Conversation>,
    sink: EventSink,
}

impl Watcher {
    pub(in crate::engine) fn new(link: &str, from: &str, to: &str, sink: EventSink) -> Self {
        Self {
            link: link.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
            bfd: Announced::default(),
            bgp: BTreeMap::new(),
            sink,
        }
    }

    /// Takes note of a packet.
    pub(in crate::engine) fn see(&mut self, seen: &Seen<'_>, passage: Passage) {
        match seen.transport {
            Transport::Udp { to, payload } if bfd::PORTS.contains(&to) => {
                self.see_bfd((seen.vlan, seen.source, seen.destination), payload, passage);
            }
            Transport::Udp { .. } => {}
            Transport::Tcp {
                from,
                to,
                sequence,
                flags,
                payload,
                length,
            } if from == bgp::PORT || to == bgp::PORT => {
                let connection = (seen.vlan, seen.source, from, seen.destination, to);
                let segment = Segment {
                    at: passage.at,
                    sequence,
                    payload,
                    length,
                };
                let opens = flags & Transport::SYN != 0;
                self.see_bgp(connection, opens, segment, passage.dropped);
            }
            Transport::Tcp { .. } => {}
        }
    }

    fn see_bfd(&mut self, session: (u16, IpAddr, IpAddr), payload: &[u8], passage: Passage) {
        let Some((state, diagnostic)) = self.bfd.read(session, payload) else {
            return;
        };
        let kind = EventKind::WireBfd {
            link: self.link.clone(),
            vlan: tag(session.0),
            from: self.from.clone(),
            state: state.to_string(),
            diagnostic: diagnostic.to_string(),
            dropped: passage.dropped,
        };
        self.sink.at(passage.at, kind);
    }

    fn see_bgp(&mut self, key: Connection, opens: bool, segment: Segment<'_>, dropped: bool) {
        if self.bgp.len() >= CONNECTIONS && !self.bgp.contains_key(&key) {
            self.bgp.pop_first();
        }
        let Conversation { stream, kept_alive } = self.bgp.entry(key).or_default();
        if opens {
            // A dropped SYN comes again.
            if !dropped {
                stream.open(segment.sequence);
                *kept_alive = false;
            }
            return;
        }
        let mut report = |bytes: &[u8]| {
            let Some(message) = bgp::read(bytes) else {
                return;
            };
            if message.name == bgp::KEEPALIVE {
                if *kept_alive {
                    return;
                }
                *kept_alive = !dropped;
            }
            let kind = EventKind::WireBgp {
                link: self.link.clone(),
                vlan: tag(key.0),
                from: self.from.clone(),
                to: self.to.clone(),
                message: message.name.to_owned(),
                announced: message.announced,
                withdrawn: message.withdrawn,
                code: message.code,
                dropped,
            };
            self.sink.at(segment.at, kind);
        };
        if dropped {
            stream.dropped(segment, &mut report);
        } else {
            stream.pass(segment, &mut report);
        }
    }
}

/// The number of a packet's tag; 0 stands for none (IEEE 802.1Q §9.6: a tag with it names no
/// VLAN).
fn tag(vlan: u16) -> Option<u16> {
    (vlan != 0).then_some(vlan)
}
