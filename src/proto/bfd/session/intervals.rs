//! The intervals of a session: configured, advertised, and in force (RFC 5880 §6.8.3).

use std::time::Duration;

/// RFC 5880 §6.8.3: the least DesiredMinTxInterval while the session is not Up.
const SLOW_US: u32 = 1_000_000;

/// What the two ends agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Negotiated {
    /// Our interval between packets, before jitter.
    pub tx: Duration,
    /// The peer's interval between packets, before jitter; zero before it is heard.
    pub rx: Duration,
    /// How long the peer may be silent; zero before it is heard.
    pub detection: Duration,
}

/// Two values each: what packets say, and what counts until a Final confirms it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Intervals {
    configured_tx_us: u32,
    configured_rx_us: u32,
    advertised_tx_us: u32,
    advertised_rx_us: u32,
    in_force_tx_us: u32,
    in_force_rx_us: u32,
}

impl Intervals {
    /// For a session that is not Up.
    pub(super) fn new(tx_us: u32, rx_us: u32) -> Self {
        let slow = tx_us.max(SLOW_US);
        Self {
            configured_tx_us: tx_us,
            configured_rx_us: rx_us,
            advertised_tx_us: slow,
            advertised_rx_us: rx_us,
            in_force_tx_us: slow,
            in_force_rx_us: rx_us,
        }
    }

    pub(super) fn configure(&mut self, tx_us: u32, rx_us: u32) {
        self.configured_tx_us = tx_us;
        self.configured_rx_us = rx_us;
    }

    /// Recomputes what packets say and returns whether that changed. A slower
    /// transmission or a faster reception waits for [`settle`](Self::settle)
    /// while Up, or the peer would time us out, or we it.
    pub(super) fn advertise(&mut self, up: bool) -> bool {
        let tx_us = if up {
            self.configured_tx_us
        } else {
            self.configured_tx_us.max(SLOW_US)
        };
        let before = (self.advertised_tx_us, self.advertised_rx_us);
        self.advertised_tx_us = tx_us;
        self.advertised_rx_us = self.configured_rx_us;
        if up {
            self.in_force_tx_us = self.in_force_tx_us.min(tx_us);
            self.in_force_rx_us = self.in_force_rx_us.max(self.configured_rx_us);
        } else {
            self.settle();
        }
        before != (self.advertised_tx_us, self.advertised_rx_us)
    }

    /// What is advertised comes into force.
    pub(super) fn settle(&mut self) {
        self.in_force_tx_us = self.advertised_tx_us;
        self.in_force_rx_us = self.advertised_rx_us;
    }

    pub(super) fn desired_min_tx_us(&self) -> u32 {
        self.advertised_tx_us
    }

    pub(super) fn required_min_rx_us(&self) -> u32 {
        self.advertised_rx_us
    }

    /// RFC 5880 §6.8.2 for transmission, §6.8.4 for detection.
    pub(super) fn negotiated(
        &self,
        remote_desired_min_tx_us: u32,
        remote_required_min_rx_us: u32,
        remote_multiplier: u8,
    ) -> Negotiated {
        let us = |us: u32| Duration::from_micros(u64::from(us));
        if remote_multiplier == 0 {
            return Negotiated {
                tx: us(self.in_force_tx_us.max(remote_required_min_rx_us)),
                ..Negotiated::default()
            };
        }
        let rx = us(self.in_force_rx_us.max(remote_desired_min_tx_us));
        Negotiated {
            tx: us(self.in_force_tx_us.max(remote_required_min_rx_us)),
            rx,
            detection: rx * u32::from(remote_multiplier),
        }
    }
}
