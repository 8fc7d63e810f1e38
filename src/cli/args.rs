//! What can be typed.

mod help;

use std::path::PathBuf;

use clap::{
    Args as ClapArgs, Parser, Subcommand, ValueEnum, ValueHint, builder::PossibleValuesParser,
};

use help::{
    AFTER_HELP, BENCH_HELP, CHECK_HELP, COMPARE_HELP, COMPLETIONS_HELP, CONFORMANCE_HELP, CUT_HELP,
    DOWN_HELP, EXEC_HELP, GRAPH_HELP, INSPECT_HELP, KNOWN_OUTAGES_HELP, LOGS_HELP, MAN_HELP,
    METRICS_HELP, PLAN_HELP, REPORT_HELP, RESTORE_HELP, RUN_HELP, UP_HELP,
};

use super::{sweep, test};
use crate::{
    engine::{capture::Capture, deal::Dealt, scenario::Phase, wire::WireChoice},
    lab::{graph::Format, model::How, spec},
    results::measure::{Limit, Varied},
    units::{LabName, Percent, parse_seed},
};

use super::schema::SchemaArgs;

/// Network labs from one YAML file: cut a link, measure the outage packet by
/// packet, and explain it.
#[derive(Debug, Parser)]
#[command(name = "backhoe", version = crate::VERSION, about, after_help = AFTER_HELP, max_term_width = 100)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
}

