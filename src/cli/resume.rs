//! `backhoe run --resume`: a series of trials taken up where it was left.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::{Exit, args::RunArgs, report::Kept, told::Told};
use crate::{
    engine::{init::Origin, wire::WireChoice},
    results::{
        event::{Dealing, FileRecord, sha256},
        measure::{Ended, Terms, TrialsResult, trial_directory},
        replay::Replayed,
        report,
    },
    units::{LabName, seed_text},
};

/// What is taken up.
pub(super) enum Resumed {
    /// There is nothing left to do.
    Done(Told),
    /// The run's directory, and what was asked, of which some is done.
    Further(PathBuf, Terms),
    /// The same of a series that several labs measure: so many of them, and the trials done.
    Together(PathBuf, Terms, (u32, BTreeSet<u32>)),
}

/// What a series was begun with.
struct Begun<'a> {
    terms: Terms,
    lab_file: &'a FileRecord,
    plan_sha256: &'a str,
    wire: &'a str,
}

/// Looks at what is in `out`, which must be of the same lab, and makes it ready to be gone on
/// with; `origin` then knows of the trials that are there.
pub(super) fn take_up(
    args: &RunArgs,
    out: &Path,
    (lab, name, origin): (&[u8], &LabName, &mut Origin),
) -> Result<Resumed, Exit> {
    let kept = Kept::open(out)?;
    if let Some(dealing) = kept.replay.dealing() {
        return together(args, (out, &kept), (lab, origin, dealing));
    }
    let Some(planned) = kept.replay.planned().filter(|_| kept.replay.is_series()) else {
        let out = out.display();
        return Err(Exit::Usage(format!(
            "{out} is of a single run: only a series of trials can be taken up again"
        )));
    };
    if args.jobs.is_some_and(|jobs| jobs > 1) {
        return Err(Exit::Usage(format!(
            "{} was begun in one lab: go on with it without --jobs, or begin a new series with another --out",
            out.display()
        )));
    }
    let begun = Begun {
        terms: planned.terms,
        lab_file: &planned.lab_file,
        plan_sha256: &planned.plan_sha256,
        wire: &planned.wire,
    };
    must_be_the_same(args, (&begun, out), (lab, origin))?;
    let asked = asked(args, planned.terms);
    let finished = kept.replay.finished();
    if finished == 0 {
        return Ok(Resumed::Further(
            super::run::out_dir_anew(out, name)?,
            asked,
        ));
    }
    let Replayed::Series(so_far) = kept.replay.result(&mut kept.reader())? else {
        return Err(Exit::Usage(format!("{} is no series", out.display())));
    };
    let is_precise = so_far.ended == Ended::Precise && asked == so_far.asked;
    if finished >= asked.trials || is_precise {
        return Ok(Resumed::Done(Told::Series(so_far)));
    }
    mend(out, &kept, finished)?;
    origin.trials_before = finished;
    origin.earlier = earlier(&so_far, &kept, finished);
    Ok(Resumed::Further(fs::canonicalize(out)?, asked))
}

/// Takes up what several labs measured.
fn together(
    args: &RunArgs,
    (out, kept): (&Path, &Kept),
    (lab, origin, dealing): (&[u8], &Origin, &Dealing),
) -> Result<Resumed, Exit> {
    let begun = Begun {
        terms: dealing.terms,
        lab_file: &dealing.lab_file,
        plan_sha256: &dealing.plan_sha256,
        wire: &dealing.wire,
    };
    must_be_the_same(args, (&begun, out), (lab, origin))?;
    let asked = asked(args, dealing.terms);
    let all = kept.replay.numbers();
    let done: BTreeSet<u32> = all.filter(|n| kept.replay.is_finished(*n)).collect();
    if !done.is_empty()
        && let Replayed::Series(so_far) = kept.replay.result(&mut kept.reader())?
    {
        let is_precise = so_far.ended == Ended::Precise && asked == so_far.asked;
        let mut wanted = 1..=asked.trials;
        if wanted.all(|number| done.contains(&number)) || is_precise {
            return Ok(Resumed::Done(Told::Series(so_far)));
        }
    }
    let jobs = args.jobs.unwrap_or(dealing.jobs);
    Ok(Resumed::Together(
        fs::canonicalize(out)?,
        asked,
        (jobs, done),
    ))
}

