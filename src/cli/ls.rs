//! `backhoe ls`, and how a command finds the lab it means.

use super::{Exit, args::LsArgs, output};
use crate::{
    engine::api::{self, Client},
    units::LabName,
};

pub(super) fn run(args: &LsArgs) -> Result<(), Exit> {
    let mut found = Vec::new();
    for lab in api::list()? {
        // One that ends meanwhile is no longer up.
        found.extend(Client::new(lab).status());
    }
    if args.json {
        return output::json(&found);
    }
    for status in found {
        output::data(&format!(
            "{}\t{} nodes\t{}",
            status.state.lab,
            status.state.nodes.len(),
            status.out_dir
        ))?;
    }
    Ok(())
}

/// The named lab, or the only one that is up.
pub(super) fn choose(lab: Option<&str>) -> Result<LabName, Exit> {
    if let Some(lab) = lab {
        return LabName::new(lab).map_err(|error| Exit::Usage(error.to_string()));
    }
    let mut labs = api::list()?;
    match (labs.pop(), labs.len()) {
        (Some(only), 0) => Ok(only),
        (None, _) => Err(Exit::Usage("no lab is up".to_owned())),
        (Some(_), _) => Err(Exit::Usage(
            "several labs are up; name one (backhoe ls)".to_owned(),
        )),
    }
}
