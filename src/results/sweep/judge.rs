//! From what a failure did to what that means.

use super::model::{
    Cell, Drawn, Experiment, Fate, Finding, FindingKind, Outcome, Survives, Sweep, SweptFlow,
};
use crate::results::{
    measure::{Outage, RunResult, Transition},
    report,
};

/// What was measured of each of `flows`; `None` where one was not. `drawn` says what the drawing
/// says of a probe.
pub fn cells(
    result: &RunResult,
    flows: &[SweptFlow],
    drawn: impl Fn(&str) -> Drawn,
) -> Option<Vec<Cell>> {
    let cell = |flow: &SweptFlow| {
        let of = |transition| {
            let own = result
                .outages
                .iter()
                .filter(move |o| o.transition == transition);
            own.filter(|o| o.probe == flow.probe && o.from == flow.from && o.to == flow.to)
                .collect::<Vec<&Outage>>()
        };
        let (failed, restored) = (of(Transition::Initial), of(Transition::Reversion));
        let (first, last) = (failed.first()?, failed.last()?);
        let name = flow_name(flow);
        let missed = result.waits_missed.iter().any(|wait| wait.what == name);
        let lost = |outages: &[&Outage]| -> u64 {
            let each = outages
                .iter()
                .map(|o| o.lost.saturating_sub(o.queue_dropped));
            each.sum()
        };
        let packets = lost(&failed);
        let fate = match (missed || !last.recovered, packets) {
            (true, _) => Fate::Lost,
            (false, 0) => Fate::Survived,
            (false, _) => Fate::Outage,
        };
        let reason = match fate {
            Fate::Survived => None,
            Fate::Outage => failed.iter().rev().find_map(|o| report::critical_path(o)),
            Fate::Lost => Some(missing(&failed)),
        };
        let bars = failed.iter().filter(|o| packets == 0 || o.lost > 0);
        Some(Cell {
            drawn: drawn(&flow.probe),
            fate,
            outage_ms: failed.iter().map(|o| o.duration_ms).sum(),
            plus_minus_ms: match packets {
                0 => bars.map(|o| o.resolution_ms).fold(0.0, f64::max),
                _ => bars.map(|o| o.resolution_ms).sum(),
            },
            lost: packets,
            path_before: first.path_before.clone(),
            via: last.path_after.clone().filter(|_| fate != Fate::Lost),
            lost_on_restore: lost(&restored),
            reason,
        })
    };
    flows.iter().map(cell).collect()
}

/// `probe: from → to`, as a wait that was missed names it.
pub(super) fn flow_name(flow: &SweptFlow) -> String {
    format!("{}: {} → {}", flow.probe, flow.from, flow.to)
}

/// What a flow that did not come back lacked.
fn missing(failed: &[&Outage]) -> String {
    let mut reasons: Vec<String> = failed
        .iter()
        .rev()
        .flat_map(|o| report::drop_reasons(o))
        .collect();
    let wires: u64 = failed.iter().map(|o| o.wire_dropped).sum();
    if wires > 0 {
        reasons.push(format!("{wires} sent on into the failure"));
    }
    match reasons.is_empty() {
        true => "nothing says where it was lost".to_owned(),
        false => reasons.join("; "),
    }
}

/// Folds the experiments of a sweep into what it says: single points of failure, findings,
/// agreement with the drawing, and the lab file's expectations.
pub fn conclude(sweep: &mut Sweep) {
    sweep.single_points.clear();
    sweep.findings.clear();
    (sweep.agreeing, sweep.compared) = (0, 0);
    let mut points: Vec<String> = Vec::new();
    for experiment in sweep
        .experiments
        .iter()
        .filter(|one| one.outcome == Outcome::Measured)
    {
        for (flow, cell) in sweep.flows.iter().zip(&experiment.cells) {
            if cell.drawn == Drawn::End {
                continue;
            }
            let is_single = experiment.parts.len() == 1 && !experiment.managed;
            if cell.fate == Fate::Lost && is_single && !points.contains(&experiment.failure) {
                points.push(experiment.failure.clone());
            }
            sweep.compared += 1;
            match finding(experiment, flow, cell) {
                None => sweep.agreeing += 1,
                Some(found) => sweep.findings.push(found),
            }
        }
    }
    sweep.findings.sort_by_key(|finding| finding.kind);
    sweep.single_points = points;
    let judged = sweep.expect.iter().map(|one| judged(sweep, one));
    sweep.expect = judged.collect();
}

