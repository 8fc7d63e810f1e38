//! From the user's files to a lab, and from a lab to a plan for this host.

use std::{
    fs,
    io::{self, Read},
    path::Path,
    string::FromUtf8Error,
};

use super::{Exit, finding::Finding, output, own_config};
use crate::{
    engine::doctor,
    lab::{
        model::Lab,
        plan::{self, HostFacts, IpsecFacts, Plan, PlanError, SuiteFacts, TunDevice},
        spec::{self, Checked, Diagnostic, Diagnostics, Severity},
    },
    os::host::{self, HostProbe},
    units::LabName,
};

/// No lab and no router's configuration is larger; a lab file over the reader's own
/// limit is still read far enough to be told so.
const LONGEST: u64 = 16 << 20;

/// Reads a regular file: a device or a pipe may never end.
fn slurp(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?
        .take(LONGEST + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::other("larger than 16 MiB"));
    }
    Ok(bytes)
}

/// A lab file that was read, with what was found in it.
pub(super) struct Loaded {
    /// The file's name, as given.
    pub(super) file: String,
    /// Its text.
    pub(super) text: String,
    /// The lab and the warnings, or the errors.
    pub(super) checked: Checked,
}

impl Loaded {
    /// Every error and warning, on stderr.
    pub(super) fn print(&self) {
        let findings = self.checked.diagnostics.render(&self.file, &self.text);
        if !findings.is_empty() {
            output::talk(findings.trim_end());
        }
    }

    /// Has its timers run faster where it says by how much.
    pub(super) fn at_fast(mut self, fast: bool) -> Self {
        let scaled = self.checked.lab.as_ref().filter(|_| fast);
        if let Some(scaled) = scaled.and_then(Lab::at_fast) {
            self.checked.lab = Some(scaled);
        }
        self
    }

    /// Why there is no lab.
    pub(super) fn refused(&self) -> Exit {
        let found = &self.checked.diagnostics;
        let is_error = |d: &&Diagnostic| d.severity == Severity::Error;
        let errors = found.0.iter().filter(is_error).count();
        let s = if errors == 1 { "" } else { "s" };
        Exit::LabFile(
            format!("{}: {errors} error{s}; nothing was built", self.file),
            Finding::all(&self.file, found),
        )
    }
}

/// Reads and checks a lab file.
pub(super) fn read(path: &Path) -> Result<Loaded, Exit> {
    let file = path.display().to_string();
    let bytes = slurp(path).map_err(|error| {
        let hint = if error.kind() == io::ErrorKind::NotFound {
            "\n   = help: `ls labs/` shows the labs that come with backhoe"
        } else {
            ""
        };
        Exit::Usage(format!("{file}: error: cannot be read: {error}{hint}"))
    })?;
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Ok(not_text(file, &error)),
    };
    Ok(checked(path, file, text))
}

/// A lab whose text is not quite that of the file at `path`, as which the files it names are
/// looked for; findings name `file`.
pub(super) fn checked(path: &Path, file: String, text: String) -> Loaded {
    let include = |name: &str| {
        let wanted = own_config::beside(path, name);
        slurp(&wanted)
            .and_then(|bytes| {
                let not_text = |_| io::Error::other(spec::NOT_TEXT);
                String::from_utf8(bytes).map_err(not_text)
            })
            .map_err(|error| format!("{}: {error}", wanted.display()))
    };
    let checked = spec::check(&file, &text, &include);
    Loaded {
        file,
        text,
        checked,
    }
}

/// A file that is not text, at its first byte that is none.
fn not_text(file: String, error: &FromUtf8Error) -> Loaded {
    let at = error.utf8_error().valid_up_to();
    let bytes = error.as_bytes();
    let before = String::from_utf8_lossy(bytes.get(..at).unwrap_or_default());
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let wrong = bytes.get(at).copied().unwrap_or_default();
    Loaded {
        file,
        text: String::from_utf8_lossy(bytes).into_owned(),
        checked: Checked {
            lab: None,
            diagnostics: Diagnostics(vec![Diagnostic {
                severity: Severity::Error,
                line: number(line),
                column: number(column),
                length: 1,
                message: format!("the file is not UTF-8 text: here is the byte 0x{wrong:02X}"),
                help: Some("a lab file is text in UTF-8; save it in that encoding".to_owned()),
                code: "not-utf8",
            }]),
        },
    }
}

/// Reads a lab; every error and warning goes to stderr.
pub(super) fn lab(path: &Path) -> Result<Lab, Exit> {
    let loaded = read(path)?;
    loaded.print();
    match loaded.checked.lab {
        Some(lab) => Ok(lab),
        None => Err(loaded.refused()),
    }
}

/// Plans a lab for this host; `fast` by the factor it declares.
pub(super) fn plan(
    path: &Path,
    name: Option<&LabName>,
    fast: bool,
) -> Result<(Plan, HostProbe), Exit> {
    let (plan, probe, _) = plan_and_lab(path, name, fast)?;
    Ok((plan, probe))
}

