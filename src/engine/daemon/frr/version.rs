//! Which FRR the host has, and what is known to be wrong with it.

use std::{
    fmt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A release of FRR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FrrVersion(pub u32, pub u32, pub u32);

impl FrrVersion {
    /// Reads `bgpd version 8.4.4` or `FRRouting 10.2 (host) …`; a missing patch level is 0.
    pub fn parse(text: &str) -> Option<Self> {
        text.split(|c: char| c.is_whitespace() || c == '-')
            .find_map(|word| {
                let mut parts = word.split('.').map(|part| part.parse::<u32>().ok());
                let (major, minor) = (parts.next()??, parts.next()??);
                let patch = parts.next().flatten().unwrap_or(0);
                Some(Self(major, minor, patch))
            })
    }
}

impl fmt::Display for FrrVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// Where FRR's daemons live and their version; `None` when FRR is not installed.
pub fn find() -> Option<(PathBuf, FrrVersion)> {
    [
        "/usr/lib/frr",
        "/usr/libexec/frr",
        "/usr/local/sbin",
        "/usr/sbin",
    ]
    .iter()
    .map(Path::new)
    .filter(|directory| directory.join("zebra").is_file() && directory.join("bgpd").is_file())
    .find_map(|directory| {
        let output = Command::new(directory.join("bgpd"))
            .arg("--version")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        let version = FrrVersion::parse(&String::from_utf8_lossy(&output.stdout))?;
        Some((directory.to_path_buf(), version))
    })
}

/// A defect of this release that changes failover, in a sentence.
pub fn known_defect(version: FrrVersion) -> Option<&'static str> {
    match version {
        FrrVersion(10, 4 | 5, 0..=4) => Some(
            "FRR 10.4.0-10.4.4 and 10.5.0-10.5.4 delay the teardown that BFD triggers by 30 s unless the neighbour's timers are explicit (FRR issue 22097); backhoe's generated configurations set them",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_the_daemons_print() {
        assert_eq!(
            FrrVersion::parse("bgpd version 8.4.4\nCopyright"),
            Some(FrrVersion(8, 4, 4))
        );
        assert_eq!(
            FrrVersion::parse("FRRouting 10.2 (vm)"),
            Some(FrrVersion(10, 2, 0))
        );
        assert_eq!(
            FrrVersion::parse("bgpd version 10.4.1-dev"),
            Some(FrrVersion(10, 4, 1))
        );
        assert_eq!(FrrVersion::parse("no number"), None);
    }

    #[test]
    fn the_releases_with_the_late_teardown_are_known() {
        assert!(known_defect(FrrVersion(10, 4, 1)).is_some());
        assert!(known_defect(FrrVersion(10, 5, 4)).is_some());
        assert!(known_defect(FrrVersion(10, 5, 5)).is_none());
        assert!(known_defect(FrrVersion(8, 4, 4)).is_none());
    }
}
