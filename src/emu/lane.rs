//! One direction of a link.

use std::collections::VecDeque;

use crate::units::{Bytes, Distribution, LossBurst, Percent, Rate, Span};

use super::{
    Ns,
    corrupt::Corrupt,
    delay::Fibre,
    duplicate::Duplicate,
    gate::{Gate, GateState},
    loss::Loss,
    numbered::Numbered,
    rate::Transmitter,
    reorder::Reorder,
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
    /// Variation around the delay; more than the delay counts as the delay.
    pub jitter: Span,
    /// How it lies around the delay.
    pub distribution: Distribution,
    /// Share of packets lost.
    pub loss: Percent,
    /// Losses come in runs of this mean length; `None`: each by itself.
    pub loss_burst: Option<LossBurst>,
    /// Share of packets that go twice.
    pub duplicate: Percent,
    /// Share of packets of which a bit is turned over.
    pub corrupt: Percent,
    /// Share of packets that take no delay and overtake.
    pub reorder: Percent,
    /// Serialisation rate.
    pub rate: Option<Rate>,
    /// Bytes that may wait for the rate; `None`: 100 ms at the rate.
    pub queue: Option<Bytes>,
}

impl Shape {
    /// Whether each packet meets a fate of its own, so that several of them
    /// must not be offered as one.
    pub fn is_by_packet(&self) -> bool {
        [self.loss, self.duplicate, self.corrupt, self.reorder]
            .iter()
            .any(|share| share.millionths() > 0)
    }
}

/// What a lane has to know of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Bytes on the wire.
    pub bytes: u32,
    /// The probe flow it belongs to, for numbered drops.
    pub flow: Option<u16>,
}

/// What the driver has to do to a packet that goes on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Turn one bit over, chosen by this number.
    pub damage: Option<u64>,
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