impl Command {
    /// Whether the answer must be one JSON document, whatever happens.
    pub(super) fn json(&self) -> bool {
        match self {
            Self::Run(args) => args.output.json,
            Self::Test(args) => args.output.json,
            Self::Sweep(args) => args.output.json,
            Self::Merge(args) => args.output.json,
            Self::Bench(args) => args.output.json,
            Self::Compare(args) => args.output.json,
            Self::Check(args) => args.output.json,
            Self::Plan(args) => args.output.json,
            Self::Up(args) => args.output.json,
            Self::Down(args) => args.output.json,
            Self::Ls(output) => output.json,
            Self::Status(args) => args.output.json,
            Self::Metrics(args) => args.output.json,
            Self::Inspect(args) => args.output.json,
            Self::Logs(args) => args.output.json,
            Self::Cut(args) => args.output.json,
            Self::Restore(args) => args.output.json,
            Self::Doctor(output) => output.json,
            Self::Conformance(args) => args.output.json,
            Self::KnownOutages(args) => args.output.json,
            Self::Report(args) => args.output.json,
            // A schema is JSON either way.
            Self::Schema(args) => args.output.json,
            // Their output is a picture, another program's, or a script.
            Self::Graph(_) | Self::Exec(_) | Self::Shell(_) | Self::Completions(_) | Self::Man => {
                false
            }
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Build a lab, run its scenario, measure, report, and take it down: the main job
    #[command(after_help = RUN_HELP)]
    Run(RunArgs),
    /// Run labs and hold each to its `expect:`, a line each; for CI
    #[command(after_help = test::TEST_HELP)]
    Test(test::TestArgs),
    /// Fail everything, one by one or two together, and say what every flow survives
    #[command(after_help = sweep::SWEEP_HELP)]
    Sweep(sweep::SweepArgs),
    /// Put the shards of a test or of a sweep together: what one run of all would have said
    #[command(after_help = test::MERGE_HELP)]
    Merge(test::MergeArgs),
    /// Run a lab in variants, taking turns, and set their outages side by side
    #[command(after_help = BENCH_HELP)]
    Bench(BenchArgs),
    /// Compare two runs: by how much is the second slower, and how sure is that
    #[command(after_help = COMPARE_HELP)]
    Compare(CompareArgs),
    /// Tell again what a run measured, from the directory it left behind
    #[command(after_help = REPORT_HELP)]
    Report(ReportArgs),
    /// Check lab files; prints every error with its line and column
    #[command(after_help = CHECK_HELP)]
    Check(CheckArgs),
    /// Print what would be done: kernel operations and every generated configuration
    #[command(after_help = PLAN_HELP)]
    Plan(PlanArgs),
    /// Draw a lab's topology: SVG, Mermaid or DOT
    #[command(after_help = GRAPH_HELP)]
    Graph(GraphArgs),
    /// Build a lab and leave it up, in the background
    #[command(after_help = UP_HELP)]
    Up(UpArgs),
    /// Take labs down; nothing of them remains but the run directory
    #[command(after_help = DOWN_HELP)]
    Down(DownArgs),
    /// List the labs that are up
    Ls(Output),
    /// Show a lab that is up: nodes, links, sessions, tunnels, faults
    Status(StatusArgs),
    /// Show AWS's metrics of a lab that is up, in Prometheus's text format
    #[command(after_help = METRICS_HELP)]
    Metrics(MetricsArgs),
    /// Show a node's sessions or routes
    #[command(after_help = INSPECT_HELP)]
    Inspect(InspectArgs),
    /// Show what a node's programs have logged
    #[command(after_help = LOGS_HELP)]
    Logs(LogsArgs),
    /// Cut a link, a session or a node of a lab that is up
    #[command(after_help = CUT_HELP)]
    Cut(CutArgs),
    /// Undo a cut
    #[command(after_help = RESTORE_HELP)]
    Restore(RestoreArgs),
    /// Run a command inside a node
    #[command(after_help = EXEC_HELP)]
    Exec(ExecArgs),
    /// Open a shell inside a node
    Shell(ShellArgs),
    /// Say what this kernel and host can do, and what backhoe will use instead
    ///
    /// Tries each part of the kernel in throw-away namespaces and measures how well the
    /// host keeps time. Exit code 0: labs run here, with stand-ins where parts are
    /// missing; 3: no lab runs here.
    Doctor(Output),
    /// Measure what this host's links really do, beside what was declared
    #[command(after_help = CONFORMANCE_HELP)]
    Conformance(ConformanceArgs),
    /// Hold reported outages against outages of known length, on this host
    #[command(after_help = KNOWN_OUTAGES_HELP)]
    KnownOutages(KnownOutagesArgs),
    /// Print the JSON Schema of lab files, which editors check and complete with, or of results
    Schema(SchemaArgs),
    /// Print shell completions
    #[command(after_help = COMPLETIONS_HELP)]
    Completions(CompletionsArgs),
    /// Print the manual page
    #[command(after_help = MAN_HELP)]
    Man,
}

/// In which form the answer comes.
#[derive(Debug, Clone, Copy, ClapArgs)]
pub(super) struct Output {
    /// One JSON document on stdout, also when the command fails
    #[arg(long)]
    pub(super) json: bool,
}

/// Whether timers run as the lab file has them.
#[derive(Debug, Clone, Copy, ClapArgs)]
pub(super) struct Fast {
    /// Divide the lab's timers by the factor it declares (`fast: 10`); every output says so
    #[arg(long)]
    pub(super) fast: bool,
}

/// The lab that a command means.
#[derive(Debug, ClapArgs)]
pub(super) struct Which {
    /// Which lab (backhoe ls); may be left out when only one is up
    #[arg(long, value_name = "NAME")]
    pub(super) lab: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub(super) struct RunArgs {
    /// The lab file, or a plan in JSON (`backhoe plan --json`)
    #[arg(value_name = "LAB", value_hint = ValueHint::FilePath)]
    pub(super) lab: PathBuf,
    /// Run it under another name
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<LabName>,
    /// Where the journal, packets and result go [default: runs/LAB-TIME]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) out: Option<PathBuf>,
    /// Seed of everything random: the cut's instant, jitter, loss; as the report shows it, or a
    /// number [default: another each time]
    #[arg(long, value_name = "SEED", value_parser = parse_seed, allow_negative_numbers = true)]
    pub(super) seed: Option<u64>,
    /// Run the scenario so many times in the one lab, each cut at a random instant of its own,
    /// and report distributions
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000), allow_negative_numbers = true)]
    pub(super) trials: Option<u32>,
    /// End the trials (at most 1000 unless --trials says so) once every median outage is known
    /// to this: `ci:5%` is half of its 95 % confidence interval; looked at after 10, 15, 22, ...
    #[arg(long, value_name = "ci:SHARE", value_parser = until)]
    pub(super) until: Option<Percent>,
    /// Measure the trials in so many labs at once, while the host keeps time with them; else in
    /// fewer [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(super) jobs: Option<u32>,
    /// When within the timers' intervals cuts come: in step with BFD for a check of the check
    #[arg(long, hide = true, value_name = "PHASE", value_enum, default_value_t)]
    pub(super) phase: PhaseArg,
    /// Of one of several labs: its first trial, its place, and where numbers are taken
    #[arg(long, hide = true, value_name = "TRIAL:PLACE:DIR", value_parser = dealt)]
    pub(super) dealt: Option<(u32, Dealt)>,
    /// Go on with the trials in --out DIR that was interrupted or killed: the same lab, the same
    /// seed, as many trials as were asked for then unless --trials says otherwise
    #[arg(long, requires = "out")]
    pub(super) resume: bool,
    /// What carries the links
    #[arg(long, value_name = "BACKEND", value_enum, default_value_t)]
    pub(super) wire: WireArg,
    /// What is captured of every link and tunnel, as captures/LINK.pcapng [default: all; with
    /// --trials or --until: control]
    #[arg(long, value_name = "WHAT", value_enum)]
    pub(super) capture: Option<CaptureArg>,
    #[command(flatten)]
    pub(super) fast: Fast,
    #[command(flatten)]
    pub(super) output: Output,
}