/// What is asked now of a series that was begun on these terms.
fn asked(args: &RunArgs, begun: Terms) -> Terms {
    Terms {
        trials: args.series().unwrap_or(begun.trials),
        until_ci: match args.series() {
            Some(_) => args.until,
            None => begun.until_ci,
        },
        seed: begun.seed,
    }
}

/// The sittings so far, without a trial that was interrupted and is run again.
fn earlier(
    so_far: &TrialsResult,
    kept: &Kept,
    finished: u32,
) -> Vec<crate::results::measure::Sitting> {
    let mut all = match so_far.sittings.is_empty() {
        true => kept.replay.sittings(),
        false => so_far.sittings.clone(),
    };
    all.retain_mut(|sitting| {
        sitting.last_trial = sitting.last_trial.min(finished);
        sitting.first_trial <= finished
    });
    all
}

fn must_be_the_same(
    args: &RunArgs,
    (before, out): (&Begun<'_>, &Path),
    (lab, now): (&[u8], &Origin),
) -> Result<(), Exit> {
    let file = args.lab.display();
    let help =
        "\n   = help: go on with the lab as it was, or begin a new series with another --out";
    if let Some(seed) = args.seed.filter(|seed| *seed != before.terms.seed) {
        let (now, then) = (seed_text(seed), seed_text(before.terms.seed));
        return Err(Exit::Usage(format!(
            "--seed {now}, but the series was begun with {then}; leave it out"
        )));
    }
    let wire = WireChoice::from(args.wire).word();
    if wire != before.wire {
        let then = &before.wire;
        return Err(Exit::Usage(format!(
            "--wire {wire}, but the series was begun with --wire {then}"
        )));
    }
    if now.lab_file.sha256 != before.lab_file.sha256 {
        let copy = out.join(&before.lab_file.path);
        let place = fs::read(&copy)
            .ok()
            .filter(|kept| sha256(kept) == before.lab_file.sha256)
            .and_then(|kept| differs_at(&kept, lab))
            .map_or_else(String::new, |line| format!(":{line}"));
        return Err(Exit::Usage(format!(
            "{file}{place}: error: the series was begun with another lab file, {}{help}",
            copy.display()
        )));
    }
    if now.plan_sha256 != before.plan_sha256 {
        return Err(Exit::Usage(format!(
            "{file}: error: the file is the same, but what is built from it is not: another \
             --name or --fast, another configuration that it names, or another host, kernel or \
             version of backhoe{help}"
        )));
    }
    Ok(())
}

/// The first line that is not the same.
pub(super) fn differs_at(before: &[u8], now: &[u8]) -> Option<usize> {
    let lines = |bytes: &[u8]| -> Vec<Vec<u8>> {
        bytes
            .split(|byte| *byte == b'\n')
            .map(<[u8]>::to_vec)
            .collect()
    };
    let (before, now) = (lines(before), lines(now));
    let same = before.iter().zip(&now).take_while(|(a, b)| a == b).count();
    Some(same + 1)
}

/// Makes files what the journal says they are: its last line whole, and every finished trial
/// with its result.
fn mend(out: &Path, kept: &Kept, finished: u32) -> Result<(), Exit> {
    let journal = out.join("journal.jsonl");
    let text = fs::read(&journal)?;
    let whole = text
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let file = OpenOptions::new().write(true).open(&journal)?;
    file.set_len(whole as u64)?;
    for number in 1..=finished {
        let result = kept.replay.trial(number, &mut kept.reader())?;
        let text = report::json(&result).context("the result of a trial")?;
        let path = out.join(trial_directory(number)).join("result.json");
        if fs::read(&path).is_ok_and(|there| there == text.as_bytes()) {
            continue;
        }
        fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}
