//! One direction of a link.

use std::collections::VecDeque;

use crate::units::{Bytes, Percent, Rate, Span};

use super::{
    Ns,
    delay::Fibre,
    gate::{Gate, GateState},
    loss::Loss,
    numbered::Numbered,
    rate::Transmitter,
};

#[cfg(test)]
mod tests;

/// Bytes that may be on the fibre at once. A gigabit for two seconds fits;
/// beyond it the machine's memory would be the queue.
const FIBRE_LIMIT: u64 = 256 << 20;

/// What a lane does to packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shape {
    /// One-way delay.
    pub delay: Span,
    /// Uniform variation around the delay; more than the delay counts as the delay.
    pub jitter: Span,
    /// Random independent loss.
    pub loss: Percent,
    /// Serialisation rate.
    pub rate: Option<Rate>,
    /// Bytes that may wait for the rate; `None`: 100 ms at the rate.
    pub queue: Option<Bytes>,
}

/// What a lane has to know of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Bytes on the wire.
    pub bytes: u32,
    /// The probe flow it belongs to, for numbered drops.
    pub flow: Option<u16>,
}

/// Why a packet vanished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A cut or a numbered drop.
    Cut,
    /// Declared random loss.
    Loss,
    /// No room in the rate's queue.
    Queue,
    /// More on the fibre than memory should hold.
    Overrun,
}

/// What becomes of an offered packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It arrives at this instant.
    Deliver(Ns),
    /// It vanishes.
    Drop(Reason),
}

/// What becomes of a packet that need not be stored if it is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passing {
    /// It is due: the caller sends it. It counts as delivered.
    Now,
    /// It is stored until this instant.
    Waits(Ns),
    /// It vanishes.
    Drop(Reason),
}

/// What a lane has done so far. `offered` is the sum of all the others and of
/// what is in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LaneStats {
    /// Packets offered.
    pub offered: u64,
    /// Bytes offered.
    pub offered_bytes: u64,
    /// Packets handed out by `poll`.
    pub delivered: u64,
    /// Bytes handed out by `poll`.
    pub delivered_bytes: u64,
    /// Dropped by a cut or a numbered drop.
    pub cut: u64,
    /// Dropped by declared loss.
    pub loss: u64,
    /// Dropped by a full queue.
    pub queue: u64,
    /// Dropped because the fibre holds too much.
    pub overrun: u64,
}

#[derive(Debug)]
struct Flying<T> {
    at: Ns,
    bytes: u32,
    payload: T,
}

/// One direction of a link; `T` is whatever the driver wants back with a
/// packet when it is due.
#[derive(Debug)]
pub struct Lane<T> {
    shape: Shape,
    gate: Gate,
    numbered: Numbered,
    loss: Loss,
    transmitter: Transmitter,
    fibre: Fibre,
    flying: VecDeque<Flying<T>>,
    flying_bytes: u64,
    last_offer: Ns,
    stats: LaneStats,
}

impl<T> Lane<T> {
    /// An open, empty lane. Equal seeds make equal choices.
    pub fn new(shape: Shape, seed: u64) -> Self {
        Self {
            shape,
            gate: Gate::default(),
            numbered: Numbered::default(),
            loss: Loss::new(seed),
            transmitter: Transmitter::default(),
            fibre: Fibre::new(!seed),
            flying: VecDeque::new(),
            flying_bytes: 0,
            last_offer: 0,
            stats: LaneStats::default(),
        }
    }

    /// Offers a packet that was sent at `sent`. What is delivered waits in the
    /// lane until [`poll`](Self::poll) hands it out; a dropped payload is gone.
    ///
    /// Senders' clocks may disagree by nanoseconds across CPUs: the gate judges
    /// by `sent` itself, everything behind it by the latest instant seen.
    pub fn offer(&mut self, packet: Packet, payload: T, sent: Ns) -> Verdict {
        let verdict = self.judge(packet, sent);
        if let Verdict::Deliver(at) = verdict {
            self.enqueue(packet, payload, at);
        }
        verdict
    }

    /// Like [`offer`](Self::offer), for a caller who can send without storing:
    /// the payload is made only if the packet has to wait, and not when it is
    /// due by `now` with nothing in front of it.
    pub fn pass(
        &mut self,
        packet: Packet,
        sent: Ns,
        now: Ns,
        payload: impl FnOnce() -> T,
    ) -> Passing {
        match self.judge(packet, sent) {
            Verdict::Drop(reason) => Passing::Drop(reason),
            Verdict::Deliver(at) if at <= now && self.flying.is_empty() => {
                self.stats.delivered += 1;
                self.stats.delivered_bytes += u64::from(packet.bytes);
                Passing::Now
            }
            Verdict::Deliver(at) => {
                self.enqueue(packet, payload(), at);
                Passing::Waits(at)
            }
        }
    }

