//! `test.json`: what came of each lab. Fields are only ever added.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Shard;
use crate::results::measure::{Outage, RunResult};

/// Version of the document.
pub const FORMAT: u32 = 1;

/// What became of a selection of labs, or of one part of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Suite {
    /// Version of this format.
    pub format: u32,
    /// backhoe's version.
    pub version: String,
    /// The host's name.
    pub host: String,
    /// When it began, CLOCK_REALTIME, nanoseconds since 1970.
    pub began_realtime_ns: u64,
    /// Labs that did what they were to do, flaky ones among them.
    pub passed: usize,
    /// Of these: labs that did so at a later attempt.
    pub flaky: usize,
    /// Labs that did not.
    pub failed: usize,
    /// Labs that this host lacks something for.
    pub skipped: usize,
    /// Wall time.
    pub seconds: f64,
    /// Which part of the selection this is; absent: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// How many labs were selected, all parts together.
    pub selected: usize,
    /// SHA-256 of their files' names and contents, in order: by it parts know each other.
    pub selection: String,
    /// Where the runs' directories are.
    pub out_dir: String,
    /// In the selection's order.
    pub labs: Vec<Case>,
}

/// What became of one lab's scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Case {
    /// Its place in the selection, from 0.
    pub index: usize,
    /// The lab file, as it was found.
    pub file: String,
    /// The lab's name; unlike others' of the same selection.
    pub lab: String,
    /// What became of it.
    pub verdict: Verdict,
    /// Why it failed, in a word; of a flaky one, why it failed at first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Timers ran this many times faster than its file says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timers_scaled: Option<u32>,
    /// Wall time of its last attempt, from the command that ran it to its end.
    pub seconds: f64,
    /// What its faults cost, in a line.
    pub cost: String,
    /// Why it failed or was skipped, in lines.
    pub why: Vec<String>,
    /// What was expected beside what was measured, of each thing that was missed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shortfalls: Vec<Shortfall>,
    /// What each direction waited for, and what took longest; of a failed lab.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<String>,
    /// Attempts before the last, all of which failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    /// What was measured.
    pub outages: Vec<Outage>,
    /// The run's directory.
    pub out_dir: Option<String>,
    /// Files that were there and were left out of it, for their size or by `--keep`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// What became of a lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// A trusted result, every wait and every expectation met.
    Pass,
    /// The same, but not at the first attempt.
    Flaky,
    /// Not that.
    Fail,
    /// It cannot run here.
    Skip,
}

/// Why a lab failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// An expectation was missed or not measured.
    Expectation,
    /// What the scenario waited for did not come in time.
    Wait,
    /// The result is not trusted.
    Untrusted,
    /// It took longer than it was given, and was ended.
    Timeout,
    /// It came to no result.
    NoResult,
    /// Its sessions did not come up, or traffic did not get through, and what was seen says why.
    NotConverged,
}

impl Reason {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Expectation => "expectation",
            Self::Wait => "wait",
            Self::Untrusted => "untrusted",
            Self::Timeout => "timeout",
            Self::NoResult => "no-result",
            Self::NotConverged => "not-converged",
        }
    }

    /// Whether the lab itself spoke, and was measured: no accident of the test.
    pub const fn is_measured(self) -> bool {
        matches!(self, Self::Expectation | Self::Wait | Self::NotConverged)
    }
}

/// One thing that should have been, and what was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shortfall {
    /// What kind of thing.
    pub reason: Reason,
    /// Line of the lab file that wants it, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// And the column, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// What should have been.
    pub expected: String,
    /// What was, a direction each.
    pub measured: Vec<String>,
}

/// An attempt that failed, and was followed by another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// Why it failed.
    pub reason: Reason,
    /// It ran beside others on a host too busy for it to be trusted, and was run again alone: no
    /// sign that the lab is flaky.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub crowded: bool,
    /// Wall time.
    pub seconds: f64,
    /// In lines.
    pub why: Vec<String>,
    /// The run's directory.
    pub out_dir: Option<String>,
}

impl Suite {
    /// Counts anew what its labs say.
    pub fn count(&mut self) {
        let of = |verdict| {
            self.labs
                .iter()
                .filter(|lab| lab.verdict == verdict)
                .count()
        };
        self.flaky = of(Verdict::Flaky);
        self.passed = of(Verdict::Pass) + self.flaky;
        self.failed = of(Verdict::Fail);
        self.skipped = of(Verdict::Skip);
    }

    /// The documented exit code: 4 where a lab failed; 3 where none could run, or, if that
    /// counts, one could not.
    pub fn exit_code(&self, no_skip: bool) -> u8 {
        if self.failed > 0 {
            4
        } else if self.skipped > 0 && (no_skip || self.passed == 0) {
            3
        } else {
            0
        }
    }
}

/// What a run is no success for; empty when it is one. `column_of` a line of the lab file.
pub fn shortfalls(result: &RunResult, column_of: impl Fn(u32) -> Option<u32>) -> Vec<Shortfall> {
    let waits = result.waits_missed.iter().map(|wait| Shortfall {
        reason: Reason::Wait,
        line: None,
        column: None,
        expected: format!("{} within {} ms", wait.what, wait.within_ms),
        measured: vec!["not seen in that time".to_owned()],
    });
    let missed = result.expect.iter().filter(|e| e.met != Some(true));
    let missed = missed.map(|e| Shortfall {
        reason: Reason::Expectation,
        line: Some(e.line),
        column: column_of(e.line),
        expected: e.text.clone(),
        measured: e.measured.split("; ").map(str::to_owned).collect(),
    });
    let untrusted = result.warnings.iter().filter(|w| w.untrusted);
    let untrusted = untrusted.map(|w| Shortfall {
        reason: Reason::Untrusted,
        line: None,
        column: None,
        expected: "a result that can be trusted".to_owned(),
        measured: vec![format!("{}: {}", w.code, w.text)],
    });
    missed.chain(waits).chain(untrusted).collect()
}
