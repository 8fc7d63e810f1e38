//! Which strongSwan the host has.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::lab::plan::IpsecFacts;

/// Debian's daemon with vici.
pub(super) const CHARON: &str = "/usr/sbin/charon-systemd";
pub(super) const SWANCTL: &str = "/usr/sbin/swanctl";
const LIBIPSEC: &str = "/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so";

/// The installed strongSwan; `None` without charon-systemd or swanctl.
///
/// charon itself must never be asked for its version: it takes no such option and
/// would start.
pub fn find() -> Option<IpsecFacts> {
    if !Path::new(CHARON).is_file() {
        return None;
    }
    let output = Command::new(SWANCTL)
        .arg("--help")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    Some(IpsecFacts {
        version: version(&text)?.to_owned(),
        libipsec: Path::new(LIBIPSEC).is_file(),
    })
}

/// Reads `strongSwan 5.9.8 swanctl`.
fn version(text: &str) -> Option<&str> {
    text.lines()
        .find_map(|line| line.strip_prefix("strongSwan "))
        .and_then(|rest| rest.split_whitespace().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_swanctl() {
        let text = "strongSwan 5.9.8 swanctl\nloaded plugins: aes\nusage:\n";
        assert_eq!(version(text), Some("5.9.8"));
        assert_eq!(version("usage"), None);
    }
}
