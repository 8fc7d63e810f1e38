//! From a lab file to the experiments of its sweep.

use std::collections::BTreeMap;

use super::{
    super::{Exit, load},
    args::SweepArgs,
    read,
};
use crate::{
    engine::scenario::{Failure, limit, noticed},
    lab::{
        model::{self, Fault, Lab},
        plan::{self, Cut, Plan},
        sweep::{self as drawing, Case, Element, Manner, Renaming, Topology, Verdict},
    },
    results::{
        event::sha256,
        suite::Shard,
        sweep::{Cell, Drawn, Experiment, LeftOut, Outcome, Part, Survives, SweptFlow, Weakness},
    },
    units::{ProbeName, Span},
};

/// One experiment.
pub(super) struct Trial {
    /// What is known of it before.
    pub(super) experiment: Experiment,
    pub(super) failure: Failure,
    /// What the drawing says of each probe.
    drawn: Vec<(ProbeName, Drawn)>,
    /// It need not be made: with other names it is that of this place.
    pub(super) stands: Option<(usize, Renaming)>,
}

impl Trial {
    /// What the drawing says of a probe.
    pub(super) fn drawn(&self, probe: &str) -> Drawn {
        let found = self.drawn.iter().find(|(name, _)| name.as_str() == probe);
        found.map_or(Drawn::Survivable, |(_, drawn)| *drawn)
    }

    /// What it is by symmetry, of what was measured in its place.
    pub(super) fn mirrored(&self, measured: &Experiment, flows: &[SweptFlow]) -> Experiment {
        let Some((_, renaming)) = &self.stands else {
            return self.experiment.clone();
        };
        let path = |path: &Option<String>| path.as_ref().map(|path| renaming.path(path));
        let cells = measured.cells.iter().enumerate().filter_map(|(at, cell)| {
            let there = image(flows, at, renaming)?;
            let cell = Cell {
                drawn: self.drawn(&flows.get(there)?.probe),
                path_before: path(&cell.path_before),
                via: path(&cell.via),
                reason: None,
                ..cell.clone()
            };
            Some((there, cell))
        });
        let cells: BTreeMap<usize, Cell> = cells.collect();
        Experiment {
            cells: cells.into_values().collect(),
            outcome: measured.outcome,
            why: measured.why.clone(),
            ..self.experiment.clone()
        }
    }

    /// Whether traffic takes the ways that the symmetry has it take: a tie that addresses break is
    /// none of a drawing's.
    pub(super) fn is_borne_out(&self, steady: &[Cell], flows: &[SweptFlow]) -> bool {
        let Some((_, renaming)) = &self.stands else {
            return true;
        };
        steady.iter().enumerate().all(|(at, cell)| {
            let there = image(flows, at, renaming).and_then(|there| steady.get(there));
            let renamed = cell.path_before.as_ref().map(|path| renaming.path(path));
            there.is_some_and(|there| there.path_before == renamed)
        })
    }
}

/// The flow that one becomes; the two ways of a probe come in the order of its ends.
fn image(flows: &[SweptFlow], at: usize, renaming: &Renaming) -> Option<usize> {
    let flow = flows.get(at)?;
    let way = flows
        .iter()
        .take(at)
        .filter(|other| other.probe == flow.probe)
        .count();
    let probe = renaming.probe(&flow.probe);
    let mut all = flows
        .iter()
        .enumerate()
        .filter(|(_, other)| other.probe == probe);
    all.nth(way).map(|(there, _)| there)
}

/// A lab, ready to be swept.
pub(super) struct Prepared {
    pub(super) lab: Lab,
    pub(super) plan: Plan,
    pub(super) text: String,
    pub(super) flows: Vec<SweptFlow>,
    pub(super) drawing: Vec<Weakness>,
    pub(super) notes: Vec<String>,
    pub(super) left_out: Vec<LeftOut>,
    pub(super) trials: Vec<Trial>,
    /// Those that are as another.
    mirrors: Vec<Trial>,
    pub(super) survives: Vec<Survives>,
}

impl Prepared {
    /// What shards know each other by.
    pub(super) fn selection(&self) -> String {
        let mut text = format!(
            "{}\n{:?}\n",
            sha256(self.text.as_bytes()),
            self.plan.timers_scaled
        );
        for trial in &self.trials {
            let one = &trial.experiment;
            text += &format!("{} {} {}\n", one.failure, one.manner, one.within_ms);
        }
        sha256(text.as_bytes())
    }

