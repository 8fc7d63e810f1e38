//! `backhoe logs`: what a node's programs have said.

use std::{collections::BTreeMap, thread, time::Duration};

use serde_json::{Value, json};

use super::{Exit, args::LogsArgs, ls, output};
use crate::engine::api::{Client, ClientError};

/// How often a followed log is looked at.
const LOOK: Duration = Duration::from_millis(250);

pub(super) fn run(args: &LogsArgs) -> Result<(), Exit> {
    let client = Client::new(ls::choose(args.which.lab.as_deref())?);
    let mut text = client.logs(&args.node)?;
    if args.output.json {
        return output::json(&each(&args.node, &text));
    }
    if text.is_empty() {
        output::talk(&format!("{} runs nothing that logs", args.node));
    } else {
        output::data(&text)?;
    }
    if !args.follow {
        return Ok(());
    }
    loop {
        thread::sleep(LOOK);
        let now = match client.logs(&args.node) {
            // The lab has ended, and its logs with it.
            Err(ClientError::NotUp(_) | ClientError::Broken(_)) => return Ok(()),
            other => other?,
        };
        let news = added(&text, &now);
        if !news.is_empty() {
            output::stream(&news)?;
        }
        text = now;
    }
}

/// The logs as JSON: each file with its text.
fn each(node: &str, text: &str) -> Value {
    let logs: Vec<Value> = by_program(text)
        .into_iter()
        .map(|(heading, text)| {
            let file = heading.trim_start_matches("==> ").trim_end_matches(" <==");
            json!({ "file": file, "text": text })
        })
        .collect();
    json!({ "node": node, "logs": logs })
}

/// What each program has added, under its heading.
fn added(before: &str, now: &str) -> String {
    let known = by_program(before);
    let mut news = String::new();
    for (heading, text) in by_program(now) {
        let old = known.get(heading).copied().unwrap_or_default();
        if let Some(new) = text.strip_prefix(old).filter(|new| !new.is_empty()) {
            news.push_str(heading);
            news.push('\n');
            news.push_str(new);
        }
    }
    news
}

/// The logs by their headings, which are `==> NAME <==`.
fn by_program(text: &str) -> BTreeMap<&str, &str> {
    let mut logs = BTreeMap::new();
    let mut heading: Option<(&str, usize)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end();
        if bare.starts_with("==> ") && bare.ends_with(".log <==") {
            if let Some((name, from)) = heading {
                logs.insert(name, text.get(from..at).unwrap_or_default());
            }
            heading = Some((bare, at + line.len()));
        }
        at += line.len();
    }
    if let Some((name, from)) = heading {
        logs.insert(name, text.get(from..).unwrap_or_default());
    }
    logs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_is_shown_under_its_heading() {
        let before = "==> a.x.log <==\n1\n==> a.y.log <==\n";
        let now = "==> a.x.log <==\n1\n2\n==> a.y.log <==\n==> a.z.log <==\n3\n";
        assert_eq!(added(before, before), "");
        assert_eq!(
            each("a", before)["logs"],
            json!([{ "file": "a.x.log", "text": "1\n" }, { "file": "a.y.log", "text": "" }])
        );
        assert_eq!(
            added(before, now),
            "==> a.x.log <==\n2\n==> a.z.log <==\n3\n"
        );
    }
}
