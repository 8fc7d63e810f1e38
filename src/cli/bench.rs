//! `backhoe bench`: one lab in variants, side by side.

use std::{ffi::OsString, fs, io, path::Path};

use anyhow::Context as _;

use super::{
    Exit,
    args::{BenchArgs, WireArg},
    bench_dir::{self, BenchLog, KeptBench},
    child,
    finding::Finding,
    interrupt::Interrupts,
    load::{self, Loaded},
    output,
    progress::Progress,
    report::Kept,
    resume, run,
};
use crate::{
    engine::init::TOPOLOGY,
    lab::{
        graph::{self, Format},
        plan::Plan,
        spec,
    },
    os::clock,
    results::{
        event::{Benched, Benching, EventKind, FileRecord, SeriesEnd, sha256},
        measure::{BenchResult, BenchTerms, BenchTurn, Ended, Varied, variant_name},
    },
    units::{LabName, seed_text},
};

/// The copy of the lab file, before anything in it was varied.
const LAB: &str = "lab.yaml";
/// More variants than this are a mistake, or a night's work that is better divided.
const MOST: usize = 256;

/// Trials of each variant, and turns, unless said otherwise.
const TRIALS: u32 = 20;
const TURNS: u32 = 5;

/// A variant that can be built.
struct Candidate {
    name: String,
    text: String,
    plan: Plan,
    /// The plan as it is written.
    json: Vec<u8>,
    /// The lab as an SVG.
    picture: String,
    /// Below the bench's directory; of its files also the stem.
    directory: String,
}

pub(super) fn run(args: &BenchArgs) -> Result<(), Exit> {
    let interrupts = Interrupts::catch()?;
    let loaded = load::read(&args.lab)?;
    if loaded.checked.lab.is_none() {
        loaded.print();
        return Err(loaded.refused());
    }
    let begun = match args.out.as_deref().filter(|_| args.resume) {
        Some(out) => Some(begun(out)?),
        None => None,
    };
    let asked = match &begun {
        Some(begun) => begun.replay.begun().terms.clone(),
        None => asked(args),
    };
    if let Some(begun) = &begun {
        must_be_the_same(args, begun, &loaded.text)?;
    }
    let candidates = candidates(args, &loaded, &asked.vary)?;
    let benching = Benching {
        lab_file: FileRecord::of(LAB.to_owned(), loaded.text.as_bytes()),
        variants: candidates.iter().map(Candidate::benched).collect(),
        wire: args.wire.word().to_owned(),
        terms: asked,
    };
    let out_dir = match &begun {
        Some(begun) if begun.replay.begun() == &benching => fs::canonicalize(&begun.directory)?,
        Some(_) => return Err(built_otherwise(args)),
        None => {
            let name = LabName::new("bench").map_err(|error| Exit::Bug(error.into()))?;
            run::out_dir_of_a_bench(args.out.as_deref(), &name)?
        }
    };
    let bench = Bench {
        turns: benching.terms.turns(candidates.len()),
        candidates: &candidates,
        wire: args.wire,
        out_dir: &out_dir,
        interrupts: &interrupts,
    };
    let outcome = match begun.map(|begun| begun.done()) {
        Some((done, all)) => {
            output::talk(&format!("resumed with {done} of {all} trials done"));
            match done < all {
                true => bench.sitting(bench.begin(benching, &loaded.text)?),
                false => Ok(()),
            }
        }
        None => bench.sitting(bench.begin(benching, &loaded.text)?),
    };
    let kept = bench.kept()?;
    let result = match (kept.write(), outcome) {
        (Ok(result), Err(exit)) => return Err(told_so_far(args, (&result, &out_dir), exit)?),
        (Ok(result), Ok(())) => result,
        // Nothing was over before it ended.
        (Err(_), Err(exit)) | (Err(exit), Ok(())) => return Err(exit),
    };
    tell(args, &result, &out_dir)?;
    match result.succeeded() {
        true => Ok(()),
        false => Err(Exit::Status(4)),
    }
}

fn tell(args: &BenchArgs, result: &BenchResult, out_dir: &Path) -> Result<(), Exit> {
    bench_dir::print(result, (args.output.json, args.markdown))?;
    if !args.output.json && !args.markdown {
        output::talk(&format!("run directory: {}", out_dir.display()));
    }
    Ok(())
}

/// Tells what was measured before the command ended by `exit`; how it ends.
fn told_so_far(
    args: &BenchArgs,
    (result, out_dir): (&BenchResult, &Path),
    exit: Exit,
) -> Result<Exit, Exit> {
    if !args.output.json {
        tell(args, result, out_dir)?;
        return Ok(exit);
    }
    let mut document = serde_json::to_value(result).context("the bench")?;
    if let Some(document) = document.as_object_mut() {
        let error = serde_json::to_value(exit.error()).context("the answer")?;
        document.insert("error".to_owned(), error);
    }
    exit.say();
    output::json(&document)?;
    Ok(Exit::Status(exit.code()))
}

