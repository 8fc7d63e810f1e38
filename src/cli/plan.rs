//! `backhoe plan`.

use super::{Exit, args::PlanArgs, load, output};

pub(super) fn run(args: &PlanArgs) -> Result<(), Exit> {
    let (plan, _) = load::plan(&args.lab, None, args.fast.fast)?;
    if args.output.json {
        output::json(&plan)
    } else {
        output::data(&plan.to_string())
    }
}
