//! `backhoe down`.

use std::path::Path;

use serde::Serialize;

use super::{Exit, args::DownArgs, ls, output};
use crate::{
    engine::api::{self, Client, ClientError, End, Summary},
    units::LabName,
};

#[derive(Serialize)]
struct Ended {
    lab: String,
    /// It did not answer.
    killed: bool,
    /// What it was; absent when it did not answer.
    was: Option<Summary>,
}

pub(super) fn run(args: &DownArgs) -> Result<(), Exit> {
    let labs = if args.all {
        api::list()?
    } else if args.labs.is_empty() {
        vec![ls::choose(None)?]
    } else {
        args.labs
            .iter()
            .map(|lab| ls::choose(Some(lab)))
            .collect::<Result<_, _>>()?
    };
    if labs.is_empty() {
        output::talk("no lab is up");
    }
    let mut ended = Vec::new();
    for lab in labs {
        let gone = down(lab)?;
        if !args.output.json {
            output::data(&words(&gone))?;
        }
        ended.push(gone);
    }
    if args.output.json {
        output::json(&ended)?;
    }
    Ok(())
}

fn down(lab: LabName) -> Result<Ended, Exit> {
    let client = Client::new(lab.clone());
    let (was, how) = match client.summary() {
        Ok(was) => (Some(was), client.down()?),
        Err(ClientError::Silent(..)) => (None, client.kill()?),
        // It may be a lab of another version.
        Err(ClientError::Wrong(_)) => (None, client.down()?),
        Err(error) => return Err(error.into()),
    };
    Ok(Ended {
        lab: lab.to_string(),
        killed: how == End::Killed,
        was,
    })
}

fn words(ended: &Ended) -> String {
    let how = if ended.killed {
        "did not answer and was killed"
    } else {
        "is down"
    };
    match &ended.was {
        Some(was) => format!(
            "{} {how}: {} nodes, up for {}; {}",
            ended.lab,
            was.nodes,
            ls::up_for(was),
            left_behind(Path::new(&was.out_dir))
        ),
        None => format!("{} {how}", ended.lab),
    }
}

/// What is left to read; somebody may have deleted it while the lab was up.
fn left_behind(out_dir: &Path) -> String {
    let (dir, journal) = (out_dir.display(), out_dir.join("journal.jsonl"));
    if journal.exists() {
        format!("journal and logs: {dir}")
    } else if out_dir.exists() {
        format!("its journal was deleted meanwhile; what is left: {dir}")
    } else {
        format!("nothing is left to read: {dir} was deleted meanwhile")
    }
}
