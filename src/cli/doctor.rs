//! `backhoe doctor`.

use std::fmt::Write;

use super::{Exit, args::DoctorArgs, output};
use crate::{
    engine::doctor::{Finding, Verdict, findings},
    os::host,
};

pub(super) fn run(args: &DoctorArgs) -> Result<(), Exit> {
    let probe = host::probe()?;
    let all = findings(&probe);
    if args.output.json {
        output::json(
            &serde_json::json!({ "kernel": probe.kernel, "uid": probe.uid, "findings": all }),
        )?;
    } else {
        output::data(&render(&probe.kernel, &all))?;
    }
    match all.iter().find(|finding| finding.verdict == Verdict::Fatal) {
        Some(fatal) => {
            let lack = Exit::Host(format!("no lab runs here: {}: {}", fatal.what, fatal.found));
            lack.say();
            Err(Exit::Status(lack.code()))
        }
        None => Ok(()),
    }
}

fn render(kernel: &str, all: &[Finding]) -> String {
    let mut text = format!("kernel {kernel}\n");
    for finding in all {
        let mark = match finding.verdict {
            Verdict::Good => "ok      ",
            Verdict::Fallback => "fallback",
            Verdict::Missing => "missing ",
            Verdict::Fatal => "FATAL   ",
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{mark}  {:<18} {}", finding.what, finding.found);
        let _ = writeln!(text, "{:30}{}", "", finding.uses);
        if let Some(command) = &finding.improve {
            let _ = writeln!(text, "{:30}improve: {command}", "");
        }
    }
    text
}
