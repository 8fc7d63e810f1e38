//! From single checks to a verdict.

/// What is thought of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Verdict {
    /// Too few checks yet; counts as healthy, as at Route 53.
    #[default]
    Unknown,
    /// Its address may be given.
    Healthy,
    /// It may not while another one is healthy.
    Unhealthy,
}

/// One endpoint's checks.
#[derive(Debug, Clone)]
pub struct Health {
    threshold: u32,
    verdict: Verdict,
    last: Option<bool>,
    in_a_row: u32,
}

impl Health {
    /// Nothing is known yet; `threshold` checks in a row change the verdict.
    pub fn new(threshold: u32) -> Self {
        Self {
            threshold: threshold.max(1),
            verdict: Verdict::Unknown,
            last: None,
            in_a_row: 0,
        }
    }

    /// What is thought now.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// How many checks have ended like the last one, without another in between.
    pub fn in_a_row(&self) -> u32 {
        self.in_a_row
    }

    /// Takes note of a check; true when the verdict is another one now.
    pub fn handle_check(&mut self, passed: bool) -> bool {
        if self.last == Some(passed) {
            self.in_a_row = self.in_a_row.saturating_add(1);
        } else {
            self.last = Some(passed);
            self.in_a_row = 1;
        }
        let verdict = match (passed, self.verdict) {
            // The first check that passes makes known what was only assumed.
            (true, Verdict::Unknown) => Verdict::Healthy,
            (true, Verdict::Unhealthy) if self.in_a_row >= self.threshold => Verdict::Healthy,
            (false, Verdict::Unknown | Verdict::Healthy) if self.in_a_row >= self.threshold => {
                Verdict::Unhealthy
            }
            (_, same) => same,
        };
        let changed = verdict != self.verdict;
        self.verdict = verdict;
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(threshold: u32, checks: &[bool]) -> (Verdict, Vec<usize>) {
        let mut health = Health::new(threshold);
        let changes = checks
            .iter()
            .enumerate()
            .filter_map(|(at, &passed)| health.handle_check(passed).then_some(at))
            .collect();
        (health.verdict(), changes)
    }

    #[test]
    fn only_as_many_failures_in_a_row_make_unhealthy_and_as_many_passes_healthy_again() {
        let (t, f) = (true, false);
        assert_eq!(after(3, &[t, f, f, t, f, f]), (Verdict::Healthy, vec![0]));
        assert_eq!(after(3, &[t, f, f, f]), (Verdict::Unhealthy, vec![0, 3]));
        assert_eq!(
            after(3, &[t, f, f, f, t, t, f, t, t, t]),
            (Verdict::Healthy, vec![0, 3, 9])
        );
        assert_eq!(after(1, &[f, t]), (Verdict::Healthy, vec![0, 1]));
    }

    #[test]
    fn what_never_answered_is_unknown_until_the_threshold() {
        assert_eq!(after(3, &[false, false]), (Verdict::Unknown, vec![]));
        assert_eq!(
            after(3, &[false, false, false]),
            (Verdict::Unhealthy, vec![2])
        );
    }
}
