//! What a run comes to, as its command and `backhoe report` tell it.

use anyhow::Context as _;

use super::{Exit, output};
use crate::results::{
    measure::{RunResult, TrialsResult},
    replay::Replayed,
    report,
};

/// What `result.json` holds.
pub(super) enum Told {
    Run(Box<RunResult>),
    Series(Box<TrialsResult>),
}

impl From<Replayed> for Told {
    fn from(replayed: Replayed) -> Self {
        match replayed {
            Replayed::Run(run) => Self::Run(run),
            Replayed::Series(series) => Self::Series(series),
        }
    }
}

impl Told {
    pub(super) fn read(text: &str, series: bool) -> Result<Self, Exit> {
        Ok(match series {
            true => Self::Series(serde_json::from_str(text).context("result.json")?),
            false => Self::Run(serde_json::from_str(text).context("result.json")?),
        })
    }

    pub(super) fn succeeded(&self) -> bool {
        match self {
            Self::Run(run) => run.succeeded(),
            Self::Series(series) => series.succeeded(),
        }
    }

    /// For somebody who reads.
    pub(super) fn print(&self) -> Result<(), Exit> {
        let style = report::Style {
            colour: output::colour(),
            width: 100,
        };
        output::data(&match self {
            Self::Run(run) => report::terminal(run, style),
            Self::Series(series) => report::trials(series, style),
        })
    }

    /// As `result.json`.
    pub(super) fn print_json(&self) -> Result<(), Exit> {
        let text = match self {
            Self::Run(run) => report::json(run),
            Self::Series(series) => report::json(series),
        };
        output::data(&text.context("the result")?)
    }

    /// In Open Traffic Generator's terms.
    pub(super) fn print_otg(&self) -> Result<(), Exit> {
        match self {
            Self::Run(run) => output::json(&report::otg(run)),
            Self::Series(_) => Err(Exit::Usage(
                "OTG's metrics are of one run: say which trial, with --trial N".to_owned(),
            )),
        }
    }

    /// For a pull request.
    pub(super) fn print_markdown(&self) -> Result<(), Exit> {
        output::data(&match self {
            Self::Run(run) => report::markdown(run),
            Self::Series(series) => report::trials_markdown(series),
        })
    }
}
