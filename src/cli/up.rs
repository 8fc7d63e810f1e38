//! `backhoe up`: build a lab and leave it there.

use std::ops::ControlFlow;

use serde::Serialize;

use super::{
    Exit,
    args::UpArgs,
    interrupt::{self, Interrupts},
    load, output,
    progress::Progress,
    run,
};
use crate::{
    engine::{
        api::{Client, ClientError},
        capture::Capture,
        init::{self, Goal, LaunchSpec, Launched, Mode, RunOptions, Timings},
        scenario::Phase,
        supervisor::{NOT_CONVERGED, STANDS},
    },
    lab::{
        model::{StepKind, scaled_words},
        plan::Plan,
    },
    os::clock,
    results::event::{Event, EventKind},
    units::LabName,
};

/// What a bring-up came to.
#[derive(Serialize)]
struct Outcome {
    lab: LabName,
    out_dir: String,
    outer_pid: u32,
    init_pid: i32,
    timings: Timings,
    /// Timers run this many times faster than the lab file says.
    #[serde(skip_serializing_if = "Option::is_none")]
    timers_scaled: Option<u32>,
    /// Nobody waited: neither true nor false.
    converged: Option<bool>,
    /// From the command to the last session.
    converged_ms: Option<f64>,
    /// Why it has not converged.
    missing: Option<String>,
}

pub(super) fn run(args: &UpArgs) -> Result<(), Exit> {
    let command_started = Some(clock::mono_ns());
    let interrupts = Interrupts::catch()?;
    let (plan, _) = load::plan(&args.lab, args.name.as_ref(), args.fast.fast)?;
    let (lab, nodes) = (plan.lab.clone(), plan.nodes.len());
    let (next, timers_scaled) = (first_cut(&plan), plan.timers_scaled);
    run::must_be_free(&lab)?;
    let out_dir = run::out_dir(args.out.as_deref(), &lab)?;
    let spec = LaunchSpec {
        plan,
        out_dir: out_dir.clone(),
        mode: if args.foreground {
            Mode::Foreground
        } else {
            Mode::Background
        },
        options: RunOptions {
            sweep: Vec::new(),
            dealt: None,
            phase: Phase::Random,
            goal: Goal::StayUp,
            trials: 1,
            until_ci: None,
            seed: clock::real_ns(),
            wire: args.wire.into(),
            capture: Capture::Off,
            command_started,
            origin: None,
        },
    };
    let launched = match init::launch(&spec, |pid| interrupts.lab(pid)) {
        Ok(launched) => launched,
        Err(error) => {
            let exit = interrupt::no_lab(&interrupts, error);
            run::discard(&out_dir);
            return Err(load::launch_failed(&args.lab, exit));
        }
    };
    let mut outcome = Outcome {
        lab: lab.clone(),
        out_dir: out_dir.display().to_string(),
        outer_pid: launched.ready.outer_pid,
        init_pid: launched.ready.init_pid,
        timings: launched.ready.timings,
        timers_scaled,
        converged: None,
        converged_ms: None,
        missing: None,
    };
    let stayed = match args.no_wait {
        true => Ok(()),
        false => follow(&mut outcome, args.output.json),
    };
    if let Some(caught) = interrupts.caught() {
        launched.wait()?;
        output::talk(&format!("{lab} is down"));
        return Err(caught);
    }
    stayed?;
    if args.output.json {
        output::json(&outcome)?;
    } else {
        output::data(&words(&outcome, nodes, next.as_deref()))?;
    }
    if let Some(missing) = &outcome.missing {
        output::talk(&format!(
            "backhoe: {missing}; {lab} stays up: backhoe status {lab}"
        ));
    }
    if args.foreground {
        stay(launched, &interrupts)?;
    }
    match outcome.converged {
        // The answer has said what is missing.
        Some(false) => Err(Exit::Status(4)),
        Some(true) | None => Ok(()),
    }
}

/// Shows progress until there is nothing more to wait for; fails when that is because
/// the lab has ended.
fn follow(outcome: &mut Outcome, plain: bool) -> Result<(), Exit> {
    let mut progress = Progress::new(plain, false);
    let mut ended = None;
    let seen = Client::new(outcome.lab.clone()).events(|line| {
        let Ok(event) = serde_json::from_str::<Event>(line) else {
            return ControlFlow::Continue(());
        };
        progress.event(&event);
        if let EventKind::Converged { ms, .. } = &event.kind {
            outcome.converged_ms = Some(*ms);
        }
        if let EventKind::RunFinished { outcome } = &event.kind {
            ended = Some(outcome.clone());
        }
        if let EventKind::Warning { code, text, .. } = &event.kind
            && code == NOT_CONVERGED
        {
            (outcome.converged, outcome.missing) = (Some(false), Some(text.clone()));
            return ControlFlow::Break(());
        }
        if let EventKind::Progress { stage, .. } = &event.kind
            && stage == STANDS
        {
            outcome.converged = Some(true);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    progress.done();
    if outcome.converged.is_none() {
        outcome.converged = Some(false);
        let error = seen.err();
        let gone = matches!(
            Client::new(outcome.lab.clone()).summary(),
            Err(ClientError::NotUp(_))
        );
        if error.is_none() || gone {
            return Err(Exit::Failed(gone_meanwhile(outcome, ended.as_deref())));
        }
        outcome.missing = error.map(|error| error.to_string());
    }
    Ok(())
}

/// How a lab ended that nobody here has ended.
fn gone_meanwhile(outcome: &Outcome, ended: Option<&str>) -> String {
    let Outcome { lab, out_dir, .. } = outcome;
    let how = match ended {
        Some("completed" | "interrupted") => "was taken down before it had converged",
        _ => "ended before it had converged",
    };
    format!("{lab} {how}; its journal and logs: {out_dir}")
}

/// Until the lab is taken down, by somebody else or by a signal.
fn stay(launched: Launched, interrupts: &Interrupts) -> Result<(), Exit> {
    let status = launched.wait()?;
    // The answer was given when the lab stood.
    if let Some(caught) = interrupts.caught() {
        return Err(Exit::Status(caught.code()));
    }
    match status.code() {
        Some(0) => Ok(()),
        code => Err(Exit::Status(
            code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1),
        )),
    }
}

fn words(outcome: &Outcome, nodes: usize, cut: Option<&str>) -> String {
    let lab = &outcome.lab;
    let stands = format!(
        "up {lab}: {nodes} nodes in {:.0} ms",
        outcome.timings.total_ms
    );
    let state = match (outcome.converged, outcome.converged_ms) {
        (Some(true), Some(ms)) => format!(", converged in {:.1} s", ms / 1e3),
        (Some(false), _) => ", NOT converged".to_owned(),
        (Some(true), None) | (None, _) => String::new(),
    };
    let scaled = outcome.timers_scaled.map(scaled_words);
    let scaled = scaled.map_or_else(String::new, |words| format!(", {words}"));
    let cut = cut
        .map(|cut| format!(", backhoe cut {cut}"))
        .unwrap_or_default();
    format!("{stands}{state}{scaled}; next: backhoe status{cut}")
}

/// What the scenario cuts first, or any link.
fn first_cut(plan: &Plan) -> Option<String> {
    let in_scenario = plan.scenario.iter().find_map(|step| match step {
        StepKind::Fault { fault, .. } => Some(fault.target()),
        StepKind::Restore { .. } | StepKind::WaitRecovered { .. } | StepKind::Sleep(_) => None,
    });
    in_scenario.or_else(|| Some(plan.wires.first()?.link.to_string()))
}
