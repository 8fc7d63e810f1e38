//! True beside reported, cell by cell, and whether that is good enough.

use std::{collections::BTreeMap, fmt, fmt::Write as _};

use serde::{Deserialize, Serialize};

use crate::results::measure::{quantile, sorted};

/// What else the processors have to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Load {
    /// Nothing.
    Idle,
    /// An ordinary thread on each that never rests.
    Busy,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "idle",
            Self::Busy => "busy",
        })
    }
}

/// One outage: as it was, and as it was reported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The sending node.
    pub from: String,
    /// How long the wire dropped everything, milliseconds.
    pub true_ms: f64,
    /// How long traffic was gone by the report.
    pub reported_ms: f64,
    /// The report's error bar.
    pub bar_ms: f64,
    /// Packets lost by the report.
    pub lost: u64,
    /// Packets that the wire dropped, by its own numbers.
    pub dropped: u64,
    /// Why the report calls itself untrusted; empty: it does not.
    pub untrusted_for: Vec<String>,
    /// Ticks in which the hypervisor had the processors elsewhere meanwhile: a host to which that
    /// happens is not idle.
    pub stolen: u64,
}

impl Measured {
    /// Whether the report calls itself trusted.
    pub fn is_trusted(&self) -> bool {
        self.untrusted_for.is_empty()
    }

    /// Reported less true, milliseconds.
    pub fn error_ms(&self) -> f64 {
        self.reported_ms - self.true_ms
    }

    /// Whether the truth is within the error bar.
    pub fn is_within(&self) -> bool {
        self.error_ms().abs() <= self.bar_ms
    }
}

/// All windows of one length at one rate under one load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// What else the processors had to do.
    pub load: Load,
    /// Probes a second, each way.
    pub rate: u32,
    /// Length of the windows, microseconds.
    pub window_us: u64,
    /// Two for each window: there and back.
    pub outages: Vec<Measured>,
}

/// What one host measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Kernel release.
    pub kernel: String,
    /// Processors the kernel has.
    pub processors: usize,
    /// Whether threads could have realtime priority.
    pub realtime: bool,
    /// Windows in each cell.
    pub trials: u32,
    /// By load, rate and window.
    pub cells: Vec<Cell>,
}

/// Something that must hold, and whether it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What must hold.
    pub what: &'static str,
    /// What was found.
    pub found: String,
    /// Whether it holds.
    pub met: bool,
}

/// Share of outages whose truth must be within the bar, and of bars that must be narrow.
const SHARE: f64 = 0.99;
/// Of outages under load, at most this share may be called untrusted.
const UNTRUSTED: f64 = 0.2;
/// Fewer undisturbed outages than this share say nothing of an idle host.
const UNDISTURBED: f64 = 0.5;
/// An idle host's bars, in gaps between probes.
const GAPS: f64 = 2.0;

impl Report {
    /// All outages of these cells.
    fn outages(&self, of: impl Fn(&Cell) -> bool) -> impl Iterator<Item = (&Cell, &Measured)> {
        let cells = self.cells.iter().filter(move |cell| of(cell));
        cells.flat_map(|cell| cell.outages.iter().map(move |measured| (cell, measured)))
    }

