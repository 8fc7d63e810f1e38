//! What of a routing suite can be said without starting it.

use std::path::Path;

use super::{Version, bird::BirdInstall, frr::FrrInstall, known_defect};
use crate::{lab::plan::SuiteFacts, units::Suite};

/// Something a daemon refuses in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, where the daemon says it.
    pub column: Option<u32>,
    /// The daemon's own words.
    pub message: String,
}

/// An installation that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Installed {
    /// FRR.
    Frr(FrrInstall),
    /// BIRD.
    Bird(BirdInstall),
}

impl Installed {
    /// Looks for it; `install` is the lab file's word for where. Costs a process.
    pub fn find(suite: Suite, install: Option<&str>) -> Option<Self> {
        let install = install.map(Path::new);
        match suite {
            Suite::Frr => FrrInstall::find(install).map(Self::Frr),
            Suite::Bird => BirdInstall::find(install).map(Self::Bird),
        }
    }

    /// The release.
    pub fn version(&self) -> Version {
        match self {
            Self::Frr(frr) => frr.version,
            Self::Bird(bird) => bird.version,
        }
    }

    /// Where it is: FRR's directory of daemons, BIRD's program.
    pub fn place(&self) -> &Path {
        match self {
            Self::Frr(frr) => &frr.daemons,
            Self::Bird(bird) => &bird.program,
        }
    }

    /// What the suite itself refuses in a configuration file.
    ///
    /// # Errors
    /// Its program could not be started.
    pub fn check(&self, config: &Path) -> std::io::Result<Vec<Complaint>> {
        match self {
            Self::Frr(frr) => frr.check(config),
            Self::Bird(bird) => bird.check(config),
        }
    }
}

/// What a plan has to know of an installation.
pub fn suite_facts(suite: Suite, install: Option<&str>) -> Option<SuiteFacts> {
    let version = Installed::find(suite, install)?.version();
    Some(SuiteFacts {
        suite,
        install: install.map(str::to_owned),
        version: version.to_string(),
        known_bad: known_defect(suite, version).map(str::to_owned),
    })
}
