//! `backhoe graph`.

use std::{fs, path::Path};

use super::{Exit, args::GraphArgs, load, output};
use crate::lab::graph::{self, Format};

pub(super) fn run(args: &GraphArgs) -> Result<(), Exit> {
    let format = format(args)?;
    let text = graph::render(&load::lab(&args.lab)?, format);
    match &args.out {
        None => output::data(&text),
        Some(out) => fs::write(out, text).map_err(|error| {
            Exit::Usage(format!(
                "{}: error: cannot be written: {error}",
                out.display()
            ))
        }),
    }
}

/// What was asked for, or what the file's name says.
fn format(args: &GraphArgs) -> Result<Format, Exit> {
    if let Some(format) = args.format {
        return Ok(format.into());
    }
    let Some(out) = &args.out else {
        return Ok(Format::Mermaid);
    };
    let extension = Path::extension(out).unwrap_or_default();
    Format::of_extension(&extension.to_string_lossy()).ok_or_else(|| {
        Exit::Usage(format!(
            "{}: error: the name does not say what to draw\n   = help: end it in .svg, .mmd, .dot or .gv, or give --format",
            out.display()
        ))
    })
}
