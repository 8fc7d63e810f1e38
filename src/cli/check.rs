//! `backhoe check`.

use std::{collections::BTreeMap, path::Path};

use super::{Exit, args::CheckArgs, finding::Finding, load, output};
use crate::lab::model::{Factor, scaled_words};

pub(super) fn run(args: &CheckArgs) -> Result<(), Exit> {
    let mut refused = Vec::new();
    let mut findings = Vec::new();
    let mut codes = Vec::new();
    let mut scaled = BTreeMap::new();
    for path in &args.labs {
        let file = path.display().to_string();
        match one(path, args, &mut findings) {
            Ok(factor) => {
                if !args.output.json {
                    let words = factor.map(scaled_words);
                    let words = words.map_or_else(String::new, |words| format!(", {words}"));
                    output::data(&format!("{file}: ok{words}"))?;
                }
                scaled.extend(factor.map(|factor| (file, factor)));
            }
            Err(exit) => {
                // A refused file's findings have been printed where they were found.
                if let (false, Some(error)) = (matches!(exit, Exit::LabFile(..)), exit.error()) {
                    output::talk(&error.message);
                }
                codes.push(exit.code());
                refused.push(file);
            }
        }
    }
    if args.output.json {
        let mut document = serde_json::json!({ "ok": refused.is_empty(), "diagnostics": findings });
        if !scaled.is_empty() {
            document["timers_scaled"] = serde_json::json!(scaled);
        }
        output::json(&document)?;
    }
    // What the user can mend comes before what the host lacks.
    match codes.into_iter().min_by_key(|&code| (code == 3, code)) {
        None => Ok(()),
        Some(code) => {
            output::talk(&format!("backhoe: refused: {}", refused.join(", ")));
            Err(Exit::Status(code))
        }
    }
}

/// Checks one file; everything found of it goes to `findings`. The factor by which its timers are
/// scaled.
fn one(path: &Path, args: &CheckArgs, findings: &mut Vec<Finding>) -> Result<Option<u32>, Exit> {
    let file = path.display().to_string();
    let loaded = load::read(path).inspect_err(|exit| whole(&file, exit, findings))?;
    let loaded = loaded.at_fast(args.fast.fast);
    findings.extend(Finding::all(&file, &loaded.checked.diagnostics));
    loaded.print();
    let Some(lab) = &loaded.checked.lab else {
        return Err(loaded.refused());
    };
    let factor = lab.scaled.map(Factor::get);
    let planned = if args.host {
        load::on_host(&loaded)
    } else {
        load::anywhere(&loaded)
    };
    planned.inspect_err(|exit| whole(&file, exit, findings))?;
    Ok(factor)
}

fn whole(file: &str, exit: &Exit, findings: &mut Vec<Finding>) {
    if let Exit::LabFile(_, found) = exit {
        findings.extend(found.iter().cloned());
    } else if let Some(error) = exit.error() {
        findings.push(Finding::whole(file, &error.kind, error.message));
    }
}
