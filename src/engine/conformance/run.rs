//! All cases on all backends.

use std::thread::available_parallelism;

use crate::{
    engine::wire::WireChoice,
    os::{host, netns::NetnsFd, qdisc::Qdiscs, sched},
};

use super::{
    cases::{self, Case},
    row::{BackendReport, Report, Row},
};

/// What to measure.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The only backend, else all that this kernel has.
    pub backend: Option<WireChoice>,
    /// The only cases, by the beginning of their names; none: all.
    pub cases: Vec<String>,
    /// Do not judge times: on an emulated machine they say nothing.
    pub times_unjudged: bool,
}

/// Measures. The calling process must be allowed to make network namespaces;
/// `progress` hears of each case before it begins.
///
/// # Errors
/// No case has such a name, or nothing can be measured at all. A case that
/// fails is a row that says so.
pub fn run(options: &Options, progress: &mut dyn FnMut(&str)) -> anyhow::Result<Report> {
    let chosen: Vec<&Case> = cases::ALL
        .iter()
        .filter(|case| {
            let mut wanted = options.cases.iter();
            options.cases.is_empty() || wanted.any(|name| case.name.starts_with(name.as_str()))
        })
        .collect();
    if chosen.is_empty() {
        let names: Vec<&str> = cases::ALL.iter().map(|case| case.name).collect();
        anyhow::bail!("there is no such case; there is {}", names.join(", "));
    }
    let backends = match options.backend {
        Some(choice) => vec![choice],
        None if has_kernel_wire()? => vec![WireChoice::Relay, WireChoice::Kernel],
        None => vec![WireChoice::Relay],
    };
    let mut reports = Vec::new();
    for backend in backends {
        let name = match backend {
            WireChoice::Kernel => "netem",
            WireChoice::Relay | WireChoice::Auto => "relay",
        };
        let mut rows = Vec::new();
        for case in &chosen {
            progress(&format!("{name}: {}", case.name));
            rows.extend(measure(case, backend, options.times_unjudged));
        }
        let backend = name.to_owned();
        reports.push(BackendReport { backend, rows });
    }
    Ok(Report {
        kernel: host::release(),
        processors: available_parallelism().map_or(1, usize::from),
        realtime: sched::may_be_realtime(),
        times_judged: !options.times_unjudged,
        backends: reports,
    })
}

fn has_kernel_wire() -> anyhow::Result<bool> {
    let netns = NetnsFd::fresh()?;
    Ok(Qdiscs::open(&netns)?.try_all().is_ok())
}

fn measure(case: &Case, backend: WireChoice, times_unjudged: bool) -> Vec<Row> {
    let mut rows = match (case.measure)(backend) {
        Ok(rows) => rows,
        Err(error) => {
            let what = [case.name, "could not be measured", ""];
            return vec![Row::must(what, format!("{error:#}"), false)];
        }
    };
    if times_unjudged && case.is_about_time {
        rows = rows.into_iter().map(Row::unjudged).collect();
    }
    rows
}