/// The parts of `7:2:/path`.
fn dealt(text: &str) -> Result<(u32, Dealt), String> {
    let wrong = || "not meant to be typed".to_owned();
    let mut parts = text.splitn(3, ':');
    let mut number = || parts.next()?.parse::<u32>().ok();
    let (first, lab) = (number().ok_or_else(wrong)?, number().ok_or_else(wrong)?);
    let directory = parts.next().ok_or_else(wrong)?.into();
    Ok((first, Dealt { directory, lab }))
}

/// The share of `ci:5%`.
fn until(text: &str) -> Result<Percent, String> {
    let share = text
        .strip_prefix("ci:")
        .and_then(|share| share.parse::<Percent>().ok());
    let share = share.filter(|share| share.millionths() > 0);
    share.ok_or_else(|| "write `ci:` and a percentage, such as `ci:5%`".to_owned())
}

impl RunArgs {
    /// Trials of a series; absent: one run with its own result.
    pub(super) fn series(&self) -> Option<u32> {
        let unless_said = self.until.map(|_| 1000);
        self.trials.or(unless_said).filter(|&trials| trials > 1)
    }

    /// What is captured of the links; whether of a series.
    pub(super) fn capture(&self, series: bool) -> Capture {
        match self.capture {
            Some(CaptureArg::Off) => Capture::Off,
            Some(CaptureArg::Control) => Capture::Control,
            Some(CaptureArg::All) => Capture::All,
            // A series would fill the disk.
            None if series => Capture::Control,
            None => Capture::All,
        }
    }
}

#[derive(Debug, ClapArgs)]
pub(super) struct ReportArgs {
    /// The run's directory, or the journal in it
    #[arg(value_name = "RUN", value_hint = ValueHint::AnyPath)]
    pub(super) run: PathBuf,
    /// Only this trial of a series, as a run of its own
    #[arg(long, value_name = "N")]
    pub(super) trial: Option<u32>,
    /// Markdown, for a pull request
    #[arg(long, conflicts_with = "json")]
    pub(super) markdown: bool,
    /// Open Traffic Generator's convergence metrics, in JSON
    #[arg(long, conflicts_with_all = ["json", "markdown"])]
    pub(super) otg: bool,
    /// The page that is `report.html`
    #[arg(long, conflicts_with_all = ["json", "markdown", "otg"])]
    pub(super) html: bool,
    /// Also write result.json (of a bench bench.json) and report.html there again
    #[arg(long, conflicts_with = "trial")]
    pub(super) write: bool,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, ClapArgs)]
