//! Alerts of a lab that is up and runs no scenario.

use serde_json::Value;

use crate::bench::{Bench, headline, until};

#[test]
fn traffic_on_a_backup_and_a_dead_backup_are_told_while_the_lab_is_up() {
    let mut bench = Bench::new("alerts");
    let lab = bench.name("alerts");
    let up = bench.json(&["up", &headline(), "--name", &lab, "--json"]);
    let raised = |alert: &str, about: &str| -> Option<bool> {
        let metrics = bench.json(&["metrics", &lab, "--json"]);
        let mut all = metrics["alerts"].as_array().unwrap().iter();
        all.find(|one| one["alert"] == alert && one["about"] == about)?["raised"].as_bool()
    };
    let status = || -> Vec<(String, String)> {
        let status = bench.json(&["status", &lab, "--json"]);
        let alerts = status["state"]["alerts"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        alerts
            .map(|one| (text(&one["alert"]), text(&one["about"])))
            .collect()
    };
    let pair = |alert: &str, about: &str| (alert.to_owned(), about.to_owned());
    // Once it is known which way is the usual one.
    until("both alerts known and neither raised", || {
        raised("running-on-backup", "app") == Some(false)
            && raised("backup-dead", "backup") == Some(false)
    });

    bench.ok(&["cut", "--lab", &lab, "backup"]);
    until("the backup's death", || {
        raised("backup-dead", "backup") == Some(true)
    });
    assert_eq!(status(), [pair("backup-dead", "backup")]);
    bench.ok(&["restore", "--lab", &lab, "backup"]);
    until("the backup's return", || {
        raised("backup-dead", "backup") == Some(false)
    });

    bench.ok(&["cut", "--lab", &lab, "circuit"]);
    until("traffic on the backup", || {
        raised("running-on-backup", "app") == Some(true)
    });
    assert_eq!(status(), [pair("running-on-backup", "app via backup")]);
    bench.ok(&["restore", "--lab", &lab, "circuit"]);
    until("traffic on its usual way", || {
        raised("running-on-backup", "app") == Some(false)
    });
    assert_eq!(status(), []);

    let journal = std::path::Path::new(up["out_dir"].as_str().unwrap()).join("journal.jsonl");
    let told: Vec<[String; 2]> = std::fs::read_to_string(journal)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| event["kind"] == "alert")
        .map(|event| ["alert", "state"].map(|key| event[key].as_str().unwrap().to_owned()))
        .collect();
    let [dead, on] = ["backup-dead", "running-on-backup"];
    assert_eq!(
        told,
        [
            [dead, "raised"],
            [dead, "cleared"],
            [on, "raised"],
            [on, "cleared"]
        ]
    );
}