    /// Those of a shard, and behind them those that are as one of them.
    pub(super) fn of_shard(&self, shard: Option<Shard>) -> Vec<&Trial> {
        let takes = |trial: &&Trial| shard.is_none_or(|shard| shard.has(trial.experiment.index));
        self.trials
            .iter()
            .chain(&self.mirrors)
            .filter(takes)
            .collect()
    }
}

pub(super) fn prepare(args: &SweepArgs) -> Result<Prepared, Exit> {
    let (mut lab, text) = read(args)?;
    let file = args.lab.display().to_string();
    let topology = Topology::of(&lab);
    if topology.probes().next().is_none() {
        return Err(Exit::Usage(format!(
            "{file}: error: the lab has no probe whose packets are to arrive, so a failure would show nothing\n   = help: add one between two hosts that must reach each other: `probes: {{ app: {{ between: [dc1.app, vpc1.db] }} }}`"
        )));
    }
    let mut notes = vec![
        "ends of a flow (its hosts, their nodes, a VPC and the gateway it is attached to) fail too, and are told apart: no second way replaces them".to_owned(),
    ];
    if lab.nodes.values().any(|node| node.kind.is_aws()) {
        notes.push("a vgw, dxgw, tgw or aws-public is one process here; AWS keeps it redundant, and nobody orders a second one: no single point of failure of what is ordered".to_owned());
    }
    if !lab.load.is_empty() {
        notes.push("background load does not run in a sweep".to_owned());
    }
    if !lab.scenario.is_empty() || !lab.expect.is_empty() {
        notes.push(
            "the lab's own scenario, and what it expects of that, is `backhoe run`'s and `test`'s"
                .to_owned(),
        );
    }
    lab.scenario.clear();
    lab.expect.clear();
    lab.load.clear();
    lab.load_expect.clear();
    let survives = std::mem::take(&mut lab.survives);
    let (plan, _) = load::for_host(&file, &lab)?;
    let (elements, mut left_out) = drawing::elements(&lab);
    let fatal = |element: &Element| {
        let mut probes = topology.probes();
        probes.all(|probe| topology.verdict(probe, &[element]) != Verdict::Survivable)
    };
    let (cases, unfit) = drawing::cases(&elements, (args.depth, &args.manners()), fatal);
    left_out.extend(unfit);
    let mut left_out: Vec<LeftOut> = left_out
        .into_iter()
        .map(|one| LeftOut {
            what: one.what,
            why: one.why,
        })
        .collect();
    let renamings = match args.no_symmetry {
        true => Vec::new(),
        false => drawing::renamings(&lab),
    };
    let stands = drawing::reduce(&cases, &elements, &renamings);
    let mut trials: Vec<Trial> = Vec::new();
    let mut mirrors: Vec<Trial> = Vec::new();
    let mut places: BTreeMap<usize, usize> = BTreeMap::new();
    for (at, (case, stands)) in cases.iter().zip(stands).enumerate() {
        let mut trial = match trial((&plan, &topology), &elements, case, args.within) {
            Ok(trial) => trial,
            Err(one) => {
                left_out.push(one);
                continue;
            }
        };
        let stands = stands.and_then(|(of, renaming)| Some((*places.get(&of)?, renaming)));
        if let Some((of, _)) = &stands {
            trial.experiment.index = *of;
            trial.experiment.same_as = Some(*of);
            trial.stands = stands;
            mirrors.push(trial);
        } else {
            trial.experiment.index = trials.len();
            places.insert(at, trials.len());
            trials.push(trial);
        }
    }
    let flows = plan.measured_flows().map(|flow| SweptFlow {
        probe: flow.probe.to_string(),
        from: flow.from.to_string(),
        to: flow.to.to_string(),
    });
    notes.extend(plan.notes.iter().cloned());
    Ok(Prepared {
        flows: flows.collect(),
        drawing: topology
            .probes()
            .map(|probe| weakness(&topology, probe, &elements))
            .collect(),
        lab,
        plan,
        text,
        notes,
        left_out,
        trials,
        mirrors,
        survives: survives.iter().map(wanted).collect(),
    })
}

