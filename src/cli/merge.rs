//! `backhoe merge`: the shards of a test, or of a sweep, as one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    Exit, output, sweep,
    test::{self, MergeArgs},
};
use crate::results::suite::{self, Suite};

pub(super) fn run(args: &MergeArgs) -> Result<(), Exit> {
    let sweeps = args.shards.iter().filter_map(|given| {
        let document = sweep::document(given)?;
        Some((given.display().to_string(), document))
    });
    let sweeps: Vec<(String, PathBuf)> = sweeps.collect();
    if !sweeps.is_empty() {
        return of_sweeps(args, &sweeps);
    }
    if args.out.is_some() {
        let why = "--out is of sweeps; a test's verdicts are written by --junit and --github";
        return Err(Exit::Usage(why.to_owned()));
    }
    let mut parts = Vec::new();
    for given in &args.shards {
        let path = match given.is_dir() {
            true => test::document(given),
            false => given.clone(),
        };
        parts.push((given.display().to_string(), read(&path)?));
    }
    let mut whole = suite::merge(parts).map_err(|error| Exit::Usage(error.to_string()))?;
    let dirs: Vec<String> = args
        .shards
        .iter()
        .map(|dir| dir.display().to_string())
        .collect();
    whole.out_dir = dirs.join(", ");
    if !args.output.json {
        let width = whole.labs.iter().map(|lab| lab.lab.chars().count()).max();
        for case in &whole.labs {
            output::data(&suite::lines(case, width.unwrap_or_default()))?;
        }
    }
    test::tell(&whole, &args.forms, args.output.json)?;
    test::verdict(&whole, args.no_skip)
}

fn of_sweeps(args: &MergeArgs, sweeps: &[(String, PathBuf)]) -> Result<(), Exit> {
    if sweeps.len() != args.shards.len() {
        let why = "some of these are shards of a sweep, and some are not";
        return Err(Exit::Usage(why.to_owned()));
    }
    if args.forms.any() {
        let why = "--junit and --github are of tests; a sweep is written to --out DIR";
        return Err(Exit::Usage(why.to_owned()));
    }
    sweep::merge(sweeps, args.out.as_deref(), args.output.json)
}

/// A shard's verdicts. Its directory may have been made on another host.
fn read(path: &Path) -> Result<Suite, Exit> {
    let refused = |error: &dyn std::fmt::Display| {
        Exit::Usage(format!(
            "{}: {error}; give the directories that `test --shard k/n --out DIR` wrote",
            path.display()
        ))
    };
    let text = fs::read_to_string(path).map_err(|error| refused(&error))?;
    let mut suite: Suite = serde_json::from_str(&text).map_err(|error| refused(&error))?;
    let was = PathBuf::from(&suite.out_dir);
    let is = path.parent().unwrap_or_else(|| Path::new("."));
    let moved = |directory: &mut Option<String>| {
        if let Some(text) = directory
            && let Ok(inside) = Path::new(text.as_str()).strip_prefix(&was)
        {
            *text = is.join(inside).display().to_string();
        }
    };
    for lab in &mut suite.labs {
        moved(&mut lab.out_dir);
        lab.attempts
            .iter_mut()
            .for_each(|attempt| moved(&mut attempt.out_dir));
    }
    Ok(suite)
}
