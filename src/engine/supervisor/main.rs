//! From birth to exit status.

use nix::sys::signal::{SigSet, Signal};

use crate::{
    engine::{
        deploy::{self, Lab},
        init::{Context, Ready, Timings},
        sink::EventSink,
    },
    os::{clock, netns, process},
};

/// Runs the supervisor; its value is the lab's exit status.
pub fn main(context: Context) -> u8 {
    process::set_name("backhoe-super");
    let (sink, _events) = EventSink::pair();
    let started = context.spec.options.command_started;
    let begin = clock::mono_ns();
    let mut timings = Timings {
        processes_ms: started.map_or(0.0, |at| begin.saturating_sub(at) as f64 / 1e6),
        ..Timings::default()
    };
    let Context {
        spec,
        init_pid,
        outer_pid,
        run_dir,
        listener: _listener,
        reporter,
        guardian,
        ..
    } = context;
    let built = build(spec.plan, sink, run_dir, guardian, &mut timings);
    timings.total_ms = clock::mono_ns().saturating_sub(started.unwrap_or(begin)) as f64 / 1e6;
    match built {
        Ok(_lab) => {
            reporter.ready(Ready {
                outer_pid,
                init_pid,
                timings,
            });
            let set: SigSet = [Signal::SIGTERM].into_iter().collect();
            let _ = set.thread_block();
            let _ = set.wait();
            0
        }
        Err(error) => {
            reporter.failed(&error);
            1
        }
    }
}

fn build(
    plan: crate::lab::plan::Plan,
    sink: EventSink,
    run_dir: crate::engine::init::RunDir,
    guardian: crate::engine::init::Guardian,
    timings: &mut Timings,
) -> anyhow::Result<Lab> {
    let template = netns::MountNsFd::current()?;
    netns::unshare_mounts()?;
    deploy::build(plan, &template, (sink, run_dir, guardian), timings)
}
