//! How long something on the host has had to wait for a processor, and how much of the processors'
//! time the host itself was denied.

use std::fs;

/// Microseconds in which at least one task was ready to run and had none, since
/// the host started; `None` where the kernel does not count them (`CONFIG_PSI`).
pub fn cpu_waited_us() -> Option<u64> {
    some_total(&fs::read_to_string("/proc/pressure/cpu").ok()?)
}

/// What the processors have done since the host started, in the kernel's ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticks {
    /// All of them.
    pub all: u64,
    /// Those in which a processor was ready to run and its hypervisor ran something else.
    pub stolen: u64,
}

impl Ticks {
    /// Those of all processors until now; `None` where they cannot be read.
    pub fn now() -> Option<Self> {
        Self::of(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// Share of the time between `before` and this that was stolen, 0 to 1.
    pub fn stolen_since(self, before: Self) -> f64 {
        let all = self.all.saturating_sub(before.all);
        let stolen = self.stolen.saturating_sub(before.stolen);
        (stolen as f64 / all.max(1) as f64).min(1.0)
    }

    /// Of the line `cpu`: user, nice, system, idle, iowait, irq, softirq, steal; what guests had
    /// is in the first two already (proc(5)).
    fn of(text: &str) -> Option<Self> {
        let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let ticks = line.split_whitespace().take(8).map(str::parse);
        let ticks: Vec<u64> = ticks.collect::<Result<_, _>>().ok()?;
        Some(Self {
            all: ticks.iter().sum(),
            stolen: *ticks.get(7)?,
        })
    }
}

/// The total of the line `some`.
fn some_total(text: &str) -> Option<u64> {
    let mut words = text
        .lines()
        .find_map(|line| line.strip_prefix("some "))?
        .split(' ');
    words
        .find_map(|word| word.strip_prefix("total="))?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_of_some_is_read() {
        let text = "some avg10=71.59 avg60=80.49 avg300=59.36 total=1037985543\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";
        assert_eq!(some_total(text), Some(1_037_985_543));
        assert_eq!(some_total("full total=7\n"), None);
    }

    #[test]
    fn stolen_time_is_a_share_of_all() {
        let text =
            |stolen| format!("cpu  100 20 30 840 0 0 10 {stolen} 6 0\ncpu0 1 2 3 4 5 6 7 8 9 0\n");
        let [before, after] = [0, 250].map(|stolen| Ticks::of(&text(stolen)).unwrap());
        assert_eq!((before.all, before.stolen), (1_000, 0));
        assert_eq!((after.all, after.stolen), (1_250, 250));
        assert_eq!(after.stolen_since(before), 1.0);
        let later = Ticks {
            all: 2_000,
            stolen: 50,
        };
        assert_eq!(later.stolen_since(before), 0.05);
        // A kernel that does not count it.
        assert_eq!(Ticks::of("cpu 1 2 3 4\n"), None);
    }
}
