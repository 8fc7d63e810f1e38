//! Releases of routing suites, and what is known to be wrong with some.

use std::{fmt, path::Path, process::Command, process::Stdio};

use crate::units::Suite;

/// A release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// Reads `bgpd version 8.4.4`, `FRRouting 10.2 (host) …` or `BIRD version 2.0.12`;
    /// a missing patch level is 0.
    pub fn parse(text: &str) -> Option<Self> {
        text.split(|c: char| c.is_whitespace() || matches!(c, '-' | '+'))
            .find_map(|word| {
                let mut parts = word.split('.').map(|part| part.parse::<u32>().ok());
                let (major, minor) = (parts.next()??, parts.next()??);
                let patch = parts.next().flatten().unwrap_or(0);
                Some(Self(major, minor, patch))
            })
    }

    /// What a program says to `--version`; BIRD says it on standard error.
    pub(super) fn of_program(program: &Path) -> Option<Self> {
        let output = Command::new(program)
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .ok()?;
        [output.stdout, output.stderr]
            .iter()
            .find_map(|text| Self::parse(&String::from_utf8_lossy(text)))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// The word behind `name` in what a running daemon says of itself: `8.4.4` of
/// `FRRouting 8.4.4 (dc1) on Linux(6.1).`, `2.0.12` of `BIRD 2.0.12`.
pub(super) fn release(said: &str, name: &str) -> Option<String> {
    let mut lines = said.lines();
    lines.find_map(|line| {
        let mut words = line.split_whitespace();
        words.find(|word| *word == name)?;
        let release = words.next()?.trim_end_matches('.');
        let is_one = release.starts_with(|c: char| c.is_ascii_digit());
        is_one.then(|| release.to_owned())
    })
}

/// A defect of this release that changes failover, in a sentence.
pub fn known_defect(suite: Suite, version: Version) -> Option<&'static str> {
    match (suite, version) {
        (Suite::Frr, Version(10, 4 | 5, 0..=4)) => Some(
            "FRR 10.4.0-10.4.4 and 10.5.0-10.5.4 delay the teardown that BFD triggers by 30 s unless the neighbour's timers are explicit (FRR issue 22097); backhoe's generated configurations set them",
        ),
        (Suite::Bird, version) if version < Version(2, 0, 8) => Some(
            "BIRD before 2.0.8 knows no BFD timers per session, which backhoe's generated configurations set: it refuses sessions with BFD",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_the_daemons_print() {
        for (text, version) in [
            ("bgpd version 8.4.4\nCopyright", Some(Version(8, 4, 4))),
            ("FRRouting 10.2 (vm)", Some(Version(10, 2, 0))),
            ("bgpd version 10.4.1-dev", Some(Version(10, 4, 1))),
            ("BIRD version 2.0.12\n", Some(Version(2, 0, 12))),
            ("BIRD version 3.1.2+branch.x", Some(Version(3, 1, 2))),
            ("no number", None),
        ] {
            assert_eq!(Version::parse(text), version, "{text}");
        }
    }

    #[test]
    fn a_running_daemons_release_is_its_own_word() {
        for (said, name, word) in [
            (
                "FRRouting 8.4.4 (dc1) on Linux(6.18.44).\nCopyright 1996-2005",
                "FRRouting",
                Some("8.4.4"),
            ),
            ("FRRouting 10.2-dev (vm).", "FRRouting", Some("10.2-dev")),
            ("BIRD 2.0.12", "BIRD", Some("2.0.12")),
            ("Router ID is 10.0.0.1", "BIRD", None),
            ("BIRD is up", "BIRD", None),
        ] {
            assert_eq!(release(said, name).as_deref(), word, "{said}");
        }
    }

    #[test]
    fn the_releases_with_the_late_teardown_are_known() {
        let is_bad = |suite, version| known_defect(suite, version).is_some();
        assert!(is_bad(Suite::Frr, Version(10, 4, 1)));
        assert!(is_bad(Suite::Frr, Version(10, 5, 4)));
        assert!(!is_bad(Suite::Frr, Version(10, 5, 5)));
        assert!(!is_bad(Suite::Frr, Version(8, 4, 4)));
        assert!(!is_bad(Suite::Bird, Version(10, 4, 1)));
    }

    #[test]
    fn a_bird_without_bfd_timers_per_session_is_known() {
        assert!(known_defect(Suite::Bird, Version(2, 0, 7)).is_some());
        assert!(known_defect(Suite::Bird, Version(2, 0, 8)).is_none());
    }
}
