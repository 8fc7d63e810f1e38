//! What sender, receiver and the scenario's executor share about one flow.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use crate::results::event::{Arrival, MonoNs};

/// A flow as it stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LiveFlow {
    /// Sequence numbers used so far, refused sends included.
    pub sent: u64,
    /// Sends the kernel refused.
    pub unsent: u64,
    /// Distinct packets delivered.
    pub received: u64,
    /// Highest sequence number delivered.
    pub highest_seq: Option<u32>,
    /// When the latest packet arrived.
    pub last_arrival: Option<MonoNs>,
    /// One-way delay of the latest arrival, nanoseconds.
    pub last_delay_ns: u64,
}

/// The unbroken run of deliveries a flow is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recovery {
    /// First sequence number of the run.
    pub first_seq: u32,
    /// When it was sent.
    pub first_sent: MonoNs,
    /// Packets in the run.
    pub length: u32,
}

/// One flow's shared state. The sender only touches atomics, so that no reader
/// can delay it; the receiver's log is behind a lock, which costs nothing
/// where the kernel stamps arrivals.
#[derive(Debug, Default)]
pub(super) struct FlowState {
    sent: AtomicU64,
    unsent: AtomicU64,
    log: Mutex<ReceiveLog>,
}

#[derive(Debug, Default)]
pub(super) struct ReceiveLog {
    arrivals: Vec<Arrival>,
    /// Send time by sequence number; 0: not delivered.
    delivered: Vec<MonoNs>,
    distinct: u64,
    last_delay_ns: u64,
    last_arrival: Option<MonoNs>,
}

impl FlowState {
    /// Called before packet `seq` is sent, so that its arrival is never a surprise.
    pub(super) fn sending(&self, seq: u64) {
        self.sent.store(seq + 1, Ordering::Release);
    }

    pub(super) fn refused(&self) {
        self.unsent.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Acquire)
    }

    pub(super) fn unsent(&self) -> u64 {
        self.unsent.load(Ordering::Relaxed)
    }

    /// Logs an arrival; false when no such packet was ever sent.
    pub(super) fn arrived(&self, arrival: Arrival, sent_ns: MonoNs) -> bool {
        if u64::from(arrival.seq) >= self.sent() {
            return false;
        }
        self.lock().add(arrival, sent_ns);
        true
    }

    pub(super) fn all_delivered(&self) -> bool {
        self.lock().distinct + self.unsent() >= self.sent()
    }

    pub(super) fn live(&self) -> LiveFlow {
        let log = self.lock();
        LiveFlow {
            sent: self.sent(),
            unsent: self.unsent(),
            received: log.distinct,
            highest_seq: log.delivered.len().checked_sub(1).map(|seq| seq as u32),
            last_arrival: log.last_arrival,
            last_delay_ns: log.last_delay_ns,
        }
    }

    pub(super) fn deliveries_after(&self, after: MonoNs) -> u64 {
        self.lock().deliveries_after(after)
    }

    pub(super) fn run_after(&self, after: MonoNs) -> Option<Recovery> {
        self.lock().run_after(after)
    }

    pub(super) fn take_arrivals(&self) -> Vec<Arrival> {
        std::mem::take(&mut self.lock().arrivals)
    }

    fn lock(&self) -> MutexGuard<'_, ReceiveLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReceiveLog {
    fn add(&mut self, arrival: Arrival, sent_ns: MonoNs) {
        let seq = arrival.seq as usize;
        if self.delivered.len() <= seq {
            self.delivered.resize(seq + 1, 0);
        }
        if let Some(sent) = self.delivered.get_mut(seq)
            && *sent == 0
        {
            *sent = sent_ns.max(1);
            self.distinct += 1;
        }
        self.last_delay_ns = arrival.at.saturating_sub(sent_ns);
        self.last_arrival = Some(arrival.at);
        self.arrivals.push(arrival);
    }

    /// Distinct packets delivered that were sent after `after`.
    fn deliveries_after(&self, after: MonoNs) -> u64 {
        self.delivered
            .iter()
            .rev()
            .filter(|sent| **sent != 0)
            .take_while(|sent| **sent > after)
            .count() as u64
    }

    /// The unbroken run that ends at the highest delivered sequence number,
    /// without packets sent at or before `after`.
    fn run_after(&self, after: MonoNs) -> Option<Recovery> {
        let length = self
            .delivered
            .iter()
            .rev()
            .take_while(|sent| **sent > after && **sent != 0)
            .count();
        let first = self.delivered.len() - length;
        self.delivered
            .get(first)
            .filter(|_| length > 0)
            .map(|sent| Recovery {
                first_seq: first as u32,
                first_sent: *sent,
                length: length as u32,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(delivered: &[u32]) -> FlowState {
        let state = FlowState::default();
        for seq in 0..=delivered.iter().copied().max().unwrap_or(0) {
            state.sending(seq.into());
        }
        for &seq in delivered {
            let sent = MonoNs::from(seq) * 1_000 + 1;
            let arrival = Arrival {
                seq,
                at: sent + 50,
                ttl: 60,
            };
            assert!(state.arrived(arrival, sent));
        }
        state
    }

    #[test]
    fn a_run_starts_after_the_last_gap_and_after_the_instant_asked_for() {
        let state = flow(&[0, 1, 2, 6, 7, 8]);
        let run = |after| state.run_after(after).map(|r| (r.first_seq, r.length));
        assert_eq!(run(0), Some((6, 3)));
        assert_eq!(run(6_001), Some((7, 2)));
        assert_eq!(run(8_001), None);
        assert_eq!(state.run_after(0).map(|r| r.first_sent), Some(6_001));
    }

    #[test]
    fn reordering_and_duplicates_do_not_break_a_run() {
        let state = flow(&[0, 3, 3, 1, 2]);
        assert_eq!(
            state.run_after(0).map(|r| (r.first_seq, r.length)),
            Some((0, 4))
        );
        assert_eq!(state.live().received, 4);
        assert_eq!(state.live().highest_seq, Some(3));
        assert!(state.all_delivered());
    }

    #[test]
    fn deliveries_are_counted_by_send_time() {
        let state = flow(&[0, 1, 5, 9, 7]);
        assert_eq!(state.deliveries_after(5_000), 3);
        assert_eq!(state.deliveries_after(5_001), 2);
        assert_eq!(state.deliveries_after(99_999), 0);
        assert!(!state.all_delivered());
    }

    #[test]
    fn packets_nobody_sent_are_strays() {
        let state = flow(&[0, 1]);
        let arrival = Arrival {
            seq: u32::MAX,
            at: 9,
            ttl: 1,
        };
        assert!(!state.arrived(arrival, 5));
        assert_eq!(state.live().received, 2);
        assert!(FlowState::default().run_after(0).is_none());
    }
}
