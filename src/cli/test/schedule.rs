//! Which lab runs when: as many at once as the host has means for, each failure again as often as
//! it may be.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::Path,
    sync::mpsc,
    thread,
    time::Duration,
};

use super::{
    super::{Exit, interrupt::Interrupts},
    attempt::{self, Outcome, Ran},
    find::Candidate,
    keep::{self, Keep},
    means::{Means, Weight},
};
use crate::results::suite::{Attempt, Case, Reason, Verdict};

/// How often it is looked whether there is room by now.
const LOOK: Duration = Duration::from_millis(250);

/// What holds for every run.
pub(super) struct Rules<'r> {
    pub(super) out_dir: &'r Path,
    pub(super) timeout: Duration,
    pub(super) retries: u32,
    pub(super) keep: Keep,
    /// Bytes of a run's directory.
    pub(super) keep_bytes: u64,
}

/// What is known of a lab whose verdict is not.
#[derive(Default)]
struct Tries {
    earlier: Vec<Attempt>,
    /// Of those, how many counted.
    failed: u32,
    /// Nothing else may run meanwhile.
    alone: bool,
}

/// Somebody who is told what happens meanwhile.
pub(super) trait Told {
    /// These run now.
    fn running(&mut self, labels: &[&str]);
    /// A lab's verdict.
    fn done(&mut self, case: &Case) -> Result<(), Exit>;
}

/// Runs the candidates, each with its place in the selection; what became of those that were
/// begun and not interrupted, in the selection's order.
pub(super) fn all(
    candidates: &[(usize, &Candidate)],
    rules: &Rules<'_>,
    means: &mut Means,
    interrupts: &Interrupts,
    told: &mut impl Told,
) -> Result<Vec<Case>, Exit> {
    let mut cases = BTreeMap::new();
    let mut waiting: VecDeque<usize> = VecDeque::new();
    for (at, (index, candidate)) in candidates.iter().enumerate() {
        match &candidate.lacks {
            None => waiting.push_back(at),
            Some(why) => {
                cases.insert(at, skipped(*index, candidate, why.clone()));
            }
        }
    }
    let skipped: Vec<usize> = cases.keys().copied().collect();
    let mut tries: Vec<Tries> = candidates.iter().map(|_| Tries::default()).collect();
    let (sender, ended) = mpsc::channel();
    thread::scope(|scope| {
        let mut running: BTreeMap<usize, Weight> = BTreeMap::new();
        // Those that something ran beside.
        let mut crowded: BTreeSet<usize> = BTreeSet::new();
        let mut error = None;
        loop {
            while error.is_none()
                && interrupts.caught().is_none()
                && let Some(next) = next(&mut waiting, &running, (candidates, &tries), means)
            {
                let Some((_, candidate)) = candidates.get(next) else {
                    continue;
                };
                let sender = sender.clone();
                let begun =
                    thread::Builder::new()
                        .name("lab".to_owned())
                        .spawn_scoped(scope, move || {
                            let ran =
                                attempt::run(candidate, rules.out_dir, rules.timeout, interrupts);
                            // Nobody listens any more after an error.
                            let _ = sender.send((next, ran));
                        });
                if let Err(refused) = begun {
                    error = Some(refused.into());
                    break;
                }
                running.insert(next, candidate.weight);
                if running.len() > 1 {
                    crowded.extend(running.keys());
                }
                told.running(&labels(candidates, &running));
            }
            if running.is_empty() {
                break;
            }
            let Ok((at, ran)) = ended.recv_timeout(LOOK) else {
                continue;
            };
            running.remove(&at);
            let beside = crowded.remove(&at);
            if interrupts.caught().is_some() {
                continue;
            }
            let (Some(&(index, candidate)), Some(tried)) = (candidates.get(at), tries.get_mut(at))
            else {
                continue;
            };
            match ran.and_then(|ran| concluded((index, candidate), ran, (tried, beside), rules)) {
                Ok(Some(case)) => {
                    if let Err(refused) = told.done(&case) {
                        error = Some(refused);
                    }
                    cases.insert(at, case);
                }
                Ok(None) => waiting.push_front(at),
                Err(refused) => error = Some(refused),
            }
            told.running(&labels(candidates, &running));
        }
        error.map_or(Ok(()), Err)
    })?;
    for at in skipped {
        if let Some(case) = cases.get(&at).filter(|_| interrupts.caught().is_none()) {
            told.done(case)?;
        }
    }
    Ok(cases.into_values().collect())
}

