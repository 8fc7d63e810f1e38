//! `backhoe doctor`.

use super::{Exit, args::Output, output};
use crate::{
    engine::doctor::{Verdict, findings, text},
    os::host,
};

pub(super) fn run(wanted: Output) -> Result<(), Exit> {
    let probe = host::probe_all()?;
    let timing = host::timing();
    let all = findings(&probe, Some(timing));
    if wanted.json {
        output::json(&serde_json::json!({
            "kernel": probe.kernel,
            "uid": probe.uid,
            "distribution": probe.distribution,
            "container": probe.container,
            "timing": {
                "clock_ns": timing.clock_ns,
                "wake_p50_us": timing.wake_p50_us,
                "wake_p99_us": timing.wake_p99_us,
            },
            "findings": all,
        }))?;
    } else {
        output::data(text(&probe.kernel, &all).trim_end())?;
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
