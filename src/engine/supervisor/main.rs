//! From birth to exit status.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        mpsc::{Sender, channel},
    },
};

use anyhow::Context as _;

use super::{
    actor::{Facts, Supervisor},
    converge,
    journal::{self, Readers},
    log::Log,
    monitor::Monitor,
    reader::Reader,
    scenario::{self, Work},
};
use crate::{
    engine::{
        api::{self, Feed, Request},
        board::Board,
        capture::{self, About},
        deploy,
        init::{Context, Goal, Ready, RunOptions, Timings},
        live::{Live, LiveOptions},
        scenario::describe,
        sink::EventSink,
    },
    lab::{op::Op, plan::Plan},
    os::{
        clock,
        netns::{self, MountNsFd},
        process::{self, Watcher},
        userns::Owner,
    },
    results::{
        event::{EventKind, MonoNs, Planned},
        measure::trial_directory,
    },
};

/// Runs the supervisor; its value is the lab's exit status.
pub fn main(context: Context) -> u8 {
    process::set_title(&format!("supervisor {}", context.spec.plan.lab));
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

/// Builds while the process has one thread, then starts the threads. The calling
/// thread, which outlives all others, is the parent of the lab's programs.
fn rise(context: Context) -> anyhow::Result<(Supervisor, Ready)> {
    let begin = clock::mono_ns();
    let Context {
        spec,
        owner,
        init_pid,
        outer_pid,
        run_dir,
        deal,
        listener,
        guardian,
        ..
    } = context;
    let (sink, events) = EventSink::pair();
    let capture = run_started(&sink, &spec.plan, &spec.options, owner);
    let journal_file = match spec.options.trials_before() {
        0 => run_dir.create("journal.jsonl"),
        _ => run_dir.append("journal.jsonl"),
    };
    let journal_file = journal_file.context("journal.jsonl")?;
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

    let (board, log, feed) = (
        Arc::<Board>::default(),
        Arc::<Log>::default(),
        Feed::default(),
    );
    let readers = Readers {
        board: Arc::clone(&board),
        log: Arc::clone(&log),
        feed: feed.clone(),
    };
    let journal = journal::start(events, journal_file, readers)?;
    let (ask, requests) = channel();
    let children = Watcher::start()?;
    let options = LiveOptions {
        seed: links_seed(&spec.options),
        wire: spec.options.wire,
        command_started: started,
        capture,
    };
    let live = Arc::new(Live::start(lab, board, options)?);
    watch(&live, &children, &ask)?;
    let up_since = clock::mono_ns();
    timings.total_ms = ms(started, up_since);
    let facts = Arc::new(Facts {
        outer_pid,
        init_pid,
        out_dir: spec.out_dir.display().to_string(),
        up_since,
        timings,
        goal: spec.options.goal,
    });
    let monitor = Monitor::start(Arc::clone(&live))?;
    let reader = Reader {
        live: Arc::clone(&live),
        monitor,
        facts: Arc::clone(&facts),
        log: Arc::clone(&log),
    };
    let look = Arc::new(move |look| reader.clone().answer(look));
    let server = api::serve(listener, (ask.clone(), look), feed)?;
    let scenario = match spec.options.goal {
        Goal::Scenario => {
            let work = Work {
                live: Arc::clone(&live),
                log,
                terms: spec.options.terms(),
                command_started: started,
                origin: spec.options.origin,
                phase: spec.options.phase,
                deal,
                sweep: spec.options.sweep,
            };
            Some(scenario::start(work, ask)?)
        }
        Goal::StayUp => {
            converge::start(Arc::clone(&live), (spec.options.seed, started))?;
            None
        }
    };
    let ready = Ready {
        outer_pid,
        init_pid,
        timings,
    };
    Ok((
        Supervisor {
            live,
            facts,
            scenario,
            requests,
            server,
            journal,
            _children: children,
        },
        ready,
    ))
}

/// Learns of the end of every process the lab is made of.
fn watch(live: &Live, children: &Watcher, ask: &Sender<Request>) -> anyhow::Result<()> {
    for (name, holder) in live.holders() {
        let (name, ask) = (name.clone(), ask.clone());
        children.watch(holder, move |exit| {
            // A supervisor that has gone has taken the lab with it.
            let _ = ask.send(Request::HolderEnded(name, exit));
        })?;
    }
    for (node, program, process) in live.programs()? {
        let ask = ask.clone();
        children.watch(&process, move |exit| {
            let _ = ask.send(Request::ProgramEnded {
                node,
                program,
                exit,
            });
        })?;
    }
    Ok(())
}

/// What links draw from. A series that is taken up again goes on with other numbers than it
/// began with.
fn links_seed(options: &RunOptions) -> u64 {
    /// The fraction of the golden ratio: no small number of trials leads back.
    const APART: u64 = 0x9e37_79b9_7f4a_7c15;
    let before = u64::from(options.trials_before());
    options.seed.wrapping_add(before.wrapping_mul(APART))
}

/// TCP's settings in the lab's nodes: a new namespace has those that this one, which is as new,
/// has, but for what the plan sets.
fn tcp_settings(plan: &Plan) -> BTreeMap<String, String> {
    const NAMES: [&str; 12] = [
        "ip_no_pmtu_disc",
        "tcp_congestion_control",
        "tcp_ecn",
        "tcp_mtu_probing",
        "tcp_retries2",
        "tcp_rmem",
        "tcp_sack",
        "tcp_slow_start_after_idle",
        "tcp_syn_retries",
        "tcp_timestamps",
        "tcp_window_scaling",
        "tcp_wmem",
    ];
    let read = |name: &&str| {
        let text = std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).ok()?;
        let words: Vec<&str> = text.split_whitespace().collect();
        Some((format!("net.ipv4.{name}"), words.join(" ")))
    };
    let mut all: BTreeMap<String, String> = NAMES.iter().filter_map(read).collect();
    for op in &plan.ops {
        if let Op::Sysctl { key, value, .. } = op
            && key.starts_with("net.ipv4.tcp_")
        {
            all.insert(key.clone(), value.clone());
        }
    }
    all
}