fn finding(experiment: &Experiment, flow: &SweptFlow, cell: &Cell) -> Option<Finding> {
    let kind = match (cell.drawn, cell.fate) {
        (Drawn::Survivable, Fate::Lost) => FindingKind::WayLeftButLost,
        (Drawn::Cut, Fate::Survived | Fate::Outage) => FindingKind::CutButSurvived,
        _ => return None,
    };
    let text = match kind {
        FindingKind::WayLeftButLost => format!(
            "static: survivable, measured: lost until repaired; missing: {}",
            cell.reason.as_deref().unwrap_or("unknown")
        ),
        FindingKind::CutButSurvived => {
            let measured = match cell.fate {
                Fate::Survived => "survived".to_owned(),
                Fate::Outage | Fate::Lost => format!("back after {:.0} ms", cell.outage_ms),
            };
            let via = cell.via.as_deref().unwrap_or("links between");
            let why = match experiment.parts.iter().any(|part| part.what == "daemon") {
                true => ": what a daemon has told the kernel outlives it",
                false => "",
            };
            format!("static: cut, measured: {measured}, via {via}{why}")
        }
    };
    Some(Finding {
        kind,
        failure: experiment.failure.clone(),
        manner: experiment.manner.clone(),
        flow: flow_name(flow),
        text,
    })
}

/// What must hold in words.
pub(super) fn words(wanted: &Survives) -> String {
    let what = match wanted.failures {
        1 => "any single failure",
        _ => "any two failures",
    };
    let within = wanted
        .within_ms
        .map(|ms| format!(" within {}", report::span(ms)));
    let except = match wanted.except.as_slice() {
        [] => String::new(),
        names => format!(", except {}", names.join(", ")),
    };
    format!("survives {what}{}{except}", within.unwrap_or_default())
}

fn judged(sweep: &Sweep, wanted: &Survives) -> Survives {
    let mut missed = Vec::new();
    let mut unmeasured = Vec::new();
    let counts = |one: &&Experiment| {
        one.parts.len() <= usize::from(wanted.failures)
            && !one.managed
            && !one
                .parts
                .iter()
                .any(|part| wanted.except.contains(&part.name))
    };
    for experiment in sweep.experiments.iter().filter(counts) {
        let what = format!("{} ({})", experiment.failure, experiment.manner);
        if experiment.outcome != Outcome::Measured {
            unmeasured.push(format!(
                "{what}: not measured: {}",
                experiment.why.join("; ")
            ));
            continue;
        }
        for (flow, cell) in sweep.flows.iter().zip(&experiment.cells) {
            let too_long = wanted
                .within_ms
                .is_some_and(|within| cell.outage_ms > within);
            if cell.drawn != Drawn::End && (cell.fate == Fate::Lost || too_long) {
                missed.push(format!(
                    "{what}: {}: {}",
                    flow_name(flow),
                    super::cell_words(cell)
                ));
            }
        }
    }
    if sweep.depth < wanted.failures {
        unmeasured.push("pairs of failures are swept with --depth 2".to_owned());
    }
    if sweep.interrupted {
        unmeasured.push("the sweep was interrupted".to_owned());
    }
    let met = match (missed.is_empty(), unmeasured.is_empty()) {
        (false, _) => Some(false),
        (true, false) => None,
        (true, true) => Some(true),
    };
    Survives {
        text: words(wanted),
        met,
        measured: missed.into_iter().chain(unmeasured).collect(),
        ..wanted.clone()
    }
}
