//! `backhoe up`: build a lab and leave it there.

use super::{Exit, args::UpArgs, load, output, run};
use crate::{
    engine::init::{self, Goal, LaunchSpec, Mode, RunOptions},
    os::clock,
};

pub(super) fn run(args: &UpArgs) -> Result<(), Exit> {
    let command_started = Some(clock::mono_ns());
    let (plan, _) = load::plan(&args.lab, args.name.as_ref())?;
    let out_dir = run::out_dir(args.out.as_deref(), &plan.lab)?;
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
            seed: clock::real_ns(),
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
