//! What `examples/` and `action.yml` hold is what this version understands.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every document of a YAML file.
fn documents(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    let each = text.split("\n---\n");
    each.map(|text| serde_saphyr::from_str(text).unwrap_or_else(|e| panic!("{path:?}: {e}")))
        .collect()
}

/// Every text below one of `keys`, lists of texts line by line.
fn texts(value: &Value, keys: &[&str], into: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match (value, keys.contains(&key.as_str())) {
                    (Value::String(text), true) => into.push(text.clone()),
                    (Value::Array(items), true) => {
                        let lines: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
                        into.push(lines.join("\n"));
                    }
                    _ => texts(value, keys, into),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, keys, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn scripts() -> Vec<(String, String)> {
    let mut scripts = Vec::new();
    for (file, keys) in [
        ("action.yml", &["run"][..]),
        ("examples/ci/github-workflow.yml", &["run"]),
        ("examples/ci/gitlab-ci.yml", &["script"]),
        (
            "examples/router-configs-in-git/.github/workflows/failover.yml",
            &["run"],
        ),
        ("examples/router-configs-in-git/.gitlab-ci.yml", &["script"]),
        ("examples/fan-out/kubernetes.yaml", &["args"]),
        ("examples/fan-out/kubernetes-merge.yaml", &["args"]),
    ] {
        let mut found = Vec::new();
        let all = documents(&root().join(file));
        all.iter()
            .for_each(|document| texts(document, keys, &mut found));
        scripts.extend(found.into_iter().map(|text| (file.to_owned(), text)));
    }
    let slurm = "examples/fan-out/slurm.sh";
    let text = fs::read_to_string(root().join(slurm)).unwrap();
    scripts.push((slurm.to_owned(), text));
    scripts
}

#[test]
fn every_script_is_one_that_a_shell_can_read() {
    let scripts = scripts();
    assert!(scripts.len() >= 10, "{scripts:?}");
    for (file, text) in scripts {
        let mut bash = Command::new("bash")
            .args(["-n", "-c", &text])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        assert!(bash.wait().unwrap().success(), "{file}: {text}");
    }
}

#[test]
fn every_option_of_ours_is_one_that_there_is() {
    let help = |command: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_backhoe"))
            .args([command, "--help"])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let mut seen = 0;
    let workflow = fs::read_to_string(root().join("examples/ci/github-workflow.yml")).unwrap();
    let args = workflow
        .split("args: ")
        .nth(1)
        .unwrap()
        .lines()
        .next()
        .unwrap();
    let mut scripts = scripts();
    scripts.push(("args".to_owned(), format!("backhoe test {args}")));
    for (file, text) in &scripts {
        let text = text.replace("\\\n", " ");
        for line in text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
        {
            for command in ["test", "merge"] {
                let Some((_, rest)) = line.split_once(&format!("backhoe {command} ")) else {
                    continue;
                };
                let help = help(command);
                let options = rest
                    .split_whitespace()
                    .filter(|word| word.starts_with("--"));
                for option in options {
                    seen += 1;
                    let there = help.split_whitespace().any(|word| word == option);
                    assert!(there, "{file}: {option}");
                }
            }
        }
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn a_shard_is_a_completion_and_all_of_them_run_at_once() {
    let all = documents(&root().join("examples/fan-out/kubernetes.yaml"));
    let job = all
        .iter()
        .find(|document| document["kind"] == "Job")
        .unwrap();
    let spec = &job["spec"];
    let env = spec["template"]["spec"]["containers"][0]["env"]
        .as_array()
        .unwrap();
    let shards = env.iter().find(|one| one["name"] == "SHARDS").unwrap();
    let shards: u64 = shards["value"].as_str().unwrap().parse().unwrap();
    assert_eq!(spec["completions"], shards);
    assert_eq!(spec["parallelism"], shards);
    assert_eq!(spec["completionMode"], "Indexed");
    let volumes = spec["template"]["spec"]["volumes"].as_array().unwrap();
    let mounts = spec["template"]["spec"]["containers"][0]["volumeMounts"]
        .as_array()
        .unwrap();
    for mount in mounts {
        assert!(
            volumes.iter().any(|volume| volume["name"] == mount["name"]),
            "{mount}"
        );
    }
}
