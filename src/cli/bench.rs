//! `backhoe bench`: one lab in variants, side by side.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha12Rng;

use super::{
    Exit,
    args::{BenchArgs, WireArg},
    child,
    finding::Finding,
    interrupt::Interrupts,
    load, output,
    progress::Progress,
    run,
};
use crate::{
    lab::{
        graph::{self, Format},
        plan::Plan,
        spec,
    },
    os::clock,
    results::{
        measure::{
            BenchResult, BenchTerms, Ended, RunResult, Terms, TrialsResult, Variant, Varied,
            summarise, trial_directory, variant_name,
        },
        report,
    },
    units::LabName,
};

/// More variants than this are a mistake, or a night's work that is better divided.
const MOST: usize = 256;

/// A variant before anything was measured.
struct Candidate {
    name: String,
    text: String,
    plan: Plan,
    /// The lab as an SVG.
    picture: String,
    /// Below the bench's directory; of its files also the stem.
    directory: String,
    trials: Vec<(String, RunResult)>,
}

pub(super) fn run(args: &BenchArgs) -> Result<(), Exit> {
    let interrupts = Interrupts::catch()?;
    let mut candidates = candidates(args)?;
    if let Some(first) = candidates.first() {
        run::must_be_free(&first.plan.lab)?;
    }
    let name = LabName::new("bench").map_err(|error| Exit::Bug(error.into()))?;
    let out_dir = run::out_dir_of_a_bench(args.out.as_deref(), &name)?;
    for candidate in &candidates {
        let at = |ending: &str| out_dir.join(format!("{}.{ending}", candidate.directory));
        // A lab that was varied before may have had more variants.
        fs::write(at("yaml"), &candidate.text)?;
        let plan = serde_json::to_vec(&candidate.plan).context("the plan")?;
        fs::write(at("plan.json"), plan)?;
    }
    let asked = BenchTerms {
        lab_file: args.lab.display().to_string(),
        vary: args.vary.clone(),
        trials: args.trials,
        blocks: args.turns.min(args.trials),
        seed: args.seed.unwrap_or_else(clock::real_ns),
    };
    let measured = measure(&mut candidates, (&asked, args.wire), &out_dir, &interrupts);
    let caught = interrupts.caught();
    if caught.is_none() {
        measured?;
    }
    let result = conclude(candidates, asked, caught.is_some(), &out_dir)?;
    tell(args, &result, &out_dir)?;
    match caught {
        Some(caught) => Err(caught),
        None if result.succeeded() => Ok(()),
        None => Err(Exit::Status(4)),
    }
}

/// Every combination, checked and planned, so that a mistake in the last is known before the
/// first lab is built.
fn candidates(args: &BenchArgs) -> Result<Vec<Candidate>, Exit> {
    let loaded = load::read(&args.lab)?;
    if loaded.checked.lab.is_none() {
        loaded.print();
        return Err(loaded.refused());
    }
    let all = combinations(&args.vary);
    if all.len() > MOST {
        let n = all.len();
        return Err(Exit::Usage(format!("{n} variants; at most {MOST} at once")));
    }
    let mut candidates = Vec::new();
    let mut findings: Vec<Finding> = Vec::new();
    let mut refused = Vec::new();
    for (index, chosen) in all.iter().enumerate() {
        let name = variant_name(chosen);
        let mut text = loaded.text.clone();
        for (key, value) in chosen {
            text = spec::set(&text, key, value)
                .map_err(|error| Exit::Usage(format!("{}: --vary: {error}", args.lab.display())))?;
        }
        let file = format!("{} ({name})", args.lab.display());
        let mut varied = load::checked(&args.lab, file, text);
        // The file's own name stays the lab's.
        varied.print();
        let Some(lab) = varied.checked.lab.take() else {
            if let Exit::LabFile(_, found) = varied.refused() {
                findings.extend(found);
            }
            refused.push(name);
            continue;
        };
        let lab = match args.fast.fast {
            true => load::scaled(&varied.file, &lab)?,
            false => lab,
        };
        let (plan, _) = load::for_host(&varied.file, &lab)?;
        candidates.push(Candidate {
            name,
            text: varied.text,
            plan,
            picture: graph::render(&lab, Format::Svg),
            directory: format!("{:02}", index + 1),
            trials: Vec::new(),
        });
    }
    if refused.is_empty() {
        return Ok(candidates);
    }
    let text = format!("nothing was built; refused: {}", refused.join(", "));
    Err(Exit::LabFile(text, findings))
}

fn combinations(vary: &[Varied]) -> Vec<Vec<(&str, &str)>> {
    let mut all: Vec<Vec<(&str, &str)>> = vec![Vec::new()];
    for Varied { key, values } in vary {
        let mut longer = Vec::new();
        for known in &all {
            for value in values {
                let mut known = known.clone();
                known.push((key, value));
                longer.push(known);
            }
        }
        all = longer;
    }
    all
}

/// In each block every variant has its turn.
fn measure(
    candidates: &mut [Candidate],
    (asked, wire): (&BenchTerms, WireArg),
    out_dir: &Path,
    interrupts: &Interrupts,
) -> Result<(), Exit> {
    let mut random = ChaCha12Rng::seed_from_u64(asked.seed);
    let mut progress = Progress::new(false, false);
    let all = asked.blocks as usize * candidates.len();
    let (begun, mut turns) = (clock::mono_ns(), 0);
    for block in 1..=asked.blocks {
        // What does not divide evenly goes to the first blocks.
        let more = u32::from(block <= asked.trials % asked.blocks);
        let trials = asked.trials / asked.blocks + more;
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        order.shuffle(&mut random);
        for index in order {
            let Some(candidate) = candidates.get_mut(index) else {
                continue;
            };
            progress.say(said(candidate, (turns, all), begun), false);
            let seed: u64 = random.random();
            candidate.turn((block, trials, seed), wire, out_dir, interrupts)?;
            turns += 1;
            if interrupts.caught().is_some() {
                return Ok(());
            }
        }
    }
    progress.done();
    Ok(())
}

