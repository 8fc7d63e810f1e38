//! What stays of a run's directory when its verdict is known.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::ValueEnum;

/// Of which runs everything is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Keep {
    /// Those that failed
    #[default]
    Failures,
    /// Every one
    All,
    /// None: of each the result, its lab file and what it said
    Nothing,
}

/// What stays in any case.
const ALWAYS: [&str; 3] = ["result.json", "lab.yaml", "plan.json"];
/// What goes first where there is too much, and within each the largest: what can be told from
/// the rest, what is bulk, and last what the others are explained by.
const ORDER: [&str; 6] = [
    "report.html",
    "captures",
    "packets",
    "packets.parquet",
    "logs",
    "",
];

/// Takes away what is not to be kept, and the largest files until no more than `limit` bytes are
/// left. The names of files that had to go for that.
pub(super) fn prune(
    directory: &Path,
    (keep, failed): (Keep, bool),
    limit: u64,
) -> io::Result<Vec<String>> {
    let wanted = keep == Keep::All || (keep == Keep::Failures && failed);
    let mut files = Vec::new();
    below(directory, &mut files)?;
    let name = |path: &Path| {
        let inside = path.strip_prefix(directory).unwrap_or(path);
        inside.to_string_lossy().into_owned()
    };
    if !wanted {
        for (path, _) in &files {
            if !ALWAYS.contains(&name(path).as_str()) {
                fs::remove_file(path)?;
            }
        }
        empty(directory)?;
        return Ok(Vec::new());
    }
    let mut total: u64 = files.iter().map(|(_, size)| size).sum();
    let mut left_out = Vec::new();
    let class = |path: &Path| {
        let name = name(path);
        let first = name.split('/').next().unwrap_or_default();
        ORDER
            .iter()
            .position(|class| *class == first)
            .unwrap_or(ORDER.len())
    };
    files.sort_by_key(|(path, size)| (class(path), u64::MAX - size));
    for (path, size) in &files {
        if total <= limit {
            break;
        }
        let name = name(path);
        if ALWAYS.contains(&name.as_str()) {
            continue;
        }
        fs::remove_file(path)?;
        total -= size;
        left_out.push(name);
    }
    Ok(left_out)
}

fn below(directory: &Path, files: &mut Vec<(PathBuf, u64)>) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            below(&entry.path(), files)?;
        } else {
            files.push((entry.path(), entry.metadata()?.len()));
        }
    }
    Ok(())
}

/// Directories in which nothing is left.
fn empty(directory: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            empty(&entry.path())?;
            fs::remove_dir(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, size) in [
            ("result.json", 10),
            ("journal.jsonl", 100),
            ("captures/a.pcapng", 3000),
            ("captures/b.pcapng", 5000),
            ("logs/dc1.log", 200),
            ("config/dc1/frr.conf", 50),
        ] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, vec![0; size]).unwrap();
        }
        dir
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut files = Vec::new();
        below(dir, &mut files).unwrap();
        let names = files
            .iter()
            .map(|(path, _)| path.strip_prefix(dir).unwrap());
        let mut names: Vec<String> = names.map(|n| n.display().to_string()).collect();
        names.sort();
        names
    }

    #[test]
    fn of_a_success_the_result_stays() {
        let dir = run();
        assert!(
            prune(dir.path(), (Keep::Failures, false), 0)
                .unwrap()
                .is_empty()
        );
        assert_eq!(names(dir.path()), ["result.json"]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn of_a_failure_what_fits_stays_and_the_largest_capture_goes_first() {
        let dir = run();
        let kept = (Keep::Failures, true);
        assert!(prune(dir.path(), kept, 10_000).unwrap().is_empty());
        assert_eq!(
            prune(dir.path(), kept, 4000).unwrap(),
            ["captures/b.pcapng"]
        );
        let left_out = prune(dir.path(), kept, 370).unwrap();
        assert_eq!(left_out, ["captures/a.pcapng"]);
        let left_out = prune(dir.path(), kept, 165).unwrap();
        assert_eq!(left_out, ["logs/dc1.log"]);
        prune(dir.path(), kept, 0).unwrap();
        assert_eq!(names(dir.path()), ["result.json"]);
    }

    #[test]
    fn a_run_that_left_nothing_is_no_error() {
        let dir = run();
        let nowhere = dir.path().join("nowhere");
        assert!(
            prune(&nowhere, (Keep::Nothing, true), 0)
                .unwrap()
                .is_empty()
        );
        assert!(prune(&nowhere, (Keep::All, true), 0).unwrap().is_empty());
    }
}