fn labels<'c>(
    candidates: &[(usize, &'c Candidate)],
    running: &BTreeMap<usize, Weight>,
) -> Vec<&'c str> {
    let running = running.keys().filter_map(|&at| candidates.get(at));
    running
        .map(|(_, candidate)| candidate.label.as_str())
        .collect()
}

/// The first that may begin now.
fn next(
    waiting: &mut VecDeque<usize>,
    running: &BTreeMap<usize, Weight>,
    (candidates, tries): (&[(usize, &Candidate)], &[Tries]),
    means: &mut Means,
) -> Option<usize> {
    let weights: Vec<Weight> = running.values().copied().collect();
    let alone = |at: usize| tries.get(at).is_some_and(|tried| tried.alone);
    if running.keys().any(|&at| alone(at)) {
        return None;
    }
    let position = waiting.iter().position(|&at| {
        let Some((_, candidate)) = candidates.get(at) else {
            return false;
        };
        match alone(at) {
            true => running.is_empty(),
            false => means.have_room(candidate.weight, &weights),
        }
    })?;
    waiting.remove(position)
}

/// The lab's verdict, or none yet: it runs again.
fn concluded(
    (index, candidate): (usize, &Candidate),
    ran: Ran,
    (tried, beside): (&mut Tries, bool),
    rules: &Rules<'_>,
) -> Result<Option<Case>, Exit> {
    let failed = match ran.outcome {
        Outcome::Failed(reason) => Some(reason),
        Outcome::Passed | Outcome::Lacking => None,
    };
    let left_out = keep::prune(
        &ran.directory,
        (rules.keep, failed.is_some()),
        rules.keep_bytes,
    )?;
    // The host's doing, not the lab's: measured again without neighbours.
    let crowded = beside && failed.is_some_and(|reason| !reason.is_measured());
    let again = failed.filter(|_| crowded || tried.failed < rules.retries);
    if let Some(reason) = again {
        let number = u32::try_from(tried.earlier.len()).unwrap_or(u32::MAX) + 1;
        let directory = attempt::set_aside(&ran.directory, number)?;
        tried.failed += u32::from(!crowded);
        tried.alone |= crowded;
        tried.earlier.push(Attempt {
            number,
            reason,
            crowded,
            seconds: ran.seconds,
            why: ran.why,
            out_dir: directory.exists().then(|| directory.display().to_string()),
        });
        return Ok(None);
    }
    let verdict = match (ran.outcome, tried.failed) {
        (Outcome::Passed, 0) => Verdict::Pass,
        (Outcome::Passed, _) => Verdict::Flaky,
        (Outcome::Failed(_), _) => Verdict::Fail,
        (Outcome::Lacking, _) => Verdict::Skip,
    };
    let before = tried.earlier.iter().find(|attempt| !attempt.crowded);
    Ok(Some(Case {
        reason: failed.or_else(|| before.map(|attempt| attempt.reason)),
        timers_scaled: ran.timers_scaled,
        seconds: ran.seconds,
        cost: ran.cost,
        why: ran.why,
        shortfalls: ran.shortfalls,
        chain: ran.chain,
        attempts: std::mem::take(&mut tried.earlier),
        outages: ran.outages,
        out_dir: Some(ran.directory.display().to_string()),
        left_out,
        ..blank(index, candidate, verdict)
    }))
}

fn skipped(index: usize, candidate: &Candidate, why: Vec<String>) -> Case {
    Case {
        why,
        ..blank(index, candidate, Verdict::Skip)
    }
}

fn blank(index: usize, candidate: &Candidate, verdict: Verdict) -> Case {
    Case {
        index,
        file: candidate.path.display().to_string(),
        lab: candidate.label.clone(),
        verdict,
        reason: None::<Reason>,
        timers_scaled: None,
        seconds: 0.0,
        cost: String::new(),
        why: Vec::new(),
        shortfalls: Vec::new(),
        chain: Vec::new(),
        attempts: Vec::new(),
        outages: Vec::new(),
        out_dir: None,
        left_out: Vec::new(),
    }
}
