//! The outer process: the only one of the lab that lives in the host's namespaces.

use std::{
    io::{self, Read, Write},
    os::{
        fd::AsFd,
        unix::net::{UnixListener, UnixStream},
    },
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

use super::{
    guardian,
    pid1::{self, Context},
    report::{LaunchError, Reporter},
    run_dir::RunDir,
    spec::{LaunchSpec, Mode},
};
use crate::{
    engine::{api, deal::Deal},
    os::{
        process::{self, Exit, Tend},
        userns::{self, Owner},
    },
    units::LabName,
};

/// What comes down the line from the command.
#[derive(Serialize, Deserialize)]
pub(super) struct Handover<S> {
    /// The command's pid.
    pub(super) launcher: u32,
    pub(super) spec: S,
}

/// The hidden subcommand: becomes a lab and returns when the lab has ended, with
/// the supervisor's status.
pub fn internal_lab() -> ExitCode {
    let reporter = match io::stdin().as_fd().try_clone_to_owned() {
        Ok(line) => UnixStream::from(line),
        Err(_) => return ExitCode::FAILURE,
    };
    let spare = reporter.try_clone();
    match outer(reporter) {
        Ok(exit) => ExitCode::from(exit.status()),
        Err(error) => {
            if let Ok(line) = spare {
                Reporter::new(line).failed(&error);
            }
            ExitCode::FAILURE
        }
    }
}

fn outer(mut line: UnixStream) -> anyhow::Result<Exit> {
    let mut text = Vec::new();
    line.read_to_end(&mut text)?;
    let Handover::<LaunchSpec> { launcher, spec } =
        serde_json::from_slice(&text).context("the handover from the command")?;
    // The line's other copy is this process's standard input, which children inherit.
    process::forget_stdin()?;
    if spec.mode == Mode::Foreground {
        process::die_with_parent()?;
        // Death before the request above leaves no signal behind.
        if u32::try_from(process::parent_pid()) != Ok(launcher) {
            bail!("the command is gone");
        }
    }
    // The terminal's Ctrl-C is for the command, which then asks for an orderly end.
    process::leave_terminal()?;
    process::set_title(&format!("lab {}", spec.plan.lab));
    let owner = Owner::current();
    let listener = bind(owner, &spec.plan.lab)?;
    let run_dir = RunDir::open(&spec.out_dir)
        .with_context(|| format!("cannot open {}", spec.out_dir.display()))?;
    let dealt = spec.options.dealt.as_ref();
    let deal = dealt.map(Deal::open).transpose();
    let deal = deal.context("cannot open the deal of trials")?;
    let (guard, guarded) = UnixStream::pair()?;
    let (gate, inner_gate) = UnixStream::pair()?;
    let tend = Tend::begin()?;
    let context = Context {
        spec,
        owner,
        init_pid: 0,
        outer_pid: std::process::id(),
        run_dir,
        deal,
        listener,
        reporter: Reporter::new(line),
        guardian: guardian::Guardian::new(guarded),
    };
    let mut outside = Some((gate, guard));
    let init = userns::spawn_init(|| {
        // Closes the child's copies only. With the gate's other end open inside,
        // init could not see this process end.
        drop(outside.take());
        pid1::main(context, inner_gate, &tend)
    });
    let init = init.map_err(|error| LaunchError::Host(userns::explain(&error)))?;
    if owner.uid == 0 {
        // A container may keep even root from it; then the lab has one user.
        let _ = userns::map_everybody(init);
    }
    if let Some((mut gate, guard)) = outside {
        gate.write_all(&init.to_ne_bytes())?;
        guardian::start(guard)?;
    }
    Ok(tend.until_exit(init)?)
}

/// Bound here, before any namespace is left: visible to the host, and gone with
/// the last process that holds it.
fn bind(owner: Owner, lab: &LabName) -> anyhow::Result<UnixListener> {
    api::bind(owner, lab).map_err(|error| {
        if error.kind() == io::ErrorKind::AddrInUse {
            LaunchError::Taken(lab.clone()).into()
        } else {
            anyhow::Error::new(error).context("cannot bind the lab's API socket")
        }
    })
}
