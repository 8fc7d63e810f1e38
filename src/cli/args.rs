//! What can be typed.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueHint};

use crate::units::LabName;

const EXIT_CODES: &str = "Exit codes: 0 met · 1 bug · 2 usage or lab file · 3 the host lacks something · 4 an expectation was missed";

/// Network labs from one YAML file: cut a link, measure the outage packet by
/// packet, and explain it.
#[derive(Debug, Parser)]
#[command(name = "backhoe", version, about, after_help = EXIT_CODES, max_term_width = 100)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Build a lab, run its scenario, measure, report, and take it down: the main job
    Run(RunArgs),
    /// Check a lab file; prints every error with its line and column
    Check(CheckArgs),
    /// Print what would be done: kernel operations and every generated configuration
    Plan(PlanArgs),
    /// Print the JSON Schema of lab files, for editors
    Schema(SchemaArgs),
    /// Build a lab and leave it up, in the background
    Up(UpArgs),
    /// Take labs down
    Down(DownArgs),
    /// List the labs that are up
    Ls(LsArgs),
    /// Run a command inside a node
    Exec(ExecArgs),
    /// Open a shell inside a node
    Shell(ShellArgs),
    /// Say what this kernel and host can do, and what backhoe will use instead
    Doctor(DoctorArgs),
    /// Print shell completions
    Completions(CompletionsArgs),
    /// Print the manual page
    Man(ManArgs),
}

#[derive(Debug, ClapArgs)]
pub(super) struct RunArgs {
    /// The lab file
    #[arg(value_name = "LAB", value_hint = ValueHint::FilePath)]
    pub(super) lab: PathBuf,
    /// Run it under another name
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<LabName>,
    /// Where the journal, packets and result go [default: runs/LAB-TIME]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) out: Option<PathBuf>,
    /// Seed of everything random: the cut's instant, jitter, loss
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// One JSON document on stdout
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct CheckArgs {
    /// The lab file
    #[arg(value_name = "LAB", value_hint = ValueHint::FilePath, required = true)]
    pub(super) labs: Vec<PathBuf>,
    /// Also check that this host has what the lab needs
    #[arg(long)]
    pub(super) host: bool,
    /// One JSON document on stdout
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct PlanArgs {
    /// The lab file
    #[arg(value_name = "LAB", value_hint = ValueHint::FilePath)]
    pub(super) lab: PathBuf,
    /// The plan as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct UpArgs {
    /// The lab file, or a plan in JSON (`backhoe plan --json`)
    #[arg(value_name = "LAB", value_hint = ValueHint::FilePath)]
    pub(super) lab: PathBuf,
    /// Bring it up under another name
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<LabName>,
    /// Where the journal and logs go [default: runs/LAB-TIME]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) out: Option<PathBuf>,
    /// Stay in the foreground; the lab ends with this command
    #[arg(long)]
    pub(super) foreground: bool,
    /// One JSON document on stdout
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct DownArgs {
    /// Their names; may be left out when only one is up
    #[arg(value_name = "LAB")]
    pub(super) labs: Vec<String>,
    /// Every lab that is up
    #[arg(long, conflicts_with = "labs")]
    pub(super) all: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct LsArgs {
    /// One JSON document on stdout
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ExecArgs {
    /// Which lab; may be left out when only one is up
    #[arg(long, value_name = "LAB")]
    pub(super) lab: Option<String>,
    /// The node
    #[arg(value_name = "NODE")]
    pub(super) node: String,
    /// The command and its arguments
    #[arg(
        value_name = "CMD",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(super) argv: Vec<std::ffi::OsString>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ShellArgs {
    /// Which lab; may be left out when only one is up
    #[arg(long, value_name = "LAB")]
    pub(super) lab: Option<String>,
    /// The node
    #[arg(value_name = "NODE")]
    pub(super) node: String,
}

#[derive(Debug, ClapArgs)]
pub(super) struct SchemaArgs {}

#[derive(Debug, ClapArgs)]
pub(super) struct DoctorArgs {
    /// One JSON document on stdout
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(super) struct CompletionsArgs {
    /// Which shell
    pub(super) shell: clap_complete::Shell,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ManArgs {}