/// What a lane has done so far. `offered` and `duplicated` together are the sum
/// of what was delivered, what was dropped and what is in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LaneStats {
    /// Packets offered.
    pub offered: u64,
    /// Bytes offered.
    pub offered_bytes: u64,
    /// Copies made of packets.
    pub duplicated: u64,
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
    duplicate: Duplicate,
    corrupt: Corrupt,
    reorder: Reorder,
    transmitter: Transmitter,
    fibre: Fibre,
    /// In the order of their arrival.
    flying: VecDeque<Flying<T>>,
    /// Those that overtake, in the order of theirs.
    ahead: VecDeque<Flying<T>>,
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
            duplicate: Duplicate::new(seed),
            corrupt: Corrupt::new(seed),
            reorder: Reorder::new(seed),
            transmitter: Transmitter::default(),
            fibre: Fibre::new(!seed),
            flying: VecDeque::new(),
            ahead: VecDeque::new(),
            flying_bytes: 0,
            last_offer: 0,
            stats: LaneStats::default(),
        }
    }

    /// Offers a packet that was sent at `sent`. `payload` makes what waits in
    /// the lane until [`poll`](Self::poll) hands it out, once for each copy; of
    /// a dropped packet it makes none. The verdict is the first copy's.
    ///
    /// Senders' clocks may disagree by nanoseconds across CPUs: the gate judges
    /// by `sent` itself, everything behind it by the latest instant seen.
    pub fn offer(&mut self, packet: Packet, sent: Ns, payload: impl FnMut(Mark) -> T) -> Verdict {
        match self.pass(packet, sent, None, payload) {
            Passing::Waits(at) => Verdict::Deliver(at),
            // Not without an instant to be due by.
            Passing::Now => Verdict::Deliver(sent),
            Passing::Drop(reason) => Verdict::Drop(reason),
        }
    }

    /// Like [`offer`](Self::offer), for a caller who can send without storing:
    /// nothing is made of an undamaged packet that is due by `now` with nothing
    /// in front of it.
    pub fn pass(
        &mut self,
        packet: Packet,
        sent: Ns,
        now: Option<Ns>,
        mut payload: impl FnMut(Mark) -> T,
    ) -> Passing {
        self.stats.offered += 1;
        self.stats.offered_bytes += u64::from(packet.bytes);
        let numbered = packet
            .flow
            .is_some_and(|flow| self.numbered.takes(flow, sent));
        if numbered || self.gate.at(sent) == GateState::Silent {
            return self.drop_for(Reason::Cut);
        }
        if self.loss.takes(self.shape.loss, self.shape.loss_burst) {
            return self.drop_for(Reason::Loss);
        }
        let copies = self.duplicate.copies(self.shape.duplicate);
        let mut first = None;
        for copy in 0..copies {
            self.stats.duplicated += u64::from(copy > 0);
            let damage = self.corrupt.damage(self.shape.corrupt);
            let passing = match self.travel(packet.bytes, sent) {
                Err(reason) => self.drop_for(reason),
                Ok((at, _)) if now.is_some_and(|now| at <= now) && self.is_free(copies, damage) => {
                    self.stats.delivered += 1;
                    self.stats.delivered_bytes += u64::from(packet.bytes);
                    Passing::Now
                }
                Ok((at, overtakes)) => {
                    self.enqueue(packet.bytes, payload(Mark { damage }), at, overtakes);
                    Passing::Waits(at)
                }
            };
            first.get_or_insert(passing);
        }
        first.unwrap_or(Passing::Drop(Reason::Loss))
    }

    fn is_free(&self, copies: usize, damage: Option<u64>) -> bool {
        copies == 1 && damage.is_none() && self.flying.is_empty() && self.ahead.is_empty()
    }

    fn enqueue(&mut self, bytes: u32, payload: T, at: Ns, overtakes: bool) {
        self.flying_bytes += u64::from(bytes);
        let queue = if overtakes {
            &mut self.ahead
        } else {
            &mut self.flying
        };
        queue.push_back(Flying { at, bytes, payload });
    }

    /// When a packet that has entered arrives, and whether it overtakes others.
    fn travel(&mut self, bytes: u32, sent: Ns) -> Result<(Ns, bool), Reason> {
        if self.flying_bytes + u64::from(bytes) > FIBRE_LIMIT {
            return Err(Reason::Overrun);
        }
        let now = self.last_offer.max(sent);
        self.last_offer = now;
        let departure = match self.shape.rate {
            None => now,
            Some(rate) => self
                .transmitter
                .accept(bytes, now, rate, self.shape.queue)
                .ok_or(Reason::Queue)?,
        };
        if self.reorder.takes(self.shape.reorder) {
            return Ok((departure, true));
        }
        let jitter = (self.shape.jitter, self.shape.distribution);
        let at = self.fibre.arrival(departure, self.shape.delay, jitter);
        Ok((at, false))
    }

    fn drop_for(&mut self, reason: Reason) -> Passing {
        match reason {
            Reason::Cut => self.stats.cut += 1,
            Reason::Loss => self.stats.loss += 1,
            Reason::Queue => self.stats.queue += 1,
            Reason::Overrun => self.stats.overrun += 1,
        }
        Passing::Drop(reason)
    }

    /// The next packet that is due at `now`, with the instant it was due.
    pub fn poll(&mut self, now: Ns) -> Option<(Ns, T)> {
        if self.next_deadline()? > now {
            return None;
        }
        let overtakes = match (self.ahead.front(), self.flying.front()) {
            (Some(ahead), Some(flying)) => ahead.at <= flying.at,
            (ahead, _) => ahead.is_some(),
        };
        let queue = if overtakes {
            &mut self.ahead
        } else {
            &mut self.flying
        };
        let Flying { at, bytes, payload } = queue.pop_front()?;
        self.flying_bytes -= u64::from(bytes);
        self.stats.delivered += 1;
        self.stats.delivered_bytes += u64::from(bytes);
        Some((at, payload))
    }

    /// When [`poll`](Self::poll) will next have something.
    pub fn next_deadline(&self) -> Option<Ns> {
        let fronts = [self.flying.front(), self.ahead.front()];
        fronts.into_iter().flatten().map(|flying| flying.at).min()
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
    /// arrives as it would have, and nothing overtakes it but what is declared to.
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
        self.flying.len() + self.ahead.len()
    }

    /// Bytes waiting for the rate at `now`.
    pub fn queued_bytes(&self, now: Ns) -> u64 {
        self.shape
            .rate
            .map_or(0, |rate| self.transmitter.backlog(now, rate))
    }
}
