//! Sysctls of the network namespace the calling thread is in.

use std::{fs, io, path::PathBuf};

/// Writes one dotted sysctl (`net.ipv4.ip_forward`; a `/` stands for a dot inside
/// an interface's name, as in sysctl(8)).
pub(super) fn write(key: &str, value: &str) -> io::Result<()> {
    fs::write(path(key)?, value)
}

fn path(key: &str) -> io::Result<PathBuf> {
    let swapped: String = key
        .chars()
        .map(|c| match c {
            '.' => '/',
            '/' => '.',
            other => other,
        })
        .collect();
    let plain = |part: &str| !matches!(part, "" | "." | "..");
    // Everything outside net/ belongs to the whole machine, not to a namespace.
    if !swapped.starts_with("net/") || !swapped.split('/').all(plain) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("`{key}` is not a sysctl of a network namespace"),
        ));
    }
    Ok(PathBuf::from("/proc/sys").join(swapped))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_paths() {
        assert_eq!(
            path("net.ipv4.conf.eth0/101.rp_filter").ok(),
            Some(PathBuf::from("/proc/sys/net/ipv4/conf/eth0.101/rp_filter"))
        );
    }

    #[test]
    fn keys_of_the_machine_are_refused() {
        for key in [
            "kernel.panic",
            "net",
            "net...kernel",
            "net.//.kernel.panic",
            "",
        ] {
            assert!(path(key).is_err(), "{key}");
        }
    }
}