pub(super) struct BenchArgs {
    /// The lab file
    #[arg(value_name = "LAB", value_hint = ValueHint::FilePath)]
    pub(super) lab: PathBuf,
    /// A key of the lab file and the values it takes; may be given again, for another key
    #[arg(long, value_name = "KEY=VALUE,…", required_unless_present = "resume", value_parser = varied)]
    pub(super) vary: Vec<Varied>,
    /// Trials of each variant [default: 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) trials: Option<u32>,
    /// Turns each variant takes; a turn builds its lab anew [default: 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) turns: Option<u32>,
    /// Where everything goes [default: runs/bench-TIME]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) out: Option<PathBuf>,
    /// Seed of everything random [default: another each time]
    #[arg(long, value_name = "SEED", value_parser = parse_seed)]
    pub(super) seed: Option<u64>,
    /// Go on with the bench in --out DIR that was interrupted or killed: the same lab, variants,
    /// trials, turns and seed
    #[arg(long, requires = "out")]
    pub(super) resume: bool,
    /// What carries the links
    #[arg(long, value_name = "BACKEND", value_enum, default_value_t)]
    pub(super) wire: WireArg,
    #[command(flatten)]
    pub(super) fast: Fast,
    /// Tables and plots in Markdown on stdout
    #[arg(long, conflicts_with = "json")]
    pub(super) markdown: bool,
    #[command(flatten)]
    pub(super) output: Output,
}

/// `sessions.prod.bfd=300ms/3,50ms/3`.
fn varied(text: &str) -> Result<Varied, String> {
    let (key, values) = text.split_once('=').ok_or_else(|| {
        "write KEY=VALUE,VALUE, such as `nodes.dc1.daemon=embedded,frr`".to_owned()
    })?;
    let (key, values) = (key.trim().to_owned(), spec::values(values));
    if let Some(twice) = values
        .iter()
        .enumerate()
        .find(|(at, value)| values.iter().take(*at).any(|other| other == *value))
    {
        return Err(format!("the value `{}` is there twice", twice.1));
    }
    match values.iter().any(String::is_empty) {
        true => Err(format!(
            "a value of `{key}` is empty; `unset` leaves the key out"
        )),
        false => Ok(Varied { key, values }),
    }
}

#[derive(Debug, ClapArgs)]
pub(super) struct CompareArgs {
    /// The baseline: a run directory, a variant's of a bench (DIR/01), or a result.json
    #[arg(value_name = "A", value_hint = ValueHint::AnyPath)]
    pub(super) baseline: PathBuf,
    /// What is compared with it
    #[arg(value_name = "B", value_hint = ValueHint::AnyPath)]
    pub(super) compared: PathBuf,
    /// What is still no slowdown: a share of the baseline's median, or a time
    #[arg(long, value_name = "LIMIT", allow_hyphen_values = true)]
    pub(super) slower_than: Option<Limit>,
    /// Fail unless it is shown that nothing is slower
    #[arg(long, requires = "slower_than")]
    pub(super) strict: bool,
    /// Tables in Markdown on stdout
    #[arg(long, conflicts_with = "json")]
    pub(super) markdown: bool,
    /// Also write a page for a browser, in one file that loads nothing
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) html: Option<PathBuf>,
    #[command(flatten)]
    pub(super) output: Output,
}

/// What is captured of a lab's links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum CaptureArg {
    /// Nothing
    Off,
    /// Control protocols: BGP, BFD, OSPF, IKE, WireGuard's handshakes, ARP, LACP, ...
    Control,
    /// These, and the first 128 bytes of every other packet
    All,
}

/// What carries a lab's links.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum WireArg {
    /// The kernel where it can, else the relay
    #[default]
    Auto,
    /// backhoe's relay in user space
    Relay,
    /// The kernel's netem; an error where it lacks something
    Kernel,
}

