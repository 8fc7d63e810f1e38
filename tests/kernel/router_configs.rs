//! `examples/router-configs-in-git` as an ordinary user runs it: its good change passes, its bad
//! change and each of ten other mistakes fails, and what is said names the cause.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::lab::User;

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/router-configs-in-git")
}

/// A copy of the example of which only one of the tests is left, under a name of its own.
fn copy(to: &Path, (test, name): (&str, &str)) {
    for file in [
        "edge1/frr.conf",
        "edge1/nftables.conf",
        "edge2/frr.conf",
        &format!("tests/{test}.yaml"),
    ] {
        let text = fs::read_to_string(example().join(file)).unwrap();
        let at = to.join(file);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        fs::write(at, text).unwrap();
    }
    rename(&to.join(format!("tests/{test}.yaml")), name);
}

fn rename(lab: &Path, name: &str) {
    let text = fs::read_to_string(lab).unwrap();
    let named: Vec<String> = text
        .lines()
        .map(|line| match line.starts_with("name: ") {
            true => format!("name: {name}"),
            false => line.to_owned(),
        })
        .collect();
    fs::write(lab, named.join("\n") + "\n").unwrap();
}

/// A unified diff, applied: each hunk's old lines must be there, once.
fn apply(patch: &str, to: &Path) {
    let mut file = PathBuf::new();
    let mut hunks: Vec<(PathBuf, Vec<String>, Vec<String>)> = Vec::new();
    for line in patch.lines() {
        if let Some(name) = line.strip_prefix("+++ b/") {
            file = to.join(name);
        } else if line.starts_with("@@ ") {
            hunks.push((file.clone(), Vec::new(), Vec::new()));
        } else if !line.starts_with("--- a/")
            && let Some((_, old, new)) = hunks.last_mut()
            && let Some((sign, text)) = line.split_at_checked(1)
        {
            match sign {
                " " => {
                    old.push(text.to_owned());
                    new.push(text.to_owned());
                }
                "-" => old.push(text.to_owned()),
                "+" => new.push(text.to_owned()),
                other => panic!("`{other}` in {}", file.display()),
            }
        }
    }
    assert!(!hunks.is_empty());
    for (file, old, new) in hunks {
        let text = fs::read_to_string(&file).unwrap();
        let (old, new) = (old.join("\n"), new.join("\n"));
        assert_eq!(text.matches(&old).count(), 1, "{}: {old}", file.display());
        fs::write(&file, text.replacen(&old, &new, 1)).unwrap();
    }
}

/// What stands in a patch's head behind a word.
fn head<'p>(patch: &'p str, word: &str) -> &'p str {
    let line = patch.lines().find_map(|line| line.strip_prefix(word));
    line.unwrap().trim()
}

#[test]
fn every_mistake_is_caught_and_its_cause_is_named() {
    let user = User::nobody();
    let mut wanted = BTreeMap::new();
    for entry in fs::read_dir(example().join("broken")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let patch = fs::read_to_string(&path).unwrap();
        let dir = user.path("all").join(&name);
        let test = head(&patch, "Caught by:");
        copy(&dir, (test, &name));
        apply(&patch, &dir);
        wanted.insert(name, head(&patch, "Said:").to_owned());
    }
    assert_eq!(wanted.len(), 10, "{wanted:?}");
    for (name, patch) in [
        ("good-change", "good-change.patch"),
        ("bad-change", "bad-change.patch"),
    ] {
        let patch = fs::read_to_string(example().join(patch)).unwrap();
        let dir = user.path("all").join(name);
        copy(&dir, ("steady", name));
        apply(&patch, &dir);
    }
    let output = user.run(&["test", "all", "--jobs", "2", "--json", "--out", "out"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{said}");
    let suite: Value = serde_json::from_slice(&output.stdout).unwrap();
    for case in suite["labs"].as_array().unwrap() {
        let name = case["lab"].as_str().unwrap();
        let told = serde_json::to_string_pretty(case).unwrap();
        if name == "good-change" {
            assert_eq!(case["verdict"], "pass", "{told}");
            continue;
        }
        assert_eq!(case["verdict"], "fail", "{told}");
        let cause = wanted.get(name).map_or(
            "cloud takes `backup` to 10.1.0.0/24, not `primary`: an AS path of 1 (65001)",
            String::as_str,
        );
        let lines = ["chain", "why"].map(|key| case[key].as_array().cloned().unwrap_or_default());
        let mut lines = lines.iter().flatten().filter_map(Value::as_str);
        assert!(
            lines.any(|line| line.contains(cause)),
            "{name}: {cause}\n{told}"
        );
    }
}