    /// Everything that must hold of what was measured.
    pub fn verdicts(&self) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        let trusted = |load: Load| {
            let all = self.outages(move |cell| cell.load == load);
            all.filter(|(_, measured)| measured.is_trusted())
        };
        for (load, what) in [
            (Load::Idle, "idle: 99 % of outages within their error bar"),
            (Load::Busy, "busy: 99 % of outages within their error bar"),
        ] {
            let within = trusted(load).map(|(_, measured)| measured.is_within());
            verdicts.extend(at_least(SHARE, what, within));
        }
        let undisturbed = || trusted(Load::Idle).filter(|(_, measured)| measured.stolen == 0);
        let narrow = undisturbed().map(|(cell, measured)| {
            measured.bar_ms <= GAPS * 1e3 / f64::from(cell.rate) + f64::EPSILON
        });
        let what = "idle: 99 % of error bars at most two gaps between probes";
        verdicts.extend(at_least(SHARE, what, narrow));
        let fine = undisturbed().filter(|(cell, _)| cell.rate == 10_000);
        let what = "idle: at 10,000 packets a second 99 % of error bars at most 0.2 ms";
        verdicts.extend(at_least(SHARE, what, fine.map(|(_, m)| m.bar_ms <= 0.2)));
        let all = trusted(Load::Idle).map(|(_, measured)| measured.stolen == 0);
        let what =
            "idle: half of the outages undisturbed by the hypervisor; bars are judged by them";
        verdicts.extend(at_least(UNDISTURBED, what, all));
        let all = self.outages(|cell| cell.load == Load::Busy);
        let what = "busy: 80 % of outages trusted";
        verdicts.extend(at_least(
            1.0 - UNTRUSTED,
            what,
            all.map(|(_, m)| m.is_trusted()),
        ));
        let all = self.outages(|_| true).filter(|(_, m)| m.is_trusted());
        let what = "packets lost by the report are those the wire dropped";
        verdicts.extend(at_least(1.0, what, all.map(|(_, m)| m.lost == m.dropped)));
        verdicts
    }

    /// Whether all of that holds.
    pub fn is_met(&self) -> bool {
        self.verdicts().iter().all(|verdict| verdict.met)
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let rows = self.rows();
        let mut widths = HEAD.map(str::len);
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        let head = HEAD.map(str::to_owned);
        for row in std::iter::once(&head).chain(&rows) {
            let cells = row.iter().zip(widths);
            let line: Vec<String> = cells
                .map(|(cell, width)| format!("{cell:>width$}"))
                .collect();
            let _ = writeln!(text, "{}", line.join("  "));
        }
        text.push('\n');
        for verdict in self.verdicts() {
            let mark = if verdict.met { "ok    " } else { "MISSED" };
            let _ = writeln!(text, "{mark} {}: {}", verdict.what, verdict.found);
        }
        for (code, count) in self.untrusted() {
            let _ = writeln!(text, "       untrusted for {code}: {count}");
        }
        text
    }

    /// For a document.
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "Kernel {}, {} processors{}; {} windows in each row, each seen both ways. Times in milliseconds.\n\n| {} |\n|{}\n",
            self.kernel.split('-').next().unwrap_or_default(),
            self.processors,
            if self.realtime {
                ""
            } else {
                ", no realtime priority"
            },
            self.trials,
            HEAD.join(" | "),
            "---|".repeat(HEAD.len()),
        );
        for row in self.rows() {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        text.push('\n');
        for verdict in self.verdicts() {
            let mark = if verdict.met { "" } else { " **Missed.**" };
            let _ = writeln!(text, "- {}: {}.{mark}", verdict.what, verdict.found);
        }
        let untrusted = self.untrusted();
        let untrusted: Vec<String> = untrusted
            .iter()
            .map(|(code, n)| format!("`{code}` {n}"))
            .collect();
        if !untrusted.is_empty() {
            let _ = writeln!(text, "- untrusted, and why: {}.", untrusted.join(", "));
        }
        text
    }

    /// How many outages are untrusted for what.
    fn untrusted(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for (_, measured) in self.outages(|_| true) {
            for code in &measured.untrusted_for {
                *counts.entry(code.as_str()).or_default() += 1;
            }
        }
        counts
    }

    fn rows(&self) -> Vec<[String; 8]> {
        self.cells.iter().map(row).collect()
    }
}

const HEAD: [&str; 8] = [
    "load",
    "packets/s",
    "true",
    "within bar",
    "error, median",
    "error, largest",
    "bar: median, largest",
    "untrusted",
];

fn row(cell: &Cell) -> [String; 8] {
    let trusted: Vec<&Measured> = cell.outages.iter().filter(|m| m.is_trusted()).collect();
    let sorted_by =
        |value: fn(&Measured) -> f64| sorted(trusted.iter().map(|m| value(m)).collect());
    let errors = sorted_by(|m| m.error_ms().abs());
    let bars = sorted_by(|m| m.bar_ms);
    let at = |values: &[f64], q| quantile(values, q).map_or_else(|| "–".to_owned(), ms);
    [
        cell.load.to_string(),
        cell.rate.to_string(),
        ms(cell.window_us as f64 / 1e3),
        format!(
            "{} of {}",
            trusted.iter().filter(|m| m.is_within()).count(),
            trusted.len()
        ),
        at(&errors, 0.5),
        at(&errors, 1.0),
        format!("{}, {}", at(&bars, 0.5), at(&bars, 1.0)),
        (cell.outages.len() - trusted.len()).to_string(),
    ]
}

