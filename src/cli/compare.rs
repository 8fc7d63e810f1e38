//! `backhoe compare`: is this slower than it was?

use std::{fs, path::Path};

use super::{Exit, args::CompareArgs, output};
use crate::results::{
    measure::{Ended, Judgement, RunResult, Terms, TrialsResult, compare, summarise},
    report,
};

pub(super) fn run(args: &CompareArgs) -> Result<(), Exit> {
    let baseline = read(&args.baseline)?;
    let compared = read(&args.compared)?;
    let (limit, seed) = (args.slower_than, baseline.asked.seed);
    let found = compare(&baseline, &compared, limit, seed);
    let shown = [&args.baseline, &args.compared].map(|path| path.display().to_string());
    let names = [shown[0].as_str(), shown[1].as_str()];
    if let Some(file) = &args.html {
        let page = report::html_of_comparison(names, [&baseline, &compared], &found, limit);
        fs::write(file, page)
            .map_err(|error| Exit::Usage(format!("cannot write {}: {error}", file.display())))?;
    }
    if args.output.json {
        output::json(&found)?;
    } else if args.markdown {
        output::data(&report::comparison_markdown(names, &found, limit))?;
    } else {
        let style = report::Style {
            colour: output::colour(),
            width: 100,
        };
        output::data(&report::comparison(names, &found, limit, style))?;
    }
    let alone = !found.only_baseline.is_empty() || !found.only_other.is_empty();
    let unmeasured = found.effects.is_empty();
    let open = alone || unmeasured || found.has(Judgement::Undecided);
    // What was not measured has not been shown to be no slower, either.
    let failed = found.has(Judgement::Slower) || limit.is_some() && unmeasured;
    match failed || args.strict && open {
        true => Err(Exit::Status(4)),
        false => Ok(()),
    }
}

/// A series; a single run is one of one trial.
pub(super) fn read(path: &Path) -> Result<TrialsResult, Exit> {
    let file = match path.is_dir() {
        true => path.join("result.json"),
        false => path.to_owned(),
    };
    let shown = file.display();
    let text = fs::read_to_string(&file).map_err(|error| {
        Exit::Usage(format!(
            "{shown}: cannot be read: {error}\n   = help: name a run directory (`backhoe run LAB --out DIR`), or its result.json"
        ))
    })?;
    parse(&text).map_err(|error| Exit::Usage(format!("{shown}: is no result of a run: {error}")))
}

fn parse(text: &str) -> Result<TrialsResult, serde_json::Error> {
    let document: serde_json::Value = serde_json::from_str(text)?;
    if document.get("distributions").is_some() {
        return serde_json::from_value(document);
    }
    let run: RunResult = serde_json::from_value(document)?;
    let terms = Terms {
        trials: 1,
        until_ci: None,
        seed: run.seed.unwrap_or_default(),
    };
    Ok(summarise(&[run], terms, Ended::Completed))
}
