//! From birth to exit status.

use std::sync::mpsc::{Sender, channel};

use anyhow::Context as _;

use super::{
    actor::{Facts, Supervisor},
    journal,
};
use crate::{
    engine::{
        api::{self, Feed, Request},
        deploy::{self, Lab},
        init::{Context, Ready, RunOptions, Timings},
        sink::EventSink,
    },
    os::{
        clock,
        netns::{self, MountNsFd},
        process::{self, Watcher},
        userns::Owner,
    },
    results::event::{EventKind, MonoNs},
};

/// Runs the supervisor; its value is the lab's exit status.
pub fn main(context: Context) -> u8 {
    process::set_name("backhoe-super");
    let Ok(spare) = context.reporter.try_clone() else {
        return 1;
    };
    match rise(context) {
        Ok((supervisor, ready)) => {
            spare.ready(ready);
            supervisor.serve()
        }
        Err(error) => {
            spare.failed(&error);
            1
        }
    }
}

/// Builds while the process has one thread, then starts the threads.
fn rise(context: Context) -> anyhow::Result<(Supervisor, Ready)> {
    let begin = clock::mono_ns();
    let Context {
        spec,
        owner,
        init_pid,
        outer_pid,
        run_dir,
        listener,
        guardian,
        ..
    } = context;
    let (sink, events) = EventSink::pair();
    run_started(&sink, spec.plan.lab.as_str(), &spec.options, owner);
    let journal_file = run_dir.create("journal.jsonl").context("journal.jsonl")?;
    let started = spec.options.command_started.unwrap_or(begin);
    let mut timings = Timings {
        processes_ms: ms(started, begin),
        ..Timings::default()
    };
    // The nodes' mounts are copied from this namespace, which the names of the
    // network namespaces never enter: copies of them would grow with N².
    let template = MountNsFd::current()?;
    netns::unshare_mounts()?;
    let parts = (sink, run_dir, guardian);
    let lab = deploy::build(spec.plan, &template, parts, &mut timings)?;
    let up_since = clock::mono_ns();
    timings.total_ms = ms(started, up_since);
    built(&lab, timings.total_ms);

    let feed = Feed::default();
    let (ask, requests) = channel();
    let journal = journal::start(events, journal_file, feed.clone())?;
    let children = watch_holders(&lab, &ask)?;
    let server = api::serve(listener, ask, feed)?;
    let facts = Facts {
        outer_pid,
        init_pid,
        out_dir: spec.out_dir.display().to_string(),
        up_since,
        timings,
    };
    let ready = Ready {
        outer_pid,
        init_pid,
        timings,
    };
    let supervisor = Supervisor {
        lab,
        facts,
        requests,
        server,
        journal,
        children,
    };
    Ok((supervisor, ready))
}

fn watch_holders(lab: &Lab, ask: &Sender<Request>) -> anyhow::Result<Watcher> {
    let watcher = Watcher::start()?;
    for (name, node) in &lab.nodes {
        let (name, ask) = (name.clone(), ask.clone());
        watcher.watch(&node.holder, move |exit| {
            // A supervisor that has gone has taken the lab with it.
            let _ = ask.send(Request::HolderEnded(name, exit));
        })?;
    }
    Ok(watcher)
}

fn run_started(sink: &EventSink, lab: &str, options: &RunOptions, owner: Owner) {
    sink.now(EventKind::RunStarted {
        lab: lab.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        kernel: kernel_release(),
        seed: options.seed,
        realtime_ns: clock::real_ns(),
        uid: owner.uid,
        command_started: options.command_started,
    });
}

fn built(lab: &Lab, ms: f64) {
    let plan = &lab.plan;
    lab.sink.now(EventKind::Built {
        nodes: plan.nodes.len(),
        links: plan.wires.len() + plan.direct.len(),
        tunnels: plan.tunnels.len(),
        wire: if plan.wires.is_empty() {
            "none"
        } else {
            "relay"
        }
        .to_owned(),
        wireguard: if plan.tunnels.is_empty() {
            "none"
        } else {
            "userspace"
        }
        .to_owned(),
        ms,
    });
}

fn kernel_release() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn ms(from: MonoNs, to: MonoNs) -> f64 {
    to.saturating_sub(from) as f64 / 1e6
}
