//! `backhoe up`: build a lab and leave it there.

use std::{fs, path::PathBuf};

use anyhow::Context as _;

use super::{Exit, args::UpArgs, output};
use crate::{
    engine::init::{self, Goal, LaunchSpec, Mode, RunOptions},
    lab::plan::Plan,
    os::clock,
};

pub(super) fn run(args: &UpArgs) -> Result<(), Exit> {
    let command_started = Some(clock::mono_ns());
    let plan = plan(args)?;
    let out_dir = args
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from("runs").join(plan.lab.as_str()));
    fs::create_dir_all(&out_dir).with_context(|| format!("cannot create {}", out_dir.display()))?;
    let launched = init::launch(&LaunchSpec {
        plan,
        out_dir,
        mode: if args.foreground {
            Mode::Foreground
        } else {
            Mode::Background
        },
        options: RunOptions {
            goal: Goal::StayUp,
            seed: 0,
            command_started,
        },
    })?;
    if args.json {
        output::json(&launched.ready)?;
    } else {
        let t = launched.ready.timings;
        output::talk(&format!(
            "up {:.1} ms (processes {:.1}, namespaces {:.1}, links {:.1}, nodes {:.1})",
            t.total_ms, t.processes_ms, t.namespaces_ms, t.links_ms, t.nodes_ms
        ));
    }
    if args.foreground {
        let status = launched.wait()?;
        return match status.code() {
            Some(0) => Ok(()),
            code => Err(Exit::Status(
                code.and_then(|c| u8::try_from(c).ok()).unwrap_or(1),
            )),
        };
    }
    Ok(())
}

fn plan(args: &UpArgs) -> Result<Plan, Exit> {
    if args
        .lab
        .extension()
        .is_some_and(|extension| extension == "json")
    {
        let text = fs::read(&args.lab)
            .map_err(|error| Exit::Usage(format!("{}: {error}", args.lab.display())))?;
        return serde_json::from_slice(&text)
            .map_err(|error| Exit::Usage(format!("{}: {error}", args.lab.display())));
    }
    Err(Exit::Usage(
        "only plans in JSON can be built so far".to_owned(),
    ))
}