/// Two significant digits behind the point at most, and no zeros there.
fn ms(value: f64) -> String {
    let text = if value >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    };
    match text.split_once('.') {
        Some(_) => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        None => text,
    }
}

/// Nothing of nothing: where none was measured there is nothing to judge.
fn at_least(share: f64, what: &'static str, all: impl Iterator<Item = bool>) -> Option<Verdict> {
    let (mut count, mut good) = (0u32, 0u32);
    for one in all {
        count += 1;
        good += u32::from(one);
    }
    (count > 0).then(|| Verdict {
        what,
        found: format!("{good} of {count}"),
        met: f64::from(good) >= share * f64::from(count),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(reported_ms: f64, bar_ms: f64) -> Measured {
        Measured {
            from: "a".to_owned(),
            true_ms: 2.0,
            reported_ms,
            bar_ms,
            lost: 20,
            dropped: 20,
            untrusted_for: Vec::new(),
            stolen: 0,
        }
    }

    fn report(load: Load, outages: Vec<Measured>) -> Report {
        Report {
            kernel: "6.1.0-x".to_owned(),
            processors: 2,
            realtime: true,
            trials: 50,
            cells: vec![Cell {
                load,
                rate: 10_000,
                window_us: 2_000,
                outages,
            }],
        }
    }

    #[test]
    fn one_in_a_hundred_may_be_outside_its_bar_and_no_more() {
        let mut outages = vec![measured(2.05, 0.11); 100];
        outages[0].reported_ms = 2.2;
        assert!(report(Load::Idle, outages.clone()).is_met());
        outages[1].reported_ms = 1.8;
        let report = report(Load::Idle, outages);
        let missed: Vec<Verdict> = report.verdicts().into_iter().filter(|v| !v.met).collect();
        assert_eq!(missed.len(), 1);
        assert_eq!(missed[0].found, "98 of 100");
        assert!(report.text().contains("MISSED idle: 99 % of outages"));
    }

    #[test]
    fn wide_bars_are_missed_on_an_idle_host_only() {
        let wide = vec![measured(2.05, 0.3); 10];
        assert!(!report(Load::Idle, wide.clone()).is_met());
        assert!(report(Load::Busy, wide).is_met());
    }

    #[test]
    fn bars_are_judged_where_the_hypervisor_took_nothing() {
        let mut outages = vec![measured(2.05, 0.11); 10];
        for outage in outages.iter_mut().take(5) {
            (outage.bar_ms, outage.stolen) = (5.0, 1);
        }
        assert!(report(Load::Idle, outages.clone()).is_met());
        outages[5].stolen = 1;
        let report = report(Load::Idle, outages);
        let missed: Vec<Verdict> = report.verdicts().into_iter().filter(|v| !v.met).collect();
        assert_eq!(missed.len(), 1);
        assert_eq!(missed[0].found, "4 of 10");
    }

    #[test]
    fn the_untrusted_do_not_count_and_must_be_few() {
        let mut outages = vec![measured(2.0, 0.1); 10];
        for outage in outages.iter_mut().take(2) {
            outage.reported_ms = 9.0;
            outage.untrusted_for = vec!["relay-behind".to_owned()];
        }
        assert!(report(Load::Busy, outages.clone()).is_met());
        outages[2].untrusted_for = vec!["relay-behind".to_owned()];
        let report = report(Load::Busy, outages);
        assert!(!report.is_met());
        assert_eq!(
            report.markdown(),
            "Kernel 6.1.0, 2 processors; 50 windows in each row, each seen both ways. Times in milliseconds.\n\n\
             | load | packets/s | true | within bar | error, median | error, largest | bar: median, largest | untrusted |\n\
             |---|---|---|---|---|---|---|---|\n\
             | busy | 10000 | 2 | 7 of 7 | 0 | 0 | 0.1, 0.1 | 3 |\n\n\
             - busy: 99 % of outages within their error bar: 7 of 7.\n\
             - busy: 80 % of outages trusted: 7 of 10. **Missed.**\n\
             - packets lost by the report are those the wire dropped: 7 of 7.\n\
             - untrusted, and why: `relay-behind` 3.\n"
        );
    }

    #[test]
    fn a_packet_lost_elsewhere_is_missed() {
        let mut outages = vec![measured(2.0, 0.1); 10];
        outages[3].lost = 21;
        assert!(!report(Load::Busy, outages).is_met());
    }
}
