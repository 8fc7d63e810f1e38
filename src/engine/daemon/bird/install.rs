//! Where BIRD is, and what it thinks of a configuration.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::super::{Complaint, Version};

/// A BIRD on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BirdInstall {
    /// The program.
    pub program: PathBuf,
    /// The release.
    pub version: Version,
}

impl BirdInstall {
    /// This program; without one, where packages put it. `None` when there is none
    /// that runs, or only the BIRD 1 of long ago, whose language is another.
    pub fn find(program: Option<&Path>) -> Option<Self> {
        let programs = match program {
            Some(program) => vec![program.to_owned()],
            None => ["/usr/sbin/bird", "/usr/local/sbin/bird", "/usr/bin/bird"]
                .map(PathBuf::from)
                .to_vec(),
        };
        programs
            .into_iter()
            .filter(|program| program.is_file())
            .find_map(|program| {
                let version = Version::of_program(&program)?;
                (version.0 >= 2).then_some(Self { program, version })
            })
    }

    /// What BIRD refuses in a configuration; it stops at the first mistake.
    pub fn check(&self, config: &Path) -> std::io::Result<Vec<Complaint>> {
        let output = Command::new(&self.program)
            .args(["-p", "-c"])
            .arg(config)
            .stdin(Stdio::null())
            .output()?;
        if output.status.success() {
            return Ok(Vec::new());
        }
        let text = String::from_utf8_lossy(&output.stderr);
        Ok(vec![complaint(&text, &config.to_string_lossy())])
    }
}

/// Reads `bird: bad.conf:3:3 syntax error, unexpected CF_SYM_UNDEFINED`.
fn complaint(text: &str, file: &str) -> Complaint {
    let line = text.lines().last().unwrap_or_default();
    let words = line.strip_prefix("bird: ").unwrap_or(line);
    let placed = || {
        let (place, message) = words
            .strip_prefix(file)?
            .strip_prefix(':')?
            .split_once(' ')?;
        let (line, column) = place.split_once(':')?;
        Some(Complaint {
            line: line.parse().ok()?,
            column: Some(column.parse().ok()?),
            message: message.to_owned(),
        })
    };
    placed().unwrap_or_else(|| Complaint {
        line: 1,
        column: None,
        message: words.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn birds_complaint_keeps_its_place() {
        let text = "bird: labs/my bad.conf:3:40 Invalid IPv4 prefix 10.0.0.1/8, maybe you wanted 10.0.0.0/8\n";
        assert_eq!(
            complaint(text, "labs/my bad.conf"),
            Complaint {
                line: 3,
                column: Some(40),
                message: "Invalid IPv4 prefix 10.0.0.1/8, maybe you wanted 10.0.0.0/8".to_owned(),
            }
        );
        let other = complaint(
            "bird: Unable to open configuration file x: No such file\n",
            "x",
        );
        assert_eq!((other.line, other.column), (1, None));
        assert!(other.message.starts_with("Unable to open"));
        assert_eq!(complaint("", "x").message, "");
    }
}
