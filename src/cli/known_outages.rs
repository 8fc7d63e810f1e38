//! `backhoe known-outages`.

use super::{Exit, args::KnownOutagesArgs, output};
use crate::{
    engine::known_outages::{self, Options},
    os::userns::{self, Owner},
};

pub(super) fn run(args: &KnownOutagesArgs) -> Result<(), Exit> {
    // An ordinary user may make network namespaces only inside a user namespace
    // of their own, and it has to be entered before any thread exists.
    if Owner::current().uid != 0 {
        userns::enter_fresh().map_err(|error| Exit::Host(userns::explain(&error)))?;
    }
    let mut options = Options {
        trials: args.trials,
        ..Options::default()
    };
    if !args.rate.is_empty() {
        options.rates.clone_from(&args.rate);
    }
    let report = known_outages::run(&options, &mut |text| output::talk(text))?;
    if args.output.json {
        output::json(&report)?;
    } else if args.markdown {
        output::data(&report.markdown())?;
    } else {
        output::data(&report.text())?;
    }
    if report.is_met() {
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
