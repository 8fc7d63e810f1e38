//! Processes of backhoe's own inside a node: the configuration comes in an open file, and
//! the control socket, closed, ends them.

use std::{
    fs::File,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use anyhow::Context;

use crate::{
    os::process::{PidFd, Spawn},
    units::NodeName,
};

/// Starts the hidden `subcommand` in the node of `holder`, as `what` of `node` to whoever
/// reads a process list; its handle and this end of its control socket.
///
/// # Errors
/// The process cannot be started.
pub(super) fn spawn(
    (subcommand, what): (&str, &str),
    (node, holder): (&NodeName, PidFd),
    config: File,
    log: File,
) -> anyhow::Result<(PidFd, UnixStream)> {
    let (ours, theirs) = UnixStream::pair().context("a control socket")?;
    let (config, theirs) = (OwnedFd::from(config), OwnedFd::from(theirs));
    let args = [
        subcommand.to_owned(),
        "--config".to_owned(),
        format!("/proc/self/fd/{}", config.as_raw_fd()),
        "--control-fd".to_owned(),
        theirs.as_raw_fd().to_string(),
    ];
    let process = Spawn::new("/proc/self/exe")
        .title(&format!("{what} {node}"))
        .node(holder)
        .args(args)
        .inherit(config)
        .inherit(theirs)
        .log(log)?
        .spawn()
        .with_context(|| format!("starting the {what} of {node}"))?;
    Ok((process, ours))
}