/// What is gone on with.
fn begun(out: &Path) -> Result<KeptBench, Exit> {
    KeptBench::open(out)?.ok_or_else(|| {
        let out = out.display();
        Exit::Usage(format!(
            "{out}: holds no bench to go on with: --resume takes the --out of an earlier `backhoe bench`"
        ))
    })
}

/// What is said again must be what was said then.
fn must_be_the_same(args: &BenchArgs, begun: &KeptBench, lab: &str) -> Result<(), Exit> {
    let before = begun.replay.begun();
    let then = &before.terms;
    let text = |all: &[Varied]| -> String {
        let each = all
            .iter()
            .map(|one| format!("{}={}", one.key, one.values.join(",")));
        each.collect::<Vec<_>>().join(" --vary ")
    };
    let vary = (!args.vary.is_empty()).then(|| text(&args.vary));
    let turns = args.turns.map(|turns| turns.min(then.trials));
    let said = [
        ("--vary", vary, text(&then.vary)),
        (
            "--trials",
            args.trials.map(|n| n.to_string()),
            then.trials.to_string(),
        ),
        (
            "--turns",
            turns.map(|n| n.to_string()),
            then.blocks.to_string(),
        ),
        ("--seed", args.seed.map(seed_text), seed_text(then.seed)),
        (
            "--wire",
            Some(args.wire.word().to_owned()),
            before.wire.clone(),
        ),
    ];
    for (option, now, then) in said {
        if let Some(now) = now.filter(|now| *now != then) {
            return Err(Exit::Usage(format!(
                "{option} {now}, but the bench was begun with {option} {then}; leave it out, or begin a new one with another --out"
            )));
        }
    }
    if sha256(lab.as_bytes()) != before.lab_file.sha256 {
        let file = args.lab.display();
        let copy = begun.directory.join(LAB);
        let differs = |kept: Vec<u8>| resume::differs_at(&kept, lab.as_bytes());
        let line = fs::read(&copy).ok().and_then(differs);
        let place = line.map_or_else(String::new, |line| format!(":{line}"));
        return Err(Exit::Usage(format!(
            "{file}{place}: error: the bench was begun with another lab file, {}\n   = help: go on with the lab as it was, or begin a new bench with another --out",
            copy.display()
        )));
    }
    Ok(())
}

fn built_otherwise(args: &BenchArgs) -> Exit {
    Exit::Usage(format!(
        "{}: error: the file is the same, but what is built from it is not: another --fast, \
         another configuration that it names, or another host, kernel or version of backhoe\n   \
         = help: begin a new bench with another --out",
        args.lab.display()
    ))
}

fn asked(args: &BenchArgs) -> BenchTerms {
    let trials = args.trials.unwrap_or(TRIALS);
    BenchTerms {
        lab_file: args.lab.display().to_string(),
        vary: args.vary.clone(),
        trials,
        blocks: args.turns.unwrap_or(TURNS).min(trials),
        seed: args.seed.unwrap_or_else(clock::real_ns),
    }
}

/// Every combination, checked and planned, so that a mistake in the last is known before the
/// first lab is built.
fn candidates(args: &BenchArgs, loaded: &Loaded, vary: &[Varied]) -> Result<Vec<Candidate>, Exit> {
    let all = combinations(vary);
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
            json: serde_json::to_vec(&plan).context("the plan")?,
            plan,
            picture: graph::render(&lab, Format::Svg),
            directory: format!("{:02}", index + 1),
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

impl Candidate {
    fn benched(&self) -> Benched {
        Benched {
            name: self.name.clone(),
            directory: self.directory.clone(),
            plan_sha256: sha256(&self.json),
        }
    }
}

/// A bench that is measured.
struct Bench<'a> {
    candidates: &'a [Candidate],
    turns: Vec<BenchTurn>,
    wire: WireArg,
    out_dir: &'a Path,
    interrupts: &'a Interrupts,
}