fn planned(sink: &EventSink, plan: &Plan, options: &RunOptions) {
    let Some(origin) = &options.origin else {
        return;
    };
    let described = describe(plan);
    sink.now(EventKind::Planned(Box::new(Planned {
        terms: options.terms(),
        first_trial: origin.trials_before + 1,
        lab_file: origin.lab_file.clone(),
        plan_sha256: origin.plan_sha256.clone(),
        wire: options.wire.word().to_owned(),
        topology: described.topology,
        isolated: described.isolated,
        expectations: described.expectations,
        tcp: tcp_settings(plan),
        load_expectations: described.load_expectations,
        notes: described.notes,
    })));
}

/// Writes the journal's first line; what captures say of the run.
fn run_started(sink: &EventSink, plan: &Plan, options: &RunOptions, owner: Owner) -> About {
    let (version, kernel) = (crate::VERSION, kernel_release());
    let at = clock::mono_ns();
    let realtime = clock::real_ns();
    let about = format!(
        "lab {}, seed {:016x}\nbackhoe {version}, Linux {kernel}\n{}",
        plan.lab,
        options.seed,
        capture::LEGEND
    );
    let directory = match options.trials {
        0 | 1 => String::new(),
        _ => trial_directory(options.trials_before() + 1),
    };
    sink.at(
        at,
        EventKind::RunStarted {
            lab: plan.lab.to_string(),
            version: version.to_owned(),
            kernel,
            seed: options.seed,
            realtime_ns: realtime,
            uid: owner.uid,
            command_started: options.command_started,
            timers_scaled: plan.timers_scaled,
        },
    );
    planned(sink, plan, options);
    About {
        capture: options.capture,
        text: about,
        offset: realtime.cast_signed().wrapping_sub(at.cast_signed()),
        directory: Path::new(&directory).join(capture::DIRECTORY),
    }
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
