//! The lab's own processes. They are this same program, started under names that
//! no user types, and they enter their namespaces before any thread exists.

use std::{os::fd::RawFd, path::Path, process::ExitCode};

use super::output;
use crate::{
    engine::{
        daemon::{SERVICE_SUBCOMMAND, wireguard},
        init, service, speaker,
    },
    os::{fd, process},
};

/// Runs one of them if the command line asks for it.
pub(super) fn dispatch() -> Option<ExitCode> {
    let mut args = std::env::args();
    let title = args.next().unwrap_or_default();
    let name = args.next()?;
    let rest: Vec<String> = args.collect();
    if let Some(what) = title.strip_prefix(process::TITLE) {
        process::set_title(what);
    }
    match name.as_str() {
        init::SUBCOMMAND => Some(init::internal_lab()),
        "speaker" => Some(ended(speaker_main(&rest))),
        "internal-tunnel" => Some(ended(tunnel_main(&rest))),
        SERVICE_SUBCOMMAND => Some(ended(service_main(&rest))),
        _ => None,
    }
}

/// `backhoe speaker --config FILE [--control-fd N]`
fn speaker_main(args: &[String]) -> anyhow::Result<()> {
    let Some(config) = option(args, "--config") else {
        anyhow::bail!("usage: backhoe speaker --config FILE [--control-fd N]");
    };
    speaker::run(Path::new(config), control_fd(args)?)
}

/// `backhoe internal-tunnel --control-fd N`
fn tunnel_main(args: &[String]) -> anyhow::Result<()> {
    let Some(number) = control_fd(args)? else {
        anyhow::bail!("usage: backhoe internal-tunnel --control-fd N");
    };
    let control = fd::inherited_stream(number)?;
    control.set_nonblocking(false)?;
    wireguard::main(control.into())
}

/// `backhoe internal-service --config FILE --control-fd N`
fn service_main(args: &[String]) -> anyhow::Result<()> {
    let (Some(config), Some(number)) = (option(args, "--config"), control_fd(args)?) else {
        anyhow::bail!("usage: backhoe {SERVICE_SUBCOMMAND} --config FILE --control-fd N");
    };
    service::run(Path::new(config), number)
}

fn control_fd(args: &[String]) -> anyhow::Result<Option<RawFd>> {
    Ok(option(args, "--control-fd").map(str::parse).transpose()?)
}

fn option<'a>(args: &'a [String], name: &str) -> Option<&'a str> {
    let at = args.iter().position(|arg| arg == name)?;
    args.get(at + 1).map(String::as_str)
}

fn ended(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::talk(&format!("backhoe: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