/// `turn 7 of 30: bfd=50ms/3, about 2 min left`.
fn said(candidate: &Candidate, (turns, all): (usize, usize), begun: u64) -> String {
    let mut text = format!("turn {} of {all}: {}", turns + 1, candidate.name);
    if turns > 0 {
        let passed = clock::mono_ns().saturating_sub(begun) as f64 / 1e9;
        let left = passed / turns as f64 * (all - turns) as f64;
        text += &match left < 100.0 {
            true => format!(", about {left:.0} s left"),
            false => format!(", about {:.0} min left", left / 60.0),
        };
    }
    text
}

impl Candidate {
    /// Builds the variant's lab, runs some trials, and takes it down.
    fn turn(
        &mut self,
        (block, trials, seed): (u32, u32, u64),
        wire: WireArg,
        out_dir: &Path,
        interrupts: &Interrupts,
    ) -> Result<(), Exit> {
        let within = format!("{}/turn-{block:02}", self.directory);
        let directory = out_dir.join(&within);
        fs::create_dir_all(&directory)?;
        let log = out_dir.join(format!("{within}.log"));
        let plan = out_dir.join(format!("{}.plan.json", self.directory));
        let mut args: Vec<OsString> = vec!["run".into(), plan.into()];
        args.extend(["--out".into(), directory.clone().into()]);
        args.extend(["--seed".into(), seed.to_string().into()]);
        args.extend(["--trials".into(), trials.to_string().into()]);
        args.extend(["--wire".into(), wire.word().into()]);
        let status = child::run(args, &log, interrupts)?;
        let found = results(&directory, trials)?;
        if found.is_empty() && interrupts.caught().is_none() {
            let why = child::last_words(&log).join("\n  ");
            let text = format!("{}: came to no result ({status}):\n  {why}", self.name);
            return Err(match status {
                3 => Exit::Host(text),
                _ => Exit::Failed(text),
            });
        }
        let placed = |(place, run): (PathBuf, RunResult)| {
            let place = Path::new(&within).join(place);
            (place.display().to_string(), run)
        };
        self.trials.extend(found.into_iter().map(placed));
        Ok(())
    }
}

/// The trials that were finished, each with its directory.
fn results(directory: &Path, trials: u32) -> Result<Vec<(PathBuf, RunResult)>, Exit> {
    let mut found = Vec::new();
    for number in 1..=trials {
        let place = match trials {
            1 => PathBuf::new(),
            _ => PathBuf::from(trial_directory(number)),
        };
        // One that was not finished has none.
        let Ok(text) = fs::read_to_string(directory.join(&place).join("result.json")) else {
            break;
        };
        found.push((place, serde_json::from_str(&text).context("result.json")?));
    }
    Ok(found)
}

/// Writes each variant's series and the whole.
fn conclude(
    candidates: Vec<Candidate>,
    asked: BenchTerms,
    interrupted: bool,
    out_dir: &Path,
) -> Result<BenchResult, Exit> {
    let mut variants = Vec::new();
    let picture = candidates.first().map(|first| first.picture.clone());
    for candidate in candidates.into_iter().filter(|c| !c.trials.is_empty()) {
        let series = series(&candidate, &asked, interrupted);
        let file = out_dir.join(&candidate.directory).join("result.json");
        fs::write(
            file,
            serde_json::to_vec_pretty(&series).context("the series")?,
        )?;
        variants.push(Variant {
            file: format!("{}.yaml", candidate.directory),
            name: candidate.name,
            directory: candidate.directory,
            series,
            effect: None,
        });
    }
    let result = BenchResult::new(asked, interrupted, variants);
    let text = serde_json::to_vec_pretty(&result).context("the bench")?;
    fs::write(out_dir.join("bench.json"), text)?;
    let page = report::html_of_bench(&result, picture.as_deref());
    fs::write(out_dir.join("report.html"), page)?;
    Ok(result)
}

fn series(candidate: &Candidate, asked: &BenchTerms, interrupted: bool) -> TrialsResult {
    let runs: Vec<RunResult> = candidate
        .trials
        .iter()
        .map(|(_, run)| run.clone())
        .collect();
    let terms = Terms {
        trials: asked.trials,
        until_ci: None,
        seed: asked.seed,
    };
    let ended = match interrupted {
        true => Ended::Interrupted,
        false => Ended::Completed,
    };
    let mut series = summarise(&runs, terms, ended);
    for (trial, (place, _)) in series.trials.iter_mut().zip(&candidate.trials) {
        trial.directory.clone_from(place);
    }
    series
}

fn tell(args: &BenchArgs, result: &BenchResult, out_dir: &Path) -> Result<(), Exit> {
    if args.output.json {
        return output::json(result);
    }
    if args.markdown {
        return output::data(&report::bench_markdown(result));
    }
    let style = report::Style {
        colour: output::colour(),
        width: 100,
    };
    output::data(&report::bench(result, style))?;
    output::talk(&format!("run directory: {}", out_dir.display()));
    Ok(())
}
