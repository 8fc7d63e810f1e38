//! backhoe run by backhoe: each lab in a process of its own, so that what happens to one is
//! nothing to the next.

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    path::Path,
};

use anyhow::Context as _;

use super::{Exit, interrupt::Interrupts};
use crate::os::process::Spawn;

/// Runs this program with `args` and waits for it; what it says goes to `log`. Its exit code.
pub(super) fn run(args: Vec<OsString>, log: &Path, interrupts: &Interrupts) -> Result<u8, Exit> {
    let program = env::current_exe().context("where this program is")?;
    let process = Spawn::new(program)
        .args(args)
        .own_group()
        .log(File::create(log)?)?
        .spawn()?;
    interrupts.lab(process.pid());
    Ok(process.wait()?.status())
}

/// What a run that came to no result said last.
pub(super) fn last_words(log: &Path) -> Vec<String> {
    let text = fs::read_to_string(log).unwrap_or_default();
    let said = text.rsplit("\nbackhoe: ").next().unwrap_or_default();
    let said = said.strip_prefix("backhoe: ").unwrap_or(said);
    let mut lines: Vec<String> = said.lines().take(6).map(str::to_owned).collect();
    lines.push(format!("all of it: {}", log.display()));
    lines
}
