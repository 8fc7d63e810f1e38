//! What the daemons themselves think of the configurations that users write for them.

use std::path::{Path, PathBuf};

use super::{Exit, finding::Finding, output};
use crate::{
    engine::daemon::{Installed, strongswan},
    lab::model::{Daemon, Lab, OwnConfig, tunnel_name},
    os::clock,
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
    findings.extend(of_tunnels(Path::new(lab_file), lab)?);
    findings.extend(out_of_date(Path::new(lab_file), lab));
    if findings.is_empty() {
        return Ok(());
    }
    findings
        .iter()
        .for_each(|finding| output::talk(&finding.to_string()));
    let text = format!("{lab_file}: a daemon refuses its configuration; nothing was built");
    Err(Exit::LabFile(text, findings))
}

/// Certificates of the user's own that are not valid now.
fn out_of_date(lab_file: &Path, lab: &Lab) -> Vec<Finding> {
    let now = i64::try_from(clock::real_ns() / 1_000_000_000).unwrap_or(i64::MAX);
    let own = lab.sessions.iter().filter_map(|(name, session)| {
        let own = session.ipsec()?.own.as_ref()?;
        let why = if own.until.seconds <= now {
            format!("expired {}", own.until.text)
        } else if own.since.seconds > now {
            format!("not valid before {}", own.since.text)
        } else {
            return None;
        };
        let file = beside(lab_file, &own.certificate.path);
        Some(Finding::at(
            &file.display().to_string(),
            (1, None),
            "certificate",
            format!(
                "the certificate of session `{name}`, or one that vouches for it in `{}`: {why}",
                own.ca
            ),
        ))
    });
    own.collect()
}

/// What swanctl refuses in the users' own files, where strongSwan is installed.
fn of_tunnels(lab_file: &Path, lab: &Lab) -> Result<Vec<Finding>, Exit> {
    let mut findings = Vec::new();
    let vpns = lab.sessions.iter();
    let own = vpns.flat_map(|(name, session)| {
        let tunnels = session.ipsec().map(|ipsec| &ipsec.tunnels);
        let tunnels = tunnels.into_iter().flatten().enumerate();
        tunnels.filter_map(move |(index, tunnel)| {
            let config = tunnel.config.as_ref()?;
            Some((tunnel_name(name.as_str(), index + 1), config))
        })
    });
    let mut own = own.peekable();
    if own.peek().is_none() || strongswan::find().is_none() {
        return Ok(findings);
    }
    for (tunnel, config) in own {
        let file = beside(lab_file, &config.file.path);
        let complaints = strongswan::check(&file).map_err(|error| {
            let text = format!("swanctl cannot be asked about {}: {error}", file.display());
            Exit::Host(text)
        })?;
        findings.extend(complaints.into_iter().map(|complaint| {
            Finding::at(
                &file.display().to_string(),
                (complaint.line, complaint.column),
                "daemon-refuses",
                format!("strongSwan of tunnel `{tunnel}`: {}", complaint.message),
            )
        }));
    }
    Ok(findings)
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
