//! `backhoe compare`: is this slower than it was?

use std::{fs, path::Path};

use super::{
    Exit,
    args::CompareArgs,
    bench_dir::{JOURNAL, KeptBench},
    output,
    report::Kept,
};
use crate::results::{
    measure::{
        Compared, Ended, Judgement, RESULT_FORMAT, RunResult, Terms, TrialsResult, compare,
        summarise,
    },
    replay::Replayed,
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
        output::json(&Compared::new(names, found.clone(), limit))?;
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
    if path.is_dir()
        && !file.exists()
        && let Some(told) = without_result(path)?
    {
        return Ok(told);
    }
    let text = fs::read_to_string(&file).map_err(|error| {
        Exit::Usage(format!(
            "{shown}: cannot be read: {error}\n   = help: name a run directory (`backhoe run LAB --out DIR`), a variant's of a bench (`DIR/01`), or a result.json"
        ))
    })?;
    parse(&text).map_err(|error| Exit::Usage(format!("{shown}: is no result of a run: {error}")))
}

/// What a directory holds whose run was killed before it wrote its result.
fn without_result(path: &Path) -> Result<Option<TrialsResult>, Exit> {
    if let Some(bench) = KeptBench::open(path)? {
        return Err(Exit::Usage(format!(
            "{}: holds a bench; name one of its variants: {}",
            path.display(),
            bench.variants()
        )));
    }
    if path.join(JOURNAL).exists() {
        let kept = Kept::open(path)?;
        return Ok(Some(match kept.replay.result(&mut kept.reader())? {
            Replayed::Series(series) => *series,
            Replayed::Run(run) => of_one(*run),
        }));
    }
    let Some((bench, variant)) = KeptBench::of_variant(path)? else {
        return Ok(None);
    };
    Ok(Some(bench.variant(&variant)?.0))
}

fn parse(text: &str) -> Result<TrialsResult, String> {
    let wrong = |error: serde_json::Error| error.to_string();
    let document: serde_json::Value = serde_json::from_str(text).map_err(wrong)?;
    let format = document.get("format").and_then(serde_json::Value::as_u64);
    if let Some(format) = format.filter(|format| *format != u64::from(RESULT_FORMAT)) {
        return Err(format!(
            "its format is {format}, and this is backhoe {}, which reads {RESULT_FORMAT}: \
             `backhoe report DIR --json` of this version measures the run's directory again",
            crate::VERSION
        ));
    }
    if document.get("distributions").is_some() {
        return serde_json::from_value(document).map_err(wrong);
    }
    serde_json::from_value(document).map(of_one).map_err(wrong)
}

fn of_one(run: RunResult) -> TrialsResult {
    let terms = Terms {
        trials: 1,
        until_ci: None,
        seed: run.seed.unwrap_or_default(),
    };
    summarise(&[run], terms, Ended::Completed)
}
