//! `backhoe conformance`.

use std::fs;

use super::{
    Exit,
    args::{ConformanceArgs, WireArg},
    output,
};
use crate::{
    engine::conformance::{self, Options, Report},
    os::userns::{self, Owner},
};

pub(super) fn run(args: &ConformanceArgs) -> Result<(), Exit> {
    let reports = if args.from.is_empty() {
        vec![measured(args)?]
    } else {
        read(args)?
    };
    if args.markdown {
        output::data(&Report::markdown(&reports))?;
    } else if args.output.json {
        match reports.as_slice() {
            [report] => output::json(report)?,
            several => output::json(&several)?,
        }
    } else {
        let texts: Vec<String> = reports.iter().map(Report::text).collect();
        output::data(&texts.join("\n"))?;
    }
    if reports.iter().all(Report::is_met) {
        Ok(())
    } else if args.output.json {
        // The document says what was missed.
        Err(Exit::Status(4))
    } else {
        Err(Exit::Failed(
            "something was missed; see the lines marked so".to_owned(),
        ))
    }
}

fn measured(args: &ConformanceArgs) -> Result<Report, Exit> {
    // An ordinary user may make network namespaces only inside a user namespace
    // of their own, and it has to be entered before any thread exists.
    if Owner::current().uid != 0 {
        userns::enter_fresh().map_err(|error| Exit::Host(userns::explain(&error)))?;
    }
    let options = Options {
        backend: match args.wire {
            WireArg::Auto => None,
            one @ (WireArg::Relay | WireArg::Kernel) => Some(one.into()),
        },
        cases: args.cases.clone(),
        times_unjudged: args.no_times,
    };
    Ok(conformance::run(&options, &mut |text| output::talk(text))?)
}

fn read(args: &ConformanceArgs) -> Result<Vec<Report>, Exit> {
    let mut reports = Vec::new();
    for path in &args.from {
        let refused = |error: String| Exit::Usage(format!("{}: {error}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
        reports.push(serde_json::from_str(&text).map_err(|error| refused(error.to_string()))?);
    }
    Ok(reports)
}
