//! What the senders on a wire announce by BFD.

use std::{collections::BTreeMap, net::IpAddr};

use crate::proto::bfd::{Diag, Packet, State};

/// Single-hop (RFC 5881) and multi-hop (RFC 5883) control packets.
pub(super) const PORTS: [u16; 2] = [3784, 4784];

/// More sessions than any lab has on a wire; beyond it the oldest knowledge goes.
const SESSIONS: usize = 4096;

/// Who announces to whom: VLAN, source, destination.
type Session = (u16, IpAddr, IpAddr);

/// The last state and diagnostic each sender announced.
#[derive(Debug, Default)]
pub(super) struct Announced(BTreeMap<Session, (State, Diag)>);

impl Announced {
    /// Reads a control packet; says what it announces when that is new.
    pub(super) fn read(&mut self, session: Session, payload: &[u8]) -> Option<(State, Diag)> {
        let packet = Packet::decode(payload).ok()?;
        let announced = (packet.state, packet.diag);
        if self.0.get(&session) == Some(&announced) {
            return None;
        }
        if self.0.len() >= SESSIONS && !self.0.contains_key(&session) {
            self.0.pop_first();
        }
        self.0.insert(session, announced);
        Some(announced)
    }
}