impl Bench<'_> {
    /// Begins a sitting, where nothing is in its way.
    fn begin(&self, benching: Benching, lab: &str) -> Result<BenchLog, Exit> {
        let mut log = BenchLog::open(self.out_dir)?;
        if let Some(first) = self.candidates.first() {
            run::must_be_free(&first.plan.lab)?;
        }
        log.begin(benching)?;
        self.lay_out(lab)?;
        Ok(log)
    }

    /// Measures what is missing; the journal says how it ended.
    fn sitting(&self, mut log: BenchLog) -> Result<(), Exit> {
        let measured = self.measure();
        let outcome = match self.interrupts.caught() {
            Some(caught) => Err(caught),
            None => measured,
        };
        let ended = match &outcome {
            Ok(()) if self.is_whole()? => Ended::Completed,
            Ok(()) => Ended::Failed("turns ended before their last trials".to_owned()),
            Err(Exit::Interrupted(_)) => Ended::Interrupted,
            Err(exit) => Ended::Failed(exit.error().map(|e| e.message).unwrap_or_default()),
        };
        log.say(EventKind::SeriesEnded(SeriesEnd { ended }))?;
        outcome
    }

    /// Every variant as a lab of its own, the lab they come from, and the picture of the first.
    fn lay_out(&self, lab: &str) -> io::Result<()> {
        let at = |name: &str| self.out_dir.join(name);
        fs::write(at(LAB), lab)?;
        for candidate in self.candidates {
            let stem = &candidate.directory;
            fs::write(at(&format!("{stem}.yaml")), &candidate.text)?;
            // A lab that was varied before may have had more variants.
            fs::write(at(&format!("{stem}.plan.json")), &candidate.json)?;
        }
        match self.candidates.first() {
            Some(first) => fs::write(at(TOPOLOGY), &first.picture),
            None => Ok(()),
        }
    }

    fn kept(&self) -> Result<KeptBench, Exit> {
        let kept = KeptBench::open(self.out_dir)?;
        kept.ok_or_else(|| Exit::Failed("the journal of the bench is gone".to_owned()))
    }

    fn is_whole(&self) -> Result<bool, Exit> {
        let (done, all) = self.kept()?.done();
        Ok(done == all)
    }

    fn measure(&self) -> Result<(), Exit> {
        let mut progress = Progress::new(false, false);
        let (begun, mut taken) = (clock::mono_ns(), 0);
        for (at, turn) in self.turns.iter().enumerate() {
            let Some(candidate) = self.candidates.get(turn.variant) else {
                continue;
            };
            let said = said(candidate, (at, taken, self.turns.len()), begun);
            let is_new = self.turn(candidate, turn, || progress.say(said, false))?;
            taken += usize::from(is_new);
            if self.interrupts.caught().is_some() {
                return Ok(());
            }
        }
        progress.done();
        Ok(())
    }

    /// Builds the variant's lab, runs some trials, and takes it down; whether anything was left
    /// to do.
    fn turn(
        &self,
        candidate: &Candidate,
        turn: &BenchTurn,
        say: impl FnOnce(),
    ) -> Result<bool, Exit> {
        let within = turn.directory(&candidate.directory);
        let directory = self.out_dir.join(&within);
        let finished = finished(&directory)?;
        if finished >= turn.trials {
            return Ok(false);
        }
        say();
        if finished == 0 && directory.exists() {
            // What was killed before its first trial was over.
            fs::remove_dir_all(&directory)?;
        }
        fs::create_dir_all(&directory)?;
        let log = self.out_dir.join(format!("{within}.log"));
        let plan = self
            .out_dir
            .join(format!("{}.plan.json", candidate.directory));
        let mut args: Vec<OsString> = vec!["run".into(), plan.into()];
        args.extend(["--out".into(), directory.clone().into()]);
        args.extend(["--seed".into(), turn.seed.to_string().into()]);
        args.extend(["--trials".into(), turn.trials.to_string().into()]);
        args.extend(["--wire".into(), self.wire.word().into()]);
        if finished > 0 {
            args.push("--resume".into());
        }
        let status = child::run(args, &log, self.interrupts)?;
        let is_told = Kept::replay_in(&directory)?.is_some_and(|turn| turn.numbers().count() > 0);
        if !is_told && self.interrupts.caught().is_none() {
            let why = child::last_words(&log).join("\n  ");
            let text = format!("{}: came to no result ({status}):\n  {why}", candidate.name);
            return Err(match status {
                3 => Exit::Host(text),
                _ => Exit::Failed(text),
            });
        }
        Ok(true)
    }
}

/// How many trials are over of the turn in a directory.
fn finished(directory: &Path) -> Result<u32, Exit> {
    let kept = Kept::replay_in(directory)?;
    Ok(kept.map_or(0, |turn| turn.finished()))
}

/// `turn 7 of 30: bfd=50ms/3, about 2 min left`.
fn said(candidate: &Candidate, (at, taken, all): (usize, usize, usize), begun: u64) -> String {
    let mut text = format!("turn {} of {all}: {}", at + 1, candidate.name);
    if taken > 0 {
        let passed = clock::mono_ns().saturating_sub(begun) as f64 / 1e9;
        let left = passed / taken as f64 * (all - at) as f64;
        text += &match left < 100.0 {
            true => format!(", about {left:.0} s left"),
            false => format!(", about {:.0} min left", left / 60.0),
        };
    }
    text
}
