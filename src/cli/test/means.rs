//! How many labs this host runs at once without one disturbing what is measured in another.

use std::thread;

use crate::{
    lab::model::Lab,
    os::{clock, host, memory, pressure},
};

/// Of one processor, what each packet costs at each link it may cross: pacing, a wire in user
/// space, the record of it. Measured on a 2 GHz core, and rounded up.
const PER_PACKET_AND_LINK: f64 = 6e-6;
/// What a lab takes besides, while its sessions come up, and each of its nodes.
const PER_LAB: f64 = 0.15;
const PER_NODE: f64 = 0.02;
/// Memory of a lab without nodes, and of each with its daemons, bytes.
const LAB_BYTES: u64 = 64 << 20;
const NODE_BYTES: u64 = 24 << 20;
/// So much of the processors' time may be given away: the rest is for what nobody foresaw.
const GIVEN: f64 = 0.5;
/// A host whose threads wake up later than this at worst (99 in 100 do not), microseconds, runs
/// one lab at a time.
const LATE_US: f64 = 2_000.0;
/// While something waits for a processor for more of the time than this, no further lab begins.
const WAITED: f64 = 0.25;

/// What a lab takes of the host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Weight {
    /// Of one processor.
    processors: f64,
    bytes: u64,
}

impl Weight {
    pub(super) fn of(lab: &Lab) -> Self {
        let nodes = lab.nodes.len()
            + lab
                .nodes
                .values()
                .map(|node| node.hosts.len())
                .sum::<usize>();
        let packets: f64 = lab
            .probes
            .values()
            .map(|probe| 2.0 * f64::from(probe.rate))
            .sum();
        // No packet crosses them all.
        let links = lab.links.len().min(6) as f64;
        Self {
            processors: PER_LAB + PER_NODE * nodes as f64 + packets * links * PER_PACKET_AND_LINK,
            bytes: LAB_BYTES + NODE_BYTES * nodes as u64,
        }
    }
}

/// The host, and what is running on it.
#[derive(Debug)]
pub(super) struct Means {
    /// `--jobs`.
    fixed: Option<usize>,
    /// Processors that may be given away.
    processors: f64,
    /// The clock, and how long something had waited by then.
    before: Option<(u64, u64)>,
}

impl Means {
    /// Measures how well the host keeps time, where `fixed` leaves it to us.
    pub(super) fn of_host(fixed: Option<usize>) -> Self {
        let processors = thread::available_parallelism().map_or(1.0, |n| n.get() as f64);
        let is_late = fixed.is_none() && host::timing().wake_p99_us > LATE_US;
        Self {
            fixed,
            processors: if is_late { 0.0 } else { processors * GIVEN },
            before: pressure::cpu_waited_us().map(|waited| (clock::mono_ns() / 1000, waited)),
        }
    }

    /// Whether a lab may begin beside those that run.
    pub(super) fn have_room(&mut self, lab: Weight, running: &[Weight]) -> bool {
        if running.is_empty() {
            return true;
        }
        if let Some(jobs) = self.fixed {
            return running.len() < jobs;
        }
        let taken: f64 = running.iter().map(|lab| lab.processors).sum();
        taken + lab.processors <= self.processors && self.has_memory(lab) && !self.is_pressed()
    }

    fn has_memory(&self, lab: Weight) -> bool {
        // Unknown is not little.
        memory::available().is_none_or(|available| available / 2 >= lab.bytes)
    }

    /// Whether something waited for a processor since this was last asked.
    fn is_pressed(&mut self) -> bool {
        let Some((then, waited_then)) = self.before else {
            return false;
        };
        let (now, Some(waited)) = (clock::mono_ns() / 1000, pressure::cpu_waited_us()) else {
            return false;
        };
        let passed = now.saturating_sub(then);
        if passed < 200_000 {
            // Too short to tell; the last lab has only just begun.
            return true;
        }
        self.before = Some((now, waited));
        waited.saturating_sub(waited_then) as f64 / passed as f64 > WAITED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(processors: f64) -> Means {
        Means {
            fixed: None,
            processors,
            before: None,
        }
    }

    const LIGHT: Weight = Weight {
        processors: 0.4,
        bytes: 0,
    };

    #[test]
    fn a_lab_always_runs_and_others_beside_it_where_there_is_room() {
        let heavy = Weight {
            processors: 9.0,
            bytes: u64::MAX,
        };
        assert!(host(1.0).have_room(heavy, &[]));
        assert!(host(1.0).have_room(LIGHT, &[LIGHT]));
        assert!(!host(1.0).have_room(LIGHT, &[LIGHT, LIGHT]));
        assert!(!host(1.0).have_room(LIGHT, &[heavy]));
        assert!(!host(99.0).have_room(heavy, &[LIGHT]), "no memory");
    }

    #[test]
    fn a_number_of_jobs_is_what_was_asked_for() {
        let mut means = Means {
            fixed: Some(2),
            ..host(0.0)
        };
        assert!(means.have_room(LIGHT, &[LIGHT]));
        assert!(!means.have_room(LIGHT, &[LIGHT, LIGHT]));
    }
}
