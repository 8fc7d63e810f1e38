//! Where FRR is, and what it thinks of a configuration.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::super::{Complaint, Version};

/// An FRR on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrrInstall {
    /// Where zebra, bgpd and the others are.
    pub daemons: PathBuf,
    /// The integrated shell.
    pub vtysh: PathBuf,
    /// The release.
    pub version: Version,
}

impl FrrInstall {
    /// The FRR below `prefix`, which may also be the daemons' own directory;
    /// without one, where packages put it. `None` when there is none that runs.
    pub fn find(prefix: Option<&Path>) -> Option<Self> {
        let daemons = match prefix {
            Some(prefix) => ["", "sbin", "lib/frr", "libexec/frr", "usr/lib/frr"]
                .map(|part| prefix.join(part))
                .to_vec(),
            None => [
                "/usr/lib/frr",
                "/usr/libexec/frr",
                "/usr/local/sbin",
                "/usr/sbin",
            ]
            .map(PathBuf::from)
            .to_vec(),
        };
        let daemons = daemons
            .into_iter()
            .find(|at| at.join("zebra").is_file() && at.join("bgpd").is_file())?;
        let version = Version::of_program(&daemons.join("bgpd"))?;
        let shells = match prefix {
            Some(prefix) => ["bin/vtysh", "vtysh", "sbin/vtysh", "usr/bin/vtysh"]
                .map(|part| prefix.join(part))
                .to_vec(),
            None => ["/usr/bin/vtysh", "/usr/local/bin/vtysh"]
                .map(PathBuf::from)
                .to_vec(),
        };
        let vtysh = shells.into_iter().find(|path| path.is_file())?;
        Some(Self {
            daemons,
            vtysh,
            version,
        })
    }

    /// What vtysh refuses in a configuration. It knows every daemon's commands and
    /// needs none of them to run; what only a daemon can know it cannot say.
    pub fn check(&self, config: &Path) -> std::io::Result<Vec<Complaint>> {
        let output = Command::new(&self.vtysh)
            .args(["-C", "-f"])
            .arg(config)
            .stdin(Stdio::null())
            .output()?;
        if output.status.success() {
            return Ok(Vec::new());
        }
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.push_str(&String::from_utf8_lossy(&output.stderr));
        Ok(complaints(&text))
    }
}

/// Reads `line 2: % Unknown command[25]:  neighbour 1.1.1.1 remote-as 2`. Its
/// complaints about its own files have no line and are not about ours.
fn complaints(text: &str) -> Vec<Complaint> {
    text.lines()
        .filter_map(|line| {
            let (number, message) = line.strip_prefix("line ")?.split_once(':')?;
            Some(Complaint {
                line: number.trim().parse().ok()?,
                column: None,
                message: message.trim().trim_start_matches("% ").to_owned(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vtyshs_complaints_keep_their_lines() {
        let text = "% Can't open configuration file /etc/frr/vtysh.conf due to 'Permission denied'.\n\
                    line 2: % Unknown command[25]:  neighbour 1.1.1.1 remote-as 2\n\
                    line x: what\n";
        assert_eq!(
            complaints(text),
            [Complaint {
                line: 2,
                column: None,
                message: "Unknown command[25]:  neighbour 1.1.1.1 remote-as 2".to_owned(),
            }]
        );
    }
}
