//! PID 1 of a lab: private mounts, then one child to look after.

use std::{
    io::Read,
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
};

use anyhow::Context as _;

use super::{Guardian, report::Reporter, run_dir::RunDir, spec::LaunchSpec};
use crate::{
    engine::{deal::Deal, supervisor},
    os::{
        mount,
        process::{self, Tend},
        userns::{self, Owner},
    },
};

/// What the supervisor is born with.
#[derive(Debug)]
pub struct Context {
    /// What to do.
    pub spec: LaunchSpec,
    /// The user, as the host sees it.
    pub owner: Owner,
    /// Pid of PID 1, as the host numbers it.
    pub init_pid: i32,
    /// Pid of the outer process, as the host numbers it.
    pub outer_pid: u32,
    /// Where everything is written.
    pub run_dir: RunDir,
    /// The trials that are left, where other labs measure the same series.
    pub deal: Option<Deal>,
    /// The API's socket, in the host's network namespace.
    pub listener: UnixListener,
    /// The line to the command.
    pub reporter: Reporter,
    /// The way to ask the outer process for realtime scheduling.
    pub guardian: Guardian,
}

pub(super) fn main(mut context: Context, mut gate: UnixStream, tend: &Tend) -> u8 {
    if process::die_with_parent().is_err() {
        return 1;
    }
    // The outer process tells who we are. Had it died before the request above,
    // this would read the end of the line instead.
    let mut pid = [0; 4];
    if gate.read_exact(&mut pid).is_err() {
        return 1;
    }
    context.init_pid = i32::from_ne_bytes(pid);
    drop(gate);
    process::set_title(&format!("init {}", context.spec.plan.lab));
    let failed = context.reporter.try_clone();
    match settle(&context).and_then(|()| {
        // The closure, and with it every descriptor of the lab, ends here in the parent.
        let child = process::fork(move || {
            if tend.release().is_err() {
                return 1;
            }
            supervisor::main(context)
        });
        child.context("cannot start the supervisor")
    }) {
        Ok(supervisor) => {
            drop(failed);
            tend.until_exit(supervisor).map_or(1, |exit| exit.status())
        }
        Err(error) => {
            if let Ok(reporter) = failed {
                reporter.failed(&error);
            }
            1
        }
    }
}

/// Makes the namespaces habitable.
fn settle(context: &Context) -> anyhow::Result<()> {
    userns::become_root(context.owner).map_err(|error| anyhow::anyhow!(userns::explain(&error)))?;
    mount::make_all_private()
        .map_err(|error| anyhow::anyhow!(userns::explain(&error)))
        .context("mounts")?;
    mount::proc().context(
        "cannot mount /proc inside the lab; a container that masks /proc refuses it \
         (docker run --security-opt systempaths=unconfined, podman run --security-opt unmask=ALL)",
    )?;
    mount::tmpfs("/run", "755").context("/run")?;
    mount::tmpfs("/var/tmp", "1777").context("/var/tmp")?;
    let var_run = Path::new("/var/run");
    if var_run.is_dir() && !var_run.is_symlink() {
        mount::bind("/run", var_run).context("/var/run")?;
    }
    process::set_host_name(context.spec.plan.lab.as_str()).context("host name")
}
