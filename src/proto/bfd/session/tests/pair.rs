//! Two sessions in virtual time, joined by pipes that delay, lose and can be cut.

use super::*;

pub(super) struct Pair {
    pub(super) a: Session,
    pub(super) b: Session,
    pub(super) now: Instant,
    pub(super) delay: Duration,
    /// Share of packets lost each way.
    pub(super) loss: f64,
    pub(super) cut: bool,
    rng: ChaCha8Rng,
    /// Arrival, whether it goes to `a`, bytes.
    in_flight: Vec<(Instant, bool, [u8; 24])>,
}

impl Pair {
    pub(super) fn new(now: Instant, a: SessionConfig, b: SessionConfig, seed: u64) -> Self {
        let discriminator = |n| NonZeroU32::new(n).unwrap();
        Self {
            a: Session::new(a, discriminator(1), seed.wrapping_mul(2), now),
            b: Session::new(
                b,
                discriminator(2),
                seed.wrapping_mul(2).wrapping_add(1),
                now,
            ),
            now,
            delay: MS,
            loss: 0.0,
            cut: false,
            rng: ChaCha8Rng::seed_from_u64(seed),
            in_flight: Vec::new(),
        }
    }

    /// Puts a packet on its way to an end: from when on, and what.
    pub(super) fn inject(&mut self, after: Duration, to_a: bool, packet: &Packet) {
        self.in_flight
            .push((self.now + after, to_a, packet.encode()));
    }

    pub(super) fn run_until_up(&mut self) {
        let limit = self.now + Duration::from_secs(60);
        while self.a.state() != State::Up || self.b.state() != State::Up {
            assert!(
                self.now < limit,
                "not Up in a minute: {:?} {:?}",
                self.a,
                self.b
            );
            self.step();
        }
    }

    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.next() <= end {
            self.step();
        }
        self.now = end;
        self.flush();
    }

    /// Jumps to the next thing that happens and lets it happen.
    pub(super) fn step(&mut self) {
        self.now = self.next().max(self.now);
        let now = self.now;
        self.in_flight.sort_by_key(|&(at, ..)| at);
        while let Some(&(_, to_a, bytes)) = self.in_flight.first().filter(|&&(at, ..)| at <= now) {
            self.in_flight.remove(0);
            let session = if to_a { &mut self.a } else { &mut self.b };
            let _ = session.handle_packet(&Packet::decode(&bytes).unwrap(), now);
            // Each packet is answered by itself.
            self.flush();
            self.in_flight.sort_by_key(|&(at, ..)| at);
        }
        self.a.handle_timeout(now);
        self.b.handle_timeout(now);
        self.flush();
    }

    fn next(&self) -> Instant {
        let timers = [self.a.poll_timeout(), self.b.poll_timeout()];
        let timers = timers.into_iter().flatten().map(|(at, _)| at);
        let arrivals = self.in_flight.iter().map(|&(at, ..)| at);
        timers
            .chain(arrivals)
            .min()
            .expect("a session always has a timer")
    }

    fn flush(&mut self) {
        for (from_a, session) in [(true, &mut self.a), (false, &mut self.b)] {
            while let Some(packet) = session.poll_transmit(self.now) {
                if !self.cut && self.rng.random::<f64>() >= self.loss {
                    self.in_flight
                        .push((self.now + self.delay, !from_a, packet.encode()));
                }
            }
        }
    }
}
