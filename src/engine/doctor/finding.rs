//! What is said of one thing looked at.

use serde::Serialize;

/// How good the news is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The real thing is there.
    Good,
    /// Something else will stand in for it, at a cost.
    Fallback,
    /// Labs that need it will not run here.
    Missing,
    /// No lab runs here.
    Fatal,
}

/// One thing looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked for.
    pub what: String,
    /// How good the news is.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What backhoe uses.
    pub uses: String,
    /// What that costs, where it is not the real thing.
    pub costs: Option<String>,
    /// The one command that improves it.
    pub improve: Option<String>,
}

pub(super) fn finding(
    what: &str,
    verdict: Verdict,
    found: impl Into<String>,
    uses: &str,
    improve: Option<&str>,
) -> Finding {
    Finding {
        what: what.to_owned(),
        verdict,
        found: found.into(),
        uses: uses.to_owned(),
        costs: None,
        improve: improve.map(str::to_owned),
    }
}

impl Finding {
    pub(super) fn costing(mut self, costs: impl Into<String>) -> Self {
        self.costs = Some(costs.into());
        self
    }
}
