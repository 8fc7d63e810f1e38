//! `backhoe ls`, and how a command finds the lab it means.

use std::path::Path;

use serde::Serialize;

use super::{
    Exit,
    args::Output,
    output,
    table::{Table, age},
};
use crate::{
    engine::api::{self, Client, ClientError, Summary},
    os::clock,
    units::{LabName, nearest},
};

/// A lab, or why nothing is known of it.
#[derive(Serialize)]
#[serde(untagged)]
enum Found {
    Up(Summary),
    Silent { lab: String, error: String },
}

pub(super) fn run(wanted: Output) -> Result<(), Exit> {
    let mut found = Vec::new();
    for lab in api::list()? {
        match Client::new(lab.clone()).summary() {
            Ok(summary) => found.push(Found::Up(summary)),
            // It has ended meanwhile.
            Err(ClientError::NotUp(_)) => {}
            Err(error) => found.push(Found::Silent {
                lab: lab.to_string(),
                error: error.to_string(),
            }),
        }
    }
    if wanted.json {
        return output::json(&found);
    }
    if found.is_empty() {
        output::talk("no lab is up; bring one up: backhoe up LAB");
        return Ok(());
    }
    let mut table = Table::new(&["NAME", "NODES", "SINCE", "TIMERS", "DIR"]);
    for lab in &found {
        table.row(match lab {
            Found::Up(lab) => [
                lab.lab.clone(),
                lab.nodes.to_string(),
                format!("{} ago", up_for(lab)),
                timers(lab),
                present(Path::new(&lab.out_dir)),
            ],
            Found::Silent { lab, .. } => [
                lab.clone(),
                "?".to_owned(),
                "?".to_owned(),
                "?".to_owned(),
                "does not answer".to_owned(),
            ],
        });
    }
    output::data(&table.to_string())
}

/// Whose timers they are.
fn timers(lab: &Summary) -> String {
    lab.timers_scaled.map_or_else(
        || "as written".to_owned(),
        |factor| format!("scaled 1:{factor} (--fast)"),
    )
}

/// For how long a lab has been up.
pub(super) fn up_for(lab: &Summary) -> String {
    age(clock::mono_ns().saturating_sub(lab.up_since) / 1_000_000)
}

/// A path of a run as it is shown: one that is no longer there says so.
pub(super) fn present(path: &Path) -> String {
    match path.exists() {
        true => path.display().to_string(),
        false => format!("{} (deleted meanwhile)", path.display()),
    }
}

/// The named lab, or the only one that is up.
pub(super) fn choose(lab: Option<&str>) -> Result<LabName, Exit> {
    let labs = api::list()?;
    let Some(name) = lab else {
        return match labs.as_slice() {
            [only] => Ok(only.clone()),
            [] => Err(Exit::Usage(
                "no lab is up; bring one up: backhoe up LAB".to_owned(),
            )),
            several => Err(Exit::Usage(format!(
                "several labs are up ({}); say which one",
                names(several)
            ))),
        };
    };
    let wanted = LabName::new(name).map_err(|error| Exit::Usage(error.to_string()))?;
    if labs.contains(&wanted) {
        return Ok(wanted);
    }
    let hint = match nearest(name, labs.iter().map(LabName::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if labs.is_empty() => "none is".to_owned(),
        None => format!("up are: {}", names(&labs)),
    };
    Err(Exit::Usage(format!("no lab `{name}` is up; {hint}")))
}

fn names(labs: &[LabName]) -> String {
    let names: Vec<&str> = labs.iter().map(LabName::as_str).collect();
    names.join(", ")
}