/// When within the timers' intervals cuts come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum PhaseArg {
    /// At random
    #[default]
    Random,
    /// Right behind a BFD packet
    BehindBfd,
}

impl From<PhaseArg> for Phase {
    fn from(arg: PhaseArg) -> Self {
        match arg {
            PhaseArg::Random => Self::Random,
            PhaseArg::BehindBfd => Self::BehindBfd,
        }
    }
}

impl CaptureArg {
    /// As it is typed.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Control => "control",
            Self::All => "all",
        }
    }
}

impl WireArg {
    /// As it is typed.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Relay => "relay",
            Self::Kernel => "kernel",
        }
    }
}

impl From<WireArg> for WireChoice {
    fn from(arg: WireArg) -> Self {
        match arg {
            WireArg::Auto => Self::Auto,
            WireArg::Relay => Self::Relay,
            WireArg::Kernel => Self::Kernel,
        }
    }
}

#[derive(Debug, ClapArgs)]
pub(super) struct CheckArgs {
    /// The lab files
    #[arg(value_name = "LAB", value_hint = ValueHint::FilePath, required = true)]
    pub(super) labs: Vec<PathBuf>,
    /// Also check that this host has what the lab needs
    #[arg(long)]
    pub(super) host: bool,
    #[command(flatten)]
    pub(super) fast: Fast,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, ClapArgs)]
pub(super) struct PlanArgs {
    /// The lab file
    #[arg(value_name = "LAB", value_hint = ValueHint::FilePath)]
    pub(super) lab: PathBuf,
    #[command(flatten)]
    pub(super) fast: Fast,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, ClapArgs)]
pub(super) struct GraphArgs {
    /// The lab file
    #[arg(value_name = "LAB", value_hint = ValueHint::FilePath)]
    pub(super) lab: PathBuf,
    /// The picture's language [default: what the name of --out ends in, otherwise mermaid]
    #[arg(long, value_name = "FORMAT", value_enum)]
    pub(super) format: Option<GraphFormat>,
    /// Write it to this file (.svg, .mmd, .dot, .gv) [default: stdout]
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) out: Option<PathBuf>,
}

/// A language for pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum GraphFormat {
    /// A finished picture
    Svg,
    /// A flowchart for Markdown
    Mermaid,
    /// For Graphviz
    Dot,
}

impl From<GraphFormat> for Format {
    fn from(format: GraphFormat) -> Self {
        match format {
            GraphFormat::Svg => Self::Svg,
            GraphFormat::Mermaid => Self::Mermaid,
            GraphFormat::Dot => Self::Dot,
        }
    }
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
    /// Return as soon as the lab is built; sessions come up later
    #[arg(long)]
    pub(super) no_wait: bool,
    /// What carries the links
    #[arg(long, value_name = "BACKEND", value_enum, default_value_t)]
    pub(super) wire: WireArg,
    /// Stay in the foreground; the lab ends with this command
    #[arg(long)]
    pub(super) foreground: bool,
    #[command(flatten)]
    pub(super) fast: Fast,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, ClapArgs)]
pub(super) struct DownArgs {
    /// Their names (backhoe ls); may be left out when only one is up
    #[arg(value_name = "NAME")]
    pub(super) labs: Vec<String>,
    /// Every lab that is up, if any
    #[arg(long, conflicts_with = "labs")]
    pub(super) all: bool,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, ClapArgs)]
pub(super) struct StatusArgs {
    /// Which lab; may be left out when only one is up
    #[arg(value_name = "NAME", conflicts_with = "lab")]
    pub(super) named: Option<String>,
    #[command(flatten)]
    pub(super) which: Which,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, ClapArgs)]
pub(super) struct MetricsArgs {
    /// Which lab; may be left out when only one is up
    #[arg(value_name = "NAME", conflicts_with = "lab")]
    pub(super) named: Option<String>,
    /// The last three minutes as CloudWatch's statistics
    #[arg(long, conflicts_with = "json")]
    pub(super) cloudwatch: bool,
    #[command(flatten)]
    pub(super) which: Which,
    #[command(flatten)]
    pub(super) output: Output,
}

