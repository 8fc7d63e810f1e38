//! The cut: a record of when the lane opened and fell silent, so that a packet
//! is judged by the instant it was sent, however late somebody looks at it.

use super::Ns;

/// How many past transitions are remembered; a packet is never looked at so
/// late that more of them lie between its sending and its judgement.
const REMEMBERED: usize = 64;

/// Whether packets that arrive at a lane may enter it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GateState {
    /// They may.
    Open,
    /// They vanish.
    Silent,
}

/// The lane's states over time.
#[derive(Debug, Clone)]
pub struct Gate {
    /// Before every remembered transition.
    first: GateState,
    /// Ascending in time.
    transitions: Vec<(Ns, GateState)>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            first: GateState::Open,
            transitions: Vec::new(),
        }
    }
}

impl Gate {
    /// From `at` on the lane is in `state`. An instant before the latest
    /// transition counts as that transition's.
    pub fn set(&mut self, at: Ns, state: GateState) {
        if self.latest() == state {
            return;
        }
        let at = self
            .transitions
            .last()
            .map_or(at, |&(last, _)| last.max(at));
        self.transitions.push((at, state));
        if self.transitions.len() > REMEMBERED {
            let (_, state) = self.transitions.remove(0);
            self.first = state;
        }
    }

    /// The state a packet sent at `at` meets.
    pub fn at(&self, at: Ns) -> GateState {
        self.transitions
            .iter()
            .rev()
            .find(|&&(since, _)| since <= at)
            .map_or(self.first, |&(_, state)| state)
    }

    /// The state after every transition.
    pub fn latest(&self) -> GateState {
        self.transitions
            .last()
            .map_or(self.first, |&(_, state)| state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_judged_by_the_instant_it_was_sent() {
        let mut gate = Gate::default();
        gate.set(100, GateState::Silent);
        gate.set(200, GateState::Open);
        assert_eq!(gate.at(99), GateState::Open);
        assert_eq!(gate.at(100), GateState::Silent);
        assert_eq!(gate.at(199), GateState::Silent);
        assert_eq!(gate.at(200), GateState::Open);
        assert_eq!(gate.latest(), GateState::Open);
    }

    #[test]
    fn endless_flapping_keeps_the_recent_past() {
        let mut gate = Gate::default();
        for n in 0..1000 {
            gate.set(n * 20, GateState::Silent);
            gate.set(n * 20 + 10, GateState::Open);
        }
        assert_eq!(gate.at(999 * 20 + 5), GateState::Silent);
        assert_eq!(gate.at(999 * 20 + 15), GateState::Open);
        assert_eq!(gate.at(990 * 20 + 9), GateState::Silent);
        assert!(gate.transitions.len() <= REMEMBERED);
    }
}
