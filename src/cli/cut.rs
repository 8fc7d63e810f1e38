//! `backhoe cut` and `backhoe restore`.

use super::{
    Exit,
    args::{CutArgs, RestoreArgs},
    ls, output,
};
use crate::engine::api::{Client, CutRequest, FaultDone, RestoreRequest};

pub(super) fn run(args: &CutArgs) -> Result<(), Exit> {
    let client = Client::new(ls::choose(args.which.lab.as_deref())?);
    let done = client.cut(&CutRequest {
        target: args.target.clone(),
        how: args.how.clone(),
        from: args.from.clone(),
        at: args.at.clone(),
        label: args.label.clone(),
    })?;
    if args.output.json {
        return output::json(&done);
    }
    output::data(&format!(
        "{} cut, {}, in {}; undo: backhoe restore {}",
        done.target,
        done.fault,
        took(&done),
        done.label
    ))
}

pub(super) fn restore(args: &RestoreArgs) -> Result<(), Exit> {
    let client = Client::new(ls::choose(args.which.lab.as_deref())?);
    let all = client.restore(&RestoreRequest {
        label: args.fault.clone(),
        all: args.all,
    })?;
    if args.output.json {
        return output::json(&all);
    }
    if all.is_empty() {
        output::talk("nothing is cut");
    }
    for done in &all {
        let label = if done.label == done.target {
            String::new()
        } else {
            format!(" ({})", done.label)
        };
        output::data(&format!(
            "{} restored{label}, was {}, in {}",
            done.target,
            done.fault,
            took(done)
        ))?;
    }
    Ok(())
}

/// How wide the bracket is in which it happened.
fn took(done: &FaultDone) -> String {
    let ns = done.after.saturating_sub(done.before);
    match ns {
        0..1_000_000 => format!("{:.0} µs", ns as f64 / 1e3),
        _ => format!("{:.1} ms", ns as f64 / 1e6),
    }
}