    fn enqueue(&mut self, packet: Packet, payload: T, at: Ns) {
        self.flying_bytes += u64::from(packet.bytes);
        self.flying.push_back(Flying {
            at,
            bytes: packet.bytes,
            payload,
        });
    }

    fn judge(&mut self, packet: Packet, sent: Ns) -> Verdict {
        self.stats.offered += 1;
        self.stats.offered_bytes += u64::from(packet.bytes);
        let numbered = packet
            .flow
            .is_some_and(|flow| self.numbered.takes(flow, sent));
        if numbered || self.gate.at(sent) == GateState::Silent {
            return self.drop_for(Reason::Cut);
        }
        if self.loss.takes(self.shape.loss) {
            return self.drop_for(Reason::Loss);
        }
        if self.flying_bytes + u64::from(packet.bytes) > FIBRE_LIMIT {
            return self.drop_for(Reason::Overrun);
        }
        let now = self.last_offer.max(sent);
        self.last_offer = now;
        let departure = match self.shape.rate {
            None => now,
            Some(rate) => {
                match self
                    .transmitter
                    .accept(packet.bytes, now, rate, self.shape.queue)
                {
                    Some(departure) => departure,
                    None => return self.drop_for(Reason::Queue),
                }
            }
        };
        let (delay, jitter) = (self.shape.delay, self.shape.jitter);
        Verdict::Deliver(self.fibre.arrival(departure, delay, jitter))
    }

    fn drop_for(&mut self, reason: Reason) -> Verdict {
        match reason {
            Reason::Cut => self.stats.cut += 1,
            Reason::Loss => self.stats.loss += 1,
            Reason::Queue => self.stats.queue += 1,
            Reason::Overrun => self.stats.overrun += 1,
        }
        Verdict::Drop(reason)
    }

    /// The next packet that is due at `now`, with the instant it was due.
    pub fn poll(&mut self, now: Ns) -> Option<(Ns, T)> {
        if self.next_deadline()? > now {
            return None;
        }
        let Flying { at, bytes, payload } = self.flying.pop_front()?;
        self.flying_bytes -= u64::from(bytes);
        self.stats.delivered += 1;
        self.stats.delivered_bytes += u64::from(bytes);
        Some((at, payload))
    }

    /// When [`poll`](Self::poll) will next have something.
    pub fn next_deadline(&self) -> Option<Ns> {
        self.flying.front().map(|flying| flying.at)
    }

    /// A packet that [`poll`](Self::poll) handed out could not leave because
    /// the far end has lost its light: it counts as cut, not as delivered.
    pub fn undelivered(&mut self, bytes: u32) {
        self.stats.delivered = self.stats.delivered.saturating_sub(1);
        self.stats.delivered_bytes = self.stats.delivered_bytes.saturating_sub(u64::from(bytes));
        self.stats.cut += 1;
    }

    /// A packet that [`poll`](Self::poll) handed out was lost to a shortage of
    /// the driver's own: it counts as overrun, not as delivered.
    pub fn discarded(&mut self, bytes: u32) {
        self.stats.delivered = self.stats.delivered.saturating_sub(1);
        self.stats.delivered_bytes = self.stats.delivered_bytes.saturating_sub(u64::from(bytes));
        self.stats.overrun += 1;
    }

    /// Opens or cuts the lane for packets sent at `at` or later.
    pub fn set_gate(&mut self, at: Ns, state: GateState) {
        self.gate.set(at, state);
    }

    /// The lane's gate.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Drops exactly the next `packets` packets of each flow, counted from `at`.
    pub fn drop_numbered(&mut self, at: Ns, packets: u32) {
        self.numbered.arm(at, packets);
    }

    /// Changes the shape for packets offered from now on. What has left
    /// arrives as it would have, and nothing overtakes it.
    pub fn reshape(&mut self, shape: Shape) {
        self.shape = shape;
    }

    /// The shape in force.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// What has happened so far.
    pub fn stats(&self) -> LaneStats {
        self.stats
    }

    /// Packets on their way.
    pub fn in_flight(&self) -> usize {
        self.flying.len()
    }

    /// Bytes waiting for the rate at `now`.
    pub fn queued_bytes(&self, now: Ns) -> u64 {
        self.shape
            .rate
            .map_or(0, |rate| self.transmitter.backlog(now, rate))
    }
}
