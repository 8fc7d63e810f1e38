//! Which programs a node's FRR consists of, and in which order.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A program to run in a node, in the foreground.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Program {
    /// Short name, also its log's.
    pub(super) name: String,
    /// Absolute path.
    pub(super) path: PathBuf,
    /// Arguments.
    pub(super) args: Vec<String>,
}

/// Where the daemons find each other and their shell, whatever prefix they were
/// built for.
const RUN: &str = "/run/frr";
/// Where the node's configuration lies.
const ETC: &str = "/etc/frr";

/// The daemons in start order: zebra before those that connect to it, and before
/// zebra, in an FRR that has one, the management daemon that configures it.
///
/// `-u root -g root`: inside the lab's user namespace there is nobody else; the
/// node's group file makes root a member of `frrvty`, which FRR insists on.
pub(super) fn programs(directory: &Path, daemons: &[String]) -> Vec<Program> {
    let management = directory.join("mgmtd").is_file().then_some("mgmtd");
    management
        .into_iter()
        .chain(["zebra"])
        .chain(daemons.iter().map(String::as_str).filter(|d| *d != "zebra"))
        .map(|name| Program {
            name: name.to_owned(),
            path: directory.join(name),
            args: arguments(directory, name),
        })
        .collect()
}

fn arguments(directory: &Path, name: &str) -> Vec<String> {
    let mut args: Vec<String> = [
        "-u",
        "root",
        "-g",
        "root",
        "--log",
        "stdout",
        "--log-level",
        "warnings",
        "--vty_socket",
        RUN,
        "-i",
    ]
    .map(str::to_owned)
    .to_vec();
    args.push(format!("{RUN}/{name}.pid"));
    if name != "mgmtd" {
        args.extend(["-z".to_owned(), format!("{RUN}/zserv.api")]);
    }
    if name == "bfdd" && takes_control_socket(&directory.join("bfdd")) {
        args.extend(["--bfdctl".to_owned(), format!("{RUN}/bfdd.sock")]);
    }
    args
}

/// FRR 10.3's bfdd has no control socket any more and refuses the option; a program
/// that knows the option holds its name.
fn takes_control_socket(bfdd: &Path) -> bool {
    const OPTION: &[u8] = b"bfdctl";
    fs::read(bfdd).is_ok_and(|program| program.windows(OPTION.len()).any(|window| window == OPTION))
}

/// The socket whose presence says that a daemon listens, relative to the node's
/// root directory.
pub(super) fn ready_socket(daemon: &str) -> String {
    format!("run/frr/{daemon}.vty")
}

/// Loads `/etc/frr/frr.conf` into the running daemons; a line that FRR refuses
/// makes it exit with 2 and print `line N: % …`.
pub(super) fn boot_command(vtysh: &Path) -> Program {
    Program {
        name: "vtysh".to_owned(),
        path: vtysh.to_owned(),
        args: ["--vty_socket", RUN, "--config_dir", ETC, "-b"]
            .map(str::to_owned)
            .to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bfdd_gets_its_control_socket_where_it_knows_the_option() {
        let directory = tempfile::tempdir().unwrap();
        let daemons = ["bfdd".to_owned()];
        let has_option = || {
            let mut all = programs(directory.path(), &daemons).into_iter();
            let bfdd = all.find(|program| program.name == "bfdd").unwrap();
            bfdd.args.iter().any(|arg| arg == "--bfdctl")
        };
        fs::write(directory.path().join("bfdd"), b"\0dplaneaddr\0bfdctl\0").unwrap();
        assert!(has_option());
        fs::write(directory.path().join("bfdd"), b"\0dplaneaddr\0").unwrap();
        assert!(!has_option());
    }
}
