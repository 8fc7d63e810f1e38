//! `backhoe check`.

use serde::Serialize;

use super::{Exit, args::CheckArgs, load, output};
use crate::lab::spec::{Diagnostic, Severity};

#[derive(Serialize)]
struct Found<'a> {
    file: &'a str,
    line: u32,
    column: u32,
    severity: &'static str,
    code: &'a str,
    message: &'a str,
    help: Option<&'a str>,
}

pub(super) fn run(args: &CheckArgs) -> Result<(), Exit> {
    let mut refused = Vec::new();
    let mut rows = Vec::new();
    for path in &args.labs {
        let loaded = load::read(path)?;
        let found = &loaded.checked.diagnostics;
        if args.json {
            rows.extend(
                found.0.iter().map(|d| {
                    serde_json::to_value(row(&loaded.file, d)).map_err(anyhow::Error::from)
                }),
            );
        } else {
            let text = found.render(&loaded.file, &loaded.text);
            if !text.is_empty() {
                output::talk(text.trim_end());
            }
        }
        if loaded.checked.lab.is_none() {
            refused.push(loaded.file);
        } else {
            if args.host {
                load::on_host(path)?;
            } else {
                load::anywhere(&loaded)?;
            }
            if !args.json {
                output::data(&format!("{}: ok", loaded.file))?;
            }
        }
    }
    if args.json {
        let rows = rows.into_iter().collect::<Result<Vec<_>, _>>()?;
        output::json(&serde_json::json!({ "ok": refused.is_empty(), "diagnostics": rows }))?;
    }
    if refused.is_empty() {
        Ok(())
    } else {
        Err(Exit::Usage(if args.json {
            String::new()
        } else {
            format!("refused: {}", refused.join(", "))
        }))
    }
}

fn row<'a>(file: &'a str, found: &'a Diagnostic) -> Found<'a> {
    Found {
        file,
        line: found.line,
        column: found.column,
        severity: match found.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        code: found.code,
        message: &found.message,
        help: found.help.as_deref(),
    }
}
