//! The manifests of `examples/fan-out`, carried out as their engines would.

use std::{env, fs, process::Command};

use serde_json::Value;

use super::{
    bench::{Bench, root, words},
    test,
};

/// A directory in which `backhoe` is found, before all others.
fn path() -> String {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_backhoe"));
    let others = env::var("PATH").unwrap_or_default();
    format!("{}:{others}", program.parent().unwrap().display())
}

/// The script of a manifest's Job.
fn script(file: &str) -> String {
    let text = fs::read_to_string(root().join("examples/fan-out").join(file)).unwrap();
    let jobs = text
        .split("\n---\n")
        .map(|text| serde_saphyr::from_str::<Value>(text).unwrap());
    let job = jobs
        .into_iter()
        .find(|document| document["kind"] == "Job")
        .unwrap();
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["command"], serde_json::json!(["/bin/sh", "-c"]));
    container["args"][0].as_str().unwrap().to_owned()
}

/// Runs a part of an engine's job; its exit code and what it said.
fn carried_out(bench: &Bench, command: &[&str], env: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = Command::new(command[0])
        .args(&command[1..])
        .current_dir(bench.dir.path())
        .env("PATH", path())
        .env("LABS", "labs")
        .env("RESULTS", "results")
        .envs(env.iter().copied())
        .output()
        .unwrap();
    let (out, err) = words(&output);
    (output.status.code(), out + &err)
}

/// Runs the labs in two shards, one as each of the engines would (they do not differ in what
/// comes of it), and merges them: what `whole`, a run of all, has said.
pub(crate) fn shards_merged_are(bench: &Bench, whole: &Value, wrong: &str) {
    let slurm = root().join("examples/fan-out/slurm.sh");
    let slurm = slurm.display().to_string();
    let shard = script("kubernetes.yaml");
    let pod = |index| [("JOB_COMPLETION_INDEX", index), ("SHARDS", "2")];
    let first = carried_out(bench, &["/bin/sh", "-c", &shard], &pod("0"));
    assert_eq!(first.0, Some(0), "{}", first.1);
    assert!(
        first.1.contains("1 passed, 0 failed, 1 skipped"),
        "{}",
        first.1
    );
    let task = [
        ("SLURM_ARRAY_TASK_ID", "2"),
        ("SLURM_ARRAY_TASK_COUNT", "2"),
    ];
    let missing = bench.fails(2, &["merge", "results/shard-1"]);
    assert!(missing.contains("shards are missing: 2/2"), "{missing}");
    // That a lab fails is no reason to run its shard again.
    let second = carried_out(bench, &["bash", &slurm], &task);
    assert_eq!(second.0, Some(0), "{}", second.1);
    assert!(second.1.contains(&format!("FAIL  {wrong}")), "{}", second.1);
    let merge = script("kubernetes-merge.yaml");
    let merged = carried_out(bench, &["/bin/sh", "-c", &merge], &[]);
    assert_eq!(merged.0, Some(4), "{}", merged.1);
    test::validates(&bench.dir.path().join("results/junit.xml"));
    let (merged, _) = bench.fails_json(
        4,
        &[
            "merge",
            "results/shard-2/test.json",
            "results/shard-1",
            "--json",
        ],
    );
    assert_eq!(test::comparable(&merged), test::comparable(whole));
    assert_eq!(
        merged["labs"][1]["out_dir"],
        format!("results/shard-2/{wrong}")
    );
    let nothing = bench.fails(2, &["merge", "labs"]);
    assert!(nothing.contains("--shard k/n --out DIR"), "{nothing}");
    // What is no verdict is no success: the engine may try it again.
    let broken = carried_out(bench, &["/bin/sh", "-c", &shard], &pod("2"));
    assert_eq!(broken.0, Some(2), "{}", broken.1);
}