/// What can be seen of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Inspectable {
    Bgp,
    Bfd,
    Rib,
    Fib,
}

#[derive(Debug, ClapArgs)]
pub(super) struct InspectArgs {
    #[command(flatten)]
    pub(super) which: Which,
    /// The node, or a host: `app`, also `dc1.app`
    #[arg(value_name = "NODE")]
    pub(super) node: String,
    /// What of it
    #[arg(value_name = "WHAT", value_enum)]
    pub(super) what: Inspectable,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, ClapArgs)]
pub(super) struct LogsArgs {
    #[command(flatten)]
    pub(super) which: Which,
    /// The node, or a host: `app`, also `dc1.app`
    #[arg(value_name = "NODE")]
    pub(super) node: String,
    /// Go on with what is added, until the lab ends
    #[arg(long, short, conflicts_with = "json")]
    pub(super) follow: bool,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, ClapArgs)]
pub(super) struct CutArgs {
    #[command(flatten)]
    pub(super) which: Which,
    /// A link, a session or a node; or a tag with its value, location:EAST
    #[arg(value_name = "TARGET")]
    pub(super) target: String,
    /// How; may be left out for a link or tag (silent) and a session (bgp-shutdown)
    #[arg(long, value_name = "HOW", value_parser = PossibleValuesParser::new(How::NAMES), hide_possible_values = true)]
    pub(super) how: Option<String>,
    /// one-way: the end whose packets vanish
    #[arg(long, value_name = "NODE")]
    pub(super) from: Option<String>,
    /// carrier, bgp-shutdown: the end at which it happens
    #[arg(long, value_name = "NODE")]
    pub(super) at: Option<String>,
    /// What `restore` will call it [default: TARGET]
    #[arg(long = "as", value_name = "LABEL")]
    pub(super) label: Option<String>,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, ClapArgs)]
pub(super) struct RestoreArgs {
    #[command(flatten)]
    pub(super) which: Which,
    /// What was cut, or the label it was given (backhoe status)
    #[arg(
        value_name = "TARGET|LABEL",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    pub(super) fault: Option<String>,
    /// Everything that is cut
    #[arg(long)]
    pub(super) all: bool,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ExecArgs {
    #[command(flatten)]
    pub(super) which: Which,
    /// The node, or a host: `app`, also `dc1.app`
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
    #[command(flatten)]
    pub(super) which: Which,
    /// The node, or a host: `app`, also `dc1.app`
    #[arg(value_name = "NODE")]
    pub(super) node: String,
}

#[derive(Debug, ClapArgs)]
pub(super) struct ConformanceArgs {
    /// Only the cases whose names begin so
    #[arg(value_name = "CASE")]
    pub(super) cases: Vec<String>,
    /// Only this backend
    #[arg(long, value_name = "BACKEND", value_enum, default_value_t)]
    pub(super) wire: WireArg,
    /// Show times, but do not judge them: for an emulated machine
    #[arg(long)]
    pub(super) no_times: bool,
    /// Show earlier results (--json), side by side, instead of measuring
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["cases", "wire", "no_times"], value_hint = ValueHint::FilePath)]
    pub(super) from: Vec<PathBuf>,
    /// A table in Markdown on stdout
    #[arg(long, conflicts_with = "json")]
    pub(super) markdown: bool,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, ClapArgs)]
pub(super) struct KnownOutagesArgs {
    /// Windows of each length at each rate, idle and busy
    #[arg(long, value_name = "N", default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) trials: u32,
    /// Only these rates, packets a second each way
    #[arg(long, value_name = "RATE", value_parser = clap::value_parser!(u32).range(1..=200_000))]
    pub(super) rate: Vec<u32>,
    /// A table in Markdown on stdout
    #[arg(long, conflicts_with = "json")]
    pub(super) markdown: bool,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Debug, ClapArgs)]
pub(super) struct CompletionsArgs {
    /// Which shell
    pub(super) shell: clap_complete::Shell,
}
