//! `backhoe check`.

use std::path::Path;

use super::{Exit, args::CheckArgs, finding::Finding, load, output};

pub(super) fn run(args: &CheckArgs) -> Result<(), Exit> {
    let mut refused = Vec::new();
    let mut findings = Vec::new();
    let mut codes = Vec::new();
    for path in &args.labs {
        let file = path.display().to_string();
        match one(path, args, &mut findings) {
            Ok(()) if args.output.json => {}
            Ok(()) => output::data(&format!("{file}: ok"))?,
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
        output::json(&serde_json::json!({ "ok": refused.is_empty(), "diagnostics": findings }))?;
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

/// Checks one file; everything found of it goes to `findings`.
fn one(path: &Path, args: &CheckArgs, findings: &mut Vec<Finding>) -> Result<(), Exit> {
    let file = path.display().to_string();
    let loaded = load::read(path).inspect_err(|exit| whole(&file, exit, findings))?;
    findings.extend(Finding::all(&file, &loaded.checked.diagnostics));
    loaded.print();
    if loaded.checked.lab.is_none() {
        return Err(loaded.refused());
    }
    let planned = if args.host {
        load::on_host(&loaded)
    } else {
        load::anywhere(&loaded)
    };
    planned.inspect_err(|exit| whole(&file, exit, findings))
}

fn whole(file: &str, exit: &Exit, findings: &mut Vec<Finding>) {
    if let Exit::LabFile(_, found) = exit {
        findings.extend(found.iter().cloned());
    } else if let Some(error) = exit.error() {
        findings.push(Finding::whole(file, &error.kind, error.message));
    }
}