/// The experiment of a case; else why there is none.
fn trial(
    (plan, topology): (&Plan, &Topology),
    elements: &[Element],
    case: &Case,
    within: Option<Span>,
) -> Result<Trial, LeftOut> {
    let failed: Vec<&Element> = case
        .parts
        .iter()
        .filter_map(|&at| elements.get(at))
        .collect();
    let names: Vec<String> = failed.iter().map(ToString::to_string).collect();
    let failure = names.join(" + ");
    let refused = |why: String| LeftOut {
        what: format!("{} of {failure}", case.manner.word()),
        why,
    };
    let mut faults: Vec<(String, Fault)> = Vec::new();
    let mut parts = Vec::new();
    for (number, element) in (1..).zip(&failed) {
        let how = element
            .how(case.manner)
            .map_err(|why| refused(why.to_owned()))?;
        let target = element.target();
        let cut = Cut {
            target: &target,
            how: Some(how),
            from: None,
            at: None,
        };
        let fault = plan::cut(plan, &cut).map_err(|error| refused(error.to_string()))?;
        faults.push((format!("failure-{number}"), fault));
        parts.push(Part {
            what: element.what.word().to_owned(),
            name: element.name.clone(),
            how: how.word().to_owned(),
        });
    }
    let all: Vec<Fault> = faults.iter().map(|(_, fault)| fault.clone()).collect();
    let noticed = noticed(plan, &all);
    let within = within.unwrap_or_else(|| limit(noticed));
    let drawn = topology.probes().map(|probe| {
        let drawn = match topology.verdict(probe, &failed) {
            Verdict::Survivable => Drawn::Survivable,
            Verdict::Cut => Drawn::Cut,
            Verdict::End => Drawn::End,
        };
        (probe.clone(), drawn)
    });
    Ok(Trial {
        drawn: drawn.collect(),
        stands: None,
        experiment: Experiment {
            index: 0,
            parts,
            manner: case.manner.word().to_owned(),
            managed: failed.iter().all(|one| one.managed),
            within_ms: within.as_millis_f64(),
            outcome: Outcome::Failed,
            why: Vec::new(),
            same_as: None,
            cells: Vec::new(),
            seconds: 0.0,
            out_dir: None,
            failure,
        },
        failure: Failure {
            faults,
            noticed,
            within,
        },
    })
}

fn wanted(one: &model::Survives) -> Survives {
    Survives {
        line: one.line,
        column: one.column,
        failures: one.failures,
        within_ms: one.within.map(Span::as_millis_f64),
        except: one.except.clone(),
        text: String::new(),
        met: None,
        measured: Vec::new(),
    }
}

/// What the drawing says of a probe.
fn weakness(topology: &Topology, probe: &ProbeName, elements: &[Element]) -> Weakness {
    let alone: Vec<Verdict> = elements
        .iter()
        .map(|one| topology.verdict(probe, &[one]))
        .collect();
    let named = |wanted: Verdict, managed: bool| {
        let all = elements.iter().zip(&alone);
        let fitting = all.filter(|(one, verdict)| {
            **verdict == wanted && (wanted == Verdict::End || one.managed == managed)
        });
        fitting
            .map(|(one, _)| one.to_string())
            .collect::<Vec<String>>()
    };
    let fit = |at: usize| {
        let one = elements
            .get(at)
            .filter(|one| one.how(Manner::Silent).is_ok() && !one.managed)?;
        // A daemon is as its node here.
        let is_daemon = one.what == drawing::What::Daemon;
        (!is_daemon && alone.get(at) == Some(&Verdict::Survivable)).then_some(one)
    };
    let mut pairs = Vec::new();
    for a in 0..elements.len() {
        for b in a + 1..elements.len() {
            if let (Some(one), Some(other)) = (fit(a), fit(b))
                && topology.verdict(probe, &[one, other]) == Verdict::Cut
            {
                pairs.push([one.to_string(), other.to_string()]);
            }
        }
    }
    Weakness {
        probe: probe.to_string(),
        min_cut: topology.min_cut(probe),
        single_points: named(Verdict::Cut, false),
        managed: named(Verdict::Cut, true),
        ends: named(Verdict::End, false),
        pairs,
    }
}
