//! `backhoe exec` and `backhoe shell`.

use std::ffi::OsString;

use super::{
    Exit,
    args::{ExecArgs, ShellArgs},
    ls,
};
use crate::engine::node;

/// env(1)'s status for its own failures.
pub(super) const OWN_FAILURE: u8 = 125;

pub(super) fn run(args: &ExecArgs) -> Result<(), Exit> {
    enter(args.which.lab.as_deref(), &args.node, &args.argv)
}

pub(super) fn shell(args: &ShellArgs) -> Result<(), Exit> {
    let shell = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    enter(args.which.lab.as_deref(), &args.node, &[shell])
}

fn enter(lab: Option<&str>, node: &str, argv: &[OsString]) -> Result<(), Exit> {
    let status = match ls::choose(lab) {
        Ok(lab) => node::exec(&lab, node, argv),
        // The command never began, so every other status could be taken for its own.
        Err(exit) => {
            exit.say();
            OWN_FAILURE
        }
    };
    match status {
        0 => Ok(()),
        status => Err(Exit::Status(status)),
    }
}
