//! From paths to labs: which files there are, what they say, and whether this host can run them.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    super::{Exit, load},
    means::Weight,
};
use crate::{lab::model::Lab, results::event::sha256};

/// A lab file that can be read and built somewhere.
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    /// Of the lab; unlike others' of the same command.
    pub(super) label: String,
    /// It runs by its factor.
    pub(super) fast: bool,
    /// Why it cannot run here.
    pub(super) lacks: Option<Vec<String>>,
    /// What of the host it takes.
    pub(super) weight: Weight,
    /// Where on its line each expectation begins.
    pub(super) columns: BTreeMap<u32, u32>,
    /// The file's.
    pub(super) sha256: String,
}

/// The files that were named, and the labs in the directories that were and below, in order.
pub(super) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Exit> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let before = files.len();
        inside(path, &mut files).map_err(|(path, error)| {
            Exit::Usage(format!("{}: cannot be read: {error}", path.display()))
        })?;
        if files.len() == before {
            let path = path.display();
            return Err(Exit::Usage(format!(
                "{path}: no lab files (*.yaml, *.yml with `nodes:`) in this directory or below"
            )));
        }
    }
    Ok(files)
}

fn inside(directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), (PathBuf, io::Error)> {
    let refused = |error| (directory.to_owned(), error);
    let mut entries = Vec::new();
    for entry in fs::read_dir(directory).map_err(refused)? {
        entries.push(entry.map_err(refused)?.path());
    }
    entries.sort();
    for path in entries {
        let hidden = path
            .file_name()
            .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if hidden {
            continue;
        }
        // What a run leaves behind holds a copy of its lab file.
        let is_run = || path.join("journal.jsonl").exists() || path.join("test.json").exists();
        // A link to a directory above would have no end.
        if path.is_dir() && !path.is_symlink() {
            if !is_run() {
                inside(&path, files)?;
            }
            continue;
        }
        let is_yaml = path
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml");
        if is_yaml && path.is_file() && is_lab(&path) {
            files.push(path);
        }
    }
    Ok(())
}

/// Whether a YAML file in a directory is meant to be a lab: others lie there as well. One that
/// cannot be read is told of later.
fn is_lab(path: &Path) -> bool {
    const SECTIONS: [&str; 5] = ["nodes:", "links:", "probes:", "scenario:", "expect:"];
    let Ok(bytes) = fs::read(path) else {
        return true;
    };
    let text = String::from_utf8_lossy(&bytes);
    let begins = |line: &str| SECTIONS.iter().any(|section| line.starts_with(section));
    text.lines().any(begins)
}

/// Reads all files, so that a mistake in the last is known before the first lab is built.
pub(super) fn candidates(files: &[PathBuf], fast: bool) -> Result<Vec<Candidate>, Exit> {
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut findings = Vec::new();
    let mut refused = Vec::new();
    for path in files {
        match candidate(path, fast) {
            Ok(candidate) => candidates.push(candidate),
            Err(exit) => {
                if let Exit::LabFile(_, found) = &exit {
                    // They have been printed where they were found.
                    findings.extend(found.iter().cloned());
                } else {
                    exit.say();
                }
                refused.push(path.display().to_string());
            }
        }
    }
    if refused.is_empty() {
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        for candidate in &candidates {
            *times.entry(candidate.label.clone()).or_default() += 1;
        }
        for (index, candidate) in candidates.iter_mut().enumerate() {
            if times.get(&candidate.label).is_some_and(|&times| times > 1) {
                candidate.label = format!("{}-{}", candidate.label, index + 1);
            }
        }
        return Ok(candidates);
    }
    let text = format!("nothing was built; refused: {}", refused.join(", "));
    Err(Exit::LabFile(text, findings))
}

fn candidate(path: &Path, fast: bool) -> Result<Candidate, Exit> {
    let loaded = load::read(path)?.at_fast(fast);
    loaded.print();
    let Some(lab) = &loaded.checked.lab else {
        return Err(loaded.refused());
    };
    let (label, fast) = (lab.name.to_string(), lab.scaled.is_some());
    let (weight, columns) = (Weight::of(lab), columns(lab, &loaded.text));
    let sha256 = sha256(loaded.text.as_bytes());
    let lacks = match load::on_host(&loaded) {
        Ok(()) => None,
        Err(Exit::Host(why)) => Some(lacks(&loaded.file, &why)),
        Err(other) => return Err(other),
    };
    Ok(Candidate {
        path: path.to_owned(),
        label,
        fast,
        lacks,
        weight,
        columns,
        sha256,
    })
}

/// Where on its line the probe is named that an expectation, or the probe itself, speaks of.
fn columns(lab: &Lab, text: &str) -> BTreeMap<u32, u32> {
    let lines: Vec<&str> = text.lines().collect();
    let expected = lab.expect.iter().map(|e| (e.line, e.probe.as_str()));
    let declared = lab
        .probes
        .iter()
        .map(|(name, probe)| (probe.line, name.as_str()));
    let places = declared.chain(expected).filter_map(|(line, probe)| {
        let text = lines.get((line as usize).checked_sub(1)?)?;
        let is_key = |at: usize| {
            let rest = text.get(at + probe.len()..).unwrap_or_default();
            let begins = text.get(..at).unwrap_or_default();
            !begins.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
                && rest.trim_start_matches(['"', '\'']).starts_with(':')
        };
        let mut found = text.match_indices(probe).map(|(at, _)| at);
        let at = found.find(|&at| is_key(at))?;
        let column = text.get(..at)?.chars().count() + 1;
        Some((line, u32::try_from(column).ok()?))
    });
    places.collect()
}

/// What the host lacks, a line each. The file's name stands before it anyway.
fn lacks(file: &str, why: &str) -> Vec<String> {
    let prefix = format!("{file}: error: ");
    let found = why.lines().filter_map(|line| line.strip_prefix(&prefix));
    let found: Vec<String> = found.map(str::to_owned).collect();
    if found.is_empty() {
        return vec![why.to_owned()];
    }
    found
}
