//! A command in a node, as if typed there.

use std::{
    ffi::OsString,
    io::{ErrorKind, Write},
};

use anyhow::Context as _;

use crate::{
    engine::api::{Client, NodeInfo},
    os::process::{self, ExecError, PidFd},
    units::LabName,
};

/// Statuses of env(1): its own failure, a program that cannot be run, one that is not there.
const OWN_FAILURE: u8 = 125;
const NOT_RUNNABLE: u8 = 126;
const NOT_FOUND: u8 = 127;

/// Runs `argv` in `node` (`app`, or `dc1.app` for the same host) with this process's terminal and environment and
/// returns its status (128 and the signal, if one killed it); 125 when backhoe
/// itself failed, 126 when the program cannot be run, 127 when it is not there.
/// The program ends with the lab. The calling process must have one thread, and
/// is inside the lab afterwards: exit.
pub fn exec(lab: &LabName, node: &str, argv: &[OsString]) -> u8 {
    try_exec(lab, node, argv).unwrap_or_else(|error| {
        say(&format!("{error:#}"));
        OWN_FAILURE
    })
}

fn try_exec(lab: &LabName, node: &str, argv: &[OsString]) -> anyhow::Result<u8> {
    let client = Client::new(lab.clone());
    let NodeInfo { name, pid: holder } = client.node(node)?;
    let init = client.summary()?.init_pid;
    let handle = PidFd::open(init).context("the lab is gone")?;
    // Only a number has travelled so far. The lab answering again means that its
    // init lived when the handle was opened, so the handle is its.
    let again = client.summary()?.init_pid;
    anyhow::ensure!(again == init, "the lab has been replaced meanwhile");
    let path = path_with_sbin();
    let env = [
        ("PATH", path.as_str()),
        ("BACKHOE_LAB", lab.as_str()),
        ("BACKHOE_NODE", name.as_str()),
    ];
    let child = process::fork_in_lab(&handle, || {
        let error = process::exec_in_node(holder, argv, &env);
        let program = argv
            .first()
            .map(|program| program.to_string_lossy())
            .unwrap_or_default();
        say(&format!("{program}: {error}"));
        match error {
            ExecError::Enter(_) => OWN_FAILURE,
            ExecError::Exec(error) if error.kind() == ErrorKind::NotFound => NOT_FOUND,
            ExecError::Exec(_) => NOT_RUNNABLE,
        }
    })
    .context("cannot enter the lab")?;
    process::ignore_terminal_signals()?;
    Ok(child.wait()?.status())
}

/// `ip` and its like live where an ordinary user's PATH may not look.
fn path_with_sbin() -> String {
    let mut path = std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".to_owned());
    for directory in ["/usr/sbin", "/sbin"] {
        if !path.split(':').any(|part| part == directory) {
            path.push(':');
            path.push_str(directory);
        }
    }
    path
}

fn say(text: &str) {
    // With stderr gone there is nobody left to tell.
    let _ = writeln!(std::io::stderr(), "backhoe: {text}");
}