/// The same with the lab that was planned; a ready-made plan has none.
pub(super) fn plan_and_lab(
    path: &Path,
    name: Option<&LabName>,
    fast: bool,
) -> Result<(Plan, HostProbe, Option<Lab>), Exit> {
    let file = path.display();
    if is_ready_made(path) {
        if fast {
            return Err(Exit::Usage(format!(
                "{file}: error: a plan's timers are decided\n   = help: `backhoe plan LAB --fast --json` makes a scaled one"
            )));
        }
        return Ok((ready_made(path)?, host::probe()?, None));
    }
    let mut lab = lab(path)?;
    if fast {
        lab = scaled(&file.to_string(), &lab)?;
    }
    if let Some(name) = name {
        lab.name = name.clone();
    }
    let (plan, probe) = for_host(&path.display().to_string(), &lab)?;
    Ok((plan, probe, Some(lab)))
}

/// The lab by the factor it declares, as `--fast` wants it.
pub(super) fn scaled(file: &str, lab: &Lab) -> Result<Lab, Exit> {
    lab.at_fast().ok_or_else(|| {
        Exit::Usage(format!(
            "{file}: error: `--fast`, but the lab does not say by how much\n   = help: `fast: 10` at its top divides its timers by ten; without `--fast` they run as written"
        ))
    })
}

/// Plans `lab` for what this host has.
pub(super) fn for_host(file: &str, lab: &Lab) -> Result<(Plan, HostProbe), Exit> {
    let probe = host::probe()?;
    let plan = plan::plan(lab, &doctor::facts(&probe, lab)).map_err(|errors| {
        let text = listed(file, &errors);
        if errors.iter().any(PlanError::is_lack_of_host) {
            Exit::Host(format!(
                "{text}\n`backhoe doctor` says what this host lacks and the command that adds it"
            ))
        } else {
            Exit::Usage(text)
        }
    })?;
    own_config::check(file, lab)?;
    Ok((plan, probe))
}

fn listed(file: &str, errors: &[PlanError]) -> String {
    let each = errors.iter().map(|error| format!("{file}: error: {error}"));
    each.collect::<Vec<_>>().join("\n")
}

/// Checks that this host can build the lab.
pub(super) fn on_host(loaded: &Loaded) -> Result<(), Exit> {
    let Some(lab) = &loaded.checked.lab else {
        return Ok(());
    };
    let (_, probe) = for_host(&loaded.file, lab)?;
    match doctor::fatal(&probe) {
        Some(fatal) => Err(Exit::Host(format!(
            "{}: no lab runs on this host: {}: {}{}",
            loaded.file,
            fatal.what,
            fatal.found,
            fatal
                .improve
                .map(|command| format!("\n{command}"))
                .unwrap_or_default()
        ))),
        None => Ok(()),
    }
}

/// Checks that some host could build the lab: what backhoe itself cannot do.
pub(super) fn anywhere(loaded: &Loaded) -> Result<(), Exit> {
    let Some(lab) = &loaded.checked.lab else {
        return Ok(());
    };
    let everything = HostFacts {
        netem: true,
        wireguard: true,
        vlan: true,
        bond: true,
        vrf: true,
        nftables: true,
        tun: TunDevice::Opens,
        xfrm: true,
        ipsec: Some(IpsecFacts {
            version: String::new(),
            libipsec: true,
        }),
        suites: doctor::suites(lab)
            .into_iter()
            .map(|(suite, install)| SuiteFacts {
                suite,
                install: install.map(str::to_owned),
                version: String::new(),
                known_bad: None,
            })
            .collect(),
    };
    match plan::plan(lab, &everything) {
        Ok(_) => own_config::check(&loaded.file, lab),
        Err(errors) => Err(Exit::Usage(listed(&loaded.file, &errors))),
    }
}

fn is_ready_made(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "json")
}

/// Why the launch of what was read from `path` failed: a plan that was not made here may be wrong
/// in any way.
pub(super) fn launch_failed(path: &Path, exit: Exit) -> Exit {
    if !is_ready_made(path) {
        return exit;
    }
    match exit {
        Exit::Bug(error) => Exit::Usage(format!(
            "{}: error: the plan cannot be carried out: {error:#}\n   = help: `backhoe plan LAB --json` makes a whole one",
            path.display()
        )),
        Exit::Usage(_)
        | Exit::LabFile(..)
        | Exit::Refused(_)
        | Exit::Host(_)
        | Exit::Failed(_)
        | Exit::Unresponsive(_)
        | Exit::Interrupted(_)
        | Exit::Status(_) => exit,
    }
}

/// A plan that `backhoe plan --json` has printed.
fn ready_made(path: &Path) -> Result<Plan, Exit> {
    let wrong =
        |error: &dyn std::fmt::Display| Exit::Usage(format!("{}: error: {error}", path.display()));
    let text = fs::read(path).map_err(|error| wrong(&error))?;
    serde_json::from_slice(&text).map_err(|error| wrong(&error))
}
