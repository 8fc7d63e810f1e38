//! `backhoe down`.

use super::{Exit, args::DownArgs, ls};
use crate::engine::api::{self, Client};

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
    for lab in labs {
        Client::new(lab)
            .down()
            .map_err(|error| Exit::Usage(error.to_string()))?;
    }
    Ok(())
}
