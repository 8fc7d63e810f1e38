//! What the daemons themselves think of the configurations that users write for them.

use std::path::{Path, PathBuf};

use super::{Exit, finding::Finding, output};
use crate::{
    engine::daemon::Installed,
    lab::model::{Daemon, Lab, OwnConfig},
    units::{NodeName, Suite},
};

/// Asks each daemon, where it is installed, about the configuration the user wrote
/// for it. Its words appear with their place in the user's file, all of them before
/// anything is built.
pub(super) fn check(lab_file: &str, lab: &Lab) -> Result<(), Exit> {
    let mut findings = Vec::new();
    for (name, node) in &lab.nodes {
        let Daemon::External(external) = &node.daemon else {
            continue;
        };
        if let Some(own) = &external.config
            && let Some(installed) = Installed::find(external.suite, external.install.as_deref())
        {
            let of = (name, external.suite);
            findings.extend(complaints(&installed, of, own, Path::new(lab_file))?);
        }
    }
    if findings.is_empty() {
        return Ok(());
    }
    findings
        .iter()
        .for_each(|finding| output::talk(&finding.to_string()));
    let text = format!("{lab_file}: a daemon refuses its configuration; nothing was built");
    Err(Exit::LabFile(text, findings))
}

fn complaints(
    installed: &Installed,
    (node, suite): (&NodeName, Suite),
    own: &OwnConfig,
    lab_file: &Path,
) -> Result<Vec<Finding>, Exit> {
    let file = beside(lab_file, &own.path);
    let complaints = installed.check(&file).map_err(|error| {
        Exit::Host(format!(
            "{suite} cannot be asked about {}: {error}",
            file.display()
        ))
    })?;
    let finding = |complaint: crate::engine::daemon::Complaint| {
        Finding::at(
            &file.display().to_string(),
            (complaint.line, complaint.column),
            "daemon-refuses",
            format!("{suite} of `{node}`: {}", complaint.message),
        )
    };
    Ok(complaints.into_iter().map(finding).collect())
}

/// The file that a lab file names.
pub(super) fn beside(lab_file: &Path, name: &str) -> PathBuf {
    lab_file
        .parent()
        .unwrap_or_else(|| Path::new(""))
        .join(name)
}
