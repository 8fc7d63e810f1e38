//! What `test` and `merge` write: documents for machines, and what a CI system reads.

use std::{
    env,
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args as ClapArgs;

use super::super::{Exit, output};
use crate::results::suite::{self, Suite};

/// In which further forms the verdicts come.
#[derive(Debug, Clone, ClapArgs)]
pub(in crate::cli) struct Forms {
    /// JUnit's XML, which most CI systems read
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(in crate::cli) junit: Option<PathBuf>,
    /// For GitHub Actions: annotations at the lab files' lines on stdout, and a summary with plots
    /// in the file that $GITHUB_STEP_SUMMARY names
    #[arg(long, conflicts_with = "json")]
    pub(in crate::cli) github: bool,
}

impl Forms {
    /// Whether any is wanted.
    pub(in crate::cli) fn any(&self) -> bool {
        self.junit.is_some() || self.github
    }

    /// Fails before an hour of runs where it would fail after.
    pub(in crate::cli) fn try_out(&self) -> Result<(), Exit> {
        let Some(path) = &self.junit else {
            return Ok(());
        };
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map(drop)
            .map_err(|error| Exit::Usage(format!("cannot write to {}: {error}", path.display())))
    }

    pub(in crate::cli) fn write(&self, suite: &Suite) -> Result<(), Exit> {
        if let Some(path) = &self.junit {
            fs::write(path, suite::junit(suite)).with_context(|| path.display().to_string())?;
        }
        if self.github {
            output::data(&suite::annotations(suite, from_repository))?;
            if let Some(path) = env::var_os("GITHUB_STEP_SUMMARY") {
                let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
                file.write_all(suite::summary(suite).as_bytes())?;
            }
        }
        Ok(())
    }
}

/// A path as GitHub knows it: from the repository's root.
fn from_repository(file: &str) -> String {
    let there = |root: PathBuf| {
        let path = env::current_dir().ok()?.join(file);
        let path = fs::canonicalize(&path).unwrap_or(path);
        let root = fs::canonicalize(&root).unwrap_or(root);
        Some(path.strip_prefix(root).ok()?.display().to_string())
    };
    env::var_os("GITHUB_WORKSPACE")
        .and_then(|root| there(PathBuf::from(root)))
        .unwrap_or_else(|| file.trim_start_matches("./").to_owned())
}

/// Where a suite's document is.
pub(in crate::cli) fn document(out_dir: &Path) -> PathBuf {
    out_dir.join("test.json")
}
