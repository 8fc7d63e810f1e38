//! Which programs a node's FRR consists of, and in which order.

use std::path::{Path, PathBuf};

/// A program to run in a node, in the foreground.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Short name, also its log's.
    pub name: String,
    /// Absolute path.
    pub path: PathBuf,
    /// Arguments.
    pub args: Vec<String>,
}

/// The daemons in start order: zebra first, since the others connect to it.
///
/// `-u root -g root`: inside the lab's user namespace there is nobody else; the
/// node's group file makes root a member of `frrvty`, which FRR insists on.
pub fn programs(directory: &Path, daemons: &[String]) -> Vec<Program> {
    std::iter::once("zebra")
        .chain(daemons.iter().map(String::as_str).filter(|d| *d != "zebra"))
        .map(|name| Program {
            name: name.to_owned(),
            path: directory.join(name),
            args: [
                "-u",
                "root",
                "-g",
                "root",
                "--log",
                "stdout",
                "--log-level",
                "warnings",
            ]
            .map(str::to_owned)
            .to_vec(),
        })
        .collect()
}

/// The sockets whose presence says that the daemons listen, relative to the
/// node's root directory.
pub fn ready_sockets(daemons: &[String]) -> Vec<String> {
    std::iter::once("zebra")
        .chain(daemons.iter().map(String::as_str).filter(|d| *d != "zebra"))
        .map(|name| format!("run/frr/{name}.vty"))
        .collect()
}

/// Loads `/etc/frr/frr.conf` into the running daemons; a line that FRR refuses
/// makes it exit with 2 and print `line N: % …`.
pub fn boot_command() -> Program {
    vtysh("-b")
}

/// Parses `/etc/frr/frr.conf` with the running daemons' grammar, without applying it.
pub fn check_command() -> Program {
    vtysh("-C")
}

fn vtysh(flag: &str) -> Program {
    Program {
        name: "vtysh".to_owned(),
        path: PathBuf::from("/usr/bin/vtysh"),
        args: vec![flag.to_owned()],
    }
}
